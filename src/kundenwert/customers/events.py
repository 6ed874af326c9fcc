"""Cost events: what serving a customer cost besides orders, one row an event (a ticket, a visit, a reminder).

Rows of no customer are joint costs (advertising, a call centre's month); `joint_costs` shares them among customers.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import narwhals as nw
import numpy as np
import pandas as pd

from kundenwert.customers.files import connect
from kundenwert.customers.parsing import RawColumn, parsed_sql
from kundenwert.customers.refunds import round_money
from kundenwert.customers.sources import _check_zone, _split_currency, _to_arrow
from kundenwert.customers.summary import CustomerSummary, need_summary
from kundenwert.customers.tables import blank, customer_codes, load_table, row_violation
from kundenwert.customers.transactions import check_contract, sort_ids, to_pandas
from kundenwert.errors import UsageError, Violation, did_you_mean
from kundenwert.names import Allocation
from kundenwert.units import Currency

MAX_KINDS: Final = 100
"""Each kind becomes a column of every customer: more of them are a free text, not kinds."""

JOINT: Final = "joint_"
"""What the kind of a joint cost begins with where it is shared: `joint_advertising` beside `ticket`."""

EXACT: Final = 2**53
"""Whole numbers up to here survive beside empty cells, which make decimal numbers of them."""

_WHAT = "cost events"


@dataclass(frozen=True, repr=False)
class CostEvents:
    """Cost events that have passed their contract.

    Parameters
    ----------
    table : (event,) `customer_id` (the input's type), `day` (in the business time zone), `kind` (category), `amount`
        (money, not negative), sorted by all four in this order.
    currency : of the amounts, where known.
    counts : `events_read`; of the events of a summary's customers also `events_cut` (after the end of observation)
        and `events_of_strangers` (up to it, of customers whom the summary does not know); once joint costs are shared,
        `joint_costs`, their number.
    where : the source as a person names it, for messages.
    joint : (cost,) `day`, `kind`, `amount` of costs of no customer, sorted likewise; None where there are none, or
        where they are shared and stand in `table` under kinds that begin with `JOINT`.
    allocation : by what joint costs are shared.
    """

    table: pd.DataFrame
    currency: Currency | None
    counts: Mapping[str, int]
    where: str = _WHAT
    joint: pd.DataFrame | None = None
    allocation: Allocation | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of event in the order of their names."""
        return tuple(map(str, self.table["kind"].cat.categories))

    def __repr__(self) -> str:
        money = f", {self.currency}" if self.currency else ""
        joint = "" if self.joint is None else f", {len(self.joint):,} joint costs to be shared"
        return f"CostEvents: {len(self.table):,} events, kinds {', '.join(self.kinds)}{joint}{money}"


def read_events(
    source: Any,
    *,
    customer: str = "customer_id",
    time: str = "date",
    kind: str = "kind",
    amount: str = "amount",
    timezone: str = "UTC",
    currency: Currency | str | None = None,
    base_dir: str | Path | None = None,
    allocation: Allocation | str | None = None,
) -> CostEvents:
    """Read cost events and hold them against their contract.

    Parameters
    ----------
    source : path or glob of CSV or Parquet files, `duckdb://FILE?table=T`, or any pandas, polars, Arrow, DuckDB or
        other frame that Narwhals takes. It is never written to.
    customer, time, kind, amount : the input's column names. Ids must be of the type that the log's ids have; a kind
        is text, of which spaces at the ends are dropped; an amount is what the event cost, 0 or more.
    timezone : IANA name; decides which day an event belongs to, as in `read`.
    currency : ISO 4217 code, or `column:NAME` of a column that holds one value.
    base_dir : what relative paths are relative to; default the working directory.
    allocation : by what costs of no customer are shared, "per_order", "per_event" or "per_amount"; see
        `share_joint_costs`. Without it, a row without a customer is a mistake.

    Returns
    -------
    CostEvents
        All events, whatever the day: `events_of` takes those that a summary counts.

    Raises
    ------
    DataError
        The source or a column is missing, or the contract is broken (a missing customer or kind, a time that cannot be
        read, an amount that is no number, not finite or negative): all of it in one message.
    UsageError
        A time zone, a currency or an allocation that does not exist, or a source of a kind that cannot be read.

    Notes
    -----
    docs/statistics.md, section Realized value.

    Examples
    --------
    >>> tickets = pd.DataFrame({"customer_id": ["b", "a"], "date": ["2025-03-01", "2025-02-01"],
    ...                         "kind": ["visit", "ticket"], "amount": [80.0, 4.5]})
    >>> read_events(tickets, currency="EUR")
    CostEvents: 2 events, kinds ticket, visit, EUR
    """
    zone, shared = _check_zone(timezone), _allocation(allocation)
    code, currency_column = _split_currency(currency)
    columns = {"customer_id": customer, "time": time, "kind": kind, "amount": amount}
    if currency_column is not None:
        columns["currency"] = currency_column
    raw = load_table(source, _WHAT, Path(base_dir) if base_dir is not None else Path(), list(columns.values()))
    staged, broken = _staged(raw.table, columns, zone)
    staged["customer_id"], unnamed = _customers(staged["customer_id"], shared)
    log = check_contract(
        nw.from_native(staged).lazy(),
        where=raw.where,
        currency=code,
        cohort_column=kind,
        carried={},
        lost=[*raw.lost, *unnamed, *broken],
        customer_required=False,
    )
    table = to_pandas(log.frame).rename(columns={"cohort": "kind"})
    named = table["customer_id"].notna()
    nobody, own = (sorted_events(part, part["kind"]) for part in (table[~named], table[named]))
    joint = None if nobody.empty else nobody.drop(columns="customer_id")
    return CostEvents(own, log.currency, {"events_read": len(table)}, raw.where, joint, shared)


def _allocation(given: Allocation | str | None) -> Allocation | None:
    try:
        return None if given is None else Allocation(given)
    except ValueError:
        known = ", ".join(one.value for one in Allocation)
        hint = did_you_mean(str(given), [one.value for one in Allocation])
        raise UsageError(f"allocation {given!r} is not known.{hint} Use one of {known}.") from None


def _customers(ids: "pd.Series[Any]", shared: Allocation | None) -> tuple["pd.Series[Any]", list[Violation]]:
    """The ids with those of nobody missing, and what is wrong with them."""
    nobody = blank(ids)
    broken = []
    if shared is None and nobody.any():
        remedy = (
            "Name the customer, or say by what costs of no customer are shared: allocation = 'per_order', 'per_event' "
            "or 'per_amount'."
        )
        broken.append(row_violation(ids[nobody], "the customer is missing", remedy))
    known = ids[~nobody]
    if pd.api.types.is_float_dtype(known.dtype) and (known.abs() >= EXACT).any():
        rule = "ids are whole numbers too long to stand beside empty cells"
        broken.append(Violation(rule, remedy="Write them as text, in the log too."))
    return ids.where(~nobody), broken


def _staged(raw: pd.DataFrame, columns: Mapping[str, str], zone: str) -> tuple[pd.DataFrame, list[Violation]]:
    """The columns that `check_contract` takes, the kind as its cohort, and what only events can break."""
    import pyarrow as pa

    kept = {"cohort" if name == "kind" else name: raw[column] for name, column in columns.items() if name != "amount"}
    given = {name: _to_arrow(nw.from_native(raw[columns[name]], series_only=True)) for name in ("time", "amount")}
    connection = connect()
    try:
        relation = connection.from_arrow(pa.table(given))
        time, amount = (RawColumn(name, str(kind)) for name, kind in zip(given, relation.types, strict=True))
        parsed = relation.project(parsed_sql(time, {"amount": amount}, zone)).to_arrow_table()
    finally:
        connection.close()
    arrow_day: Any = pd.ArrowDtype(pa.date32())
    rest = {name: parsed[name].to_numpy() for name in parsed.column_names if name != "day"}
    kept["cohort"], broken = _kinds(kept["cohort"], kept["customer_id"], columns["kind"])
    staged = pd.DataFrame({**kept, "day": pd.Series(parsed["day"], dtype=arrow_day, index=raw.index), **rest})
    negative = staged["amount"] < 0
    if negative.any():
        remedy = "A cost is 0 or more: what a customer pays or gets back belongs to the log of orders."
        broken.append(row_violation(staged.loc[negative, "customer_id"], "the amount is negative", remedy))
    return staged, broken


def _kinds(kinds: "pd.Series[Any]", ids: "pd.Series[Any]", column: str) -> tuple["pd.Series[Any]", list[Violation]]:
    """The kinds without spaces at their ends, and what is wrong with them."""
    missing = blank(kinds)
    broken = []
    if missing.any():
        remedy = "Say what the cost was for, such as 'ticket', or drop these rows."
        broken.append(row_violation(ids[missing], "the kind is missing", remedy))
    known = kinds[~missing]
    if len(known) and pd.api.types.infer_dtype(known) != "string":
        remedy = "Name the kinds, such as 'ticket' or 'visit'."
        return kinds, [*broken, Violation(f"column {column!r} does not hold text", remedy=remedy)]
    names = known.astype("str").str.strip()
    taken = names.str.startswith(JOINT)
    if taken.any():
        remedy = f"Kinds that begin with {JOINT!r} are those of shared costs: call them otherwise."
        rule = f"the kind is {names[taken].iloc[0]!r}"
        broken.append(row_violation(ids[names.index[taken]], rule, remedy))
    if names.nunique() > MAX_KINDS:
        remedy = f"Group them into {MAX_KINDS} kinds at most: each becomes a column of the breakdown."
        broken.append(Violation(f"there are {names.nunique():,} kinds of event", remedy=remedy))
    return names.reindex(kinds.index), broken


def sorted_events(table: pd.DataFrame, kinds: Iterable[str]) -> pd.DataFrame:
    """Events in one order whatever order they came in: sums over them then are the same to the last bit."""
    coded = table.assign(kind=pd.Categorical(table["kind"], categories=sorted(set(kinds))))
    ordered = sort_ids(coded.sort_values(["day", "kind", "amount"], kind="stable", ignore_index=True))
    return ordered[["customer_id", "day", "kind", "amount"]]


def events_of(events: CostEvents, summary: CustomerSummary) -> CostEvents:
    """The events that a summary counts: of its customers, up to its end of observation.

    Parameters
    ----------
    events : all that were read.
    summary : with an `observation_end`, its ids of the same type.

    Returns
    -------
    CostEvents
        With all kinds of `events`; `counts` says how many were cut, and how many were of customers without an order.
        Events before a customer's first purchase (a visit, a quotation) stay: they are costs of the customer.

    Raises
    ------
    UsageError
        The summary has no `observation_end`, the currencies differ, no event is of a customer of the summary, or joint
        costs are not shared yet.

    Examples
    --------
    >>> tickets = pd.DataFrame({"customer_id": ["a", "a", "z"], "date": ["2025-02-01", "2025-06-01", "2025-02-01"],
    ...                         "kind": "ticket", "amount": [4.5, 4.5, 4.5]})
    >>> orders = pd.DataFrame({"customer_id": ["a"], "date": ["2025-01-01"], "spend": [20.0]})
    >>> from kundenwert.customers.summary import summarize
    >>> summary = summarize(orders, customer="customer_id", time="date", amount="spend", observation_end="2025-04-30")
    >>> events_of(read_events(tickets), summary).counts
    {'events_read': 3, 'events_cut': 1, 'events_of_strangers': 1}
    """
    end = _checked(events, summary)
    table = events.table
    in_time = (table["day"] <= pd.Timestamp(end)).to_numpy()
    known = customer_codes(table["customer_id"], summary.table["customer_id"], events.where) >= 0
    left_out = {"events_cut": int((~in_time).sum()), "events_of_strangers": int((in_time & ~known).sum())}
    # Added to what an earlier call found, so that taking them twice says the same as taking them once.
    counts = {**events.counts, **{name: events.counts.get(name, 0) + found for name, found in left_out.items()}}
    return replace(events, table=table[in_time & known].reset_index(drop=True), counts=counts)


def _checked(events: CostEvents, summary: CustomerSummary) -> dt.date:
    need_summary(summary)
    if summary.observation_end is None:
        raise UsageError("the summary has no observation_end, so nobody knows which events it counts. Set it.")
    if events.currency and summary.currency and events.currency != summary.currency:
        raise UsageError(
            f"events in {events.currency} cannot be taken from orders in {summary.currency}. Convert one of the two."
        )
    if events.joint is not None:
        raise UsageError(
            f"{len(events.joint):,} costs of {events.where} are of no customer. Share them first: "
            "events = share_joint_costs(events, log, summary)."
        )
    return summary.observation_end


def is_joint(kind: object) -> bool:
    """Whether a kind is that of shared costs.

    >>> is_joint("joint_advertising"), is_joint("ticket")
    (True, False)
    """
    return str(kind).startswith(JOINT)


def sum_events(events: CostEvents, summary: CustomerSummary) -> pd.DataFrame:
    """What serving each customer cost up to the end of observation, by kind.

    Parameters
    ----------
    events : all that were read, or those of `events_of`.
    summary : with an `observation_end`.

    Returns
    -------
    (customer,) one column of money a kind, in the order and under the index of the summary's table; 0 where there was
    no event.

    Raises
    ------
    UsageError
        As `events_of`.

    Examples
    --------
    >>> tickets = pd.DataFrame({"customer_id": ["a", "a"], "date": "2025-02-01", "kind": "ticket",
    ...                         "amount": [0.1, 0.2]})
    >>> orders = pd.DataFrame({"customer_id": ["a", "b"], "date": "2025-01-01", "spend": [20.0, 5.0]})
    >>> from kundenwert.customers.summary import summarize
    >>> summary = summarize(orders, customer="customer_id", time="date", amount="spend", observation_end="2025-04-30")
    >>> sum_events(read_events(tickets), summary)["ticket"].tolist()
    [0.3, 0.0]
    """
    counted = events_of(events, summary)
    table, n, kinds = counted.table, len(summary.table), counted.kinds
    cell = (
        customer_codes(table["customer_id"], summary.table["customer_id"], events.where) * len(kinds)
        + table["kind"].cat.codes.to_numpy()
    )
    sums = np.bincount(cell, weights=table["amount"].to_numpy(), minlength=n * len(kinds)).reshape(n, -1)
    return pd.DataFrame(round_money(sums, sums), columns=list(kinds), index=summary.table.index)
