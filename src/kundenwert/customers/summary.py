"""From transactions to the customer summary: one row a customer, all that the models need to know."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import narwhals as nw
import pandas as pd

from kundenwert.customers.carried import carried_columns, first_day_rows, one_value
from kundenwert.customers.cohorts import CohortRule, calendar_labels, merge_small
from kundenwert.customers.contract import check_summary
from kundenwert.customers.refunds import net_refunds, round_money
from kundenwert.customers.sources import read
from kundenwert.customers.transactions import Transactions, parse_day, sort_ids, to_pandas
from kundenwert.errors import FIRST_IDS, DataError, UsageError, Violation
from kundenwert.names import SUMMARY_TABLE
from kundenwert.units import Currency, TimeUnit

RETURNED_ORDERS = "returned_orders"
_NO_NEWS_DAYS = 7
"""A log may end this long before its observation without a word: a shop can have a week without an order."""


@dataclass(frozen=True, repr=False)
class CustomerSummary:
    """One row a customer, with what its numbers mean.

    Parameters
    ----------
    table : (customer,) sorted by `customer_id`: `cohort`; `frequency`, repeat purchase days; `recency` and `T`, from
        the first purchase to the last one and to the end of observation, in time units; `monetary_value`, mean net
        spend of the repeat days with a positive net, 0.0 where there is none; `spend_days`, the number of those days;
        `orders`, purchase days with the first; `first_amount`, net spend of the first day; `gross` and `refunds`,
        both positive; `first_day`, `last_day`. Then `early_refund`: a refund before the first purchase was ignored.
        Then, where it was asked for, `returned_orders`: purchase days whose money went back in full. Then the carried
        columns. What a summary that a user brought does not know is missing.
    time_unit : of `recency` and `T`.
    observation_end : last day that was observed, where known.
    currency : of the money columns, where known.
    counts : rows read, merged, cut, and so on; see `summarize`.
    notes : one sentence for each automatic choice (cohorts that were merged), and one where the log ends early.
    refunds_netted : whether amounts are what refunds have left of them; None where nobody knows.
    """

    table: pd.DataFrame
    time_unit: TimeUnit
    observation_end: dt.date | None
    currency: Currency | None
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    refunds_netted: bool | None = None

    @property
    def cohorts(self) -> tuple[str, ...]:
        """Cohort labels in order."""
        return tuple(sorted(str(label) for label in self.table["cohort"].unique()))

    def _facts(self) -> list[tuple[str, str]]:
        table, cohorts = self.table, self.cohorts
        span = cohorts[0] if len(cohorts) == 1 else f"{len(cohorts)} ({cohorts[0]} to {cohorts[-1]})"
        silent = int((table["frequency"] == 0).sum())
        return [
            ("customers", f"{len(table):,}"),
            ("cohorts", span),
            ("repeat purchases", f"{int(table['frequency'].sum()):,}; {silent:,} customers have none"),
            ("observed to", str(self.observation_end or "not known")),
            ("time unit", self.time_unit.value),
            ("currency", str(self.currency or "not named")),
        ]

    def __repr__(self) -> str:
        return "CustomerSummary: " + ", ".join(f"{name} {value}" for name, value in self._facts())

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in self._facts())
        shown = self.table.head(FIRST_IDS).to_html(index=False, border=0)
        return f"<table><caption>CustomerSummary</caption>{rows}</table>{shown}"


def need_summary(given: object) -> None:
    """Refuses what is no `CustomerSummary`, with the way to one.

    Raises
    ------
    UsageError : a frame, or arguments in another order.
    """
    if not isinstance(given, CustomerSummary):
        raise UsageError(
            f"a {type(given).__name__} is no CustomerSummary. Make one: kw.as_summary(frame, time_unit=...) of a table "
            "with one row a customer, kw.summarize(orders, ...) of a log."
        )


def summarize(
    orders: Any,
    *,
    customer: str | None = None,
    time: str | None = None,
    amount: str | None = None,
    cohort: str = "month",
    carry: Sequence[str] = (),
    observation_end: dt.date | str | None = None,
    time_unit: TimeUnit | str = "week",
    timezone: str = "UTC",
    currency: Currency | str | None = None,
    min_customers: int = 0,
    count_returns: bool = False,
    net_refunds: bool = True,
    base_dir: str | Path | None = None,
) -> CustomerSummary:
    """Summarize a transaction log by customer.

    Purchases of one day are one purchase. A refund (an amount below 0) nets against the customer's latest purchase
    day not after it, an excess against earlier days; it never changes timing. A day whose net is not positive keeps
    its time and leaves the spend average, and so does an order of 0. Exact duplicates (rows equal in customer, time
    and amount) are counted and kept.

    Parameters
    ----------
    orders : `Transactions`, or a source that `read` takes (then `customer`, `time`, `amount` name its columns).
    cohort : `day | week | month | quarter | year` of the first purchase, `column:NAME`, or `all`. A column cohort is
        the value on the day of the first purchase.
    carry : columns of numbers that say something about the customer, such as a margin: the value that all purchases up
        to `observation_end` agree on. With `Transactions` they are those that `read` was told to carry.
    observation_end : last day that counts; later rows are cut. Default: the day of the newest transaction. More than
        a week after that day it is noted: whether customers were silent since, nobody has seen.
    time_unit : `day | week | month | year`, the unit of recency and T; the resolution stays the day.
    timezone, currency, base_dir : as in `read`.
    min_customers : smaller cohorts join others (see `merge_small`); 0 keeps all.
    count_returns : whether to add the column `returned_orders`: the purchase days that were paid for and of which
        refunds left nothing. What a return costs besides the refund is asked of it. Orders that were cancelled do not
        belong into the log at all: neither their amounts nor their times.
    net_refunds : whether amounts of purchase days are what refunds have left of them. False leaves them as they were
        paid, for a spend model whose forecast returns are taken off later; `refunds` says in any case what came back.

    Returns
    -------
    CustomerSummary
        Sorted by `customer_id`; the carried columns come last. `counts` holds `rows_read`, `exact_duplicates` (of the
        whole log: rows, less the distinct ones), `cut_after_observation_end` (rows), then of the rows that are left
        `zero_spend_rows`, `refunds` (rows), `same_day_merged` (purchase rows that joined another one of their day),
        `early_refunds` (customers) and `refunds_without_purchase` (customers with refunds alone, who are left out).

    Raises
    ------
    DataError
        The contract of the log is broken, nothing was bought up to `observation_end`, or a customer has two cohorts,
        two values of a carried column, or none.
    UsageError
        Arguments that cannot work together.

    Examples
    --------
    >>> summary = summarize("example:cdnow-sample", customer="customer_id", time="date", amount="spend",
    ...                     observation_end="1997-09-30", currency="USD")
    >>> len(summary.table), int(summary.table["frequency"].sum()), summary.cohorts
    (2357, 2457, ('1997-01', '1997-02', '1997-03'))
    """
    rule, unit = CohortRule(cohort, min_customers), TimeUnit.parse(time_unit)
    named = {"customer": customer, "time": time, "amount": amount}
    log = _transactions(orders, named, rule, carry=carry, timezone=timezone, currency=currency, base_dir=base_dir)
    if count_returns and RETURNED_ORDERS in log.carried.values():
        raise UsageError(
            f"{RETURNED_ORDERS} cannot be counted and carried: rename the log's column, or do one of both."
        )
    end = parse_day(observation_end, "observation_end") if observation_end is not None else log.last_day
    used = log.frame.filter(nw.col("day") <= end)
    counted = _row_counts(used)
    if not counted["rows"] - counted["refunds"]:
        remedy = f"The log runs from {log.first_day} to {log.last_day}. Choose a later observation_end."
        raise DataError(log.where, [Violation(f"there is no purchase up to {end}", remedy=remedy)])
    customers = sort_ids(to_pandas(customer_rows(purchase_days(used))))
    netted, refunding = _refunds(used) if counted["refunds"] else (None, 0)
    table = _money(customers, netted if netted is None or net_refunds else netted.drop(columns=NETTED))
    labels, carried = _about_customers(used, table, log, rule)
    table["cohort"], merges = merge_small(labels, rule)
    counts = {
        "rows_read": log.counts["rows_read"],
        "exact_duplicates": log.counts["exact_duplicates"],
        "cut_after_observation_end": log.counts["rows_read"] - counted["rows"],
        "zero_spend_rows": counted["zero_spend_rows"],
        "refunds": counted["refunds"],
        "same_day_merged": counted["rows"] - counted["refunds"] - int(table["orders"].sum()),
        "early_refunds": int(table["early_refund"].sum()),
        "refunds_without_purchase": refunding,
    }
    returned = table[[RETURNED_ORDERS]] if count_returns else None
    complete = pd.concat([_timed(table, end, unit), returned, carried], axis=1)
    notes = (*merges, *_unobserved(log.last_day, end))
    return CustomerSummary(complete, unit, end, log.currency, counts, notes, net_refunds)


def _unobserved(last: dt.date, end: dt.date) -> list[str]:
    """A sentence where the log ends well before the observation is said to."""
    days = (end - last).days
    if days <= _NO_NEWS_DAYS:
        return []
    return [f"the log ends on {last}, {days:,} days before observation_end {end}: silence in them was not observed"]


def _transactions(
    orders: Any, named: Mapping[str, str | None], rule: CohortRule, *, carry: Sequence[str], currency: Any, **how: Any
) -> Transactions:
    if isinstance(orders, Transactions):
        if any(named.values()) or carry or currency is not None:
            raise UsageError("the transactions are read already: name columns and the currency in `read`, not here.")
        if rule.column is not None and rule.column != orders.cohort_column:
            raise UsageError(
                f"the transactions do not hold cohort column {rule.column!r}: pass cohort={rule.by!r} to `read`."
            )
        return orders
    missing = [name for name, column in named.items() if column is None]
    if missing:
        raise UsageError(f"name the log's columns: {', '.join(f'{name}=...' for name in missing)}.")
    columns = {name: str(column) for name, column in named.items()}
    return read(orders, **columns, currency=currency, cohort=rule.by, carry=carry, **how)


def purchase_days(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """(customer, day) `gross` and `rows` of the purchases of a canonical log; a day with refunds alone is none."""
    bought = frame.filter(nw.col("amount") >= 0)
    return bought.group_by("customer_id", "day").agg(nw.col("amount").sum().alias("gross"), nw.len().alias("rows"))


def refund_days(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """(customer, day) `refund`, positive, of the refunds of a canonical log."""
    back = frame.filter(nw.col("amount") < 0).with_columns((-nw.col("amount")).alias("refund"))
    return back.group_by("customer_id", "day").agg(nw.col("refund").sum())


def customer_rows(days: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """(customer,) `first_day, last_day, orders, gross, paid_days, first_amount` from purchase days, refunds aside."""
    # Aggregate and join: the same with window functions took DuckDB three times as long.
    paid = days.with_columns((nw.col("gross") > 0).cast(nw.Int64).alias("paid"))
    rows = paid.group_by("customer_id").agg(
        nw.col("day").min().alias("first_day"),
        nw.col("day").max().alias("last_day"),
        nw.len().alias("orders"),
        nw.col("gross").sum().alias("gross"),
        nw.col("paid").sum().alias("paid_days"),
    )
    first = days.select("customer_id", nw.col("day").alias("first_day"), nw.col("gross").alias("first_amount"))
    # DuckDB sums integers to HUGEINT, which Arrow takes for a decimal.
    whole = [nw.col(name).cast(nw.Int64) for name in ("orders", "paid_days")]
    return rows.join(first, on=["customer_id", "first_day"], how="inner").with_columns(*whole)


NETTED = ["first_amount", "spend", "spend_days"]


def _row_counts(used: nw.LazyFrame[Any]) -> dict[str, int]:
    tests = {"zero_spend_rows": nw.col("amount") == 0, "refunds": nw.col("amount") < 0}
    sums = [test.cast(nw.Int64).sum().cast(nw.Int64).alias(name) for name, test in tests.items()]
    row = to_pandas(used.select(nw.len().cast(nw.Int64).alias("rows"), *sums)).fillna(0).iloc[0]
    return {str(name): int(value) for name, value in row.items()}


def _refunds(used: nw.LazyFrame[Any]) -> tuple[pd.DataFrame, int]:
    """Netted money of the customers with refunds, and how many more have refunds and no purchase."""
    refunds = to_pandas(refund_days(used))
    back = used.filter(nw.col("amount") < 0)
    days = to_pandas(purchase_days(used.join(back.select("customer_id").unique(), on="customer_id", how="semi")))
    netted = net_refunds(days, refunds)
    bought = netted["purchases"] > 0
    return netted[bought].set_index("customer_id").drop(columns="purchases"), int((~bought).sum())


def _money(customers: pd.DataFrame, netted: pd.DataFrame | None) -> pd.DataFrame:
    """Spend per customer: from the engine's sums, or netted for those who have refunds."""
    table, scale = customers.copy(), customers["gross"].to_numpy()
    table["gross"] = round_money(customers["gross"], scale)
    table["first_amount"] = round_money(customers["first_amount"], scale)
    table["spend"] = round_money(customers["gross"] - customers["first_amount"], scale)
    table["spend_days"] = customers["paid_days"] - (customers["first_amount"] > 0)
    table["refunds"], table["early_refund"], table[RETURNED_ORDERS] = 0.0, False, 0
    if netted is not None:
        at = pd.Index(table["customer_id"]).get_indexer(netted.index)
        for name in netted.columns:
            values = table[name].to_numpy(copy=True)
            values[at] = netted[name]
            table[name] = values
    table["monetary_value"] = (table["spend"] / table["spend_days"].where(table["spend_days"] > 0)).fillna(0.0)
    return table


