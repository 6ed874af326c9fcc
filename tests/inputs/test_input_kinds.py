"""The same log gives the same summary, holdout and counts whatever holds it, refunds and time zones included."""

import datetime as dt
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kundenwert.customers.examples import cdnow_sample
from kundenwert.customers.holdout import hold_out
from kundenwert.customers.sources import read
from kundenwert.customers.summary import summarize
from kundenwert.errors import DataError

COLUMNS = {"customer": "customer_id", "time": "date", "amount": "spend"}


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    """The CDNOW sample with every tenth row turned into a refund, and two more columns."""
    orders = cdnow_sample()
    refund = np.random.default_rng(20260101).random(len(orders)) < 0.1
    orders["spend"] = orders["spend"].where(~refund, -orders["spend"])
    orders["channel"] = np.where(orders["customer_id"].str[-1].isin(list("012")), "web", "shop")
    orders["currency"] = "USD"
    return orders


def _kinds(log: pd.DataFrame, folder) -> dict[str, object]:
    arrow = pa.Table.from_pandas(log, preserve_index=False)
    frame = pl.from_arrow(arrow)
    log.to_csv(folder / "log.csv", index=False)
    frame[:3000].write_parquet(folder / "part-1.parquet")
    frame[3000:].write_parquet(folder / "part-2.parquet")
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        connection.execute("CREATE TABLE orders AS SELECT * FROM arrow")
    text = log["date"].dt.strftime("%Y%m%d")
    return {
        "pandas, other order and index": log.sample(frac=1, random_state=1),
        "pandas, date objects": log.assign(date=log["date"].dt.date),
        "pandas, whole numbers": log.assign(date=text.astype(int)),
        "pandas, Arrow types": log.convert_dtypes(dtype_backend="pyarrow"),
        "pandas, amounts as text": log.assign(spend=log["spend"].astype(str)),
        "polars": frame,
        "polars lazy": frame.lazy(),
        "polars lazy, text": frame.lazy().with_columns(pl.col("date").dt.to_string("%Y-%m-%d")),
        "Arrow": arrow,
        "DuckDB relation": duckdb.connect().from_arrow(arrow),
        "CSV": "log.csv",
        "Parquet": folder / "part-*.parquet",
        "DuckDB file": "duckdb://shop.duckdb?table=orders",
    }


KINDS = (
    "pandas, other order and index",
    "pandas, date objects",
    "pandas, whole numbers",
    "pandas, Arrow types",
    "pandas, amounts as text",
    "polars",
    "polars lazy",
    "polars lazy, text",
    "Arrow",
    "DuckDB relation",
    "CSV",
    "Parquet",
    "DuckDB file",
)


