"""The frontier against a simulation of its own, and the guards around unrealized value."""

import numpy as np
import pytest
from scipy.stats import beta

from kundenwert.value.estimate import estimate_value
from kundenwert.value.individuals import population
from kundenwert.value.potential import (
    adding_up_scale,
    attainable_share,
    build_frontier,
    representative_margins,
    share_between_cohorts,
)
from value_world import BG, COSTS, GG, MBG, few_customers, known_posterior


@pytest.mark.parametrize(("family", "theta", "first_kill"), [("bgnbd", BG, 0), ("mbgnbd", MBG, 1)])
def test_levels_are_quantiles_of_new_living_customers(family, theta, first_kill):
    settings = estimate_value(
        known_posterior(draws=4, family=family), few_customers(), **COSTS, draws=4, newcomers=40_000
    ).settings
    people = population(known_posterior(draws=4, family=family), 4, settings.seed)
    frontier = build_frontier(people, np.zeros(1, dtype=np.int64), np.array([0.35]), settings)
    rng = np.random.default_rng(2)
    count = 400_000
    rate = rng.gamma(theta["r"], 1 / theta["alpha"], count)
    dropout = rng.beta(theta["a"], theta["b"] + first_kill, count)
    mean_spend = GG["p"] * GG["v"] / rng.gamma(GG["q"], 1.0, count)
    terms = settings.terms
    kappa = terms.discount + rate * dropout
    time = -np.expm1(-kappa * terms.horizon) / kappa
    value = time * (rate * (0.35 * mean_spend - 4.0) - terms.cost_active)
    for quantile, levels in frontier.levels.items():
        assert levels[0, 0].mean() == pytest.approx(np.quantile(value, quantile), rel=0.05)


def test_a_cohorts_frontier_depends_on_no_other_cohort():
    one = estimate_value(known_posterior(draws=30), few_customers())
    theta = BG | GG
    two = estimate_value(known_posterior(theta, theta | {"r": 1.0}, draws=30), few_customers())
    np.testing.assert_array_equal(one.frontier.levels[0.8][0], two.frontier.levels[0.8][0])
    assert np.isnan(two.frontier.levels[0.8][1]).all()


def test_attainable_share_is_stratified():
    share = np.sort(attainable_share(1000, (2.0, 6.0), seed=4))
    np.testing.assert_allclose(beta.cdf(share, 2, 6), (np.arange(1000) + 0.5) / 1000, atol=1e-9)
    assert not np.array_equal(share, attainable_share(1000, (2.0, 6.0), seed=4))
    assert share.mean() == pytest.approx(0.25, abs=1e-3)


def test_margins_are_kept_up_to_twenty_and_binned_beyond():
    few = np.array([0.3, 0.1, 0.3])
    assert representative_margins(few).tolist() == [0.1, 0.3]
    many = np.random.default_rng(1).uniform(0.1, 0.9, 1000)
    assert len(representative_margins(many)) == 20
    assert representative_margins(many).mean() == pytest.approx(many.mean())


def test_scale_and_identification_have_their_limits():
    assert adding_up_scale(10.0, 40.0) == 0.25
    assert adding_up_scale(50.0, 40.0) == 1.0
    assert adding_up_scale(0.0, 0.0) == 1.0
    assert adding_up_scale(0.0, 5.0) == 0.0
    cohort = np.array([0, 0, 2, 2])
    assert share_between_cohorts(np.array([1.0, 1.0, 3.0, 3.0]), cohort) == pytest.approx(1.0)
    assert share_between_cohorts(np.array([1.0, 3.0, 1.0, 3.0]), cohort) == pytest.approx(0.0)
    assert share_between_cohorts(np.ones(4), cohort) == 0.0


def test_one_peer_group_identifies_nothing_and_says_so():
    frontier = estimate_value(known_posterior(draws=30), few_customers()).frontier
    assert frontier.potential_identified == pytest.approx(0.0)
    assert "mirrors actual value" in frontier.warning
    assert "peers" in repr(frontier)
