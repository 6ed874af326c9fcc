"""The data contract of a log: one error lists every broken rule with its count and the first ids."""

import datetime as dt

import duckdb
import pandas as pd
import polars as pl
import pytest

from kundenwert.customers.holdout import split
from kundenwert.customers.sources import read
from kundenwert.customers.summary import summarize
from kundenwert.customers.transactions import Transactions, parse_day
from kundenwert.errors import DataError, UsageError

COLUMNS = {"customer": "who", "time": "when", "amount": "paid"}

BAD_CSV = """who,when,paid
a,1997-01-01,10
,1997-01-02,11
b,,12
c,01/02/1997,13
d,1997-02-30,14
e,1850-01-01,15
f,1997-01-03,
g,1997-01-04,"1.234,56"
h,1997-01-05,NaN
i,1997-01-06,inf
j,1997-01-07,$5
"""


def _rules(error: DataError) -> dict[str, tuple[int, list[object]]]:
    return {v.rule: (v.count, list(v.ids)) for v in error.violations}


EXPECTED = {
    "the customer is missing": (1, []),
    "the time is missing": (1, ["b"]),
    "the time cannot be read without guessing": (2, ["c", "d"]),
    "the day lies outside 1900 to 2100": (1, ["e"]),
    "the amount is missing": (1, ["f"]),
    "the amount is not a number": (2, ["g", "j"]),
    "the amount is not finite": (2, ["h", "i"]),
}


def test_every_broken_rule_of_a_csv_is_listed_at_once(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(BAD_CSV)
    with pytest.raises(DataError) as caught:
        read(path, **COLUMNS)
    assert _rules(caught.value) == EXPECTED
    assert "7 rules of the data contract broken" in str(caught.value)
    assert "2 rows: the amount is not a number (first: g, j). Write 1234.56" in str(caught.value)


@pytest.mark.parametrize("engine", ["polars", "polars lazy", "duckdb", "pandas"])
def test_the_same_rules_hold_for_frames(tmp_path, engine):
    path = tmp_path / "orders.csv"
    path.write_text(BAD_CSV)
    frame = pl.read_csv(path, infer_schema=False)
    wrapped = {
        "polars": frame,
        "polars lazy": frame.lazy(),
        "duckdb": duckdb.connect().from_arrow(frame.to_arrow()),
        "pandas": frame.to_pandas(),
    }
    with pytest.raises(DataError) as caught:
        read(wrapped[engine], **COLUMNS)
    assert _rules(caught.value) == EXPECTED


def test_numbers_that_are_not_finite_are_found_on_typed_lazy_frames():
    frame = pl.LazyFrame(
        {
            "who": ["a", "b", "c", "d"],
            "when": [dt.date(1997, 1, 1)] * 3 + [None],
            "paid": [1.0, float("nan"), None, -1.0],
        }
    )
    with pytest.raises(DataError) as caught:
        read(frame, **COLUMNS)
    assert _rules(caught.value) == {
        "the time is missing": (1, ["d"]),
        "the amount is missing": (1, ["c"]),
        "the amount is not finite": (1, ["b"]),
    }


def test_only_the_first_ids_are_shown():
    frame = pd.DataFrame({"who": range(20, 0, -1), "when": "soon", "paid": 1.0})
    with pytest.raises(DataError, match=r"20 rows: .* \(first: 1, 2, 3, 4, 5, \.\.\.\)"):
        read(frame, **COLUMNS)


@pytest.mark.parametrize("value", ["infinity", "-infinity"])
def test_infinite_times_lie_outside(value):
    relation = duckdb.connect().sql(f"SELECT 1 AS who, TIMESTAMP '{value}' AS \"when\", 1.0 AS paid")
    with pytest.raises(DataError, match="outside 1900 to 2100"):
        read(relation, **COLUMNS)


def test_missing_columns_are_all_named_with_the_nearest_one():
    frame = pd.DataFrame({"Who": [1], "date": ["1997-01-01"], "payed": [1.0]})
    with pytest.raises(DataError) as caught:
        read(frame, **COLUMNS, currency="column:money")
    text = str(caught.value)
    assert text.count("is missing") == 4
    assert "column 'who' is missing. Did you mean 'Who'? It has: Who, date, payed." in text
    assert "Did you mean 'payed'?" in text


@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: pl.from_pandas(f).lazy()])
def test_an_empty_log_is_refused(wrap):
    frame = pd.DataFrame({"who": ["a"], "when": ["1997-01-01"], "paid": [1.0]}).iloc[:0]
    with pytest.raises(DataError, match="the input has no rows"):
        read(wrap(frame), **COLUMNS)


