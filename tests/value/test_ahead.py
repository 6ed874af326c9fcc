"""Orders to come with what is expected of returns and events: by hand, and modelled returns against brute force."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kundenwert.errors import DataError
from kundenwert.names import Returns
from kundenwert.value.actual import simulate_value
from kundenwert.value.ahead import AheadPriors, look_ahead
from kundenwert.value.appraisal import appraised
from kundenwert.value.economics import resolve_economics
from kundenwert.value.estimate import estimate_value
from kundenwert.value.event_costs import fit_event_prior
from kundenwert.value.individuals import histories, population, stream
from kundenwert.value.outlook import Outlook
from kundenwert.value.potential import _cohort_levels, build_frontier
from kundenwert.value.returns import fit_return_prior
from value_world import GG, MBG, few_customers, follow, known_posterior, offers_of, simulated_summary, summary_of

DRAWS, COUNT = 40_000, 60_000
BACK = [0.0, 0.0, 10.0, 0.0, 60.0, 0.0, 130.0, 300.0]
RETURNED = [0, 0, 1, 0, 2, 0, 4, 9]
TICKETS = pd.DataFrame({"ticket": [0.0, 3.0, 0.0, 8.0, 0.0, 0.0, 20.0, 5.0]})


def returning(counted=True):
    """Eight customers who sent some of what they bought back."""
    table = few_customers().table.assign(refunds=BACK)
    return summary_of(table.assign(returned_orders=RETURNED) if counted else table.drop(columns="returned_orders"))


def economics(summary, **given):
    return resolve_economics(summary.table, time_unit="week", **given)


def test_the_cost_of_an_order_to_come_is_the_sum_of_its_parts():
    summary = returning()
    table, orders = summary.table, summary.table["orders"].to_numpy(float)
    costs = economics(summary, margin=0.4, cost_per_order=2.0, return_cost=np.arange(8.0), cost_per_year_active=52.0)
    found = look_ahead(costs, summary, events=TICKETS)
    returns, events = fit_return_prior(summary), fit_event_prior(table["cohort"], TICKETS["ticket"].to_numpy(), orders)
    a, b = returns.orders.a[0] + RETURNED, returns.orders.b[0] + orders - RETURNED
    tickets = (events.orders[0] * events.mean[0] + TICKETS["ticket"]) / (events.orders[0] + orders)
    np.testing.assert_allclose(found.order_cost, 2.0 + np.arange(8.0) * a / (a + b) + tickets, rtol=1e-13)
    np.testing.assert_allclose(found.offers[:, [0, 2]], np.tile([0.4, 52 / (365.25 / 7)], (8, 1)), rtol=1e-13)
    np.testing.assert_array_equal(found.offers, found.expected_offers)  # amounts are after returns
    assert found.returned is None
    assert found.kept.tolist() == [1.0] * 8


def test_joint_costs_of_the_past_are_not_expected_of_orders_to_come():
    summary = returning()
    costs = economics(summary, margin=0.4, cost_per_order=2.0)
    joint = TICKETS.assign(joint_tv=100.0)
    np.testing.assert_array_equal(
        look_ahead(costs, summary, events=joint).offers, look_ahead(costs, summary, events=TICKETS).offers
    )
    alone, without = look_ahead(costs, summary, events=joint[["joint_tv"]]), look_ahead(costs, summary)
    np.testing.assert_array_equal(alone.offers, without.offers)
    assert (alone.priors.to_dict(), alone.uniform) == ({}, True)


def test_what_is_expected_rests_on_the_priors_of_an_earlier_run():
    summary = returning()
    costs = economics(summary, margin=0.4, return_cost=3.0)
    everybody = look_ahead(costs, summary, returns=Returns.MODELLED, events=TICKETS)
    rows = np.array([6])
    one = replace(summary, table=summary.table.iloc[rows].reset_index(drop=True))
    few = TICKETS.iloc[rows].reset_index(drop=True)
    alone = economics(one, margin=0.4, return_cost=3.0)
    found = look_ahead(alone, one, returns=Returns.MODELLED, events=few, priors=everybody.priors)
    np.testing.assert_array_equal(found.offers, everybody.take(rows).offers)
    np.testing.assert_array_equal(found.returned, everybody.returned[rows])
    assert look_ahead(alone, one, returns=Returns.MODELLED, events=few).order_cost != found.order_cost
    untouched = look_ahead(economics(summary, margin=0.4), summary, priors=everybody.priors)
    assert untouched.priors.to_dict() == {}
    again = AheadPriors.from_dict(json.loads(json.dumps(everybody.priors.to_dict())))
    assert again.to_dict() == everybody.priors.to_dict()
    assert set(again.to_dict()) == {"returns", "events"}
    assert not untouched.order_cost.any()


def test_only_what_is_the_same_for_customers_of_every_base_is_uniform():
    summary = returning()
    assert look_ahead(economics(summary, margin=0.4, cost_per_order=1.0), summary).uniform
    assert not look_ahead(economics(summary, margin=0.4, return_cost=1.0), summary).uniform
    assert not look_ahead(economics(summary, margin=0.4), summary, events=TICKETS).uniform
    assert not look_ahead(economics(summary, margin=0.4), summary, returns=Returns.MODELLED).uniform
    assert not look_ahead(economics(summary, margin=np.full(8, 0.4)), summary).uniform


def test_returns_that_are_not_known_are_named_where_they_matter():
    four = summary_of(few_customers().table[["customer_id", "frequency", "recency", "T", "monetary_value"]])
    look_ahead(economics(four, margin=0.4), four)
    with pytest.raises(DataError, match=r"8 customers: gross is not known \(first: K0, K1"):
        look_ahead(economics(four, margin=0.4), four, returns=Returns.MODELLED)


def test_amounts_after_refunds_are_not_reduced_a_second_time():
    """Netted, the default: what was sent back so far is in the amounts, and changes realized value alone."""
    posterior, given = known_posterior(draws=100), {"margin": 0.4, "newcomers": 2}
    none = estimate_value(posterior, few_customers(), **given)
    back = estimate_value(posterior, returning(), **given)
    forecast = ["actual_value", "actual_value_low", "actual_value_high", "unrealized_value"]
    pd.testing.assert_frame_equal(back.table[forecast], none.table[forecast])
    assert (back.table["realized_value"] < none.table["realized_value"]).sum() >= 4
    modelled = estimate_value(posterior, returning(), **given, returns="modelled")
    assert (modelled.table["actual_value"] < none.table["actual_value"]).all()
    shares = modelled.ahead.kept
    np.testing.assert_allclose(modelled.table["actual_value"], shares * none.table["actual_value"], rtol=1e-12)


@pytest.fixture(scope="module")
def modelled():
    """Margin, return costs and modelled returns of each of eight customers; every array of the pass kept."""
    posterior, summary = known_posterior(MBG | GG, draws=DRAWS, family="mbgnbd"), returning()
    given = {"horizon": "1 year", "cost_per_order": 2.0, "return_cost": 3.0, "cost_per_year_on_file": 4.0}
    value = estimate_value(
        posterior,
        summary,
        margin=0.4,
        returns="modelled",
        draws=DRAWS,
        newcomers=1,
        deactivate_after="6 months",
        **given,
    )
    futures, worth = np.empty((8, DRAWS)), np.empty((8, DRAWS))

    def reduce(outlook):
        return simulate_value(outlook).value, outlook.actual

    for rows, _, found in appraised(value, posterior, summary).stream(reduce, stage="futures", threads=1):
        futures[rows], worth[rows] = found
    return value, summary, futures, worth


@pytest.mark.parametrize("row", [0, 2, 4, 6, 7])
def test_modelled_returns_are_those_of_customers_who_send_back_a_share_of_their_own(modelled, row, tell_figure):
    """Each followed customer has one share of money for life, and every order comes back or not by its own coin."""
    value, summary, futures, worth = modelled
    history, rng, ones = summary.table.iloc[row], np.random.default_rng(40 + row), np.ones(COUNT)
    x, t_x, T = (float(history[name]) for name in ("frequency", "recency", "T"))
    n, z = float(history["spend_days"]), float(history["monetary_value"])
    odds = MBG["a"] / (MBG["b"] + x) * ((MBG["alpha"] + T) / (MBG["alpha"] + t_x)) ** (MBG["r"] + x)
    alive = rng.random(COUNT) < 1 / (1 + odds)
    rate = rng.gamma(MBG["r"] + x, 1 / (MBG["alpha"] + T), COUNT)
    dropout = rng.beta(MBG["a"], MBG["b"] + x + 1, COUNT)
    nu = rng.gamma(GG["q"] + GG["p"] * n, 1 / (GG["v"] + n * z), COUNT)
    prior = value.ahead.priors.returns
    orders = float(history["orders"])
    items, share = prior.items[0] * orders, history["refunds"] / history["gross"]
    kept = 1 - rng.beta(prior.money.a[0] + items * share, prior.money.b[0] + items * (1 - share), COUNT)
    chance = (prior.orders.a[0] + history["returned_orders"]) / (prior.orders.a[0] + prior.orders.b[0] + orders)
    terms, file_cost = value.settings.terms, 4.0 / (365.25 / 7)
    ahead = offers_of(0.4 * kept, 2.0 * ones, 0.0, file_cost)
    found = follow(alive, rate, dropout, GG["p"], nu, ahead, terms, rng, silent=T - t_x, returns=(chance, 3.0)).value
    error = 4 * (found.var() / COUNT + futures[row].var() / DRAWS) ** 0.5
    stated = value.table["actual_value"][row]
    claim = f"value of customer {row} with modelled returns against {COUNT:,} lives order by order"
    tell_figure(claim, f"{stated:.2f} (closed form)", f"{found.mean():.2f} (error {found.std() / COUNT**0.5:.2f})")
    assert stated == pytest.approx(found.mean(), abs=error)
    assert futures[row].mean() == pytest.approx(found.mean(), abs=error)
    kappa = terms.discount + rate * dropout
    time = -np.expm1(-kappa * terms.horizon) / kappa
    direct = time * rate * (0.4 * kept * GG["p"] / nu - 2.0 - 3.0 * chance)
    rest = 365.25 / 14
    filed = -np.expm1(-terms.discount * rest) / terms.discount
    filed += np.exp(-terms.discount * rest) * -np.expm1(-kappa * (terms.horizon - rest)) / kappa
    direct -= file_cost * filed
    for level in (0.1, 0.3, 0.5, 0.7, 0.9):
        below = (worth[row] < np.quantile(direct, level)).mean()
        assert below == pytest.approx(level, abs=5 * (level * (1 - level) * (1 / COUNT + 1 / DRAWS)) ** 0.5)


def test_the_frontier_is_that_of_newcomers_who_send_back_as_much_on_average(modelled):
    value, *_ = modelled
    people = population(known_posterior(MBG | GG, draws=8, family="mbgnbd"), 8, 1)
    shares = value.ahead.take(np.arange(8))
    frontier = build_frontier(people, np.zeros(1, dtype=np.int64), shares, replace(value.settings, newcomers=500))
    net = replace(shares, margin=shares.margin * shares.kept, returned=None)
    np.testing.assert_array_equal(frontier.level(0.8, 0, shares), frontier.level(0.8, 0, net))
    exact = _cohort_levels(people, 0, shares.expected_offers, (0.8,), replace(value.settings, newcomers=500))[0]
    assert np.abs(frontier.level(0.8, 0, shares) - exact).mean() < 0.01 * np.abs(exact).mean()


def test_who_sends_back_everything_or_nothing_is_finite():
    posterior, summary = known_posterior(draws=200), simulated_summary(8)
    people, customers = population(posterior, 200, 1), histories(posterior, summary)
    shapes = np.array([[0.05, 0.05], [1e-6, 5.0], [5.0, 1e-6], [1e6, 1.0], [1.0, 1e6], [2.0, 2.0], [0.5, 50.0], [9, 1]])
    ahead, terms = offers_of(0.4, 1.0, 0.0, 0.0), estimate_value(posterior, summary, newcomers=1).settings.terms
    ahead = replace(ahead.take(np.zeros(8, dtype=np.int64)), returned=shapes)

    def reduce(block):
        outlook = Outlook(block, block.rows, ahead.take(block.rows), terms)
        return np.concatenate([simulate_value(outlook).value, outlook.worth, block.mean_spend], axis=1)

    for _, _, found in stream(people, customers, reduce, returned=shapes):
        assert np.isfinite(found).all()
