"""Predictions of BG/NBD and MBG/NBD given parameters: survival, expected purchases, purchase distributions.

Everything here is about a customer who is alive, with rate ~ Gamma(k, rate beta) and dropout ~ Beta(a, b); new and
existing customers of both families are cases of it. Source: docs/statistics.md, Population forms.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from kundenwert.families import quadrature
from kundenwert.families.arithmetic import FloatArray, group_rows, log_rising


def survival(k: npt.ArrayLike, beta: npt.ArrayLike, a: npt.ArrayLike, b: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray:
    """P(still alive after a further time t): `E[(1 + p t/beta)^-k]`."""
    k, y, a, b = np.broadcast_arrays(k, np.divide(t, beta), a, b)
    value = _summed(False, k, y, a, b)
    return _integrated(value, np.isnan(value), quadrature.mean_power, k, y, a, b)


def expected_purchases(
    k: npt.ArrayLike,
    beta: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    horizon: npt.ArrayLike,
    discount: npt.ArrayLike,
) -> FloatArray:
    """Purchases expected within the horizon, each discounted by exp(-discount * time), for every a, b > 0."""
    k, y, d, a, b = np.broadcast_arrays(k, np.divide(horizon, beta), np.multiply(discount, beta), a, b)
    value = _summed(True, np.where(d > 0, np.nan, k), y, a, b)  # a discount has no such sum
    return _integrated(value, np.isnan(value), quadrature.mean_purchases, k, y, d, a, b)


def purchase_distribution(
    k: npt.ArrayLike,
    beta: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    n: npt.ArrayLike,
    t: npt.ArrayLike,
    first_kill: int,
) -> FloatArray:
    """P(n purchases within t). With `first_kill` the customer may have dropped out before the first of them."""
    k, beta, a, b, n, t = (np.asarray(v, dtype=np.float64) for v in (k, beta, a, b, n, t))
    u, rest = t / (beta + t), beta / (beta + t)
    log_count = log_rising(k, n) - special.gammaln(n + 1.0) - k * np.log1p(t / beta) + special.xlogy(n, u)
    chances = n + first_kill
    stayed = np.exp(log_rising(b, chances) - log_rising(a + b, chances) + log_count)
    before = np.maximum(chances - 1.0, 0.0)
    left = np.exp(log_rising(b, before) - log_rising(a + b, before)) * a / (a + b + before)
    # from the smaller of u and 1 - u, which has its digits
    reach = np.maximum(n, 1.0)
    at_least_n = np.where(u < rest, special.betainc(reach, k, u), special.betaincc(k, reach, rest))
    return np.asarray(stayed + np.where(chances > 0, left, 0.0) * np.where(n > 0, at_least_n, 1.0))


def _summed(counted: bool, *arrays: npt.NDArray[Any]) -> FloatArray:
    """The sum over the number of purchases, for (k, y, a, b) of one shape; NaN where the integral is cheaper."""
    from kundenwert.families.kernels.purchases import sum_over_purchases

    value = np.empty(arrays[0].shape)
    sum_over_purchases(counted, *(np.ravel(v).astype(np.float64, copy=False) for v in arrays), value.reshape(-1))
    return value


def _integrated(
    value: FloatArray, where: npt.NDArray[np.bool_], mean: Callable[..., FloatArray], *arrays: npt.NDArray[Any]
) -> FloatArray:
    """`value`, with the integral filled in: once for every distinct row, because customers share many of them."""
    if where.any():
        distinct, index = group_rows(*(v[where].astype(np.float64, copy=False) for v in arrays))
        value[where] = mean(*distinct)[index]
    return value
