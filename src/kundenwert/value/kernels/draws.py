"""Gamma and beta variates by the row: every array of a row is small enough for the processor's cache.

Gammas are Marsaglia and Tsang's (2000): a cubed normal, accepted for 95 in 100 and more. There is no squeeze before
the test with logarithms: a row goes through it in vector code, and only what it rejects is made one by one. Below
shape 1 a gamma of shape + 1 is multiplied by u^(1/shape), which stays a logarithm until two of them are compared: a
beta of tiny shapes is never 0/0.
"""

import math

import numpy as np
from numba import njit

from kundenwert.families.kernels.scalar import exp, log
from kundenwert.value.kernels.words import KEY, NEXT, PURPOSE, SEED, Array, WordArray, fill, normal, normals, pair, unit

_THIRD = 1.0 / 3.0


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def begin(stream: WordArray, seed: np.uint64, key: np.uint64, purpose: np.uint64) -> None:
    """Sets a stream to its beginning."""
    stream[SEED], stream[KEY], stream[PURPOSE], stream[NEXT] = seed, key, purpose, np.uint64(0)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def raised_gammas(stream: WordArray, shapes: Array, out: Array, spare: Array, words: WordArray) -> bool:
    """Gammas, those of a shape below 1 as if it were larger by 1; whether there are any such.

    Parameters
    ----------
    shapes, out, spare : (n,); `spare` is overwritten.
    words : scratch, n + 1 or more.
    """
    n = len(out)
    normals(stream, spare, words)
    fill(stream, words, n)
    raised = 0
    for i in range(n):
        raised += shapes[i] < 1.0
        out[i] = _accepted(_raised(shapes[i]), spare[i], words[i])
    for i in range(n):
        while out[i] < 0.0:
            first, second = pair(stream)
            out[i] = _accepted(_raised(shapes[i]), normal(stream, first), second)
    return raised > 0


@njit(inline="always")
def _raised(shape: float) -> float:
    return shape + 1.0 if shape < 1.0 else shape


@njit(inline="always")
def _accepted(shape: float, x: float, word: np.uint64) -> float:
    """A gamma of shape 1 or more, or -1 where this normal and this word do not give one."""
    d = shape - _THIRD
    root = 1.0 + x / math.sqrt(9.0 * d)
    v = root * root * root
    limit = 0.5 * x * x + d * (1.0 - v + 3.0 * log(root if root > 0.0 else 1.0))
    return d * v if (root > 0.0) & (log(unit(word)) < limit) else -1.0


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def lowering(stream: WordArray, shapes: Array, out: Array, words: WordArray) -> None:
    """Logarithms of what brings raised gammas down to their shape: log(u)/shape, 0 from shape 1 on."""
    n = len(out)
    fill(stream, words, n)
    for i in range(n):
        out[i] = log(unit(words[i])) / shapes[i] if shapes[i] < 1.0 else 0.0


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def gammas(stream: WordArray, shapes: Array, out: Array, spare: Array, words: WordArray) -> None:
    """Standard gammas, arguments as in `raised_gammas`; a shape near 0 gives numbers near 1e-308 and never 0."""
    if raised_gammas(stream, shapes, out, spare, words):
        lowering(stream, shapes, spare, words)
        for i in range(len(out)):
            out[i] *= exp(spare[i])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def fill_gammas(
    seed: np.uint64, keys: WordArray, purposes: WordArray, shapes: Array, rates: Array, which: np.ndarray, out: Array
) -> None:
    """Gammas, one stream a row.

    Parameters
    ----------
    keys, purposes : (row,) of the streams.
    shapes, rates : (history, draw).
    which : (row,) the history of each row.
    out : (row, draw).
    """
    n = out.shape[1]
    stream, words, spare = np.empty(4, np.uint64), np.empty(n + 1, np.uint64), np.empty(n)
    for row in range(len(keys)):
        begin(stream, seed, keys[row], purposes[row])
        gammas(stream, shapes[which[row]], out[row], spare, words)
        for i in range(n):
            out[row, i] /= rates[which[row], i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def fill_betas(
    seed: np.uint64, keys: WordArray, purposes: WordArray, first: Array, second: Array, which: np.ndarray, out: Array
) -> None:
    """Betas, one stream a row; arguments as in `fill_gammas`, with two shapes."""
    n = out.shape[1]
    stream, words = np.empty(4, np.uint64), np.empty(n + 1, np.uint64)
    other, spare, log_odds = np.empty(n), np.empty(n), np.empty(n)
    for row in range(len(keys)):
        begin(stream, seed, keys[row], purposes[row])
        a, b, drawn = first[which[row]], second[which[row]], out[row]
        low = raised_gammas(stream, a, drawn, spare, words)
        high = raised_gammas(stream, b, other, spare, words)
        log_odds[:] = 0.0
        if low:
            lowering(stream, a, log_odds, words)
        if high:
            lowering(stream, b, spare, words)
            for i in range(n):
                log_odds[i] -= spare[i]
        for i in range(n):
            drawn[i] = drawn[i] / (drawn[i] + other[i] * exp(-log_odds[i]))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def fill_units(seed: np.uint64, keys: WordArray, purposes: WordArray, out: Array) -> None:
    """Uniform numbers in (0, 1), one stream a row."""
    n = out.shape[1]
    stream, words = np.empty(4, np.uint64), np.empty(n + 1, np.uint64)
    for row in range(len(keys)):
        begin(stream, seed, keys[row], purposes[row])
        fill(stream, words, n)
        for i in range(n):
            out[row, i] = unit(words[i])
