"""The frontier against a simulation of its own, and the guards around unrealized value."""

import numpy as np
import pytest
from scipy.stats import beta

from kundenwert.value.attainable import attainable_draws
from kundenwert.value.estimate import estimate_value
from kundenwert.value.individuals import histories, population, stream
from kundenwert.value.offer_grid import OfferGrid
from kundenwert.value.potential import (
    _cohort_levels,
    adding_up_scale,
    build_frontier,
    growth_limit,
    share_between_cohorts,
)
from value_world import (
    ACTIVE_COST,
    BG,
    COSTS,
    FILE_COST,
    GG,
    MBG,
    WEEKS,
    few_customers,
    known_posterior,
    offers_of,
    simulated_summary,
    summary_of,
)


@pytest.mark.parametrize(("family", "theta", "first_kill"), [("bgnbd", BG, 0), ("mbgnbd", MBG, 1)])
def test_levels_are_quantiles_of_new_living_customers(family, theta, first_kill):
    settings = estimate_value(
        known_posterior(draws=4, family=family), few_customers(), **COSTS, draws=4, newcomers=40_000
    ).settings
    people = population(known_posterior(draws=4, family=family), 4, settings.seed)
    ahead = offers_of(0.35, 4.0, ACTIVE_COST, FILE_COST, uniform=True)
    frontier = build_frontier(people, np.zeros(1, dtype=np.int64), ahead, settings)
    rng = np.random.default_rng(2)
    count = 400_000
    rate = rng.gamma(theta["r"], 1 / theta["alpha"], count)
    dropout = rng.beta(theta["a"], theta["b"] + first_kill, count)
    mean_spend = GG["p"] * GG["v"] / rng.gamma(GG["q"], 1.0, count)
    terms = settings.terms
    kappa = terms.discount + rate * dropout
    time = -np.expm1(-kappa * terms.horizon) / kappa
    value = time * (rate * (0.35 * mean_spend - 4.0) - ACTIVE_COST)
    for quantile in frontier.levels:
        assert frontier.level(quantile, 0, ahead).mean() == pytest.approx(np.quantile(value, quantile), rel=0.05)


def test_a_cohorts_frontier_depends_on_no_other_cohort():
    one = estimate_value(known_posterior(draws=30), few_customers())
    theta = BG | GG
    two = estimate_value(known_posterior(theta, theta | {"r": 1.0}, draws=30), few_customers())
    np.testing.assert_array_equal(one.frontier.levels[0.8][0], two.frontier.levels[0.8][0])
    assert np.isnan(two.frontier.levels[0.8][1]).all()


def test_attainable_share_is_stratified():
    share = np.sort(attainable_draws((2.0, 6.0), draws=1000, seed=4))
    np.testing.assert_allclose(beta.cdf(share, 2, 6), (np.arange(1000) + 0.5) / 1000, atol=1e-9)
    assert not np.array_equal(share, attainable_draws((2.0, 6.0), draws=1000, seed=4))
    assert share.mean() == pytest.approx(0.25, abs=1e-3)


def test_levels_between_the_offers_of_the_grid_are_nearly_those_of_the_offer_itself():
    """Exact to rounding without costs; with costs closer than two thousand new customers are to infinitely many."""
    posterior = known_posterior(draws=100, spread=0.1)
    people = population(posterior, 100, 1)
    settings = estimate_value(posterior, few_customers(), margin=0.3, newcomers=2000).settings
    margin = np.array([-0.31, 0.0, 0.123, 0.3, 0.577])
    for costs, limit in (((0.0, 0.0), 1e-12), ((1.0, 0.5 / WEEKS), 0.004)):
        ahead = offers_of(margin, *costs)
        frontier = build_frontier(people, np.zeros(1, dtype=np.int64), ahead, settings)
        found = frontier.level(0.8, 0, ahead)
        for position in range(len(margin)):
            one = ahead.take(np.array([position]))
            exact = _cohort_levels(people, 0, one.offers, (0.8,), settings)[0, 0]
            assert np.abs(found[position] - exact).mean() <= limit * max(np.abs(exact).mean(), 1.0)
            np.testing.assert_array_equal(frontier.level(0.8, 0, one)[0], found[position])


def test_the_grid_of_offers_does_not_depend_on_who_is_scored():
    rng = np.random.default_rng(1)
    margin = np.append(rng.uniform(-0.2, 1.0, 499), 0.0)
    ahead = offers_of(margin, rng.uniform(0.0, 3.0, 500), rng.choice([0.0, 0.02], 500))
    everybody = set(map(tuple, OfferGrid.of(ahead.offers, exact=False).nodes.tolist()))
    for row in range(450, 500):
        own = OfferGrid.of(ahead.offers[[row]], exact=False).nodes
        assert set(map(tuple, own.tolist())) <= everybody
        margin, *costs, _ = ahead.offers[row]
        assert (own[:, 0] == np.sign(margin)).all()
        for column, cost in enumerate(costs, start=1):
            low, high = own[:, column].min(), own[:, column].max()
            ratio = cost / (abs(margin) or 1.0)
            assert low <= ratio * (1 + 1e-12)
            assert high >= ratio * (1 - 1e-12)
            assert high == pytest.approx(2**0.25 * low)


