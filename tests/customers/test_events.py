"""Cost events: one contract for every source, what a summary counts of them, and sums that can be added by hand."""

import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kundenwert.customers.events import CostEvents, events_of, read_events, sum_events
from kundenwert.customers.summary import as_summary, summarize
from kundenwert.errors import DataError, UsageError

ORDERS = pd.DataFrame(
    {
        "customer_id": ["a", "a", "b", "c"],
        "date": ["2025-01-10", "2025-03-01", "2025-01-20", "2025-02-01"],
        "spend": 50.0,
    }
)
SUMMARY = summarize(ORDERS, customer="customer_id", time="date", amount="spend", observation_end="2025-06-30",
                    currency="EUR")  # fmt: skip
EVENTS = pd.DataFrame(
    {
        "customer_id": ["b", "a", "z", "a", "a", "b"],
        "date": ["2025-06-30", "2025-01-05", "2025-02-01", "2025-02-01", "2025-07-01", "2025-03-01"],
        "kind": ["visit", "visit", "visit", "ticket", "ticket", " ticket "],
        "amount": [80.0, 70.25, 9.0, 0.1, 500.0, 0.0],
    }
)


def _rules(error: DataError) -> dict[str, tuple[int, list[object]]]:
    return {v.rule: (v.count, list(v.ids)) for v in error.violations}


def test_events_are_sorted_and_counted():
    events = read_events(EVENTS, currency="EUR")
    assert events.kinds == ("ticket", "visit")
    assert events.counts == {"events_read": 6}
    assert repr(events) == "CostEvents: 6 events, kinds ticket, visit, EUR"
    assert events.table["customer_id"].tolist() == ["a", "a", "a", "b", "b", "z"]
    assert events.table["day"].tolist()[:3] == [pd.Timestamp(d) for d in ("2025-01-05", "2025-02-01", "2025-07-01")]


def test_a_summary_counts_events_of_its_customers_up_to_its_end_the_last_day_included():
    counted = events_of(read_events(EVENTS), SUMMARY)
    assert counted.counts == {"events_read": 6, "events_cut": 1, "events_of_strangers": 1}
    assert counted.table[["customer_id", "amount"]].to_numpy().tolist() == [
        ["a", 70.25],  # before the first purchase: a cost of the customer all the same
        ["a", 0.1],
        ["b", 0.0],
        ["b", 80.0],
    ]
    again = events_of(counted, SUMMARY)
    assert again.counts == counted.counts
    pd.testing.assert_frame_equal(again.table, counted.table)


def test_sums_by_customer_and_kind():
    sums = sum_events(read_events(EVENTS), SUMMARY)
    assert SUMMARY.table["customer_id"].tolist() == ["a", "b", "c"]
    assert sums.to_dict("list") == {"ticket": [0.1, 0.0, 0.0], "visit": [70.25, 80.0, 0.0]}


def test_when_all_events_are_cut_every_kind_stays_with_zeros():
    late = read_events(EVENTS.assign(date="2026-01-01"))
    assert events_of(late, SUMMARY).counts == {"events_read": 6, "events_cut": 6, "events_of_strangers": 0}
    assert sum_events(events_of(late, SUMMARY), SUMMARY).to_dict("list") == {"ticket": [0.0] * 3, "visit": [0.0] * 3}


def _many() -> pd.DataFrame:
    rng = np.random.default_rng(20260102)
    n = 4000
    day = pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 200, n), unit="D")
    kind = rng.choice(["visit", "ticket", "dunning"], n)
    amount = np.round(rng.gamma(2.0, 5.0, n), 2)
    return pd.DataFrame({"customer_id": rng.choice(list("abcz"), n), "date": day, "kind": kind, "amount": amount})


def _kinds(table: pd.DataFrame, folder) -> dict[str, object]:
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    frame = pl.from_arrow(arrow)
    table.to_csv(folder / "events.csv", index=False)
    frame[:1500].write_parquet(folder / "events-1.parquet")
    frame[1500:].write_parquet(folder / "events-2.parquet")
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        connection.execute("CREATE TABLE tickets AS SELECT * FROM arrow")
    return {
        "pandas, other order and index": table.sample(frac=1, random_state=1),
        "pandas, Arrow types": table.convert_dtypes(dtype_backend="pyarrow"),
        "pandas, categories": table.astype({"customer_id": "category", "kind": "category"}),
        "pandas, text": table.assign(date=table["date"].dt.strftime("%Y%m%d"), amount=table["amount"].astype(str)),
        "polars": frame,
        "polars lazy": frame.lazy(),
        "polars Categorical": frame.with_columns(pl.col("customer_id", "kind").cast(pl.Categorical)),
        "Arrow": arrow,
        "DuckDB relation": duckdb.connect().from_arrow(arrow),
        "CSV": "events.csv",
        "Parquet": folder / "events-*.parquet",
        "DuckDB file": "duckdb://shop.duckdb?table=tickets",
    }


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    return folder, _kinds(_many(), folder)


