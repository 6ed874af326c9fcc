"""The language of eligibility: what it reads and writes, what it refuses, and its answers against those of SQLite."""

import datetime as dt
import sqlite3

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kundenwert.errors import KundenwertError
from kundenwert.value.eligibility import Condition, EligibilityError, Term, eligible, parse_condition

TABLE = pd.DataFrame(
    {
        "customer_id": [2**53 + 1, 2**53, 7, 8],
        "frequency": [0, 3, 5, 1],
        "T": [10.0, np.nan, 30.5, 26.0],
        "channel": ["web", "shop", None, 'say "hi"'],
        "consent": [True, False, True, True],
        "order method": ["a", "b", "a", "b"],
        "first_day": pd.to_datetime(["1997-01-31 23:59", "1997-02-01 00:00", None, "1998-01-01 12:00"]),
        "flags": [["new_cohort"], [], [], []],
        "nothing": [None, None, None, None],
    }
)


def chosen(text, table=TABLE):
    return np.flatnonzero(eligible(parse_condition(text), table)).tolist()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("frequency >= 1", [1, 2, 3]),
        ("frequency>=1and T<30", [3]),
        ("frequency in [0, 5.0]", [0, 2]),
        ("T != 26", [0, 2]),
        ("T > -1e1 and T <= +26.", [0, 3]),
        ("channel == 'web'", [0]),
        ('channel != "web"', [1, 3]),
        ("channel == 'say \"hi\"'", [3]),
        ('channel in ["say ""hi""", "shop"]', [1, 3]),
        ("consent == true and frequency < 5", [0, 3]),
        ("consent in [false]", [1]),
        ("`order method` == 'a'", [0, 2]),
        ("customer_id == 9007199254740993", [0]),
        ("first_day <= '1997-01-31'", [0]),
        ("first_day != '1997-02-01'", [0, 3]),
        ("nothing == 3", []),
        ("nothing != 'a'", []),
    ],
)
def test_terms_choose_customers(text, rows):
    assert chosen(text) == rows


@pytest.mark.parametrize("dtype", ["category", "string", "object", pd.ArrowDtype(pa.string())])
def test_text_may_be_stored_in_any_way(dtype):
    assert chosen("channel != 'web'", TABLE.astype({"channel": dtype})) == [1, 3]


@pytest.mark.parametrize("dtype", ["Int8", "int16", "float32", "category", "object"])
def test_numbers_may_be_stored_in_any_way(dtype):
    assert chosen("frequency < 300 and frequency >= 3", TABLE.astype({"frequency": dtype})) == [1, 2]


def test_days_may_be_stored_in_any_way():
    zone = TABLE.assign(first_day=TABLE["first_day"].dt.tz_localize("Europe/Berlin"))
    assert chosen("first_day < '1998-01-01'", zone) == [0, 1]
    plain = TABLE.assign(first_day=[dt.date(1997, 1, 31), None, dt.date(1998, 1, 1), dt.date(9999, 1, 1)])
    assert chosen("first_day in ['1997-01-31', '9999-01-01']", plain) == [0, 3]


def test_nullable_truth_is_unknown_and_not_false():
    table = TABLE.assign(consent=pd.array([True, None, False, None], dtype="boolean"))
    assert chosen("consent != true", table) == [2]


def test_a_table_without_customers_has_none_eligible():
    assert eligible(parse_condition("frequency > 1 and channel == 'web'"), TABLE.head(0)).tolist() == []


# -- refused


