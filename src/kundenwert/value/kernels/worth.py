"""What living customers are worth, and means of it over draws: the valuation identity in compiled form.

Customers of one history share the rows of what depends on the history alone; `which` says which row each of them has.
Sums may be added up in any order, so that they become vector code (docs/statistics.md, section Valuation identity).
"""

import math

import numpy as np
from numba import njit

from kundenwert.families.kernels.scalar import ANY_ORDER, exp
from kundenwert.value.kernels.words import Array

type Terms = tuple[float, float, float, float]  # horizon, discount, period (0: none), deactivation (inf: never)
type Offer = tuple[float, float, float, float]  # margin, cost of an order, of time alive, of time on file

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
def numbers(terms: Array) -> Terms:
    """The four terms as numbers: an array that a loop reads might be the one that it writes to, and stays scalar."""
    return terms[0], terms[1], terms[2], terms[3]


@njit(inline="always")
def time_alive(hazard: float, horizon: float, terms: Terms) -> float:
    """Expected discounted time alive within a horizon, for death at a constant hazard.

    With a period, what falls into it counts at its end; a last period that the horizon cuts short ends as late.
    """
    _, discount, period, _ = terms
    if period == 0.0:
        return annuity(discount + hazard, horizon)
    whole = math.floor(horizon / period) * period
    each = exp(-discount * period) * annuity(hazard, period)
    begun = exp(-discount * (whole + period) - hazard * whole) * annuity(hazard, horizon - whole)
    return each * annuity(discount + hazard, whole) / annuity(discount + hazard, period) + begun


@njit(inline="always")
def time_on_file(hazard: float, terms: Terms) -> float:
    """Discounted time that the record of a living customer is kept: until so long after death, or to the horizon."""
    horizon, discount, period, after = terms
    if after >= horizon:
        return time_alive(0.0, horizon, terms)
    rest = horizon - after
    if period == 0.0:
        return annuity(discount, after) + exp(-discount * after) * annuity(discount + hazard, rest)
    due = (math.floor(after / period) + 1.0) * period
    begun = min(due - after, rest)
    later = exp(-hazard * begun) * time_alive(hazard, rest - begun, terms)
    return time_alive(0.0, after, terms) + exp(-discount * due) * (annuity(hazard, begun) + later)


@njit(inline="always")
def worth(rate: float, dropout: float, spend: float, offer: Offer, terms: Terms) -> float:
    """Expected discounted contribution of a living customer, file cost aside."""
    margin, order_cost, active_cost, _ = offer
    return time_alive(rate * dropout, terms[0], terms) * (rate * (margin * spend - order_cost) - active_cost)


@njit(inline="always")
def mean_owed(file_cost: float, gone: float, alive: Array, rate: Array, dropout: Array, terms: Terms) -> float:
    """Expected discounted file cost, averaged over draws; `gone` is what the record of the gone still costs."""
    n = len(rate)
    if file_cost == 0.0:
        return 0.0
    always = time_on_file(0.0, terms)
    total = 0.0
    for i in range(n):
        kept = always if terms[3] >= terms[0] else time_on_file(rate[i] * dropout[i], terms)
        total += alive[i] * file_cost * kept + (1.0 - alive[i]) * gone
    return total / n


@njit(inline="always")
def gap(level: float, value: float) -> float:
    """How far a value lies below a level."""
    missing = level - value
    return missing if missing > 0.0 else 0.0


