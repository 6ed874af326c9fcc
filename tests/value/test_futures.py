"""Simulated futures where they are large, and where they are nothing."""

import resource

import numpy as np
import pytest

from kundenwert.errors import NumericalError
from kundenwert.families.identity import annuity
from kundenwert.value import actual
from kundenwert.value.estimate import estimate_value
from kundenwert.value.settings import Terms
from value_world import BG, GG, few_customers, known_posterior, summary_of

TERMS = Terms(horizon=156.0, churn_horizon=26.0, discount=0.002)


KEY = np.zeros(1, dtype=np.uint64)
OFFER, NOTHING = np.array([[0.35, 1.0, 0.0, 0.0]]), np.zeros(1)


def one_customer(rate, dropout, spend_rate=0.2, share=1.0):
    """All draws of a customer; `rate` is (draw,), the rest are numbers."""
    row = np.asarray(rate, dtype=np.float64)[None]
    same = np.ones_like(row)
    return actual.Living(np.zeros(1, dtype=np.int64), share * same, row, dropout * same, spend_rate * same)


def living(count, rate, dropout, seed=1):
    one = one_customer(np.full(count, rate), dropout)
    futures = actual.simulate_futures(seed, KEY, one, np.full(count, 6.25), OFFER, NOTHING, TERMS)
    return futures.value[0], futures.orders[0]


def test_six_million_orders_of_one_customer_have_the_mean_of_a_poisson_process():
    value, orders = living(400, 100.0, 0.0)
    assert orders.mean() == pytest.approx(15_600, abs=4.5 * (15_600 / 400) ** 0.5)
    assert orders.var() == pytest.approx(15_600, rel=4.5 * (2 / 400) ** 0.5)
    expected = 100.0 * -np.expm1(-0.002 * 156) / 0.002 * (0.35 * 31.25 - 1.0)
    assert value.mean() == pytest.approx(expected, abs=4.5 * value.std() / 20)


def test_rates_that_no_person_has_are_refused():
    with pytest.raises(NumericalError, match="too many to simulate"):
        living(3, 1e9, 0.0)
    with pytest.raises(NumericalError, match="too many to simulate"):
        living(3, 1.01 * actual.ORDERS_LIMIT / TERMS.horizon, 0.0)


def test_the_most_orders_that_a_draw_may_hold_take_no_memory_of_their_own():
    living(3, 1.0, 0.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, orders = living(3, 0.99 * actual.ORDERS_LIMIT / TERMS.horizon, 0.0)
    assert orders.sum() > 2.9 * actual.ORDERS_LIMIT
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000  # kilobytes


def test_no_draws_and_certain_dropout():
    assert [part.size for part in living(0, 1.0, 0.5)] == [0, 0]
    _, orders = living(2000, 0.01, 1.0)
    assert set(orders.tolist()) == {0.0, 1.0}
    assert orders.mean() == pytest.approx(1 - np.exp(-1.56), abs=0.05)


def test_whoever_never_orders_or_has_gone_has_no_future():
    _, orders = living(100, 0.0, 0.5)
    assert orders.sum() == 0
    one = one_customer(np.ones(100), 0.0, share=0.0)
    gone = actual.simulate_futures(1, KEY, one, np.ones(100), OFFER, NOTHING, TERMS)
    assert np.abs(gone.value).max() == gone.orders.max() == 0


@pytest.mark.parametrize("discount", [0.0, 1e-12, 1e-5, 0.002, 1.0])
def test_the_cost_of_being_alive_is_an_annuity(discount):
    """A rate of nothing lives to the horizon and pays for all of it."""
    terms, offer = Terms(156.0, 26.0, discount), np.array([[0.35, 0.0, 2.0, 0.0]])
    found = actual.simulate_futures(1, KEY, one_customer([0.0], 0.0), np.ones(1), offer, NOTHING, terms)
    assert found.value[0, 0] == pytest.approx(-2.0 * annuity(discount, 156.0).item(), rel=1e-14)


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
