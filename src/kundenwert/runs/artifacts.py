"""The files of a run: strict JSON, the customer table as Parquet, and writing that is all or nothing."""

import dataclasses
import datetime
import json
import math
import os
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from kundenwert.errors import RunError, UsageError
from kundenwert.names import CUSTOMER_COLUMNS, STATES

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

PARTIAL = ".partial-"
REQUIRED_METADATA = ("time_unit", "currency", "value_basis", "format_version", "kundenwert_version")
TEXT_COLUMNS = frozenset({"cohort", "potential_basis", "segment", "status", "action"})
MONEY_COLUMNS = frozenset(
    {
        "monetary_value",
        "realized_value",
        "actual_value",
        "actual_value_low",
        "actual_value_high",
        "potential_value",
        "unrealized_value",
        "expected_gain",
    }
)
TIME_COLUMNS = frozenset({"recency", "T", "payback_time"})
PROBABILITY_COLUMNS = frozenset(
    {"p_alive", "churn_probability", "payback_probability", *(f"p_{state}" for state in STATES)}
)
COUNT_COLUMNS = frozenset({"frequency", "expected_purchases"})


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place and move it there: readers see the old file or the new one, never a half.

    Parameters
    ----------
    path : where the file shall be.
    write : writes a complete file at the path that it is given.
    """
    temporary = path.with_name(f"{PARTIAL}{path.name}-{os.getpid()}")
    try:
        write(temporary)
        flush_to_disk(temporary)
        os.replace(temporary, path)
        flush_to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def jsonable(value: Any) -> Any:
    """Plain JSON values: NaN and missing become null, infinities the texts `Infinity` and `-Infinity`.

    Dates become ISO text, enums their value, arrays and tuples lists, frozen dataclasses tables.

    >>> jsonable({"a": (1, float("nan")), "b": np.float64("inf")})
    {'a': [1, None], 'b': 'Infinity'}
    """
    if isinstance(value, Enum):
        return jsonable(value.value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return jsonable(value.tolist())
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if math.isfinite(value) else f"{'-' if value < 0 else ''}Infinity"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {_key(key): jsonable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(entry) for entry in value]
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} has no place in a run's JSON: {value!r}")


def _key(key: object) -> str:
    plain = jsonable(key)
    if isinstance(plain, str | int) and not isinstance(plain, bool):
        return str(plain)
    raise TypeError(f"{key!r} cannot be a key in a run's JSON")


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON, keys in their own order, one level of indentation; see `jsonable` for what becomes of what."""
    path.write_text(json.dumps(jsonable(value), indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read strict JSON; a missing or broken file is a `RunError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{path} is missing: the run is incomplete. Retrain it with --force.") from None
    except ValueError as error:  # broken JSON and broken UTF-8 alike
        raise RunError(f"{path} is not strict JSON ({error}). Retrain the run with --force.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def column_unit(column: str, currency: str, time_unit: str) -> str:
    """The unit of a column of `customers.parquet`, as stored beside it; empty for labels."""
    if column in MONEY_COLUMNS:
        return currency or "currency not stated"
    if column in TIME_COLUMNS:
        return time_unit
    if column in PROBABILITY_COLUMNS:
        return "probability"
    if column in COUNT_COLUMNS:
        return "purchases"
    return "loss matrix" if column == "expected_loss" else ""


def write_customers(path: Path, table: "pd.DataFrame", metadata: Mapping[str, str]) -> None:
    """Write `customers.parquet`: one row a customer, a unit beside every column, the rest in the schema's metadata.

    Parameters
    ----------
    path : the file.
    table : `CUSTOMER_COLUMNS` in this order, more columns after them.
    metadata : at least time_unit, currency (empty where none is stated), value_basis, format_version and
        kundenwert_version, all text.

    Raises
    ------
    UsageError : columns or metadata are missing or out of order.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    lacking = [key for key in REQUIRED_METADATA if key not in metadata]
    if lacking:
        raise UsageError(f"customers.parquet needs its metadata {', '.join(lacking)}.")
    if tuple(table.columns[: len(CUSTOMER_COLUMNS)]) != CUSTOMER_COLUMNS:
        wrong = next((c for c, has in zip(CUSTOMER_COLUMNS, table.columns, strict=False) if c != has), "the last ones")
        raise UsageError(f"customers.parquet has its columns in a fixed order; {wrong!r} is missing or out of place.")
    arrays = [_arrow(table[column]) for column in table.columns]
    units = (column_unit(column, metadata["currency"], metadata["time_unit"]) for column in table.columns)
    fields = [
        pa.field(column, array.type, metadata={"unit": unit} if unit else None)
        for column, array, unit in zip(table.columns, arrays, units, strict=True)
    ]
    pq.write_table(pa.table(arrays, schema=pa.schema(fields, metadata=dict(metadata))), path)


def _arrow(series: "pd.Series[Any]") -> "pa.Array":
    """An Arrow array of the column's stored type: a column of nulls keeps it too, or runs cannot be appended."""
    import pyarrow as pa

    name = str(series.name)
    if name == "flags":
        return pa.array([list(flags) for flags in series], type=pa.list_(pa.string()))
    if name in TEXT_COLUMNS:
        return pa.array(series, type=pa.string(), from_pandas=True)
    if name == "frequency":
        return pa.array(series, type=pa.int64(), from_pandas=True)
    if name in MONEY_COLUMNS | TIME_COLUMNS | PROBABILITY_COLUMNS | COUNT_COLUMNS | {"expected_loss"}:
        return pa.array(series.astype("float64"), from_pandas=True)
    return pa.Array.from_pandas(series)


def read_customers(path: Path) -> "tuple[pd.DataFrame, dict[str, str]]":
    """Read `customers.parquet`.

    Returns
    -------
    The table, with `flags` as lists, and the schema's metadata.

    Raises
    ------
    RunError : the file is missing or broken.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        stored = pq.read_table(path)
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{path} is missing: the run is incomplete. Retrain it with --force.") from None
    except pa.ArrowInvalid as error:
        raise RunError(f"{path} is not a Parquet file ({error}). Retrain the run with --force.") from None
    table: pd.DataFrame = stored.to_pandas()
    if "flags" in table:
        table["flags"] = [list(flags) for flags in table["flags"]]
    metadata = {key.decode(): text.decode() for key, text in (stored.schema.metadata or {}).items()}
    return table, metadata
