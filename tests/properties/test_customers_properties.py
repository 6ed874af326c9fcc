"""The summary against a brute-force version in plain Python, and what must never change it."""

import datetime as dt
from collections import defaultdict

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kundenwert.customers.holdout import hold_out
from kundenwert.customers.sources import read
from kundenwert.customers.summary import summarize
from kundenwert.errors import DataError
from kundenwert.units import TimeUnit

COLUMNS = {"customer": "who", "time": "when", "amount": "cents"}
START = dt.date(2023, 12, 20)

rows = st.tuples(
    st.integers(1, 5),
    st.integers(0, 40),
    st.one_of(st.just(0), st.integers(1, 5000), st.integers(-5000, -1), st.sampled_from([1010, 2020, -3030])),
)
logs = st.lists(rows, min_size=1, max_size=40)
ends = st.integers(0, 45)


def _frame(log) -> pd.DataFrame:
    """Money in units of 100 cents, so that floats have to round; a new frame each time."""
    who, when, cents = zip(*log, strict=True)
    days = pd.to_datetime([START + dt.timedelta(d) for d in when])
    return pd.DataFrame({"who": who, "when": days, "cents": [c / 100 for c in cents]})


BACKENDS = {
    "pandas": lambda frame: frame,
    "polars lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "arrow": lambda frame: pa.Table.from_pandas(frame),
    "duckdb": lambda frame: __import__("duckdb").connect().from_arrow(pa.Table.from_pandas(frame)),
}


def _brute_force(log, end):
    """customer -> (frequency, last, cents of the first day, cents and number of paid repeat days, refunds, early)."""
    result = {}
    for customer in sorted({who for who, _, _ in log}):
        own = [(day, cents) for who, day, cents in log if who == customer and day <= end]
        net: dict[int, int] = defaultdict(int)
        for day, cents in own:
            if cents >= 0:
                net[day] += cents
        if not net:
            continue
        refunds, early = 0, False
        # One refund at a time, in whatever order: it takes what it can from the latest day, then from earlier ones.
        for day, cents in own:
            if cents >= 0:
                continue
            open_days = sorted((d for d in net if d <= day), reverse=True)
            if not open_days:
                early = True
                continue
            refunds, left = refunds - cents, -cents
            for bought in open_days:
                taken = left if bought == min(net) else min(left, net[bought])
                net[bought] -= taken
                left -= taken
        first, last = min(net), max(net)
        paid = [cents for day, cents in net.items() if day != first and cents > 0]
        result[customer] = (len(net) - 1, first, last, net[first], sum(paid), len(paid), refunds, early)
    return result


@pytest.mark.parametrize("backend", list(BACKENDS))
@settings(max_examples=40)
@given(log=logs, end=ends)
def test_the_engine_agrees_with_brute_force(backend, log, end):
    expected = _brute_force(log, end)
    source, close = BACKENDS[backend](_frame(log)), START + dt.timedelta(end)
    if not expected:
        with pytest.raises(DataError, match="no purchase"):
            summarize(source, **COLUMNS, observation_end=close)
        return
    summary = summarize(source, **COLUMNS, observation_end=close, time_unit="day")
    got = {
        row.customer_id: (row.frequency, (row.first_day.date() - START).days, (row.last_day.date() - START).days,
                          round(row.first_amount * 100, 6), round(row.monetary_value * row.spend_days * 100, 6),
                          row.spend_days, round(row.refunds * 100, 6), row.early_refund)
        for row in summary.table.itertuples()
    }  # fmt: skip
    assert got == expected
    table = summary.table
    assert table["recency"].tolist() == [last - first for _, first, last, *_ in expected.values()]
    assert table["T"].tolist() == [end - first for _, first, *_ in expected.values()]
    assert summary.counts["early_refunds"] == sum(e[-1] for e in expected.values())
    money = table["first_amount"] + table["monetary_value"] * table["spend_days"] + table["refunds"]
    assert money.to_numpy() == pytest.approx(table["gross"].to_numpy(), abs=1e-9)


@settings(max_examples=25)
@given(log=logs, end=ends)
def test_the_holdout_counts_what_the_summary_leaves(log, end):
    expected = _brute_force(log, end)
    if not expected:
        return
    transactions = read(_frame(log), **COLUMNS)
    summary = summarize(transactions, observation_end=START + dt.timedelta(end))
    holdout = hold_out(transactions, summary)
    for row in holdout.table.itertuples():
        later = [(day, cents) for who, day, cents in log if who == row.customer_id and day > end]
        assert row.purchases == len({day for day, cents in later if cents >= 0})
        assert row.spend == pytest.approx(sum(cents for _, cents in later) / 100, abs=1e-9)
    assert holdout.daily["purchases"].sum() == summary.table["frequency"].sum() + holdout.table["purchases"].sum()
    assert holdout.days == max(max(day for _, day, _ in log) - end, 0)


@settings(max_examples=25)
@given(log=logs, seed=st.integers(0, 2**16))
def test_row_order_and_inputs_stay_without_effect(log, seed):
    frame = _frame([(1, 0, 100), *log])
    kept = frame.copy(deep=True)
    table = summarize(frame, **COLUMNS).table
    pd.testing.assert_frame_equal(frame, kept, check_exact=True)
    shuffled = summarize(frame.sample(frac=1, random_state=seed), **COLUMNS).table
    pd.testing.assert_frame_equal(shuffled, table, check_exact=True)


@settings(max_examples=25)
@given(log=logs)
def test_the_type_of_ids_changes_nothing_but_order(log):
    frame = _frame([(1, 0, 100), *log])
    numbers = summarize(frame, **COLUMNS).table
    # Text that sorts the other way round.
    text = summarize(frame.assign(who=("c" + (9 - frame["who"]).astype(str))), **COLUMNS).table
    assert text["customer_id"].tolist() == [f"c{9 - i}" for i in numbers["customer_id"][::-1]]
    same = [column for column in numbers if column != "customer_id"]
    pd.testing.assert_frame_equal(text[same], numbers[same][::-1].reset_index(drop=True), check_exact=True)


@settings(max_examples=25)
@given(log=logs, unit=st.sampled_from(list(TimeUnit)))
def test_the_time_unit_rescales_recency_and_T_and_nothing_else(log, unit):
    frame = _frame([(1, 0, 100), *log])
    days = summarize(frame, **COLUMNS, time_unit="day").table
    other = summarize(frame, **COLUMNS, time_unit=unit).table
    for column in ("recency", "T"):
        pd.testing.assert_series_equal(other[column], days[column] / unit.days, check_exact=True)
    rest = [column for column in days if column not in ("recency", "T")]
    pd.testing.assert_frame_equal(other[rest], days[rest], check_exact=True)
