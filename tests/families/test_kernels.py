"""The compiled likelihoods against the plain ones, against 30-digit arithmetic, and where numbers end."""

import math
import multiprocessing
import os
from collections import Counter

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kundenwert.families import BGNBD, GAMMA_GAMMA, MBGNBD
from kundenwert.families.kernels import blocks, gamma_gamma, grouping, scalar
from kundenwert.families.protocol import Compiles
from kundenwert.testing import check_family

PURCHASE, COHORTS = (BGNBD, MBGNBD), 4
RANGES = {
    "r": (0.02, 500.0),
    "alpha": (1e-3, 1e5),
    "a": (0.01, 1e3),
    "b": (0.01, 1e6),
    "p": (0.05, 1e3),
    "q": (0.05, 1e3),
    "v": (1e-3, 1e5),
}


def histories(rng, customers, most=30):
    """x, t_x, T, cohort in whole days as weeks; cohort 2 is empty, nobody in cohort 3 came back; many share a row."""
    days = rng.integers(0, 300, customers)
    cohort = rng.choice([0, 1, 3], customers)
    x = np.where((days > 0) & (cohort != 3), rng.poisson(rng.exponential(2.0, customers)), 0)
    x[:1] = np.where((days[:1] > 0) & (cohort[:1] != 3), most, 0)
    last = np.where(x > 0, np.ceil(rng.random(customers) * days), 0)
    return tuple(np.repeat(v, 2)[customers // 2 :] for v in (x, last / 7, days / 7, cohort))


def spending(rng, customers, most=30):
    """n, zbar, cohort with cents, so that some amounts occur more than once; cohort 2 is empty, cohort 3 has no day."""
    cohort = rng.choice([0, 1, 3], customers)
    n = np.where(cohort != 3, rng.poisson(rng.exponential(2.0, customers)), 0)
    n[:1] = np.where(cohort[:1] != 3, most, 0)
    zbar = np.where(n > 0, rng.choice([5.0, 19.99, *rng.gamma(2.0, 20.0, 40).round(2) + 0.01], customers), 0.0)
    return n, zbar, cohort


def data_of(family, rng, customers=200, most=30):
    return (spending if family is GAMMA_GAMMA else histories)(rng, customers, most)


def random_theta(family, rng, points, narrow=1.0):
    """(cohort, parameter, point), log-uniform over the ranges above."""
    low, high = np.log(np.array([RANGES[name] for name in family.parameters])).T[:, None, :, None]
    return np.exp(low + (high - low) * (0.5 + narrow * (rng.random((COHORTS, len(family.parameters), points)) - 0.5)))


def plain(family, theta, columns):
    """Sum over customers by (cohort, point), and the size of what is summed, which bounds the rounding."""
    *data, cohort = columns
    each = family.log_likelihood(
        {name: theta[cohort, i] for i, name in enumerate(family.parameters)}, *(v[:, None] for v in data)
    )
    size = np.abs(each) + 1.0
    if family is not GAMMA_GAMMA:  # who is surely gone was silent for any time: two large parts that cancel
        x, _, T, _ = columns
        size += (theta[cohort, 0] + x[:, None]) * np.log1p(T[:, None] / theta[cohort, 1])
    else:  # p n (log s - log v - log1p(s / v)) is summed in three parts
        n, zbar, _ = columns
        p, q, v = (theta[cohort, i] for i in range(3))
        parts = np.abs(np.log(v)) + np.abs(np.log(np.where(n > 0, n * zbar, 1.0)))[:, None] + 1.0
        size += (p * n[:, None] + q) * parts
    total, scale = np.zeros((COHORTS, theta.shape[2])), np.zeros((COHORTS, theta.shape[2]))
    np.add.at(total, cohort, each)
    np.add.at(scale, cohort, size)
    return total, scale


def agree(got, wanted, scale, digits=2e-13):
    assert np.all(np.abs(got - wanted) <= digits * (scale + 1.0)), np.max(np.abs(got - wanted) / (scale + 1.0))


# --- scalar functions


def errors(function, truth, points):
    """Absolute error at each point, and the size of the exact value."""
    with mp.workdps(40):
        exact = [truth(mp.mpf(float(x))) for x in points]
        off = [abs(mp.mpf(float(function(float(x)))) - e) for x, e in zip(points, exact, strict=True)]
        return np.array([float(o) for o in off]), np.array([abs(float(e)) for e in exact])


RNG = np.random.default_rng(5)
POSITIVE = np.exp(RNG.uniform(np.log(1e-30), np.log(1e30), 400))
USUAL = np.exp(RNG.uniform(np.log(1e-3), np.log(1e4), 400))


@pytest.mark.parametrize(
    ("function", "truth", "points"),
    [
        (scalar.exp, mp.exp, np.concatenate([RNG.uniform(-708, 708, 400), RNG.uniform(-1, 1, 200)])),
        (scalar.log, mp.log, np.concatenate([POSITIVE**8, USUAL, RNG.uniform(0.5, 2.0, 400)])),
        (scalar.log1p, mp.log1p, np.concatenate([POSITIVE, USUAL])),
        (scalar.trigamma, lambda z: mp.psi(1, z), np.concatenate([POSITIVE, USUAL])),
    ],
    ids=["exp", "log", "log1p", "trigamma"],
)
def test_scalar_functions_are_exact_to_a_few_last_places(function, truth, points):
    off, size = errors(function, truth, points)
    assert np.max(off / np.spacing(size)) <= 6.0
    assert (scalar.exp(0.0), scalar.log(1.0), scalar.log1p(0.0)) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("function", "truth"),
    [(scalar.lgamma, mp.loggamma), (scalar.digamma, mp.digamma)],
    ids=["lgamma", "digamma"],
)
def test_functions_with_a_zero_are_exact_to_some_last_places_of_their_parts(function, truth):
    off, size = errors(function, truth, np.concatenate([POSITIVE, USUAL, [1.0, 2.0, 1.4616321449683622]]))
    assert np.max(off / np.maximum(size, 10.0)) <= 3e-15


def test_growth_of_log_gamma_does_not_cancel():
    z, q = (np.exp(RNG.uniform(np.log(1e-30), np.log(1e30), 600)) for _ in range(2))
    z[300:], q[300:] = (np.exp(RNG.uniform(np.log(1e-2), np.log(1e6), 300)) for _ in range(2))
    with mp.workdps(80):
        exact = np.array(
            [float(mp.loggamma(mp.mpf(a) + mp.mpf(b)) - mp.loggamma(a)) for a, b in zip(z, q, strict=True)]
        )
    got = np.array([scalar.lgamma_grown(a, b) for a, b in zip(z, q, strict=True)])
    assert np.max(np.abs(got - exact) / np.maximum(np.abs(exact), 1.0)) <= 2e-14


# --- values


@pytest.mark.parametrize("points", [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 70])
@pytest.mark.parametrize("family", [*PURCHASE, GAMMA_GAMMA], ids=lambda f: f.name)
def test_values_are_the_sum_over_customers(family, points):
    rng = np.random.default_rng(points)
    columns = data_of(family, rng)
    likelihood = family.compiled(family.compress(*columns, COHORTS), COHORTS)
    theta = random_theta(family, rng, points)
    agree(likelihood.values(theta), *plain(family, theta, columns))
    assert isinstance(family, Compiles)


@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.sampled_from([*PURCHASE, GAMMA_GAMMA]))
@settings(max_examples=150, deadline=None)
def test_values_and_derivatives_of_any_base(seed, customers, family):
    """Derivatives give the same value, and the region of `prepared` changes none."""
    rng = np.random.default_rng(seed)
    columns = data_of(family, rng, customers, most=2000)
    likelihood = family.compiled(family.compress(*columns, COHORTS), COHORTS)
    theta = random_theta(family, rng, 3)
    wanted, scale = plain(family, theta, columns)
    agree(likelihood.values(theta), wanted, scale)
    agree(likelihood.derivatives(theta[:, :, 0])[0], wanted[:, 0], scale[:, 0])
    prepared = likelihood.prepared(theta.min(axis=2), theta.max(axis=2))
    agree(prepared.values(theta), wanted, scale)
    agree(prepared.derivatives(theta[:, :, 1])[0], wanted[:, 1], scale[:, 1])


