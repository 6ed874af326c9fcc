"""What acquiring a customer may cost: against customers followed from their first order on."""

import numpy as np
import pytest

from kundenwert.errors import UsageError
from kundenwert.value.acquisition import new_customer_offers, new_customer_value
from kundenwert.value.break_even import break_even_acquisition_cost, simulate_newcomers
from kundenwert.value.estimate import estimate_value
from kundenwert.value.individuals import population
from value_world import ACTIVE_COST, BG, COSTS, FILE_COST, GG, MBG, few_customers, follow, known_posterior, offers_of

COUNT = 200_000
OFFERS = np.array([0.35, 4.0, ACTIVE_COST, FILE_COST])
CASES = [("bgnbd", BG, "continuous"), ("mbgnbd", MBG, "discrete")]


def settings_of(posterior, **given):
    terms = {"deactivate_after": "40 weeks", "newcomers": 10, "draws": 1000}
    return estimate_value(posterior, few_customers(), **COSTS | terms | given).settings


@pytest.mark.parametrize(("family", "theta", "discounting"), CASES)
def test_new_customers_equal_those_followed_from_their_first_order(family, theta, discounting):
    posterior = known_posterior(draws=1000, family=family)
    settings = settings_of(posterior, discounting=discounting)
    rng = np.random.default_rng(8)
    rate, dropout = rng.gamma(theta["r"], 1 / theta["alpha"], COUNT), rng.beta(theta["a"], theta["b"], COUNT)
    nu = rng.gamma(GG["q"], 1 / GG["v"], COUNT)
    alive = rng.random(COUNT) >= dropout if family == "mbgnbd" else np.ones(COUNT, dtype=bool)
    ahead = offers_of(*(np.full(COUNT, each) for each in OFFERS))
    later = follow(alive, rate, dropout, GG["p"], nu, ahead, settings.terms, rng).value
    true = OFFERS[0] * rng.gamma(GG["p"], 1 / nu) - OFFERS[1] + later
    people = population(posterior, 1000, settings.seed)
    ours = simulate_newcomers(people, 0, OFFERS, settings.terms, 200).reshape(-1)
    assert ours.mean() == pytest.approx(true.mean(), abs=4.5 * true.std() * 2**0.5 / COUNT**0.5)
    error = 4.5 * np.sqrt(0.25 / COUNT)
    for level in (0.1, 0.2, 0.5, 0.9):
        low, high = np.quantile(true, [level - error, level + error])
        assert low <= np.quantile(ours, level) <= high
    table = break_even_acquisition_cost(posterior, settings, newcomers=200)
    assert table["mean"].item() == pytest.approx(true.mean(), abs=4.5 * true.std() / COUNT**0.5)
    assert table["cautious_customer"].item() == np.quantile(ours, 0.2)


def test_each_ceiling_is_of_its_own_estimand():
    posterior = known_posterior(BG | GG, MBG | GG | {"v": 40.0}, spread=0.2, draws=1000)
    settings = settings_of(posterior)
    table = break_even_acquisition_cost(posterior, settings).set_index("cohort")
    expected = new_customer_value(posterior, settings)
    for position, cohort in enumerate(posterior.cohorts):
        row = table.loc[cohort]
        assert row["mean"] == pytest.approx(expected[:, position].mean(), rel=1e-12)
        assert (expected[:, position] < row["cautious_mean"]).mean() == pytest.approx(0.2, abs=1e-3)
        assert (expected[:, position] < row["low"]).mean() == pytest.approx(0.05, abs=1e-3)
        assert row["cautious_customer"] < row["low"] < row["cautious_mean"] < row["mean"] < row["high"]


def test_a_cohort_alone_and_with_others_has_the_same_ceiling_whatever_the_threads():
    both = known_posterior(BG | GG, MBG | GG, draws=50)
    settings = settings_of(both, draws=50)
    one = break_even_acquisition_cost(both, settings, threads=1)
    two = break_even_acquisition_cost(both, settings, threads=2)
    alone = break_even_acquisition_cost(known_posterior(BG | GG, draws=50), settings)
    np.testing.assert_array_equal(one.iloc[:, 1:], two.iloc[:, 1:])
    np.testing.assert_allclose(one.iloc[:1, 1:], alone.iloc[:, 1:], rtol=1e-14)


def test_offers_of_each_cohort_and_cohorts_without_any():
    posterior = known_posterior(BG | GG, BG | GG, draws=50)
    value = estimate_value(posterior, few_customers(), margin=np.linspace(0.1, 0.5, 8), newcomers=10, draws=50)
    with pytest.raises(UsageError, match=r"margin=0\.30"):
        break_even_acquisition_cost(posterior, value.settings)
    offers = new_customer_offers(value, posterior.cohorts)
    table = break_even_acquisition_cost(posterior, value.settings, offers)
    assert table.iloc[0, 1:].notna().all()
    assert table.iloc[1, 1:].isna().all()


def test_without_a_mean_spend_only_the_quantile_of_a_customer_is_known():
    posterior = known_posterior(BG | GG | {"q": 0.9}, draws=50)
    row = break_even_acquisition_cost(posterior, settings_of(known_posterior(draws=50), draws=50)).iloc[0]
    assert row[["mean", "low", "high", "cautious_mean"]].isna().all()
    assert np.isfinite(row["cautious_customer"])


def test_what_cannot_be_said_is_refused():
    posterior = known_posterior(draws=10)
    revenue = estimate_value(posterior, few_customers(), newcomers=10).settings
    with pytest.raises(UsageError, match=r"margin=0\.30"):
        break_even_acquisition_cost(posterior, revenue)
    for wrong in ({"caution": 0.0}, {"newcomers": 0}):
        with pytest.raises(UsageError, match="caution lies between"):
            break_even_acquisition_cost(posterior, settings_of(posterior), **wrong)
