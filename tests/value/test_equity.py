"""Customer equity: sums of what customers are worth, and the two things that may be said about them."""

import numpy as np
import pytest

from kundenwert.errors import UsageError
from kundenwert.value.equity import Amount, customer_equity
from kundenwert.value.estimate import estimate_value
from value_world import BG, COSTS, GG, known_posterior, simulated_summary


@pytest.fixture(scope="module")
def base():
    thetas = [BG | GG, BG | GG | {"v": 30.0}]
    posterior = known_posterior(*thetas, {**BG, **GG, "q": 0.5}, draws=1000, spread=0.1)
    value = estimate_value(posterior, simulated_summary(300, *thetas), newcomers=10, draws=1000, **COSTS)
    return value, posterior


def test_expected_equity_is_the_sum_of_the_customers_in_total_and_by_cohort(base):
    value, posterior = base
    equity = customer_equity(value, posterior)
    assert equity.expected.mean == pytest.approx(value.table["actual_value"].sum(), rel=1e-12)
    by = value.table.groupby("cohort")["actual_value"].agg(["size", "sum"])
    table = equity.by_cohort.set_index("cohort")
    assert table.index.tolist() == ["1997-01", "1997-02"]  # the third cohort has no customers
    assert table["customers"].tolist() == by["size"].tolist()
    np.testing.assert_allclose(table["expected"], by["sum"], rtol=1e-12)
    assert table["simulated"].sum() == pytest.approx(equity.simulated.mean, rel=1e-12)


def test_what_will_come_in_has_the_same_mean_and_more_spread_than_what_is_expected(base):
    value, posterior = base
    equity = customer_equity(value, posterior)
    error = np.std(value.totals.base - equity.draws) / 1000**0.5
    assert equity.simulated.mean == pytest.approx(equity.expected.mean, abs=4.5 * error)
    assert equity.simulated.low < equity.expected.low < equity.expected.high < equity.simulated.high
    np.testing.assert_allclose(np.quantile(equity.draws, [0.05, 0.95]), [equity.expected.low, equity.expected.high])


def test_noise_is_what_an_interval_around_zero_says():
    draws = np.linspace(-1.0, 9.0, 1001)
    assert list(vars(Amount.of(draws, 0.90)).values()) == pytest.approx([4.0, -0.5, 8.5], abs=1e-12)
    assert Amount.of(draws, 0.90).noise
    assert not Amount.of(draws, 0.50).noise


def test_customers_without_a_mean_spend_are_counted_and_left_out():
    posterior = known_posterior(BG | GG | {"q": 0.5, "p": 0.4}, draws=200)
    value = estimate_value(posterior, simulated_summary(50), newcomers=10)
    equity = customer_equity(value, posterior)
    assert equity.left_out == value.table["actual_value"].isna().sum() > 0
    assert equity.expected.mean == pytest.approx(value.table["actual_value"].sum(), rel=1e-12)


def test_another_posterior_is_refused(base):
    with pytest.raises(UsageError, match="other cohorts"):
        customer_equity(base[0], known_posterior(BG | GG, draws=10))
