"""Ledgers that can be added by hand, the sums of a summary, and days of payback found by counting."""

import datetime as dt
import math
from fractions import Fraction

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kundenwert.customers.events import read_events, sum_events
from kundenwert.customers.examples import cdnow_sample
from kundenwert.customers.ledgers import EVENT, ORDER, REFUND, Ledger, ledger
from kundenwert.customers.sources import read
from kundenwert.customers.summary import as_summary, summarize
from kundenwert.errors import UsageError

COLUMNS = {"customer": "customer_id", "time": "date", "amount": "spend"}
END = "2025-03-31"
LOG = pd.DataFrame(
    [
        ("b", "2025-02-10", 40.0),
        ("a", "2025-01-01", 10.1),
        ("a", "2025-01-15", 20.2),
        ("a", "2025-01-15", 5.0),
        ("a", "2025-01-15", -5.0),
        ("a", "2025-03-05", -7.0),
        ("b", "2025-02-01", -3.0),  # before b's first purchase: counted nowhere
        ("c", "2025-02-02", -9.0),  # nothing was bought
        ("a", "2025-04-01", 99.0),  # after the end
    ],
    columns=["customer_id", "date", "spend"],
)
EVENTS = pd.DataFrame(
    [
        ("b", "2025-02-03", "visit", 30.0),
        ("a", "2025-01-15", "ticket", 0.5),
        ("a", "2025-03-31", "ticket", 2.0),
        ("c", "2025-02-03", "ticket", 8.0),
    ],
    columns=["customer_id", "date", "kind", "amount"],
)


def _book(log=LOG, events=EVENTS, unit: str = "day", end: str = END) -> tuple[Ledger, pd.DataFrame]:
    orders = read(log, **COLUMNS, currency="EUR")
    summary = summarize(orders, observation_end=end, time_unit=unit)
    return ledger(orders, summary, None if events is None else read_events(events)), summary.table


def test_entries_lie_in_order_of_customers_and_time():
    book, _ = _book()
    rows = zip(book.customer, map(str, book.day), book.kind, book.amount, book.age, strict=True)
    assert book.kinds == ("ticket", "visit")
    assert list(rows) == [
        (0, "2025-01-01", ORDER, 10.1, 0),
        (0, "2025-01-15", ORDER, 25.2, 14),
        (0, "2025-01-15", REFUND, 5.0, 14),
        (0, "2025-01-15", EVENT, 0.5, 14),
        (0, "2025-03-05", REFUND, 7.0, 63),
        (0, "2025-03-31", EVENT, 2.0, 89),
        (1, "2025-02-03", EVENT + 1, 30.0, -7),
        (1, "2025-02-10", ORDER, 40.0, 0),
    ]
    assert repr(book) == "Ledger: 2 customers, 3 purchase days, 2 refund days, 3 events up to 2025-03-31"


def test_nominal_sums_by_hand_and_as_the_summary_has_them():
    book, table = _book()
    sums = book.sums()
    assert sums.orders.tolist() == [2, 1] == table["orders"].tolist()
    assert sums.gross.tolist() == [35.3, 40.0] == table["gross"].tolist()
    assert sums.refunds.tolist() == [12.0, 0.0] == table["refunds"].tolist()
    assert sums.events.tolist() == [[2.5, 0.0], [0.0, 30.0]]
    assert sums.returned_orders.tolist() == [0.0, 0.0]


def test_an_order_that_came_back_costs_on_its_own_day():
    back = pd.DataFrame([("a", "2025-03-20", -20.0)], columns=["customer_id", "date", "spend"])
    book, _ = _book(pd.concat([LOG, back]))  # 25.2 - 5 - 7 - 20 < 0: of the 10.1 before it 3.3 are left
    assert book.returned.tolist() == [False, True, *[False] * 7]
    assert book.sums().returned_orders.tolist() == [1, 0]
    assert book.compounded(0.01).returned_orders == pytest.approx([math.exp(0.75), 0])
    assert book.contributions(0.5, 1.0, [4.0, 9.0])[:3] == pytest.approx([4.05, 12.6 - 1 - 4, -2.5])