@pytest.mark.parametrize("family", PURCHASE, ids=lambda f: f.name)
def test_an_extreme_history(family):
    """(200, 1e-3, .8, 2) with 520 silent weeks and with 2,000 repeats: others return -inf or NaN."""
    theta = np.array([200.0, 1e-3, 0.8, 2.0])
    for history in ((0, 0.0, 520.0), (2000, 1.0, 520.0), (2000, 520.0, 520.0)):
        likelihood = family.compiled(family.compress(*([v] for v in history), [0], 1), 1)
        truth = family.log_likelihood(dict(zip(family.parameters, theta, strict=True)), *history)
        value, gradient, hessian = likelihood.derivatives(theta[None])
        assert likelihood.values(theta[None, :, None])[0, 0] == pytest.approx(truth, rel=1e-13)
        assert value[0] == pytest.approx(truth, rel=1e-13)
        assert np.isfinite(gradient).all()
        assert np.isfinite(hessian).all()


@pytest.mark.parametrize("family", [*PURCHASE, GAMMA_GAMMA], ids=lambda f: f.name)
@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, 1e-320, 1e300, math.nan])
def test_parameters_that_are_none_have_no_likelihood(family, bad):
    rng = np.random.default_rng(2)
    columns = data_of(family, rng)
    likelihood = family.compiled(family.compress(*columns, COHORTS), COHORTS)
    middle = random_theta(family, rng, 9, narrow=0.2)
    prepared = likelihood.prepared(middle.min(axis=2), middle.max(axis=2))
    for i in range(len(family.parameters)):
        theta = middle.copy()
        theta[:, i, 4] = bad
        for values in (likelihood.values(theta), prepared.values(theta)):
            assert np.isnan(values[:, 4]).all() if math.isnan(bad) else np.all(values[:, 4] == -np.inf)
            assert np.isfinite(np.delete(values, 4, axis=1)).all()  # no neighbour is touched
        assert not np.isfinite(likelihood.derivatives(theta[:, :, 4])[0]).any()


