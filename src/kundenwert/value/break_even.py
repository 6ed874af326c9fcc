"""What acquiring a customer may cost at most: the value of customers not yet acquired, expected and as it may turn out.

Two estimands, side by side and never mixed: what the average new customer of a cohort is worth, of which only the
parameters are unknown, and what one new customer will have brought, whose behaviour and luck are unknown, too
(docs/statistics.md, section Payback).
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.errors import NumericalError, UsageError
from kundenwert.threads import ordered_map, thread_count
from kundenwert.value.acquisition import common_offer, new_customer_value
from kundenwert.value.actual import ORDERS_LIMIT
from kundenwert.value.block import SMALLEST_RATE
from kundenwert.value.counters import FloatArray, Purpose, text_keys
from kundenwert.value.individuals import Population, population
from kundenwert.value.outlook import kept_for
from kundenwert.value.settings import Terms, ValueSettings
from kundenwert.value.variates import Rows, read_only

if TYPE_CHECKING:
    from kundenwert.inference.posterior import Posterior

CAUTION = 0.20
NEWCOMERS = 50  # simulated per parameter draw and cohort


def break_even_acquisition_cost(
    posterior: "Posterior",
    settings: ValueSettings,
    offers: FloatArray | None = None,
    *,
    caution: float = CAUTION,
    newcomers: int = NEWCOMERS,
    threads: int | None = None,
) -> pd.DataFrame:
    """The most that acquiring a customer of each cohort may cost, first order included.

    Parameters
    ----------
    posterior : parameter draws.
    settings : of an estimated value; horizon, discounting, costs, interval and draws are read.
    offers : (cohort, 4) what orders of a new customer bring and cost, where the settings hold it for each customer:
        `new_customer_offers(value, posterior.cohorts)`.
    caution : of the cautious ceilings: 0.20 for 8 of 10.
    newcomers : simulated for each parameter draw.
    threads : no result depends on it.

    Returns
    -------
    DataFrame, one row a cohort, in money:

        - `cohort`
        - `mean`, `low`, `high` : what a new customer is worth on average, in the mean and with the interval over
          parameter draws: at the mean, acquiring many customers breaks even. `low` and `high` say how well the cohort
          is known. NaN where the mean spend does not exist on some draw (q <= 1).
        - `cautious_mean` : quantile `caution` of the same: at this cost a campaign that acquires many customers breaks
          even with a chance of 8 of 10, as far as only the parameters are unknown.
        - `cautious_customer` : quantile `caution` of what one single new customer will have brought by the horizon: at
          this cost 8 of 10 new customers pay back. Most customers bring little, so that it is far lower.

    Raises
    ------
    UsageError : revenue, costs that each customer has an own one of and no offers, or arguments that cannot be used.
    NumericalError : a rate of orders that no customer has.

    Notes
    -----
    docs/statistics.md, section Payback. Under MBG/NBD the first order may be the last.

    Examples
    --------
    >>> settings = kw.estimate_value(posterior, summary, horizon="1 year", margin=0.3, draws=50).settings
    >>> found = break_even_acquisition_cost(posterior, settings, newcomers=5)
    >>> bool((found["cautious_customer"] < found["cautious_mean"]).all())
    True
    """
    if settings.value_basis == "revenue":
        raise UsageError("what a customer may cost follows from a margin: estimate the value with margin=0.30.")
    if not 0 < caution < 1 or newcomers < 1:
        raise UsageError("caution lies between 0 and 1, for example 0.20, and newcomers is at least 1.")
    people = population(posterior, settings.draws, settings.seed)
    each = common_offer(settings, None, len(people.cohorts)) if offers is None else np.asarray(offers, np.float64)
    expected = new_customer_value(posterior, settings, offers=each)

    def one_cohort(cohort: int) -> float:
        if not np.isfinite(each[cohort]).all():  # a cohort that has no customers to take them from
            return np.nan
        return float(np.quantile(simulate_newcomers(people, cohort, each[cohort], settings.terms, newcomers), caution))

    cohorts = list(range(len(people.cohorts)))
    tail = 0.5 - settings.interval / 2
    low, high, cautious = np.quantile(expected, [tail, 1.0 - tail, caution], axis=0)
    return pd.DataFrame(
        {
            "cohort": people.cohorts,
            "mean": expected.mean(axis=0),
            "low": low,
            "high": high,
            "cautious_mean": cautious,
            "cautious_customer": [found for _, found in ordered_map(one_cohort, cohorts, thread_count(threads))],
        }
    )


def simulate_newcomers(people: Population, cohort: int, offer: FloatArray, terms: Terms, count: int) -> FloatArray:
    """(count, draw) what new customers of a cohort will have brought by the horizon, first order included.

    Each draw's customers follow the population of its parameters. The first order, which happens, is as large as a
    repeat order would be.

    Parameters
    ----------
    offer : (4,) see `Ahead`.

    Raises
    ------
    NumericalError : more orders of one customer than can be simulated.
    """
    from kundenwert.value.kernels.futures import simulate

    theta, zero = people.of_cohort(cohort), np.zeros((1, 1))
    new, spend = people.purchase.individual(theta, zero, zero, zero), people.spend.individual(theta, zero, zero)
    # No id of a customer holds a NUL, so that nobody shares a stream with one who is still to come.
    keys = text_keys(f"{people.cohorts[cohort]}\0{number}" for number in range(count))
    rows = Rows(people.seed, keys, np.zeros_like(keys), people.draws)
    alike = np.zeros(count, dtype=np.int64)
    rate = rows.gammas(Purpose.FRONTIER_RATE, new.rate_shape, new.rate_alive, alike)
    dropout = rows.betas(Purpose.FRONTIER_DROPOUT, *new.dropout_alive, alike)
    nu = np.maximum(rows.gammas(Purpose.FRONTIER_SPEND, *spend, alike), SMALLEST_RATE)
    first = Rows(people.seed, keys, np.ones_like(keys), people.draws)
    amount = first.gammas(Purpose.NEWCOMER_AMOUNTS, theta["p"][None], np.ones((1, 1)), alike) / nu
    value, orders = np.empty(rate.shape), np.empty(rate.shape)
    gone = kept_for(np.full(count, min(terms.deactivation, terms.horizon)), terms) * offer[3]
    most = simulate(
        np.uint64(people.seed),
        keys,
        np.array([Purpose.NEWCOMER_ALIVE, Purpose.NEWCOMER_ARRIVALS, Purpose.NEWCOMER_AMOUNTS], dtype=np.uint64),
        alike,
        read_only(new.p_alive, (1, people.draws)),
        rate,
        dropout,
        nu,
        theta["p"],
        np.tile(offer, (count, 1)),
        terms.array,
        gone,
        ORDERS_LIMIT,
        np.zeros(count),
        value,
        orders,
        np.empty((0, people.draws)),
    )
    if most > ORDERS_LIMIT:
        raise NumericalError(f"a new customer is expected to place {most:.3g} orders, too many to simulate.")
    return np.asarray(offer[0] * amount - offer[1] + value)
