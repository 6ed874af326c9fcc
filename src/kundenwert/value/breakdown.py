"""Realized value by what it is made of: what came in, what went back, and what it cost."""

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.errors import DataError, UsageError, Violation, did_you_mean
from kundenwert.value.assumptions import Assumption
from kundenwert.value.counters import FloatArray
from kundenwert.value.economics import RETURNED, Economics
from kundenwert.value.realized import NEEDED
from kundenwert.value.settings import COSTS_WITHOUT_MARGIN, ValueBasis

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary

EVENT_COLUMNS = ("customer_id", "kind", "amount")
EVENT_PREFIX = "event_"


@dataclass(frozen=True, repr=False, eq=False)
class RealizedBreakdown:
    """What each customer has brought so far, in parts that add up.

    Parameters
    ----------
    table : one row a customer, in the order of the summary: `customer_id`; then money, costs negative: `gross_margin`
        (`revenue` where no margin was given), `refunds`, `order_costs`, `return_costs`, `event_KIND` for each kind of
        cost event, `acquisition_cost` where it is known; last `realized_value`, their sum.
    value_basis : "revenue" where no margin was given.
    not_counted : costs that were given and that are charged to the future only.
    """

    table: pd.DataFrame
    value_basis: ValueBasis
    not_counted: tuple[Assumption, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The columns that add up to `realized_value`."""
        return tuple(self.table.columns[1:-1])

    def __repr__(self) -> str:
        sums = ", ".join(f"{name} {self.table[name].sum():,.0f}" for name in (*self.parts, "realized_value"))
        return f"<RealizedBreakdown of {len(self.table):,} customers: {sums}>"

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{escape(one.words)}</li>" for one in self.not_counted)
        return f"<p>{escape(repr(self))}</p><ul>{notes}</ul>{self.table.head().to_html()}"


def realized_breakdown(
    summary: "CustomerSummary", economics: Economics, events: pd.DataFrame | None = None
) -> RealizedBreakdown:
    """Realized value of each customer by its parts, nominal, from data alone.

    The first purchase belongs to it. An order that comes back keeps its cost, and brings that of the return. A refund
    takes back the margin of what it refunds.

    Parameters
    ----------
    summary : customers; columns `gross`, `refunds`, `orders`, and `returned_orders` for customers with a return cost.
    economics : of these customers, as `resolve_economics` returns it.
    events : cost events of these customers up to the end of observation: `customer_id`, `kind` (text) and `amount`
        (money, not negative). Rows of one customer and kind are added up; further columns are not read.

    Returns
    -------
    RealizedBreakdown
        NaN where the summary does not hold what a part takes, as one made from four columns does not.

    Raises
    ------
    UsageError : economics of other customers, events without a margin, or a column of the events is missing.
    DataError : events of customers whom the summary does not know, without a kind, or with an amount that is no cost.

    Notes
    -----
    docs/statistics.md, section Realized value.

    Examples
    --------
    >>> import kundenwert as kw
    >>> from kundenwert.value.economics import resolve_economics
    >>> frame = pd.DataFrame({"frequency": [2], "recency": [9.0], "T": [20.0], "monetary_value": [30.0],
    ...                       "gross": [100.0], "refunds": [20.0], "orders": [3], "returned_orders": [1]})
    >>> summary = kw.as_summary(frame, time_unit="week")
    >>> costs = resolve_economics(summary.table, margin=0.5, cost_per_order=4.0, return_cost=3.0, time_unit="week")
    >>> tickets = pd.DataFrame({"customer_id": [0, 0], "kind": "ticket", "amount": [2.0, 2.5]})
    >>> found = realized_breakdown(summary, costs, tickets)
    >>> found.parts
    ('gross_margin', 'refunds', 'order_costs', 'return_costs', 'event_ticket')
    >>> found.table.iloc[0, 1:].tolist()
    [50.0, -10.0, -12.0, -3.0, -4.5, 20.5]
    """
    table = summary.table
    if len(economics) != len(table):
        raise UsageError(f"economics of {len(economics):,} customers cannot be those of {len(table):,}.")
    gross, refunds, orders = (_column(table, name) for name in NEEDED)
    returned = np.where(economics.return_cost > 0, _column(table, RETURNED), 0.0)
    parts = {
        "revenue" if economics.value_basis == "revenue" else "gross_margin": economics.margin * gross,
        "refunds": -economics.margin * refunds,
        "order_costs": -economics.order_cost * orders,
        "return_costs": -economics.return_cost * returned,
    }
    if events is not None:
        if economics.value_basis == "revenue":
            raise UsageError(COSTS_WITHOUT_MARGIN)
        sums = _sums(events, table["customer_id"])
        parts |= {f"{EVENT_PREFIX}{kind}": -amounts for kind, amounts in sums.items()}
    if economics.acquisition_cost is not None:
        parts["acquisition_cost"] = -economics.acquisition_cost
    found = pd.DataFrame({"customer_id": table["customer_id"].array})
    for name, money in parts.items():
        found[name] = money + 0.0  # -0.0 becomes 0.0
    found["realized_value"] = np.sum([*parts.values()], axis=0) + 0.0
    return RealizedBreakdown(found, economics.value_basis, _not_counted(economics))


def _column(table: pd.DataFrame, name: str) -> FloatArray:
    if name not in table:
        return np.full(len(table), np.nan)
    return np.asarray(table[name].to_numpy(dtype=np.float64, na_value=np.nan))


def _sums(events: pd.DataFrame, customers: "pd.Series[Any]") -> dict[str, FloatArray]:
    """Kind -> (customer,) sum of the amounts, kinds in the order of their names."""
    for name in EVENT_COLUMNS:
        if name not in events:
            hint = did_you_mean(name, map(str, events.columns))
            raise UsageError(f"cost events have no column {name!r}.{hint} They need {', '.join(EVENT_COLUMNS)}.")
    ids = events["customer_id"].to_numpy()
    at = pd.Index(customers).get_indexer(pd.Index(ids))
    amounts = pd.to_numeric(events["amount"], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    finite = np.isfinite(amounts)
    names = events["kind"].astype(str).str.strip()
    unnamed = events["kind"].isna().to_numpy() | (names == "").to_numpy()
    rules = [
        (at < 0, "the customer is not in the summary", "Drop these events, or write ids as the orders have them."),
        (unnamed, "the kind is missing", "Say what the cost was for, such as 'ticket'."),
        (~finite, "the amount is missing, not a number or infinite", "Fill it in, or drop these events."),
        (finite & (amounts < 0), "the amount is negative", "Costs are positive numbers."),
    ]
    violations = [
        Violation(rule, int(rows.sum()), ids[rows].tolist(), remedy) for rows, rule, remedy in rules if rows.any()
    ]
    if violations:
        raise DataError("cost events", violations)
    codes, kinds = pd.factorize(names, sort=True)
    return {
        str(kind): np.bincount(at[codes == code], weights=amounts[codes == code], minlength=len(customers))
        for code, kind in enumerate(kinds)
    }


def _not_counted(economics: Economics) -> tuple[Assumption, ...]:
    """Costs of time, which start with the forecast: when a customer of the past was active, nobody has seen."""
    ahead = "is charged to the time ahead only: what customers have brought so far is before this cost."
    given = [
        ("value.cost_per_year_active", economics.active_cost, "The yearly cost of an active customer"),
        ("value.cost_per_year_on_file", economics.file_cost, "The yearly cost of a customer on file"),
    ]
    return tuple(Assumption(key, f"{what} {ahead}", "given") for key, cost, what in given if cost.any())
