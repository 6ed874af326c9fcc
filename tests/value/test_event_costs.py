"""Expected cost of events per order: planted variances, a world in which credibility is the exact posterior, limits."""

import json

import numpy as np
import pandas as pd
import pytest

from kundenwert.names import EventAhead
from kundenwert.value.estimate import estimate_value
from kundenwert.value.event_costs import ORDERS, EventPrior, costs_per_order, credibility, fit_event_prior
from value_world import few_customers, known_posterior

COUNT, TIMES = 200_000, 15


def compound(rng, count, spread, sizes):
    """Costs of customers whose events come at own rates, 0.4 an order on average, and cost 6 each on average.

    Parameters
    ----------
    spread : shape of the Gamma of rates: the smaller, the more customers differ.
    sizes : shape of the Gamma of the cost of an event; infinite where all cost the same.

    Returns
    -------
    (customer,) cost so far, orders so far, true cost per order.
    """
    rate = rng.gamma(spread, 0.4 / spread, count)
    orders = rng.geometric(0.25, count).astype(float)
    events = rng.poisson(rate * orders)
    cost = 6.0 * events if np.isinf(sizes) else rng.gamma(np.maximum(sizes * events, 1e-300), 6.0 / sizes)
    return np.where(events > 0, cost, 0.0), orders, 6.0 * rate


@pytest.mark.parametrize(("spread", "sizes"), [(0.5, np.inf), (1.0, 2.0), (3.0, 0.7)])
def test_planted_variances_are_recovered(spread, sizes):
    """Within: E rate * E cost^2 for one order; between: the variance of the customers' own means."""
    rng = np.random.default_rng(3)
    within = 0.4 * 36.0 * (1.0 + 1.0 / sizes)
    between = 36.0 * 0.4**2 / spread
    found = np.array([credibility(*compound(rng, COUNT, spread, sizes)[:2]) for _ in range(TIMES)])
    for column, true in ((0, 2.4), (1, within / between)):
        error = found[:, column].std(ddof=1) / TIMES**0.5
        assert error < 0.03 * true
        assert found[:, column].mean() == pytest.approx(true, abs=4 * error)


def test_where_events_are_poisson_at_gamma_rates_it_is_the_posterior_mean():
    """With one price for all events (shape + events) / (1/scale + orders) is exact: no other estimate errs less."""
    cost, orders, true = compound(np.random.default_rng(8), 200_000, 0.5, np.inf)
    labels = np.full(len(cost), "a")
    prior = fit_event_prior(labels, cost, orders)
    exact = 6.0 * (0.5 + cost / 6.0) / (0.5 / 0.4 + orders)
    found = costs_per_order(prior, labels, cost, orders)
    assert prior.orders[0] == pytest.approx(0.5 / 0.4, rel=0.05)
    assert np.abs(found - exact).mean() < 0.01 * exact.mean()
    groups = np.digitize(found, np.quantile(found, [0.5, 0.7, 0.8, 0.9, 0.95]))
    for group in range(6):
        missed = (true - found)[groups == group]
        assert abs(missed.mean()) < 4.5 * missed.std() / len(missed) ** 0.5 + 0.01
    errors = {factor: ((true - shrunk(prior, factor, cost, orders)) ** 2).mean() for factor in (0.2, 1.0, 5.0)}
    assert errors[1.0] < min(errors[0.2], errors[5.0])


def shrunk(prior, factor, cost, orders):
    return costs_per_order(EventPrior(("a",), prior.mean, factor * prior.orders), ["a"] * len(cost), cost, orders)


def test_customers_who_do_not_differ_are_all_taken_for_the_mean():
    rng = np.random.default_rng(1)
    orders = rng.integers(1, 9, 5_000).astype(float)
    mean, worth = credibility(rng.poisson(0.4 * orders) * 6.0, orders)
    assert mean == pytest.approx(2.4, rel=0.1)
    assert worth > 20
    assert credibility(2.0 * orders, orders) == (2.0, ORDERS[1])  # to the cent