def _log(**columns) -> pd.DataFrame:
    return pd.DataFrame({"who": ["a", "b"], "when": ["1997-01-01", "1997-02-01"], "paid": [1.0, 2.0], **columns})


def test_mixed_currencies_are_refused():
    with pytest.raises(DataError, match=r"must hold one value, not 2 \(EUR: 1 rows, USD: 1 rows\)"):
        read(_log(money=["USD", "EUR"]), **COLUMNS, currency="column:money")
    with pytest.raises(DataError, match=r"\(missing\): 1 rows"):
        read(_log(money=["USD", None]), **COLUMNS, currency="column:money")
    with pytest.raises(DataError, match="three-letter"):
        read(_log(money=["dollars", "dollars"]), **COLUMNS, currency="column:money")


def test_one_currency_is_taken_over():
    assert str(read(_log(money="eur"), **COLUMNS, currency="column:money").currency) == "EUR"
    assert str(read(_log(), **COLUMNS, currency="eur").currency) == "EUR"
    with pytest.raises(UsageError, match="ISO 4217"):
        read(_log(), **COLUMNS, currency="Euro")


def test_exact_duplicates_zeros_and_refunds_are_counted():
    log = pd.DataFrame(
        {
            "who": ["a"] * 5,
            "when": ["1997-01-01"] * 3 + ["1997-01-01 10:00", "1997-01-02"],
            "paid": [5.0, 5.0, 0.0, 5.0, -1.0],
        }
    )
    counts = read(log, **COLUMNS).counts
    assert counts == {"rows_read": 5, "exact_duplicates": 1, "zero_spend_rows": 1, "refunds": 1}
    # Of customer, time and amount: what else a row says makes no difference.
    assert read(log.assign(item=range(5)), **COLUMNS).counts == counts


def test_nothing_before_the_end_of_observation_is_refused():
    with pytest.raises(DataError, match=r"no purchase up to 1996-12-31\. The log runs from 1997-01-01 to 1997-02-01"):
        summarize(_log(), **COLUMNS, observation_end="1996-12-31")
    with pytest.raises(DataError, match="no purchase"):
        summarize(_log(paid=[-1.0, -2.0]), **COLUMNS)


def test_transactions_say_what_they_are():
    log = read(_log(), **COLUMNS, currency="USD")
    assert isinstance(log, Transactions)
    assert repr(log) == "Transactions: 2 rows from 1997-01-01 to 1997-02-01, USD"
    assert log.frame.collect_schema().names() == ["customer_id", "day", "amount"]


@pytest.mark.parametrize(
    "value", ["1997-09-30", dt.date(1997, 9, 30), dt.datetime(1997, 9, 30, 12), pd.Timestamp("1997-09-30")]
)
def test_days_are_read(value):
    assert parse_day(value, "observation_end") == dt.date(1997, 9, 30)


@pytest.mark.parametrize("value", ["30.09.1997", 19970930, None])
def test_other_days_are_refused(value):
    with pytest.raises(UsageError, match=r"end .* is not a day"):
        parse_day(value, "end")


@pytest.mark.parametrize("value", ["9999-12-31", "1899-12-31", dt.date(2101, 1, 1), pd.Timestamp("2101-01-01")])
def test_days_that_are_placeholders_are_refused(value):
    with pytest.raises(UsageError, match=r"observation_end \d{4}-\d{2}-\d{2} lies outside 1900 to 2100"):
        split(_log(), value, **COLUMNS)
    with pytest.raises(UsageError, match="end is missing"):
        parse_day(pd.NaT, "end")
