"""The states of living customers in compiled form. Importing this loads numba."""

import numpy as np
from numba import njit

from kundenwert.families.kernels.scalar import ANY_ORDER
from kundenwert.names import STATES, State
from kundenwert.value.kernels.words import Array
from kundenwert.value.kernels.worth import gap, level_of, numbers, worth

_MOST_VALUABLE, _SUPER_GROWTH = STATES.index(State.MOST_VALUABLE), STATES.index(State.SUPER_GROWTH)
_MOST_GROWABLE, _LOW_MAINTENANCE = STATES.index(State.MOST_GROWABLE), STATES.index(State.LOW_MAINTENANCE)
_BELOW_ZERO, _DORMANT = STATES.index(State.BELOW_ZERO), STATES.index(State.DORMANT)


@njit(inline="always")
def state(actual: float, unrealized: float, marks: tuple[float, float, float]) -> int:
    """The position in `names.STATES` of a living customer."""
    valuable, growable_from, below_zero = marks
    growable = unrealized >= growable_from
    high = _SUPER_GROWTH if growable else _MOST_VALUABLE
    low = _MOST_GROWABLE if growable else _LOW_MAINTENANCE
    below = (actual < -below_zero) & (actual + unrealized <= 0.0)
    return _BELOW_ZERO if below else (high if actual >= valuable else low)


@njit(inline="always")
def _limits(marks: Array) -> tuple[float, float, float]:
    """Marks as numbers, for the reason that `worth.numbers` gives."""
    return marks[0], marks[1], marks[2]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def positions(actual: Array, unrealized: Array, marks: Array, out: np.ndarray) -> None:
    """`state` of equally long arrays."""
    limits = _limits(marks)
    for i in range(len(out)):
        out[i] = state(actual[i], unrealized[i], limits)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def tally(
    which: np.ndarray,
    p_alive: Array,
    rate: Array,
    dropout: Array,
    spend: Array,
    margin: Array,
    proven: Array,
    terms: Array,
    owed: float,
    level: Array,
    attainable: Array,
    scale: float,
    marks: Array,
    chances: Array,
    rooms: Array,
) -> None:
    """Each draw's state given alive, weighted by its chance of being alive.

    Parameters
    ----------
    which, p_alive : (row,), (history, draw).
    rate, dropout, spend : (row, draw) of the living customer, with the drawn mean amount of an order.
    margin, proven : (row,) share of an order, and 0 where no room is credited, else 1.
    terms, owed : see `value.kernels.worth`, and file cost.
    level : (row or 1, draw) the frontier; one row where all customers have the same margin.
    attainable, scale : (draw,) share of the gap, and what unrealized value is scaled by.
    marks : valuable, growable, below zero.
    chances : (row, state), the result; NaN where a draw of value is not finite.
    rooms : (row,) expected unrealized value before the scale.
    """
    n = rate.shape[1]
    fixed, limits = numbers(terms), _limits(marks)
    code = np.empty(n, np.int64)
    for row in range(len(which)):
        alive, mark = p_alive[which[row]], level_of(level, row)
        share, credited = margin[row], proven[row]
        total, wrong = 0.0, 0
        for i in range(n):
            value = worth(rate[row, i], dropout[row, i], spend[row, i], share, fixed)
            room = credited * attainable[i] * gap(mark[i], value)
            total += alive[i] * room
            wrong += 0 if abs(value) < np.inf else 1
            code[i] = state(value - owed, scale * room, limits)
        rooms[row] = total / n
        for k in range(_DORMANT):
            chance = 0.0
            for i in range(n):
                chance += alive[i] if code[i] == k else 0.0
            chances[row, k] = chance / n if wrong == 0 else np.nan
        gone = 0.0
        for i in range(n):
            gone += 1.0 - alive[i]
        chances[row, _DORMANT] = gone / n
