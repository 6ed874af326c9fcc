"""Draws of a few named customers: the same streams as in a pass over everybody, made again."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.names import PotentialBasis
from kundenwert.value.actual import simulate_value
from kundenwert.value.appraisal import Appraisal, appraised
from kundenwert.value.counters import FloatArray
from kundenwert.value.gathering import reduce_expected
from kundenwert.value.outlook import Outlook
from kundenwert.value.results import Value
from kundenwert.value.variates import IntArray

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
    appraisal, rows = appraised(value, posterior, summary), rows_of(summary, ids)
    levels = (np.arange(count) + 0.5) / count

    def reduce(outlook: Outlook) -> FloatArray:
        return np.asarray(np.quantile(simulate_value(outlook).value, levels, axis=1).T)

    return _of_few(appraisal, rows, reduce, count)


def value_draws(
    value: Value, posterior: "Posterior", summary: "CustomerSummary", ids: Sequence[object]
) -> pd.DataFrame:
    """All draws of a few customers, labelled: what the columns of a value's table are means of.

    Parameters
    ----------
    value : from the same posterior and summary.
    ids : customers, as in the summary.

    Returns
    -------
    (customer x draw,) rows, customers in the order of `ids`:

        - `customer_id`, `draw` : from 0.
        - `p_alive` : probability of being alive under the parameters of the draw.
        - `actual`, `unrealized` : money, expected given alive, rate, dropout, spend and returns as drawn; file cost is
          taken off. Under levers, unrealized value is missing in the draws that chose the package.
        - `outcome` : actual value as it turns out in one future, in which the customer may be gone already.

    Raises
    ------
    UsageError : an id that the summary does not hold.

    Notes
    -----
    Expected actual value is the mean of `p_alive * actual`, less the file cost of those who have gone. With a spend
    that varies much, means of these draws are noisier than the table's closed forms (docs/statistics.md, Actual value).

    Examples
    --------
    >>> value = kw.estimate_value(posterior, summary, horizon="1 year", margin=0.3, draws=100)
    >>> kw.value_draws(value, posterior, summary, summary.table["customer_id"][:2]).shape
    (200, 6)
    """
    appraisal, rows = appraised(value, posterior, summary), rows_of(summary, ids)
    scale = value.frontier.attainable_scale if value.basis is PotentialBasis.PEERS else 1.0

    def reduce(outlook: Outlook) -> FloatArray:
        room = reduce_expected(outlook, appraisal).room
        unrealized = np.full(outlook.block.shape, np.nan)
        unrealized[:, room.draws] = scale * room.given_alive
        given = (outlook.block.p_alive, outlook.actual, unrealized, simulate_value(outlook).value)
        return np.stack(given, axis=1).reshape(len(outlook.rows), -1)

    draws = appraisal.people.draws
    found = _of_few(appraisal, rows, reduce, 4 * draws).reshape(len(rows), 4, draws)
    ids_of = summary.table["customer_id"].to_numpy(dtype=object)[rows]
    columns = dict(zip(("p_alive", "actual", "unrealized", "outcome"), np.moveaxis(found, 1, 0), strict=True))
    return pd.DataFrame(
        {
            "customer_id": np.repeat(ids_of, draws),
            "draw": np.tile(np.arange(draws), len(rows)),
            **{name: values.ravel() for name, values in columns.items()},
        }
    )


def rows_of(summary: "CustomerSummary", ids: Sequence[object]) -> IntArray:
    """(id,) positions of customers, as often as they are named.

    Raises
    ------
    UsageError : an id that the summary does not hold.
    """
    position = {key: row for row, key in enumerate(summary.table["customer_id"])}
    unknown = [key for key in ids if key not in position]
    if unknown:
        raise UsageError(f"customer {unknown[0]!r} is not in the summary. Ids keep the type that they were read with.")
    return np.array([position[key] for key in ids], dtype=np.int64)


def _of_few(appraisal: Appraisal, rows: IntArray, reduce: Callable[[Outlook], FloatArray], width: int) -> FloatArray:
    """(id, width) what a pass over some customers finds, in the order of `rows`."""
    distinct, owner = np.unique(rows, return_inverse=True)
    found = np.empty((len(distinct), width))
    for chosen, _, values in appraisal.stream(reduce, rows=distinct, stage="draws", threads=1):
        found[np.searchsorted(distinct, chosen)] = values
    return np.asarray(found[owner])
