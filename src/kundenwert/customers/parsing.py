"""How raw times and numbers become a day and doubles: one set of rules, written once, as DuckDB expressions.

Files and DuckDB relations run them where they are; columns of frames in memory pass through a private connection.
A value that cannot be read becomes null and its row is marked, so that the contract can list the customers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

READ: Final = 0
MISSING: Final = 1
UNREADABLE: Final = 2
NOT_FINITE: Final = 3

_DATE = r"\d{4}-\d{2}-\d{2}"
_CLOCK = r"[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?"
_OFFSET = r" ?(Z|[+-]\d{2}(:?\d{2})?)"
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_NOT_A_NUMBER = r"(?i)[+-]?(nan|inf|infinity)"

_INTEGERS = frozenset(f"{sign}{width}INT" for sign in ("", "U") for width in ("TINY", "SMALL", "BIG", "HUGE")) | {
    "INTEGER",
    "UINTEGER",
}


@dataclass(frozen=True)
class RawColumn:
    """A column as it arrives: its quoted name and its DuckDB type.

    Parameters
    ----------
    name : column name, unquoted.
    type : DuckDB's name of the type (`VARCHAR`, `TIMESTAMP WITH TIME ZONE`, ...).
    """

    name: str
    type: str

    @property
    def sql(self) -> str:
        """The quoted identifier."""
        return quote(self.name)


def quote(name: str) -> str:
    """A DuckDB identifier in quotes.

    >>> quote('a "b" c')
    '"a ""b"" c"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A DuckDB text literal.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def _is_number(kind: str) -> bool:
    return kind in _INTEGERS or kind in {"FLOAT", "DOUBLE"} or kind.startswith("DECIMAL")


def day_sql(column: RawColumn, zone: str) -> str:
    """The calendar day in the business time zone, null where it cannot be read.

    Dates and naive times are taken as local already; times with a zone or an offset are converted to `zone`.
    Text and numbers are read only in forms with one meaning: `1997-01-31`, `1997-01-31 23:59[:59]`, with or
    without an offset, and `19970131`. `01/02/1997` stays unread: it is a different day on either side of an ocean.

    Parameters
    ----------
    column : the raw time column.
    zone : IANA name of the business time zone, checked before.
    """
    raw, kind = column.sql, column.type
    if kind == "DATE":
        return raw
    if kind.startswith("TIMESTAMP"):
        aware = "TIME ZONE" in kind or "TZ" in kind
        return (
            f"CAST(timezone({literal(zone)}, CAST({raw} AS TIMESTAMPTZ)) AS DATE)" if aware else f"CAST({raw} AS DATE)"
        )
    if kind == "VARCHAR":
        return _day_of_text(f"trim({raw})", zone)
    if _is_number(kind):
        digits = f"CAST(TRY_CAST({raw} AS BIGINT) AS VARCHAR)"
        return f"CASE WHEN {raw} = TRY_CAST({raw} AS BIGINT) THEN {_day_of_text(digits, zone)} END"
    return "CAST(NULL AS DATE)"


def _day_of_text(text: str, zone: str) -> str:
    # The offset is taken off by hand: casting text to TIMESTAMPTZ would use the session's own zone for what has none.
    offset = f"regexp_extract({text}, {literal(f'{_OFFSET}$')}, 1)"
    digits = f"replace(substr({offset}, 2), ':', '')"
    minutes = (
        f"coalesce(TRY_CAST(substr({digits}, 1, 2) AS INTEGER), 0) * 60"
        f" + coalesce(TRY_CAST(substr({digits}, 3, 2) AS INTEGER), 0)"
    )
    signed = f"to_minutes(CAST((CASE WHEN starts_with({offset}, '-') THEN -1 ELSE 1 END) * ({minutes}) AS BIGINT))"
    clock = f"TRY_CAST(regexp_extract({text}, {literal(f'^{_DATE}{_CLOCK}')}) AS TIMESTAMP)"
    return (
        f"CASE WHEN regexp_full_match({text}, {literal(_DATE)}) THEN TRY_CAST({text} AS DATE)"
        f" WHEN regexp_full_match({text}, {literal('[0-9]{8}')}) THEN CAST(try_strptime({text}, '%Y%m%d') AS DATE)"
        f" WHEN regexp_full_match({text}, {literal(_DATE + _CLOCK)}) THEN CAST(TRY_CAST({text} AS TIMESTAMP) AS DATE)"
        f" WHEN regexp_full_match({text}, {literal(_DATE + _CLOCK + _OFFSET)})"
        f" THEN CAST(timezone({literal(zone)}, timezone('UTC', {clock} - {signed})) AS DATE) END"
    )


def number_sql(column: RawColumn) -> str:
    """A number as a double, null where it cannot be read: text must be a plain number with a decimal point."""
    raw, kind = column.sql, column.type
    if kind == "VARCHAR":
        number = f"regexp_full_match(trim({raw}), {literal(f'{_NUMBER}|{_NOT_A_NUMBER}')})"
        return f"CASE WHEN {number} THEN TRY_CAST(trim({raw}) AS DOUBLE) END"
    return f"CAST({raw} AS DOUBLE)" if _is_number(kind) else "CAST(NULL AS DOUBLE)"


def _missing_sql(column: RawColumn) -> str:
    blank = f" OR trim({column.sql}) = ''" if column.type == "VARCHAR" else ""
    return f"({column.sql} IS NULL{blank})"


def parsed_sql(time: RawColumn, numbers: Mapping[str, RawColumn], zone: str) -> str:
    """The projection `day, time_state` and, for each number, `NAME, NAME_state` over raw columns.

    Parameters
    ----------
    time : raw column.
    numbers : name in the result, safe without quotes -> raw column.
    zone : IANA name of the business time zone.

    Returns
    -------
    A comma-separated select list; the states are READ, MISSING, UNREADABLE or NOT_FINITE.

    Examples
    --------
    >>> parsed_sql(RawColumn("t", "DATE"), {"amount": RawColumn("a", "DOUBLE")}, "UTC").startswith('"t" AS day')
    True
    """
    day = day_sql(time, zone)
    parts = [
        f"{day} AS day",
        f"CASE WHEN {_missing_sql(time)} THEN {MISSING} WHEN ({day}) IS NULL THEN {UNREADABLE} ELSE {READ} END"
        f" AS time_state",
    ]
    for name, column in numbers.items():
        number = number_sql(column)
        parts += [
            f"{number} AS {name}",
            f"CASE WHEN {_missing_sql(column)} THEN {MISSING} WHEN ({number}) IS NULL THEN {UNREADABLE}"
            f" WHEN NOT isfinite({number}) THEN {NOT_FINITE} ELSE {READ} END AS {name}_state",
        ]
    return ", ".join(parts)
