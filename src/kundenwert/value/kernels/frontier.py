"""Quantiles of what new customers are worth, under many offers at once: their time and orders do not depend on offers.

Importing this loads numba.
"""

import numpy as np
from numba import njit

from kundenwert.families.kernels.scalar import ANY_ORDER
from kundenwert.value.kernels.quantiles import between
from kundenwert.value.kernels.words import Array
from kundenwert.value.kernels.worth import numbers, time_alive


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
                out[q, node, draw] = between(upper, begin, held, k - less, place - k)
                begin = k - less
                bound = upper[k - less] if q == 0 else bound
            bound = bound if node > 0 and _dearer(offers[node], offers[node - 1]) else -np.inf


@njit(inline="always")
def _dearer(one: Array, other: Array) -> bool:
    """Whether no customer is worth more under one offer than under the other: only costs differ."""
    return one[0] == other[0] and one[1] >= other[1] and one[2] >= other[2]
