"""Single quantities of customers and cohorts: each a mean and an interval over parameter draws, draws on request.

All are `expected_*` or `p_*`: probabilities and means given parameters, in the families' closed forms. Their intervals
say how well the parameters are known, not how a customer may turn out; `estimate_value` has intervals of that kind.
"""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.units import DiscountRate, Horizon
from kundenwert.value.counters import FloatArray
from kundenwert.value.individuals import (
    IntArray,
    Population,
    cohort_blocks,
    histories,
    ordered_map,
    population,
    thread_count,
)

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior

type Theta = dict[str, FloatArray]

ROWS = 256
PURCHASES = ("x", "t_x", "T")
SPEND = ("n", "spend")


class Past(NamedTuple):
    """Distinct histories of one cohort, each (row, 1)."""

    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    n: FloatArray
    spend: FloatArray


type Formula = Callable[[Population, Theta, Past], FloatArray]


@dataclass(frozen=True, repr=False)
class Quantity:
    """A quantity of every customer or cohort.

    Parameters
    ----------
    name : of the quantity.
    table : the first column (or two) says of whom, then `mean, low, high`.
    horizon : that it is about, if any.
    interval : mass between `low` and `high`.
    draws : (row, draw), on request.
    """

    name: str
    table: pd.DataFrame
    horizon: Horizon | None
    interval: float
    draws: FloatArray | None = None

    def __repr__(self) -> str:
        within = f" within {self.horizon}" if self.horizon else ""
        return f"<{self.name}{within}, {len(self.table):,} rows, mean {self.table['mean'].mean():.4g}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.table.head().to_html()}"


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

    options = _Options(interval, draws, return_draws, threads)
    return _of_customers("p_alive", formula, posterior, summary, None, options)


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
    h, length = _length(posterior, horizon)

    def formula(people: Population, theta: Theta, past: Past) -> FloatArray:
        return people.purchase.p_no_purchase(theta, past.x, past.t_x, past.T, length)

    options = _Options(interval, draws, return_draws, threads)
    return _of_customers("churn_probability", formula, posterior, summary, h, options)


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

    Each history and draw takes an integral, hence fewer draws by default.

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
    h, length = _length(posterior, horizon)
    discount = DiscountRate(discount_rate).continuous(posterior.time_unit)

    def formula(people: Population, theta: Theta, past: Past) -> FloatArray:
        return people.purchase.expected_purchases(theta, past.x, past.t_x, past.T, length, discount)

    options = _Options(interval, draws, return_draws, threads)
    return _of_customers("expected_purchases", formula, posterior, summary, h, options)


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
    h, length = _length(posterior, horizon)
    if n < 0 or n != int(n):
        raise UsageError(f"n must be a number of orders, 0 or more, not {n!r}.")

    def formula(people: Population, theta: Theta, past: Past) -> FloatArray:
        return people.purchase.purchase_distribution(theta, n, past.x, past.t_x, past.T, length)

    name = f"purchase_distribution of {n}"
    options = _Options(interval, draws, return_draws, threads)
    return _of_customers(name, formula, posterior, summary, h, options)


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

    options = _Options(interval, draws, return_draws, threads)
    return _of_customers("expected_spend", formula, posterior, summary, None, options, SPEND)


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
    h, length = _length(posterior, horizon)
    people = population(posterior, draws, posterior.seed)
    found = people.purchase.expected_purchases_new(people.theta, length).T
    table = pd.DataFrame({"cohort": list(people.cohorts), **_mean_and_interval(found, interval)})
    return Quantity("expected_purchases_new", table, h, interval, found if return_draws else None)


@dataclass(frozen=True)
class _Options:
    interval: float
    draws: int
    return_draws: bool
    threads: int | None


def _of_customers(
    name: str,
    formula: Formula,
    posterior: "Posterior",
    summary: "CustomerSummary",
    horizon: Horizon | None,
    options: _Options,
    reads: tuple[str, ...] = PURCHASES,
) -> Quantity:
    """Evaluates a formula once for every distinct history of a cohort and hands the result to all who share it."""
    people, customers = population(posterior, options.draws, posterior.seed), histories(posterior, summary)
    # What the formula does not read is left out of the comparison: spend is as good as unique to a customer.
    read = np.stack([customers.cohort, *(getattr(customers, name) for name in reads)])
    _, first, inverse = np.unique(read, axis=1, return_index=True, return_inverse=True)
    cohort = customers.cohort[first]
    past = Past(*(getattr(customers, name)[first, None] for name in Past._fields))

    def work(rows: IntArray) -> tuple[dict[str, FloatArray], FloatArray | None]:
        theta = people.of_cohort(int(cohort[rows[0]]))
        found = formula(people, theta, Past(*(column[rows] for column in past)))
        found = np.broadcast_to(found, (len(rows), people.draws))
        return _mean_and_interval(found, options.interval), found if options.return_draws else None

    reduced = {column: np.empty(len(first)) for column in ("mean", "low", "high")}
    kept = np.empty((len(first), people.draws)) if options.return_draws else None
    pieces = [rows for _, rows in cohort_blocks(cohort, ROWS)]
    for rows, (part, drawn) in ordered_map(work, pieces, thread_count(options.threads)):
        for column, values in part.items():
            reduced[column][rows] = values
        if kept is not None:
            kept[rows] = drawn
    table = pd.DataFrame({"customer_id": summary.table["customer_id"].array})
    for column, values in reduced.items():
        table[column] = values[inverse]
    return Quantity(name, table, horizon, options.interval, None if kept is None else kept[inverse])


def _mean_and_interval(draws: FloatArray, interval: float) -> dict[str, FloatArray]:
    """Over the last axis."""
    if not 0 < interval < 1:
        raise UsageError(f"interval {interval!r} must lie between 0 and 1, for example 0.90.")
    low, high = np.quantile(draws, [0.5 - interval / 2, 0.5 + interval / 2], axis=-1)
    return {"mean": draws.mean(axis=-1), "low": low, "high": high}


def _length(posterior: "Posterior", horizon: Horizon | str) -> tuple[Horizon, float]:
    parsed = Horizon.parse(horizon)
    return parsed, parsed.in_units(posterior.time_unit)
