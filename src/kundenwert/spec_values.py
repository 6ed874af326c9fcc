"""How single values of a spec are read; each reader says in its error what to write instead."""

import datetime
import math
import re
import zoneinfo
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from kundenwert.errors import did_you_mean
from kundenwert.units import Currency, Horizon

COHORT_PERIODS = ("day", "week", "month", "quarter", "year", "all")
_COLUMN = "column:"
LEAST_PARAMETER, LARGEST_PARAMETER = 1e-30, 1e12  # on the data's scale; further out likelihoods lose their digits
EMPTY_LIST = "an empty list says nothing. Name something or leave the key out."
PRIOR_REACH = 3.0  # standard deviations of a prior that must stay within them


def column_name(entry: object) -> str | None:
    """The NAME of a `column:NAME` entry, or None for anything else.

    >>> column_name("column:channel"), column_name("month"), column_name(0.3)
    ('channel', None, None)
    """
    if isinstance(entry, str) and entry.startswith(_COLUMN):
        return entry.removeprefix(_COLUMN)
    return None


def _checked_column(entry: str) -> str:
    if not (column_name(entry) or "").strip():
        raise ValueError("'column:' needs the name of a column, for example 'column:channel'.")
    return entry


def read_choice[E: StrEnum](choices: Iterable[E]) -> Callable[[object], E]:
    """A reader of one name of a closed list."""
    known = {choice.value: choice for choice in choices}

    def read(value: object) -> E:
        if isinstance(value, str) and value in known:
            return known[value]
        hint = did_you_mean(value, known) if isinstance(value, str) else ""
        raise ValueError(f"{value!r} is not known.{hint} Use one of {', '.join(known)}.")

    return read


def read_cohort_rule(value: object) -> str:
    """A calendar period, `all`, or `column:NAME`."""
    if isinstance(value, str):
        if value.startswith(_COLUMN):
            return _checked_column(value)
        if value in COHORT_PERIODS:
            return value
    hint = did_you_mean(value, COHORT_PERIODS) if isinstance(value, str) else ""
    raise ValueError(f"{value!r} is not known.{hint} Use one of {', '.join(COHORT_PERIODS)}, or column:NAME.")


def read_currency(value: object) -> str | None:
    """An ISO 4217 code in capitals, or `column:NAME`."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text. Write a code such as 'EUR', or 'column:NAME'.")
    return _checked_column(value) if value.startswith(_COLUMN) else Currency(value).code


def read_timezone(value: object) -> str:
    """A name of the IANA time zone database."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text. Write a time zone such as 'Europe/Berlin'.")
    # The list is asked before the file is opened: a name like '../etc' or a directory raises other errors per platform.
    known = zoneinfo.available_timezones()
    if value not in known:
        raise ValueError(
            f"time zone {value!r} is not known.{did_you_mean(value, known)} Write for example 'Europe/Berlin'."
        )
    return value


