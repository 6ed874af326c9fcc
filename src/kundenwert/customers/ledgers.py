"""The ledger of a base: what each customer paid, got back and cost, day by day in order of time.

A summary says how much; a ledger also says when, which compounded sums and the day of payback need.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.customers.events import CostEvents, events_of
from kundenwert.customers.refunds import DayBook, net_days, round_money
from kundenwert.customers.summary import CustomerSummary, need_summary, purchase_days, refund_days
from kundenwert.customers.tables import customer_codes, positions
from kundenwert.customers.transactions import Transactions, to_pandas
from kundenwert.errors import FIRST_IDS, UsageError
from kundenwert.units import Currency, TimeUnit

type FloatArray = npt.NDArray[np.float64]

ORDER: Final = 0
REFUND: Final = 1
EVENT: Final = 2
"""Code of an entry of the first kind of event; the others follow in the order of `Ledger.kinds`."""


@dataclass(frozen=True, repr=False)
class LedgerSums:
    """Sums of a ledger by customer, each entry times the growth of money from its day to the end of observation.

    Parameters
    ----------
    orders : (customer,) purchase days, each counted with its growth: times a cost per order they are money.
    returned_orders : (customer,) purchase days whose money went back in full, counted likewise on the purchase day.
    gross, refunds : (customer,) money, both positive; the refunds are those that a summary counts.
    events : (customer, kind) money.
    """

    orders: FloatArray
    returned_orders: FloatArray
    gross: FloatArray
    refunds: FloatArray
    events: FloatArray


@dataclass(frozen=True, repr=False)
class Ledger:
    """Purchase days, refund days and cost events of a summary's customers up to its end of observation.

    Parameters
    ----------
    customer_id : (customer,) in the order of the summary.
    first_day : (customer,) day of the first purchase, where age is 0.
    end : end of observation.
    time_unit : of ages; rates are per this unit.
    currency : of amounts, where known.
    kinds : of event.
    customer, day, kind, amount : (entry,) position of the customer, day, `ORDER`, `REFUND` or `EVENT` plus the position
        of the event's kind, and money, not negative; sorted by all four in this order.
    """

    customer_id: "pd.Series[Any]"
    first_day: npt.NDArray[np.datetime64]
    end: dt.date
    time_unit: TimeUnit
    currency: Currency | None
    kinds: tuple[str, ...]
    customer: npt.NDArray[np.int64]
    day: npt.NDArray[np.datetime64]
    kind: npt.NDArray[np.int16]
    amount: FloatArray

    def __repr__(self) -> str:
        entries = np.bincount(np.minimum(self.kind, EVENT), minlength=EVENT + 1)
        parts = [f"{n:,} {what}" for n, what in zip(entries, ("purchase days", "refund days", "events"), strict=True)]
        return f"Ledger: {len(self.customer_id):,} customers, {', '.join(parts)} up to {self.end}"

    @property
    def age(self) -> FloatArray:
        """(entry,) time since the customer's first purchase, negative for events before it."""
        return np.asarray((self.day - self.first_day[self.customer]).astype(np.float64) / self.time_unit.days)

    @property
    def returned(self) -> npt.NDArray[np.bool_]:
        """(entry,) purchase days that were paid for and of which refunds up to the end of observation left nothing."""
        return np.asarray((self.kind == ORDER) & (self.amount > 0) & (self._left <= 0))

    def recent(self, days: int) -> FloatArray:
        """What customers paid in the last days of observation and no refund has taken back so far.

        Parameters
        ----------
        days : the last of them is the end of observation.

        Returns
        -------
        (customer,) money.
        """
        since = np.datetime64(self.end, "D") - np.timedelta64(days, "D")
        rows = (self.kind == ORDER) & (self.day > since)
        paid = np.bincount(self.customer[rows], np.maximum(self._left[rows], 0.0), minlength=len(self.customer_id))
        return np.asarray(round_money(paid, paid))

    @property
    def _left(self) -> FloatArray:
        """(entry,) what refunds leave of a purchase day, negative on a first day that bears an excess; else 0."""
        money = self.kind < EVENT
        net, _ = net_days(DayBook(self.customer[money], self.kind[money] == REFUND, self.amount[money]))
        left = np.zeros(len(self.kind))
        left[self.kind == ORDER] = net
        return left

    def sums(self) -> LedgerSums:
        """Nominal sums by customer: those of the summary, and the events by kind."""
        return self.compounded(0.0)

    def compounded(self, rate: float) -> LedgerSums:
        """Sums by customer with money grown to the end of observation, `exp(rate * (T - age))` an entry.

        Parameters
        ----------
        rate : continuous, per time unit.

        Returns
        -------
        LedgerSums : what the past is worth at the end of observation.
        """
        left = (np.datetime64(self.end, "D") - self.day).astype(np.float64) / self.time_unit.days
        growth = np.exp(rate * left)
        n, grown = len(self.customer_id), growth * self.amount

        def total(rows: npt.NDArray[np.bool_], weights: FloatArray) -> FloatArray:
            found = np.bincount(self.customer[rows], weights=weights[rows], minlength=n)
            return np.asarray(round_money(found, found))

        events = [total(self.kind == EVENT + k, grown) for k in range(len(self.kinds))]
        return LedgerSums(
            total(self.kind == ORDER, growth),
            total(self.returned, growth),
            total(self.kind == ORDER, grown),
            total(self.kind == REFUND, grown),
            np.column_stack(events) if events else np.zeros((n, 0)),
        )

    def contributions(self, margin: Any = 1.0, cost_per_order: Any = 0.0, cost_per_return: Any = 0.0) -> FloatArray:
        """What each entry brought: the margin of what was paid less the cost of the order, and less what came after.

        Parameters
        ----------
        margin, cost_per_order : numbers, or (customer,).
        cost_per_return : likewise, of an order whose money went back in full, besides the refund; it is taken off on
            the day of the order, somewhat before it was spent.

        Returns
        -------
        (entry,) money, negative for refunds and events.
        """
        share, cost, returning = (self._by_entry(value) for value in (margin, cost_per_order, cost_per_return))
        order, refund = self.kind == ORDER, self.kind == REFUND
        earned = share * self.amount - cost - np.where(self.returned, returning, 0.0)
        return np.where(order, earned, np.where(refund, -share * self.amount, -self.amount))

    def running(self, contributions: FloatArray, rate: float = 0.0) -> FloatArray:
        """Sum of a customer's contributions up to each entry, at their worth on the day of the first purchase.

        Parameters
        ----------
        contributions : (entry,) money.
        rate : continuous, per time unit; 0 for nominal sums.

        Returns
        -------
        (entry,) money.
        """
        worth = pd.Series(contributions * np.exp(-rate * self.age))
        # By group and compensated: a difference of sums over the whole base would lose the small customers' digits.
        return np.asarray(worth.groupby(self.customer).cumsum().to_numpy(np.float64))

    def covered(self, contributions: FloatArray, deficit: Any, rate: float = 0.0) -> pd.DataFrame:
        """The first day at whose end a customer's contributions cover a deficit of the day of the first purchase.

        Later costs and refunds may open it again. Entries of one day count together; those before the first purchase
        count from that day on.

        Parameters
        ----------
        contributions : (entry,) money.
        deficit : money at age 0, such as the acquisition cost: a number, or (customer,).
        rate : continuous, per time unit.

        Returns
        -------
        (customer,) `customer_id`; `day`, missing where the deficit was not covered up to the end of observation; and
        `age` on that day in time units, likewise.

        Raises
        ------
        UsageError
            A deficit is missing or not finite.
        """
        gap = self._by_entry(deficit)
        if not np.isfinite(gap).all():
            raise UsageError("a deficit is missing or not finite: nobody can say when it was covered. Leave them out.")
        scale = self.running(np.abs(contributions), rate) + np.abs(gap)
        covered = round_money(self.running(contributions, rate) - gap, scale) >= 0
        last = np.r_[(np.diff(self.customer) != 0) | (self.day[1:] != self.day[:-1]), True]
        at = np.flatnonzero(covered & last & (self.day >= self.first_day[self.customer]))
        customer, first = np.unique(self.customer[at], return_index=True)
        day = np.full(len(self.customer_id), np.datetime64("NaT", "us"))
        age = np.full(len(self.customer_id), np.nan)
        day[customer], age[customer] = self.day[at[first]], self.age[at[first]]
        return pd.DataFrame({"customer_id": self.customer_id, "day": day, "age": age})

    def _by_entry(self, value: Any) -> FloatArray:
        return np.broadcast_to(np.asarray(value, dtype=np.float64), len(self.customer_id))[self.customer]


