"""Joint costs: what was spent on no customer in particular, shared among those whom it may have been for.

Nobody knows for whom an advertisement or a month of a call centre was. Any rule is a convention, so it must be
declared, and realized value is shown before and after it (docs/statistics.md, section Realized value).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.customers.events import JOINT, CostEvents, events_of, is_joint, sorted_events
from kundenwert.customers.ledgers import ORDER, FloatArray, ledger
from kundenwert.customers.summary import CustomerSummary
from kundenwert.customers.tables import positions
from kundenwert.customers.transactions import Transactions
from kundenwert.errors import DataError, Violation
from kundenwert.names import Allocation

REACH: Final = np.timedelta64(365, "D")
"""How far back a joint cost reaches at most; without it the first one of a kind would fall on years of orders."""

_DID: Final = {
    Allocation.PER_ORDER: "an order",
    Allocation.PER_EVENT: "a cost event of their own",
    Allocation.PER_AMOUNT: "an order that was paid for",
}


@dataclass(frozen=True, eq=False)
class _Keys:
    """(entry,) what joint costs are shared by: the customer's position, the day, and the weight, not negative."""

    customer: npt.NDArray[np.int64]
    day: npt.NDArray[np.datetime64]
    weight: FloatArray


def share_joint_costs(events: CostEvents, orders: Transactions, summary: CustomerSummary) -> CostEvents:
    """The events that a summary counts, costs of no customer shared among its customers.

    Each joint cost falls on what customers did since the joint cost of its kind before it, at most 365 days back, up to
    and with its own day: on their purchase days alike (`per_order`), on their own cost events of all kinds alike
    (`per_event`), or on what they paid on purchase days, refunds aside (`per_amount`). Nothing that happens after its
    day changes a share, so that every retraining shares the past as the one before did. Costs of one kind and one day
    are one cost.

    Parameters
    ----------
    events : all that were read, with an `allocation` where some are of no customer.
    orders : the transactions that the summary was made from.
    summary : with an `observation_end`; joint costs after it are cut and counted like other events.

    Returns
    -------
    CostEvents
        As `events_of` returns them, with one event more for each share: on the day of the joint cost, of the kind
        `joint_KIND`. The shares of a cost add up to it; they are not rounded to cents, because a cent each may be more
        than the cost.

    Raises
    ------
    DataError
        Nobody did anything by which a cost could be shared.
    UsageError
        As `events_of` and `ledger`.

    Notes
    -----
    docs/statistics.md, section Realized value.

    Examples
    --------
    >>> from kundenwert.customers import read, read_events, sum_events, summarize
    >>> log = read(pd.DataFrame({"who": ["a", "a", "b"], "day": ["2025-01-05", "2025-01-20", "2025-01-25"],
    ...                          "paid": [20.0, 30.0, 150.0]}), customer="who", time="day", amount="paid")
    >>> costs = pd.DataFrame({"customer_id": ["b", None], "date": "2025-01-31", "kind": ["visit", "advertising"],
    ...                       "amount": [40.0, 300.0]})
    >>> summary = summarize(log, observation_end="2025-01-31")
    >>> shared = share_joint_costs(read_events(costs, allocation="per_order"), log, summary)
    >>> sum_events(shared, summary).to_dict("list")
    {'joint_advertising': [200.0, 100.0], 'visit': [0.0, 40.0]}
    """
    own = events_of(replace(events, joint=None), summary)
    if events.joint is None or events.allocation is None:
        return own
    joint = events.joint[(events.joint["day"] <= pd.Timestamp(str(summary.observation_end))).to_numpy()]
    cut = own.counts["events_cut"] + len(events.joint) - len(joint)
    counts = {**own.counts, "events_cut": cut, "joint_costs": len(joint)}
    keys = _keys(events.allocation, orders, own, summary)
    parts, broken = [own.table.astype({"kind": "str"})], []
    for kind, costs in joint[joint["amount"] > 0].groupby("kind", observed=True):
        shares, nobody = _shared(costs, keys)
        parts.append(shares.assign(kind=f"{JOINT}{kind}"))
        broken += [(str(kind), day) for day in nobody]
    if broken:
        raise DataError(events.where, [_unshared(events.allocation, broken)])
    ids = summary.table["customer_id"]
    parts[0] = parts[0].assign(customer=positions(parts[0]["customer_id"], ids))
    table = pd.concat(parts, ignore_index=True)
    table["customer_id"] = ids.take(table["customer"].to_numpy()).to_numpy()
    kinds = [*own.kinds, *(f"{JOINT}{kind}" for kind in events.joint["kind"].cat.categories)]
    return replace(own, table=sorted_events(table, kinds), counts=counts)


def joint_costs_note(events: CostEvents) -> Iterator[str]:
    """One sentence on what was shared; none where nothing was."""
    joint = events.table[[is_joint(kind) for kind in events.table["kind"]]]
    if events.allocation is not None and len(joint):
        names = ", ".join(kind.removeprefix(JOINT) for kind in joint["kind"].astype("str").unique())
        money = f" {events.currency}" if events.currency else ""
        rule = events.allocation.value.replace("_", " ")
        yield f"joint costs of {joint['amount'].sum():,.2f}{money} ({names}) are shared among customers {rule}"


def _keys(allocation: Allocation, orders: Transactions, own: CostEvents, summary: CustomerSummary) -> _Keys:
    if allocation is Allocation.PER_EVENT:
        who = positions(own.table["customer_id"], summary.table["customer_id"])
        return _Keys(who, own.table["day"].to_numpy("datetime64[D]"), np.ones(len(who)))
    book = ledger(orders, summary)
    bought = book.kind == ORDER
    weight = book.amount[bought] if allocation is Allocation.PER_AMOUNT else np.ones(int(bought.sum()))
    return _Keys(book.customer[bought], book.day[bought].astype("datetime64[D]"), weight)


def _shared(costs: pd.DataFrame, keys: _Keys) -> tuple[pd.DataFrame, npt.NDArray[np.datetime64]]:
    """(share,) `customer`, `day`, `amount` of the costs of one kind, and days whose costs nobody can share."""
    days, which = np.unique(costs["day"].to_numpy("datetime64[D]"), return_inverse=True)
    amount = np.bincount(which, weights=costs["amount"])
    at = np.searchsorted(days, keys.day)  # the first cost that is not before it
    used = (at < len(days)) & (keys.weight > 0)
    used[used] = days[at[used]] - keys.day[used] < REACH
    pair = pd.DataFrame({"at": at[used], "customer": keys.customer[used], "weight": keys.weight[used]})
    found = pair.groupby(["at", "customer"], as_index=False)["weight"].sum()
    cost, weight = found["at"].to_numpy(), found["weight"].to_numpy()
    total = np.bincount(cost, weights=weight, minlength=len(days))
    shares: dict[str, Any] = {
        "customer": found["customer"].to_numpy(),
        "day": days[cost].astype("datetime64[us]"),
        "amount": amount[cost] * (weight / total[cost]),
    }
    return pd.DataFrame(shares), days[total == 0]


def _unshared(allocation: Allocation, broken: list[tuple[str, Any]]) -> Violation:
    first = [f"{kind} of {day}" for kind, day in broken]
    how, did = allocation.value.replace("_", " "), _DID[allocation]
    rule = f"it is shared {how}, and nobody had {did} since the one of its kind before it, or in the year before it"
    remedy = "Date it on the last day of what it was for, join it to the next one, or name the customer."
    return Violation(rule, len(broken), first, remedy, "joint cost")
