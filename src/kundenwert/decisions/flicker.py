"""How many labels another set of draws would decide otherwise: what of a change between runs is chance alone."""

import math

import numpy as np
from scipy.special import ndtr

from kundenwert.decisions.hysteresis import NOTHING, STANDARD_ERRORS, BoolArray, Memory, standard_errors
from kundenwert.decisions.losses import FloatArray, IntArray, Losses, least_risk
from kundenwert.names import STATES


def chances_of_change(
    risk: FloatArray,
    open_to: BoolArray,
    probabilities: FloatArray,
    losses: Losses,
    memory: Memory,
) -> FloatArray:
    """Probability that another set of draws would end in another label.

    The label that stands is held against the best of all others: by how much it is ahead, or behind by more than
    changing needs, in units of what that difference scatters between two sets of draws; where it goes, the best of the
    others against the next one. Which labels may be published, and what waiting is worth, are taken as they are.

    Parameters
    ----------
    risk, open_to : (customer, action) over `names.SEGMENTS`, as they decided.
    probabilities : (customer, state).
    losses : what the risks of the six labels were taken with.
    memory : with the squares of these customers.

    Returns
    -------
    (customer,), NaN where no label stood before.

    Raises
    ------
    ValueError : a memory without squares: draws that are exact change nothing.

    Notes
    -----
    docs/statistics.md, section Segments.
    """
    if memory.squares is None:
        raise ValueError("the memory says nothing of its draws")
    squares, before, everybody = memory.squares, memory.published.labels, np.arange(len(risk))
    stands = (before != NOTHING) & open_to[everybody, before]
    if memory.hard_event is not None:
        stands &= ~memory.hard_event
    first, least = least_risk(risk, _without(open_to, np.where(stands, before, NOTHING)))
    second, next_least = least_risk(risk, _without(_without(open_to, np.where(stands, before, NOTHING)), first))
    by_action = np.vstack([losses.array, np.zeros(len(STATES))])

    def noise(one: IntArray, other: IntArray) -> FloatArray:
        return standard_errors(by_action[one] - by_action[other], probabilities, squares, memory.draws)

    own = np.where(stands, before, first)
    doubt = noise(own, first)
    behind = risk[everybody, own] - least - memory.switching_cost - STANDARD_ERRORS * doubt
    turns = np.where(stands, chance_of_turning(behind, doubt), 0.0)
    among_others = chance_of_turning(next_least - least, noise(first, second))
    chance = np.where(stands & (behind <= 0), turns, turns + (1.0 - turns) * among_others)
    stood = (memory.now - memory.published.since) / np.timedelta64(1, "D")
    chance[stands & (stood < memory.dwell)] = 0.0
    return np.where(before == NOTHING, np.nan, chance)


def _without(open_to: BoolArray, action: IntArray) -> BoolArray:
    """Open actions but for one of each customer's, or none."""
    found, rows = open_to.copy(), np.flatnonzero(action != NOTHING)
    found[rows, action[rows]] = False
    return found


def chance_of_turning(margin: FloatArray, noise: FloatArray) -> FloatArray:
    """Probability that a margin, estimated with this noise, has the other sign with another set of draws."""
    scatter = math.sqrt(2.0) * noise
    apart = np.divide(np.abs(margin), scatter, out=np.full(len(margin), np.inf), where=scatter > 0)
    return np.asarray(ndtr(-apart))
