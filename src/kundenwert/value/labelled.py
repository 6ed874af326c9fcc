"""Predictive draws of a few named customers: the same streams as in a pass over everybody, made again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kundenwert.errors import UsageError
from kundenwert.value.actual import simulate_value
from kundenwert.value.block import Block
from kundenwert.value.counters import FloatArray
from kundenwert.value.individuals import histories, population, stream
from kundenwert.value.outlook import Outlook
from kundenwert.value.results import Value

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior


def predictive_quantiles(
    value: Value, posterior: "Posterior", summary: "CustomerSummary", ids: Sequence[object], count: int = 20
) -> FloatArray:
    """Equally likely values of a few customers: the middle of each `1/count` of the predictive distribution.

    Parameters
    ----------
    value : from the same posterior and summary.
    ids : customers, as in the summary.
    count : how many values; 20 make "19 of 20" visible.

    Returns
    -------
    (id, count) money, ascending along the last axis

    Raises
    ------
    UsageError : an id that the summary does not hold.
    """
    position = {key: row for row, key in enumerate(summary.table["customer_id"])}
    unknown = [key for key in ids if key not in position]
    if unknown:
        raise UsageError(f"customer {unknown[0]!r} is not in the summary. Ids keep the type that they were read with.")
    rows = np.array([position[key] for key in ids], dtype=np.int64)
    few = replace(summary, table=summary.table.iloc[rows].reset_index(drop=True))
    settings, ahead = value.settings, value.ahead.take(rows)
    levels = (np.arange(count) + 0.5) / count
    people = population(posterior, settings.draws, settings.seed)
    quantiles = np.empty((len(rows), count))

    def reduce(block: Block) -> FloatArray:
        outlook = Outlook(block, block.rows, ahead.take(block.rows), settings.terms)
        return np.asarray(np.quantile(simulate_value(outlook).value, levels, axis=1).T)

    passed = stream(people, histories(posterior, few), reduce, returned=ahead.returned, threads=1)
    for chosen, _, found in passed:
        quantiles[chosen] = found
    return quantiles
