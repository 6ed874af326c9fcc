"""Simulated futures where they are large, and where they are nothing."""

import tracemalloc

import numpy as np
import pytest

from kundenwert.errors import NumericalError
from kundenwert.value import actual
from kundenwert.value.estimate import estimate_value
from kundenwert.value.settings import Terms
from value_world import BG, GG, few_customers, known_posterior, summary_of

TERMS = Terms(horizon=156.0, churn_horizon=26.0, discount=0.002, cost_per_order=1.0, cost_active=0.0, cost_on_file=0.0)


def living(count, rate, dropout, seed=1):
    ones = np.ones(count)
    rng = np.random.default_rng(seed)
    return actual.simulate_living(rng, rate * ones, dropout * ones, 6.25 * ones, 0.2 * ones, 0.35, TERMS)


def test_pieces_bound_memory_and_lose_no_order(monkeypatch):
    """Six million orders of one customer: in pieces, with the mean that a Poisson process has."""
    value, orders = living(400, 100.0, 0.0)
    assert orders.sum() > actual.PIECE
    assert orders.mean() == pytest.approx(15_600, abs=4.5 * (15_600 / 400) ** 0.5)
    expected = 100.0 * -np.expm1(-0.002 * 156) / 0.002 * (0.35 * 31.25 - 1.0)
    assert value.mean() == pytest.approx(expected, abs=4.5 * value.std() / 20)
    monkeypatch.setattr(actual, "PIECE", 100_000)
    pieces = [len(owner) for owner in actual._owners(orders.astype(np.int64))]
    assert sum(pieces) == orders.sum()
    assert max(pieces) <= 100_000 + orders.max()
    again, counted = living(400, 100.0, 0.0)
    np.testing.assert_array_equal(counted, orders)
    assert again.mean() == pytest.approx(value.mean(), rel=0.01)


def test_rates_that_no_person_has_are_refused():
    with pytest.raises(NumericalError, match="too many to simulate"):
        living(3, 1e9, 0.0)
    with pytest.raises(NumericalError, match="too many to simulate"):
        living(3, 1.01 * actual.ORDERS_LIMIT / TERMS.horizon, 0.0)


def test_the_most_orders_that_a_draw_may_hold_stay_far_below_a_gigabyte():
    tracemalloc.start()
    _, orders = living(3, 0.99 * actual.ORDERS_LIMIT / TERMS.horizon, 0.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert orders.sum() > 2 * actual.PIECE
    assert peak < 250e6


def test_no_draws_and_certain_dropout():
    assert [part.size for part in living(0, 1.0, 0.5)] == [0, 0]
    _, orders = living(2000, 0.01, 1.0)
    assert set(orders.tolist()) == {0.0, 1.0}
    assert orders.mean() == pytest.approx(1 - np.exp(-1.56), abs=0.05)


def test_a_customer_who_has_gone_is_worth_the_file_cost_and_zero_has_no_sign():
    gone = few_customers().table.iloc[[2]].assign(frequency=40, monetary_value=10.0)
    free = estimate_value(known_posterior(BG | GG), summary_of(gone), newcomers=10).table
    assert free["p_alive"][0] < 1e-6
    assert str(free["actual_value_low"][0]) == str(free["actual_value_high"][0]) == "0.0"
    filed = estimate_value(
        known_posterior(BG | GG), summary_of(gone), newcomers=10, margin=1.0, cost_per_year_on_file=1.0
    ).table
    owed = -np.expm1(-3 * np.log(1.1)) / np.log(1.1)
    np.testing.assert_allclose(filed.loc[0, ["actual_value_low", "actual_value_high"]].astype(float), -owed, rtol=1e-9)
