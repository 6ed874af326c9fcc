"""Customers simulated straight to their summary, in whole days and cents: large bases, and many cohorts.

`kundenwert.simulate_customers` makes a log first, which ten million customers have no use for.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

import kundenwert as kw
from kundenwert.families import get_family
from kundenwert.simulate import CDNOW_LIKE

WEEK = 7
SPREADS = {**dict.fromkeys(("r", "alpha", "a", "b"), 0.2), **dict.fromkeys(("p", "q", "v"), 0.1)}  # of log parameters
YOUNGEST, OLDEST, MONTH = 4 * WEEK, 39 * WEEK, 30  # days
CDNOW_AGES = 27 * WEEK, 39 * WEEK
CHUNK = 500_000


def around(rng: np.random.Generator) -> dict[str, float]:
    """Parameters near those of CDNOW."""
    return {name: value * float(np.exp(SPREADS[name] * rng.standard_normal())) for name, value in CDNOW_LIKE.items()}


def histories(
    theta: Mapping[str, float], age: np.ndarray, rng: np.random.Generator, family: str = "bgnbd"
) -> pd.DataFrame:
    """Customers as their summary knows them: orders of one day are one, times are whole days, amounts whole cents.

    Parameters
    ----------
    theta : `r, alpha, a, b` a week, and `p, q, v`.
    age : (customer,) days from the first purchase to the last day observed.

    Returns
    -------
    (customer,) `frequency`, `recency` and `T` in weeks, `monetary_value`.
    """
    begin = rng.random(age.size)  # the hour of the first purchase, as a part of its day
    who, when = get_family(family).simulate_times(theta, (age + 1 - begin) / WEEK, rng)
    day = np.minimum(np.floor(begin[who] + when * WEEK).astype(np.int64), age[who])  # rounding may pass midnight
    nu = rng.gamma(theta["q"], 1.0, age.size) / theta["v"]
    cents = np.maximum(np.rint(100.0 * rng.standard_gamma(theta["p"], who.size) / nu[who]), 1.0)
    later = day > 0
    who, day, cents = who[later], day[later], cents[later]
    span = int(age.max(initial=0)) + 1
    customer, on = np.divmod(np.unique(who * span + day), span)
    frequency = np.bincount(customer, minlength=age.size)
    recency = np.zeros(age.size, dtype=np.int64)
    recency[customer] = on  # days of a customer come in order: the last one stays
    spent = np.bincount(who, weights=cents, minlength=age.size)
    mean = np.divide(spent, 100.0 * frequency, out=np.zeros(age.size), where=frequency > 0)
    return pd.DataFrame({"frequency": frequency, "recency": recency / WEEK, "T": age / WEEK, "monetary_value": mean})


def one_base(customers: int, seed: int) -> Iterator[pd.DataFrame]:
    """Chunks of customers who share the parameters and the ages of CDNOW."""
    for number, first in enumerate(range(0, customers, CHUNK)):
        rng = np.random.default_rng([seed, number])
        age = rng.integers(CDNOW_AGES[0], CDNOW_AGES[1] + 1, min(CHUNK, customers - first))
        yield histories(CDNOW_LIKE, age, rng)


def cohort_base(cohorts: int, customers: int, seed: int, silent: int = 0) -> kw.CustomerSummary:
    """Cohorts with parameters of their own, acquired in a month each, the first ones 39 weeks before the end.

    Parameters
    ----------
    customers : per cohort.
    silent : so many of the youngest cohorts have no repeat purchase at all.
    """
    frames = []
    for cohort, oldest in enumerate(np.linspace(OLDEST, YOUNGEST + MONTH, cohorts).astype(int)):
        rng = np.random.default_rng([seed, cohort])
        frame = histories(around(rng), rng.integers(oldest - MONTH, oldest + 1, customers), rng)
        if cohort >= cohorts - silent:
            frame[["frequency", "recency", "monetary_value"]] = [0, 0.0, 0.0]
        frames.append(frame.assign(cohort=f"c{cohort:03d}"))
    return kw.as_summary(pd.concat(frames, ignore_index=True), time_unit="week")


def one_cohort(customers: int, seed: int | list[int], family: str = "bgnbd") -> kw.CustomerSummary:
    """A cohort with parameters near those of CDNOW and its ages."""
    rng = np.random.default_rng(seed)
    age = rng.integers(CDNOW_AGES[0], CDNOW_AGES[1] + 1, customers)
    return kw.as_summary(histories(around(rng), age, rng, family), time_unit="week")
