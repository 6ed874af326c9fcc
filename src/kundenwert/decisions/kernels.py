"""The states of living customers in compiled form. Importing this loads numba."""

import numpy as np
from numba import njit

from kundenwert.families.kernels.scalar import ANY_ORDER
from kundenwert.names import STATES, State
from kundenwert.value.kernels.words import Array

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


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def codes_of(actual: Array, unrealized: Array, scale: float, marks: Array, codes: np.ndarray) -> None:
    """(row, draw) `state` of living customers, -1 where a draw of value is not finite; `scale` is of the unrealized."""
    limits = _limits(marks)
    for row in range(len(codes)):
        for i in range(codes.shape[1]):
            value = actual[row, i]
            codes[row, i] = state(value, scale * unrealized[row, i], limits) if abs(value) < np.inf else -1


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def tally(which: np.ndarray, p_alive: Array, codes: np.ndarray, chances: Array, squares: Array) -> None:
    """Each draw's state given alive, weighted by its chance of being alive.

    Parameters
    ----------
    which, p_alive : (row,), (history, draw).
    codes : (row, draw) from `codes_of`.
    chances : (row, state), the result; NaN where a draw of value is not finite.
    squares : (row, state), means of the squares of the same weights.
    """
    n = codes.shape[1]
    for row in range(len(which)):
        alive = p_alive[which[row]]
        wrong = 0
        for i in range(n):
            wrong += codes[row, i] < 0
        for k in range(_DORMANT):
            chance, square = 0.0, 0.0
            for i in range(n):
                weight = alive[i] if codes[row, i] == k else 0.0
                chance += weight
                square += weight * weight
            chances[row, k] = chance / n if wrong == 0 else np.nan
            squares[row, k] = square / n
        gone, square = 0.0, 0.0
        for i in range(n):
            gone += 1.0 - alive[i]
            square += (1.0 - alive[i]) * (1.0 - alive[i])
        chances[row, _DORMANT], squares[row, _DORMANT] = gone / n, square / n
