"""Wallets in compiled form: how likely a stated wallet is under each draw of spending, and draws above spending.

A wallet is log-normal around a line in log spending and truncated to be at least what is spent here; what a customer
states is that wallet with a log-normal error (docs/statistics.md, section Wallets).
"""

import math

import numpy as np
from numba import njit

from kundenwert.value.kernels.draws import begin
from kundenwert.value.kernels.words import Array, WordArray, normal, normals, pair, unit

_ROOT_TWO = math.sqrt(2.0)
_HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)
_FAR = -6.0  # below it the normal distribution function is a continued fraction, which its own digits do not limit
_DEPTH = 30
_PLAIN = 0.5  # standard deviations above the mean up to which normals are drawn until one lies above the bound
TERMS = 10  # of a survey row: log-likelihood, three slopes, six curvatures


@njit(inline="always")
def _above(x: float) -> tuple[float, float]:
    """Logarithm of the standard normal distribution function, and its slope."""
    if x > _FAR:
        below = 0.5 * math.erfc(-x / _ROOT_TWO)
        return math.log(below), math.exp(-0.5 * x * x - _HALF_LOG_2_PI) / below
    slope = -x
    for k in range(_DEPTH, 0, -1):
        slope = -x + k / slope
    return -0.5 * x * x - _HALF_LOG_2_PI - math.log(slope), slope


