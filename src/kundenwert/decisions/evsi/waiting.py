"""The value of waiting: what a label would cost less if one decided after the customer's next orders.

Expected value of sample information (Raiffa, Schlaifer 1961): the sample is what a customer does in the time to come,
and the truth is the state at the end of it, before as after. Written for the arrays of one block of customers.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kundenwert.decisions.losses import FloatArray, Losses
from kundenwert.errors import NumericalError, UsageError
from kundenwert.names import STATES, State
from kundenwert.value.actual import Living
from kundenwert.value.counters import KeyArray, Purpose

BoolArray = npt.NDArray[np.bool_]
CodeArray = npt.NDArray[np.int8]

RESOLVABLE = 0.05
HISTORIES, DRAWS, MORE_DRAWS = 200, 400, 1000
NEAR = 0.02
_DORMANT = STATES.index(State.DORMANT)
_STREAMS = (Purpose.HISTORY_DRAW, Purpose.HISTORY_ARRIVALS, Purpose.HISTORY_AMOUNTS)


@dataclass(frozen=True)
class LookAhead:
    """How far one looks ahead, and how closely.

    Parameters
    ----------
    horizon : how long one would wait, in time units.
    resolvable : the value of waiting, in units of the losses, from which waiting is the decision.
    histories : simulated futures with an order; the one without needs no simulation.
    draws, more_draws : the customer's draws that each future is held against, and those where the value comes within
        `near` or two standard errors of `resolvable`; at most as many as there are.

    Examples
    --------
    >>> LookAhead(13.0).histories
    200
    """

    horizon: float
    resolvable: float = RESOLVABLE
    histories: int = HISTORIES
    draws: int = DRAWS
    more_draws: int = MORE_DRAWS
    near: float = NEAR

    def __post_init__(self) -> None:
        if not (np.isfinite(self.horizon) and self.horizon > 0):
            raise UsageError(f"one can look ahead for a finite time above 0, not for {self.horizon!r}.")
        if not self.resolvable >= 0 or not self.near >= 0:
            raise UsageError(f"resolvable {self.resolvable!r} and near {self.near!r} must not be negative.")
        if min(self.histories, self.draws, self.more_draws) < 1:
            raise UsageError("looking ahead needs at least one future and one draw.")


def values_of_waiting(
    seed: int,
    keys: KeyArray,
    living: Living,
    shape: FloatArray,
    silent: CodeArray,
    bought: CodeArray,
    losses: Losses,
    allowed: BoolArray,
    ahead: LookAhead,
) -> tuple[FloatArray, FloatArray]:
    """By how much the least expected loss falls if one first sees what a customer does.

    `sum_y P(y) [rho_y(d0) - min_d rho_y(d)]`, with `rho_y(d)` the expected loss of label d at the end of the time to
    come, after the customer did y in it, and `d0` the label of least expected loss before: no future can make it
    negative. A living customer is worth at the end of that time what he is worth now, so a draw keeps its state as
    long as the customer lives.

    Parameters
    ----------
    seed, keys : of the random streams, (row,).
    living : what decides the future of the rows.
    shape : (draw,) Gamma-Gamma's p.
    silent, bought : (row, draw) state of the living customer as a position in `names.STATES`, where no order comes
        until then, and where one does: the same, but for customers who were credited with no potential for want of a
        repeat purchase.
    allowed : (row, action) labels that may be published now; after an order `dormant` may be, too.
    ahead : how far to look, and how closely.

    Returns
    -------
    value, error : (row,) in units of the losses, not negative, and the Monte Carlo standard error, NaN
        from one draw. A row depends on its
        key, its draws and nothing else.

    Raises
    ------
    UsageError : arrays of different shapes, a state that no living customer has, or a row without a label.
    NumericalError : a draw that is not finite.

    Examples
    --------
    A customer known to be alive, slow with one chance in two, and nothing else to learn: no order says little.

    >>> keys, ones = np.array([7], dtype=np.uint64), np.ones((1, 2))
    >>> living = Living(np.zeros(1, dtype=np.int64), ones, np.array([[0.1, 2.0]]), 0.01 * ones, ones)
    >>> states = np.array([[3, 0]], dtype=np.int8)
    >>> allowed = np.ones((1, 6), dtype=bool)
    >>> given = (1, keys, living, np.ones(2), states, states, Losses(), allowed)
    >>> [values_of_waiting(*given, LookAhead(h))[0].round(2).item() for h in (0.01, 0.5, 2.0)]
    [0.0, 0.11, 0.4]
    """
    from kundenwert.decisions.evsi.kernels import wait

    _check(living, silent, bought, allowed)
    found, errors = np.empty((2, len(keys)))
    wait(
        np.uint64(seed),
        keys,
        np.array(_STREAMS, dtype=np.uint64),
        living.which,
        living.share,
        living.rate,
        living.dropout,
        living.spend_rate,
        np.ascontiguousarray(shape, dtype=np.float64),
        silent,
        bought,
        losses.array,
        allowed,
        ahead.horizon,
        ahead.resolvable,
        ahead.near,
        (ahead.histories, ahead.draws, ahead.more_draws),
        found,
        errors,
    )
    return found, errors


def _check(living: Living, silent: CodeArray, bought: CodeArray, allowed: BoolArray) -> None:
    """Compiled code would read beyond its arrays, or wait for orders without end."""
    shapes = {drawn.shape for drawn in (living.rate, living.dropout, living.spend_rate, silent, bought)}
    if len(shapes) > 1 or allowed.shape != (len(silent), len(STATES)):
        raise UsageError(f"draws and states must be of one shape, and not of {sorted(shapes)}.")
    for codes in (silent, bought):
        if codes.size and not 0 <= codes.min() <= codes.max() < _DORMANT:
            raise UsageError(f"states of living customers are 0 to {_DORMANT - 1}, not {codes.min()} to {codes.max()}.")
    if not allowed.any(axis=1).all():
        raise UsageError("a customer without any label that may be published cannot be decided on, now or later.")
    wrong = [n for n in ("rate", "dropout", "spend_rate", "share") if not np.isfinite(getattr(living, n)).all()]
    if wrong:
        raise NumericalError(f"some draws are not finite: {', '.join(wrong)}.")
