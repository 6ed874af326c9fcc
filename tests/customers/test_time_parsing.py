"""Which raw times and amounts are read, and which are left to their owner."""

import datetime as dt
import decimal

import duckdb
import pandas as pd
import pytest

from kundenwert.customers.parsing import RawColumn, parsed_sql
from kundenwert.customers.sources import read
from kundenwert.errors import DataError


def _day(text: str, zone: str = "UTC"):
    with duckdb.connect() as connection:
        # A session zone far away: nothing may depend on it.
        connection.execute("SET TimeZone = 'Pacific/Auckland'")
        relation = connection.sql("SELECT ? AS t, 1.0::DOUBLE AS a", params=[text])
        sql = parsed_sql(RawColumn("t", "VARCHAR"), {"amount": RawColumn("a", "DOUBLE")}, zone)
        return relation.project(sql).fetchall()[0][0]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1997-01-31", dt.date(1997, 1, 31)),
        (" 19970131 ", dt.date(1997, 1, 31)),
        ("1997-01-31 23:59", dt.date(1997, 1, 31)),
        ("1997-01-31T23:59:59.999999", dt.date(1997, 1, 31)),
        ("1997-01-31T23:30:00Z", dt.date(1997, 2, 1)),
        ("1997-01-31 23:30:00 +00:00", dt.date(1997, 2, 1)),
        ("1997-01-31T23:30+01", dt.date(1997, 1, 31)),
        ("1997-02-01T00:30:00+0530", dt.date(1997, 1, 31)),
        ("1997-01-31T18:00:00-05:30", dt.date(1997, 2, 1)),
    ],
)
def test_forms_with_one_meaning_are_read(text, day):
    assert _day(text, "Europe/Berlin") == day


@pytest.mark.parametrize(
    "text",
    ["01/02/1997", "1997/01/02", "1997-1-2", "2.1.1997", "1997-02-30", "19970230", "1997-01-01 25:00", "Jan 1", "97"],
)
def test_forms_that_need_a_guess_are_not_read(text):
    assert _day(text) is None


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([decimal.Decimal("1.10"), decimal.Decimal("2.20")], 3.3),
        (pd.array([1, 2], dtype="Int64"), 3.0),
        (["+1.5", " 2e0 "], 3.5),
        ([".5", "5."], 5.5),
    ],
)
def test_amounts_of_many_types_are_read(values, total):
    frame = pd.DataFrame({"who": [1, 1], "when": ["1997-01-01", "1997-01-02"], "paid": values})
    log = read(frame, customer="who", time="when", amount="paid")
    assert log.frame.collect().to_arrow()["amount"].to_pandas().sum() == pytest.approx(total)


@pytest.mark.parametrize("value", ["1_000", "1,5", "1 000", "0x10", "--1", "five", "1.2.3"])
def test_other_amounts_are_not_read(value):
    frame = pd.DataFrame({"who": [1], "when": ["1997-01-01"], "paid": [value]})
    with pytest.raises(DataError, match="the amount is not a number"):
        read(frame, customer="who", time="when", amount="paid")


@pytest.mark.parametrize("value", [1_700_000_000, 970131, 19970131.5, 19971331])
def test_numbers_are_days_only_as_yyyymmdd(value):
    frame = pd.DataFrame({"who": [1], "when": [value], "paid": [1.0]})
    with pytest.raises(DataError, match="the time cannot be read without guessing"):
        read(frame, customer="who", time="when", amount="paid")


def test_columns_of_types_that_hold_no_time_or_amount_are_not_read():
    frame = pd.DataFrame({"who": [1], "when": [True], "paid": [False]})
    with pytest.raises(DataError) as caught:
        read(frame, customer="who", time="when", amount="paid")
    assert [v.count for v in caught.value.violations] == [1, 1]


def test_objects_of_several_types_in_one_column_are_read_as_text():
    when = pd.Series([dt.date(1997, 1, 31), "1997-02-01", 19970202, pd.Timestamp("1997-02-03", tz="UTC")], dtype=object)
    log = read(pd.DataFrame({"who": 1, "when": when, "paid": 1.0}), customer="who", time="when", amount="paid")
    assert (log.first_day, log.last_day) == (dt.date(1997, 1, 31), dt.date(1997, 2, 3))