@pytest.mark.parametrize(
    ("days", "left"),
    [
        (1, [0.0, 0.0]),
        (49, [0.0, 0.0]),  # the 10th of February is 49 days before the end
        (50, [0.0, 40.0]),
        (76, [13.2, 40.0]),  # 25.2 less 5 on the day and 7 in March
        (1000, [23.3, 40.0]),
    ],
)
def test_what_was_paid_lately_and_has_not_come_back(days, left):
    assert _book()[0].recent(days).tolist() == left


def test_an_excess_of_refunds_takes_nothing_from_later_money():
    log = pd.DataFrame(
        [("a", "2025-01-01", 10.0), ("a", "2025-01-02", -30.0), ("a", "2025-03-01", 20.0)],
        columns=["customer_id", "date", "spend"],
    )
    book, _ = _book(log, None)
    assert book.recent(1000).tolist() == [20.0]


def test_without_events_there_is_no_column_of_them():
    book, _ = _book(events=None)
    assert book.kinds == ()
    assert book.sums().events.shape == (2, 0)


@pytest.mark.parametrize(("unit", "days"), [("day", 1.0), ("week", 7.0), ("year", 365.25)])
def test_money_grows_from_its_day_to_the_end_of_observation(unit, days):
    rate = 0.002 * days
    sums = _book(unit=unit)[0].compounded(rate)

    def grown(*entries: tuple[float, int]) -> float:
        return sum(amount * math.exp(0.002 * left) for amount, left in entries)

    assert sums.orders == pytest.approx([grown((1, 89), (1, 75)), grown((1, 49))], rel=1e-11)
    assert sums.gross == pytest.approx([grown((10.1, 89), (25.2, 75)), grown((40, 49))], rel=1e-11)
    assert sums.refunds == pytest.approx([grown((5, 75), (7, 26)), 0], rel=1e-11)
    assert sums.events[0] == pytest.approx([grown((0.5, 75), (2, 0)), 0], rel=1e-11)
    assert sums.events[1] == pytest.approx([0, grown((30, 56))], rel=1e-11)


def test_contributions_and_running_sums_by_hand():
    book, _ = _book()
    flows = book.contributions(margin=[0.5, 0.25], cost_per_order=[1.0, 2.0])
    assert flows == pytest.approx([4.05, 11.6, -2.5, -0.5, -3.5, -2, -30, 8])
    assert book.running(flows) == pytest.approx([4.05, 15.65, 13.15, 12.65, 9.15, 7.15, -30, -22])
    # At the end the running sum, grown to the end of observation, is what the compounded sums say.
    rate, sums = 0.003, book.compounded(0.003)
    last = book.running(flows, rate)[[5, 7]] * np.exp(rate * np.array([89, 49]))
    by_sums = [0.5, 0.25] * (sums.gross - sums.refunds) - [1.0, 2.0] * sums.orders - sums.events.sum(axis=1)
    assert last == pytest.approx(by_sums, rel=1e-11)


@pytest.mark.parametrize(
    ("deficit", "days"),
    [
        (0.0, ["2025-01-01", "2025-02-10"]),
        (10.0, ["2025-01-01", "2025-02-10"]),
        (10.1, ["2025-01-01", None]),
        (29.8, ["2025-01-15", None]),  # 10.1 + 25.2 - 5 - 0.5 at the end of that day, to the last cent
        (29.81, [None, None]),  # the order alone would have covered it for a moment
        ([29.8, 9.99], ["2025-01-15", "2025-02-10"]),
        (-50.0, ["2025-01-01", "2025-02-10"]),
    ],
)
def test_the_day_that_covers_a_deficit(deficit, days):
    book, table = _book()
    found = book.covered(book.contributions(), deficit)
    assert found["customer_id"].tolist() == ["a", "b"]
    assert found["day"].tolist() == [pd.NaT if day is None else pd.Timestamp(day) for day in days]
    ages = (found["day"] - table["first_day"]).dt.days
    pd.testing.assert_series_equal(found["age"], ages.astype(float), check_names=False)


