"""The decision itself: which labels may be published on a customer, which of them costs least, and when none does.

Source: docs/statistics.md, section Segments.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kundenwert.decisions.hysteresis import BoolArray as BoolArray
from kundenwert.decisions.hysteresis import Memory, held_back
from kundenwert.decisions.losses import FloatArray, IntArray, Losses, least_risk, risks
from kundenwert.decisions.thresholds import derive_price
from kundenwert.names import MIGRATOR, SEGMENTS, STATES, State

BELOW_ZERO_CERTAINTY = 0.9
ROUNDING = 1e-9  # relative; customers of equal risk must not be told apart by its last digit
BELOW_ZERO = STATES.index(State.BELOW_ZERO)
DORMANT = STATES.index(State.DORMANT)
WITHHELD = SEGMENTS.index(MIGRATOR)


@dataclass(frozen=True)
class Decision:
    """Published labels and what was noted on the way.

    Parameters
    ----------
    positions : (customer,) of the label in `names.SEGMENTS`.
    undecided : (customer,) whether the label was withheld.
    risk : (customer,) expected loss of what is published.
    unconfirmed : (customer,) whether `below_zero` would cost least if it, too, might be published.
    price : expected loss above which a label is withheld.
    held : (customer,) whether memory alone keeps the label: another one costs less, or what waiting is worth lies too
        close to its mark.
    borderline : (customer,) whether the label would be withheld, if waiting told more.
    """

    positions: IntArray
    undecided: BoolArray
    risk: FloatArray
    unconfirmed: BoolArray
    price: float
    held: BoolArray
    borderline: BoolArray

    @property
    def labels(self) -> npt.NDArray[np.object_]:
        """(customer,) one of `names.SEGMENTS`."""
        return np.array(SEGMENTS, dtype=object)[self.positions]


def allowed_labels(
    probabilities: FloatArray,
    age: FloatArray,
    cycle: FloatArray,
    *,
    repairs_evaluated: BoolArray | bool = True,
    complaint: BoolArray | None = None,
) -> BoolArray:
    """Which labels may be published on each customer.

    `dormant` only on customers who can have gone, for in its place it would be the cheapest label of one-time buyers
    whom BG/NBD takes to be alive by construction. `below_zero` only on customers who can have gone, too (an active
    cost that a model without doubt lets run for ever says nothing about them), who have been known for as long as
    one of their orders takes to come, and who, if they are still there at all, are below zero almost surely. Nor may
    a complaint of theirs be open, and a lever that lowers their costs must have been tried on paper.

    Parameters
    ----------
    probabilities : (customer, state).
    age : (customer,) T, in time units.
    cycle : (customer,) expected time between orders, in time units.
    repairs_evaluated : (customer,) or for all, whether potential value took in a lever on the cost to serve; by
        default this is not asked.
    complaint : (customer,) whether a complaint is open; by default of nobody.

    Returns
    -------
    (customer, state)
    """
    allowed = np.ones(probabilities.shape, dtype=bool)
    doubted = probabilities[:, DORMANT] > 0
    living = 1.0 - probabilities[:, DORMANT]
    certain = (probabilities[:, BELOW_ZERO] >= BELOW_ZERO_CERTAINTY * living) & (living > 0)
    allowed[:, DORMANT] = doubted
    allowed[:, BELOW_ZERO] = doubted & certain & (age >= cycle) & repairs_evaluated
    if complaint is not None:
        allowed[:, BELOW_ZERO] &= ~complaint
    return allowed


def decide(
    probabilities: FloatArray,
    allowed: BoolArray,
    losses: Losses,
    price: float | None = None,
    *,
    memory: Memory | None = None,
    resolvable: BoolArray | None = None,
) -> Decision:
    """Bayes rule over the labels that may be published; withheld where even the least risk exceeds the price.

    Parameters
    ----------
    probabilities, allowed : (customer, state).
    price : by default it is derived from these customers' least risks, those of the labels that may be published:
        measured against labels that nobody can get, it would be too low for all who are denied them.
    memory : what was published before, which stays unless a change pays; by default nothing was.
    resolvable : (customer,) whether waiting would tell enough; where it would not, no label is withheld. By default it
        would. What counts is asked of undecided customers alone, so decide once, ask, and decide again.
    """
    risk = risks(probabilities, losses)
    if price is None:
        price = derive_price(least_risk(risk, allowed)[1])
    # Withholding is one more action, which costs the price whatever the truth.
    risk = np.column_stack([risk, np.full(len(risk), price * (1.0 + ROUNDING))])
    open_to = np.column_stack([allowed, np.ones(len(risk), dtype=bool)])
    borderline = np.zeros(len(risk), dtype=bool)
    if resolvable is not None:
        borderline = (least_risk(risk, open_to)[0] == WITHHELD) & ~resolvable
        open_to[:, WITHHELD] = resolvable
    chosen, held = _choose(probabilities, risk, open_to, losses, memory)
    # A label that stands is no surer for it: it is the one that would be published without memory, or is held.
    borderline &= ~held
    own = np.take_along_axis(risk, chosen[:, None], axis=1)[:, 0]
    with_below_zero = allowed.copy()
    with_below_zero[:, BELOW_ZERO] = True
    return Decision(
        positions=chosen,
        undecided=chosen == WITHHELD,
        risk=np.where(own > price * (1.0 + ROUNDING), own, np.minimum(own, price)),
        unconfirmed=(least_risk(risk[:, :-1], with_below_zero)[0] == BELOW_ZERO) & ~allowed[:, BELOW_ZERO],
        price=price,
        held=held,
        borderline=borderline,
    )


def _choose(
    probabilities: FloatArray, risk: FloatArray, open_to: BoolArray, losses: Losses, memory: Memory | None
) -> tuple[IntArray, BoolArray]:
    """The position in `names.SEGMENTS` of what is published, and whether memory held it."""
    best = least_risk(risk, open_to)[0]
    if memory is None:
        return best, np.zeros(len(best), dtype=bool)
    before, rival = memory.published.labels, best
    if memory.resolvable is not None:
        open_to = open_to.copy()
        open_to[:, WITHHELD] = memory.resolvable
        rival = least_risk(risk, open_to)[0]
    stands = (rival == before) | held_back(risk, open_to, rival, probabilities, losses, memory)
    return np.where(stands, before, best), stands & (best != before)