@njit(inline="always")
def level_of(levels: Array, row: int) -> Array:
    """(draw,) what a row's values are held against; `levels` has one row where it is the same for all."""
    return levels[row if len(levels) > 1 else 0]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def worths(rate: Array, dropout: Array, spend: Array, offers: Array, terms: Array, out: Array) -> None:
    """(row, draw) `worth` of customers with an own offer each; `offers` is (row, 4)."""
    fixed = numbers(terms)
    for row in range(len(out)):
        offer = numbers(offers[row])
        for i in range(out.shape[1]):
            out[row, i] = worth(rate[row, i], dropout[row, i], spend[row, i], offer, fixed)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def times(rate: Array, dropout: Array, terms: Array, out: Array) -> None:
    """(row, draw) expected discounted time alive of living customers within the horizon."""
    fixed = numbers(terms)
    for row in range(len(out)):
        for i in range(out.shape[1]):
            out[row, i] = time_alive(rate[row, i] * dropout[row, i], fixed[0], fixed)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def times_on_file(rate: Array, dropout: Array, terms: Array, out: Array) -> None:
    """(row, draw) `time_on_file` of living customers."""
    fixed = numbers(terms)
    for row in range(len(out)):
        for i in range(out.shape[1]):
            out[row, i] = time_on_file(rate[row, i] * dropout[row, i], fixed)


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
    offers: Array,
    steps: Array,
    terms: Array,
    gone: Array,
    out: Array,
) -> None:
    """Expected value under several settings, averaged over draws and weighted by the chance of being alive.

    Parameters
    ----------
    which, p_alive : (row,), (history, draw).
    rate, dropout : (row, draw).
    spend_which, spend : (row,), (history, draw) amount of an order.
    offers, steps : (row, 4) see `Offer`; (row, setting) what is added to the margin.
    terms, gone : (setting, 4) see `Terms`; (row, setting) what the record of a customer who has gone still costs.
    out : (row, setting), the result.
    """
    n = rate.shape[1]
    for row in range(len(which)):
        alive, amount = p_alive[which[row]], spend[spend_which[row]]
        margin, order_cost, active_cost, file_cost = numbers(offers[row])
        for k in range(len(terms)):
            offer, setting, total = (margin + steps[row, k], order_cost, active_cost, file_cost), numbers(terms[k]), 0.0
            for i in range(n):
                total += alive[i] * worth(rate[row, i], dropout[row, i], amount[i], offer, setting)
            owed = mean_owed(file_cost, gone[row, k], alive, rate[row], dropout[row], setting)
            out[row, k] = total / n - owed


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def sum_worths(
    which: np.ndarray,
    p_alive: Array,
    rate: Array,
    dropout: Array,
    spend_which: np.ndarray,
    spend: Array,
    offers: Array,
    terms: Array,
    gone: Array,
    out: Array,
) -> None:
    """(draw,) expected value of all rows together, arguments as in `mean_worths`; without a mean spend left out."""
    fixed, n = numbers(terms), rate.shape[1]
    for row in range(len(which)):
        alive, amount = p_alive[which[row]], spend[spend_which[row]]
        missing = 0
        for i in range(n):
            missing += not amount[i] < np.inf
        if missing > 0:
            continue
        offer = numbers(offers[row])
        for i in range(n):
            out[i] += alive[i] * worth(rate[row, i], dropout[row, i], amount[i], offer, fixed)
        if offer[3] > 0.0:
            for i in range(n):
                kept = offer[3] * time_on_file(rate[row, i] * dropout[row, i], fixed)
                out[i] -= alive[i] * kept + (1.0 - alive[i]) * gone[row]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def mean_gaps(
    which: np.ndarray, p_alive: Array, value: Array, levels: Array, attainable: Array, gaps: Array, rooms: Array
) -> None:
    """Distance to the frontier at several levels, and the attainable part of it, averaged as in `mean_worths`.

    Parameters
    ----------
    value : (row, draw) of living customers, file cost aside.
    levels : (level, row or 1, draw); one row where it is the same for all customers.
    attainable : (draw,).
    gaps, rooms : (level, row), the results.
    """
    n = value.shape[1]
    for row in range(len(which)):
        alive = p_alive[which[row]]
        for k in range(len(levels)):
            level, distance, room = level_of(levels[k], row), 0.0, 0.0
            for i in range(n):
                weighted = alive[i] * gap(level[i], value[row, i])
                distance += weighted
                room += weighted * attainable[i]
            gaps[k, row], rooms[k, row] = distance / n, room / n


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def rooms_below(value: Array, level: Array, share: Array, out: Array) -> None:
    """(row, draw) the attainable share of what living customers fall short of a level by.

    Parameters
    ----------
    value : (row, draw). level : (row or 1, draw). share : (draw,).
    """
    for row in range(len(out)):
        mark = level_of(level, row)
        for i in range(out.shape[1]):
            out[row, i] = share[i] * gap(mark[i], value[row, i])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def lengths(time: Array, terms: Array, out: Array) -> None:
    """Discounted lengths of the time from now on, elementwise."""
    fixed = numbers(terms)
    for i in range(len(out)):
        out[i] = time_alive(0.0, time[i], fixed)