@pytest.mark.parametrize(
    ("text", "sentence", "mark"),
    [
        ("T >= 2 or T < 1", "'and' is expected, not 'or'. There is only 'and'.", 7),
        ("T = 2", "one of ==, !=, <, <=, >, >=, in is expected, not '='. Write == for 'is equal to'.", 2),
        ("(T > 2)", "the name of a column is expected, not '('. There are no parentheses", 0),
        ("not T > 2", "one of ==, !=, <, <=, >, >=, in is expected, not 'T'.", 4),
        ("T > 2 AND T < 3", "Write and, in small letters.", 6),
        ("channel == web", "a number, text in quotes, true or false is expected, not 'web'.", 11),
        ("channel == 'web", 'not "\'". This quote is never closed.', 11),
        ("T >=", "a number, text in quotes, true or false is expected at the end.", 4),
        ("", "the name of a column is expected at the end.", 0),
        ("T > 1e999", "a finite number is expected, not '1e999'.", 4),
        ("T > 2 and", "the name of a column is expected at the end.", 9),
        ("T > 2,", "'and' is expected, not ','.", 5),
        ("T in []", "a number, text in quotes, true or false is expected, not ']'.", 6),
        ("T in [1 2]", "',' or ']' is expected, not '2'.", 8),
        ("T in (1)", "'[' is expected, not '('.", 5),
        ("consent > true", "a value with an order is expected after >, not 'true'.", 10),
        ("consent == True", "Write true, in small letters.", 11),
        ("in > 2", "the name of a column is expected, not 'in'.", 0),
        ("2 < T", "the name of a column is expected, not '2'.", 0),
        ("1 < T < 3", "the name of a column is expected, not '1'.", 0),
        ("T > 1 < 3", "'and' is expected, not '<'.", 6),
        ("T + 1 > 2", "one of ==, !=, <, <=, >, >=, in is expected, not '+'.", 2),
        ("T.max() > 2", "one of ==, !=, <, <=, >, >=, in is expected, not '.'.", 1),
        ("__import__('os').system('ls')", "is expected, not '('.", 10),
        ("@T > 2", "the name of a column is expected, not '@'.", 0),
        ("T\n> ;", "a number, text in quotes, true or false is expected, not ';'.", 4),
    ],
)
def test_what_is_outside_the_language_is_pointed_at(text, sentence, mark):
    with pytest.raises(EligibilityError) as caught:
        parse_condition(text)
    first, shown, pointer = str(caught.value).split("\n")
    assert sentence in first
    assert first.endswith(".")
    assert shown == f"    {text}".replace("\n", " ")
    assert pointer == f"    {' ' * mark}^"


def test_an_endless_list_is_refused():
    with pytest.raises(EligibilityError, match="8,895 characters is too long"):
        parse_condition(f"customer_id in [{', '.join(map(str, range(1000, 2480)))}]")
    assert issubclass(EligibilityError, KundenwertError)


def test_an_unknown_column_is_answered_with_the_nearest():
    with pytest.raises(EligibilityError) as caught:
        chosen("Frequncy > 2 and t > 1 and chanel == 'web'")
    assert str(caught.value) == (
        "There is no column 'Frequncy'. Nearest: frequency. There is no column 't'. Nearest: T. "
        "There is no column 'chanel'. Nearest: channel."
    )
    with pytest.raises(EligibilityError, match="Columns: customer_id, frequency, T, "):
        chosen("zzz == 1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("channel == 3", "Column 'channel' holds text: 3 cannot be compared with it. Write text in quotes."),
        (
            "frequency in [1, 'web']",
            "Column 'frequency' holds number: \"web\" cannot be compared with it. Write a number",
        ),
        ("frequency == true", "Column 'frequency' holds number: true cannot be compared"),
        ("consent == 1", "Column 'consent' holds true or false: 1 cannot be compared with it. Write true or false."),
        ("channel < 'web'", "Column 'channel' holds text, which < does not order. Use ==, != or in."),
        (
            "first_day > '31.1.1997'",
            "Column 'first_day' holds date: \"31.1.1997\" cannot be compared with it. Write a day",
        ),
        ("first_day > '1997-02-30'", '"1997-02-30" cannot be compared'),
        ("first_day > 1997", "1997 cannot be compared"),
        ("flags == 'new_cohort'", "Column 'flags' holds mixed values, which cannot be compared."),
    ],
)
def test_comparisons_without_sense_are_refused(text, message):
    with pytest.raises(EligibilityError) as caught:
        chosen(text)
    assert message in str(caught.value)


