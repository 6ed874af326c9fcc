"""Realized value: what a customer has brought so far, counted and not estimated."""

import numpy as np
import pandas as pd

from kundenwert.value.counters import FloatArray

NEEDED = ("gross", "refunds", "orders")


def realized_values(
    table: pd.DataFrame, margin: FloatArray, cost_per_order: float, acquisition_cost: FloatArray | None
) -> FloatArray:
    """Contribution to date: margin on what was paid and kept, less order costs and the cost of acquisition.

    Nominal: nothing is compounded. The first purchase belongs to it. A refunded order keeps its cost.
    Source: docs/statistics.md, section Realized value.

    Parameters
    ----------
    table : customer summary; columns `gross` and `refunds` (both money >= 0) and `orders`.
    margin : (customer,).
    cost_per_order : money.
    acquisition_cost : (customer,) money, or None where unknown (then it is left out).

    Returns
    -------
    (customer,) money; NaN where the summary does not hold what it takes, as one made from four columns does not.

    Examples
    --------
    >>> table = pd.DataFrame({"gross": [100.0], "refunds": [20.0], "orders": [3]})
    >>> realized_values(table, np.array([0.5]), 4.0, None).tolist()
    [28.0]
    """
    if any(name not in table for name in NEEDED):
        return np.full(len(table), np.nan)
    gross, refunds, orders = (table[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in NEEDED)
    value = margin * (gross - refunds) - cost_per_order * orders
    return np.asarray(value if acquisition_cost is None else value - acquisition_cost)
