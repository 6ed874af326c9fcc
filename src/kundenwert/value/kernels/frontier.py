"""Quantiles of what new customers are worth, under many offers at once: their time and orders do not depend on offers.

Importing this loads numba.
"""

import numpy as np
from numba import njit

from kundenwert.families.kernels.scalar import ANY_ORDER
from kundenwert.value.kernels.words import Array
from kundenwert.value.kernels.worth import numbers, time_alive


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _select(values: Array, low: int, high: int, k: int) -> float:
    """The k-th smallest of `values[low:high]`, which is left at its place with smaller ones before it (Hoare)."""
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


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def frontier_levels(
    rate: Array, dropout: Array, spend: Array, offers: Array, terms: Array, quantiles: Array, out: Array
) -> None:
    """Quantiles of `worth`, interpolated linearly between the two next to them.

    Parameters
    ----------
    rate, dropout, spend : (draw, newcomer).
    offers, terms : (node, 4), (4,), see `value.kernels.worth`.
    quantiles : ascending.
    out : (quantile, node, draw), the result.

    From node to node costs fall and everybody is worth more, so whoever lies below the lowest quantile of the node
    before lies below that of this one, and need not be sorted.
    """
    fixed, (draws, count) = numbers(terms), rate.shape
    bought, ordered, lived, upper = np.empty(count), np.empty(count), np.empty(count), np.empty(count + 1)
    for draw in range(draws):
        for i in range(count):
            lived[i] = time_alive(rate[draw, i] * dropout[draw, i], fixed[0], fixed)
            ordered[i] = rate[draw, i] * lived[i]
            bought[i] = ordered[i] * spend[draw, i]
        bound = -np.inf
        for node in range(len(offers) - 1, -1, -1):
            margin, order_cost, active_cost, _ = numbers(offers[node])
            held = 0
            for i in range(count):
                upper[held] = margin * bought[i] - order_cost * ordered[i] - active_cost * lived[i]
                held += 1 if upper[held] >= bound else 0
            begin, less = 0, count - held
            for q in range(len(quantiles)):
                place = (count - 1) * quantiles[q]
                k = min(int(place), count - 1)
                below = _select(upper, begin, held, k - less)
                above = below
                if k + 1 < count:
                    above = upper[k + 1 - less]
                    for i in range(k + 2 - less, held):
                        above = upper[i] if upper[i] < above else above
                out[q, node, draw] = below + (place - k) * (above - below)
                begin = k - less
                bound = below if q == 0 else bound
            bound = bound if node > 0 and _dearer(offers[node], offers[node - 1]) else -np.inf


@njit(inline="always")
def _dearer(one: Array, other: Array) -> bool:
    """Whether no customer is worth more under one offer than under the other: only costs differ."""
    return one[0] == other[0] and one[1] >= other[1] and one[2] >= other[2]
