"""What customers still have to bring back of what it cost to win them, from the ledger alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.customers.ledgers import Ledger
from kundenwert.errors import FIRST_IDS, UsageError
from kundenwert.value.breakdown import realized_breakdown
from kundenwert.value.counters import FloatArray
from kundenwert.value.economics import Economics
from kundenwert.value.variates import IntArray

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary

ROUNDING = 1e-6  # of all that a customer has ever brought and cost: a summary holds sums of rounded money


@dataclass(frozen=True, eq=False)
class Deficits:
    """What customers still have to bring back.

    Parameters
    ----------
    deficit : (customer,) acquisition cost less all that the customer has brought, each grown to the end of observation;
        negative where there is a surplus.
    paid_on : (customer,) the first day at whose end the cost was covered, NaT where it never was. Later costs may have
        opened a deficit again.
    """

    deficit: FloatArray
    paid_on: npt.NDArray[np.datetime64]

    @property
    def paid_back(self) -> npt.NDArray[np.bool_]:
        """(customer,) whether the cost was ever covered."""
        return ~np.isnat(self.paid_on)

    @property
    def missing(self) -> FloatArray:
        """(customer,) what orders to come have to bring, minus infinity where nothing is waited for any more."""
        return np.where(self.paid_back, -np.inf, self.deficit)


def deficits_of(
    summary: "CustomerSummary",
    ledger: Ledger,
    economics: Economics,
    rate: float,
    cost_events: pd.DataFrame | None = None,
) -> Deficits:
    """What is left of the acquisition cost after all that customers have brought, and who has paid it back.

    Parameters
    ----------
    summary, ledger : of the same customers.
    economics : of these customers, with a margin and an acquisition cost.
    rate : at which money grows, continuous, per time unit.
    cost_events : (customer,) what events have cost so far by kind; the ledger must hold the same.

    Raises
    ------
    UsageError : no margin or no acquisition cost, or a ledger of other customers or without the same costs.
    """
    if economics.value_basis == "revenue":
        raise UsageError("payback needs a margin: revenue pays nothing back. Estimate the value with margin=0.30.")
    if economics.acquisition_cost is None:
        raise UsageError(
            "payback needs to know what acquiring customers cost. Estimate the value with acquisition_cost=20.0, or "
            "with a column: acquisition_cost='column:NAME'."
        )
    ids, known = (column.to_numpy(dtype=object) for column in (summary.table["customer_id"], ledger.customer_id))
    when, ended = (summary.observation_end, summary.time_unit), (ledger.end, ledger.time_unit)
    if not np.array_equal(ids, known) or when != ended:
        raise UsageError("the ledger is not the summary's. Make it with ledger(log, summary, events).")
    brought = ledger.contributions(economics.margin, economics.order_cost, economics.return_cost)
    realized = realized_breakdown(summary, economics, cost_events).table["realized_value"].to_numpy()
    _refuse_other_costs(ledger, brought, economics.acquisition_cost, realized)
    age = (np.datetime64(ledger.end, "D") - ledger.first_day).astype(np.float64) / ledger.time_unit.days
    left = economics.acquisition_cost - ledger.running(brought, rate)[_last(ledger)]
    covered = ledger.covered(brought, economics.acquisition_cost, rate)["day"].to_numpy()
    return Deficits(left * np.exp(rate * age), covered)


def _refuse_other_costs(ledger: Ledger, brought: FloatArray, cost: FloatArray, realized: FloatArray) -> None:
    """Ledger and realized value must tell the same of the past, or the cost events of one of them are missing."""
    last = _last(ledger)
    found = ledger.running(brought)[last] - cost
    odd = ~(np.abs(found - realized) <= ROUNDING * (ledger.running(np.abs(brought))[last] + np.abs(realized)))
    if odd.any():
        ids = ", ".join(map(str, ledger.customer_id.to_numpy()[odd][:FIRST_IDS]))
        raise UsageError(
            f"{int(odd.sum()):,} customers have brought something else by the ledger than by the value (first: {ids}). "
            "Make both from the same log and the same cost events: ledger(log, summary, events) and "
            "estimate_value(..., cost_events=sum_events(events, summary))."
        )


def _last(ledger: Ledger) -> IntArray:
    """(customer,) position of each customer's last entry."""
    return np.flatnonzero(np.diff(ledger.customer, append=len(ledger.customer_id)))
