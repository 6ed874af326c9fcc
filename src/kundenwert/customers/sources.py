"""Where transactions come from: files, databases, frames in memory, examples.

Each adapter stages the log as one lazy frame with a `day` column in the business time zone; the engine that holds the
data (DuckDB for files) then runs everything after it. Narwhals has no date arithmetic or zone conversion that works
on every lazy engine, so the day is made here and nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import narwhals as nw
import pandas as pd

from kundenwert.customers import examples
from kundenwert.customers.cohorts import COLUMN
from kundenwert.customers.csv_files import is_csv, rejected_lines
from kundenwert.customers.files import connect, open_database, open_file, unreadable
from kundenwert.customers.parsing import MISSING, NOT_FINITE, READ, RawColumn, parsed_sql, quote
from kundenwert.customers.transactions import Transactions, category_texts, check_contract, wrap_frame
from kundenwert.errors import DataError, UsageError, Violation, did_you_mean
from kundenwert.names import SUMMARY_TABLE
from kundenwert.units import Currency

type _Frame = nw.DataFrame[Any] | nw.LazyFrame[Any]


@dataclass(frozen=True)
class _Columns:
    """Names of the input's columns."""

    customer: str
    time: str
    amount: str
    cohort: str | None
    currency: str | None
    carry: tuple[str, ...] = ()

    @property
    def kept(self) -> dict[str, str]:
        """Canonical name -> input's name, of everything that is carried as it is."""
        pairs = {"customer_id": self.customer, "time": self.time, "cohort": self.cohort, "currency": self.currency}
        return {name: column for name, column in pairs.items() if column is not None}

    @property
    def carried(self) -> dict[str, str]:
        """Name while staged -> input's name, of the further columns: an input's own name may clash with ours."""
        return {f"carried_{i}": column for i, column in enumerate(self.carry)}

    @property
    def numbers(self) -> dict[str, str]:
        """Canonical name -> input's name, of everything that is read as a number."""
        return {"amount": self.amount, **self.carried}

    @property
    def needed(self) -> list[str]:
        return list(dict.fromkeys([*self.kept.values(), *self.numbers.values()]))


def read(
    source: Any,
    *,
    customer: str,
    time: str,
    amount: str,
    currency: Currency | str | None = None,
    timezone: str = "UTC",
    cohort: str | None = None,
    carry: Sequence[str] = (),
    base_dir: str | Path | None = None,
) -> Transactions:
    """Open a transaction log and hold it against the data contract.

    Parameters
    ----------
    source : path or glob of CSV or Parquet files, `duckdb://FILE?table=T`, `example:cdnow`, `example:cdnow-sample`,
        or any pandas, polars, Arrow, DuckDB or other frame that Narwhals takes. It is never written to.
    customer, time, amount : the input's column names. Ids keep their type (text from CSV); an amount below 0 is a
        refund.
    currency : ISO 4217 code, or `column:NAME` of a column that holds one value.
    timezone : IANA name; decides which day an order belongs to. Times with a zone are converted, times without one
        and plain dates are taken as local already.
    cohort : `column:NAME` to carry a cohort column; the calendar cohorts need nothing.
    carry : further columns of numbers that say something about the customer, such as a margin; they become columns of
        the customer summary. Empty cells are passed over.
    base_dir : what relative paths are relative to; default the working directory.

    Returns
    -------
    Transactions
        A lazy frame of `customer_id, day, amount` (and `cohort`, and what is carried), and what was counted on the way.

    Raises
    ------
    DataError
        The source is missing, a column is missing or cannot be carried, or the contract is broken: all of it in one
        message.
    UsageError
        A time zone or a currency that does not exist, or a source of a kind that cannot be read.

    Examples
    --------
    >>> read("example:cdnow-sample", customer="customer_id", time="date", amount="spend", currency="USD")
    Transactions: 6,919 rows from 1997-01-01 to 1998-06-30, USD
    """
    zone = _check_zone(timezone)
    code, currency_column = _split_currency(currency)
    cohort_column = cohort.removeprefix(COLUMN) if cohort and cohort.startswith(COLUMN) else None
    carry = (carry,) if isinstance(carry, str) else carry
    columns = _Columns(customer, time, amount, cohort_column, currency_column, tuple(dict.fromkeys(carry)))
    where, present, opened = _open(source, _folder(base_dir), columns.needed)
    _check_columns(present, columns, where)
    staged, lost = _stage(_without_categories(opened, columns), columns, zone), []
    if isinstance(source, str | Path) and is_csv(source):
        staged = _stored(staged, where)
        lost = rejected_lines(staged.to_native(), source)
    return check_contract(
        staged, where=where, currency=code, cohort_column=cohort_column, carried=columns.carried, lost=lost
    )