def ledger(orders: Transactions, summary: CustomerSummary, events: CostEvents | None = None) -> Ledger:
    """The ledger of a summary's customers.

    Purchases of one day are one entry, and so are refunds; refunds before the first purchase and those of customers
    without one are left out, as the summary leaves them out.

    Parameters
    ----------
    orders : the transactions that the summary was made from.
    summary : with an `observation_end`.
    events : costs besides orders; those after the end of observation and of other customers are left out.

    Returns
    -------
    Ledger
        Its sums are the summary's `orders`, `returned_orders`, `gross` and `refunds`, and those of the events by kind.

    Raises
    ------
    UsageError
        The summary has no `observation_end` or was made from other transactions, or the events do not fit it.

    Notes
    -----
    docs/statistics.md, section Realized value.

    Examples
    --------
    >>> from kundenwert.customers import read, summarize
    >>> log = read("example:cdnow-sample", customer="customer_id", time="date", amount="spend")
    >>> book = ledger(log, summarize(log, observation_end="1997-09-30"))
    >>> book
    Ledger: 2,357 customers, 4,814 purchase days, 0 refund days, 0 events up to 1997-09-30
    >>> paid = book.covered(book.contributions(margin=0.3), deficit=10.0)
    >>> int(paid["day"].notna().sum())
    1236
    """
    if not isinstance(orders, Transactions):
        raise UsageError(f"a {type(orders).__name__} is no log: pass the transactions that `read` gives.")
    need_summary(summary)
    if summary.observation_end is None:
        raise UsageError("the summary has no observation_end, so nobody knows where its ledger ends. Set it.")
    used = orders.frame.filter(nw.col("day") <= summary.observation_end)
    bought, back = to_pandas(purchase_days(used)), to_pandas(refund_days(used))
    ids, codes = summary.table["customer_id"], _checked_codes(bought, summary, orders.where)
    bought_on = bought["day"].to_numpy("datetime64[D]")
    first_day = np.full(len(summary.table), np.datetime64("9999-12-31", "D"))
    np.minimum.at(first_day, codes, bought_on)
    kinds: tuple[str, ...] = ()
    parts = [(codes, bought_on, np.full(len(bought), ORDER), bought["gross"].to_numpy(np.float64))]
    parts.append(_refund_entries(back, ids, first_day))
    if events is not None:
        kinds = events.kinds
        table = events_of(events, summary).table
        kind = table["kind"].cat.codes.to_numpy(np.int64) + EVENT
        who, when = customer_codes(table["customer_id"], ids, events.where), table["day"].to_numpy("datetime64[D]")
        parts.append((who, when, kind, table["amount"].to_numpy(np.float64)))
    customer, day, kind, amount = (np.concatenate(column) for column in zip(*parts, strict=True))
    amount = np.asarray(round_money(amount, amount))
    order = np.lexsort((amount, kind, day, customer))
    return Ledger(
        summary.table["customer_id"],
        first_day,
        summary.observation_end,
        summary.time_unit,
        summary.currency,
        kinds,
        customer[order],
        day[order],
        kind[order].astype(np.int16),
        amount[order],
    )


