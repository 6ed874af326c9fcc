"""The value of a customer not yet acquired, against customers simulated from their first order on."""

import numpy as np
import pytest
from scipy.integrate import quad

from kundenwert.errors import UsageError
from kundenwert.families import get_family
from kundenwert.value.acquisition import new_customer_offers, new_customer_value, time_alive_new
from kundenwert.value.estimate import estimate_value
from value_world import (
    ACTIVE_COST,
    BG,
    COSTS,
    FILE_COST,
    GG,
    MBG,
    WEEKS,
    few_customers,
    follow,
    known_posterior,
    offers_of,
    simulated_summary,
)

COUNT = 150_000
FAMILIES = [("bgnbd", BG), ("mbgnbd", MBG)]


def followed(theta, family, ahead, terms, seed):
    """New customers from their first order on, which is now and happens; under MBG/NBD it may be the last."""
    rng = np.random.default_rng(seed)
    rate, dropout = rng.gamma(theta["r"], 1 / theta["alpha"], COUNT), rng.beta(theta["a"], theta["b"], COUNT)
    nu = rng.gamma(GG["q"], 1 / GG["v"], COUNT)
    first = ahead.margin * rng.gamma(GG["p"], 1 / nu) - ahead.order_cost
    alive = rng.random(COUNT) >= dropout if family == "mbgnbd" else np.ones(COUNT, dtype=bool)
    return first + follow(alive, rate, dropout, GG["p"], nu, ahead, terms, rng).value


@pytest.mark.parametrize("discounting", ["continuous", "discrete"])
@pytest.mark.parametrize("deactivate_after", [None, "20 weeks"])
@pytest.mark.parametrize(("family", "theta"), FAMILIES)
def test_closed_form_equals_simulated_customers(family, theta, deactivate_after, discounting):
    posterior = known_posterior(draws=3, family=family)
    costs = COSTS | {"cost_per_year_on_file": 20.0, "deactivate_after": deactivate_after, "discounting": discounting}
    settings = estimate_value(posterior, few_customers(), **costs, discount_rate=0.3, newcomers=1).settings
    ahead = offers_of(0.35 * np.ones(COUNT), 4.0, ACTIVE_COST, 20.0 * FILE_COST)
    value = followed(theta, family, ahead, settings.terms, 8)
    got = new_customer_value(posterior, settings)
    assert got.shape == (3, 1)
    np.testing.assert_allclose(got, value.mean(), atol=4.5 * value.std() / COUNT**0.5)


def test_offers_of_cohorts_take_the_place_of_common_ones():
    """Each cohort's own four numbers; where customers' costs differ, nobody can say which ones a new one has."""
    posterior = known_posterior(MBG | GG, MBG | GG | {"r": 0.8}, draws=3, family="mbgnbd")
    summary = simulated_summary(40, MBG | GG, MBG | GG | {"r": 0.8}, family="mbgnbd")
    second = np.arange(40) % 2
    value = estimate_value(
        posterior,
        summary,
        margin=np.where(second, 0.2, 0.5),
        cost_per_order=np.where(second, 1.0, 3.0),
        cost_per_year_active=np.where(second, 2.0, 0.0),
        cost_per_year_on_file=np.where(second, 0.0, 9.0),
        deactivate_after="1 year",
        newcomers=1,
    )
    offers = new_customer_offers(value, posterior.cohorts)
    expected = [[0.5, 3.0, 0.0, 9.0 / WEEKS], [0.2, 1.0, 2.0 / WEEKS, 0.0]]
    np.testing.assert_allclose(offers, expected, rtol=1e-13)
    got = new_customer_value(posterior, value.settings, offers=offers)
    for cohort, theta in enumerate((MBG, MBG | {"r": 0.8})):
        ahead = offers_of(np.full(COUNT, offers[cohort, 0]), *offers[cohort, 1:])
        found = followed(theta, "mbgnbd", ahead, value.settings.terms, 20 + cohort)
        np.testing.assert_allclose(got[:, cohort], found.mean(), atol=4.5 * found.std() / COUNT**0.5)
    with pytest.raises(UsageError, match="offers="):
        new_customer_value(posterior, value.settings, margin=0.3)


def test_offers_that_all_customers_share_say_what_the_settings_say():
    posterior = known_posterior(draws=5)
    value = estimate_value(posterior, few_customers(), **COSTS, deactivate_after="1 year", newcomers=1)
    offers = new_customer_offers(value, posterior.cohorts)
    found = new_customer_value(posterior, value.settings, offers=offers)
    np.testing.assert_allclose(found, new_customer_value(posterior, value.settings), rtol=1e-14)


def test_months_without_a_discount_rate_change_nothing_and_short_ones_little():
    posterior = known_posterior(MBG | GG, draws=3, family="mbgnbd")
    given = COSTS | {"deactivate_after": "20 weeks", "newcomers": 1, "horizon": "2 years"}

    def new(rate, discounting):
        value = estimate_value(posterior, few_customers(), **given, discount_rate=rate, discounting=discounting)
        return new_customer_value(posterior, value.settings)

    np.testing.assert_allclose(new(0.0, "discrete"), new(0.0, "continuous"), rtol=1e-11)
    later = new(0.1, "continuous") - new(0.1, "discrete")
    first = 0.35 * GG["p"] * GG["v"] / (GG["q"] - 1) - 4.0
    assert (np.abs(later) < 0.005 * np.abs(new(0.1, "continuous") - first) + 0.01).all()


@pytest.mark.parametrize("alpha", [1e-3, 4.0, 1e4])
def test_time_alive_is_the_integral_of_survival(alpha):
    theta = {"r": 0.3, "alpha": alpha, "a": 0.8, "b": 2.0}
    family = get_family("bgnbd")
    direct = quad(
        lambda v: (
            np.exp(v - 0.002 * alpha * np.expm1(v)) * alpha * family.survival(theta, 0.0, 0.0, alpha * np.expm1(v))
        ),
        0,
        np.log1p(156 / alpha),
        epsrel=1e-11,
    )[0]
    arrays = {name: np.array(value) for name, value in theta.items()}
    assert time_alive_new(family, arrays, 156.0, 0.002) == pytest.approx(direct, rel=1e-10)


def test_margins_that_differ_need_a_margin_for_the_new_customer():
    posterior = known_posterior(draws=3)
    settings = estimate_value(posterior, few_customers(), margin=np.linspace(0.1, 0.5, 8), newcomers=10).settings
    with pytest.raises(UsageError, match=r"margin=0\.30"):
        new_customer_value(posterior, settings)
    assert np.isfinite(new_customer_value(posterior, settings, margin=0.3)).all()
    no_mean = known_posterior(BG | GG | {"q": 0.9}, draws=3)
    assert np.isnan(new_customer_value(no_mean, settings, margin=0.3)).all()
