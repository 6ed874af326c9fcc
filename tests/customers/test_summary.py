"""What a summary says, and how its arguments are judged."""

import datetime as dt

import pandas as pd
import pytest

from kundenwert.customers.sources import read
from kundenwert.customers.summary import summarize
from kundenwert.errors import UsageError
from kundenwert.names import SUMMARY_COLUMNS
from kundenwert.units import TimeUnit

COLUMNS = {"customer": "customer_id", "time": "date", "amount": "spend"}
ORDERS = pd.DataFrame(
    {
        "customer_id": ["b", "b", "b", "a", "b"],
        "date": ["1997-01-01", "1997-01-01", "1997-01-15", "1997-02-01", "1997-03-01"],
        "spend": [10.0, 5.0, 8.0, 7.0, 99.0],
    }
)


def test_the_columns_and_their_order():
    table = summarize(ORDERS, **COLUMNS).table
    assert tuple(table.columns) == (*SUMMARY_COLUMNS, "early_refund")
    assert isinstance(table.index, pd.RangeIndex)
    assert table["customer_id"].tolist() == ["a", "b"]


def test_a_row_by_hand():
    summary = summarize(ORDERS, **COLUMNS, observation_end="1997-02-12")
    row = summary.table.set_index("customer_id").loc["b"]
    assert row.to_dict() == {
        "cohort": "1997-01",
        "frequency": 1,
        "recency": 2.0,
        "T": 6.0,
        "monetary_value": 8.0,
        "spend_days": 1,
        "orders": 2,
        "first_amount": 15.0,
        "gross": 23.0,
        "refunds": 0.0,
        "first_day": pd.Timestamp("1997-01-01"),
        "last_day": pd.Timestamp("1997-01-15"),
        "early_refund": False,
    }
    assert summary.counts == {
        "rows_read": 5,
        "exact_duplicates": 0,
        "cut_after_observation_end": 1,
        "zero_spend_rows": 0,
        "refunds": 0,
        "same_day_merged": 1,
        "early_refunds": 0,
        "refunds_without_purchase": 0,
    }


def test_observation_ends_with_the_newest_transaction():
    assert summarize(ORDERS, **COLUMNS).observation_end == dt.date(1997, 3, 1)


def test_observation_may_end_after_the_log():
    assert summarize(ORDERS, **COLUMNS, observation_end="1997-03-08").table["T"].tolist() == [5.0, 66 / 7]


def test_a_log_that_ends_well_before_its_observation_is_noted():
    assert summarize(ORDERS, **COLUMNS, observation_end="1997-03-08").notes == ()
    assert summarize(ORDERS, **COLUMNS, observation_end="1997-03-09").notes == (
        "the log ends on 1997-03-01, 8 days before observation_end 1997-03-09: silence in them was not observed",
    )


def test_it_says_what_it_is():
    summary = summarize(ORDERS, **COLUMNS, currency="USD")
    assert repr(summary) == (
        "CustomerSummary: customers 2, cohorts 2 (1997-01 to 1997-02), "
        "repeat purchases 2; 1 customers have none, observed to 1997-03-01, time unit week, currency USD"
    )
    html = summary._repr_html_()
    assert "<caption>CustomerSummary</caption>" in html
    assert "<td>1997-03-01</td>" in html
    assert summary.time_unit is TimeUnit.WEEK


def test_merged_cohorts_are_noted():
    summary = summarize(ORDERS, **COLUMNS, min_customers=2)
    assert summary.cohorts == ("1997-01..1997-02",)
    assert len(summary.notes) == 2


def test_column_names_are_needed_for_a_frame_and_refused_for_transactions():
    with pytest.raises(UsageError, match=r"name the log's columns: time=\.\.\., amount=\.\.\."):
        summarize(ORDERS, customer="customer_id")
    log = read(ORDERS, **COLUMNS)
    with pytest.raises(UsageError, match="read already"):
        summarize(log, **COLUMNS)
    with pytest.raises(UsageError, match="pass cohort='column:channel' to `read`"):
        summarize(log, cohort="column:channel")


@pytest.mark.parametrize("settings", [{"time_unit": "hour"}, {"cohort": "moon"}, {"observation_end": "soon"}])
def test_settings_that_do_not_exist_are_refused(settings):
    with pytest.raises(UsageError):
        summarize(ORDERS, **COLUMNS, **settings)
