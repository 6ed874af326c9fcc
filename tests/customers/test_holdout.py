"""The holdout: the same rules, later."""

import dataclasses
import datetime as dt

import pandas as pd
import pytest

from kundenwert.customers.holdout import hold_out, split
from kundenwert.customers.sources import read
from kundenwert.customers.summary import summarize
from kundenwert.errors import UsageError

COLUMNS = {"customer": "who", "time": "when", "amount": "paid"}
LOG = pd.DataFrame(
    [
        ("b", "1997-01-01", 10.0),
        ("a", "1997-01-02", 10.0),
        ("a", "1997-01-05", 10.0),
        ("a", "1997-01-07", 4.0),
        ("a", "1997-01-07", 6.0),
        ("a", "1997-01-08", -3.0),
        ("late", "1997-01-08", 50.0),
        ("late", "1997-01-09", 50.0),
        ("b", "1997-01-10", -2.0),
    ],
    columns=["who", "when", "paid"],
)


def test_purchases_spend_and_days_by_hand():
    summary, holdout = split(LOG, "1997-01-05", **COLUMNS)
    assert (holdout.start, holdout.end, holdout.days) == (dt.date(1997, 1, 6), dt.date(1997, 1, 10), 5)
    assert holdout.table.to_dict("list") == {"customer_id": ["a", "b"], "purchases": [1, 0], "spend": [7.0, -2.0]}
    assert holdout.table["customer_id"].tolist() == summary.table["customer_id"].tolist()
    assert holdout.daily["purchases"].tolist() == [0, 0, 0, 0, 1, 0, 1, 0, 0, 0]
    assert holdout.daily["day"].iloc[[0, -1]].tolist() == [pd.Timestamp("1997-01-01"), pd.Timestamp("1997-01-10")]
    assert repr(holdout) == "Holdout: 1997-01-06 to 1997-01-10 (5 days), 1 purchases by 1 of 2 customers"
    assert "1 of 2 customers" in holdout._repr_html_()


def test_the_end_cuts_and_never_reaches_past_the_log():
    assert split(LOG, "1997-01-05", **COLUMNS, holdout_end="1997-01-06")[1].table["purchases"].sum() == 0
    assert split(LOG, "1997-01-05", **COLUMNS, holdout_end="2000-01-01")[1].end == dt.date(1997, 1, 10)


@pytest.mark.parametrize("close", ["1997-01-10", "1997-02-01"])
def test_a_log_that_holds_nothing_later_leaves_no_days(close):
    _, holdout = split(LOG, close, **COLUMNS)
    assert holdout.days == 0
    assert holdout.table["purchases"].tolist() == [0, 0, 0]
    assert holdout.daily["purchases"].sum() == 3
    assert repr(holdout) == f"Holdout: nothing after {close}"


def test_what_cannot_be_held_out_is_refused():
    log = read(LOG, **COLUMNS)
    summary = summarize(log, observation_end="1997-01-05")
    with pytest.raises(UsageError, match="must lie after"):
        hold_out(log, summary, end="1997-01-05")
    with pytest.raises(UsageError, match="no observation_end"):
        hold_out(log, dataclasses.replace(summary, observation_end=None))
    with pytest.raises(UsageError, match=r"1 customers are in only one of log and summary \(first: b\)"):
        hold_out(log, dataclasses.replace(summary, table=summary.table.iloc[:1]))
    with pytest.raises(UsageError, match="name the log's columns"):
        split(LOG, "1997-01-05", customer="who")


def test_transactions_that_are_read_already_are_split():
    assert split(read(LOG, **COLUMNS), "1997-01-05", cohort="all")[0].cohorts == ("all",)
