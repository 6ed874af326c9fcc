"""Refunds by hand: who bears what."""

import pandas as pd
import pytest

from kundenwert.customers.refunds import round_money
from kundenwert.customers.summary import summarize

COLUMNS = {"customer": "who", "time": "when", "amount": "paid"}


def _row(*rows: tuple[str, float], end: str = "1997-12-31") -> pd.Series:
    log = pd.DataFrame([("a", *row) for row in rows], columns=["who", "when", "paid"])
    return summarize(log, **COLUMNS, observation_end=end, time_unit="day").table.iloc[0]


def _money(row: pd.Series) -> tuple[float, float, int, float]:
    return row["first_amount"], row["monetary_value"], row["spend_days"], row["refunds"]


BOUGHT = [("1997-01-01", 10.0), ("1997-02-01", 20.0), ("1997-03-01", 30.0)]


@pytest.mark.parametrize(
    ("refunds", "money"),
    [
        ([], (10, 25, 2, 0)),
        ([("1997-02-15", -5.0)], (10, 22.5, 2, 5)),
        ([("1997-03-01", -5.0)], (10, 22.5, 2, 5)),
        ([("1997-04-01", -30.0)], (10, 20, 1, 30)),
        ([("1997-04-01", -35.0)], (10, 15, 1, 35)),
        ([("1997-04-01", -55.0)], (5, 0, 0, 55)),
        ([("1997-04-01", -65.0)], (-5, 0, 0, 65)),
        ([("1997-01-15", -12.0)], (-2, 25, 2, 12)),
        ([("1997-02-15", -15.0), ("1997-04-01", -40.0)], (5, 0, 0, 55)),
        ([("1996-12-31", -8.0)], (10, 25, 2, 0)),
    ],
)
def test_a_refund_takes_from_the_latest_day_before_it_then_from_earlier_ones(refunds, money):
    row = _row(*BOUGHT, *refunds)
    assert _money(row) == money
    assert (row["frequency"], row["recency"], row["T"]) == (2, 59, 364)
    assert row["gross"] == 60
    assert row["early_refund"] == (refunds == [("1996-12-31", -8.0)])


def test_a_day_with_refunds_alone_is_no_purchase_and_later_refunds_are_cut():
    row = _row(("1997-01-01", 10.0), ("1997-05-01", -10.0), ("1998-02-01", -3.0))
    assert (row["frequency"], row["last_day"], row["refunds"]) == (0, pd.Timestamp("1997-01-01"), 10)


def test_orders_of_zero_keep_their_time():
    row = _row(("1997-01-01", 0.0), ("1997-01-11", 0.0), ("1997-01-21", 8.0))
    assert (row["frequency"], row["recency"], row["orders"]) == (2, 20, 3)
    assert _money(row) == (0, 8, 1, 0)


def test_a_full_refund_leaves_no_residue():
    row = _row(("1997-01-01", 1.0), ("1997-01-02", 10.1), ("1997-01-02", 20.2), ("1997-01-03", -30.3))
    assert _money(row) == (1, 0, 0, 30.3)


def test_customers_with_refunds_alone_are_left_out_and_counted():
    log = pd.DataFrame(
        {"who": ["a", "b", "c", "c"], "when": ["1997-01-02"] * 3 + ["1997-01-01"], "paid": [5.0, -5.0, 7.0, -7.0]}
    )
    summary = summarize(log, **COLUMNS)
    assert summary.table["customer_id"].tolist() == ["a", "c"]
    assert summary.table["early_refund"].tolist() == [False, True]
    assert summary.counts["refunds_without_purchase"] == 1
    assert summary.counts["early_refunds"] == 1


@pytest.mark.parametrize("scale", [1e-8, 0.37, 1.0, 1234.56, 9.9e9, 1e15])
def test_rounding_keeps_twelve_digits(scale):
    assert round_money(scale * (1 + 1e-15), scale) == pytest.approx(scale, rel=1e-11)
    assert round_money(0.1 + 0.2, 0.3) == 0.3
    assert round_money(5.0, 0.0) == 5.0
