"""Memory: a published label stays unless another is better by more than changing costs and draws can tell.

A label that changes from night to night changes what is done to a customer, and half of these changes are noise
(docs/statistics.md, section Segments).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.decisions.losses import FloatArray, IntArray, Losses
from kundenwert.errors import UsageError
from kundenwert.names import SEGMENTS, STATES, State

BoolArray = npt.NDArray[np.bool_]
Days = npt.NDArray[np.datetime64]

NOTHING = -1  # in place of a position: no label was published
SWITCHING_COST = 0.05
STANDARD_ERRORS = 2.0
DORMANT = STATES.index(State.DORMANT)


@dataclass(frozen=True, eq=False)
class Published:
    """What was last published on each customer.

    Parameters
    ----------
    labels : (customer,) positions in `names.SEGMENTS`; `NOTHING` for new customers and those without a label.
    since : (customer,) day from which the label has stood; NaT where there is none, or where it is not known.
    """

    labels: IntArray
    since: Days

    @classmethod
    def nothing(cls, customers: int) -> "Published":
        """A base that nothing was published on."""
        return cls(np.full(customers, NOTHING), np.full(customers, np.datetime64("NaT", "D")))

    def since_when(self, labels: npt.NDArray[np.object_], now: np.datetime64) -> Days:
        """(customer,) the day from which labels published now have stood; NaT where none is published."""
        codes = positions_of(labels)
        since = np.where((codes == self.labels) & ~np.isnat(self.since), self.since, now.astype("datetime64[D]"))
        return np.where(codes == NOTHING, np.datetime64("NaT", "D"), since)


@dataclass(frozen=True, eq=False)
class Memory:
    """What was published, and what it takes to publish something else.

    Parameters
    ----------
    published : on these customers.
    now : the last observed day.
    switching_cost : of another treatment, in units of loss; infinite never changes a label that may still be
        published.
    dwell : days that a label stands at least.
    hard_event : (customer,) objection, death, insolvency or deletion, which no memory holds up; nobody by default.
    squares : (customer, living state) mean over draws of P_A^2 where the living customer's state is this one; by
        default draws are taken to be exact.
    draws : number of draws behind the probabilities and `squares`.
    resolvable : (customer,) whether waiting would tell enough by a mark that lies further from what was published; by
        default the mark is that of customers without a label.
    """

    published: Published
    now: np.datetime64
    switching_cost: float = SWITCHING_COST
    dwell: float = 0.0
    hard_event: BoolArray | None = None
    squares: FloatArray | None = None
    draws: int = 0
    resolvable: BoolArray | None = None

    def __post_init__(self) -> None:
        if np.isnan([self.switching_cost, self.dwell]).any() or self.switching_cost < 0 or self.dwell < 0:
            raise UsageError(
                f"switching cost and dwell are 0 or more, not {self.switching_cost:g} and {self.dwell:g} days."
            )
        if self.squares is not None and self.draws < 2:
            raise UsageError(f"the noise of {self.draws} draws is not known. Say how many draws there are, at least 2.")


def positions_of(labels: npt.NDArray[np.object_]) -> IntArray:
    """Positions of labels in `names.SEGMENTS`, `NOTHING` where a label is missing; an unknown one is a `UsageError`.

    Examples
    --------
    >>> positions_of(np.array(["dormant", None, "migrator"], dtype=object)).tolist()
    [5, -1, 6]
    """
    found = pd.Index(SEGMENTS).get_indexer(pd.Index(labels))
    strange = (found == NOTHING) & ~pd.isna(labels)
    if strange.any():
        raise UsageError(f"{labels[strange][0]!r} is no label. Labels are {', '.join(SEGMENTS)}.")
    return found.astype(np.int64)


def recall(ids: npt.NDArray[np.object_], before: pd.DataFrame, as_of: np.datetime64) -> Published:
    """What an earlier table of customers published on those of today.

    Parameters
    ----------
    ids : (customer,) of today; 7 and "7" are the same customer.
    before : columns `customer_id`, `segment` and, in tables that have it, `label_since`.
    as_of : last observed day of the earlier table: its labels have stood from then on at least.

    Returns
    -------
    Published
        Nothing on customers whom the table does not have, or has without a label.

    Raises
    ------
    UsageError : a customer twice, or an unknown label.
    """
    if before["customer_id"].duplicated().any():
        twice = before.loc[before["customer_id"].duplicated(), "customer_id"].iloc[0]
        raise UsageError(f"the earlier table has customer {twice} more than once: it must have one row a customer.")
    row_of = pd.Index(before["customer_id"].map(str)).get_indexer(pd.Index([str(one) for one in ids]))
    labels = positions_of(before["segment"].to_numpy(dtype=object))
    since = np.full(len(before), as_of.astype("datetime64[D]"))
    if "label_since" in before:
        stated = pd.to_datetime(before["label_since"]).to_numpy().astype("datetime64[D]")
        since = np.where(np.isnat(stated), since, stated)
    since = np.where(labels == NOTHING, np.datetime64("NaT", "D"), since)
    known = row_of >= 0
    found = Published.nothing(len(ids))
    found.labels[known], found.since[known] = labels[row_of[known]], since[row_of[known]]
    return found


def standard_errors(difference: FloatArray, probabilities: FloatArray, squares: FloatArray, draws: int) -> FloatArray:
    """Monte Carlo standard error of a difference in risk between two labels.

    Each draw weights the living customer's state with `P_A` and `dormant` with `1 - P_A`; the difference in risk is
    the mean over draws of the weighted difference in loss, and its standard error the standard deviation of that over
    the root of the number of draws. Two living states never occur in one draw, so the second moments are diagonal but
    for `mean P_A (1 - P_A) 1{k} = probability - square`.

    Parameters
    ----------
    difference : (customer, state) loss of one label less that of the other, by truth.
    probabilities : (customer, state).
    squares : (customer, living state), see `Memory`.
    draws : at least 2.

    Returns
    -------
    (customer,)
    """
    living = probabilities[:, :DORMANT]
    # About its mean, for the difference of two nearly equal second moments would keep no digit.
    around = difference - (difference * probabilities).sum(axis=1, keepdims=True)
    alive, gone = around[:, :DORMANT], around[:, DORMANT]
    # mean (1 - P_A)^2 = 1 - 2 mean P_A + mean P_A^2, where mean P_A = 1 - P(dormant).
    gone_twice = 2.0 * probabilities[:, DORMANT] - 1.0 + squares.sum(axis=1)
    variance = (alive**2 * squares).sum(axis=1) + gone**2 * gone_twice
    variance += 2.0 * gone * (alive * (living - squares)).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0) / (draws - 1)))


def held_back(
    risk: FloatArray,
    allowed: BoolArray,
    best: IntArray,
    probabilities: FloatArray,
    losses: Losses,
    memory: Memory,
) -> BoolArray:
    """Whose published label stays, though another may be published that has less risk.

    That is `argmin_d [risk(d) + switching cost where d is another]`, where a change must win by more than two standard
    errors, and the label must have stood for the dwell. A label that may no longer be published is never held, and a
    hard event lets go of every label.

    Parameters
    ----------
    risk, allowed : (customer, action) over `names.SEGMENTS`: the last action withholds the label, at its price.
    best : (customer,) the action of least risk of those that are allowed.
    probabilities : (customer, state).
    losses : what the risks of the six labels were taken with.

    Returns
    -------
    (customer,)
    """
    before = memory.published.labels
    held: BoolArray = (before != NOTHING) & (before != best)
    if memory.hard_event is not None:
        held &= ~memory.hard_event
    rows = np.flatnonzero(held)
    own, other = before[rows], best[rows]
    advantage = risk[rows, own] - risk[rows, other]
    needed = np.full(len(rows), memory.switching_cost, dtype=np.float64)
    if memory.squares is not None:
        # The price is the same on every draw, so withholding has no noise of its own: any constant will do for it.
        by_action = np.vstack([losses.array, np.zeros(len(STATES))])
        difference = by_action[own] - by_action[other]
        noise = standard_errors(difference, probabilities[rows], memory.squares[rows], memory.draws)
        needed += STANDARD_ERRORS * noise
    stood = (memory.now - memory.published.since[rows]) / np.timedelta64(1, "D")
    # A label of unknown age has a NaN here, and is not young.
    held[rows] = allowed[rows, own] & ((advantage <= needed) | (stood < memory.dwell))
    return held
