"""What a single quantity is made of: a formula over distinct histories, its mean and interval over parameter draws."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.threads import ordered_map, thread_count
from kundenwert.units import Horizon
from kundenwert.value.counters import FloatArray
from kundenwert.value.individuals import (
    Histories,
    Population,
    cohort_blocks,
    histories,
    population,
)
from kundenwert.value.variates import IntArray

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
type Columns = dict[str, npt.NDArray[Any]]


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


@dataclass(frozen=True)
class Options:
    """What the public quantities share: mass of the interval, parameter draws, whether to keep them, threads."""

    interval: float
    draws: int
    return_draws: bool
    threads: int | None


def of_customers(
    name: str,
    formula: Formula,
    posterior: "Posterior",
    summary: "CustomerSummary",
    horizon: Horizon | None,
    options: Options,
    reads: tuple[str, ...] = PURCHASES,
) -> Quantity:
    """A formula's mean and interval over parameter draws for every customer, its draws on request."""
    people, customers = population(posterior, options.draws, posterior.seed), histories(posterior, summary)

    def reduce(theta: Theta, past: Past) -> Columns:
        found = np.broadcast_to(formula(people, theta, past), (len(past.x), people.draws))
        kept = {"draws": found} if options.return_draws else {}
        return mean_and_interval(found, options.interval) | kept

    columns = by_history(people, customers, reads, reduce, options.threads)
    kept = columns.pop("draws", None)
    table = pd.DataFrame({"customer_id": summary.table["customer_id"].array, **columns})
    return Quantity(name, table, horizon, options.interval, kept)


def by_history(
    people: Population,
    customers: Histories,
    reads: tuple[str, ...],
    reduce: Callable[[Theta, Past], Columns],
    threads: int | None,
) -> Columns:
    """Reduces each distinct history of a cohort once and hands the result to all who share it.

    Parameters
    ----------
    reads : the columns that `reduce` looks at; histories that differ in others alone are one.
    reduce : parameters of a cohort and some of its histories -> name -> (row, ...); called from several threads.

    Returns
    -------
    name -> (customer, ...), in the order of the customers
    """
    # What is not read is left out of the comparison: spend is as good as unique to a customer.
    read = np.stack([customers.cohort, *(getattr(customers, name) for name in reads)])
    _, first, inverse = np.unique(read, axis=1, return_index=True, return_inverse=True)
    cohort = customers.cohort[first]
    past = Past(*(getattr(customers, name)[first, None] for name in Past._fields))

    def work(rows: IntArray) -> Columns:
        return reduce(people.of_cohort(int(cohort[rows[0]])), Past(*(column[rows] for column in past)))

    if not len(first):
        return reduce(people.of_cohort(0), past)
    reduced: Columns = {}
    pieces = [rows for _, rows in cohort_blocks(cohort, ROWS)]
    for rows, part in ordered_map(work, pieces, thread_count(threads)):
        for name, values in part.items():
            reduced.setdefault(name, np.empty((len(first), *values.shape[1:]), dtype=values.dtype))[rows] = values
    return {name: values[inverse] for name, values in reduced.items()}


def mean_and_interval(draws: FloatArray, interval: float) -> dict[str, FloatArray]:
    """Over the last axis."""
    if not 0 < interval < 1:
        raise UsageError(f"interval {interval!r} must lie between 0 and 1, for example 0.90.")
    low, high = np.quantile(draws, [0.5 - interval / 2, 0.5 + interval / 2], axis=-1)
    return {"mean": draws.mean(axis=-1), "low": low, "high": high}


def length_in_units(posterior: "Posterior", horizon: Horizon | str) -> tuple[Horizon, float]:
    parsed = Horizon.parse(horizon)
    return parsed, parsed.in_units(posterior.time_unit)