@pytest.mark.parametrize("family", [*PURCHASE, GAMMA_GAMMA], ids=lambda f: f.name)
def test_values_are_finite_and_never_nan_up_to_the_bounds(family):
    rng = np.random.default_rng(4)
    likelihood = family.compiled(family.compress(*data_of(family, rng, most=2000), COHORTS), COHORTS)
    size = len(family.parameters)
    corners = np.stack(np.meshgrid(*[[1e-30, 1e-15, 1.0, 1e15, 1e30]] * size, indexing="ij")).reshape(size, -1)
    theta = np.broadcast_to(corners, (COHORTS, *corners.shape))
    assert np.isfinite(likelihood.values(theta)).all()
    assert np.isfinite([likelihood.derivatives(theta[:, :, k])[0] for k in range(theta.shape[2])]).all()


# --- derivatives


def exact_log_likelihood(family, theta, columns):
    """The plain formula of docs/statistics.md in multiple precision, one customer after another."""
    total = mp.mpf(0)
    if family is GAMMA_GAMMA:
        p, q, v = theta
        for n, zbar in zip(*columns, strict=True):
            if n > 0:
                n, zbar = mp.mpf(int(n)), mp.mpf(float(zbar))
                s = n * zbar
                total += mp.loggamma(p * n + q) - mp.loggamma(p * n) - mp.loggamma(q)
                total += q * mp.log(v) + (p * n - 1) * mp.log(zbar) + p * n * mp.log(n) - (p * n + q) * mp.log(v + s)
        return total
    r, alpha, a, b = theta
    for x, t_x, T in zip(*columns, strict=True):
        x, t_x, T = int(x), mp.mpf(float(t_x)), mp.mpf(float(T))
        chances = x + family.first_kill
        bought = mp.loggamma(r + x) - mp.loggamma(r) + r * mp.log(alpha)
        alive = mp.beta(a, b + chances) / mp.beta(a, b) * (alpha + T) ** (-r - x)
        gone = mp.beta(a + 1, b + chances - 1) / mp.beta(a, b) * (alpha + t_x) ** (-r - x) if chances else 0
        total += bought + mp.log(alive + gone)
    return total


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("family", [*PURCHASE, GAMMA_GAMMA], ids=lambda f: f.name)
def test_derivatives_against_30_digits(family, seed):
    rng = np.random.default_rng(seed)
    *columns, _ = data_of(family, rng, 7)
    theta = random_theta(family, rng, 1, narrow=(0.4, 0.7, 1.0)[seed % 3])[0, :, 0]
    rows = family.compress(*columns, np.zeros(len(columns[0]), dtype=np.int64), 1)
    value, gradient, hessian = (v[0] for v in family.compiled(rows, 1).derivatives(theta[None]))
    size = len(theta)
    with mp.workdps(60):
        at, step = [mp.mpf(float(t)) for t in theta], mp.mpf(10) ** -15

        def f(*moved):
            shifted = [t * (1 + step * moved.count(i) - step * moved.count(~i)) for i, t in enumerate(at)]
            return exact_log_likelihood(family, shifted, columns)

        here = f()
        slopes = [(f(i) - f(~i)) / (2 * step) for i in range(size)]
        curves = [
            [(f(i, j) - f(i, ~j) - f(~i, j) + f(~i, ~j)) / (4 * step**2) for j in range(size)] for i in range(size)
        ]
        slopes, curves = np.array(slopes, dtype=float), np.array(curves, dtype=float)
    scale = 1.0 + abs(float(here))
    assert value == pytest.approx(float(here), abs=1e-12 * scale)
    np.testing.assert_allclose(gradient * theta, slopes, rtol=1e-9, atol=1e-10 * scale)
    np.testing.assert_allclose(hessian * np.outer(theta, theta), curves, rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize("wrong", ["values", "value", "gradient", "hessian", "prepared"])
def test_wrong_compiled_code_is_caught(wrong):
    """`check_family` holds compiled code against the plain form, so that a plug-in's can be trusted."""

    class Likelihood(type(BGNBD.compiled(BGNBD.compress([0], [0], [1], [0], 1), 1))):
        def values(self, theta):
            return super().values(theta) * (1.001 if wrong == "values" else 1.0)

        def derivatives(self, theta):
            parts = dict(zip(("value", "gradient", "hessian"), super().derivatives(theta), strict=True))
            return tuple(part * (1.01 if name == wrong else 1.0) for name, part in parts.items())

        def prepared(self, low, high):
            return Likelihood(self.rows, 2) if wrong == "prepared" else self

    class Family(type(BGNBD)):
        def compiled(self, rows, n_cohorts):
            likelihood = Likelihood(rows, n_cohorts)
            likelihood.rows = self.compress([0], [0], [1.0], [0], 2)
            return likelihood

    with pytest.raises(AssertionError, match=r"compiled|Hessian|prepared"):
        check_family(Family(BGNBD.name, 0), {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426})


# --- the table of Gamma-Gamma


def test_gamma_gamma_table_inside_at_the_edge_and_outside():
    rng = np.random.default_rng(8)
    columns = spending(rng, 2000)
    likelihood = GAMMA_GAMMA.compiled(GAMMA_GAMMA.compress(*columns, COHORTS), COHORTS)
    low, high = np.full((COHORTS, 3), [2.0, 2.0, 5.0]), np.full((COHORTS, 3), [9.0, 6.0, 50.0])
    low[1], high[1] = [0.1, 0.1, 1e-2], [90.0, 60.0, 1e3]
    theta = random_theta(GAMMA_GAMMA, rng, 70)
    theta[:, 2, :40] = low[:, 2:] * (high / low)[:, 2:] ** rng.random((COHORTS, 40))
    theta[:, 2, 0], theta[:, 2, 1] = low[:, 2], high[:, 2]
    theta[:, 2, 2], theta[:, 2, 3] = np.nextafter(low[:, 2], 0.0), np.nextafter(high[:, 2], np.inf)
    direct, prepared = likelihood.values(theta), likelihood.prepared(low, high).values(theta)
    _, scale = plain(GAMMA_GAMMA, theta, columns)
    agree(prepared, direct, scale, digits=1e-14)
    # what is used: a table where it was asked for, and elsewhere the very sums
    assert not np.array_equal(prepared[0, :40], direct[0, :40])
    np.testing.assert_array_equal(likelihood.prepared(low, low).values(theta)[:, 10:40], direct[:, 10:40])


@pytest.mark.parametrize("half_width", [1e-3, 0.05, 0.5, 2.0, 6.0])
def test_as_many_nodes_as_full_precision_takes(half_width):
    count = gamma_gamma.nodes_needed(half_width)
    with mp.workdps(30):
        nodes = 4 * count
        cosines = [mp.cos(mp.pi * k / (2 * nodes)) for k in range(4 * nodes)]
        sampled = [mp.log1p(mp.exp(-half_width * cosines[2 * k + 1])) for k in range(nodes)]
        left_out = sum(
            abs(mp.fdot((f, cosines[(2 * k + 1) * j % (4 * nodes)]) for k, f in enumerate(sampled)))
            for j in range(count, 2 * count)
        )
        assert left_out * 2 / nodes < 1e-15 * mp.fsum(sampled) / nodes


def test_a_region_too_wide_for_a_table_is_summed():
    rng = np.random.default_rng(1)
    likelihood = GAMMA_GAMMA.compiled(GAMMA_GAMMA.compress(*spending(rng, 50), COHORTS), COHORTS)
    low, high = np.zeros((COHORTS, 3)), np.full((COHORTS, 3), np.inf)
    assert likelihood.prepared(low, high) is likelihood


# --- threads and blocks


def halves() -> list[int]:
    return blocks.in_threads(lambda first, last: last - first, [0, 3, 5])


def halves_or_die() -> None:
    assert halves() == [3, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    """The parent's pool comes along without its threads, and would be waited for without end."""
    assert halves() == [3, 2]
    child = multiprocessing.get_context("fork").Process(target=halves_or_die)
    child.start()
    child.join(30)
    ended, code = not child.is_alive(), child.exitcode
    child.kill()
    assert ended
    assert code == 0


@pytest.mark.parametrize("family", [BGNBD, GAMMA_GAMMA], ids=lambda f: f.name)
@pytest.mark.parametrize(("cohort_of", "points"), [(lambda c: c, 70), (lambda c: c, 4), (np.zeros_like, 70)])
def test_threads_and_blocks_change_nothing(family, cohort_of, points, monkeypatch):
    rng = np.random.default_rng(3)
    *columns, cohort = data_of(family, rng, 500)
    likelihood = family.compiled(family.compress(*columns, cohort_of(cohort), COHORTS), COHORTS)
    theta = random_theta(family, rng, points)
    low, high = theta.min(axis=2), theta.min(axis=2) * 2.0
    results = []
    for threads, worth, lanes in ((1, 1 << 40, 64), (3, 1, 64), (8, 1, 16), (2, 1, 5), (1, 1, 1)):
        monkeypatch.setattr(blocks, "thread_count", lambda n=threads: n)
        monkeypatch.setattr(blocks, "_WORTH_A_THREAD", worth)
        monkeypatch.setattr(blocks, "lanes", lambda rows, count, n=lanes: min(n, count))
        faster = likelihood.prepared(low, high)
        results.append((likelihood.values(theta), faster.values(theta), *likelihood.derivatives(theta[:, :, 0])))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_allclose(two, one, rtol=1e-13, atol=1e-11)


# --- counting of equal rows


VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1 / 7, 2 / 7, 1e-300, math.inf, math.nan, 5e9])


