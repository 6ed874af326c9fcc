"""Opening files and databases as DuckDB relations on a private connection, lazily and without writing to them."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kundenwert.customers import csv_files
from kundenwert.customers.parsing import literal, quote
from kundenwert.errors import DataError, Violation, did_you_mean

PARQUET = (".parquet", ".pq")


def connect() -> Any:
    """A private DuckDB connection in memory."""
    # pyarrow.compute first: imported after duckdb it changes the order of module teardown, and DuckDB 2.0 then prints
    # leak notes of its binding when the interpreter exits.
    import pyarrow.compute  # noqa: F401
    import duckdb  # isort: skip

    connection = duckdb.connect()
    # By default DuckDB would spill into a folder in the caller's working directory.
    connection.execute(f"SET temp_directory = {literal(tempfile.gettempdir())}")
    return connection


def open_file(source: str, base: Path, needed: Sequence[str]) -> tuple[list[str], Any]:
    """The column names of CSV or Parquet files, and a relation that holds at least the needed ones.

    Parameters
    ----------
    source : path or glob.
    base : what a relative path is relative to.
    needed : column names that the caller is going to ask for.

    Raises
    ------
    DataError
        The file is missing, damaged, or of a kind that cannot be read.
    """
    import duckdb

    if "://" in source:
        known = "Use a path, a glob, 'duckdb://FILE?table=T', or 'example:cdnow'."
        raise DataError(source, [Violation("this kind of source cannot be read", remedy=known)])
    path, text = base / source, csv_files.is_csv(source)
    if not text and not source.lower().endswith(PARQUET):
        remedy = f"Known endings: {', '.join((*csv_files.ENDINGS, *PARQUET))}."
        raise DataError(source, [Violation("the file's ending does not say what it holds", remedy=remedy)])
    pattern = csv_files.is_pattern(source)
    if not pattern and not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        remedy = f"Looked for {path}.{did_you_mean(path.name, siblings)}"
        raise DataError(source, [Violation("the file does not exist", remedy=remedy)])
    connection = connect()
    try:
        files = _matching(connection, path, source) if pattern else [str(path)]
        if text:
            names, query = csv_files.csv_query(files, needed, source)
            return names, connection.sql(query)
        relation = connection.sql(
            f"SELECT * FROM read_parquet([{', '.join(map(literal, files))}], union_by_name = true)"
        )
        return list(relation.columns), relation
    except duckdb.Error as error:
        raise unreadable(source, error) from error


def _matching(connection: Any, path: Path, source: str) -> list[str]:
    found = connection.execute(f"SELECT file FROM glob({literal(str(path))}) ORDER BY file").fetchall()
    if not found:
        raise DataError(source, [Violation("no file matches", remedy=f"Looked for {path}.")])
    return [file for (file,) in found]


def unreadable(source: str, error: Exception, what: str = "file") -> DataError:
    """A reader's failure as an error of the data: the first line of its message says what is wrong."""
    cause = str(error).splitlines()[0].rstrip(".")
    remedy = csv_files.SAVE_AS if csv_files.is_csv(source) else ""
    return DataError(source, [Violation(f"the {what} cannot be read: {cause}", remedy=remedy)])


def open_database(source: str, base: Path) -> Any:
    """A relation of a table in a DuckDB file.

    Parameters
    ----------
    source : `duckdb://FILE?table=T`.
    base : what a relative path is relative to.

    Raises
    ------
    DataError
        No table is named, or file or table is missing or damaged.
    """
    import duckdb

    location, _, query = source.removeprefix("duckdb://").partition("?")
    key, _, table = query.partition("=")
    if not location or key != "table" or not table:
        raise DataError(source, [Violation("it does not name a table", remedy="Write duckdb://FILE?table=T.")])
    path = base / location
    if not path.is_file():
        raise DataError(source, [Violation("the file does not exist", remedy=f"Looked for {path}.")])
    connection = connect()
    try:
        connection.execute(f"ATTACH {literal(str(path))} AS source (READ_ONLY)")
        name = ".".join(quote(part) for part in ("source", *table.split(".")))
        return connection.sql(f"SELECT * FROM {name}")
    except duckdb.CatalogException as error:
        query = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'source' ORDER BY 1"
        tables = [row[0] for row in connection.execute(query).fetchall()]
        connection.close()
        remedy = f"{did_you_mean(table, tables)} It has: {', '.join(tables) or 'none'}.".strip()
        raise DataError(source, [Violation(f"table {table!r} is missing", remedy=remedy)]) from error
    except duckdb.Error as error:
        connection.close()
        raise unreadable(source, error, "database") from error
