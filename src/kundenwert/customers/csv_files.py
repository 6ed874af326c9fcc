"""CSV as it is written: only the delimiter is found out, and no row is lost without a word.

DuckDB's own sniffer also guesses quote, comment and lines to skip: it took `#` for the mark of a comment where ids
start with it, and `'` for a quote. Here a header line names the columns, `"` quotes, and a row with another number of
fields than the header is reported with its line.
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from kundenwert.customers.parsing import literal, quote
from kundenwert.errors import FIRST_IDS, DataError, Violation

ENDINGS: Final = (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz", ".txt")
DELIMITERS: Final = (",", ";", "\t", "|")
SAVE_AS: Final = "Save the file as UTF-8, with one kind of line end throughout."

_CHUNK = 65_536
_NOT_UTF8 = "the text is not UTF-8"
_KINDS = {
    "fields": (
        "the number of fields is not that of the header",
        'Quote values that hold the delimiter ("a,b"), write 1234.50 without a thousands mark, drop footer lines.',
    ),
    "quotes": ("a quote does not close, or text follows it", 'Write a quote inside quotes twice: "12"" record".'),
    "encoding": (_NOT_UTF8, SAVE_AS),
    "other": ("the line cannot be read", "It may be longer than 2 MB: look for a quote that does not close."),
}
_REJECTED = f"""
    SELECT kind, count(*), list({{place}} ORDER BY file_path, line)[:{FIRST_IDS + 1}]
    FROM (
        SELECT DISTINCT file_path, line, CASE
            WHEN error_type IN ('MISSING COLUMNS', 'TOO MANY COLUMNS') THEN 'fields'
            WHEN error_type = 'UNQUOTED VALUE' THEN 'quotes'
            WHEN starts_with(error_type, 'INVALID') THEN 'encoding'
            ELSE 'other' END AS kind
        FROM reject_errors JOIN reject_scans USING (scan_id, file_id)
    ) GROUP BY kind ORDER BY kind
"""


def csv_query(files: Sequence[str], needed: Sequence[str], where: str) -> tuple[list[str], str]:
    """The names in the files' headers, and a query of the columns that are needed, all of them text.

    Text, because a cast inside the reader would stop at the first bad value, and nobody could list the others.

    Parameters
    ----------
    files : at least one; joined by the names of their columns, each with its own delimiter.
    needed : column names; those that no file has are left out of the query.
    where : the source, for messages.

    Raises
    ------
    DataError
        A file is empty, is not UTF-8, or has a needed column twice.
    """
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for file in files:
        alike.setdefault(_header(file, needed, where if len(files) == 1 else file), []).append(file)
    names = list(dict.fromkeys(name for _, header in alike for name in header))
    found = [name for name in needed if name in names]
    selects = [_select(group, delimiter, header, found) for (delimiter, header), group in alike.items()]
    return names, " UNION ALL ".join(selects)


def _select(files: Sequence[str], delimiter: str, header: Sequence[str], wanted: Sequence[str]) -> str:
    # Columns go by position: names that DuckDB takes for equal (Spend, spend) must not meet.
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(header)))
    chosen = ", ".join(
        f"{f'c{header.index(name)}' if name in header else 'CAST(NULL AS VARCHAR)'} AS {quote(name)}" for name in wanted
    )
    return (
        f"SELECT {chosen or 'c0'} FROM read_csv([{', '.join(map(literal, files))}], auto_detect = false, header = true,"
        f" columns = {{{columns}}}, delim = {literal(delimiter)}, quote = '\"', escape = '\"', comment = '', skip = 0,"
        f" store_rejects = true)"
    )


def _header(file: str, needed: Sequence[str], where: str) -> tuple[str, tuple[str, ...]]:
    """Delimiter and column names: the delimiter that finds most of the needed columns, then most columns."""
    line = _first_line(file, where)
    if not line.strip():
        raise DataError(where, [Violation("the first line is empty", remedy="It must name the columns.")])
    found = {d: tuple(next(csv.reader([line], delimiter=d))) for d in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda d: (len({*found[d]} & {*needed}), len(found[d])))
    names = found[delimiter]
    twice = [name for name in needed if names.count(name) > 1]
    if twice:
        raise DataError(where, [Violation(f"column {name!r} occurs more than once") for name in twice])
    return delimiter, names


def _first_line(file: str, where: str) -> str:
    import pyarrow as pa

    start = b""
    try:
        with pa.input_stream(file, compression="detect") as stream:
            while not re.search(rb"[\r\n]", start) and (chunk := stream.read(_CHUNK)):
                start += chunk
        line = re.split(rb"[\r\n]", start, maxsplit=1)[0].decode("utf-8-sig")
    except OSError as error:
        raise DataError(where, [Violation(f"the file cannot be read: {error}".rstrip("."))]) from error
    except UnicodeDecodeError:
        raise DataError(where, [Violation(_NOT_UTF8, remedy=SAVE_AS)]) from None
    if "\0" in line:  # UTF-16 without a mark of its byte order
        raise DataError(where, [Violation(_NOT_UTF8, remedy=SAVE_AS)])
    return line


def rejected_lines(relation: Any, source: str | Path) -> list[Violation]:
    """The lines that the reader could not make rows of, once a relation of the reader's connection has run.

    Parameters
    ----------
    relation : of the connection that ran `csv_query`.
    source : path, or glob: then the lines are given with their files.
    """
    place = "parse_filename(file_path) || ' line ' || line" if is_pattern(source) else "line"
    return [
        Violation(_KINDS[kind][0], count, lines, _KINDS[kind][1], "line")
        for kind, count, lines in relation.query("unused", _REJECTED.format(place=place)).fetchall()
    ]


def is_csv(source: str | Path) -> bool:
    """Whether a path's ending says CSV."""
    return str(source).lower().endswith(ENDINGS)


def is_pattern(source: str | Path) -> bool:
    """Whether a path is a glob."""
    return any(c in str(source) for c in "*?[")
