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
from kundenwert.families.kernels.scalar import digamma, lgamma, log, trigamma

_PARAMETERS = 3
_FULL = 1e100  # a product of factors is turned into a logarithm before it can overflow
_DECAY = 38.0  # the last Chebyshev coefficient is smaller than the first by exp(-38)
_FEWEST_NODES, _MOST_NODES = 12, 160


class GammaGammaLikelihood:
    """Log-likelihood of spend histories, cohort by cohort.

    Parameters
    ----------
    rows : what `GammaGamma.compress` returned.
    n_cohorts : length of the parameter vectors.
    """

    def __init__(self, rows: Mapping[str, Any], n_cohorts: int) -> None:
        self.n_cohorts = n_cohorts
        self.n_parameters = _PARAMETERS
        self._starts = (blocks.starts(rows["beta_cohort"], n_cohorts), blocks.starts(rows["spend_cohort"], n_cohorts))
        names = ("beta_n", "beta_customers"), ("spend_n", "spend", "spend_customers")
        self._beta, self._spend = (
            tuple(np.ascontiguousarray(rows[k], dtype=np.float64) for k in some) for some in names
        )
        self._totals = tuple(rows[k].astype(np.float64) for k in ("total_n", "total_n_log_spend", "total_log_mean"))
        self._tables = (np.empty((n_cohorts, 2, 0)), np.zeros((n_cohorts, 2)))
        self.costs = 8 * np.diff(self._starts[0]) + 2 * np.diff(self._starts[1])

    def prepared(self, low: FloatArray, high: FloatArray) -> Self:
        """The same likelihood, made fast for points with v between two bounds; elsewhere it stays exact.

        Parameters
        ----------
        low, high : (cohort, parameter) corners of the region that most points will lie in.
        """
        centre = 0.5 * (np.log(high[:, 2]) + np.log(low[:, 2]))
        half = np.maximum(0.5 * (np.log(high[:, 2]) - np.log(low[:, 2])), 1e-3)
        count = nodes_needed(float(half.max(initial=0.0)))
        if count > _MOST_NODES:
            return self
        angles = (np.arange(count) + 0.5) * (np.pi / count)
        v = np.exp(centre[:, None] + half[:, None] * np.cos(angles))
        sums = blocks.evaluate_many(_node_sums, (self._starts[1], self._spend), v, self.costs, 2)
        to_coefficients = np.cos(angles * np.arange(count)[:, None]) * (2.0 / count)
        to_coefficients[0] *= 0.5
        faster = copy.copy(self)
        faster._tables = (np.ascontiguousarray(sums @ to_coefficients.T), np.stack([centre, half], axis=1))
        faster.costs = 8 * np.diff(self._starts[0]) + count // 4
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
        data = (self._starts, self._beta, self._spend, self._totals, self._tables)
        return blocks.evaluate(_values, data, theta, self.costs, blocks.lanes(1, theta.shape[-1]))

    def derivatives(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Value, gradient and Hessian at one point a cohort.

        Parameters
        ----------
        theta : (cohort, parameter).

        Returns
        -------
        (cohort,), (cohort, parameter) and (cohort, parameter, parameter).
        """
        return blocks.differentiate(_derivatives, (self._starts, self._beta, self._spend, self._totals), theta)


def nodes_needed(half_width: float) -> int:
    """Chebyshev nodes for log(1 + s exp(-t)), t within `half_width` of a centre, to full precision.

    Whatever s, its singularities lie at distance pi from the real line; the largest ellipse between them gives the
    rate at which coefficients fall.
    """
    ratio = math.pi / half_width
    return max(_FEWEST_NODES, math.ceil(_DECAY / math.asinh(ratio)) + 2)


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
        if w != 1.0:
            for k in range(lanes):
                value = w * log(1.0 + s * inverse[k])
                single[k] += value
                by_n[k] += n * value
            continue
        limit *= 1.0 + s * largest
        for k in range(lanes):
            product[k] *= 1.0 + s * inverse[k]
        if limit > _FULL or row + 1 == last or days[row + 1] != n:
            for k in range(lanes):
                value = log(product[k])
                single[k] += value
                by_n[k] += n * value
                product[k] = 1.0
            limit = 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def _node_sums(data: Any, v: FloatArray, first: int, last: int, out: FloatArray) -> None:
    start, spend = data
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
    (beta_start, spend_start), (beta_n, beta_customers), spend, (total_n, n_log_spend, log_mean), tables = data
    table, region = tables
    total, single, by_n = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    log_v, where = np.empty(lanes), np.empty(lanes)
    for c in range(first, last):
        if spend_start[c] == spend_start[c + 1]:
            out[c, :] = 0.0
            continue
        for begin in range(0, theta.shape[2], lanes):
            n = min(lanes, theta.shape[2] - begin)
            p, q, v = theta[c, 0, begin : begin + n], theta[c, 1, begin : begin + n], theta[c, 2, begin : begin + n]
            inside = table.shape[2] > 0
            for k in range(n):
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
                        _sums(
                            spend, spend_start[c], spend_start[c + 1], v[k : k + 1], single[k : k + 1], by_n[k : k + 1]
                        )
            else:
                _sums(spend, spend_start[c], spend_start[c + 1], v, single[:n], by_n[:n])
            customers = 0.0
            for row in range(beta_start[c], beta_start[c + 1]):
                many, days = beta_customers[row], beta_n[row]
                customers += many
                for k in range(n):
                    total[k] += many * (lgamma(p[k] * days + q[k]) - lgamma(p[k] * days))
            for k in range(n):
                relative = by_n[k] - n_log_spend[c] + log_v[k] * total_n[c]
                rest = customers * lgamma(q[k]) + q[k] * single[k] + p[k] * relative + log_mean[c]
                out[c, begin + k] = total[k] - rest


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def _derivatives(
    data: Any, theta: FloatArray, first: int, last: int, value: FloatArray, gradient: FloatArray, hessian: FloatArray
) -> None:
    (beta_start, spend_start), (beta_n, beta_customers), (days, amount, weight), totals = data
    total_n, n_log_spend, log_mean = totals
    for c in range(first, last):
        p, q, v = theta[c]
        customers = total = g_p = g_q = h_pp = h_pq = h_qq = 0.0
        for row in range(beta_start[c], beta_start[c + 1]):
            many, n = beta_customers[row], beta_n[row]
            shape = p * n
            customers += many
            total += many * (lgamma(shape + q) - lgamma(shape))
            common, curved = digamma(shape + q), trigamma(shape + q)
            g_p += many * n * (common - digamma(shape))
            g_q += many * common
            h_pp += many * n * n * (curved - trigamma(shape))
            h_pq += many * n * curved
            h_qq += many * curved
        single = by_n = rate = rate_n = square = square_n = 0.0
        for row in range(spend_start[c], spend_start[c + 1]):
            w, wn = weight[row], weight[row] * days[row]
            grown, one = log(1.0 + amount[row] / v), 1.0 / (v + amount[row])
            single += w * grown
            by_n += wn * grown
            rate += w * one
            rate_n += wn * one
            square += w * one * one
            square_n += wn * one * one
        relative = by_n - n_log_spend[c] + math.log(v) * total_n[c]
        value[c] = total - customers * lgamma(q) - q * single - p * relative - log_mean[c]
        gradient[c, 0] = g_p - relative
        gradient[c, 1] = g_q - customers * digamma(q) - single
        gradient[c, 2] = q * (customers / v - rate) - p * rate_n
        h = hessian[c]
        h[0, 0], h[1, 1] = h_pp, h_qq - customers * trigamma(q)
        h[2, 2] = q * (square - customers / (v * v)) + p * square_n
        h[0, 1] = h[1, 0] = h_pq
        h[0, 2] = h[2, 0] = -rate_n
        h[1, 2] = h[2, 1] = customers / v - rate
