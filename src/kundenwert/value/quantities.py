"""Single quantities of customers and cohorts: each a mean and an interval over parameter draws, draws on request.

All are `expected_*` or `p_*`: probabilities and means given parameters, in the families' closed forms. Their intervals
say how well the parameters are known, not how a customer may turn out; `estimate_value` has intervals of that kind.
"""

from typing import TYPE_CHECKING

import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.units import DiscountRate, Horizon
from kundenwert.value.closed_forms import (
    SPEND,
    Options,
    Past,
    Quantity,
    Theta,
    length_in_units,
    mean_and_interval,
    of_customers,
)
from kundenwert.value.counters import FloatArray
from kundenwert.value.individuals import Population, population

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior


def p_alive(
    posterior: "Posterior",
    summary: "CustomerSummary",
    *,
    interval: float = 0.90,
    draws: int = 1000,
    return_draws: bool = False,
    threads: int | None = None,
) -> Quantity:
    """Probability that a customer is still alive; not a churn score, see `churn_probability`.

    Parameters
    ----------
    posterior : parameter draws.
    summary : customers of cohorts that the posterior knows, in its time unit.
    interval : mass of the interval over parameter draws.
    draws : parameter draws, evenly thinned.
    return_draws : whether to keep them, (customer, draw).
    threads : no result depends on it.

    Returns
    -------
    Quantity : `customer_id, mean, low, high`, one row a customer.

    Raises
    ------
    UsageError : time units or currencies differ, or an argument cannot be used.
    RunError : a cohort that the posterior does not know.

    Notes
    -----
    docs/statistics.md, section Individual posterior (Fader, Hardie, Lee 2005).

    Examples
    --------
    >>> alive = kw.p_alive(posterior, summary, draws=100).table
    >>> bool((alive["mean"][summary.table["frequency"] == 0] == 1).all())  # BG/NBD cannot doubt a one-time buyer
    True
    """

    def formula(people: Population, theta: Theta, past: Past) -> FloatArray:
        return people.purchase.p_alive(theta, past.x, past.t_x, past.T)

    options = Options(interval, draws, return_draws, threads)
    return of_customers("p_alive", formula, posterior, summary, None, options)


def churn_probability(
    posterior: "Posterior",
    summary: "CustomerSummary",
    horizon: Horizon | str = "26 weeks",
    *,
    interval: float = 0.90,
    draws: int = 1000,
    return_draws: bool = False,
    threads: int | None = None,
) -> Quantity:
    """Probability of no purchase within the horizon: the churn figure that a holdout can verify.

    Parameters
    ----------
    posterior : parameter draws.
    summary : customers of cohorts that the posterior knows, in its time unit.
    horizon : "26 weeks" or a `Horizon`.
    interval : mass of the interval over parameter draws.
    draws : parameter draws, evenly thinned.
    return_draws : whether to keep them, (customer, draw).
    threads : no result depends on it.

    Returns
    -------
    Quantity : `customer_id, mean, low, high`, one row a customer.

    Raises
    ------
    UsageError : time units or currencies differ, or an argument cannot be used.
    RunError : a cohort that the posterior does not know.

    Notes
    -----
    docs/statistics.md, section Churn.

    Examples
    --------
    >>> churn = kw.churn_probability(posterior, summary, "26 weeks", draws=100).table
    >>> bool(churn["mean"].between(0, 1).all())
    True
    """
    h, length = length_in_units(posterior, horizon)

    def formula(people: Population, theta: Theta, past: Past) -> FloatArray:
        return people.purchase.p_no_purchase(theta, past.x, past.t_x, past.T, length)

    options = Options(interval, draws, return_draws, threads)
    return of_customers("churn_probability", formula, posterior, summary, h, options)


def expected_purchases(
    posterior: "Posterior",
    summary: "CustomerSummary",
    horizon: Horizon | str,
    *,
    discount_rate: float = 0.0,
    interval: float = 0.90,
    draws: int = 200,
    return_draws: bool = False,
    threads: int | None = None,
) -> Quantity:
    """Orders expected within the horizon.

    Each history and draw takes a sum over the orders that are possible, or an integral where they are more than a few
    hundred or discounted: dearer than other quantities, hence fewer draws by default.

    Parameters
    ----------
    posterior : parameter draws.
    summary : customers of cohorts that the posterior knows, in its time unit.
    horizon : "26 weeks" or a `Horizon`.
    discount_rate : effective, per year; orders are counted at their present value.
    interval : mass of the interval over parameter draws.
    draws : parameter draws, evenly thinned.
    return_draws : whether to keep them, (customer, draw).
    threads : no result depends on it.

    Returns
    -------
    Quantity : `customer_id, mean, low, high`, one row a customer; the interval is that of the mean, not of the count.

    Raises
    ------
    UsageError : time units or currencies differ, or an argument cannot be used.
    RunError : a cohort that the posterior does not know.

    Notes
    -----
    docs/statistics.md, section Population forms.

    Examples
    --------
    >>> orders = kw.expected_purchases(posterior, summary, "39 weeks", draws=20).table
    >>> bool(1_500 < orders["mean"].sum() < 1_800)
    True
    """
    h, length = length_in_units(posterior, horizon)
    discount = DiscountRate(discount_rate).continuous(posterior.time_unit)

    def formula(people: Population, theta: Theta, past: Past) -> FloatArray:
        return people.purchase.expected_purchases(theta, past.x, past.t_x, past.T, length, discount)

    options = Options(interval, draws, return_draws, threads)
    return of_customers("expected_purchases", formula, posterior, summary, h, options)


