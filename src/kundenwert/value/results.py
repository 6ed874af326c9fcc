"""What `estimate_value` returns."""

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.names import PotentialBasis
from kundenwert.value.ahead import Ahead
from kundenwert.value.breakdown import RealizedBreakdown
from kundenwert.value.counters import FloatArray
from kundenwert.value.economics import Economics
from kundenwert.value.eligibility import BoolArray
from kundenwert.value.lever_basis import PackageGains
from kundenwert.value.potential import Frontier
from kundenwert.value.settings import ValueSettings
from kundenwert.value.wallet_basis import WalletBasis

if TYPE_CHECKING:
    from kundenwert.value.payback_times import Payback


@dataclass(frozen=True, repr=False)
class Totals:
    """Simulated totals, one a parameter draw: the interval of a sum cannot be had from one customer's intervals.

    Parameters
    ----------
    base : (draw,) value of all customers, in money.
    by_cohort : (draw, cohort) the same by cohort of the posterior, 0 where it has no customers.
    expected_purchases : (draw,) orders of all customers within the value horizon.
    churned : (draw,) customers with no order within the churn horizon.
    expected : (draw, cohort) expected value given the parameters of a draw: what is not known about the cohorts,
        without the chance of individual futures. Customers without a mean spend are left out.
    """

    base: FloatArray
    by_cohort: FloatArray
    expected_purchases: FloatArray
    churned: FloatArray
    expected: FloatArray


@dataclass(frozen=True, repr=False)
class Value:
    """What every customer is worth and could be worth.

    Parameters
    ----------
    table : one row a customer, in the order of the summary; money in `settings.currency`, times in its time unit.
    settings : what was asked for.
    totals : by draw.
    frontier : what potential value was measured against.
    economics, ahead : margin and costs of each customer, and what orders to come bring and cost.
    breakdown : realized value by what it is made of.
    room : (customer,) unrealized value by peers before the cap on its total, in money.
    detail : unrealized value by every basis at hand, see `side_by_side`.
    basis : the one that the table rests on.
    levers : what packages of levers gain; None where none were declared.
    wallets : what customers spend in the whole category; None where nothing is known of it.
    payback : when customers bring back what acquiring them cost; None where it was not asked.
    gone : (customer,) who is known to be no customer any more; None where nobody is.
    cost_events : (customer,) what cost events have cost so far by kind, or None.
    notes : what a reader must know about the whole.
    """

    table: pd.DataFrame
    settings: ValueSettings
    totals: Totals
    frontier: Frontier
    economics: Economics
    ahead: Ahead
    breakdown: RealizedBreakdown
    room: FloatArray
    detail: pd.DataFrame
    basis: PotentialBasis
    levers: PackageGains | None = None
    wallets: WalletBasis | None = None
    payback: "Payback | None" = None
    gone: BoolArray | None = None
    cost_events: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Value {self._summary()}>"

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return f"<p>Value: {escape(self._summary())}</p><ul>{notes}</ul>{self.table.head().to_html()}"

    def _summary(self) -> str:
        low, high = np.quantile(self.totals.base, [0.5 - self.settings.interval / 2, 0.5 + self.settings.interval / 2])
        money = f" {self.settings.currency}" if self.settings.currency else ""
        return (
            f"of {len(self.table):,} customers over {self.settings.horizon}: actual {np.median(self.totals.base):,.0f}"
            f"{money} ({self.settings.interval:.0%}: {low:,.0f} to {high:,.0f}), "
            f"unrealized {self.table['unrealized_value'].sum():,.0f}{money}, {self.settings.value_basis}"
        )
