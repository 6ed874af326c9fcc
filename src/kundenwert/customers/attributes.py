"""Attributes: a table with one row a customer, whose further columns are joined to the summary.

What the log does not say of a customer: the channel, the size of the company, a wallet, an objection.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from kundenwert.customers.files import connect
from kundenwert.customers.parsing import RawColumn, number_sql
from kundenwert.customers.summary import CustomerSummary, need_summary
from kundenwert.customers.tables import blank, customer_codes, load_table, row_violation
from kundenwert.customers.transactions import sort_ids
from kundenwert.errors import DataError, Violation
from kundenwert.names import SUMMARY_TABLE

_WHAT = "customer attributes"
_TRUTHS: Final = {"true": True, "false": False}
_CODE = r"[+-]?0\d.*"
"""A number that starts with 0 and another digit (a postcode, an account) is a name made of digits."""


@dataclass(frozen=True, repr=False)
class Attributes:
    """Attributes that have passed their contract.

    Parameters
    ----------
    table : (customer,) sorted by `customer_id`, then one column each attribute: text (`str`), numbers (`float64`) or
        true and false (`boolean`); what is not known is missing.
    where : the source as a person names it, for messages.
    """

    table: pd.DataFrame
    where: str = _WHAT

    @property
    def names(self) -> tuple[str, ...]:
        """Columns besides the id."""
        return tuple(self.table.columns[1:])

    def __repr__(self) -> str:
        return f"Attributes: {len(self.table):,} customers, columns {', '.join(self.names)}"


def read_attributes(
    source: Any,
    *,
    customer: str = "customer_id",
    columns: Sequence[str] | None = None,
    base_dir: str | Path | None = None,
) -> Attributes:
    """Read a table with one row a customer and hold it against its contract.

    Parameters
    ----------
    source : path or glob of CSV or Parquet files, `duckdb://FILE?table=T`, or any pandas, polars, Arrow, DuckDB or
        other frame that Narwhals takes. It is never written to.
    customer : the input's column of ids, of the type that the log's ids have.
    columns : those that are wanted; default all others. They hold text, numbers, or true and false. CSV knows no
        types: a column there is of numbers, or of true and false, where every cell that is not empty is; digits with
        a leading 0 (`01067`) are text.
    base_dir : what relative paths are relative to; default the working directory.

    Returns
    -------
    Attributes
        Empty cells are missing, spaces at the ends of texts are dropped.

    Raises
    ------
    DataError
        The source or a column is missing, a customer is missing or has several rows, a column holds something else or
        a number that is not finite, or is called like a column of the summary: all of it in one message.
    UsageError
        The source is of a kind that cannot be read.

    Examples
    --------
    >>> people = pd.DataFrame({"customer_id": ["b", "a"], "channel": ["web", "shop"], "employees": [12, None]})
    >>> read_attributes(people)
    Attributes: 2 customers, columns channel, employees
    """
    base = Path(base_dir) if base_dir is not None else Path()
    raw = load_table(source, _WHAT, base, [customer, *(columns or ())], others=columns is None)
    ids = raw.table[customer]
    given = {str(name): raw.table[name] for name in raw.table.columns if name != customer}
    read, broken = ({n: _read_text(v) for n, v in given.items()}, []) if raw.untyped else _typed(given)
    table = pd.DataFrame({"customer_id": ids, **read})
    violations = [*raw.lost, *_about_ids(table), *_about_names(given), *broken, *_not_finite(table)]
    if violations:
        raise DataError(raw.where, violations)
    return Attributes(sort_ids(table), raw.where)


def _about_names(given: Mapping[str, Any]) -> list[Violation]:
    return [
        Violation(
            f"column {name!r} cannot be joined: the customer summary has a column of this name",
            remedy=f"Rename it, for example to '{name}_given', or leave it out.",
        )
        for name in given
        if name in SUMMARY_TABLE
    ]


def _about_ids(table: pd.DataFrame) -> list[Violation]:
    if table.empty:
        return [Violation("the input has no rows", remedy="Check the source and its filters.")]
    ids, distinct = table["customer_id"], table.drop_duplicates()["customer_id"]
    missing = blank(ids)
    several = ids[ids.duplicated() & ~missing].drop_duplicates()
    unlike = several.isin(distinct[distinct.duplicated()])
    rules = [
        (ids[missing], "the customer is missing", "Drop these rows, or give them an id.", "row"),
        (several[unlike], "the customer has several rows that differ", "Keep the one that holds today.", "customer"),
        (several[~unlike], "the customer has several rows, all alike", "Keep one of them.", "customer"),
    ]
    return [row_violation(who, rule, remedy, noun) for who, rule, remedy, noun in rules if len(who)]


def _not_finite(table: pd.DataFrame) -> list[Violation]:
    remedy = "Correct the calculation that made it, or leave it empty."
    numbers = table.select_dtypes("float64").drop(columns="customer_id", errors="ignore")
    return [
        row_violation(table.loc[np.isinf(numbers[name]), "customer_id"], f"column {name!r} is not finite", remedy)
        for name in numbers.columns
        if np.isinf(numbers[name]).any()
    ]


def _typed(given: Mapping[str, "pd.Series[Any]"]) -> tuple[dict[str, "pd.Series[Any]"], list[Violation]]:
    """Columns of a source that knows types."""
    read: dict[str, pd.Series[Any]] = {}
    broken = []
    for name, values in given.items():
        kind = pd.api.types.infer_dtype(values, skipna=True)
        if kind == "boolean":
            read[name] = values.astype("boolean")
        elif kind in ("integer", "floating", "mixed-integer-float", "decimal"):
            read[name] = pd.to_numeric(values).astype("Float64").astype("float64")
        elif kind in ("string", "empty"):
            read[name] = _texts(values)
        else:
            remedy = "An attribute is text, a number, or true or false. Convert it, or name the columns that you need."
            broken.append(Violation(f"column {name!r} holds values of the kind {kind!r}", remedy=remedy))
    return read, broken


def _read_text(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column of a source in which everything is text, as the kind that all its cells are of."""
    texts = _texts(values)
    known = texts.dropna()
    if known.empty:
        return texts
    truths = texts.str.lower().map(_TRUTHS)
    if truths[known.index].notna().all():
        return truths.astype("boolean")
    numbers = _numbers(texts)
    if numbers[known.index].isna().any() or known.str.fullmatch(_CODE).any():
        return texts
    return numbers


