"""What happened after the end of observation: the data that a calibration is judged by."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals as nw
import pandas as pd

from kundenwert.customers.cohorts import CohortRule
from kundenwert.customers.refunds import round_money
from kundenwert.customers.sources import read
from kundenwert.customers.summary import CustomerSummary, need_summary, purchase_days, summarize
from kundenwert.customers.transactions import Transactions, parse_day, sort_ids, to_pandas
from kundenwert.errors import FIRST_IDS, UsageError
from kundenwert.units import Currency, TimeUnit


@dataclass(frozen=True, repr=False)
class Holdout:
    """Purchases of a summary's customers after its end of observation.

    Parameters
    ----------
    start, end : first and last day of the holdout. days : its length; 0 where the log holds nothing after
        `observation_end` (then `end` is the day before `start`).
    table : (customer,) `customer_id`, `purchases` (purchase days), `spend` (net money of the time, refunds paid in it
        included); the customers of the summary in their order.
    daily : (day,) `day`, `purchases`: repeat purchase days of these customers on each calendar day from the first
        purchase of all to the end of the holdout, calibration included, days without a purchase included.
    """

    start: dt.date
    end: dt.date
    days: int
    table: pd.DataFrame
    daily: pd.DataFrame

    def _text(self) -> str:
        if not self.days:
            return f"nothing after {self.end}"
        bought = self.table["purchases"]
        return (
            f"{self.start} to {self.end} ({self.days:,} days), {int(bought.sum()):,} purchases by "
            f"{int((bought > 0).sum()):,} of {len(bought):,} customers"
        )

    def __repr__(self) -> str:
        return f"Holdout: {self._text()}"

    def _repr_html_(self) -> str:
        shown = self.table.head(FIRST_IDS).to_html(index=False, border=0)
        return f"<table><caption>Holdout</caption><tr><td>{self._text()}</td></tr></table>{shown}"


def hold_out(transactions: Transactions, summary: CustomerSummary, *, end: dt.date | str | None = None) -> Holdout:
    """Count what a summary's customers did after its end of observation, by the same rules.

    Parameters
    ----------
    transactions : the log that the summary was made from.
    summary : with an `observation_end`.
    end : last day of the holdout. Default and latest: the day of the newest transaction, because nobody knows
        whether the log was still kept after it.

    Returns
    -------
    Holdout

    Raises
    ------
    UsageError
        The summary has no `observation_end`, `end` does not lie after it, or the log holds other customers.

    Examples
    --------
    >>> log = read("example:cdnow-sample", customer="customer_id", time="date", amount="spend")
    >>> hold_out(log, summarize(log, observation_end="1997-09-30"))
    Holdout: 1997-10-01 to 1998-06-30 (273 days), 1,882 purchases by 684 of 2,357 customers
    """
    need_summary(summary)
    close = summary.observation_end
    if close is None:
        raise UsageError("the summary has no observation_end, so nobody knows where its holdout starts. Set it.")
    last = parse_day(end, "end") if end is not None else transactions.last_day
    if end is not None and last <= close:
        raise UsageError(f"the holdout's end {last} must lie after the observation's end {close}.")
    last = max(min(last, transactions.last_day), close)
    days = purchase_days(transactions.frame.filter(nw.col("day") <= last))
    _check_customers(days, summary, close)
    later = nw.col("day") > close
    rows = transactions.frame.filter(later & (nw.col("day") <= last)).with_columns(nw.col("amount").abs().alias("size"))
    money = _by_id(rows.group_by("customer_id").agg(nw.col("amount").sum(), nw.col("size").sum()))
    bought = _by_id(days.filter(later).group_by("customer_id").agg(nw.len().alias("days")))
    ids = summary.table["customer_id"]
    net = pd.Series(round_money(money["amount"], money["size"]), money.index)
    table = pd.DataFrame({"customer_id": ids})
    table["purchases"] = bought["days"].reindex(ids, fill_value=0).to_numpy("int64")
    table["spend"] = net.reindex(ids, fill_value=0.0).to_numpy()
    return Holdout(close + dt.timedelta(1), last, (last - close).days, table, _daily(days, close, last))


def _by_id(frame: nw.LazyFrame[Any]) -> pd.DataFrame:
    return to_pandas(frame).set_index("customer_id")


def _check_customers(days: nw.LazyFrame[Any], summary: CustomerSummary, close: dt.date) -> None:
    seen = days.filter(nw.col("day") <= close).group_by("customer_id").agg(nw.len().alias("rows"))
    odd = set(to_pandas(seen)["customer_id"].tolist()) ^ set(summary.table["customer_id"].tolist())
    if odd:
        first = ", ".join(map(str, sort_ids(pd.DataFrame({"customer_id": list(odd)}))["customer_id"].head(FIRST_IDS)))
        raise UsageError(
            f"{len(odd):,} customers are in only one of log and summary (first: {first}). "
            "Pass the transactions that the summary was made from."
        )


def _daily(days: nw.LazyFrame[Any], close: dt.date, last: dt.date) -> pd.DataFrame:
    """Repeat purchase days per calendar day, of the customers acquired up to `close`."""
    first = days.group_by("customer_id").agg(nw.col("day").min().alias("first_day"))
    acquired = days.join(first.filter(nw.col("first_day") <= close), on="customer_id", how="inner")
    repeats = (nw.col("day") > nw.col("first_day")).cast(nw.Int64).alias("repeat")
    by_day = acquired.with_columns(repeats).group_by("day").agg(nw.col("repeat").sum())
    found = to_pandas(by_day.with_columns(nw.col("repeat").cast(nw.Int64))).set_index("day")["repeat"]
    calendar = pd.date_range(found.index.min(), last, freq="D", name="day", unit="us")
    return found.reindex(calendar, fill_value=0).astype("int64").rename("purchases").reset_index()


def split(
    orders: Any,
    calibration_end: dt.date | str,
    *,
    customer: str | None = None,
    time: str | None = None,
    amount: str | None = None,
    cohort: str = "month",
    carry: Sequence[str] = (),
    holdout_end: dt.date | str | None = None,
    time_unit: TimeUnit | str = "week",
    timezone: str = "UTC",
    currency: Currency | str | None = None,
    min_customers: int = 0,
    base_dir: str | Path | None = None,
) -> tuple[CustomerSummary, Holdout]:
    """Calibration summary and holdout of one log, in one call.

    Parameters
    ----------
    orders, customer, time, amount, cohort, carry, time_unit, timezone, currency, min_customers, base_dir : as in
        `summarize`.
    calibration_end : last day of the calibration.
    holdout_end : last day of the holdout; default the day of the newest transaction.

    Returns
    -------
    CustomerSummary, Holdout

    Examples
    --------
    >>> summary, holdout = split("example:cdnow-sample", "1997-09-30",
    ...                          customer="customer_id", time="date", amount="spend")
    >>> round(float(holdout.table["spend"].sum()), 2)
    70976.39
    """
    log = orders
    if not isinstance(orders, Transactions):
        if customer is None or time is None or amount is None:
            raise UsageError("name the log's columns: customer=..., time=..., amount=....")
        rule = CohortRule(cohort, min_customers)
        log = read(orders, customer=customer, time=time, amount=amount, currency=currency, timezone=timezone,
                   cohort=rule.by, carry=carry, base_dir=base_dir)  # fmt: skip
    summary = summarize(
        log, cohort=cohort, observation_end=calibration_end, time_unit=time_unit, min_customers=min_customers
    )
    return summary, hold_out(log, summary, end=holdout_end)
