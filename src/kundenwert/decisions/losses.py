"""What a wrong label costs: the loss matrix as data, and the rule that minimises expected loss.

Rows are actions, columns are truth, both in the order of `names.STATES`. The defaults are a judgement in units of
their own (docs/statistics.md, section Segments); treating a valuable customer as below zero is the dearest mistake.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kundenwert.errors import UsageError
from kundenwert.names import STATES

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

UNIT_LOSSES: tuple[tuple[float, ...], ...] = (
    (0.0, 0.3, 1.0, 1.0, 1.5, 1.0),
    (0.3, 0.0, 0.7, 1.0, 1.5, 1.0),
    (1.5, 1.0, 0.0, 0.4, 0.8, 0.5),
    (2.0, 2.0, 0.6, 0.0, 0.4, 0.2),
    (4.0, 4.0, 1.5, 1.0, 0.0, 0.3),
    (3.0, 3.0, 1.0, 0.4, 0.2, 0.0),
)


@dataclass(frozen=True)
class Losses:
    """A loss matrix.

    Parameters
    ----------
    matrix : (action, truth), both over the six states in their order; zero on the diagonal, nowhere negative.

    Examples
    --------
    >>> Losses().of("below_zero", "most_valuable")
    4.0
    """

    matrix: tuple[tuple[float, ...], ...] = UNIT_LOSSES

    def __post_init__(self) -> None:
        size = len(STATES)
        if len(self.matrix) != size or any(len(row) != size for row in self.matrix):
            raise UsageError(f"losses must be {size} x {size}: one row an action, one column a true state.")
        values = np.array(self.matrix, dtype=np.float64)
        if not np.isfinite(values).all() or (values < 0).any():
            raise UsageError("losses must be finite and not negative: a right label costs 0, a wrong one more.")
        if np.diagonal(values).any():
            raise UsageError("losses must be 0 on the diagonal: there the label is right.")
        object.__setattr__(self, "matrix", tuple(tuple(float(v) for v in row) for row in values))

    @classmethod
    def resolve(cls, given: "Losses | npt.ArrayLike | None") -> "Losses":
        """The default where nothing is given, else what is given, checked."""
        if given is None:
            return cls()
        if isinstance(given, Losses):
            return given
        try:
            values = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise UsageError(
                f"losses must be a matrix of {len(STATES)} x {len(STATES)} numbers, or 'levers' for those that follow "
                f"from what levers gain, not {given!r}."
            ) from None
        if values.ndim != 2:
            raise UsageError(f"losses must be {len(STATES)} x {len(STATES)}, not of shape {values.shape}.")
        return cls(tuple(map(tuple, values.tolist())))

    def to_dict(self) -> dict[str, Any]:
        """The matrix with the order of its rows and columns."""
        return {"order": [state.value for state in STATES], "matrix": [list(row) for row in self.matrix]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Losses":
        """The inverse of `to_dict`; another order of the states is a `UsageError`."""
        if list(data["order"]) != [state.value for state in STATES]:
            raise UsageError(f"losses are in the order {', '.join(data['order'])}, not {', '.join(STATES)}.")
        rows: Sequence[Sequence[float]] = data["matrix"]
        return cls(tuple(tuple(row) for row in rows))

    @property
    def array(self) -> FloatArray:
        """(action, truth)."""
        return np.array(self.matrix)

    def of(self, action: str, truth: str) -> float:
        """The loss of one label where another would be right."""
        order = [state.value for state in STATES]
        return self.matrix[order.index(action)][order.index(truth)]


def risks(probabilities: FloatArray, losses: Losses) -> FloatArray:
    """Expected loss of each action.

    Parameters
    ----------
    probabilities : (customer, state).

    Returns
    -------
    (customer, action)
    """
    return np.asarray(probabilities @ losses.array.T)


def least_risk(risk: FloatArray, allowed: npt.NDArray[np.bool_] | None = None) -> tuple[IntArray, FloatArray]:
    """The action of least risk and that risk, each (customer,).

    Parameters
    ----------
    risk : (customer, action).
    allowed : (customer, action) actions that may be published; all by default.
    """
    open_to = risk if allowed is None else np.where(allowed, risk, np.inf)
    action = open_to.argmin(axis=1)
    return action, np.take_along_axis(open_to, action[:, None], axis=1)[:, 0]