def _texts(values: "pd.Series[Any]") -> "pd.Series[Any]":
    texts = values.astype("str").str.strip()
    return texts.mask(blank(values))


def _numbers(texts: "pd.Series[Any]") -> "pd.Series[float]":
    """Plain numbers as everywhere in this package; missing where a text is none."""
    import pyarrow as pa

    connection = connect()
    try:
        relation = connection.from_arrow(pa.table({"text": pa.array(texts, pa.string(), from_pandas=True)}))
        column = relation.project(number_sql(RawColumn("text", "VARCHAR")) + " AS number").to_arrow_table()["number"]
    finally:
        connection.close()
    return pd.Series(column.to_numpy(), index=texts.index, dtype="float64")


def with_attributes(summary: CustomerSummary, attributes: Attributes) -> CustomerSummary:
    """A summary with attributes as further columns, after those that it has.

    Parameters
    ----------
    summary : its ids of the same type as those of the attributes.
    attributes : of its customers; of some of them is enough.

    Returns
    -------
    CustomerSummary
        What it was, and the attributes; missing for customers without a row. `counts` gains `attributes_read` (rows),
        `attributes_of_strangers` (customers without an order) and `without_attributes` (customers without a row).

    Raises
    ------
    DataError
        The summary has a column of the name of an attribute already.
    UsageError
        No row is of a customer of the summary.

    Examples
    --------
    >>> orders = pd.DataFrame({"customer_id": ["a", "b"], "date": "2025-01-01", "spend": [20.0, 5.0]})
    >>> from kundenwert.customers.summary import summarize
    >>> summary = summarize(orders, customer="customer_id", time="date", amount="spend")
    >>> people = pd.DataFrame({"customer_id": ["b"], "employees": [12]})
    >>> with_attributes(summary, read_attributes(people)).table["employees"].tolist()
    [nan, 12.0]
    """
    need_summary(summary)
    twice = [name for name in attributes.names if name in summary.table.columns]
    if twice:
        remedy = "Rename it, or leave it out of one of the two."
        raise DataError(
            attributes.where, [Violation(f"column {name!r} is in the summary already", remedy=remedy) for name in twice]
        )
    ids, table = summary.table["customer_id"], attributes.table
    codes = customer_codes(table["customer_id"], ids, attributes.where)
    row_of = np.full(len(ids), -1)
    row_of[codes[codes >= 0]] = np.flatnonzero(codes >= 0)
    further = table[list(attributes.names)].reindex(row_of).set_axis(summary.table.index)
    counts = {
        **summary.counts,
        "attributes_read": len(table),
        "attributes_of_strangers": int((codes < 0).sum()),
        "without_attributes": int((row_of < 0).sum()),
    }
    return replace(summary, table=pd.concat([summary.table, further], axis=1), counts=counts)