def test_later_money_covers_less_when_it_is_discounted():
    log = pd.DataFrame({"customer_id": ["a"] * 3, "date": ["2025-01-01", "2025-01-11", "2025-01-31"], "spend": 10.0})
    book, _ = _book(log, None)
    flows = book.contributions()
    assert book.covered(flows, 20.0)["age"].tolist() == [10]
    assert book.covered(flows, 20.0, rate=1e-6)["age"].tolist() == [30]
    exact = 10 + 10 * math.exp(-0.1) + 10 * math.exp(-0.3)
    assert book.covered(flows, exact, rate=0.01)["age"].tolist() == [30]
    assert book.covered(flows, exact + 1e-6, rate=0.01)["age"].isna().tolist() == [True]


@pytest.fixture(scope="module")
def shop() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The CDNOW sample with refunds among its rows, and events of its customers and of others."""
    rng = np.random.default_rng(20260103)
    orders = cdnow_sample()
    back = orders.sample(frac=0.15, random_state=1)
    later = back["date"] + pd.to_timedelta(rng.integers(0, 60, len(back)), unit="D")
    parts = np.round(back["spend"] * rng.choice([0.5, 1.0], len(back)), 2)
    log = pd.concat([orders, back.assign(date=later, spend=-parts)], ignore_index=True)[[*COLUMNS.values()]]
    n = 3000
    events = pd.DataFrame(
        {
            "customer_id": rng.choice([*orders["customer_id"].unique(), "stranger"], n),
            "date": pd.Timestamp("1996-12-15") + pd.to_timedelta(rng.integers(0, 400, n), unit="D"),
            "kind": rng.choice(["ticket", "visit"], n),
            "amount": np.round(rng.gamma(1.0, 4.0, n), 2),
        }
    )
    return log, events


def test_sums_of_cdnow_are_those_of_its_summary():
    book, table = _book(cdnow_sample(), None, "week", "1997-09-30")
    sums = book.sums()
    np.testing.assert_array_equal(sums.orders, table["orders"])
    np.testing.assert_array_equal(sums.gross, table["gross"])
    assert not sums.refunds.any()
    assert round(float(sums.gross.sum()), 2) == round(
        float(cdnow_sample().query("date <= '1997-09-30'")["spend"].sum()), 2
    )


def test_sums_with_refunds_and_events_are_those_of_the_summary(shop):
    log, events = shop
    orders = read(log, **COLUMNS)
    summary = summarize(orders, observation_end="1997-09-30", count_returns=True)
    costs = read_events(events)
    sums = ledger(orders, summary, costs).sums()
    assert (summary.table["refunds"] > 0).sum() > 300
    np.testing.assert_array_equal(sums.orders, summary.table["orders"])
    np.testing.assert_array_equal(sums.gross, summary.table["gross"])
    np.testing.assert_array_equal(sums.returned_orders, summary.table["returned_orders"])
    assert sums.returned_orders.sum() > 100
    np.testing.assert_array_equal(sums.refunds, summary.table["refunds"])
    np.testing.assert_array_equal(sums.events, sum_events(costs, summary))


def test_days_of_payback_as_counted_in_whole_cents(shop):
    log, events = shop
    book, table = _book(log, events, "day", "1997-09-30")
    deficits = np.arange(len(table)) % 60 / 4
    found = book.covered(book.contributions(margin=0.5, cost_per_order=1.25), deficits).set_index("customer_id")["day"]
    flows: dict[str, dict[pd.Timestamp, Fraction]] = {}
    cut = pd.Timestamp("1997-09-30")

    def add(who: str, day: pd.Timestamp, cents: Fraction) -> None:
        book = flows.setdefault(who, {})
        book[day] = book.get(day, Fraction(0)) + cents

    firsts = table.set_index("customer_id")["first_day"].to_dict()
    bought = {(r.customer_id, r.date) for r in log.itertuples() if r.spend >= 0 and r.date <= cut}
    for who, day in bought:
        add(who, day, Fraction(-125))
    for r in log.itertuples():
        if r.date <= cut and r.date >= firsts[r.customer_id]:
            add(r.customer_id, r.date, Fraction(round(r.spend * 100), 2))
    for r in events.itertuples():
        if r.date <= cut and r.customer_id in firsts:
            add(r.customer_id, r.date, Fraction(-round(r.amount * 100)))
    expected = {}
    for who, deficit in zip(table["customer_id"], deficits, strict=True):
        total, expected[who] = Fraction(round(-deficit * 100)), pd.NaT
        for day in sorted(flows[who]):
            total += flows[who][day]
            if total >= 0 and day >= firsts[who]:
                expected[who] = day
                break
    pd.testing.assert_series_equal(found, pd.Series(expected), check_names=False, check_dtype=False)
    assert 200 < found.isna().sum() < 2200


def _frames(table: pd.DataFrame) -> dict[str, object]:
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    return {
        "other order": table.sample(frac=1, random_state=2),
        "polars lazy": pl.from_arrow(arrow).lazy(),
        "Arrow": arrow,
        "DuckDB": duckdb.connect().from_arrow(arrow),
    }


@pytest.mark.parametrize("kind", ["other order", "polars lazy", "Arrow", "DuckDB"])
def test_order_of_rows_and_kind_of_frame_change_nothing(shop, kind):
    expected, _ = _book(*shop, "week", "1997-09-30")
    log, events = (_frames(table)[kind] for table in shop)
    got, _ = _book(log, events, "week", "1997-09-30")
    for name in ("first_day", "customer", "day", "kind", "amount"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))
    grown, as_expected = got.compounded(0.002), expected.compounded(0.002)
    for name in ("orders", "returned_orders", "gross", "refunds", "events"):
        np.testing.assert_array_equal(getattr(grown, name), getattr(as_expected, name))


def test_one_customers_numbers_do_not_depend_on_the_others(shop):
    log, events = shop
    book, _ = _book(log, events, "week", "1997-09-30")
    some = log[log["customer_id"] <= "0100"]
    few, _ = _book(some, events, "week", "1997-09-30")
    n = int((book.customer < len(few.customer_id)).sum())
    flows, fewer = book.contributions(0.3), few.contributions(0.3)
    np.testing.assert_array_equal(few.running(fewer, 0.01), book.running(flows, 0.01)[:n])


def test_what_does_not_fit_together_is_refused():
    orders = read(LOG, **COLUMNS)
    summary = summarize(orders, observation_end=END)
    with pytest.raises(UsageError, match="a DataFrame is no log"):
        ledger(LOG, summary)
    other = read(LOG.query("customer_id == 'a'"), **COLUMNS)
    with pytest.raises(UsageError, match=r"1 customers have other purchase days .* \(first: b\)"):
        ledger(other, summary)
    with pytest.raises(UsageError, match=r"1 customers have other purchase days .* \(first: b\)"):
        ledger(orders, summarize(other, observation_end=END))
    four = summary.table[["customer_id", "frequency", "recency", "T", "monetary_value"]]
    with pytest.raises(UsageError, match="the summary has no observation_end"):
        ledger(orders, as_summary(four, time_unit="week"))
    with_end = as_summary(four, time_unit="week", observation_end=dt.date(2025, 3, 31))
    assert ledger(orders, with_end).sums().gross.tolist() == [35.3, 40.0]
    book = ledger(orders, summary)
    with pytest.raises(UsageError, match="a deficit is missing or not finite"):
        book.covered(book.contributions(), [1.0, math.nan])