def _about_customers(
    used: nw.LazyFrame[Any], table: pd.DataFrame, log: Transactions, rule: CohortRule
) -> tuple["pd.Series[str]", pd.DataFrame]:
    """Cohort labels, and the carried columns."""
    bought, ids = used.filter(nw.col("amount") >= 0), table["customer_id"]
    carried, violations = carried_columns(bought, log, ids)
    labels = None
    if rule.column is not None:
        when = "on the day of the first purchase"
        labels, broken = one_value(first_day_rows(bought), "cohort", ids, f"column {rule.column!r}", when)
        violations += broken
    if violations:
        raise DataError(log.where, violations)
    if labels is None:
        return calendar_labels(table["first_day"], rule.by), carried
    return pd.Series([_label(value) for value in labels], index=table.index, dtype="str"), carried


def _label(value: Any) -> str:
    # pandas turns whole numbers into floats where one is missing; the label must not depend on the frame.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _timed(table: pd.DataFrame, end: dt.date, unit: TimeUnit) -> pd.DataFrame:
    """Durations in time units, and the standard columns in their order."""
    timed = table.assign(
        frequency=table["orders"] - 1,
        recency=(table["last_day"] - table["first_day"]).dt.days / unit.days,
        T=(pd.Timestamp(end) - table["first_day"]).dt.days / unit.days,
    )
    return timed[[*SUMMARY_TABLE]]