def test_where_all_have_as_many_orders_the_mean_counts_for_one():
    cost = np.array([0.0, 4.0, 8.0])
    assert credibility(cost, np.full(3, 2.0)) == (2.0, 1.0)
    prior = fit_event_prior(["a"] * 3, cost, np.full(3, 2.0))
    np.testing.assert_allclose(costs_per_order(prior, ["a"] * 3, cost, np.full(3, 2.0)), [2 / 3, 2.0, 10 / 3])


def test_who_has_cost_nothing_in_a_base_that_cost_nothing_costs_nothing():
    orders = np.array([1.0, 5.0, 2.0])
    prior = fit_event_prior(["a", "a", "b"], np.zeros(3), orders)
    assert prior.mean.tolist() == [0.0, 0.0, 0.0]
    assert costs_per_order(prior, ["a", "b", "c"], np.zeros(3), orders).tolist() == [0.0, 0.0, 0.0]
    assert costs_per_order(prior, ["a"], np.array([9.0]), np.array([2.0])) == pytest.approx(9 / 1002)
    assert credibility(np.zeros(0), np.zeros(0)) == (0.0, ORDERS[1])


def test_cohorts_have_means_of_their_own_and_an_unseen_one_that_of_all():
    rng = np.random.default_rng(5)
    cost, orders, _ = compound(rng, 4_000, 1.0, 2.0)
    labels = np.where(np.arange(4_000) % 4, "1997-01", "1997-02")
    cost = np.where(labels == "1997-02", 3.0 * cost, cost)
    prior = fit_event_prior(labels, cost, orders)
    assert prior.cohorts == ("1997-01", "1997-02")
    for position, chosen in enumerate((labels == "1997-01", labels == "1997-02", np.ones(4_000, dtype=bool))):
        assert prior.mean[position] == pytest.approx(cost[chosen].sum() / orders[chosen].sum(), rel=1e-14)
    nothing = (np.zeros(3), np.zeros(3))
    expected = costs_per_order(prior, ["1997-02", "1999-12", "1997-01"], *nothing)
    np.testing.assert_array_equal(expected, prior.mean[[1, 2, 0]])
    again = EventPrior.from_dict(json.loads(json.dumps(prior.to_dict())))
    for name in ("mean", "orders"):
        np.testing.assert_array_equal(getattr(again, name), getattr(prior, name))


def test_orders_to_come_cost_what_events_have_cost_and_the_past_alone_is_charged_where_they_are_ignored():
    posterior, summary = known_posterior(draws=50), few_customers()
    tickets = pd.DataFrame({"ticket": [0.0, 0.0, 5.0, 0.0, 30.0, 2.0, 0.0, 40.0], "visit": [0.0, 9.0] + [0.0] * 6})
    given = {"margin": 0.4, "cost_per_order": 1.0, "newcomers": 2, "horizon": "1 year"}
    plain = estimate_value(posterior, summary, **given)
    ignored = estimate_value(posterior, summary, **given, cost_events=tickets, events_ahead="ignored")
    ahead = estimate_value(posterior, summary, **given, cost_events=tickets)
    spent = tickets.sum(axis=1).to_numpy()
    for value in (ignored, ahead):
        np.testing.assert_allclose(value.table["realized_value"], plain.table["realized_value"] - spent, rtol=1e-12)
    pd.testing.assert_frame_equal(
        ignored.table.drop(columns="realized_value"), plain.table.drop(columns="realized_value"), rtol=1e-12
    )
    assert ahead.settings.events_ahead is EventAhead.PER_ORDER
    orders = summary.table["orders"].to_numpy(float)
    mean, worth = credibility(spent, orders)
    expected = 1.0 + (worth * mean + spent) / (worth + orders)
    np.testing.assert_allclose(ahead.ahead.order_cost, expected, rtol=1e-12)
    by_hand = estimate_value(posterior, summary, **given | {"cost_per_order": expected})
    np.testing.assert_allclose(ahead.table["actual_value"], by_hand.table["actual_value"], rtol=1e-12)
    assert (ahead.table["actual_value"] < plain.table["actual_value"]).all()
