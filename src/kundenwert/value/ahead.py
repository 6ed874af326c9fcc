"""What orders to come bring and cost: the economics of each customer with what is expected of returns and events."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from kundenwert.customers.events import is_joint
from kundenwert.names import Returns
from kundenwert.value.counters import FloatArray
from kundenwert.value.economics import Economics
from kundenwert.value.event_costs import EventPrior, costs_per_order, fit_event_prior
from kundenwert.value.paid_orders import PaidPrior, fit_paid_prior, paid_shares
from kundenwert.value.returns import ReturnPrior, ReturnShares, fit_return_prior, return_shares
from kundenwert.value.variates import IntArray

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary


@dataclass(frozen=True, eq=False)
class AheadPriors:
    """What returns and events of customers are expected to be before their own are seen; saved with a run.

    Parameters
    ----------
    returns, events, paid : None where nothing rests on them.
    """

    returns: ReturnPrior | None = None
    events: EventPrior | None = None
    paid: PaidPrior | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what nothing rests on is left out."""
        stated = {"returns": self.returns, "events": self.events, "paid": self.paid}
        return {name: prior.to_dict() for name, prior in stated.items() if prior is not None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        returns, events, paid = data.get("returns"), data.get("events"), data.get("paid")
        return cls(
            None if returns is None else ReturnPrior.from_dict(returns),
            None if events is None else EventPrior.from_dict(events),
            None if paid is None else PaidPrior.from_dict(paid),
        )


@dataclass(frozen=True, eq=False)
class Ahead:
    """What an order to come brings and costs, and what time costs: what forecasts of value read.

    Parameters
    ----------
    margin : (customer,) share of spend that is contribution.
    order_cost : (customer,) money per order: order cost, expected return cost, expected cost of events.
    active_cost, file_cost : (customer,) money per time unit, while alive and while the record is kept.
    returned : (customer, 2) shapes of the Beta share of what is paid that comes back; None where amounts are net.
    uniform : whether all customers, of whatever base, have the same four numbers.
    priors : that expectations rest on.
    paid : (customer,) chance that an order brings any money: some are free, and of some refunds leave nothing; None
        where every order does.
    """

    margin: FloatArray
    order_cost: FloatArray
    active_cost: FloatArray
    file_cost: FloatArray
    returned: FloatArray | None = None
    uniform: bool = False
    priors: AheadPriors = AheadPriors()
    paid: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.margin)

    def take(self, rows: IntArray) -> "Ahead":
        """Some of the customers."""
        returned = None if self.returned is None else self.returned[rows]
        costs = (self.order_cost[rows], self.active_cost[rows], self.file_cost[rows])
        paid = None if self.paid is None else self.paid[rows]
        return Ahead(self.margin[rows], *costs, returned, self.uniform, self.priors, paid)

    @property
    def drawn_margin(self) -> FloatArray:
        """(customer,) share of a drawn amount that is contribution, orders without money included."""
        return self.margin if self.paid is None else self.margin * self.paid

    @property
    def offers(self) -> FloatArray:
        """(customer, 4) as compiled code reads it; amounts of orders are without what comes back of them."""
        return np.column_stack([self.drawn_margin, self.order_cost, self.active_cost, self.file_cost])

    @property
    def kept(self) -> FloatArray:
        """(customer,) expected share of an order's amount that stays, orders without money included."""
        paid = np.ones(len(self)) if self.paid is None else self.paid
        return paid if self.returned is None else np.asarray(paid * self.returned[:, 1] / self.returned.sum(axis=1))

    @property
    def expected_offers(self) -> FloatArray:
        """(customer, 4) the same for amounts with what will come back of them, at its expectation."""
        offers = self.offers
        offers[:, 0] = self.margin * self.kept
        return offers


def look_ahead(
    economics: Economics,
    summary: "CustomerSummary",
    *,
    returns: Returns = Returns.NETTED,
    events: pd.DataFrame | None = None,
    priors: AheadPriors | None = None,
) -> Ahead:
    """What orders to come of each customer bring and cost.

    Parameters
    ----------
    economics : of these customers.
    summary : customers; with return costs or modelled returns the columns that `return_shares` reads.
    returns : "modelled" where the spend model saw amounts before refunds.
    events : (customer,) what events have cost so far, one column a kind, where they are expected to go on. Shares of
        joint costs are not: one order more or less does not change what an advertisement costs.
    priors : of an earlier run; by default they are fitted to these customers.

    Returns
    -------
    Ahead

    Raises
    ------
    DataError : customers whose returns are not known, where they matter.

    Notes
    -----
    docs/statistics.md, section Actual value.
    """
    cost, table = economics.order_cost, summary.table
    returned, shares = None, None
    matters = returns is Returns.MODELLED or bool(economics.return_cost.any())
    prior = None if priors is None else priors.returns
    if matters:
        prior = fit_return_prior(summary) if prior is None else prior
        shares = return_shares(summary, prior)
    if shares is not None and returns is Returns.MODELLED:
        returned = np.column_stack([shares.money.a, shares.money.b])
    if shares is not None and prior is not None:
        cost = cost + economics.return_cost * _returned_orders(summary, shares, prior)
    ahead = None if priors is None else priors.events
    own = None if events is None else events[[kind for kind in events.columns if not is_joint(kind)]]
    if own is not None and own.columns.empty:
        own = None
    if own is not None:
        spent = own.to_numpy(dtype=np.float64).sum(axis=1)
        orders = table["orders"].to_numpy(dtype=np.float64, na_value=np.nan)
        ahead = fit_event_prior(table["cohort"], spent, orders) if ahead is None else ahead
        cost = cost + costs_per_order(ahead, table["cohort"], spent, orders)
    empty = fit_paid_prior(summary) if priors is None else priors.paid
    uniform = economics.uniform and not matters and own is None and empty is None
    used = AheadPriors(prior if matters else None, ahead if own is not None else None, empty)
    costs = (cost, economics.active_cost, economics.file_cost)
    paid = None if empty is None else paid_shares(summary, empty)
    return Ahead(economics.margin, *costs, returned, uniform, used, paid)


def _returned_orders(summary: "CustomerSummary", shares: ReturnShares, prior: ReturnPrior) -> FloatArray:
    """(customer,) chance that an order comes back: the customer's own, else the cohort's where nobody counts them."""
    if shares.orders is not None:
        return shares.orders.mean
    if prior.orders is None:
        counted = return_shares(summary, fit_return_prior(summary)).orders
        return np.zeros(len(summary.table)) if counted is None else counted.mean
    return np.asarray(prior.orders.mean[prior.rows(summary.table["cohort"])])
