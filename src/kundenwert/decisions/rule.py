"""The decision itself: which labels may be published on a customer, which of them costs least, and when none does.

Source: docs/statistics.md, section Segments.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kundenwert.decisions.losses import FloatArray, Losses, least_risk, risks
from kundenwert.decisions.thresholds import derive_price
from kundenwert.names import MIGRATOR, STATES, State

BoolArray = npt.NDArray[np.bool_]

BELOW_ZERO_CERTAINTY = 0.9
ROUNDING = 1e-9  # relative; customers of equal risk must not be told apart by its last digit
BELOW_ZERO = STATES.index(State.BELOW_ZERO)
DORMANT = STATES.index(State.DORMANT)


@dataclass(frozen=True)
class Decision:
    """Published labels and what was noted on the way.

    Parameters
    ----------
    labels : (customer,) one of `names.SEGMENTS`.
    undecided : (customer,) whether the label was withheld.
    risk : (customer,) expected loss of what is published.
    unconfirmed : (customer,) whether `below_zero` would cost least if it, too, might be published.
    price : expected loss above which a label is withheld.
    """

    labels: npt.NDArray[np.object_]
    undecided: BoolArray
    risk: FloatArray
    unconfirmed: BoolArray
    price: float


def allowed_labels(probabilities: FloatArray, age: FloatArray, cycle: FloatArray) -> BoolArray:
    """Which labels may be published on each customer.

    `dormant` only on customers who can have gone, for in its place it would be the cheapest label of one-time buyers
    whom BG/NBD takes to be alive by construction. `below_zero` only on customers who can have gone, too (an active
    cost that a model without doubt lets run for ever says nothing about them), who have been known for as long as
    one of their orders takes to come, and who, if they are still there at all, are below zero almost surely.

    Parameters
    ----------
    probabilities : (customer, state).
    age : (customer,) T, in time units.
    cycle : (customer,) expected time between orders, in time units.

    Returns
    -------
    (customer, state)
    """
    allowed = np.ones(probabilities.shape, dtype=bool)
    doubted = probabilities[:, DORMANT] > 0
    living = 1.0 - probabilities[:, DORMANT]
    certain = (probabilities[:, BELOW_ZERO] >= BELOW_ZERO_CERTAINTY * living) & (living > 0)
    allowed[:, DORMANT] = doubted
    allowed[:, BELOW_ZERO] = doubted & certain & (age >= cycle)
    return allowed


def decide(probabilities: FloatArray, allowed: BoolArray, losses: Losses, price: float | None = None) -> Decision:
    """Bayes rule over the labels that may be published; withheld where even the least risk exceeds the price.

    Parameters
    ----------
    probabilities, allowed : (customer, state).
    price : by default it is derived from these customers' least risks, those of the labels that may be published:
        measured against labels that nobody can get, it would be too low for all who are denied them.
    """
    risk = risks(probabilities, losses)
    action, least = least_risk(risk, allowed)
    if price is None:
        price = derive_price(least)
    undecided = least > price * (1.0 + ROUNDING)
    with_below_zero = allowed.copy()
    with_below_zero[:, BELOW_ZERO] = True
    names = np.array([state.value for state in STATES], dtype=object)
    return Decision(
        labels=np.where(undecided, MIGRATOR, names[action]),
        undecided=undecided,
        risk=np.minimum(least, price),
        unconfirmed=(least_risk(risk, with_below_zero)[0] == BELOW_ZERO) & ~allowed[:, BELOW_ZERO],
        price=price,
    )