@given(st.lists(st.tuples(st.integers(0, 3), VALUES, VALUES, VALUES), max_size=60), st.sampled_from([1, 2, 5]))
def test_equal_rows_are_counted(rows, threads):
    """Zeros are equal, NaN equals itself; with threads as without."""
    code = np.array([row[0] for row in rows], dtype=np.int64)
    columns = [np.array([row[k] for row in rows], dtype=np.float64) for k in (1, 2, 3)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "thread_count", lambda: threads)
        patch.setattr(grouping, "_ROWS_A_THREAD", 1)
        full = grouping.counted(code, *columns)
        short = grouping.counted(code[:0], columns[0], columns[1], np.empty(0))

    assert named(full) == Counter((c, *(repr(v + 0.0) for v in row)) for c, *row in rows)
    assert named(short) == Counter((0, *(repr(v + 0.0) for v in (*row, 0.0))) for _, *row, _ in rows)


def named(found):
    *columns, counts = (column.tolist() for column in found)
    keys = [(code, *(repr(v) for v in row)) for code, *row in zip(*columns, strict=True)]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, counts, strict=True))


def test_many_rows_outgrow_the_table():
    rng = np.random.default_rng(6)
    code, first = rng.integers(0, 9, 40_000), rng.integers(0, 9_000, 40_000) / 7
    code_found, first_found, _, _, counts = grouping.counted(code, first, first, np.empty(0))
    keys, wanted = np.unique(np.stack([code, first]), axis=1, return_counts=True)
    order = np.lexsort((first_found, code_found))
    np.testing.assert_array_equal(np.stack([code_found, first_found])[:, order], keys)
    np.testing.assert_array_equal(counts[order], wanted)
