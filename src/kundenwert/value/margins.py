"""Margins and costs: one number for all customers, or one for each."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.errors import UsageError, Violation, did_you_mean
from kundenwert.value.counters import FloatArray

type PerCustomer = float | str | npt.ArrayLike | None


@dataclass(frozen=True)
class Limits:
    """What the numbers of customers called `name` must lie between, and what is said where they do not.

    Parameters
    ----------
    low, high : both allowed.
    rule, remedy : of a value outside.
    """

    name: str
    low: float
    high: float
    rule: str
    remedy: str


# Below -1 a customer would cost twice what he pays: such numbers are per cent, or money. A real loss up to that passes.
MARGIN = Limits("margin", -1.0, 1.0, "lies outside -1 to 1", "It is a share of spend: write 0.30 for 30 %.")


def cost_limits(name: str) -> Limits:
    """Those of a cost: any amount that is not negative."""
    return Limits(name, 0.0, np.inf, "is negative", "Costs are positive numbers.")


def numbers_of(
    given: float | str | npt.ArrayLike, table: pd.DataFrame, limits: Limits
) -> tuple[FloatArray, list[Violation]]:
    """The number of each customer, and what is wrong with them.

    Parameters
    ----------
    given : a number for all, `column:NAME` or the name of a column of the table, or (customer,) numbers.
    table : customer summary.

    Returns
    -------
    (customer,) numbers, and a violation for each rule that some of them break.

    Raises
    ------
    UsageError : no such column, another length, or one number for all that cannot be.
    """
    what = limits.name
    if isinstance(given, str):
        column = given.removeprefix("column:")
        if column not in table:
            hint = did_you_mean(column, map(str, table.columns))
            raise UsageError(f"{limits.name} column {column!r} is not in the customer summary.{hint}")
        what = f"{limits.name} (column {column!r})"
        given = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    values = np.asarray(given, dtype=np.float64)
    outside = (values < limits.low) | (values > limits.high)
    if values.ndim == 0:
        if outside or not np.isfinite(values):
            raise UsageError(f"{what} {float(values):g} {limits.rule if outside else 'is not finite'}. {limits.remedy}")
        return np.full(len(table), float(values)), []
    if values.shape != (len(table),):
        raise UsageError(f"{what} has shape {values.shape}, the summary has {len(table):,} customers.")
    ids, bad = table["customer_id"].to_numpy(), ~np.isfinite(values)
    rules = [
        (bad, f"{what} is missing, not a number or infinite", "Fill it in, or drop these customers."),
        (outside & ~bad, f"{what} {limits.rule}", limits.remedy),
    ]
    return values, [
        Violation(rule, int(rows.sum()), ids[rows].tolist(), remedy, "customer")
        for rows, rule, remedy in rules
        if rows.any()
    ]