@pytest.mark.parametrize(
    "kind",
    [
        "pandas, other order and index", "pandas, Arrow types", "pandas, categories", "pandas, text", "polars",
        "polars lazy", "polars Categorical", "Arrow", "DuckDB relation", "CSV", "Parquet", "DuckDB file",
    ],
)  # fmt: skip
def test_every_kind_of_source_gives_the_same_events_and_sums(kind, kinds):
    folder, sources = kinds
    expected = events_of(read_events(_many()), SUMMARY)
    got = events_of(read_events(sources[kind], base_dir=folder), SUMMARY)
    assert got.counts == expected.counts
    assert got.counts["events_cut"] > 100 < got.counts["events_of_strangers"]
    pd.testing.assert_frame_equal(
        got.table, expected.table, check_exact=True, check_dtype=kind != "pandas, Arrow types"
    )
    sums = sum_events(got, SUMMARY)
    pd.testing.assert_frame_equal(sums, sum_events(expected, SUMMARY), check_exact=True)
    # An outside truth: pandas' own sums of what lies in the window.
    inside = _many().query("date <= '2025-06-30' and customer_id != 'z'")
    pivot = inside.pivot_table(index="customer_id", columns="kind", values="amount", aggfunc="sum")
    np.testing.assert_allclose(sums.to_numpy(), pivot.to_numpy(), rtol=1e-12)


@pytest.mark.parametrize(("zone", "kept"), [("UTC", 1), ("Asia/Tokyo", 0)])
def test_the_time_zone_decides_which_day_an_event_belongs_to(zone, kept):
    late = dt.datetime(2025, 6, 30, 23, 30, tzinfo=dt.UTC)
    frame = pl.DataFrame({"customer_id": ["a"], "date": [late], "kind": ["ticket"], "amount": [1]})
    assert len(events_of(read_events(frame, timezone=zone), SUMMARY).table) == kept


BAD = """customer_id,date,kind,amount
a,2025-01-01,ticket,1
,2025-01-01,ticket,1
b,soon,ticket,1
c,,ticket,1
d,2025-01-01,,1
e,2025-01-01,  ,1
f,2025-01-01,ticket,-1
g,2025-01-01,ticket,inf
h,2025-01-01,ticket,
i,2025-01-01,ticket,"1.234,50"
"""
BROKEN = {
    "the customer is missing": (1, []),
    "the time is missing": (1, ["c"]),
    "the time cannot be read without guessing": (1, ["b"]),
    "the kind is missing": (2, ["d", "e"]),
    "the amount is negative": (1, ["f"]),
    "the amount is not finite": (1, ["g"]),
    "the amount is missing": (1, ["h"]),
    "the amount is not a number": (1, ["i"]),
}


@pytest.mark.parametrize("engine", ["CSV", "pandas", "polars lazy", "DuckDB"])
def test_every_broken_rule_is_listed_at_once(tmp_path, engine):
    path = tmp_path / "events.csv"
    path.write_text(BAD)
    frame = pl.read_csv(path, infer_schema=False)
    sources = {
        "CSV": path,
        "pandas": frame.to_pandas(),
        "polars lazy": frame.lazy(),
        "DuckDB": duckdb.connect().from_arrow(frame.to_arrow()),
    }
    with pytest.raises(DataError) as caught:
        read_events(sources[engine])
    assert _rules(caught.value) == BROKEN
    assert "1 row: the amount is negative (first: f). A cost is 0 or more" in str(caught.value)


def test_lines_that_are_no_rows_are_listed_with_the_rest(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("customer_id,date,kind,amount\na,2025-01-01,ticket,1,2\nb,2025-01-01,ticket,-3\n")
    with pytest.raises(DataError) as caught:
        read_events(path)
    assert _rules(caught.value) == {
        "the number of fields is not that of the header": (1, [2]),
        "the amount is negative": (1, ["b"]),
    }


def test_kinds_are_text_and_not_free_text():
    with pytest.raises(DataError, match="column 'kind' does not hold text"):
        read_events(EVENTS.assign(kind=range(6)))
    many = pd.concat([EVENTS] * 20, ignore_index=True)
    with pytest.raises(DataError, match=r"there are 120 kinds of event\. Group them into 100 kinds at most"):
        read_events(many.assign(kind=[f"call {i}" for i in range(120)]))


def test_columns_sources_and_empty_tables():
    with pytest.raises(DataError, match="column 'cost' is missing"):
        read_events(EVENTS, amount="cost")
    with pytest.raises(DataError, match="the input has no rows"):
        read_events(EVENTS.iloc[:0])
    with pytest.raises(UsageError, match="a list holds no cost events"):
        read_events([1])
    with pytest.raises(DataError, match="the file does not exist"):
        read_events("events.csv", base_dir="/nowhere")


def test_one_currency_and_that_of_the_orders():
    assert str(read_events(EVENTS.assign(money="eur"), currency="column:money").currency) == "EUR"
    with pytest.raises(DataError, match="must hold one value, not 2"):
        read_events(EVENTS.assign(money=["EUR", "USD"] * 3), currency="column:money")
    with pytest.raises(UsageError, match="events in USD cannot be taken from orders in EUR"):
        sum_events(read_events(EVENTS, currency="USD"), SUMMARY)


def test_ids_of_another_type_and_summaries_without_an_end_are_refused():
    numbered = read_events(EVENTS.assign(customer_id=range(6)))
    with pytest.raises(
        UsageError, match=r"none of the 6 customers .* integer \(first: 0\) there and string \(first: a\) in"
    ):
        events_of(numbered, SUMMARY)
    four = as_summary(SUMMARY.table[["customer_id", "frequency", "recency", "T", "monetary_value"]], time_unit="week")
    with pytest.raises(UsageError, match="the summary has no observation_end"):
        events_of(read_events(EVENTS), four)


def test_the_source_stays_as_it_was():
    kept = EVENTS.copy(deep=True)
    assert isinstance(read_events(EVENTS), CostEvents)
    pd.testing.assert_frame_equal(EVENTS, kept)
