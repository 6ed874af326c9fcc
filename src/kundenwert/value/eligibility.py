"""Who a lever may be used on: a closed little language over the columns of a customer table, never evaluated as code.

    frequency >= 2 and channel in ["web", "app"] and monetary_value > 20

`column operator value`, joined by `and` alone. A column whose name is not a plain word stands in `backquotes`.
Operators are == != < <= > >= and `in [..]`. A value is a number, text in quotes (a quote within is written twice),
`true` or `false`; a date is text, "1997-09-30". Whatever is unknown of a customer makes a term false, `!=` too: nobody
is contacted because something is not known.
"""

import datetime as dt
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar, Literal, NoReturn, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.errors import KundenwertError

BoolArray = npt.NDArray[np.bool_]
Constant = bool | int | float | str
Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in"]

LONGEST = 2000  # characters; a longer list belongs into a column of the data
NEAREST = 3
_WORDS = ("and", "in", "true", "false")
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TOKEN = re.compile(
    r"""(?P<number>[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)
    |(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<quoted>`[^`]+`)
    |(?P<word>[^\W\d]\w*)
    |(?P<sign>==|!=|<=|>=|<|>|\[|\]|,)
    |(?P<other>\S)""",
    re.VERBOSE,
)
_HINTS = {
    "=": "Write == for 'is equal to'.",
    "or": "There is only 'and'. Write column in [..] for several values, or declare a second lever.",
    "not": "There is no 'not'. Write != or turn the comparison round.",
    "AND": "Write and, in small letters.",
    "&": "Write and.",
    "|": "There is only 'and'. Write column in [..] for several values, or declare a second lever.",
    "(": "There are no parentheses: terms are joined by and alone.",
    "'": "This quote is never closed.",
    '"': "This quote is never closed.",
    "`": "This backquote is never closed.",
    "True": "Write true, in small letters.",
    "False": "Write false, in small letters.",
}
# What pandas calls the values of a column -> what a value must be to be compared with it.
_KINDS = {
    "integer": "number",
    "floating": "number",
    "mixed-integer-float": "number",
    "boolean": "true or false",
    "string": "text",
    "datetime64": "date",
    "date": "date",
}


class EligibilityError(KundenwertError, ValueError):
    """An expression that is outside the language, or does not fit the columns of the table."""

    exit_code: ClassVar[int] = 3


@dataclass(frozen=True)
class Term:
    """One comparison.

    Parameters
    ----------
    column : of the customer table.
    operator : ==, !=, <, <=, >, >= or in.
    values : what is compared with; one, except for `in`.
    """

    column: str
    operator: Operator
    values: tuple[Constant, ...]

    def __str__(self) -> str:
        plain = re.fullmatch(r"[^\W\d]\w*", self.column) and self.column not in _WORDS
        shown = [_written(value) for value in self.values]
        right = f"[{', '.join(shown)}]" if self.operator == "in" else shown[0]
        return f"{self.column if plain else f'`{self.column}`'} {self.operator} {right}"