@pytest.fixture(scope="module")
def kinds(log, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    return folder, _kinds(log, folder)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_input_gives_the_same_tables(kind, kinds, log):
    folder, sources = kinds
    settings = {**COLUMNS, "currency": "column:currency", "cohort": "column:channel", "base_dir": folder}
    summaries, holdouts = [], []
    for source in (log, sources[kind]):
        transactions = read(source, **settings)
        summary = summarize(transactions, cohort="column:channel", observation_end="1997-09-30")
        summaries.append(summary)
        holdouts.append(hold_out(transactions, summary))
    expected, got = summaries
    types = pd.api.types.infer_dtype
    assert types(got.table["customer_id"]) == types(expected.table["customer_id"]) == "string"
    pd.testing.assert_frame_equal(
        got.table, expected.table, check_exact=True, check_dtype=kind != "pandas, Arrow types"
    )
    assert got.counts == expected.counts
    assert got.counts["refunds"] > 400
    assert got.cohorts == ("shop", "web")
    assert str(got.currency) == "USD"
    loose = {"check_exact": True, "check_dtype": kind != "pandas, Arrow types"}
    pd.testing.assert_frame_equal(holdouts[1].table, holdouts[0].table, **loose)
    pd.testing.assert_frame_equal(holdouts[1].daily, holdouts[0].daily, check_exact=True)


LATE = dt.datetime(2024, 1, 1, 23, 30, tzinfo=dt.UTC)


def _zoned() -> dict[str, object]:
    frame = pl.DataFrame({"customer_id": [1], "date": [LATE], "spend": [1.0]})
    session = duckdb.connect()
    session.execute("SET TimeZone = 'America/New_York'")
    return {
        "pandas": frame.to_pandas(),
        "pandas text": pd.DataFrame({"customer_id": [1], "date": ["2024-01-01T23:30:00Z"], "spend": [1.0]}),
        "pandas text, offset": pd.DataFrame({"customer_id": [1], "date": ["2024-01-01 20:30-0300"], "spend": [1.0]}),
        "pandas objects": pd.DataFrame({"customer_id": [1], "date": pd.Series([LATE], dtype=object), "spend": [1.0]}),
        "polars": frame,
        "polars lazy": frame.lazy(),
        "Arrow": frame.to_arrow(),
        "DuckDB": session.sql("SELECT 1 AS customer_id, TIMESTAMPTZ '2024-01-01 23:30:00+00' AS date, 1.0 AS spend"),
        "DuckDB text": session.sql("SELECT 1 AS customer_id, '2024-01-01 23:30:00+00:00' AS date, 1.0 AS spend"),
    }


@pytest.mark.parametrize("kind", list(_zoned()))
@pytest.mark.parametrize(("zone", "day"), [("UTC", 1), ("Europe/Berlin", 2), ("America/New_York", 1)])
def test_times_with_a_zone_are_converted_to_the_business_zone(kind, zone, day):
    assert read(_zoned()[kind], **COLUMNS, timezone=zone).last_day == dt.date(2024, 1, day)


@pytest.mark.parametrize(
    "wrap", [lambda f: f, pl.from_pandas, lambda f: pl.from_pandas(f).lazy(), pa.Table.from_pandas]
)
def test_times_without_a_zone_are_local_already(wrap):
    naive = pd.DataFrame({"customer_id": [1], "date": pd.to_datetime(["2024-01-01 23:30"]), "spend": [1.0]})
    assert read(wrap(naive), **COLUMNS, timezone="Asia/Tokyo").last_day == dt.date(2024, 1, 1)


def test_a_users_duckdb_session_stays_as_it_was():
    session = duckdb.connect()
    session.execute("SET TimeZone = 'America/New_York'")
    session.execute(
        "CREATE TABLE orders AS SELECT 1 AS customer_id, TIMESTAMPTZ '2024-01-01 23:30+00' AS date, 5 AS spend"
    )
    before = session.sql("SELECT name, value FROM duckdb_settings() ORDER BY name").fetchall()
    tables = session.sql("SELECT database_name, table_name FROM duckdb_tables()").fetchall()
    default = duckdb.sql("SELECT current_setting('TimeZone')").fetchall()
    summarize(session.table("orders"), **COLUMNS, timezone="Asia/Tokyo")
    assert session.sql("SELECT name, value FROM duckdb_settings() ORDER BY name").fetchall() == before
    assert session.sql("SELECT database_name, table_name FROM duckdb_tables()").fetchall() == tables
    assert session.sql("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall() == [(0,)]
    assert duckdb.sql("SELECT current_setting('TimeZone')").fetchall() == default


@pytest.mark.parametrize(
    ("ids", "kind"),
    [
        ([3, 1, 2], "int64"),
        ([3.5, 1.5, 2.5], "float64"),
        (["c", "a", "b"], "str"),
        (pd.Categorical(["c", "a", "b"]), "str"),
    ],
)
def test_ids_keep_their_type(ids, kind):
    orders = pd.DataFrame({"customer_id": ids, "date": pd.to_datetime(["2024-01-01"] * 3), "spend": [3.0, 1.0, 2.0]})
    table = summarize(orders, **COLUMNS).table
    assert table["customer_id"].dtype == pd.Series([], dtype=kind).dtype
    assert table["first_amount"].tolist() == [1.0, 2.0, 3.0]


def _coded(texts: pd.DataFrame) -> dict[str, object]:
    """The same log with ids, cohorts and days as categories, whose order is not that of the text."""
    coded = texts.assign(**{c: pd.Categorical(texts[c], categories=texts[c].unique()) for c in ("customer_id", "date")})
    arrow = pa.Table.from_pandas(coded, preserve_index=False)
    ids = pl.Enum(list(texts["customer_id"].unique()))
    frame = pl.from_pandas(texts)
    enum = ", ".join(f"'{i}'" for i in texts["customer_id"].unique())
    relation = duckdb.connect().from_arrow(pa.Table.from_pandas(texts, preserve_index=False))
    return {
        "pandas": coded,
        "Arrow dictionary": arrow,
        "polars Categorical": frame.with_columns(pl.col("customer_id", "date").cast(pl.Categorical)),
        "polars Enum": frame.with_columns(pl.col("customer_id").cast(ids)),
        "polars lazy Categorical": frame.lazy().with_columns(pl.col("customer_id", "channel").cast(pl.Categorical)),
        "polars lazy Enum": frame.lazy().with_columns(pl.col("customer_id").cast(ids)),
        "DuckDB ENUM": relation.project(f"* REPLACE (customer_id::ENUM({enum}) AS customer_id)"),
    }


CODED = pd.DataFrame(
    {
        "customer_id": ["z", "m", "a", "z", "10", "9"],
        "date": ["2024-02-01", "2024-01-01", "2024-01-05", "2024-03-01", "2024-01-01", "2024-01-01"],
        "spend": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "channel": ["web", "shop", "web", "web", "shop", "web"],
    }
)


@pytest.mark.parametrize("kind", list(_coded(CODED)))
def test_categories_become_text_in_the_order_of_text(kind):
    how = {**COLUMNS, "cohort": "column:channel"}
    expected = summarize(CODED, **how).table
    assert expected["customer_id"].tolist() == ["10", "9", "a", "m", "z"]
    pd.testing.assert_frame_equal(summarize(_coded(CODED)[kind], **how).table, expected)


def test_missing_ids_among_categories_are_found_and_numbers_stay_whole():
    log = CODED.assign(customer_id=pd.Categorical([3, 1, 2, None, 1, 2]))
    with pytest.raises(DataError, match="1 row: the customer is missing"):
        read(log, **COLUMNS)
    assert summarize(log.dropna(), **COLUMNS).table["customer_id"].tolist() == ["1", "2", "3"]
    assert summarize(pa.Table.from_pandas(log.dropna()), **COLUMNS).table["customer_id"].tolist() == ["1", "2", "3"]


def test_ids_of_mixed_types_have_an_order():
    orders = pd.DataFrame({"customer_id": ["b", 2, "a", 1], "date": "2024-01-01", "spend": [1.0, 2.0, 3.0, 4.0]})
    assert summarize(orders, **COLUMNS).table["customer_id"].tolist() == [1, 2, "a", "b"]


def test_csv_ids_keep_their_zeros_and_bad_rows_do_not_stop_the_reader(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("customer_id;date;spend\n007;1997-01-01;5.5\n008;19970102;1e2\n007;1997-01-03 10:00;0\n")
    table = summarize(path, **COLUMNS).table
    assert table["customer_id"].tolist() == ["007", "008"]
    assert table["gross"].tolist() == [5.5, 100.0]


def test_csv_files_of_a_glob_are_joined_by_column_name(tmp_path):
    (tmp_path / "a.csv").write_text("customer_id,date,spend\n1,1997-01-01,5\n")
    (tmp_path / "b.csv").write_text("spend,customer_id,date\n7,2,1997-01-02\n")
    table = summarize("*.csv", **COLUMNS, base_dir=tmp_path).table
    assert table[["customer_id", "gross"]].to_numpy().tolist() == [["1", 5.0], ["2", 7.0]]


QUIET = """
from kundenwert.customers.sources import read
from kundenwert.customers.summary import summarize
log = read({path!r}, customer="customer_id", time="date", amount="spend")
held = (log, summarize(log))
"""


@pytest.mark.parametrize("first", ["", "import duckdb\n"])
def test_duckdb_prints_nothing_when_the_interpreter_exits(tmp_path, first):
    path = tmp_path / "orders.csv"
    path.write_text("customer_id,date,spend\n1,1997-01-01,5\n")
    done = subprocess.run(
        [sys.executable, "-c", first + QUIET.format(path=str(path))], capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == ""


def test_a_log_of_some_size_stays_in_the_engine(tmp_path):
    path = tmp_path / "big.parquet"
    duckdb.sql(
        "SELECT range % 100000 AS customer_id, DATE '2020-01-01' + CAST(hash(range) % 1000 AS INTEGER) AS date,"
        " CAST(hash(range + 7) % 10000 AS INTEGER) - 200 AS spend FROM range(1000000)"
    ).write_parquet(str(path))
    summary = summarize(path, **COLUMNS)
    table = summary.table
    assert len(table) == 100_000
    net = table["first_amount"] + table["monetary_value"] * table["spend_days"]
    np.testing.assert_allclose(net, table["gross"] - table["refunds"], rtol=1e-9, atol=1e-6)
