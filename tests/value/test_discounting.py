"""Both ways to discount, and how long a record costs: direct sums over months, and quadrature."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

from kundenwert.units import DiscountRate, Horizon, TimeUnit
from kundenwert.value.actual import Living, living_value, simulate_futures
from kundenwert.value.estimate import estimate_value
from kundenwert.value.kernels.worth import times, times_on_file
from kundenwert.value.outlook import kept_for
from kundenwert.value.settings import Terms
from value_world import few_customers, known_posterior

MONTH = 365.25 / 84  # in weeks
DELTA = DiscountRate(0.25).continuous(TimeUnit.WEEK)
HAZARDS = (0.0, 1e-300, 1e-12, 1e-6, 0.003, 0.2, 5.0, 400.0)


def time_alive(hazard, terms):
    found = np.empty((1, 1))
    times(np.array([[hazard]]), np.ones((1, 1)), terms.array, found)
    return found.item()


def time_on_file(hazard, terms):
    found = np.empty((1, 1))
    times_on_file(np.array([[hazard]]), np.ones((1, 1)), terms.array, found)
    return found.item()


def periods_of(terms):
    """Beginning and end of each period, the last one cut off, and the time to which all of it is discounted."""
    number = int(np.ceil(terms.horizon / terms.period - 1e-9))
    for k in range(number):
        yield k * terms.period, min((k + 1) * terms.period, terms.horizon), (k + 1) * terms.period


@pytest.mark.parametrize("horizon", [3 * MONTH, 36 * MONTH, 2.5 * MONTH, 0.4 * MONTH, 17.01 * MONTH])
@pytest.mark.parametrize("discount", [0.0, 1e-15, 1e-9, DELTA, 0.3])
def test_the_annuity_by_months_is_the_sum_over_months_to_every_digit(horizon, discount):
    """Forty digits, each month by itself: without discount and death the ratio of the closed form is 0/0."""
    terms = Terms(horizon, 26.0, discount, MONTH)
    for hazard in HAZARDS:
        with mpmath.workdps(40):
            total = mpmath.mpf(0)
            for begin, end, due in periods_of(terms):
                length = mpmath.mpf(end) - mpmath.mpf(begin)
                u = mpmath.mpf(hazard) * length
                alive = length * (-mpmath.expm1(-u) / u if u else 1) * mpmath.exp(-mpmath.mpf(hazard) * begin)
                total += alive * mpmath.exp(-mpmath.mpf(discount) * due)
        assert time_alive(hazard, terms) == pytest.approx(float(total), rel=4e-15)


@pytest.mark.parametrize("hazard", [1e-9, 0.003, 0.2])
@pytest.mark.parametrize("periods", [1, 7, 36])
def test_it_is_the_closed_form_of_the_design(hazard, periods):
    """`DEP = rate D phi(w) d expm1(-J c) / expm1(-c)`, with `w = mu D` and `c = w - ln d`."""
    terms, rate = Terms(periods * MONTH, 26.0, DELTA, MONTH), 0.4
    w, d = hazard * MONTH, np.exp(-DELTA * MONTH)
    c = w - np.log(d)
    orders = rate * MONTH * -np.expm1(-w) / w * d * np.expm1(-periods * c) / np.expm1(-c)
    assert rate * time_alive(hazard, terms) == pytest.approx(orders, rel=1e-13)


def test_short_periods_discount_each_moment():
    exact = time_alive(0.01, Terms(156.0, 26.0, DELTA))
    errors = [time_alive(0.01, Terms(156.0, 26.0, DELTA, 156.0 / n)) / exact - 1 for n in (156, 1560, 15600)]
    np.testing.assert_allclose(errors, [-DELTA / 2, -DELTA / 20, -DELTA / 200], rtol=0.02)


def kept_by_quadrature(hazard, terms):
    """The integral of the discount factor times the chance that the record is still kept, month by month."""
    after = terms.deactivation

    def integrand(t, due):
        kept = 1.0 if t <= after else np.exp(-hazard * (t - after))
        return kept * np.exp(-terms.discount * (t if due is None else due))

    pieces = list(periods_of(terms)) if terms.period else [(0.0, terms.horizon, None)]
    total = 0.0
    for begin, end, due in pieces:
        cuts = [begin, *([after] if begin < after < end else []), end]
        for low, high in pairwise(cuts):
            total += quad(integrand, low, high, args=(due,), epsrel=1e-12, epsabs=0)[0]
    return total


@pytest.mark.parametrize("period", [0.0, MONTH])
@pytest.mark.parametrize("after", [0.0, 1e-3, 0.5 * MONTH, 9 * MONTH, 26.0, 103.9, 104.0, 500.0, np.inf])
@pytest.mark.parametrize("hazard", [0.0, 0.01, 0.7])
def test_time_on_file_of_the_living_is_the_integral(hazard, after, period):
    terms = Terms(104.0, 26.0, DELTA, period, after)
    assert time_on_file(hazard, terms) == pytest.approx(kept_by_quadrature(hazard, terms), rel=1e-11)
    if after >= 104.0 or hazard == 0.0:
        assert time_on_file(hazard, terms) == pytest.approx(kept_for(np.array([104.0]), terms)[0], rel=1e-14)
    if after == 0.0:
        assert time_on_file(hazard, terms) == pytest.approx(time_alive(hazard, terms), rel=1e-14)


@pytest.mark.parametrize("period", [0.0, MONTH])
def test_lengths_of_time_are_integrals(period):
    """Each the same as a horizon of that length."""
    until = np.array([0.0, 1e-6, 3.0, MONTH, 2 * MONTH, 50.0])
    expected = [kept_by_quadrature(0.0, Terms(t, 26.0, DELTA, period)) if t else 0.0 for t in until]
    np.testing.assert_allclose(kept_for(until, Terms(104.0, 26.0, DELTA, period)), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("period", [0.0, MONTH])
@pytest.mark.parametrize("after", [0.0, 20.0, np.inf])
def test_the_worth_of_the_living_is_the_time_alive_times_what_it_brings(period, after):
    terms, offer = Terms(104.0, 26.0, DELTA, period, after), np.array([[0.3, 1.5, 0.25, 7.0]])
    found = living_value(np.array(2.0), np.array(0.01), np.array(30.0), offer, terms).item()
    assert found == pytest.approx(time_alive(0.02, terms) * (2.0 * (0.3 * 30 - 1.5) - 0.25), rel=1e-14)


def test_orders_at_the_end_of_a_month_are_not_put_off_to_the_next():
    """All orders die at once: each future is worth one discount factor, and these are those of months."""
    terms, count = Terms(10 * MONTH, 26.0, DELTA, MONTH), 20_000
    ones = np.ones((1, count))
    living = Living(np.zeros(1, dtype=np.int64), ones, 0.1 * ones, ones, ones)
    given = (ones[0], np.array([[0.0, 1.0, 0.0, 0.0]]), np.zeros(1), terms)
    futures = simulate_futures(3, np.zeros(1, dtype=np.uint64), living, *given)
    factors = -futures.value[0][futures.orders[0] == 1]
    months = np.arange(1, 11)
    found = np.round(-np.log(factors) / DELTA / MONTH, 9)
    assert set(found) == set(months.astype(float))
    chances = np.exp(-0.1 * MONTH * (months - 1)) - np.exp(-0.1 * MONTH * months)
    seen = np.array([(found == month).sum() for month in months]) / count
    np.testing.assert_allclose(seen, chances, atol=4.5 * (0.25 / count) ** 0.5)


def test_a_month_is_a_twelfth_of_a_year_in_every_time_unit():
    for unit in TimeUnit:
        posterior = known_posterior(draws=3, unit=unit.value)
        value = estimate_value(posterior, few_customers(unit.days), discounting="discrete", newcomers=1)
        assert value.settings.terms.period == pytest.approx(Horizon(1, "year").in_units(unit) / 12, rel=1e-14)
        continuous = estimate_value(posterior, few_customers(unit.days), newcomers=1)
        assert continuous.settings.terms.period == 0.0
