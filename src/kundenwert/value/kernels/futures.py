"""Simulated futures of whole blocks of customers: who is alive and until when, when orders come, what they bring."""

import math

import numpy as np
from numba import njit

from kundenwert.families.kernels.scalar import exp, log
from kundenwert.value.kernels.draws import begin, gammas
from kundenwert.value.kernels.words import Array, WordArray, fill, unit
from kundenwert.value.kernels.worth import Offer, Terms, numbers, time_alive

_WAITS = 256  # exponential numbers made at once; those that a customer does not need are lost
_BOOKED = 2048  # orders at once: what is known of them stays in the processor's cache, and memory is bounded


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _lives(
    stream: WordArray, p_alive: Array, rate: Array, dropout: Array, horizon: float, ends: Array, words: WordArray
) -> float:
    """When customers leave, before 0 where they have gone already; the most orders that any of them may expect."""
    n = len(ends)
    fill(stream, words, n)
    for i in range(n):
        ends[i] = unit(words[i]) - p_alive[i]
    fill(stream, words, n)
    most = 0.0
    for i in range(n):
        death = -log(unit(words[i])) / (rate[i] * dropout[i])
        expected = rate[i] * (1.0 - dropout[i]) * (death if death < horizon else horizon)
        alive = ends[i] < 0.0
        most = expected if alive and expected > most else most
        ends[i] = death if alive else -1.0
    return most


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _book(
    stream: WordArray,
    owner: np.ndarray,
    times: Array,
    shape: Array,
    terms: Terms,
    sums: tuple[Array, Array],
    scratch: tuple[Array, Array, Array, WordArray],
) -> None:
    """Adds orders to the discounted sums of their draws: spend in units of 1/nu, and number.

    The first scratch array keeps each order's discount factor, the second what its spend adds.
    """
    spent, placed = sums
    factors, amounts, spare, words = scratch
    n, (_, discount, period, _) = len(owner), terms
    for i in range(n):
        factors[i] = shape[owner[i]]
    gammas(stream, factors[:n], amounts[:n], spare[:n], words)
    for i in range(n):
        due = times[i] if period == 0.0 else math.ceil(times[i] / period) * period
        factors[i] = exp(-discount * due)
        amounts[i] *= factors[i]
    for i in range(n):
        spent[owner[i]] += amounts[i]
        placed[owner[i]] += factors[i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _watch(
    owner: np.ndarray,
    times: Array,
    spend_rate: Array,
    offer: Offer,
    terms: Terms,
    scratch: tuple[Array, Array, Array, WordArray],
    deficit: float,
    gained: Array,
    reached: Array,
) -> None:
    """When what orders bring, less the costs of the time up to them, first covers a deficit; after `_book`."""
    margin, order_cost, active_cost, file_cost = offer
    factors, amounts, _, _ = scratch
    for i in range(len(owner)):
        one = owner[i]
        gained[one] += margin * amounts[i] / spend_rate[one] - order_cost * factors[i]
        if reached[one] == np.inf:
            since = (active_cost + file_cost) * time_alive(0.0, times[i], terms)
            reached[one] = times[i] if gained[one] - since >= deficit else np.inf


@njit(inline="always")
def _orders(
    streams: tuple[WordArray, WordArray],
    rate: Array,
    dropout: Array,
    ends: Array,
    spend_rate: Array,
    shape: Array,
    offer: Offer,
    terms: Terms,
    counts: Array,
    sums: tuple[Array, Array],
    deficit: float,
    gained: Array,
    reached: Array,
    buffers: tuple[Array, np.ndarray, Array, tuple[Array, Array, Array, WordArray]],
) -> None:
    """All orders of one customer: their number in each draw, the sums of `_book`, and the times of `_watch`."""
    arrivals, amounts = streams
    waits, owner, times, scratch = buffers
    used, held, horizon, watched = _WAITS, 0, terms[0], len(reached) > 0
    counts[:] = 0.0
    for i in range(len(ends)):
        if ends[i] < 0.0:
            continue
        until = min(ends[i], horizon)
        pace = 1.0 / (rate[i] * (1.0 - dropout[i]))
        clock, more, count = 0.0, True, 0
        while more:
            if used == _WAITS:
                _fill_waits(arrivals, waits, scratch[3])
                used = 0
            clock += waits[used] * pace
            used += 1
            more = clock < until
            dies = not more and ends[i] <= horizon
            if more or dies:
                owner[held], times[held] = i, clock if more else ends[i]
                held += 1
                count += 1
                if held == _BOOKED:
                    _book(amounts, owner, times, shape, terms, sums, scratch)
                    if watched:
                        _watch(owner, times, spend_rate, offer, terms, scratch, deficit, gained, reached)
                    held = 0
        counts[i] = count
    _book(amounts, owner[:held], times[:held], shape, terms, sums, scratch)
    if watched:
        _watch(owner[:held], times[:held], spend_rate, offer, terms, scratch, deficit, gained, reached)


@njit(inline="always")
def _fill_waits(stream: WordArray, waits: Array, words: WordArray) -> None:
    """Standard exponential numbers."""
    fill(stream, words, _WAITS)
    for k in range(_WAITS):
        waits[k] = -log(unit(words[k]))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def simulate(
    seed: np.uint64,
    keys: WordArray,
    purposes: WordArray,
    which: np.ndarray,
    p_alive: Array,
    rate: Array,
    dropout: Array,
    spend_rate: Array,
    shape: Array,
    offers: Array,
    terms: Array,
    gone: Array,
    limit: float,
    deficits: Array,
    value: Array,
    orders: Array,
    reached: Array,
) -> float:
    """One future of each customer and draw; the result is 0, or the expected orders of the first customer beyond limit.

    A draw is alive with its `p_alive`. Orders that do not kill come at rate `lambda (1 - p)`, one after the other,
    until death or the horizon; the order that kills comes at the moment of death, which is exponential with hazard
    `lambda p`.

    Parameters
    ----------
    keys : (row,) of the streams.
    purposes : (3,) of the streams: lives, times of orders, amounts.
    which, p_alive : (row,), (history, draw); the history of each row, and the chance that goes with it.
    rate, dropout, spend_rate : (row, draw), of the living customer.
    shape : (draw,) Gamma-Gamma's p.
    offers, terms : (row, 4), (4,), see `value.kernels.worth`.
    gone : (row,) what the record of a customer who has gone already still costs.
    limit : expected orders of a customer in a draw beyond which nothing more is simulated.
    deficits : (row,) what orders to come have to bring; read only where `reached` has rows.
    value, orders : (row, draw), the results.
    reached : (row or 0, draw) when the deficit is first covered: infinite where death comes before, NaN where the
        horizon does. Costs of time are charged up to each order.
    """
    n = len(shape)
    fixed = numbers(terms)
    life, arrivals, amounts = np.empty(4, np.uint64), np.empty(4, np.uint64), np.empty(4, np.uint64)
    words = np.empty(max(n, _BOOKED) + 1, np.uint64)
    scratch = (np.empty(_BOOKED), np.empty(_BOOKED), np.empty(_BOOKED), words)
    buffers = (np.empty(_WAITS), np.empty(_BOOKED, np.uint32), np.empty(_BOOKED), scratch)
    ends, spent, placed, gained = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    sums, nothing = (spent, placed), np.empty(0)
    for row in range(len(keys)):
        begin(life, seed, keys[row], purposes[0])
        begin(arrivals, seed, keys[row], purposes[1])
        begin(amounts, seed, keys[row], purposes[2])
        most = _lives(life, p_alive[which[row]], rate[row], dropout[row], fixed[0], ends, words)
        if most > limit:
            return most
        spent[:], placed[:], gained[:] = 0.0, 0.0, 0.0
        watched = len(reached) > 0
        times = reached[row] if watched else nothing
        times[:] = np.inf
        offer = numbers(offers[row])
        _orders(
            (arrivals, amounts),
            rate[row],
            dropout[row],
            ends,
            spend_rate[row],
            shape,
            offer,
            fixed,
            orders[row],
            sums,
            deficits[row] if watched else 0.0,
            gained,
            times,
            buffers,
        )
        _settle(ends, spent, placed, spend_rate[row], offer, gone[row], fixed, value[row])
        for i in range(len(times)):
            if times[i] == np.inf and ends[i] > fixed[0]:
                times[i] = np.nan
    return 0.0


@njit(inline="always")
def _settle(
    ends: Array,
    spent: Array,
    placed: Array,
    spend_rate: Array,
    offer: Offer,
    gone: float,
    terms: Terms,
    value: Array,
) -> None:
    """(draw,) what the orders of one customer come to, less the costs of time."""
    margin, order_cost, active_cost, file_cost = offer
    horizon, _, _, after = terms
    for i in range(len(ends)):
        owed = gone
        if ends[i] >= 0.0:
            owed = active_cost * time_alive(0.0, min(ends[i], horizon), terms)
            owed += file_cost * time_alive(0.0, min(ends[i] + after, horizon), terms)
        value[i] = margin * spent[i] / spend_rate[i] - order_cost * placed[i] - owed