@pytest.mark.parametrize("cost", [0.0, 2.0])
def test_customers_scored_alone_have_the_room_that_they_have_among_all(cost):
    """Margins of their own, all different; the attainable scale is frozen."""
    posterior, everybody = known_posterior(MBG | GG, family="mbgnbd", spread=0.05, draws=60), simulated_summary(1000)
    margin = np.random.default_rng(2).uniform(0.05, 0.9, 1000)
    terms = {"cost_per_order": cost, "newcomers": 100, "draws": 60, "attainable_scale": 0.7}
    together = estimate_value(posterior, everybody, margin=margin, **terms).table[:200]
    first = summary_of(everybody.table[:200])
    alone = estimate_value(posterior, first, margin=margin[:200], **terms).table
    assert together["unrealized_value"].nunique() > 150
    for name in ("unrealized_value", "gap", "attainable_share"):
        np.testing.assert_allclose(alone[name], together[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("horizon", "years"), [("1 year", 1.0), ("18 months", 1.5), ("3 years", 3.0)])
def test_the_growth_limit_grows_with_the_horizon(horizon, years):
    value = estimate_value(known_posterior(draws=30), few_customers(), horizon=horizon, growth_cap=0.1, newcomers=20)
    actual = value.table["actual_value"].to_numpy()
    assert value.frontier.limit == pytest.approx(0.1 * years * actual.sum(), rel=1e-12)
    losses = np.array([5.0, -100.0, np.nan, 3.0])
    assert growth_limit(losses, value.settings) == pytest.approx(0.1 * years * 8.0)


def test_gap_and_room_count_only_while_the_customer_is_alive():
    """Against the mean over draws of an alive customer's distance, written out."""
    posterior, summary = known_posterior(MBG | GG, family="mbgnbd", draws=80), few_customers()
    value = estimate_value(posterior, summary, margin=0.3, newcomers=200, attainable_scale=1.0)
    terms, frontier = value.settings.terms, value.frontier

    def direct(block):
        kappa = terms.discount + block.rate * block.dropout
        worth = block.rate * -np.expm1(-kappa * terms.horizon) / kappa * 0.3 * block.mean_spend
        gap = np.maximum(frontier.level(0.8, 0, value.ahead.take(block.rows)) - worth, 0.0)
        return (block.p_alive * gap).mean(axis=1), (block.p_alive * gap * frontier.attainable).mean(axis=1)

    people, customers = population(posterior, None, value.settings.seed), histories(posterior, summary)
    ((rows, _, (gap, room)),) = stream(people, customers, direct, threads=1)
    assert value.table["p_alive"].min() < 0.2
    np.testing.assert_allclose(value.table["gap"].to_numpy()[rows], gap, rtol=1e-12)
    np.testing.assert_allclose(value.table["unrealized_value"].to_numpy()[rows], room, rtol=1e-12)


def test_scale_and_identification_have_their_limits():
    assert adding_up_scale(10.0, 40.0) == 0.25
    assert adding_up_scale(50.0, 40.0) == 1.0
    assert adding_up_scale(0.0, 0.0) == 1.0
    assert adding_up_scale(0.0, 5.0) == 0.0
    cohort = np.array([0, 0, 2, 2])
    assert share_between_cohorts(np.array([1.0, 1.0, 3.0, 3.0]), cohort) == pytest.approx(1.0)
    assert share_between_cohorts(np.array([1.0, 3.0, 1.0, 3.0]), cohort) == pytest.approx(0.0)
    assert share_between_cohorts(np.ones(4), cohort) == 0.0


def test_peer_groups_that_differ_are_identified_by_their_share_of_the_variance():
    theta = MBG | GG
    thetas = (theta, theta | {"v": 5 * GG["v"]})
    posterior = known_posterior(*thetas, family="mbgnbd", draws=60)
    frontier_value = estimate_value(posterior, simulated_summary(200, *thetas, family="mbgnbd"), newcomers=200)
    table = frontier_value.table
    means = table.groupby("cohort")["unrealized_value"].transform("mean")
    expected = means.var(ddof=0) / table["unrealized_value"].var(ddof=0)
    assert frontier_value.frontier.potential_identified == pytest.approx(expected)
    assert 0.1 < expected < 1
    assert frontier_value.frontier.warning is None


def test_one_peer_group_identifies_nothing_and_says_so():
    frontier = estimate_value(known_posterior(draws=30), few_customers()).frontier
    assert frontier.potential_identified == pytest.approx(0.0)
    assert "mirrors actual value" in frontier.warning
    assert "peers" in repr(frontier)
