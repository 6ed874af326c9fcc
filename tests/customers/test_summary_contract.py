"""A summary that a user brings: taken as it is, or refused with every broken rule."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kundenwert.customers.summary import as_summary, summarize
from kundenwert.errors import DataError, UsageError
from kundenwert.names import SUMMARY_COLUMNS


def _frame(**columns) -> pd.DataFrame:
    standard = {
        "frequency": [2, 0, 1],
        "recency": [30.0, 0.0, 5.0],
        "T": [38.0, 38.0, 39.0],
        "monetary_value": [22.0, 0.0, 0.0],
    }
    return pd.DataFrame({"customer_id": ["c", "a", "b"], **standard, **columns})


@pytest.mark.parametrize(
    "wrap", [lambda f: f, pl.from_pandas, lambda f: pl.from_pandas(f).lazy(), pa.Table.from_pandas]
)
def test_values_stay_with_unsorted_ids(wrap):
    table = as_summary(wrap(_frame()), time_unit="week").table
    assert table["customer_id"].tolist() == ["a", "b", "c"]
    assert table["T"].tolist() == [38.0, 39.0, 38.0]
    assert table["spend_days"].tolist() == [0, 0, 2]
    assert table["orders"].tolist() == [1, 2, 3]
    assert table["cohort"].unique().tolist() == ["all"]
    assert tuple(table.columns) == (*SUMMARY_COLUMNS, "early_refund")
    assert table[["first_amount", "gross", "refunds", "first_day", "last_day"]].isna().all(axis=None)


def test_the_customer_may_be_the_index_or_the_row_number():
    indexed = _frame().set_index("customer_id")
    assert as_summary(indexed, time_unit="week").table["customer_id"].tolist() == ["a", "b", "c"]
    assert as_summary(indexed.reset_index(drop=True), time_unit="week").table["customer_id"].tolist() == [0, 1, 2]


def test_an_index_without_a_name_holds_ids_where_it_is_more_than_row_numbers():
    unnamed = _frame().set_index("customer_id").rename_axis(None)
    assert as_summary(unnamed, time_unit="week").table["customer_id"].tolist() == ["a", "b", "c"]
    assert as_summary(unnamed.assign(customer_id=[3, 2, 1]), time_unit="week").table["customer_id"].tolist() == [
        1,
        2,
        3,
    ]
    levels = _frame().set_index(["customer_id", "T"], drop=False).drop(columns="customer_id")
    with pytest.raises(DataError, match=r"several levels\. Make the level with the customers a column customer_id"):
        as_summary(levels, time_unit="week")


@pytest.mark.parametrize("wrap", [lambda f: f, pl.from_pandas, lambda f: pl.from_pandas(f).lazy()])
def test_ids_that_are_categories_become_text_in_the_order_of_text(wrap):
    frame = _frame().assign(customer_id=pd.Categorical(["c", "a", "b"], categories=["c", "b", "a"]))
    assert as_summary(wrap(frame), time_unit="week").table["customer_id"].tolist() == ["a", "b", "c"]


def test_repeated_column_names_are_refused():
    twice = pd.concat([_frame(), _frame()[["T"]]], axis=1)
    with pytest.raises(DataError, match="column names repeat: 'T' 2 times"):
        as_summary(twice, time_unit="week")


def test_more_purchases_than_days_are_let_through():
    """A simulation in continuous time may have them."""
    busy = _frame(spend_days=[40, 0, 0]).assign(frequency=[40, 0, 1], recency=[0.5, 0.0, 5.0])
    assert as_summary(busy, time_unit="day").table["frequency"].tolist() == [0, 1, 40]


def test_cohorts_and_further_columns_stay_and_the_input_too():
    frame = _frame(cohort=["x", "y", "y"], margin=[0.1, 0.2, 0.3])
    kept = frame.copy(deep=True)
    summary = as_summary(frame, time_unit="week", observation_end="1997-09-30", currency="usd")
    assert summary.cohorts == ("x", "y")
    assert summary.table["margin"].tolist() == [0.2, 0.3, 0.1]
    assert (str(summary.observation_end), str(summary.currency)) == ("1997-09-30", "USD")
    pd.testing.assert_frame_equal(frame, kept)


def test_our_own_table_comes_back_as_it_was():
    own = summarize("example:cdnow-sample", customer="customer_id", time="date", amount="spend")
    again = as_summary(own.table, time_unit="week", observation_end=own.observation_end)
    pd.testing.assert_frame_equal(again.table, own.table)


@pytest.mark.parametrize(
    ("columns", "rule", "ids"),
    [
        ({"T": [38.0, np.nan, 39.0]}, "T is missing, not a number or not finite", ["a"]),
        ({"T": [38.0, np.inf, 39.0]}, "T is missing, not a number or not finite", ["a"]),
        ({"recency": [-1.0, 0.0, 5.0]}, "recency is negative", ["c"]),
        ({"recency": [39.0, 0.0, 5.0]}, "recency is greater than T", ["c"]),
        ({"recency": [30.0, 1.0, 5.0]}, "frequency is 0 and recency is not", ["a"]),
        ({"frequency": [2.5, 0, 1]}, "frequency is not a whole number", ["c"]),
        ({"monetary_value": [22.0, 3.0, 0.0]}, "frequency is 0 and monetary_value is not", ["a"]),
        ({"monetary_value": ["22", "zero", "0"]}, "monetary_value is missing, not a number or not finite", ["a"]),
        ({"customer_id": ["c", "a", "c"]}, "customer_id occurs more than once", ["c"]),
        ({"customer_id": ["c", None, "b"]}, "customer_id is missing", []),
        ({"recency": [0.0, 0.0, 5.0]}, "frequency is not 0 and recency is", ["c"]),
        ({"cohort": ["x", None, "x"]}, "cohort is missing", ["a"]),
        ({"spend_days": [3, 0, 0]}, "spend_days is not a whole number up to frequency", ["c"]),
        ({"spend_days": [0, 0, 0]}, "one of spend_days and monetary_value is 0 and the other is not", ["c"]),
    ],
)
def test_each_broken_rule(columns, rule, ids):
    with pytest.raises(DataError) as caught:
        as_summary(_frame().assign(**columns), time_unit="week")
    (violation,) = caught.value.violations
    assert violation.rule == rule
    assert list(violation.ids) == ids
    assert str(violation).startswith("1 customer: " if ids else "1 row: ")


def test_broken_rules_come_together():
    frame = _frame().assign(recency=[39.0, -1.0, 5.0], T=[38.0, np.nan, 39.0], customer_id="a")
    with pytest.raises(DataError) as caught:
        as_summary(frame, time_unit="week")
    assert len(caught.value.violations) == 4


def test_missing_columns_are_all_named():
    with pytest.raises(DataError) as caught:
        as_summary(pd.DataFrame({"Frequency": [1], "recency": [1.0]}), time_unit="week")
    text = str(caught.value)
    assert text.count("is missing") == 3
    assert "column 'frequency' is missing. Did you mean 'Frequency'?" in text


def test_no_customers_no_frame_and_no_unit_are_refused():
    with pytest.raises(DataError, match="no customers"):
        as_summary(_frame().iloc[:0], time_unit="week")
    with pytest.raises(UsageError, match="a list is not a customer summary"):
        as_summary([1, 2], time_unit="week")
    with pytest.raises(UsageError, match="time unit"):
        as_summary(_frame(), time_unit="fortnight")
