"""What serving customers brings and costs the firm, resolved to one number a customer: what all values rest on."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.errors import DataError, UsageError, Violation
from kundenwert.units import Horizon, TimeUnit, rate_per_unit
from kundenwert.value.counters import FloatArray
from kundenwert.value.margins import MARGIN, PerCustomer, cost_limits, numbers_of
from kundenwert.value.settings import COSTS_WITHOUT_MARGIN, ValueBasis

RETURNED = "returned_orders"


@dataclass(frozen=True, eq=False)
class Economics:
    """Margin and costs of each customer, in money and in the time unit of the posterior.

    Parameters
    ----------
    margin : (customer,) share of spend that is contribution, from -1 to 1; 1 where the basis is revenue.
    order_cost : (customer,) money per order, beyond the margin.
    return_cost : (customer,) money per order that is returned, beyond what is refunded.
    active_cost : (customer,) money per time unit while the customer is alive.
    file_cost : (customer,) money per time unit while the record is kept.
    acquisition_cost : (customer,) money; None where unknown.
    deactivation : time units without a purchase after which a record is dropped; infinite where none is.
    value_basis : "revenue" where no margin was given; then all costs are 0.
    uniform : whether margin and costs of orders and of time were given as numbers: the same for customers to come.
    """

    margin: FloatArray
    order_cost: FloatArray
    return_cost: FloatArray
    active_cost: FloatArray
    file_cost: FloatArray
    acquisition_cost: FloatArray | None
    deactivation: float
    value_basis: ValueBasis
    uniform: bool = False

    def __len__(self) -> int:
        return len(self.margin)

    @property
    def has_costs(self) -> npt.NDArray[np.bool_]:
        """(customer,) whether anything is taken off the margin of orders to come.

        Whoever has no costs and no negative margin cannot be worth less than nothing.
        """
        costs = (self.order_cost, self.return_cost, self.active_cost, self.file_cost)
        return np.asarray(np.any([cost > 0 for cost in costs], axis=0))


def resolve_economics(
    table: pd.DataFrame,
    *,
    margin: PerCustomer = None,
    cost_per_order: PerCustomer = 0.0,
    return_cost: PerCustomer = 0.0,
    cost_per_year_active: PerCustomer = 0.0,
    cost_per_year_on_file: PerCustomer = 0.0,
    acquisition_cost: PerCustomer = None,
    deactivate_after: Horizon | str | None = None,
    time_unit: TimeUnit | str,
) -> Economics:
    """Margin and costs of each customer, from numbers, arrays and columns.

    Parameters
    ----------
    table : customer summary.
    margin : share of spend that is contribution, from -1 (negative: each sale loses money) to 1: a number,
        `column:NAME` of the table, or (customer,) numbers. Without one the basis is revenue, and costs are refused.
    cost_per_order : money per order, in the same forms as all costs.
    return_cost : money per returned order, beyond the refund. It takes the column `returned_orders`.
    cost_per_year_active, cost_per_year_on_file : money per year, while alive and while the record is kept.
    acquisition_cost : money. None where unknown.
    deactivate_after : a record without a purchase for so long is dropped, and costs no more. None: it is kept.
    time_unit : of the posterior and of the costs that are returned.

    Returns
    -------
    Economics

    Raises
    ------
    UsageError : no such column, another length, one number for all that cannot be, or a cost without a margin.
    DataError : values that are missing, infinite or outside their limits, of all columns in one message; return costs
        of customers of whom it is not known how many orders they returned.

    Notes
    -----
    docs/statistics.md, sections Realized value and Actual value.

    Examples
    --------
    >>> table = pd.DataFrame({"customer_id": [1, 2], "share": [0.3, -0.1]})
    >>> found = resolve_economics(table, margin="column:share", cost_per_year_on_file=36.525, time_unit="day")
    >>> found.margin.tolist(), found.file_cost.round(9).tolist(), found.deactivation
    ([0.3, -0.1], [0.1, 0.1], inf)
    """
    given = {
        "cost_per_order": cost_per_order,
        "return_cost": return_cost,
        "cost_per_year_active": cost_per_year_active,
        "cost_per_year_on_file": cost_per_year_on_file,
        "acquisition_cost": acquisition_cost,
    }
    if margin is None and (acquisition_cost is not None or any(map(_is_cost, given.values()))):
        raise UsageError(COSTS_WITHOUT_MARGIN)
    unit = TimeUnit.parse(time_unit)
    a_year = rate_per_unit(1.0, unit)
    margins, violations = numbers_of(1.0 if margin is None else margin, table, MARGIN)
    costs = {}
    for name, cost in given.items():
        costs[name], broken = numbers_of(0.0 if cost is None else cost, table, cost_limits(name))
        violations += broken
    violations += _uncounted_returns(table, costs["return_cost"])
    if violations:
        raise DataError("customer summary", violations)
    return Economics(
        margin=margins,
        order_cost=costs["cost_per_order"],
        return_cost=costs["return_cost"],
        active_cost=a_year * costs["cost_per_year_active"],
        file_cost=a_year * costs["cost_per_year_on_file"],
        acquisition_cost=None if acquisition_cost is None else costs["acquisition_cost"],
        deactivation=math.inf if deactivate_after is None else Horizon.parse(deactivate_after).in_units(unit),
        value_basis="revenue" if margin is None else "contribution",
        uniform=all(_is_number(given) for given in (margin, cost_per_order, cost_per_year_active)),
    )


def _is_number(given: PerCustomer) -> bool:
    return given is None or (not isinstance(given, str) and np.ndim(given) == 0)


def _is_cost(given: PerCustomer) -> bool:
    """Whether somebody said that there is a cost: a column or an array says so whatever it holds."""
    if given is None or isinstance(given, str):
        return given is not None
    return np.ndim(given) > 0 or bool(np.asarray(given) != 0)


def _uncounted_returns(table: pd.DataFrame, return_cost: FloatArray) -> list[Violation]:
    counts = table[RETURNED].to_numpy(dtype=np.float64, na_value=np.nan) if RETURNED in table else np.nan
    missing = (return_cost > 0) & np.isnan(counts)
    if not missing.any():
        return []
    return [
        Violation(
            f"there is a return_cost, and {RETURNED} is not known",
            int(missing.sum()),
            table["customer_id"].to_numpy()[missing].tolist(),
            f"Add the column {RETURNED}, the number of orders that came back, or set return_cost to 0.",
            "customer",
        )
    ]
