"""The columns that a spec names, held against the tables that it reads: all that are missing, in one message.

Tables are read one after the other: without this a mistake in the names of one would hide those in the next.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from kundenwert.customers.sources import column_names
from kundenwert.errors import DataError, Violation, did_you_mean
from kundenwert.names import CUSTOMER_COLUMNS, SUMMARY_TABLE
from kundenwert.spec import ModelSpec
from kundenwert.spec_money import COSTS
from kundenwert.spec_values import column_name

DATA, CUSTOMERS, EVENTS = "data", "customers", "events"
OF_ITS_OWN = frozenset({*SUMMARY_TABLE, *CUSTOMER_COLUMNS, "returned_orders"})  # names that the summary gives meaning

type Places = Mapping[str, tuple[str, Path | None]]
type Named = Iterator[tuple[str, str]]  # dotted key and the column that it names


def check_columns(spec: ModelSpec, places: Places) -> None:
    """Refuse a spec that names columns which its tables do not have.

    Conditions of levers are not looked at: they name columns of the summary.

    Parameters
    ----------
    places : "data", and "customers" and "events" where the spec has them -> the source, and the folder that it is
        relative to (None: the working directory).

    Raises
    ------
    DataError : every column that is missing, with the keys that name it, the nearest name, and what the tables have
        that it could be in; or a source is missing or cannot be opened.
    """
    own = {table: dict(_own(spec, table)) for table in places}
    has = {
        table: column_names(source, base_dir=base, needed=[*own[table].values()])
        for table, (source, base) in places.items()
    }
    attributes = [name for name in has.get(CUSTOMERS, ()) if name not in own[CUSTOMERS].values()]
    anywhere = {*has[DATA], *attributes}
    joined = {*attributes, *(anywhere & set(spec.carried_columns)), *OF_ITS_OWN}
    missing: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for table in places:
        for key, column in own[table].items():
            if column not in has[table]:
                missing.setdefault((column, (table,)), []).append(key)
    for key, column in _of_value(spec):
        if column not in anywhere:
            missing.setdefault((column, tuple(t for t in (DATA, CUSTOMERS) if t in places)), []).append(key)
    for key, column in _of_customers(spec) if CUSTOMERS in places else ():
        if column not in joined:
            missing.setdefault((column, (CUSTOMERS,)), []).append(key)
    if missing:
        where = dict.fromkeys(places[table][0] for table in places if any(table in tables for _, tables in missing))
        raise DataError(", ".join(where), [_violation(*one, keys, has) for one, keys in missing.items()])


def _own(spec: ModelSpec, table: str) -> Named:
    """Columns that a table needs to be read at all."""
    keys = {DATA: spec.data, CUSTOMERS: spec.customers, EVENTS: spec.events}[table]
    for name in ("customer", "time", "kind", "amount"):
        if (column := getattr(keys, name, None)) is not None:
            yield f"{table}.{name}", column
    if table == DATA:
        for key, entry in (("data.currency", spec.data.currency), ("cohorts.by", spec.cohorts.by)):
            if (column := column_name(entry)) is not None:
                yield key, column


def _of_value(spec: ModelSpec) -> Named:
    """Margin and costs, which the log or the table of customers may hold."""
    for name in ("margin", *COSTS):
        if (column := column_name(getattr(spec.value, name))) is not None:
            yield f"value.{name}", column


def _of_customers(spec: ModelSpec) -> Named:
    """What is known of customers besides."""
    for name in ("objection", "complaint", "removed"):
        if (column := getattr(spec.customers, name)) is not None:
            yield f"customers.{name}", column
    wanted = spec.potential
    for name in ("wallet", "wallet_error", "share"):
        if (column := column_name(getattr(wanted, name))) is not None:
            yield f"potential.{name}", column
    for name, columns in (("wallet_covariates", wanted.wallet_covariates), ("peers", wanted.peers)):
        yield from ((f"potential.{name}", column) for column in columns)


def _violation(column: str, tables: Sequence[str], keys: Sequence[str], has: Mapping[str, Sequence[str]]) -> Violation:
    hint = did_you_mean(column, chain.from_iterable(has[table] for table in tables))
    shown = "; ".join(f"[{table}] has: {', '.join(has[table])}" for table in tables)
    named = f"{' and '.join(keys)} {'names' if len(keys) == 1 else 'name'} it."
    return Violation(f"column {column!r} is missing", remedy=f"{named}{hint} {shown}.")
