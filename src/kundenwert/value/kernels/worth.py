"""What living customers are worth, and means of it over draws: the valuation identity in compiled form.

Customers of one history share the rows of what depends on the history alone; `which` says which row each of them has.
Sums may be added up in any order, so that they become vector code (docs/statistics.md, section Valuation identity).
"""

import numpy as np
from numba import njit

from kundenwert.families.kernels.scalar import ANY_ORDER, exp
from kundenwert.value.kernels.words import Array

_SERIES = 0.5
_INVERSE = tuple(1.0 / k for k in range(15, 1, -1))  # of the series: each term is the one before times -u/k


@njit(inline="always")
def annuity(rate: float, time: float) -> float:
    """`(1 - exp(-rate time)) / rate` for rate and time >= 0, with the digits that the difference would lose."""
    u = rate * time
    v = u if u < _SERIES else _SERIES
    p = 0.0
    for inverse in _INVERSE:
        p = 1.0 - v * inverse * p
    return time * (p if u < _SERIES else (1.0 - exp(-u)) / u)


@njit(inline="always")
def worth(rate: float, dropout: float, spend: float, margin: float, terms: tuple[float, float, float, float]) -> float:
    """Expected discounted contribution of a living customer, file cost aside."""
    horizon, discount, cost_per_order, cost_active = terms
    time = annuity(discount + rate * dropout, horizon)
    return time * (rate * (margin * spend - cost_per_order) - cost_active)


@njit(inline="always")
def numbers(terms: Array) -> tuple[float, float, float, float]:
    """The four terms as numbers: an array that a loop reads might be the one that it writes to, and stays scalar."""
    return terms[0], terms[1], terms[2], terms[3]


@njit(inline="always")
def gap(level: float, value: float) -> float:
    """How far a value lies below a level."""
    missing = level - value
    return missing if missing > 0.0 else 0.0


@njit(inline="always")
def level_of(levels: Array, row: int) -> Array:
    """(draw,) what a row's values are held against; `levels` has one row where it is the same for all."""
    return levels[row if len(levels) > 1 else 0]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def worths(rate: Array, dropout: Array, spend: Array, margin: Array, terms: Array, out: Array) -> None:
    """`worth` of equally long arrays."""
    fixed = numbers(terms)
    for i in range(len(out)):
        out[i] = worth(rate[i], dropout[i], spend[i], margin[i], fixed)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def mean_orders(which: np.ndarray, p_alive: Array, rate: Array, dropout: Array, horizon: float, out: Array) -> None:
    """(row,) orders expected within the horizon, averaged over draws and weighted by the chance of being alive."""
    n = rate.shape[1]
    for row in range(len(which)):
        alive, total = p_alive[which[row]], 0.0
        for i in range(n):
            total += alive[i] * rate[row, i] * annuity(rate[row, i] * dropout[row, i], horizon)
        out[row] = total / n


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def mean_worths(
    which: np.ndarray,
    p_alive: Array,
    rate: Array,
    dropout: Array,
    spend_which: np.ndarray,
    spend: Array,
    margin: Array,
    terms: Array,
    out: Array,
) -> None:
    """Expected value under several settings, averaged over draws and weighted by the chance of being alive.

    Parameters
    ----------
    which, p_alive : (row,), (history, draw).
    rate, dropout : (row, draw).
    spend_which, spend : (row,), (history, draw) amount of an order.
    margin, terms : (row, setting), (setting, 4): horizon, discount, cost of an order, cost per time unit alive.
    out : (row, setting), the result, file cost aside.
    """
    n = rate.shape[1]
    for row in range(len(which)):
        alive, amount = p_alive[which[row]], spend[spend_which[row]]
        for k in range(len(terms)):
            share, setting, total = margin[row, k], numbers(terms[k]), 0.0
            for i in range(n):
                total += alive[i] * worth(rate[row, i], dropout[row, i], amount[i], share, setting)
            out[row, k] = total / n


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def mean_gaps(
    which: np.ndarray,
    p_alive: Array,
    rate: Array,
    dropout: Array,
    spend: Array,
    margin: Array,
    terms: Array,
    levels: Array,
    attainable: Array,
    gaps: Array,
    rooms: Array,
) -> None:
    """Distance to the frontier at several levels, and the attainable part of it, averaged as in `mean_worths`.

    Parameters
    ----------
    spend : (row, draw) drawn mean amount of an order.
    margin : (row,).
    levels : (level, row or 1, draw); one row where all customers have the same margin.
    attainable : (draw,).
    gaps, rooms : (level, row), the results.
    """
    n = rate.shape[1]
    value, fixed = np.empty(n), numbers(terms)
    for row in range(len(which)):
        alive, share = p_alive[which[row]], margin[row]
        for i in range(n):
            value[i] = worth(rate[row, i], dropout[row, i], spend[row, i], share, fixed)
        for k in range(len(levels)):
            level, distance, room = level_of(levels[k], row), 0.0, 0.0
            for i in range(n):
                weighted = alive[i] * gap(level[i], value[i])
                distance += weighted
                room += weighted * attainable[i]
            gaps[k, row], rooms[k, row] = distance / n, room / n
