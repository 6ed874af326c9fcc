"""Realized value by what it is made of: what came in, what went back, and what it cost."""

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.customers.events import is_joint
from kundenwert.customers.summary import need_summary
from kundenwert.errors import UsageError
from kundenwert.value.assumptions import Assumption
from kundenwert.value.counters import FloatArray
from kundenwert.value.economics import RETURNED, Economics
from kundenwert.value.settings import COSTS_WITHOUT_MARGIN, ValueBasis

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary

NEEDED = ("gross", "refunds", "orders")
EVENT_PREFIX = "event_"


@dataclass(frozen=True, repr=False, eq=False)
class RealizedBreakdown:
    """What each customer has brought so far, in parts that add up.

    Parameters
    ----------
    table : one row a customer, in the order of the summary: `customer_id`; then money, costs negative: `gross_margin`
        (`revenue` where no margin was given), `refunds`, `order_costs`, `return_costs`, `event_KIND` for each kind of
        cost event, `joint_KIND` for shares of each kind of joint cost, `acquisition_cost` where it is known; last
        `realized_value`, their sum.
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

    @property
    def joint_parts(self) -> tuple[str, ...]:
        """The columns that hold shares of joint costs."""
        return tuple(name for name in self.parts if is_joint(name))

    @property
    def realized_before_allocation(self) -> FloatArray:
        """(customer,) the same sum without shares of joint costs: what no rule of sharing has touched."""
        own = [self.table[name].to_numpy(dtype=np.float64) for name in self.parts if name not in self.joint_parts]
        return np.asarray(np.sum(own, axis=0) + 0.0)

    def __repr__(self) -> str:
        sums = ", ".join(f"{name} {self.table[name].sum():,.0f}" for name in (*self.parts, "realized_value"))
        before = f" ({self.realized_before_allocation.sum():,.0f} before joint costs)" if self.joint_parts else ""
        return f"<RealizedBreakdown of {len(self.table):,} customers: {sums}{before}>"

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
    events : what serving these customers cost up to the end of observation, (customer,) one column of money a kind, as
        `sum_events` returns it; columns that begin with `joint_` hold shares of joint costs.

    Returns
    -------
    RealizedBreakdown
        NaN where the summary does not hold what a part takes, as one made from four columns does not.

    Raises
    ------
    UsageError : economics or events of other customers, or events without a margin.

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
    >>> tickets = pd.DataFrame({"ticket": [4.5]})
    >>> found = realized_breakdown(summary, costs, tickets)
    >>> found.parts
    ('gross_margin', 'refunds', 'order_costs', 'return_costs', 'event_ticket')
    >>> found.table.iloc[0, 1:].tolist()
    [50.0, -10.0, -12.0, -3.0, -4.5, 20.5]
    """
    need_summary(summary)
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
        sums = _checked(events, table)
        # The kinds of shared costs say so already, and come after the customers' own.
        for kind in sorted(sums.columns, key=is_joint):
            name = str(kind) if is_joint(kind) else f"{EVENT_PREFIX}{kind}"
            parts[name] = -sums[kind].to_numpy(dtype=np.float64)
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


def _checked(events: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Sums by kind of exactly these customers."""
    if not events.index.equals(table.index):
        raise UsageError(
            f"cost events of {len(events):,} customers are not those of the summary's {len(table):,}, row by row. "
            "Pass sum_events(events, summary)."
        )
    wrong = [str(kind) for kind in events.columns if not np.isfinite(events[kind].to_numpy(dtype=np.float64)).all()]
    if wrong:
        raise UsageError(f"sums of cost events are not numbers: {', '.join(wrong)}. Pass sum_events(events, summary).")
    return events


def _not_counted(economics: Economics) -> tuple[Assumption, ...]:
    """Costs of time, which start with the forecast: when a customer of the past was active, nobody has seen."""
    ahead = "is charged to the time ahead only: what customers have brought so far is before this cost."
    given = [
        ("value.cost_per_year_active", economics.active_cost, "The yearly cost of an active customer"),
        ("value.cost_per_year_on_file", economics.file_cost, "The yearly cost of a customer on file"),
    ]
    return tuple(Assumption(key, f"{what} {ahead}", "given") for key, cost, what in given if cost.any())
