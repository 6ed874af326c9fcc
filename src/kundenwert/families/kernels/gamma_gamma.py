"""The compiled log-likelihood of Gamma-Gamma over compressed rows.

What every customer adds depends on the parameters p and q through a few distinct numbers of orders, and on v through
two sums over all customers, `sum log(1 + s/v)` and `sum n log(1 + s/v)`. Both are smooth in log v: tabulated at
Chebyshev nodes once, they cost the same for a million customers as for a hundred. Source: docs/statistics.md, Model.
"""

import copy
import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numba import njit

from kundenwert.families.arithmetic import FloatArray
from kundenwert.families.kernels import blocks
from kundenwert.families.kernels.likelihood import PackedLikelihood, fill_first, fill_second
from kundenwert.families.kernels.scalar import (
    ANY_ORDER,
    HIGHEST,
    LOWEST,
    digamma,
    lgamma,
    lgamma_grown,
    log,
    log1p,
    outside,
    trigamma,
)

_COLUMNS = (
    "beta_n",
    "beta_customers",
    "spend_n",
    "spend",
    "spend_customers",
    "total_n",
    "total_n_log_spend",
    "total_log_mean",
)
_FULL = 1e100  # a product of factors is turned into a logarithm before it can overflow
_DECAY = 38.0  # the last Chebyshev coefficient is smaller than the first by exp(-38)
_FEWEST_NODES, _MOST_NODES = 12, 160


class GammaGammaLikelihood(PackedLikelihood):
    """Log-likelihood of spend histories, cohort by cohort.

    Parameters
    ----------
    rows : what `GammaGamma.compress` returned.
    n_cohorts : length of the parameter vectors.
    """

    def __init__(self, rows: Mapping[str, Any], n_cohorts: int) -> None:
        beta_start, spend_start = (blocks.starts(rows[f"{name}_cohort"], n_cohorts) for name in ("beta", "spend"))
        arrays = blocks.packed([rows[name] for name in _COLUMNS], (beta_start, spend_start))
        self._tables = (np.empty((n_cohorts, 2, 0)), np.zeros((n_cohorts, 2)))
        self._beta_costs = 8 * np.diff(beta_start)
        costs = self._beta_costs + 2 * np.diff(spend_start)
        super().__init__(n_cohorts, (first_derivatives, second_derivatives), arrays, costs)

    def prepared(self, low: FloatArray, high: FloatArray) -> Self:
        """The same likelihood, made fast for points with v between two bounds; elsewhere it stays exact.

        Parameters
        ----------
        low, high : (cohort, parameter) corners of the region that most points will lie in.
        """
        bottom, top = (np.log(np.clip(corner[:, 2], LOWEST, HIGHEST)) for corner in (low, high))
        centre, half = 0.5 * (top + bottom), np.maximum(0.5 * (top - bottom), 1e-3)
        count = nodes_needed(float(half.max(initial=0.0)))
        if count > _MOST_NODES:
            return self
        angles = (np.arange(count) + 0.5) * (np.pi / count)
        v = np.exp(centre[:, None] + half[:, None] * np.cos(angles))
        sums = blocks.evaluate_many(_node_sums, self.columns, v, self.costs, 2)
        to_coefficients = np.cos(angles * np.arange(count)[:, None]) * (2.0 / count)
        to_coefficients[0] *= 0.5
        faster = copy.copy(self)
        faster._tables = (np.ascontiguousarray(sums @ to_coefficients.T), np.stack([centre, half], axis=1))
        faster.costs = self._beta_costs + count // 4
        return faster

    def values(self, theta: FloatArray) -> FloatArray:
        """Log-likelihoods at many points.

        Parameters
        ----------
        theta : (cohort, parameter, point) p, q, v.

        Returns
        -------
        (cohort, point)
        """
        data = (self.columns, *self._tables)
        return blocks.evaluate(_values, data, theta, self.costs, blocks.lanes(1, theta.shape[-1]))