def purchase_distribution(
    posterior: "Posterior",
    summary: "CustomerSummary",
    n: int,
    horizon: Horizon | str,
    *,
    interval: float = 0.90,
    draws: int = 1000,
    return_draws: bool = False,
    threads: int | None = None,
) -> Quantity:
    """Probability of exactly n orders within the horizon.

    Parameters
    ----------
    posterior : parameter draws.
    summary : customers of cohorts that the posterior knows, in its time unit.
    n : number of orders.
    horizon : "26 weeks" or a `Horizon`.
    interval : mass of the interval over parameter draws.
    draws : parameter draws, evenly thinned.
    return_draws : whether to keep them, (customer, draw).
    threads : no result depends on it.

    Returns
    -------
    Quantity : `customer_id, mean, low, high`, one row a customer.

    Raises
    ------
    UsageError : time units or currencies differ, or an argument cannot be used.
    RunError : a cohort that the posterior does not know.

    Notes
    -----
    docs/statistics.md, section Population forms.

    Examples
    --------
    >>> none = kw.purchase_distribution(posterior, summary, 0, "26 weeks", draws=50).table["mean"]
    >>> churn = kw.churn_probability(posterior, summary, "26 weeks", draws=50).table["mean"]
    >>> bool((abs(none - churn) < 1e-9).all())
    True
    """
    h, length = length_in_units(posterior, horizon)
    if n < 0 or n != int(n):
        raise UsageError(f"n must be a number of orders, 0 or more, not {n!r}.")

    def formula(people: Population, theta: Theta, past: Past) -> FloatArray:
        return people.purchase.purchase_distribution(theta, n, past.x, past.t_x, past.T, length)

    name = f"purchase_distribution of {n}"
    options = Options(interval, draws, return_draws, threads)
    return of_customers(name, formula, posterior, summary, h, options)


def expected_spend(
    posterior: "Posterior",
    summary: "CustomerSummary",
    *,
    interval: float = 0.90,
    draws: int = 1000,
    return_draws: bool = False,
    threads: int | None = None,
) -> Quantity:
    """Expected amount of a customer's order; NaN where there is no mean on some draw.

    Parameters
    ----------
    posterior : parameter draws.
    summary : customers of cohorts that the posterior knows, in its time unit.
    interval : mass of the interval over parameter draws.
    draws : parameter draws, evenly thinned.
    return_draws : whether to keep them, (customer, draw).
    threads : no result depends on it.

    Returns
    -------
    Quantity : `customer_id, mean, low, high` in the posterior's currency, one row a customer.

    Raises
    ------
    UsageError : time units or currencies differ, or an argument cannot be used.
    RunError : a cohort that the posterior does not know.

    Notes
    -----
    docs/statistics.md, section Actual value (Fader, Hardie 2013).

    Examples
    --------
    >>> spend = kw.expected_spend(posterior, summary, draws=100).table
    >>> bool(20 < spend["mean"].median() < 40)
    True
    """

    def formula(people: Population, theta: Theta, past: Past) -> FloatArray:
        return people.spend.expected_spend(theta, past.n, past.spend)

    options = Options(interval, draws, return_draws, threads)
    return of_customers("expected_spend", formula, posterior, summary, None, options, SPEND)


def expected_purchases_new(
    posterior: "Posterior",
    horizon: Horizon | str,
    *,
    interval: float = 0.90,
    draws: int = 1000,
    return_draws: bool = False,
) -> Quantity:
    """Repeat orders that a customer not yet acquired will place within the horizon, by cohort.

    Parameters
    ----------
    posterior : parameter draws.
    horizon : "26 weeks" or a `Horizon`.
    interval : mass of the interval over parameter draws.
    draws : parameter draws, evenly thinned.
    return_draws : whether to keep them, (cohort, draw).

    Returns
    -------
    Quantity : `cohort, mean, low, high`.

    Raises
    ------
    UsageError : time units or currencies differ, or an argument cannot be used.
    RunError : a cohort that the posterior does not know.

    Notes
    -----
    docs/statistics.md, section Population forms.

    Examples
    --------
    >>> new = kw.expected_purchases_new(posterior, "52 weeks").table
    >>> bool(1.3 < new["mean"][0] < 1.6)
    True
    """
    h, length = length_in_units(posterior, horizon)
    people = population(posterior, draws, posterior.seed)
    found = people.purchase.expected_purchases_new(people.theta, length).T
    table = pd.DataFrame({"cohort": list(people.cohorts), **mean_and_interval(found, interval)})
    return Quantity("expected_purchases_new", table, h, interval, found if return_draws else None)