@njit(inline="always")
def _density(
    seen: float, low: float, mean: float, sd: float, error: float
) -> tuple[float, float, float, float, float, float]:
    """Log density of a stated log wallet given log spending, with its derivatives.

    Returns
    -------
    The log density; its slopes in `mean` and in log `sd`; its curvatures in both, mixed in the middle.
    """
    if error == 0.0 and seen < low:
        return -np.inf, 0.0, 0.0, 0.0, 0.0, 0.0
    variance = sd * sd + error * error
    q, off = sd * sd / variance, seen - mean
    pull = off * off / variance
    value = -_HALF_LOG_2_PI - 0.5 * math.log(variance) - 0.5 * pull
    in_mean, in_sd = off / variance, q * (pull - 1.0)
    mean_mean, mean_sd = -1.0 / variance, -2.0 * q * off / variance
    sd_sd = 2.0 * q * ((1.0 - 2.0 * q) * pull - (1.0 - q))

    a = (mean - low) / sd
    mass, ratio = _above(a)
    bend = -ratio * (a + ratio)
    value -= mass
    in_mean -= ratio / sd
    in_sd += ratio * a
    mean_mean -= bend / (sd * sd)
    mean_sd += (ratio + bend * a) / sd
    sd_sd -= ratio * a + bend * a * a
    if error > 0.0:
        # The wallet that was stated must itself lie above spending: h standard deviations of what is left to know.
        root = math.sqrt(variance)
        first, second = (mean - low) * error / (sd * root), (seen - low) * sd / (error * root)
        h, turn = first + second, second - first
        h_mean, h_sd = error / (sd * root), turn - q * h
        mass, ratio = _above(h)
        bend = -ratio * (h + ratio)
        value += mass
        in_mean += ratio * h_mean
        in_sd += ratio * h_sd
        mean_mean += bend * h_mean * h_mean
        mean_sd += bend * h_mean * h_sd - ratio * (1.0 + q) * h_mean
        sd_sd += bend * h_sd * h_sd + ratio * (h * (1.0 - 2.0 * q + 3.0 * q * q) - 2.0 * q * turn)
    return value, in_mean, in_sd, mean_mean, mean_sd, sd_sd


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def survey_terms(
    stated: Array,
    relative: bool,
    error: Array,
    base: Array,
    line: tuple[float, float, float, float],
    low: Array,
    alive: Array,
    out: Array,
) -> None:
    """Log-likelihood of what customers state, averaged over draws of their spending, with its derivatives.

    Parameters
    ----------
    stated : (row,) log wallet, or log of the multiple of spending that the wallet is, where `relative`.
    error : (row,) standard error of the logarithm.
    base : (row,) mean log wallet at the centre of log spending.
    line : slope of log wallets in log spending, their standard deviation, the centre, and the floor of log spending
        below which there is no slope.
    low : (row, draw) log spending.
    alive : (row, draw) probability of being alive under each draw: draws of spending are those of the living.
    out : (row, TERMS): log-likelihood; slopes in (base, slope, log sd); the upper triangle of curvatures. All times
        the mean of `alive`, for the wallet of who has gone says little about the living.
    """
    n, (slope, sd, centre, floor) = low.shape[1], line
    terms, weight = np.empty((n, 6)), np.empty(n)
    g, second = np.empty(3), np.empty(6)
    for row in range(len(stated)):
        top, chance = -np.inf, 0.0
        for k in range(n):
            here = low[row, k]
            seen = stated[row] + (here if relative else 0.0)
            terms[k] = _density(seen, here, base[row] + slope * (max(here, floor) - centre), sd, error[row])
            top = max(top, terms[k, 0])
            chance += alive[row, k]
        total = 0.0
        for k in range(n):
            weight[k] = alive[row, k] * math.exp(terms[k, 0] - top)
            total += weight[k]
        g[:], second[:] = 0.0, 0.0
        for k in range(n):
            w, x = weight[k] / total, max(low[row, k], floor) - centre
            one, two = terms[k, 1], terms[k, 2]
            first = (one, one * x, two)
            curve = (terms[k, 3], terms[k, 3] * x, terms[k, 4], terms[k, 3] * x * x, terms[k, 4] * x, terms[k, 5])
            at = 0
            for i in range(3):
                g[i] += w * first[i]
                for j in range(i, 3):
                    second[at] += w * (curve[at] + first[i] * first[j])
                    at += 1
        share = chance / n
        out[row, 0] = share * (top + math.log(total / chance))
        at = 0
        for i in range(3):
            out[row, 1 + i] = share * g[i]
            for j in range(i, 3):
                out[row, 4 + at] = share * (second[at] - g[i] * g[j])
                at += 1


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def likely_draws(
    units: Array,
    stated: Array,
    relative: bool,
    error: Array,
    base: Array,
    line: tuple[float, float, float, float],
    low: Array,
    alive: Array,
    out: np.ndarray,
) -> None:
    """Which draw of spending to use, so that each is used as often as what is stated makes it likely; most keep theirs.

    A draw that what is stated makes no less likely keeps its place; the others keep theirs with the chance that is
    left, or give it to one that has become likelier.

    Parameters
    ----------
    units : (row, draw) uniform numbers.
    stated .. alive : as in `survey_terms`.
    out : (row, draw), the result; every draw its own where no draw is possible.
    """
    n, (slope, sd, centre, floor) = low.shape[1], line
    ratio, excess = np.empty(n), np.empty(n)
    for row in range(len(stated)):
        top = -np.inf
        for k in range(n):
            here = low[row, k]
            seen = stated[row] + (here if relative else 0.0)
            ratio[k] = _density(seen, here, base[row] + slope * (max(here, floor) - centre), sd, error[row])[0]
            top = max(top, ratio[k])
        before, after = 0.0, 0.0
        for k in range(n):
            ratio[k] = math.exp(ratio[k] - top) if top > -np.inf else 1.0
            before += alive[row, k]
            after += alive[row, k] * ratio[k]
        left = 0.0
        for k in range(n):
            ratio[k] *= before / after if after > 0.0 else 1.0
            left += alive[row, k] * max(ratio[k] - 1.0, 0.0)
            excess[k] = left
        for k in range(n):
            out[row, k] = k
            u = units[row, k]
            if u > ratio[k] and left > 0.0:
                out[row, k] = min(np.searchsorted(excess, left * (u - ratio[k]) / (1.0 - ratio[k])), n - 1)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def fill_above(
    seed: np.uint64, keys: WordArray, purpose: np.uint64, low: Array, mean: Array, sd: Array, out: Array
) -> None:
    """Normal numbers of at least `low`, one stream a row; where `sd` is 0 the mean, or `low` where that is more.

    Parameters
    ----------
    keys : (row,) of the streams.
    low, mean, sd, out : (row, draw).
    """
    n = out.shape[1]
    stream, words, drawn = np.empty(4, np.uint64), np.empty(n + 1, np.uint64), np.empty(n)
    for row in range(len(keys)):
        begin(stream, seed, keys[row], purpose)
        normals(stream, drawn, words)
        for i in range(n):
            x = mean[row, i] + sd[row, i] * drawn[i]
            if x < low[row, i] and sd[row, i] > 0.0:
                x = mean[row, i] + sd[row, i] * _tail(stream, (low[row, i] - mean[row, i]) / sd[row, i])
            out[row, i] = max(x, low[row, i])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _tail(stream: WordArray, bound: float) -> float:
    """A standard normal number of at least `bound` (Robert 1995: far out from an exponential)."""
    while bound < _PLAIN:
        first, _ = pair(stream)
        x = normal(stream, first)
        if x >= bound:
            return x
    steep = 0.5 * (bound + math.sqrt(bound * bound + 4.0))
    while True:
        first, second = pair(stream)
        x = bound - math.log(unit(first)) / steep
        if 2.0 * math.log(unit(second)) < -((x - steep) ** 2):
            return x