def nodes_needed(half_width: float) -> int:
    """Chebyshev nodes for log(1 + s exp(-t)), t within `half_width` of a centre, to full precision.

    Whatever s, its singularities lie at distance pi from the real line; the largest ellipse between them gives the
    rate at which coefficients fall.
    """
    ratio = math.pi / half_width
    return max(_FEWEST_NODES, math.ceil(_DECAY / math.asinh(ratio)) + 2)


@njit(inline="always")
def _unpacked(data: Any, cohorts: int) -> Any:
    """The columns in the two arrays: starts of the two tables, rows by n, rows by spend, sums by cohort."""
    numbers, indices = data
    starts = indices.astype(np.int64)
    beta_start, spend_start = starts[: cohorts + 1], starts[cohorts + 1 :]
    betas, spends = beta_start[cohorts], spend_start[cohorts]
    at = 2 * betas
    then = at + 3 * spends
    return (
        (beta_start, spend_start),
        (numbers[:betas], numbers[betas:at]),
        (numbers[at : at + spends], numbers[at + spends : at + 2 * spends], numbers[at + 2 * spends : then]),
        (numbers[then : then + cohorts], numbers[then + cohorts : then + 2 * cohorts], numbers[then + 2 * cohorts :]),
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _sums(spend: Any, first: int, last: int, v: FloatArray, single: FloatArray, by_n: FloatArray) -> None:
    """`sum w log(1 + s/v)` and `sum w n log(1 + s/v)` over rows first .. last, for each of several v."""
    days, amount, weight = spend
    lanes = v.size
    inverse, product = 1.0 / v, np.ones(lanes)
    single[:] = 0.0
    by_n[:] = 0.0
    largest, limit = inverse.max(), 1.0
    for row in range(first, last):
        n, s, w = days[row], amount[row], weight[row]
        if w == 1.0:
            limit *= 1.0 + s * largest
            for k in range(lanes):
                product[k] *= 1.0 + s * inverse[k]
        else:
            for k in range(lanes):
                value = w * log1p(s * inverse[k])
                single[k] += value
                by_n[k] += n * value
        if limit > _FULL or row + 1 == last or days[row + 1] != n:
            for k in range(lanes):
                value = log(product[k])
                single[k] += value
                by_n[k] += n * value
                product[k] = 1.0
            limit = 1.0


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _node_sums(data: Any, v: FloatArray, first: int, last: int, out: FloatArray) -> None:
    (_, start), _, spend, _ = _unpacked(data, v.shape[0])
    for c in range(first, last):
        _sums(spend, start[c], start[c + 1], v[c], out[c, 0], out[c, 1])


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _interpolated(table: FloatArray, t: FloatArray, out: FloatArray) -> None:
    """Clenshaw's recurrence at every t in -1 .. 1."""
    last = table.size - 1
    one, two = np.zeros(t.size), np.zeros(t.size)
    for j in range(last, 0, -1):
        c = table[j]
        for k in range(t.size):
            both = c + 2.0 * t[k] * one[k] - two[k]
            two[k] = one[k]
            one[k] = both
    for k in range(t.size):
        out[k] = table[0] + t[k] * one[k] - two[k]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _values(data: Any, theta: FloatArray, first: int, last: int, out: FloatArray, lanes: int) -> None:
    columns, table, region = data
    (beta_start, spend_start), (beta_n, beta_customers), spend, totals = _unpacked(columns, theta.shape[0])
    total_n, n_log_spend, log_mean = totals
    total, single, by_n = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    log_v, where, beyond = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    for c in range(first, last):
        start, end = spend_start[c], spend_start[c + 1]
        for begin in range(0, theta.shape[2], lanes):
            n = min(lanes, theta.shape[2] - begin)
            p, q, v = theta[c, 0, begin : begin + n], theta[c, 1, begin : begin + n], theta[c, 2, begin : begin + n]
            inside = table.shape[2] > 0
            for k in range(n):
                beyond[k] = outside(p[k]) + outside(q[k]) + outside(v[k])
                total[k] = 0.0
                log_v[k] = log(v[k])
                where[k] = (log_v[k] - region[c, 0]) / region[c, 1]
            if inside:
                for k in range(n):
                    where[k] = min(max(where[k], -1.0), 1.0)
                _interpolated(table[c, 0], where[:n], single[:n])
                _interpolated(table[c, 1], where[:n], by_n[:n])
                for k in range(n):
                    if abs(log_v[k] - region[c, 0]) > region[c, 1]:
                        _sums(spend, start, end, v[k : k + 1], single[k : k + 1], by_n[k : k + 1])
            else:
                _sums(spend, start, end, v, single[:n], by_n[:n])
            customers = 0.0
            for row in range(beta_start[c], beta_start[c + 1]):
                many, days = beta_customers[row], beta_n[row]
                customers += many
                for k in range(n):
                    total[k] += many * lgamma_grown(p[k] * days, q[k])
            for k in range(n):
                relative = by_n[k] - n_log_spend[c] + log_v[k] * total_n[c]
                rest = customers * lgamma(q[k]) + q[k] * single[k] + p[k] * relative + log_mean[c]
                out[c, begin + k] = total[k] - rest if beyond[k] == 0.0 else beyond[k]


@njit(inline="always")
def _terms(columns: Any, theta: FloatArray, c: int) -> Any:
    """Value, gradient and Hessian of one cohort, as sums; what a caller does not use is not computed."""
    starts, (beta_n, beta_customers), (days, amount, weight), totals = columns
    (beta_start, spend_start), (total_n, n_log_spend, log_mean) = starts, totals
    p, q, v = theta[c, 0], theta[c, 1], theta[c, 2]
    customers = value = g_p = g_q = h_pp = h_pq = h_qq = 0.0
    for row in range(beta_start[c], beta_start[c + 1]):
        many, n = beta_customers[row], beta_n[row]
        shape = p * n
        customers += many
        value += many * lgamma_grown(shape, q)
        common, curved = digamma(shape + q), trigamma(shape + q)
        g_p += many * n * (common - digamma(shape))
        g_q += many * common
        h_pp += many * n * n * (curved - trigamma(shape))
        h_pq += many * n * curved
        h_qq += many * curved
    single = by_n = rate_n = square_n = share = share_rate = 0.0
    for row in range(spend_start[c], spend_start[c + 1]):
        w, wn, one = weight[row], weight[row] * days[row], 1.0 / (v + amount[row])
        grown, part = log1p(amount[row] / v), amount[row] * one
        single += w * grown
        by_n += wn * grown
        rate_n += wn * one
        square_n += wn * one * one
        share += w * part
        share_rate += w * part * one
    relative = by_n - n_log_spend[c] + log(v) * total_n[c]
    value -= customers * lgamma(q) + q * single + p * relative + log_mean[c]
    beyond = outside(p) + outside(q) + outside(v)
    slopes = (g_p - relative, g_q - customers * digamma(q) - single, q * share / v - p * rate_n)
    h_vv = p * square_n - q * (share / v + share_rate) / v
    curves = (h_pp, h_pq, -rate_n, h_qq - customers * trigamma(q), share / v, h_vv)
    return value if beyond == 0.0 else beyond, slopes, curves


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def first_derivatives(
    data: Any, theta: FloatArray, first: int, last: int, value: FloatArray, gradient: FloatArray
) -> None:
    """Value and gradient of cohorts first .. last at theta (cohort, parameter)."""
    fill_first(_unpacked, _terms, data, theta, first, last, value, gradient)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def second_derivatives(
    data: Any, theta: FloatArray, first: int, last: int, value: FloatArray, gradient: FloatArray, hessian: FloatArray
) -> None:
    """Value, gradient and Hessian of cohorts first .. last at theta (cohort, parameter)."""
    fill_second(_unpacked, _terms, data, theta, first, last, value, gradient, hessian)
