"""The compiled log-likelihood of BG/NBD and MBG/NBD over compressed rows.

Three parts, as in `sufficient.compressed_log_likelihood`: steps (how many customers have more than i repeats, and
chances to drop out), days (each distinct age and recency, with the customers and purchases of that age) and deaths
(distinct histories that may be over). Source: docs/statistics.md, Model.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from kundenwert.families.arithmetic import FloatArray
from kundenwert.families.kernels import blocks
from kundenwert.families.kernels.likelihood import PackedLikelihood, fill_first, fill_second
from kundenwert.families.kernels.scalar import ANY_ORDER, exp, log, log1p, outside

_LARGE = 32.0  # softplus(32) is 32 to 13 digits
_FACTORS = 20  # that many factors of at most 1 + exp(32) stay below 1.8e308


class DropoutLikelihood(PackedLikelihood):
    """Log-likelihood of purchase histories, cohort by cohort.

    Parameters
    ----------
    rows : what `sufficient.compress_histories` returned.
    n_cohorts : length of the parameter vectors.
    """

    def __init__(self, rows: Mapping[str, Any], n_cohorts: int) -> None:
        day_start = blocks.starts(rows["day_cohort"], n_cohorts)
        step_start = blocks.starts(rows["step_cohort"], n_cohorts)
        at_age = rows["exposure_day"]
        customers, purchases = np.zeros((2, len(rows["day"])))
        customers[at_age] = rows["exposure_customers"]
        purchases[at_age] = rows["exposure_purchases"]
        of = rows["death_cohort"]
        death_start = blocks.starts(of, n_cohorts)
        arrays = blocks.packed(
            (
                *(rows["day"], customers, purchases),
                *(rows["step_purchases"], rows["step_chances"]),
                *(rows["death_x"], rows["death_customers"]),
            ),
            (
                *(day_start, step_start, death_start),
                *(rows["death_T"] - day_start[of], rows["death_recency"] - day_start[of]),
                rows["death_step"] - step_start[of],
            ),
        )
        self._day_rows = np.diff(day_start)
        # what one point costs, in row evaluations: a day takes a logarithm, a death an exponential
        costs = 2 * np.diff(day_start) + np.diff(death_start) + 3 * np.diff(step_start)
        super().__init__(n_cohorts, (first_derivatives, second_derivatives), arrays, costs)

    def prepared(self, low: FloatArray, high: FloatArray) -> "DropoutLikelihood":
        """Itself: nothing about a region makes this likelihood faster."""
        return self

    def values(self, theta: FloatArray) -> FloatArray:
        """Log-likelihoods at many points.

        Parameters
        ----------
        theta : (cohort, parameter, point) r, alpha, a, b.

        Returns
        -------
        (cohort, point)
        """
        lanes = blocks.lanes(int(self._day_rows.max(initial=1)), theta.shape[-1])
        return blocks.evaluate(_values, self.columns, theta, self.costs, lanes)


@njit(inline="always")
def _unpacked(data: Any, cohorts: int) -> Any:
    """The columns in the two arrays: starts of the three tables, days, steps, deaths."""
    numbers, indices = data
    n = cohorts + 1
    starts = indices[: 3 * n].astype(np.int64)
    day_start, step_start, death_start = starts[:n], starts[n : 2 * n], starts[2 * n :]
    days, steps, deaths = day_start[cohorts], step_start[cohorts], death_start[cohorts]
    at = 3 * days
    then = at + 2 * steps
    return (
        (day_start, step_start, death_start),
        (numbers[:days], numbers[days : 2 * days], numbers[2 * days : at]),
        (numbers[at : at + steps], numbers[at + steps : then]),
        (
            indices[3 * n : 3 * n + deaths],
            indices[3 * n + deaths : 3 * n + 2 * deaths],
            indices[3 * n + 2 * deaths :],
            numbers[then : then + deaths],
            numbers[then + deaths :],
        ),
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _values(data: Any, theta: FloatArray, first: int, last: int, out: FloatArray, lanes: int) -> None:
    starts, days, steps, deaths = _unpacked(data, theta.shape[0])
    day_start, step_start, death_start = starts
    day, customers, purchases = days
    step_purchases, step_chances = steps
    death_T, death_recency, death_step, death_x, death_customers = deaths
    longest_day, longest_step = 0, 0
    for c in range(first, last):
        longest_day = max(longest_day, day_start[c + 1] - day_start[c])
        longest_step = max(longest_step, step_start[c + 1] - step_start[c])
    age = np.empty((longest_day, lanes))
    left = np.empty((longest_step, lanes))
    total, product, beyond = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    points = theta.shape[2]
    for c in range(first, last):
        for begin in range(0, points, lanes):
            n = min(lanes, points - begin)
            r, alpha = theta[c, 0, begin : begin + n], theta[c, 1, begin : begin + n]
            a, b = theta[c, 2, begin : begin + n], theta[c, 3, begin : begin + n]
            for k in range(n):
                beyond[k] = outside(r[k]) + outside(alpha[k]) + outside(a[k]) + outside(b[k])
                total[k], product[k] = 0.0, 1.0
            offset = day_start[c]
            for d in range(day_start[c + 1] - offset):
                who, bought, when = customers[offset + d], purchases[offset + d], day[offset + d]
                for k in range(n):
                    passed = log1p(when / alpha[k])
                    age[d, k] = passed
                    total[k] -= (r[k] * who + bought) * passed
            offset = step_start[c]
            for i in range(step_start[c + 1] - offset):
                bought, chances, j = step_purchases[offset + i], step_chances[offset + i], float(i)
                for k in range(n):
                    remaining = b[k] + j
                    left[i, k] = log(a[k] / remaining)
                    stayed = log1p(a[k] / remaining)
                    total[k] += bought * log((r[k] + j) / alpha[k]) - chances * stayed
            factors = 0.0
            for row in range(death_start[c], death_start[c + 1]):
                late, early = age[death_T[row]], age[death_recency[row]]
                odds, x, weight = left[death_step[row]], death_x[row], death_customers[row]
                if weight == 1.0:
                    for k in range(n):
                        at = odds[k] + (r[k] + x) * (late[k] - early[k])
                        low = min(at, _LARGE)
                        total[k] += at - low
                        product[k] *= 1.0 + exp(low)
                    factors += 1.0
                else:
                    for k in range(n):
                        at = odds[k] + (r[k] + x) * (late[k] - early[k])
                        low = min(at, _LARGE)
                        total[k] += weight * (at - low + log(1.0 + exp(low)))
                if factors == _FACTORS:
                    for k in range(n):
                        total[k] += log(product[k])
                        product[k] = 1.0
                    factors = 0.0
            for k in range(n):
                out[c, begin + k] = total[k] + log(product[k]) if beyond[k] == 0.0 else beyond[k]


@njit(inline="always")
def _terms(columns: Any, theta: FloatArray, c: int) -> Any:
    """Value, gradient and Hessian of one cohort, as sums; what a caller does not use is not computed."""
    (day_start, step_start, death_start), days, steps, deaths = columns
    r, alpha, a, b = theta[c, 0], theta[c, 1], theta[c, 2], theta[c, 3]
    by_day, sums = _day_terms(days, day_start[c], day_start[c + 1], r, alpha)
    by_step, sums = _step_terms(steps, step_start[c], step_start[c + 1], r, alpha, a, b, sums)
    value, first, second = _death_terms(deaths, death_start[c], death_start[c + 1], r, a, by_day, by_step, sums)
    beyond = outside(r) + outside(alpha) + outside(a) + outside(b)
    return value if beyond == 0.0 else beyond, first, second


@njit(inline="always")
def _day_terms(days: Any, start: int, end: int, r: float, alpha: float) -> Any:
    """Each day with log(1 + day/alpha) and 1/(alpha + day), which the deaths need again; sums over ages."""
    day, customers, purchases = days
    when, age, rate = day[start:end], np.empty(end - start), np.empty(end - start)
    value = g_r = g_alpha = h_ra = h_aa = 0.0
    for d in range(end - start):
        age[d] = log1p(when[d] / alpha)
        rate[d] = 1.0 / (alpha + when[d])
    for d in range(end - start):
        who = customers[start + d]
        shape = r * who + purchases[start + d]
        slope = when[d] * rate[d] / alpha
        value -= shape * age[d]
        g_r -= who * age[d]
        g_alpha += shape * slope
        h_ra += who * slope
        h_aa -= shape * (rate[d] + 1.0 / alpha) * slope
    return (when, age, rate), (value, g_r, g_alpha, h_ra, h_aa)


@njit(inline="always")
def _step_terms(steps: Any, start: int, end: int, r: float, alpha: float, a: float, b: float, sums: Any) -> Any:
    """The log odds of having left at each step, and 1/(b + i), which the deaths need again; sums with the steps'."""
    step_purchases, step_chances = steps
    left, inverse = np.empty(end - start), np.empty(end - start)
    value, g_r, g_alpha, h_ra, h_aa = sums
    g_a = g_b = h_rr = h_cc = h_cb = h_bb = 0.0
    for i in range(end - start):
        bought, chances, j = step_purchases[start + i], step_chances[start + i], float(i)
        inverse[i] = 1.0 / (b + j)
        left[i] = log(a * inverse[i])
        both, own = 1.0 / (a + b + j), 1.0 / (r + j)
        value += bought * log((r + j) / alpha) - chances * log1p(a * inverse[i])
        g_r += bought * own
        h_rr -= bought * own * own
        g_alpha -= bought / alpha
        h_aa += bought / (alpha * alpha)
        g_a -= chances * both
        g_b += chances * a * inverse[i] * both
        h_cc += chances * both * both
        h_cb += chances * both * both
        h_bb -= chances * a * inverse[i] * both * (both + inverse[i])
    return (left, inverse), (value, (g_r, g_alpha, g_a, g_b), (h_rr, h_ra, h_aa, h_cc, h_cb, h_bb))