# -- properties

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="`"), min_size=1, max_size=8)
CONSTANTS = st.one_of(
    st.booleans(), st.integers(-(2**63) + 1, 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
TERMS = st.one_of(
    st.builds(Term, NAMES, st.sampled_from(["==", "!="]), st.tuples(CONSTANTS)),
    st.builds(
        Term,
        NAMES,
        st.sampled_from(["<", "<=", ">", ">="]),
        st.tuples(CONSTANTS.filter(lambda value: not isinstance(value, bool))),
    ),
    st.builds(Term, NAMES, st.just("in"), st.lists(CONSTANTS, min_size=1, max_size=4).map(tuple)),
)


@given(st.lists(TERMS, min_size=1, max_size=4).map(tuple).map(Condition))
def test_a_condition_reads_back_as_it_was_written(condition):
    again = parse_condition(str(condition))
    assert repr(again) == repr(condition)  # == would take True for 1
    assert str(again) == str(condition)


PIECES = [
    "T",
    "frequency",
    "`a b`",
    "and",
    "or",
    "in",
    "true",
    "1",
    "-2.5e3",
    "'x'",
    '"',
    "'",
    "`",
    "[",
    "]",
    ",",
    "==",
]
SOUP = st.lists(st.sampled_from([*PIECES, "<", ">=", "=", "(", "#", "\\", "é", "²", "\x00", "\n"]), max_size=12)


@given(st.one_of(st.text(max_size=60), SOUP.map(" ".join), SOUP.map("".join)))
@example("T in [")
@example("T == '" + "''" * 900)
@example("T == " + "9" * 1900)
def test_no_text_raises_anything_but_its_own_error(text):
    try:
        condition = parse_condition(text)
    except EligibilityError:
        return
    assert repr(parse_condition(str(condition))) == repr(condition)


@given(st.lists(TERMS, min_size=1, max_size=3), st.lists(st.sampled_from(list(TABLE.columns)), min_size=3, max_size=3))
def test_no_condition_raises_anything_but_its_own_error_on_a_table(terms, names):
    terms = [Term(name, term.operator, term.values) for name, term in zip(names, terms, strict=False)]
    try:
        holds = eligible(Condition(tuple(terms)), TABLE)
    except EligibilityError:
        return
    assert (holds.dtype, holds.shape) == (bool, (len(TABLE),))


NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from([-0.5, 0.5, 1.0, 2.5]))
WORDS = st.sampled_from(["web", "shop", "it's", 'say "hi"', ""])
SENSIBLE = st.one_of(
    st.builds(Term, st.just("number"), st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), st.tuples(NUMBERS)),
    st.builds(Term, st.just("number"), st.just("in"), st.lists(NUMBERS, min_size=1, max_size=3).map(tuple)),
    st.builds(Term, st.just("word"), st.sampled_from(["==", "!="]), st.tuples(WORDS)),
    st.builds(Term, st.just("word"), st.just("in"), st.lists(WORDS, min_size=1, max_size=3).map(tuple)),
    st.builds(Term, st.just("truth"), st.sampled_from(["==", "!="]), st.tuples(st.booleans())),
)
ROWS = st.lists(st.tuples(st.none() | NUMBERS, st.none() | WORDS, st.none() | st.booleans()), min_size=1, max_size=8)


def sql(term):
    def constant(value):
        return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value).lower()

    right = ", ".join(map(constant, term.values))
    return f"{term.column} IN ({right})" if term.operator == "in" else f"{term.column} {term.operator} {right}"


@given(ROWS, st.lists(SENSIBLE, min_size=1, max_size=3))
def test_answers_are_those_of_sqlite(rows, terms):
    """With NULL for what is not known: a row is selected where the condition is true, and NULL is not."""
    with sqlite3.connect(":memory:") as base:
        base.execute("create table customers (number real, word text, truth integer)")
        base.executemany("insert into customers values (?, ?, ?)", rows)
        where = " and ".join(map(sql, terms))
        expected = [bool(row[0]) for row in base.execute(f"select ({where}) is true from customers order by rowid")]
    base.close()
    table = pd.DataFrame(rows, columns=["number", "word", "truth"])
    table["number"] = table["number"].astype(float)
    assert eligible(Condition(tuple(terms)), table).tolist() == expected
