"""What must hold of every family for any parameters and any history."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kundenwert.families import BGNBD, GAMMA_GAMMA, MBGNBD

FAMILIES = st.sampled_from([BGNBD, MBGNBD])


def log_uniform(low, high):
    return st.floats(np.log(low), np.log(high)).map(lambda u: float(np.exp(u)))


THETA = st.fixed_dictionaries(
    {
        "r": log_uniform(0.02, 50),
        "alpha": log_uniform(1e-2, 1e3),
        "a": log_uniform(0.02, 50),
        "b": log_uniform(0.02, 1e4),
    }
)
SPEND_THETA = st.fixed_dictionaries(
    {"p": log_uniform(0.1, 100), "q": log_uniform(0.1, 100), "v": log_uniform(1e-2, 1e4)}
)


@st.composite
def histories(draw):
    """x, t_x, T of one customer: whole days, in weeks."""
    days = draw(st.integers(0, 400))
    x = draw(st.integers(0, 60)) if days else 0
    last = draw(st.integers(1, days)) if x else 0
    return x, last / 7, days / 7


@st.composite
def bases(draw):
    """Histories of several cohorts, and each cohort's parameters."""
    cohorts = draw(st.integers(1, 4))
    customers = draw(st.lists(st.tuples(histories(), st.integers(0, cohorts - 1)), max_size=25))
    columns = [np.array([h[k] for h, _ in customers], dtype=float) for k in range(3)]
    theta = draw(st.lists(THETA, min_size=cohorts, max_size=cohorts))
    return columns, np.array([c for _, c in customers], dtype=np.int64), theta


def stacked(theta):
    return {name: np.array([each[name] for each in theta]) for name in theta[0]}


@given(FAMILIES, bases())
def test_compressed_rows_lose_nothing(family, base):
    columns, cohort, theta = base
    vectors = stacked(theta)
    rows = family.compress(*columns, cohort, len(theta))
    each = family.log_likelihood({k: v[cohort] for k, v in vectors.items()}, *columns)
    got = family.compressed_log_likelihood(vectors, rows)
    assert got == pytest.approx(each.sum(), rel=1e-10, abs=1e-10 * np.abs(each).sum() + 1e-12)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10**6), st.integers(0, 2)), max_size=25), st.data())
def test_compressed_spend_loses_nothing(customers, data):
    n, cents, cohort = (np.array([c[k] for c in customers], dtype=np.int64) for k in range(3))
    vectors = stacked(data.draw(st.lists(SPEND_THETA, min_size=3, max_size=3)))
    rows = GAMMA_GAMMA.compress(n, cents / 100, cohort, 3)
    each = GAMMA_GAMMA.log_likelihood({k: v[cohort] for k, v in vectors.items()}, n, cents / 100)
    # p n (log s - log v - log1p(s / v)) is summed in three parts: their size, not the result's, bounds the rounding
    size = sum(
        np.abs(vectors["p"][c] * k * np.log(vectors["v"][c] / (z + 1)))
        for k, z, c in zip(n, cents, cohort, strict=True)
    )
    got = GAMMA_GAMMA.compressed_log_likelihood(vectors, rows)
    assert got == pytest.approx(each.sum(), rel=1e-10, abs=1e-12 * (np.abs(each).sum() + size) + 1e-12)


@given(FAMILIES, THETA, histories(), log_uniform(1e-3, 5e3), st.floats(0, 0.1))
def test_predictions_stay_in_their_range(family, theta, history, horizon, discount):
    x, _, T = history
    assert 0 <= family.p_alive(theta, *history) <= 1
    assert 0 <= family.p_no_purchase(theta, *history, horizon) <= 1
    assert 0 <= family.survival(theta, x, T, horizon) <= 1 + 1e-12
    expected = family.expected_purchases(theta, *history, horizon, discount)
    ceiling = (theta["r"] + x) / (theta["alpha"] + T) * horizon  # nobody dies, nothing is discounted
    assert 0 <= expected <= ceiling * (1 + 1e-12)


@given(FAMILIES, THETA, histories(), log_uniform(1e-2, 1e3), st.floats(1.01, 3), st.floats(1e-4, 0.1))
def test_expected_purchases_grow_with_the_horizon_and_fall_with_the_discount(
    family, theta, history, horizon, longer, discount
):
    def expected(h, d):
        return float(family.expected_purchases(theta, *history, h, d))

    slack = 1 + 1e-11
    assert expected(horizon, 0.0) <= expected(longer * horizon, 0.0) * slack
    assert expected(horizon, discount) <= expected(longer * horizon, discount) * slack
    assert expected(horizon, 2 * discount) <= expected(horizon, discount) * slack
    assert expected(horizon, discount) <= expected(horizon, 0.0) * slack
    assert expected(horizon, 1e-12) == pytest.approx(expected(horizon, 0.0), rel=1e-8)


@given(FAMILIES, THETA, histories(), log_uniform(0.1, 200))
def test_survival_falls(family, theta, history, t):
    x, _, T = history
    assert family.survival(theta, x, T, 2 * t) <= family.survival(theta, x, T, t) * (1 + 1e-12)


# Rates and horizons where all but 1e-9 of the distribution lies below 4,000 purchases.
MODERATE = st.fixed_dictionaries(
    {"r": log_uniform(0.1, 5), "alpha": log_uniform(5, 100), "a": log_uniform(0.05, 20), "b": log_uniform(0.05, 100)}
)


