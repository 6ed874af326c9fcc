"""Simulated futures of whole blocks of customers: who is alive and until when, when orders come, what they bring."""

import numpy as np
from numba import njit

from kundenwert.families.kernels.scalar import exp, log
from kundenwert.value.kernels.draws import begin, gammas
from kundenwert.value.kernels.words import Array, WordArray, fill, unit
from kundenwert.value.kernels.worth import annuity, numbers

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
    discount: float,
    sums: tuple[Array, Array],
    scratch: tuple[Array, Array, Array, WordArray],
) -> None:
    """Adds orders to the discounted sums of their draws: spend in units of 1/nu, and number."""
    spent, placed = sums
    shapes, amounts, spare, words = scratch
    n = len(owner)
    for i in range(n):
        shapes[i] = shape[owner[i]]
    gammas(stream, shapes[:n], amounts[:n], spare[:n], words)
    for i in range(n):
        times[i] = exp(-discount * times[i])
    for i in range(n):
        spent[owner[i]] += times[i] * amounts[i]
        placed[owner[i]] += times[i]


@njit(inline="always")
def _orders(
    streams: tuple[WordArray, WordArray],
    rate: Array,
    dropout: Array,
    ends: Array,
    horizon: float,
    discount: float,
    shape: Array,
    counts: Array,
    sums: tuple[Array, Array],
    buffers: tuple[Array, np.ndarray, Array, tuple[Array, Array, Array, WordArray]],
) -> None:
    """All orders of one customer: their number in each draw, and the sums of `_book`."""
    arrivals, amounts = streams
    waits, owner, times, scratch = buffers
    used, held = _WAITS, 0
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
                    _book(amounts, owner, times, shape, discount, sums, scratch)
                    held = 0
        counts[i] = count
    _book(amounts, owner[:held], times[:held], shape, discount, sums, scratch)


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
    margin: Array,
    terms: Array,
    limit: float,
    value: Array,
    orders: Array,
) -> float:
    """One future of every customer and draw, file cost aside; the most orders that anyone may expect, if too many.

    The orders that do not kill come at rate `lambda (1 - p)`, one after the other, until death or the horizon; the
    order that kills comes at the moment of death, which is exponential with hazard `lambda p`.

    Parameters
    ----------
    keys : (row,) of the streams.
    purposes : (3,) of the streams: lives, times of orders, amounts.
    which, p_alive : (row,), (history, draw); the history of each row, and the chance that goes with it.
    rate, dropout, spend_rate : (row, draw), of the living customer.
    shape : (draw,) Gamma-Gamma's p.
    margin : (row,).
    terms : horizon, discount, cost of an order, cost per time unit alive.
    limit : expected orders of a customer in a draw beyond which nothing more is simulated.
    value, orders : (row, draw), the results.
    """
    n = len(shape)
    horizon, discount, cost_per_order, cost_active = numbers(terms)
    life, arrivals, amounts = np.empty(4, np.uint64), np.empty(4, np.uint64), np.empty(4, np.uint64)
    words = np.empty(max(n, _BOOKED) + 1, np.uint64)
    scratch = (np.empty(_BOOKED), np.empty(_BOOKED), np.empty(_BOOKED), words)
    buffers = (np.empty(_WAITS), np.empty(_BOOKED, np.uint32), np.empty(_BOOKED), scratch)
    ends, spent, placed = np.empty(n), np.empty(n), np.empty(n)
    sums = (spent, placed)
    for row in range(len(keys)):
        begin(life, seed, keys[row], purposes[0])
        begin(arrivals, seed, keys[row], purposes[1])
        begin(amounts, seed, keys[row], purposes[2])
        most = _lives(life, p_alive[which[row]], rate[row], dropout[row], horizon, ends, words)
        if most > limit:
            return most
        spent[:], placed[:] = 0.0, 0.0
        _orders(
            (arrivals, amounts), rate[row], dropout[row], ends, horizon, discount, shape, orders[row], sums, buffers
        )
        for i in range(n):
            active = cost_active * annuity(discount, min(max(ends[i], 0.0), horizon))
            value[row, i] = margin[row] * spent[i] / spend_rate[row, i] - cost_per_order * placed[i] - active
    return 0.0
