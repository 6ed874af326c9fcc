"""Quantiles of rows of draws, by selection in place. Importing this loads numba."""

import numpy as np
from numba import njit

from kundenwert.value.kernels.words import Array


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def select(values: Array, low: int, high: int, k: int) -> float:
    """The value that would stand at `k` if `values[low:high]` were in order, which it is put at with smaller ones
    before it and larger ones after it (Hoare).
    """
    first, last = low, high - 1
    while first < last:
        a, b, c = values[first], values[(first + last) // 2], values[last]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = first, last
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            last = j
        elif k >= i:
            first = i
        else:
            break
    return values[k]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def between(values: Array, low: int, high: int, k: int, share: float) -> float:
    """The same, so far on the way to the next larger value."""
    below = select(values, low, high, k)
    if share == 0.0 or k + 1 >= high:
        return below
    above = values[k + 1]
    for i in range(k + 2, high):
        above = values[i] if values[i] < above else above
    return below + share * (above - below)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def row_quantiles(values: Array, levels: Array, out: Array) -> None:
    """(level, row) quantiles of each row, interpolated linearly; NaN where a value is not a number.

    Parameters
    ----------
    values : (row, draw). levels : ascending, from 0 to 1. out : the result.
    """
    n = values.shape[1]
    spare = np.empty(n)
    for row in range(len(values)):
        wrong = 0
        for i in range(n):
            spare[i] = values[row, i]
            wrong += spare[i] != spare[i]
        begin = 0
        for q in range(len(levels)):
            place = (n - 1) * levels[q]
            k = min(int(place), n - 1)
            out[q, row] = between(spare, begin, n, k, place - k) if wrong == 0 else np.nan
            begin = k