def as_summary(
    frame: Any,
    *,
    time_unit: TimeUnit | str,
    observation_end: dt.date | str | None = None,
    currency: Currency | str | None = None,
) -> CustomerSummary:
    """Take a customer summary that somebody else made, held against its contract.

    Parameters
    ----------
    frame : (customer,) any frame with `frequency, recency, T, monetary_value`. `customer_id` may be a column, the
        index of a pandas frame, or missing (then the row number); `cohort` may be missing (then `all`). Further
        columns stay, after the standard ones; one called `returned_orders` is held to what `summarize` counts there.
    time_unit : of `recency` and `T` in the frame; it cannot be guessed.
    observation_end, currency : where known.

    Returns
    -------
    CustomerSummary
        Sorted by `customer_id`. `spend_days` is `frequency` where `monetary_value` is positive unless the frame says
        otherwise; `first_amount`, `gross`, `refunds`, `first_day`, `last_day` are missing where the frame lacks them.

    Raises
    ------
    DataError
        With every rule that is broken: missing or repeated columns, NaN, negative values, recency > T, frequency 0 with
        a recency or a monetary value, frequency above 0 without a recency, frequencies that are not whole, duplicate
        ids.
    UsageError
        `frame` is no frame, or `time_unit` is not known.

    Examples
    --------
    >>> frame = pd.DataFrame({"frequency": [2, 0], "recency": [30.43, 0.0], "T": [38.86, 38.86],
    ...                       "monetary_value": [22.35, 0.0]})
    >>> as_summary(frame, time_unit="week").table["spend_days"].tolist()
    [2, 0]
    """
    unit = TimeUnit.parse(time_unit)
    end = parse_day(observation_end, "observation_end") if observation_end is not None else None
    code = Currency(currency) if isinstance(currency, str) else currency
    table = sort_ids(check_summary(frame))
    return CustomerSummary(table, unit, end, code, {"rows_read": len(table)})