def column_names(source: Any, *, base_dir: str | Path | None = None, needed: Sequence[str] = ()) -> list[str]:
    """The names of a source's columns; of files only headers are read.

    Parameters
    ----------
    source, base_dir : as of `read`.
    needed : columns that are expected: they tell by what a CSV file is parted.

    Raises
    ------
    DataError : the source is missing or cannot be opened.

    Examples
    --------
    >>> column_names("example:cdnow-sample")
    ['customer_id', 'date', 'quantity', 'spend']
    """
    return list(_open(source, _folder(base_dir), needed)[1])


def _folder(base_dir: str | Path | None) -> Path:
    return Path(base_dir) if base_dir is not None else Path()


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        hint = did_you_mean(str(name), available_timezones())
        raise UsageError(f"time zone {name!r} is not known.{hint} Use an IANA name such as 'Europe/Berlin'.") from None
    return name


def _split_currency(currency: Currency | str | None) -> tuple[Currency | None, str | None]:
    if currency is None or isinstance(currency, Currency):
        return currency, None
    if currency.startswith(COLUMN):
        return None, currency.removeprefix(COLUMN)
    return Currency(currency), None


def _check_columns(present: Sequence[str], columns: _Columns, where: str) -> None:
    shown = ", ".join(present)
    violations = [
        Violation(f"column {name!r} is missing", remedy=f"{did_you_mean(name, present)} It has: {shown}.".strip())
        for name in columns.needed
        if name not in present
    ]
    violations += [
        Violation(
            f"column {name!r} cannot be carried: the customer summary has a column of this name",
            remedy=f"Rename it in the log, for example to '{name}_given'.",
        )
        for name in columns.carry
        if name in SUMMARY_TABLE
    ]
    if violations:
        raise DataError(where, violations)


def _open(source: Any, base: Path, needed: Sequence[str]) -> tuple[str, Sequence[str], _Frame]:
    """The source's name for messages, its column names, and the source as a Narwhals frame."""
    if isinstance(source, str | Path):
        where, text = str(source), str(source)
        if text.startswith("example:"):
            return where, *_wrapped(examples.load(_example_name(text)), where)
        if text.startswith("duckdb://"):
            return where, *_wrapped(open_database(text, base), where)
        names, relation = open_file(text, base, needed)
        return where, names, nw.from_native(relation)
    try:
        return "orders", *_wrapped(source, "orders")
    except TypeError:
        raise UsageError(
            f"a {type(source).__name__} is not a transaction log. Give a path, 'duckdb://FILE?table=T', "
            "'example:cdnow', or a pandas, polars, Arrow or DuckDB frame."
        ) from None


def _wrapped(native: Any, where: str) -> tuple[Sequence[str], _Frame]:
    frame = wrap_frame(native, where)
    return frame.collect_schema().names(), frame


def _without_categories(frame: _Frame, columns: _Columns) -> _Frame:
    """Categories as text on every engine: each has its own order of them, and none is the order of the text."""
    schema = frame.collect_schema()
    coded = [name for name in columns.needed if isinstance(schema[name], nw.Categorical | nw.Enum)]
    if not coded:
        return frame
    if isinstance(frame, nw.DataFrame) and frame.implementation.is_pandas():
        native = frame.to_native()
        text: _Frame = nw.from_native(native.assign(**{name: category_texts(native[name]) for name in coded}))
        return text
    return frame.with_columns(*(nw.col(name).cast(nw.String) for name in coded))


def _example_name(source: str) -> str:
    name = source.removeprefix("example:")
    if name not in examples.EXAMPLES:
        known = ", ".join(f"example:{e}" for e in examples.EXAMPLES)
        remedy = f"{did_you_mean(name, examples.EXAMPLES)} Known: {known}.".strip()
        raise DataError(source, [Violation("there is no such example", remedy=remedy)])
    return name


def _stage(frame: _Frame, columns: _Columns, zone: str) -> nw.LazyFrame[Any]:
    """The columns that `check_contract` takes, lazily where possible."""
    if isinstance(frame, nw.DataFrame):
        return _stage_eager(frame, columns, zone)
    if frame.implementation.is_duckdb():
        return _stage_relation(frame.to_native(), columns, zone)
    schema = frame.collect_schema()
    kind = schema[columns.time]
    zoned = isinstance(kind, nw.Datetime) and kind.time_zone is not None
    readable = kind == nw.Date or (isinstance(kind, nw.Datetime) and (not zoned or frame.implementation.is_polars()))
    if readable and all(schema[name].is_numeric() for name in columns.numbers.values()):
        return _stage_lazy(frame, columns, zone, kind)
    # Text and odd types on an engine without our parsing rules: only the columns in use come into memory.
    return _stage_eager(frame.select(*columns.needed).collect(), columns, zone)