def read_date(value: object) -> datetime.date | None:
    """A TOML date or text in the form 1997-09-30."""
    if value is None or (isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        try:
            return datetime.date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a day of the calendar.") from None
    shown = value.isoformat() if isinstance(value, datetime.datetime) else repr(value)
    raise ValueError(f"{shown} is not a date. Write it as 1997-09-30, without a time.")


def read_horizon(value: object) -> Horizon | None:
    """A length of time, as a person writes it."""
    if value is None or isinstance(value, Horizon):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text. Write '<number> <unit>', for example '26 weeks'.")
    return Horizon.parse(value)


def read_number_or_column(value: object) -> float | str | None:
    """A number, or `column:NAME` of the data."""
    if value is None:
        return None
    if isinstance(value, str) and value.startswith(_COLUMN):
        return _checked_column(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is neither a number nor 'column:NAME'.")
    return float(value)


def read_column(value: object) -> str | None:
    """A `column:NAME` entry, where a single number for everybody would say nothing."""
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not 'column:NAME'.")
    if not value.startswith(_COLUMN):
        raise ValueError(f"{value!r} is not 'column:NAME'. Write '{_COLUMN}{value}'.")
    return _checked_column(value)


def read_list(value: object) -> object:
    """A TOML list as what the tables of a spec hold; anything else is left to be refused."""
    return tuple(value) if isinstance(value, list) else value


def read_choices[E: StrEnum](choices: type[E]) -> Callable[[object], tuple[E, ...] | None]:
    """A reader of a list of names of a closed list: each once, in that list's order, whatever order they came in."""
    read = read_choice(choices)

    def read_all(value: object) -> tuple[E, ...] | None:
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            raise ValueError(f"{value!r} is not a list.")
        if not value:
            raise ValueError(EMPTY_LIST)
        stated = {read(entry) for entry in value}
        return tuple(choice for choice in choices if choice in stated)

    return read_all


def table_in(mapping: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A table of a spec as it was written, empty where it is absent or no table at all."""
    table = mapping.get(name)
    return table if isinstance(table, Mapping) else {}


def horizon_text(horizon: Horizon) -> str:
    """A horizon as text that reads back to the last digit, and alike for `26 week` and `26.0 weeks`."""
    count = int(horizon.count) if horizon.count.is_integer() else repr(horizon.count)
    return f"{count} {horizon.unit}{'' if horizon.count == 1 else 's'}"


def peers_mistake(peers: Sequence[str], *, all_alike: str) -> str:
    """Why names are not those of peers, with the way out; "" where they are.

    Parameters
    ----------
    all_alike : how to say where the reader is that cohorts are not to matter.

    Examples
    --------
    >>> peers_mistake(["cohort", "channel"], all_alike=""), peers_mistake(["channel"], all_alike="")[-19:]
    ('', 'customers be one: .')
    """
    if "cohort" in peers:
        return ""
    wanted = ", ".join(f'"{name}"' for name in ("cohort", *peers))
    return (
        f'peers {[*peers]} lack "cohort": peers have parameters of their own, and cohorts have them. Write '
        f"[{wanted}]; where cohorts are not to matter, let all customers be one: {all_alike}."
    )


def prior_mistake(mean: float, sd: float) -> str:
    """Why a normal prior on the logarithm of a parameter is of no use, with the way out; "" where it is of use.

    Its bulk must lie where double precision tells likelihoods apart (docs/statistics.md, Priors and pooling).

    >>> prior_mistake(0.0, 1.5), prior_mistake(0.0, 20.0)[:41]
    ('', 'sd = 20 is too wide: the largest sensible')
    """
    low, high = math.log(LEAST_PARAMETER), math.log(LARGEST_PARAMETER)
    reach = f"parameters between {LEAST_PARAMETER:g} and {LARGEST_PARAMETER:g}, further out double precision fails"
    room = min(high - mean, mean - low)
    if room <= 0:
        return f"mean = {mean:g} is out of reach. Take one between {low:.1f} and {high:.1f}: that is {reach}."
    if PRIOR_REACH * sd > room:
        largest = room / PRIOR_REACH
        steps = 10.0 if largest >= 0.1 else 1e4
        return (
            f"sd = {sd:g} is too wide: the largest sensible one around mean = {mean:g} is "
            f"{math.floor(steps * largest) / steps:g}. "
            f"{PRIOR_REACH:g} standard deviations then span {reach}."
        )
    return ""


def beta_mistake(mean: float, sd: float) -> str:
    """Why no Beta distribution has this mean and standard deviation, with the way out; "" where one has.

    Its shapes are those with these moments, `a + b = mean (1 - mean) / sd^2 - 1`, which must be positive.

    >>> beta_mistake(0.03, 0.02), beta_mistake(0.5, 0.6)
    ('', 'sd = 0.6 is too wide for a share with mean = 0.5: it must be below 0.5.')
    """
    if not 0 < mean < 1:
        return f"mean = {mean:g} is not a share. Take one between 0 and 1, 0.03 for 3 %."
    widest = math.sqrt(mean * (1 - mean))
    if sd >= widest:
        return f"sd = {sd:g} is too wide for a share with mean = {mean:g}: it must be below {widest:.3g}."
    return ""
