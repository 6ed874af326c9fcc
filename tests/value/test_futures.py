"""Simulated futures where they are large, where they are nothing, and when they have brought a given amount."""

import resource

import numpy as np
import pytest
from scipy.stats import gamma, kstest

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


def watched(one, deficit, offer=OFFER, terms=TERMS):
    """When each draw of a customer has brought a deficit."""
    draws = one.rate.shape[1]
    given = (np.full(draws, 6.25), np.asarray(offer, dtype=float).reshape(1, 4), NOTHING, terms)
    return actual.simulate_futures(1, KEY, one, *given, np.array([deficit]))


@pytest.mark.parametrize("deficit", [-1e9, 0.0, 12.0, 1e9])
def test_looking_for_payback_changes_no_future(deficit):
    one = one_customer(np.full(3_000, 0.3), 0.05, share=0.8)
    plain = actual.simulate_futures(1, KEY, one, np.full(3_000, 6.25), OFFER, NOTHING, TERMS)
    found = watched(one, deficit)
    np.testing.assert_array_equal(found.value, plain.value)
    np.testing.assert_array_equal(found.orders, plain.orders)
    assert plain.reached.shape == (0, 3_000)


def test_what_has_been_brought_back_already_is_found_at_the_first_order():
    """Nothing is looked at between orders: a deficit below any loss is covered by the first one, whenever it comes."""
    count, rate = 20_000, 0.02
    one = one_customer(np.full(count, rate), 0.4, share=0.75)
    found = watched(one, -1e9)
    times, orders = found.reached[0], found.orders[0]
    assert (np.isfinite(times) == (orders > 0)).all()
    first = times[np.isfinite(times)]
    assert kstest(first, lambda t: np.expm1(-rate * t) / np.expm1(-rate * TERMS.horizon)).pvalue > 1e-3
    gone = np.isposinf(times)  # among the living only an order kills
    assert gone.mean() == pytest.approx(0.25, abs=4.5 * (0.25 * 0.75 / count) ** 0.5)


def test_a_first_order_that_loses_money_does_not_cover_a_deficit_of_nothing():
    one = one_customer(np.full(500, 0.3), 0.05)
    found = watched(one, 0.0, offer=[0.0, 1.0, 0.0, 0.0]).reached
    assert not np.isfinite(found).any()
    assert np.isfinite(watched(one, 0.0, offer=[0.0, 0.0, 0.0, 0.0]).reached).mean() > 0.99


@pytest.mark.parametrize("period", [0.0, 4.348])
def test_whoever_never_covers_it_leaves_or_is_still_there(period):
    """The chance to be alive at the horizon is `share * exp(-rate dropout horizon)`."""
    count, terms = 40_000, Terms(TERMS.horizon, 26.0, 0.002, period)
    found = watched(one_customer(np.full(count, 0.1), 0.1, share=0.9), 1e9, terms=terms).reached[0]
    left = 0.9 * np.exp(-0.01 * TERMS.horizon)
    assert not np.isfinite(found).any()
    assert np.isnan(found).mean() == pytest.approx(left, abs=4.5 * (left * (1 - left) / count) ** 0.5)
    assert np.isposinf(watched(one_customer(np.full(50, 0.1), 0.1, share=0.0), -1e9).reached).all()
    assert np.isnan(watched(one_customer(np.zeros(50), 0.1), -1e9).reached).all()


def test_the_five_thousandth_order_comes_after_five_thousand_waits():
    """More orders than are booked at once; each brings one, and time costs nothing, or a quarter of what they bring."""
    count, rate = 400, 60.0
    terms = Terms(156.0, 26.0, 0.0)
    one = one_customer(np.full(count, rate), 0.0)
    times = watched(one, 5_000.0, offer=[0.0, -1.0, 0.0, 0.0], terms=terms).reached[0]
    assert times.mean() == pytest.approx(5_000 / rate, abs=4.5 * 5_000**0.5 / rate / count**0.5)
    assert times.var() == pytest.approx(5_000 / rate**2, rel=4.5 * (2 / count) ** 0.5)
    slower = watched(one, 5_000.0, offer=[0.0, -1.0, 0.1 * rate, 0.15 * rate], terms=terms).reached[0]
    drift = 0.75 * rate  # by Wald's identity the mean is the deficit, and less than one order beyond it, over the drift
    error = 4.5 * (5_000 * rate / drift**3 / count) ** 0.5
    assert slower.mean() == pytest.approx(5_000.5 / drift, abs=error + 0.5 / drift)
    assert (slower > times).all()


def test_a_deficit_of_each_customer_is_read_row_by_row():
    draws, deficits = 2_000, np.array([0.5, 7.5, 30.5])
    same = np.ones((3, draws))
    living = actual.Living(np.zeros(3, dtype=np.int64), same[:1], 0.4 * same, 0.0 * same, 0.2 * same)
    offers, terms = np.tile([0.0, -1.0, 0.0, 0.0], (3, 1)), Terms(156.0, 26.0, 0.0)
    keys = np.arange(3, dtype=np.uint64)
    found = actual.simulate_futures(1, keys, living, same[0], offers, np.zeros(3), terms, deficits).reached
    for row, orders in enumerate((1, 8, 31)):  # the first whole number above
        expected = gamma.cdf(terms.horizon, orders, scale=2.5)
        assert np.isfinite(found[row]).mean() == pytest.approx(expected, abs=4.5 * (0.25 / draws) ** 0.5)
        times = found[row][np.isfinite(found[row])]
        assert kstest(times, lambda t, n=orders, all_of=expected: gamma.cdf(t, n, scale=2.5) / all_of).pvalue > 1e-3