@given(FAMILIES, MODERATE, log_uniform(0.1, 200))
def test_distribution_of_a_new_customer_sums_to_one(family, theta, t):
    n = np.arange(4000)
    p = family.purchase_distribution_new(theta, n, t)
    assert (p >= 0).all()
    assert p.sum() == pytest.approx(1, abs=1e-9)
    assert (n * p).sum() == pytest.approx(float(family.expected_purchases_new(theta, t)), rel=1e-8)


@given(FAMILIES, MODERATE, histories(), log_uniform(0.1, 100))
def test_distribution_of_a_customer_sums_to_one(family, theta, history, horizon):
    n = np.arange(4000)
    p = family.purchase_distribution(theta, n, *history, horizon)
    assert (p >= 0).all()
    assert p.sum() == pytest.approx(1, abs=1e-9)
    assert (n * p).sum() == pytest.approx(float(family.expected_purchases(theta, *history, horizon)), rel=1e-8)


@given(FAMILIES, THETA, histories(), st.sampled_from([1e-3, 1e-6, 1e-9, 1e-12]), st.sampled_from([0.0, 0.01]))
def test_nothing_jumps_at_a_equal_to_one(family, theta, history, gap, discount):
    def expected(a):
        return float(family.expected_purchases({**theta, "a": a}, *history, 52.0, discount))

    below, at, above = expected(1 - gap), expected(1.0), expected(1 + gap)
    assert below == pytest.approx(at, rel=50 * gap + 1e-11)
    assert (below + above) / 2 == pytest.approx(at, rel=1e4 * gap**2 + 1e-11)


@given(FAMILIES, THETA, histories(), log_uniform(1, 500))
def test_the_time_unit_changes_nothing(family, theta, history, weeks):
    x, t_x, T = history
    daily = {**theta, "alpha": 7 * theta["alpha"]}
    in_days = (x, 7 * t_x, 7 * T)
    assert family.p_alive(daily, *in_days) == pytest.approx(family.p_alive(theta, *history), rel=1e-9, abs=1e-300)
    assert family.expected_purchases(daily, *in_days, 7 * weeks, 0.001) == pytest.approx(
        family.expected_purchases(theta, *history, weeks, 0.007), rel=1e-9, abs=1e-300
    )
    density = family.log_likelihood(theta, *history) - x * np.log(7)
    assert family.log_likelihood(daily, *in_days) == pytest.approx(density, rel=1e-10, abs=1e-10)


@given(
    FAMILIES,
    st.fixed_dictionaries(
        {"r": st.floats(0.3, 5), "alpha": st.floats(2, 30), "a": st.floats(0.4, 6), "b": st.floats(0.4, 9)}
    ),
    histories().filter(lambda h: h[0] <= 12),
)
def test_individual_posterior_by_brute_force(family, theta, history):
    """Prior times likelihood of one customer, summed over grids of rate and dropout, against the mixture's moments."""
    x, t_x, T = history
    u = np.linspace(-100, 100, 8001)
    log_p, log_q = -np.logaddexp(0, -u), -np.logaddexp(0, u)
    v = np.linspace(-120, 7, 8001)
    rate, p = np.exp(v), np.exp(log_p)
    chances = x + family.first_kill
    # "alive" and "dead" are the two terms of the likelihood; each is a function of the rate times one of the dropout.
    of_rate = [np.exp((theta["r"] + x) * v - (theta["alpha"] + seen) * rate) for seen in (T, t_x)]
    of_dropout = [np.exp(theta["a"] * log_p + (theta["b"] + chances) * log_q)]
    of_dropout.append(np.exp((theta["a"] + 1) * log_p + (theta["b"] + chances - 1) * log_q) if chances else 0 * p)

    def total(f, g):
        return [(f * r).sum() * (g * d).sum() for r, d in zip(of_rate, of_dropout, strict=True)]

    mass = sum(total(1.0, 1.0))
    posterior = family.individual(theta, x, t_x, T)
    weights = float(posterior.p_alive), 1 - float(posterior.p_alive)
    assert total(1.0, 1.0)[0] / mass == pytest.approx(weights[0], rel=1e-8)
    for k in (1, 2):
        rates = (
            stats.gamma.moment(k, posterior.rate_shape, scale=1 / s)
            for s in (posterior.rate_alive, posterior.rate_dead)
        )
        truth = sum(w * m for w, m in zip(weights, rates, strict=True))
        assert sum(total(rate**k, 1.0)) / mass == pytest.approx(float(truth), rel=1e-8)
        dropouts = (stats.beta.moment(k, *shape) for shape in (posterior.dropout_alive, posterior.dropout_dead))
        truth = sum(w * m for w, m in zip(weights, dropouts, strict=True))
        assert sum(total(1.0, p**k)) / mass == pytest.approx(float(truth), rel=1e-8)


@given(SPEND_THETA, st.integers(0, 30), st.floats(0.01, 1e4), log_uniform(0.01, 100))
def test_spend_scales_with_the_currency(theta, n, zbar, rate):
    other = {**theta, "v": rate * theta["v"]}
    spend = GAMMA_GAMMA.expected_spend(theta, n, n * zbar)
    got = GAMMA_GAMMA.expected_spend(other, n, rate * n * zbar)
    assert got == pytest.approx(rate * spend, rel=1e-12, nan_ok=True)
    assert np.isnan(spend) == (theta["p"] * n + theta["q"] <= 1)
