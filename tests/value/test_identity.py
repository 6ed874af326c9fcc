"""The valuation identity against high-precision arithmetic, quadrature and an event simulation."""

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

from kundenwert.families.identity import annuity, phi
from kundenwert.units import DiscountRate, TimeUnit
from kundenwert.value.actual import Living, living_value, simulate_futures
from kundenwert.value.outlook import kept_for
from kundenwert.value.settings import Terms
from value_world import follow, offers_of

TERMS = Terms(horizon=52.0, churn_horizon=26.0, discount=DiscountRate(0.10).continuous(TimeUnit.WEEK))
OFFER = (0.35, 4.0, 0.05, 0.0)


@pytest.mark.parametrize("u", [0.0, 1e-300, 1e-12, 9.9e-6, 1.01e-5, 1e-3, 1.0, 700.0, 1e5, -1e-9, -1e-3, -2.0])
def test_phi_has_every_digit(u):
    with mpmath.workdps(40):
        exact = 1.0 if u == 0 else float(-mpmath.expm1(-mpmath.mpf(u)) / mpmath.mpf(u))
    assert phi(u) == pytest.approx(exact, rel=1e-15)


@pytest.mark.parametrize(("rate", "horizon"), [(0.0, 52.0), (0.002, 156.0), (3.0, 10.0)])
def test_annuity_is_the_integral(rate, horizon):
    assert annuity(rate, horizon) == pytest.approx(quad(lambda t: np.exp(-rate * t), 0, horizon)[0], rel=1e-10)


def followed(rate, dropout, count, rng):
    """Living customers who are all alike."""
    same = np.ones(count)
    ahead = offers_of(*(number * same for number in OFFER))
    found = follow(same > 0, rate * same, dropout * same, 6.25, 0.2 * same, ahead, TERMS, rng)
    return found.value, found.orders


@pytest.mark.parametrize(("rate", "dropout"), [(0.1, 0.25), (0.6, 0.02), (0.02, 0.9)])
def test_expected_value_of_the_living_equals_that_of_simulated_events(rate, dropout, tell_figure):
    value, orders = followed(rate, dropout, 60_000, np.random.default_rng(5))
    expected = living_value(np.array(rate), np.array(dropout), np.array(6.25 / 0.2), np.array([OFFER]), TERMS)
    assert expected.shape == (1, 1)
    claim = (
        f"expected value of 60,000 living customers, rate {rate}, dropout {dropout}, against their lives order by order"
    )
    tell_figure(
        claim, f"{expected.item():.4f} (closed form)", f"{value.mean():.4f} (error {value.std() / 60_000**0.5:.4f})"
    )
    assert expected.item() == pytest.approx(value.mean(), abs=4 * value.std() / 60_000**0.5)
    plain = rate * annuity(rate * dropout, TERMS.horizon)
    assert plain == pytest.approx(orders.mean(), abs=4 * orders.std() / 60_000**0.5)


@pytest.mark.parametrize(("rate", "dropout"), [(0.1, 0.25), (0.6, 0.02)])
def test_simulated_futures_have_the_distribution_of_simulated_events(rate, dropout):
    from scipy.stats import ks_2samp

    count, rng = 20_000, np.random.default_rng(11)
    direct, orders = followed(rate, dropout, count, rng)
    ones, one = np.ones((1, count)), np.zeros(1, dtype=np.int64)
    living = Living(one, ones, rate * ones, dropout * ones, 0.2 * ones)
    given = (6.25 * ones[0], np.array([OFFER]), np.zeros(1), TERMS)
    futures = simulate_futures(11, one.astype(np.uint64), living, *given)
    value, number = futures.value[0], futures.orders[0]
    assert ks_2samp(direct, value).pvalue > 1e-3
    for k in range(6):
        share = (orders == k).mean()
        assert (number == k).mean() == pytest.approx(share, abs=5 * (share * (1 - share) / count) ** 0.5 + 1e-4)


@pytest.mark.parametrize("discount", [0.0, 1e-12, 1e-5, 0.002, 0.1])
@pytest.mark.parametrize("hazard", [0.0, 1e-300, 1e-9, 3.1e-3, 3.3e-3, 0.05, 40.0])
def test_the_worth_of_the_living_has_every_digit(discount, hazard):
    """Against 40 digits, on both sides of where the annuity's series ends."""
    terms, offer = Terms(156.0, 26.0, discount), np.array([[0.3, 1.5, 0.25, 0.0]])
    found = living_value(np.array(2.0), np.array(hazard / 2.0), np.array(30.0), offer, terms).item()
    with mpmath.workdps(40):
        u = (mpmath.mpf(discount) + mpmath.mpf(hazard)) * 156
        time = 156 * (-mpmath.expm1(-u) / u if u else mpmath.mpf(1))
        exact = float(time * (2 * (mpmath.mpf(0.3) * 30 - mpmath.mpf(1.5)) - mpmath.mpf(0.25)))
    assert found == pytest.approx(exact, rel=4e-15)


def test_file_cost_of_a_record_that_is_kept_is_an_annuity():
    direct = quad(lambda t: 0.02 * np.exp(-TERMS.discount * t), 0, 52)[0]
    assert 0.02 * kept_for(np.array([52.0]), TERMS)[0] == pytest.approx(direct, rel=1e-10)