def _checked_codes(bought: pd.DataFrame, summary: CustomerSummary, where: str) -> npt.NDArray[np.int64]:
    """(purchase day,) position of its customer, where log and summary have the same customers and purchase days."""
    ids = summary.table["customer_id"]
    codes = customer_codes(bought["customer_id"], ids, where)
    days = np.bincount(codes[codes >= 0], minlength=len(ids))
    odd = [*bought.loc[codes < 0, "customer_id"].unique(), *ids[days != summary.table["orders"].to_numpy()]]
    if odd:
        raise UsageError(
            f"{len(odd):,} customers have other purchase days in the log than in the summary "
            f"(first: {', '.join(map(str, odd[:FIRST_IDS]))}). Pass the transactions that the summary was made from."
        )
    return codes


def _refund_entries(
    back: pd.DataFrame, ids: "pd.Series[Any]", first_day: npt.NDArray[np.datetime64]
) -> tuple[Any, Any, Any, Any]:
    """Refund days as entries: of customers with a purchase, from the first one on."""
    codes, day = positions(back["customer_id"], ids), back["day"].to_numpy("datetime64[D]")
    kept = codes >= 0
    kept[kept] = day[kept] >= first_day[codes[kept]]
    return codes[kept], day[kept], np.full(int(kept.sum()), REFUND), back["refund"].to_numpy(np.float64)[kept]
