"""Random words from a counter: Threefry-2x64 with 20 rounds (Salmon, Moraes, Dror, Shaw 2011), and normals from them.

Word pair i of a stream is a function of (seed, key) and (i, purpose) alone, so a stream can begin anywhere, and its
pairs can be made side by side: the loop in `fill` becomes vector code. A stream is an array of four words,
`seed, key, purpose, next pair`; whoever takes words moves the last one.
"""

import math
from typing import Any

import numpy as np
from numba import njit

from kundenwert.families.kernels.scalar import exp, log

WordArray = np.ndarray[Any, np.dtype[np.uint64]]
Array = np.ndarray[Any, np.dtype[np.float64]]

SEED, KEY, PURPOSE, NEXT = range(4)
_PARITY = np.uint64(0x1BD11BDAA9FC1A22)
_ONE, _SIXTY_FOUR = np.uint64(1), np.uint64(64)
_LAYERS = 256
_LAYER_BITS = np.uint64(_LAYERS - 1)
_TAIL = 3.6541528853610088  # where the base layer's tail begins, and the area of each layer, for 256 layers
_AREA = 4.92867323399e-3


def _ziggurat() -> tuple[Array, Array]:
    """Right edges of the layers, from the base up to 0, and the density there (Marsaglia, Tsang 2000)."""
    edge = np.zeros(_LAYERS + 1)
    edge[0], edge[1] = _AREA / math.exp(-0.5 * _TAIL**2), _TAIL
    for i in range(1, _LAYERS - 1):
        edge[i + 1] = math.sqrt(-2.0 * math.log(_AREA / edge[i] + math.exp(-0.5 * edge[i] ** 2)))
    return edge, np.exp(-0.5 * edge**2)


_EDGE, _DENSITY = _ziggurat()


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def threefry(k0: np.uint64, k1: np.uint64, x0: np.uint64, x1: np.uint64) -> tuple[np.uint64, np.uint64]:
    """The two words of one key and one counter."""
    k2 = _PARITY ^ k0 ^ k1
    x0, x1 = x0 + k0, x1 + k1
    x0, x1 = _rounds(x0, x1, 16, 42, 12, 31)
    x0, x1 = x0 + k1, x1 + k2 + np.uint64(1)
    x0, x1 = _rounds(x0, x1, 16, 32, 24, 21)
    x0, x1 = x0 + k2, x1 + k0 + np.uint64(2)
    x0, x1 = _rounds(x0, x1, 16, 42, 12, 31)
    x0, x1 = x0 + k0, x1 + k1 + np.uint64(3)
    x0, x1 = _rounds(x0, x1, 16, 32, 24, 21)
    x0, x1 = x0 + k1, x1 + k2 + np.uint64(4)
    x0, x1 = _rounds(x0, x1, 16, 42, 12, 31)
    return x0 + k2, x1 + k0 + np.uint64(5)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _rounds(x0: np.uint64, x1: np.uint64, a: int, b: int, c: int, d: int) -> tuple[np.uint64, np.uint64]:
    for turn in (a, b, c, d):
        x0 = x0 + x1
        x1 = ((x1 << np.uint64(turn)) | (x1 >> (_SIXTY_FOUR - np.uint64(turn)))) ^ x0
    return x0, x1


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def fill(stream: WordArray, out: WordArray, count: int) -> None:
    """Takes at least `count` words; `out` holds an even number of them."""
    seed, key, purpose, first = stream[SEED], stream[KEY], stream[PURPOSE], stream[NEXT]
    pairs = (count + 1) // 2
    for i in range(pairs):
        out[i], out[pairs + i] = threefry(seed, key, first + np.uint64(i), purpose)
    stream[NEXT] = first + np.uint64(pairs)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def pair(stream: WordArray) -> tuple[np.uint64, np.uint64]:
    """Takes two words."""
    first = stream[NEXT]
    stream[NEXT] = first + _ONE
    return threefry(stream[SEED], stream[KEY], first, stream[PURPOSE])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def unit(word: np.uint64) -> float:
    """A uniform number in (0, 1)."""
    return (np.float64(np.int64(word >> np.uint64(12))) + 0.5) * 2.0**-52


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def normals(stream: WordArray, out: Array, words: WordArray) -> None:
    """Standard normal numbers: 98 in 100 are a word and a layer's edge in vector code, the others are made one by one.

    Parameters
    ----------
    out : (n,).
    words : scratch, n + 1 or more.
    """
    fill(stream, words, len(out))
    for i in range(len(out)):
        layer = words[i] & _LAYER_BITS
        x = _across(words[i], layer)
        out[i] = x if abs(x) < _EDGE[layer + _ONE] else np.inf
    for i in range(len(out)):
        if out[i] == np.inf:
            out[i] = normal(stream, words[i])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _across(word: np.uint64, layer: np.uint64) -> float:
    """A uniform number across a layer, from the 53 bits that do not name the layer."""
    return np.float64(np.int64(word) >> 11) * 2.0**-52 * _EDGE[layer]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def normal(stream: WordArray, word: np.uint64) -> float:
    """A standard normal number from one word, and from the stream where that word does not do."""
    while True:
        layer = word & _LAYER_BITS
        x = _across(word, layer)
        if abs(x) < _EDGE[layer + _ONE]:
            return x
        if layer == 0:
            return _tail(stream, x)
        first, word = pair(stream)
        low, high = _DENSITY[layer], _DENSITY[layer + _ONE]
        if low + unit(first) * (high - low) < exp(-0.5 * x * x):
            return x


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _tail(stream: WordArray, side: float) -> float:
    """A normal number beyond the edge of the base layer, on the side of the given one (Marsaglia 1964)."""
    while True:
        first, second = pair(stream)
        x = -log(unit(first)) / _TAIL
        if -2.0 * log(unit(second)) > x * x:
            return math.copysign(_TAIL + x, side)
