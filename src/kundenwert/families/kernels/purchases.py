"""Survival and expected purchases as compiled sums over the number of purchases.

The purchases that the customer would make within the time, were there no dropout, are negative binomial; each lets the
customer go on with a probability of its own. Every term is positive, so nothing cancels. Source: docs/statistics.md,
Population forms.
"""

import numpy as np
from numba import njit

from kundenwert.families.arithmetic import FloatArray

_MOST_TERMS = 400.0  # beyond it the integral over the dropout probability is cheaper
_LARGEST_EXPONENT = 600.0  # of the chance of no purchase, with which the sum begins
_REST = 2e-17  # the sum ends where what is left is below that share
_STRIDE = 8
_RECIPROCALS = 1.0 / np.arange(1.0, 2.0 * _MOST_TERMS + 1.0)


@njit(cache=True, nogil=True, fastmath=False)
def sum_over_purchases(
    counted: bool, k: FloatArray, y: FloatArray, a: FloatArray, b: FloatArray, value: FloatArray
) -> None:
    """Writes into `value`, all being (row,): E of purchases of a living customer if `counted`, else P(still alive).

    With u = y/(1+y), NB_m = (k)_m/m! u^m (1+y)^-k and s_m = (b)_m/(a+b)_m the two are `sum NB_m (s_0 + .. + s_(m-1))`
    and `sum NB_m s_m`. Rows in which that would be long, or is not a number, become NaN.
    """
    for row in range(k.size):
        shape, time, first, second = k[row], y[row], a[row], b[row]
        value[row] = np.nan
        length = shape * time + 10.0 * np.sqrt(shape * time * (1.0 + time)) + 40.0 * (1.0 + time)
        exponent = shape * np.log1p(time)
        if not (time >= 0.0 and length <= _MOST_TERMS and exponent <= _LARGEST_EXPONENT):
            continue
        u = time / (1.0 + time)
        chance, stays, purchases, total = np.exp(-exponent), 1.0, 0.0, 0.0
        for m in range(_RECIPROCALS.size):
            total += chance * (purchases if counted else stays)
            purchases += stays
            stays *= (second + m) / (first + second + m)
            ratio = (shape + m) * _RECIPROCALS[m] * u
            chance *= ratio
            ratio = max(ratio, u)
            if m % _STRIDE == _STRIDE - 1 and ratio < 1.0:
                left = 1.0 / (1.0 - ratio)
                weight = purchases + left if counted else stays
                if chance * weight * left <= _REST * total or chance == 0.0:
                    value[row] = total
                    break