@dataclass(frozen=True)
class Condition:
    """Terms that must all hold; as text it reads back to the same condition.

    Parameters
    ----------
    terms : in the order they were written.
    """

    terms: tuple[Term, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, each once."""
        return tuple(dict.fromkeys(term.column for term in self.terms))

    def __str__(self) -> str:
        return " and ".join(map(str, self.terms))


def parse_condition(text: str) -> Condition:
    """Read an expression.

    Parameters
    ----------
    text : `column operator value`, joined by `and`; see the module's docstring.

    Raises
    ------
    EligibilityError : outside the language; the message points at the place.

    Examples
    --------
    >>> str(parse_condition("T>=26 and channel in ['web', 'app']"))
    'T >= 26 and channel in ["web", "app"]'
    >>> parse_condition("T >= 26 or frequency = 0")
    Traceback (most recent call last):
    kundenwert.value.eligibility.EligibilityError: 'and' is expected, not 'or'. There is only 'and'. ...
        T >= 26 or frequency = 0
                ^
    """
    if len(text) > LONGEST:
        raise EligibilityError(
            f"an expression of {len(text):,} characters is too long (at most {LONGEST:,}). Put a column that says who "
            "is eligible into the data, and write that column == true."
        )
    return _Reader(text).condition()


def eligible(condition: Condition, table: pd.DataFrame) -> BoolArray:
    """Who meets a condition.

    Parameters
    ----------
    condition : from `parse_condition`.
    table : (customer,) columns of numbers, text, true or false, or dates.

    Returns
    -------
    (customer,) True where all terms hold; a missing value makes a term false, whatever the operator.

    Raises
    ------
    EligibilityError : columns that the table does not have, or comparisons that make no sense; all of them.

    Examples
    --------
    >>> table = pd.DataFrame({"frequency": [0, 3, 5], "channel": ["web", None, "shop"]})
    >>> eligible(parse_condition("frequency > 1 and channel != 'web'"), table).tolist()
    [False, False, True]
    """
    mistakes = [mistake for term in condition.terms if (mistake := _mistake(term, table))]
    if mistakes:
        raise EligibilityError(" ".join(dict.fromkeys(mistakes)))
    holds = np.ones(len(table), dtype=bool)
    for term in condition.terms:
        holds &= _holds(term, table[term.column])
    return holds


class _Reader:
    """Reads tokens from left to right; `at` is its only state."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [(match.lastgroup, match[0], match.start()) for match in _TOKEN.finditer(text)]
        self.tokens.append(("end", "", len(text)))
        self.at = 0

    def condition(self) -> Condition:
        terms = [self.term()]
        while self.tokens[self.at][0] != "end":
            self.take("'and'", words=("and",))
            terms.append(self.term())
        return Condition(tuple(terms))

    def term(self) -> Term:
        name = self.take("the name of a column", kinds=("word", "quoted")).strip("`")
        sign = self.take("one of ==, !=, <, <=, >, >=, in", words=(*_COMPARE, "in"))
        if sign == "in":
            return Term(name, "in", self.listed())
        where = self.at
        value = self.value()
        if isinstance(value, bool) and sign not in ("==", "!="):
            self.at = where
            self.fail(f"a value with an order is expected after {sign}")
        return Term(name, cast(Operator, sign), (value,))

    def listed(self) -> tuple[Constant, ...]:
        self.take("'['", words=("[",))
        values = [self.value()]
        while self.take("',' or ']'", words=(",", "]")) == ",":
            values.append(self.value())
        return tuple(values)

    def value(self) -> Constant:
        kind = self.tokens[self.at][0]
        what = "a number, text in quotes, true or false"
        text = self.take(what, words=("true", "false"), kinds=("number", "text"))
        if kind == "word":
            return text == "true"
        if kind == "text":
            return text[1:-1].replace(text[0] * 2, text[0])
        number = float(text)
        if math.isinf(number):
            self.at -= 1
            self.fail("a finite number is expected")
        # A whole number stays one: ids beyond 2^53 are not floats.
        whole = int(text) if re.fullmatch("[-+]?[0-9]+", text) else 2**63
        return whole if -(2**63) <= whole < 2**63 else number

    def take(self, what: str, words: tuple[str, ...] = (), kinds: tuple[str, ...] = ()) -> str:
        """The text of the next token, which must be one of these words or kinds."""
        kind, text, _ = self.tokens[self.at]
        reserved = kind == "word" and text in _WORDS
        if not (text in words or (kind in kinds and not reserved)) or kind == "end":
            self.fail(f"{what} is expected")
        self.at += 1
        return text

    def fail(self, sentence: str) -> NoReturn:
        _, text, start = self.tokens[self.at]
        found = f", not {text!r}. {_HINTS.get(text, '')}".rstrip() if text else " at the end."
        found = found if found.endswith(".") else f"{found}."
        # One character each, so that the mark stands under its place whatever the text holds.
        shown = "".join(letter if letter.isprintable() else " " for letter in self.text)
        raise EligibilityError(f"{sentence}{found}\n    {shown}\n    {' ' * start}^")


def _mistake(term: Term, table: pd.DataFrame) -> str:
    """Why a term cannot be asked of a table, with the way out; "" where it can."""
    name = term.column
    if name not in table:
        known = {str(column).lower(): str(column) for column in table.columns}
        near = [known[key] for key in get_close_matches(name.lower(), known, n=NEAREST)]
        return f"There is no column {name!r}. {'Nearest' if near else 'Columns'}: {', '.join(near or known.values())}."
    found = _inferred(table[name])
    if found == "empty":
        return ""
    kind = _KINDS.get(found)
    if kind is None:
        return (
            f"Column {name!r} holds {found} values, which cannot be compared. Use a column of numbers, text or dates."
        )
    if kind == "date":
        wrong = [value for value in term.values if _day(value) is None]
        remedy = 'Write a day, "1997-09-30".'
    else:
        wrong = [value for value in term.values if _kind(value) != kind]
        remedy = {"number": "Write a number without quotes.", "text": "Write text in quotes."}.get(
            kind, "Write true or false."
        )
    if wrong:
        return f"Column {name!r} holds {kind}: {_written(wrong[0])} cannot be compared with it. {remedy}"
    if kind == "text" and term.operator not in ("==", "!=", "in"):
        return f"Column {name!r} holds text, which {term.operator} does not order. Use ==, != or in."
    return ""


def _holds(term: Term, column: pd.Series) -> BoolArray:
    """Where a term that fits its column holds."""
    known = column.notna().to_numpy(dtype=bool)
    holds = np.zeros(len(column), dtype=bool)
    if not known.any():
        return holds
    found = _inferred(column)
    present = column[known]
    if _KINDS[found] == "date":
        naive = present.dt.tz_localize(None) if found == "datetime64" else present
        answers = [
            _compared(term, naive.to_numpy().astype("datetime64[D]"), np.datetime64(_day(v))) for v in term.values
        ]
    else:
        values = present.to_numpy(dtype=object if found == "string" else None)
        answers = [_compared(term, values, value) for value in term.values]
    holds[known] = np.logical_or.reduce(answers)
    return holds


def _compared(term: Term, values: npt.NDArray[Any], value: object) -> BoolArray:
    compare = operator.eq if term.operator == "in" else _COMPARE[term.operator]
    return np.asarray(compare(values, value), dtype=bool)


def _inferred(column: pd.Series) -> str:
    """What pandas says that the values are, categories by what they stand for."""
    plain = column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
    return str(pd.api.types.infer_dtype(plain, skipna=True))


def _kind(value: Constant) -> str:
    if isinstance(value, bool):
        return "true or false"
    return "text" if isinstance(value, str) else "number"


def _day(value: Constant) -> dt.date | None:
    """The day that a text names, None where it names none."""
    if not (isinstance(value, str) and re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value)):
        return None
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        return None


def _written(value: Constant) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        doubled = value.replace('"', '""')
        return f'"{doubled}"'
    return repr(value)
