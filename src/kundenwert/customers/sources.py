"""Where transactions come from: files, databases, frames in memory, examples.

Each adapter stages the log as one lazy frame with a `day` column in the business time zone; the engine that holds the
data (DuckDB for files) then runs everything after it. Narwhals has no date arithmetic or zone conversion that works
on every lazy engine, so the day is made here and nowhere else.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import narwhals as nw
import pandas as pd

from kundenwert.customers import examples
from kundenwert.customers.cohorts import COLUMN
from kundenwert.customers.parsing import MISSING, NOT_FINITE, READ, RawColumn, literal, parsed_sql, quote
from kundenwert.customers.transactions import Transactions, check_contract
from kundenwert.errors import DataError, UsageError, Violation, did_you_mean
from kundenwert.names import SUMMARY_TABLE
from kundenwert.units import Currency

_CSV = (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz", ".txt")
_PARQUET = (".parquet", ".pq")


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
    where, opened = _open(source, Path(base_dir) if base_dir is not None else Path())
    _check_columns(opened.collect_schema().names(), columns, where)
    staged = _stage(opened, columns, zone)
    if isinstance(source, str | Path) and str(source).lower().endswith(_CSV):
        staged = _stored(staged, where)
    return check_contract(staged, where=where, currency=code, cohort_column=cohort_column, carried=columns.carried)


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


def _open(source: Any, base: Path) -> tuple[str, nw.DataFrame[Any] | nw.LazyFrame[Any]]:
    """The source's name for messages, and the source as a Narwhals frame."""
    if isinstance(source, str) and source.startswith("example:"):
        return source, nw.from_native(examples.load(_example_name(source)))
    if isinstance(source, str) and source.startswith("duckdb://"):
        return source, _open_database(source, base)
    if isinstance(source, str | Path):
        return str(source), _open_file(str(source), base)
    try:
        frame: nw.DataFrame[Any] | nw.LazyFrame[Any] = nw.from_native(source)
    except TypeError:
        raise UsageError(
            f"a {type(source).__name__} is not a transaction log. Give a path, 'duckdb://FILE?table=T', "
            "'example:cdnow', or a pandas, polars, Arrow or DuckDB frame."
        ) from None
    return "orders", frame


def _example_name(source: str) -> str:
    name = source.removeprefix("example:")
    if name not in examples.EXAMPLES:
        known = ", ".join(f"example:{e}" for e in examples.EXAMPLES)
        remedy = f"{did_you_mean(name, examples.EXAMPLES)} Known: {known}.".strip()
        raise DataError(source, [Violation("there is no such example", remedy=remedy)])
    return name


def _connect() -> Any:
    # pyarrow.compute first: imported after duckdb it changes the order of module teardown, and DuckDB 2.0 then prints
    # leak notes of its binding when the interpreter exits.
    import pyarrow.compute  # noqa: F401
    import duckdb  # isort: skip

    connection = duckdb.connect()
    # By default DuckDB would spill into a folder in the caller's working directory.
    connection.execute(f"SET temp_directory = {literal(tempfile.gettempdir())}")
    return connection


def _open_file(source: str, base: Path) -> nw.LazyFrame[Any]:
    import duckdb

    if "://" in source:
        known = "Use a path, a glob, 'duckdb://FILE?table=T', or 'example:cdnow'."
        raise DataError(source, [Violation("this kind of source cannot be read", remedy=known)])
    path, name = base / source, source.lower()
    if name.endswith(_PARQUET):
        call = f"read_parquet({literal(str(path))}, union_by_name = true)"
    elif name.endswith(_CSV):
        # All text: a cast inside the reader would stop at the first bad row, and nobody could list the others.
        call = f"read_csv({literal(str(path))}, all_varchar = true, header = true, union_by_name = true)"
    else:
        remedy = f"Known endings: {', '.join((*_CSV, *_PARQUET))}."
        raise DataError(source, [Violation("the file's ending does not say what it holds", remedy=remedy)])
    if not any(c in source for c in "*?[") and not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        remedy = f"Looked for {path}.{did_you_mean(path.name, siblings)}"
        raise DataError(source, [Violation("the file does not exist", remedy=remedy)])
    connection = _connect()
    try:
        frame: nw.LazyFrame[Any] = nw.from_native(connection.sql(f"SELECT * FROM {call}"))
        return frame
    except duckdb.Error as error:
        connection.close()
        raise DataError(source, [Violation(f"the file cannot be read: {_first_line(error)}")]) from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")


def _open_database(source: str, base: Path) -> nw.LazyFrame[Any]:
    import duckdb

    location, _, query = source.removeprefix("duckdb://").partition("?")
    key, _, table = query.partition("=")
    if not location or key != "table" or not table:
        raise UsageError(f"{source!r} does not name a table. Write duckdb://FILE?table=T.")
    path = base / location
    if not path.is_file():
        raise DataError(source, [Violation("the file does not exist", remedy=f"Looked for {path}.")])
    connection = _connect()
    try:
        connection.execute(f"ATTACH {literal(str(path))} AS source (READ_ONLY)")
        name = ".".join(quote(part) for part in ("source", *table.split(".")))
        frame: nw.LazyFrame[Any] = nw.from_native(connection.sql(f"SELECT * FROM {name}"))
        return frame
    except duckdb.CatalogException as error:
        query = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'source' ORDER BY 1"
        tables = [row[0] for row in connection.execute(query).fetchall()]
        connection.close()
        remedy = f"{did_you_mean(table, tables)} It has: {', '.join(tables) or 'none'}.".strip()
        raise DataError(source, [Violation(f"table {table!r} is missing", remedy=remedy)]) from error
    except duckdb.Error as error:
        connection.close()
        raise DataError(source, [Violation(f"the database cannot be read: {_first_line(error)}")]) from error


def _stage(frame: nw.DataFrame[Any] | nw.LazyFrame[Any], columns: _Columns, zone: str) -> nw.LazyFrame[Any]:
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
        raise DataError(where, [Violation(f"the file cannot be read: {_first_line(error)}")]) from error
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
    connection = _connect()
    try:
        relation = connection.from_arrow(raw)
        parsed = relation.project(_parsed(relation, columns, zone)).to_arrow_table()
    finally:
        connection.close()
    kept = frame.select(*(nw.col(column).alias(name) for name, column in columns.kept.items()))
    if isinstance(kept.schema["customer_id"], nw.Categorical | nw.Enum):
        kept = kept.with_columns(nw.col("customer_id").cast(nw.String))
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
