"""What looking at the next months would save, for each customer of a block. Importing this loads numba.

The posterior after a simulated future is the customer's own draws, reweighted by the likelihood of that future given
each draw's rate, dropout and spend: nothing is drawn anew, and a draw's state stays what it was. A future counts by the
number of its orders, the last one's time and what was spent together: all that the models read.
"""

import math

import numpy as np
from numba import njit

from kundenwert.families.kernels.scalar import ANY_ORDER, exp, lgamma, log
from kundenwert.names import STATES, State
from kundenwert.value.kernels.draws import begin, gammas
from kundenwert.value.kernels.words import Array, WordArray, fill, pair, unit

_RATE, _DROPOUT, _SPEND, _SHAPE, _ALIVE, _LOG_RATE, _LOG_SPEND, _LOG_STAYS, _ACTIVE, _BASE = range(10)
_FIELDS = 10
_STATES, _DORMANT = len(STATES), STATES.index(State.DORMANT)
_SMALLEST = 1e-300
_MOST = 600.0  # nats by which a draw may explain a future better than the one it came from: sums stay finite


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _arrange(codes: np.ndarray, order: np.ndarray, ends: np.ndarray) -> None:
    """Evenly spaced draws, those of one state beside each other, and where each state ends."""
    n, draws = len(order), len(codes)
    ends[:] = 0
    for j in range(n):
        ends[codes[j * draws // n]] += 1
    for k in range(1, _DORMANT):
        ends[k] += ends[k - 1]
    for j in range(n - 1, -1, -1):
        k = codes[j * draws // n]
        # Each state is filled from its end, and one count before it is where it begins and the last one has ended.
        ends[k] -= 1
        order[ends[k]] = j * draws // n
    for k in range(_DORMANT - 1):
        ends[k] = ends[k + 1]
    ends[_DORMANT - 1] = n


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _load(order: np.ndarray, given: tuple[Array, Array, Array, Array, Array], horizon: float, atoms: Array) -> float:
    """What is read of each draw again and again; the chance of an order before the horizon."""
    p_alive, rate, dropout, spend, shape = given
    total = 0.0
    for i in range(len(order)):
        s = order[i]
        pace, amount = max(rate[s], _SMALLEST), max(spend[s], _SMALLEST)
        atoms[_RATE, i], atoms[_DROPOUT, i], atoms[_SPEND, i] = pace, dropout[s], amount
        atoms[_SHAPE, i], atoms[_ALIVE, i] = shape[s], p_alive[s]
        atoms[_LOG_RATE, i], atoms[_LOG_SPEND, i] = log(pace), log(amount)
        atoms[_LOG_STAYS, i] = log(max(1.0 - dropout[s], _SMALLEST))
        atoms[_ACTIVE, i] = -p_alive[s] * math.expm1(-pace * horizon)
        total += atoms[_ACTIVE, i]
    return total / len(order)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _known(
    order: np.ndarray, atoms: Array, silent: np.ndarray, bought: np.ndarray, horizon: float, quiet: Array, after: Array
) -> None:
    """Chances of each state at the horizon, together with no order until then and together with one: no simulation."""
    n = len(order)
    quiet[:] = 0.0
    after[:] = 0.0
    for i in range(n):
        alive, rate, dropout = atoms[_ALIVE, i], atoms[_RATE, i], atoms[_DROPOUT, i]
        survives = -alive * math.exp(-rate * dropout * horizon) * math.expm1(-rate * (1.0 - dropout) * horizon)
        quiet[silent[order[i]]] += (alive - atoms[_ACTIVE, i]) / n
        quiet[_DORMANT] += (1.0 - alive) / n
        after[bought[order[i]]] += survives / n
        after[_DORMANT] += (atoms[_ACTIVE, i] - survives) / n


@njit(inline="always")
def _risk(losses: Array, action: int, chances: Array) -> float:
    risk = 0.0
    for k in range(_STATES):
        risk += losses[action, k] * chances[k]
    return risk


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _cheapest(losses: Array, allowed: np.ndarray, chances: Array) -> int:
    """The action of least risk among those allowed."""
    best, least = -1, np.inf
    for action in range(_STATES):
        if allowed[action]:
            risk = _risk(losses, action, chances)
            if best < 0 or risk < least:
                best, least = action, risk
    return best


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _simulate(
    streams: tuple[WordArray, WordArray, WordArray],
    atoms: Array,
    horizon: float,
    owner: np.ndarray,
    seen: Array,
    scratch: tuple[Array, Array, WordArray],
) -> None:
    """Futures with an order: whose draw each is, its orders, the last one's time, what was spent.

    Draws are taken at even steps along their cumulated chances of an order, which cuts the noise of taking them.
    """
    chosen, arrivals, amounts = streams
    shapes, spare, words = scratch
    m, n = len(owner), atoms.shape[1]
    whole = 0.0
    for i in range(n):
        whole += atoms[_ACTIVE, i]
    fill(chosen, words, m + 1)
    offset, reached, i = unit(words[m]), atoms[_ACTIVE, 0], 0
    for j in range(m):
        while reached < (j + offset) / m * whole and i < n - 1:
            i += 1
            reached += atoms[_ACTIVE, i]
        rate, dropout = atoms[_RATE, i], atoms[_DROPOUT, i]
        count = 1
        last = -math.log1p(unit(words[j]) * math.expm1(-rate * horizon)) / rate
        while True:
            coin, wait = pair(arrivals)
            following = last - log(unit(wait)) / rate
            if unit(coin) < dropout or following > horizon:
                break
            last = following
            count += 1
        owner[j], seen[0, j], seen[1, j] = i, count, min(last, horizon)
        shapes[j] = count * atoms[_SHAPE, i]
    gammas(amounts, shapes, seen[2], spare, words)
    for j in range(m):
        seen[2, j] = max(seen[2, j] / atoms[_SPEND, owner[j]], _SMALLEST)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _prepare(count: float, atoms: Array, power: Array) -> None:
    """The part of each draw's log-likelihood that futures with so many orders share."""
    for i in range(atoms.shape[1]):
        power[i] = count * atoms[_SHAPE, i]
        orders = count * atoms[_LOG_RATE, i] + (count - 1.0) * atoms[_LOG_STAYS, i]
        atoms[_BASE, i] = orders + power[i] * atoms[_LOG_SPEND, i] - lgamma(power[i])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def _reweight(
    atoms: Array,
    power: Array,
    ends: np.ndarray,
    own: int,
    last: float,
    spent: float,
    horizon: float,
    chances: Array,
    weights: Array,
    silence: Array,
) -> None:
    """Chances of each state at the horizon after one future, up to a factor.

    The last order has killed, or it has not and none came since; of the draw that the future came from, one of the
    two is likely, so the factor is taken from that draw and the sum is never 0. `weights` and `silence`, (draw,), are
    how likely the future is under each draw, up to that factor, and then no order until the horizon. Loops that write
    read few arrays, or they would not be vectorized.
    """
    base, rate, dropout, spend, alive = atoms[_BASE], atoms[_RATE], atoms[_DROPOUT], atoms[_SPEND], atoms[_ALIVE]
    logarithm, rest, start = log(spent), horizon - last, 0
    shift = base[own] + power[own] * logarithm - spend[own] * spent - rate[own] * last
    for i in range(len(weights)):
        weights[i] = base[i] + power[i] * logarithm - spend[i] * spent - rate[i] * last - shift
    for i in range(len(weights)):
        weights[i] = alive[i] * exp(min(weights[i], _MOST))
    for i in range(len(weights)):
        silence[i] = exp(-rate[i] * rest)
    gone = 0.0
    for k in range(_DORMANT):
        here = 0.0
        for i in range(start, ends[k]):
            gone += weights[i] * dropout[i]
            here += weights[i] * (1.0 - dropout[i]) * silence[i]
        chances[k], start = here, ends[k]
    chances[_DORMANT] = gone


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def _spread(
    weights: Array, silence: Array, dropout: Array, ends: np.ndarray, saved: Array, scale: float, parts: Array
) -> None:
    """Adds what one future saves to the draws that it is due to, where another decision follows.

    Parameters
    ----------
    weights, silence : (draw,) of that future, see `_reweight`.
    saved : (state,) loss of the decision before less that of the one after.
    scale : what a weight counts.
    parts : (draw,).
    """
    start, gone = 0, scale * saved[_DORMANT]
    for k in range(_DORMANT):
        here = scale * saved[k]
        for i in range(start, ends[k]):
            parts[i] += weights[i] * (gone * dropout[i] + here * (1.0 - dropout[i]) * silence[i])
        start = ends[k]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _after_orders(
    atoms: Array,
    power: Array,
    ends: np.ndarray,
    owner: np.ndarray,
    seen: Array,
    horizon: float,
    losses: Array,
    allowed: np.ndarray,
    decided: int,
    active: float,
    parts: Array,
) -> tuple[float, float]:
    """Expected regret of the decision over futures with an order, and the variance that drawing these futures leaves.

    Those of equally many orders are gone through together; `parts` of the draws are added to.
    """
    m, n, chances, total, squares = len(owner), atoms.shape[1], np.empty(_STATES), 0.0, 0.0
    weights, silence = np.empty(n), np.empty(n)
    for first in range(m):
        if seen[0, first] <= 0.0:
            continue
        count = seen[0, first]
        _prepare(count, atoms, power)
        for j in range(first, m):
            if seen[0, j] == count:
                seen[0, j] = 0.0
                _reweight(atoms, power, ends, owner[j], seen[1, j], seen[2, j], horizon, chances, weights, silence)
                whole = chances.sum()
                best = _cheapest(losses, allowed, chances)
                if best != decided:
                    regret = max(_risk(losses, decided, chances) - _risk(losses, best, chances), 0.0) / whole
                    total += regret
                    squares += regret * regret
                    saved, scale = losses[decided] - losses[best], n * active / (m * whole)
                    _spread(weights, silence, atoms[_DROPOUT], ends, saved, scale, parts)
    mean = total / m
    return active * mean, active * active * max(squares / m - mean * mean, 0.0) / m


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _of_one(
    seed: np.uint64,
    key: np.uint64,
    purposes: WordArray,
    draws: tuple[Array, Array, Array, Array, Array],
    codes: tuple[np.ndarray, np.ndarray],
    losses: Array,
    allowed: np.ndarray,
    horizon: float,
    histories: int,
    inner: int,
) -> tuple[float, float]:
    """The value of waiting of one customer, and its Monte Carlo standard error.

    Decisions are best ones, so a little more or less weight on a draw changes what each of them is worth and, to first
    order, nothing else: the value is a mean over draws of what each of them saves.
    """
    silent, bought = codes
    order, ends = np.empty(inner, np.int64), np.empty(_DORMANT, np.int64)
    _arrange(bought, order, ends)
    atoms, power = np.empty((_FIELDS, inner)), np.empty(inner)
    active = _load(order, draws, horizon, atoms)
    quiet, after = np.empty(_STATES), np.empty(_STATES)
    _known(order, atoms, silent, bought, horizon, quiet, after)
    decided = _cheapest(losses, allowed, quiet + after)
    best = _cheapest(losses, allowed, quiet)
    value, variance, parts = _risk(losses, decided, quiet) - _risk(losses, best, quiet), 0.0, np.zeros(inner)
    if best != decided:
        saved = losses[decided] - losses[best]
        for i in range(inner):
            alive = atoms[_ALIVE, i]
            parts[i] = saved[silent[order[i]]] * (alive - atoms[_ACTIVE, i]) + saved[_DORMANT] * (1.0 - alive)
    if active > 0.0:
        streams = (np.empty(4, np.uint64), np.empty(4, np.uint64), np.empty(4, np.uint64))
        for k in range(3):
            begin(streams[k], seed, key, purposes[k])
        owner, seen = np.empty(histories, np.int64), np.empty((3, histories))
        scratch = (np.empty(histories), np.empty(histories), np.empty(histories + 2, np.uint64))
        _simulate(streams, atoms, horizon, owner, seen, scratch)
        # After an order everybody can have gone, whatever could be said before.
        later = allowed.copy()
        later[_DORMANT] = True
        given = (horizon, losses, later, decided, active, parts)
        after_orders, variance = _after_orders(atoms, power, ends, owner, seen, *given)
        value += after_orders
    if inner < 2:
        return max(value, 0.0), math.nan
    return max(value, 0.0), math.sqrt(variance + parts.var() / (inner - 1))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def wait(
    seed: np.uint64,
    keys: WordArray,
    purposes: WordArray,
    which: np.ndarray,
    p_alive: Array,
    rate: Array,
    dropout: Array,
    spend_rate: Array,
    shape: Array,
    silent: np.ndarray,
    bought: np.ndarray,
    losses: Array,
    allowed: np.ndarray,
    horizon: float,
    limit: float,
    near: float,
    sizes: tuple[int, int, int],
    out: Array,
    errors: Array,
) -> None:
    """The value of waiting of every customer of a block.

    Parameters
    ----------
    keys : (row,) of the streams.
    purposes : (3,) of the streams: which draws, times of orders, amounts.
    which, p_alive : (row,), (history, draw).
    rate, dropout, spend_rate : (row, draw), of the living customer.
    shape : (draw,) Gamma-Gamma's p.
    silent, bought : (row, draw) state of the living customer at the horizon, without and with an order until then.
    losses : (action, truth).
    allowed : (row, action).
    limit, near : a value within `near`, or within two standard errors, of `limit` is made again from more draws.
    sizes : futures, draws, and draws in the second try; at most as many draws as there are.
    out, errors : (row,), the result and its Monte Carlo standard error.
    """
    histories, inner, more = sizes[0], min(sizes[1], len(shape)), min(sizes[2], len(shape))
    for row in range(len(keys)):
        draws = (p_alive[which[row]], rate[row], dropout[row], spend_rate[row], shape)
        codes = (silent[row], bought[row])
        fixed = (losses, allowed[row], horizon, histories)
        found, error = _of_one(seed, keys[row], purposes, draws, codes, *fixed, inner)
        if abs(found - limit) < max(near, 2.0 * error) and more > inner:
            found, error = _of_one(seed, keys[row], purposes, draws, codes, *fixed, more)
        out[row], errors[row] = found, error
