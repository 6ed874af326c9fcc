"""Refunds by hand: who bears what."""

import numpy as np
import pandas as pd
import pytest

from kundenwert.customers.refunds import round_money
from kundenwert.customers.summary import as_summary, summarize
from kundenwert.errors import DataError, UsageError

COLUMNS = {"customer": "who", "time": "when", "amount": "paid"}


def _row(*rows: tuple[str, float], end: str = "1997-12-31") -> pd.Series:
    log = pd.DataFrame([("a", *row) for row in rows], columns=["who", "when", "paid"])
    return summarize(log, **COLUMNS, observation_end=end, time_unit="day", count_returns=True).table.iloc[0]


def _money(row: pd.Series) -> tuple[float, float, int, float]:
    return row["first_amount"], row["monetary_value"], row["spend_days"], row["refunds"]


BOUGHT = [("1997-01-01", 10.0), ("1997-02-01", 20.0), ("1997-03-01", 30.0)]


@pytest.mark.parametrize(
    ("refunds", "money", "returned"),
    [
        ([], (10, 25, 2, 0), 0),
        ([("1997-02-15", -5.0)], (10, 22.5, 2, 5), 0),
        ([("1997-03-01", -5.0)], (10, 22.5, 2, 5), 0),
        ([("1997-04-01", -30.0)], (10, 20, 1, 30), 1),
        ([("1997-04-01", -35.0)], (10, 15, 1, 35), 1),
        ([("1997-04-01", -55.0)], (5, 0, 0, 55), 2),
        ([("1997-04-01", -65.0)], (-5, 0, 0, 65), 3),
        ([("1997-01-15", -12.0)], (-2, 25, 2, 12), 1),
        ([("1997-02-15", -15.0), ("1997-04-01", -40.0)], (5, 0, 0, 55), 2),
        ([("1996-12-31", -8.0)], (10, 25, 2, 0), 0),
    ],
)
def test_a_refund_takes_from_the_latest_day_before_it_then_from_earlier_ones(refunds, money, returned):
    row = _row(*BOUGHT, *refunds)
    assert _money(row) == money
    assert row["returned_orders"] == returned
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
    assert row["returned_orders"] == 0  # nothing was paid, so nothing came back


def test_a_full_refund_leaves_no_residue():
    row = _row(("1997-01-01", 1.0), ("1997-01-02", 10.1), ("1997-01-02", 20.2), ("1997-01-03", -30.3))
    assert _money(row) == (1, 0, 0, 30.3)
    assert row["returned_orders"] == 1


def test_returns_are_counted_where_asked_and_change_nothing_else():
    log = pd.DataFrame(
        {
            "who": ["a", "a", "b"],
            "when": ["1997-01-02", "1997-01-03", "1997-01-02"],
            "paid": [5.0, -5.0, 7.0],
            "margin": 0.3,
            "returned_orders": 1,
        }
    )
    plain = summarize(log, **COLUMNS, carry=("margin",))
    counted = summarize(log, **COLUMNS, carry=("margin",), count_returns=True)
    assert counted.table.columns[-3:].tolist() == ["early_refund", "returned_orders", "margin"]
    assert counted.table["returned_orders"].tolist() == [1, 0]
    pd.testing.assert_frame_equal(counted.table.drop(columns="returned_orders"), plain.table, check_exact=True)
    assert counted.counts == plain.counts
    with pytest.raises(UsageError, match="returned_orders cannot be counted and carried"):
        summarize(log, **COLUMNS, carry=("returned_orders",), count_returns=True)


def test_returns_as_counted_refund_by_refund_in_whole_cents():
    rng = np.random.default_rng(20260104)
    n, cents = 4000, [0, 100, 250, 1010, 2020, -100, -250, -1010, -3030]
    log = pd.DataFrame(
        {
            "who": rng.integers(0, 500, n),
            "when": pd.Timestamp("1997-01-01") + pd.to_timedelta(rng.integers(0, 30, n), unit="D"),
            "paid": rng.choice(cents, n, p=[0.04, *[0.14] * 4, *[0.1] * 4]) / 100,
        }
    )
    expected = {}
    for who, rows in log.groupby("who"):
        bought = rows[rows["paid"] >= 0].groupby("when")["paid"].sum()
        gross = {day: round(100 * paid) for day, paid in bought.items()}
        left = dict(gross)
        for day, paid in zip(rows["when"], rows["paid"], strict=True):
            back, open_days = max(round(-100 * paid), 0), sorted(d for d in gross if d <= day)
            while back and open_days:
                latest = open_days.pop()
                taken = min(back, left[latest])
                left[latest], back = left[latest] - taken, back - taken
        if gross:
            expected[who] = sum(left[day] == 0 < gross[day] for day in gross)
    counted = summarize(log, **COLUMNS, count_returns=True).table.set_index("customer_id")["returned_orders"]
    assert counted.to_dict() == expected
    assert 300 < counted.sum() < 2500


@pytest.mark.parametrize(
    ("returned", "broken"), [([0, 3], 0), ([None, 1], 0), ([4, 1], 1), ([0.5, -1], 2), (["x", 0], 1)]
)
def test_returns_that_a_user_counted_are_whole_numbers_of_orders(returned, broken):
    four = {"frequency": [2, 2], "recency": [1.0, 1.0], "T": [2.0, 2.0], "monetary_value": [5.0, 5.0]}
    frame = pd.DataFrame({**four, "returned_orders": returned})
    if not broken:
        kept = as_summary(frame, time_unit="week").table["returned_orders"]
        pd.testing.assert_series_equal(kept, frame["returned_orders"])
        return
    with pytest.raises(DataError, match="returned_orders is not a whole number up to frequency") as caught:
        as_summary(frame, time_unit="week")
    assert [v.count for v in caught.value.violations] == [broken]


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
