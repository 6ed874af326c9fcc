"""The canonical transaction log and its contract: every broken rule is found before the first one is reported."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import pandas as pd

from kundenwert.customers.parsing import MISSING, NOT_FINITE, UNREADABLE
from kundenwert.errors import FIRST_IDS, DataError, UsageError, Violation
from kundenwert.units import Currency

EARLIEST = dt.date(1900, 1, 1)
LATEST = dt.date(2100, 12, 31)

_FORMATS = "Write days as 1997-01-31 or 19970131 and times as 1997-01-31 23:59:59, with or without an offset."


@dataclass(frozen=True, repr=False)
class Transactions:
    """A transaction log that has passed its contract.

    Parameters
    ----------
    frame : (row,) `customer_id` (the input's type), `day` (date in the business time zone), `amount` (Float64), and
        `cohort` and the `carried` columns (Float64) where such were named; lazy, run by whatever engine holds it.
    currency : of the amounts, where known.
    counts : `rows_read`, `exact_duplicates` (rows equal to an earlier one in customer, time and amount as they are
        written, whatever their other columns hold), `zero_spend_rows`, `refunds`.
    first_day, last_day : of the log.
    where : the source as a person names it, for messages.
    cohort_column : the input's column that `cohort` was read from.
    carried : column of the frame -> the input's column that it was read from, of the further columns.
    """

    frame: nw.LazyFrame[Any]
    currency: Currency | None
    counts: Mapping[str, int]
    first_day: dt.date
    last_day: dt.date
    where: str = "orders"
    cohort_column: str | None = None
    carried: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        money = f", {self.currency}" if self.currency else ""
        return f"Transactions: {self.counts['rows_read']:,} rows from {self.first_day} to {self.last_day}{money}"


def parse_day(value: dt.date | str, what: str) -> dt.date:
    """A calendar day from 1900 to 2100, of a date, a datetime or ISO text; anything else is a `UsageError`.

    >>> parse_day("1997-09-30", "observation_end")
    datetime.date(1997, 9, 30)
    """
    try:
        if isinstance(value, dt.datetime):
            day = value.date()
        else:
            day = value if isinstance(value, dt.date) else dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise UsageError(f"{what} {value!r} is not a day. Write it as 1997-09-30.") from None
    if pd.isna(day):  # pandas' missing time is a datetime
        raise UsageError(f"{what} is missing.")
    if not EARLIEST <= day <= LATEST:
        raise UsageError(
            f"{what} {day} lies outside {EARLIEST.year} to {LATEST.year}: a placeholder, or a typing error."
        )
    return day


def wrap_frame(native: Any, where: str) -> nw.DataFrame[Any] | nw.LazyFrame[Any]:
    """Any frame that Narwhals takes; `TypeError` for what is none, `DataError` where column names repeat."""
    try:
        frame: nw.DataFrame[Any] | nw.LazyFrame[Any] = nw.from_native(native)
        frame.collect_schema()
    except nw.exceptions.DuplicateError as error:
        twice = ", ".join(line.removeprefix("- ") for line in str(error).splitlines()[1:])
        remedy = "Rename all but one, or drop them."
        raise DataError(where, [Violation(f"column names repeat: {twice}", remedy=remedy)]) from None
    return frame


def category_texts(series: "pd.Series[Any]") -> "pd.Series[Any]":
    """A pandas column of categories as text, missing values kept.

    >>> category_texts(pd.Series([2, None], dtype="category")).iloc[0]
    '2'
    """
    # A cast would make "2.0" of 2, because pandas turns whole numbers into floats where one is missing.
    texts = series.map(str, na_action="ignore")
    return texts.astype(texts.cat.categories.dtype) if isinstance(texts.dtype, pd.CategoricalDtype) else texts


def to_pandas(frame: nw.LazyFrame[Any]) -> pd.DataFrame:
    """Collect a lazy frame into pandas; days become datetime64[us], ids keep their type."""
    collected = frame.collect()
    if collected.implementation.is_pandas():
        table = collected.to_pandas().reset_index(drop=True)
    else:
        table = collected.to_arrow().to_pandas(date_as_object=False)
    days = [name for name, dtype in collected.schema.items() if dtype == nw.Date]
    return table.astype(dict.fromkeys(days, "datetime64[us]"))


def sort_ids(table: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order of `customer_id`; ids of mixed types are ordered by the type's name, then as text."""
    try:
        return table.sort_values("customer_id", kind="stable", ignore_index=True)
    except TypeError:
        order = sorted(
            table.index, key=lambda i: (type(table.at[i, "customer_id"]).__name__, str(table.at[i, "customer_id"]))
        )
        return table.loc[order].reset_index(drop=True)


def check_contract(
    staged: nw.LazyFrame[Any],
    *,
    where: str,
    currency: Currency | None,
    cohort_column: str | None,
    carried: Mapping[str, str],
    lost: Sequence[Violation] = (),
    customer_required: bool = True,
) -> Transactions:
    """Hold a staged log against the contract.

    Parameters
    ----------
    staged : (row,) `customer_id`, `time` (raw), `day`, `amount`, `time_state`, `amount_state`, the carried columns
        with their states, and `cohort` or `currency` where the input names such a column.
    where : the source, for messages.
    currency : of the amounts; None where unknown or where a column holds it.
    cohort_column : the input's name of the column `cohort`.
    carried : carried column -> the input's name of it.
    lost : what the reader found before: lines of which it could not make rows.
    customer_required : whether a row without a customer breaks the contract.

    Raises
    ------
    DataError
        With every rule that is broken, each with its count and the first five ids in the order of ids.
    """
    tests = _broken(staged, carried)
    facts = _facts(staged, tests)
    if facts["rows"] == 0:
        none = Violation("the input has no rows", remedy="Check the source and its filters.")
        raise DataError(where, lost or [none])
    rules = (*(_RULES if customer_required else _RULES[1:]), *_carried_rules(carried))
    violations = [*lost]
    violations += [
        _violation(staged.filter(tests[rule.name]), rule, int(facts[rule.name])) for rule in rules if facts[rule.name]
    ]
    if "currency" in staged.collect_schema().names():
        currency, mixed = _one_currency(staged)
        violations += mixed
    if violations:
        raise DataError(where, violations)
    names = ["customer_id", "day", "amount", *(["cohort"] if cohort_column else []), *carried]
    counts = {
        "rows_read": int(facts["rows"]),
        "exact_duplicates": _exact_duplicates(staged, int(facts["rows"])),
        "zero_spend_rows": int(facts["zero_spend_rows"]),
        "refunds": int(facts["refunds"]),
    }
    first, last = (pd.Timestamp(facts[name]).date() for name in ("first_day", "last_day"))
    return Transactions(staged.select(*names), currency, counts, first, last, where, cohort_column, carried)


@dataclass(frozen=True)
class _Rule:
    name: str
    text: str
    remedy: str
    shows_ids: bool = True


_RULES = (
    _Rule("no_customer", "the customer is missing", "Drop these rows, or give them an id.", shows_ids=False),
    _Rule("no_time", "the time is missing", "Fill it in, or drop these rows."),
    _Rule("bad_time", "the time cannot be read without guessing", _FORMATS),
    _Rule("far_time", f"the day lies outside {EARLIEST.year} to {LATEST.year}", "A placeholder, or a typing error."),
    _Rule("no_amount", "the amount is missing", "Fill it in (0 where nothing was paid), or drop these rows."),
    _Rule("bad_amount", "the amount is not a number", "Write 1234.56: no thousands mark, no currency sign."),
    _Rule("infinite_amount", "the amount is not finite", "Correct the calculation that made it, or drop these rows."),
)  # fmt: skip


def _carried_rules(carried: Mapping[str, str]) -> list[_Rule]:
    number = "Write 1234.56: no thousands mark, no percent or currency sign; or leave it empty."
    finite = "Correct the calculation that made it, or leave it empty."
    return [
        rule
        for name, column in carried.items()
        for rule in (
            _Rule(f"bad_{name}", f"column {column!r} is not a number", number),
            _Rule(f"infinite_{name}", f"column {column!r} is not finite", finite),
        )
    ]


def _broken(staged: nw.LazyFrame[Any], carried: Iterable[str]) -> dict[str, nw.Expr]:
    """The rules as boolean expressions, by name."""
    customer = nw.col("customer_id")
    absent = customer.is_null()
    if staged.collect_schema()["customer_id"] == nw.String:
        absent = absent | (customer.str.strip_chars() == "")
    numbers: dict[str, nw.Expr] = {}
    for name in ("amount", *carried):
        state = nw.col(f"{name}_state")
        numbers |= {f"bad_{name}": state == UNREADABLE, f"infinite_{name}": state == NOT_FINITE}
    return {
        "no_customer": absent,
        "no_time": nw.col("time_state") == MISSING,
        "bad_time": nw.col("time_state") == UNREADABLE,
        "far_time": (nw.col("day") < EARLIEST) | (nw.col("day") > LATEST),
        "no_amount": nw.col("amount_state") == MISSING,
        **numbers,
    }


def _facts(staged: nw.LazyFrame[Any], broken: Mapping[str, nw.Expr]) -> dict[str, Any]:
    """One pass over the log: how many rows break each rule, and what the counts report."""
    tests = {
        **broken,
        "zero_spend_rows": nw.col("amount") == 0,
        "refunds": nw.col("amount") < 0,
    }
    # Sums of integers come back from DuckDB as HUGEINT, which Arrow makes a decimal: cast after the sum as well.
    sums = [test.fill_null(False).cast(nw.Int64).sum().cast(nw.Int64).alias(name) for name, test in tests.items()]
    known = (nw.col("day") >= EARLIEST) & (nw.col("day") <= LATEST)
    day = nw.when(known).then(nw.col("day"))
    span = [day.min().alias("first_day"), day.max().alias("last_day")]
    row = to_pandas(staged.select(nw.len().cast(nw.Int64).alias("rows"), *sums, *span)).iloc[0]
    return {str(name): value for name, value in row.items()}


def _violation(broken: nw.LazyFrame[Any], rule: _Rule, count: int) -> Violation:
    ids: list[object] = []
    if rule.shows_ids:
        rows = broken.filter(~nw.col("customer_id").is_null())
        found = to_pandas(rows.group_by("customer_id").agg(nw.len().alias("rows")))
        ids = sort_ids(found)["customer_id"].head(FIRST_IDS + 1).tolist()
    return Violation(rule.text, count, ids, rule.remedy)


def _one_currency(staged: nw.LazyFrame[Any]) -> tuple[Currency | None, list[Violation]]:
    found = to_pandas(staged.group_by("currency").agg(nw.len().alias("rows"))).sort_values("currency")
    codes = found["currency"]
    if len(found) == 1 and codes.notna().all():
        try:
            return Currency(str(codes.iloc[0])), []
        except UsageError as error:
            return None, [Violation(f"the currency column: {error}".rstrip("."))]
    listed = ", ".join(
        f"{'(missing)' if pd.isna(c) else c}: {n:,} rows" for c, n in zip(codes, found["rows"], strict=True)
    )
    remedy = "Convert the amounts to one currency, or fit each currency by itself."
    return None, [Violation(f"the currency column must hold one value, not {len(found)} ({listed})", remedy=remedy)]


def _exact_duplicates(staged: nw.LazyFrame[Any], rows: int) -> int:
    distinct = staged.group_by("customer_id", "time", "amount").agg(nw.len().alias("rows")).select(nw.len().alias("n"))
    return rows - int(to_pandas(distinct)["n"].iloc[0])
