"""Tables beside the log: the columns that are asked for, of any source, in memory.

They are small beside the log (an event or a row a customer), so they are brought into pandas at once, where the log
stays with its engine. Ids keep their type, as those of the log do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.customers.csv_files import is_csv, rejected_lines
from kundenwert.customers.files import open_database, open_file, unreadable
from kundenwert.customers.parsing import quote
from kundenwert.customers.transactions import category_texts, sort_ids, to_pandas, wrap_frame
from kundenwert.errors import FIRST_IDS, DataError, UsageError, Violation, did_you_mean


@dataclass(frozen=True)
class RawTable:
    """A table as it arrived.

    Parameters
    ----------
    where : the source as a person names it, for messages.
    table : (row,) the columns asked for, under their own names; categories are text.
    untyped : whether all columns are text because the source knows no types, as CSV does not.
    lost : lines of which the reader could not make rows.
    """

    where: str
    table: pd.DataFrame
    untyped: bool = False
    lost: Sequence[Violation] = ()


def load_table(source: Any, what: str, base: Path, needed: Sequence[str], *, others: bool = False) -> RawTable:
    """Columns of a source, in memory.

    Parameters
    ----------
    source : path or glob of CSV or Parquet files, `duckdb://FILE?table=T`, or any frame that Narwhals takes.
    what : the table holds, in words, for messages.
    base : what a relative path is relative to.
    needed : column names.
    others : whether all further columns are wanted too.

    Raises
    ------
    DataError
        The source or a needed column is missing, or the source cannot be read.
    UsageError
        The source is of a kind that cannot be read.
    """
    if isinstance(source, str | Path):
        return _of_path(str(source), base, needed, others)
    try:
        frame = wrap_frame(source, what)
    except TypeError:
        raise UsageError(
            f"a {type(source).__name__} holds no {what}. Give a path, 'duckdb://FILE?table=T', or a pandas, polars, "
            "Arrow or DuckDB frame."
        ) from None
    present = frame.collect_schema().names()
    return RawTable(what, _in_memory(frame.select(*_chosen(present, needed, others, what))))


def _of_path(source: str, base: Path, needed: Sequence[str], others: bool) -> RawTable:
    import duckdb

    text = is_csv(source)
    if source.startswith("duckdb://"):
        relation, kind = open_database(source, base), "database"
        present = list(relation.columns)
    else:
        (present, relation), kind = open_file(source, base, needed), "file"
    chosen = _chosen(present, needed, others, source)
    if text and others:
        # The reader of CSV hands out the columns that it is asked for, and only the header says which there are.
        relation = open_file(source, base, chosen)[1]
    try:
        arrow = relation.project(", ".join(map(quote, chosen))).to_arrow_table()
    except duckdb.Error as error:
        raise unreadable(source, error, kind) from error
    lost = rejected_lines(relation, source) if text else []
    return RawTable(source, _in_memory(nw.from_native(arrow)), text, lost)


def _chosen(present: Sequence[str], needed: Sequence[str], others: bool, where: str) -> list[str]:
    shown = ", ".join(present)
    missing = [
        Violation(f"column {name!r} is missing", remedy=f"{did_you_mean(name, present)} It has: {shown}.".strip())
        for name in dict.fromkeys(needed)
        if name not in present
    ]
    if missing:
        raise DataError(where, missing)
    return list(dict.fromkeys([*needed, *present] if others else needed))


def _in_memory(frame: nw.DataFrame[Any] | nw.LazyFrame[Any]) -> pd.DataFrame:
    table = to_pandas(frame.lazy())
    coded = [name for name, kind in table.dtypes.items() if isinstance(kind, pd.CategoricalDtype)]
    return table.assign(**{str(name): category_texts(table[name]) for name in coded})


def blank(values: "pd.Series[Any]") -> "pd.Series[bool]":
    """Which cells hold nothing: missing ones, and texts of spaces alone.

    >>> blank(pd.Series(["a", " ", None])).tolist()
    [False, True, True]
    """
    missing = values.isna()
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_datetime64_any_dtype(values.dtype):
        return missing
    return missing | (values.astype("str").str.strip() == "")


def row_violation(ids: "pd.Series[Any]", rule: str, remedy: str, noun: str = "row") -> Violation:
    """A broken rule with the number of its rows (or customers) and the first ids in the order of ids."""
    known = ids[~blank(ids)].drop_duplicates().to_frame("customer_id")
    first = sort_ids(known)["customer_id"].head(FIRST_IDS + 1).tolist()
    return Violation(rule, len(ids), first, remedy, noun)


def positions(ids: "pd.Series[Any]", customers: "pd.Series[Any]") -> npt.NDArray[np.int64]:
    """(row,) the position of each id among customers, -1 where it is not among them."""
    return np.asarray(pd.Index(customers).get_indexer(pd.Index(ids)), dtype=np.int64)


def customer_codes(ids: "pd.Series[Any]", customers: "pd.Series[Any]", where: str) -> npt.NDArray[np.int64]:
    """(row,) the position of each id among the customers of a summary, -1 where it is not among them.

    Raises
    ------
    UsageError
        No id is among them: the ids mean something else, or are of another type.
    """
    codes = positions(ids, customers)
    if len(codes) and (codes < 0).all():
        raise UsageError(
            f"none of the {ids.nunique():,} customers of {where} is in the summary. "
            f"Their ids are {_typed(ids)} there and {_typed(customers)} in the summary: make them alike."
        )
    return codes


def _typed(ids: "pd.Series[Any]") -> str:
    return f"{pd.api.types.infer_dtype(ids)} (first: {ids.iloc[0]})"
