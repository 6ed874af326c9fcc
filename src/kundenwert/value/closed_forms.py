"""What a single quantity is made of: a formula over distinct histories, its mean and interval over parameter draws."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.threads import ordered_map, thread_count
from kundenwert.units import Horizon
from kundenwert.value.counters import FloatArray
from kundenwert.value.individuals import (
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
        return mean_and_interval(found, options.interval), found if options.return_draws else None

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


def mean_and_interval(draws: FloatArray, interval: float) -> dict[str, FloatArray]:
    """Over the last axis."""
    if not 0 < interval < 1:
        raise UsageError(f"interval {interval!r} must lie between 0 and 1, for example 0.90.")
    low, high = np.quantile(draws, [0.5 - interval / 2, 0.5 + interval / 2], axis=-1)
    return {"mean": draws.mean(axis=-1), "low": low, "high": high}


def length_in_units(posterior: "Posterior", horizon: Horizon | str) -> tuple[Horizon, float]:
    parsed = Horizon.parse(horizon)
    return parsed, parsed.in_units(posterior.time_unit)