def _stage_relation(relation: Any, columns: _Columns, zone: str) -> nw.LazyFrame[Any]:
    kept = ", ".join(f"{quote(column)} AS {name}" for name, column in columns.kept.items())
    # A projection on the caller's own connection: it reads no setting of the session and changes none.
    staged: nw.LazyFrame[Any] = nw.from_native(relation.project(f"{kept}, {_parsed(relation, columns, zone)}"))
    return staged


def _parsed(relation: Any, columns: _Columns, zone: str) -> str:
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    numbers = {name: RawColumn(column, types[column]) for name, column in columns.numbers.items()}
    return parsed_sql(RawColumn(columns.time, types[columns.time]), numbers, zone)


def _stored(staged: nw.LazyFrame[Any], where: str) -> nw.LazyFrame[Any]:
    """A staged CSV as a table of its private connection: parsed once, not again for each question asked of it."""
    import duckdb

    relation = staged.to_native()
    try:
        relation.create("staged")
    except duckdb.Error as error:
        raise unreadable(where, error) from error
    stored: nw.LazyFrame[Any] = nw.from_native(relation.query("unused", "SELECT * FROM staged"))
    return stored


def _stage_lazy(frame: nw.LazyFrame[Any], columns: _Columns, zone: str, kind: Any) -> nw.LazyFrame[Any]:
    time = nw.col(columns.time)
    if isinstance(kind, nw.Datetime):
        local = time.dt.convert_time_zone(zone) if kind.time_zone is not None else time
        day = local.dt.date()
    else:
        day = time
    numbers: list[nw.Expr] = []
    for name, column in columns.numbers.items():
        number = nw.col(column).cast(nw.Float64)
        finite = nw.when(~number.is_finite()).then(nw.lit(NOT_FINITE)).otherwise(nw.lit(READ))
        state = nw.when(number.is_null()).then(nw.lit(MISSING)).otherwise(finite)
        numbers += [number.alias(name), state.alias(f"{name}_state")]
    return frame.select(
        *(nw.col(column).alias(name) for name, column in columns.kept.items()),
        day.alias("day"),
        nw.when(time.is_null()).then(nw.lit(MISSING)).otherwise(nw.lit(READ)).alias("time_state"),
        *numbers,
    )


def _stage_eager(frame: nw.DataFrame[Any], columns: _Columns, zone: str) -> nw.LazyFrame[Any]:
    import pyarrow as pa

    if not (frame.implementation.is_pandas() or frame.implementation.is_polars() or frame.implementation.is_pyarrow()):
        frame = nw.from_native(frame.to_arrow())
    raw = pa.table({name: _to_arrow(frame[name]) for name in dict.fromkeys((columns.time, *columns.numbers.values()))})
    connection = connect()
    try:
        relation = connection.from_arrow(raw)
        parsed = relation.project(_parsed(relation, columns, zone)).to_arrow_table()
    finally:
        connection.close()
    kept = frame.select(*(nw.col(column).alias(name) for name, column in columns.kept.items()))
    native = [_from_arrow(parsed[name], name, kept) for name in parsed.column_names]
    return kept.with_columns(*native).lazy()


def _to_arrow(series: nw.Series[Any]) -> Any:
    import pyarrow as pa

    if series.dtype != nw.Object:
        return series.to_arrow()
    values = series.to_native()
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # Python objects of several types in one pandas column: as text each of them still reads as what it is.
        return pa.array([None if pd.isna(value) else str(value) for value in values], pa.string())


def _from_arrow(column: Any, name: str, like: nw.DataFrame[Any]) -> nw.Series[Any]:
    series: Any = column
    if like.implementation.is_pandas():
        index = like.to_native().index
        values = pd.array(column, dtype=pd.ArrowDtype(column.type)) if name == "day" else column.to_numpy()
        series = pd.Series(values, index=index, name=name)
    elif like.implementation.is_polars():
        series = nw.get_native_namespace(like).from_arrow(column)
    wrapped: nw.Series[Any] = nw.from_native(series, series_only=True)
    return wrapped.alias(name)