@njit(inline="always")
def _death_terms(deaths: Any, start: int, end: int, r: float, a: float, by_day: Any, by_step: Any, sums: Any) -> Any:
    """All sums with those over histories that may be over: value, gradient, upper triangle of the Hessian.

    The second derivatives are named after r, alpha (a), a (c) and b.
    """
    death_T, death_recency, death_step, death_x, death_customers = deaths
    (when, age, rate), (left, inverse) = by_day, by_step
    value, (g_r, g_alpha, g_a, g_b), (h_rr, h_ra, h_aa, h_cc, h_cb, h_bb) = sums
    h_rc = h_rb = h_ac = h_ab = 0.0
    d_a, d_aa = 1.0 / a, -1.0 / (a * a)
    for row in range(start, end):
        late, early, i = death_T[row], death_recency[row], death_step[row]
        exponent = r + death_x[row]
        silence = age[late] - age[early]
        at = left[i] + exponent * silence
        grown = exp(-abs(at))
        dead = (1.0 if at > 0.0 else grown) / (1.0 + grown)
        value += death_customers[row] * (max(at, 0.0) + log(1.0 + grown))
        weight = death_customers[row] * dead
        spread = weight * (1.0 if at < 0.0 else grown) / (1.0 + grown)
        slope = (when[early] - when[late]) * rate[late] * rate[early]
        d_alpha, d_b = exponent * slope, -inverse[i]
        g_r += weight * silence
        g_alpha += weight * d_alpha
        g_a += weight * d_a
        g_b += weight * d_b
        h_rr += spread * silence * silence
        h_ra += spread * silence * d_alpha + weight * slope
        h_aa += spread * d_alpha * d_alpha - weight * d_alpha * (rate[late] + rate[early])
        h_rc += spread * silence * d_a
        h_rb += spread * silence * d_b
        h_ac += spread * d_alpha * d_a
        h_ab += spread * d_alpha * d_b
        h_cc += spread * d_a * d_a + weight * d_aa
        h_cb += spread * d_a * d_b
        h_bb += spread * d_b * d_b + weight * d_b * d_b
    return value, (g_r, g_alpha, g_a, g_b), (h_rr, h_ra, h_rc, h_rb, h_aa, h_ac, h_ab, h_cc, h_cb, h_bb)


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
