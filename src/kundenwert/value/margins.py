"""Margins and acquisition costs: one number for all customers, or one for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.errors import DataError, UsageError, Violation, did_you_mean
from kundenwert.value.counters import FloatArray
from kundenwert.value.settings import COSTS_WITHOUT_MARGIN

if TYPE_CHECKING:
    from kundenwert.value.results import Value

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


def margins_and_costs(
    margin: PerCustomer, acquisition_cost: PerCustomer, table: pd.DataFrame
) -> tuple[FloatArray, FloatArray | None]:
    """Margin and acquisition cost of each customer.

    Parameters
    ----------
    margin : share of spend that is contribution, from -1 (negative: each sale loses money) to 1: a number,
        `column:NAME` or the name of a column of the table, or (customer,) numbers. None for 1.
    acquisition_cost : money, not negative, in the same forms. None where unknown.
    table : customer summary.

    Returns
    -------
    (customer,) margins, and (customer,) costs or None.

    Raises
    ------
    UsageError : no such column, another length, one number for all that cannot be, or a cost without a margin.
    DataError : values that are missing, infinite or outside the limits, of both columns in one message.

    Examples
    --------
    >>> table = pd.DataFrame({"customer_id": [1, 2], "share": [0.3, -0.1]})
    >>> margins_and_costs("column:share", 20.0, table)
    (array([ 0.3, -0.1]), array([20., 20.]))
    """
    if margin is None and acquisition_cost is not None:
        raise UsageError(COSTS_WITHOUT_MARGIN)
    margins, violations = numbers_of(1.0 if margin is None else margin, table, MARGIN)
    costs = None
    if acquisition_cost is not None:
        costs, broken = numbers_of(acquisition_cost, table, cost_limits("acquisition_cost"))
        violations += broken
    if violations:
        raise DataError("customer summary", violations)
    return margins, costs


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


def new_customer_margins(value: "Value", cohorts: Sequence[str]) -> FloatArray:
    """The margin of a customer not yet acquired: the mean over the customers of the same cohort.

    Exact for the mean value of new customers where margin and behaviour are independent within a cohort.

    Parameters
    ----------
    value : of the customers so far.
    cohorts : in the order that is wanted.

    Returns
    -------
    (cohort,) margins; NaN for a cohort without customers who have one of their own.
    """
    if value.settings.margin is not None:
        return np.full(len(cohorts), value.settings.margin)
    means = pd.Series(value.margin).groupby(value.table["cohort"].to_numpy()).mean()
    return np.asarray(means.reindex(list(cohorts)), dtype=np.float64)
