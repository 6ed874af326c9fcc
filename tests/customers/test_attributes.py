"""Attributes of customers: read alike from every source, one row a customer, joined without touching the summary."""

import datetime as dt
import decimal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kundenwert.customers.attributes import read_attributes, with_attributes
from kundenwert.customers.summary import summarize
from kundenwert.errors import DataError, UsageError

ORDERS = pd.DataFrame({"customer_id": ["a", "b", "c"], "date": "2025-01-10", "spend": [1.0, 2.0, 3.0], "margin": 0.3})
HOW = {"customer": "customer_id", "time": "date", "amount": "spend"}
SUMMARY = summarize(ORDERS, **HOW, carry=("margin",))
PEOPLE = pl.DataFrame(
    {
        "customer_id": ["c", "z", "a"],
        "channel": ["web", "shop", " shop "],
        "zip": ["01067", None, "80331"],
        "wallet": [120.5, 3.0, None],
        "employees": [7, 8, 9],
        "objected": [True, False, None],
    }
)


def _rules(error: DataError) -> dict[str, tuple[int, list[object]]]:
    return {v.rule: (v.count, list(v.ids)) for v in error.violations}


def _kinds(folder) -> dict[str, object]:
    arrow = PEOPLE.to_arrow()
    PEOPLE.write_csv(folder / "people.csv")
    PEOPLE.write_parquet(folder / "people.parquet")
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        connection.execute("CREATE TABLE people AS SELECT * FROM arrow")
    return {
        "pandas": PEOPLE.to_pandas().set_axis([5, 5, 7]),
        "pandas, Arrow types": PEOPLE.to_pandas(use_pyarrow_extension_array=True),
        "pandas, objects": PEOPLE.to_pandas().astype(object),
        "pandas, categories": PEOPLE.to_pandas().astype({"customer_id": "category", "channel": "category"}),
        "polars": PEOPLE,
        "polars lazy": PEOPLE[::-1].lazy(),
        "Arrow": arrow,
        "DuckDB relation": duckdb.connect().from_arrow(arrow),
        "CSV": "people.csv",
        "Parquet": folder / "people.parquet",
        "DuckDB file": "duckdb://shop.duckdb?table=people",
    }


@pytest.mark.parametrize(
    "kind",
    [
        "pandas", "pandas, Arrow types", "pandas, objects", "pandas, categories", "polars", "polars lazy", "Arrow",
        "DuckDB relation", "CSV", "Parquet", "DuckDB file",
    ],
)  # fmt: skip
def test_every_kind_of_source_gives_the_same_columns(kind, tmp_path):
    attributes = read_attributes(_kinds(tmp_path)[kind], base_dir=tmp_path)
    assert repr(attributes) == "Attributes: 3 customers, columns channel, zip, wallet, employees, objected"
    expected = pd.DataFrame(
        {
            "customer_id": ["a", "c", "z"],
            "channel": ["shop", "web", "shop"],
            "zip": ["80331", "01067", None],
            "wallet": [np.nan, 120.5, 3.0],
            "employees": [9.0, 7.0, 8.0],
            "objected": pd.array([None, True, False], dtype="boolean"),
        }
    )
    strict = kind not in {"pandas, Arrow types", "pandas, objects"}  # their ids keep these types
    pd.testing.assert_frame_equal(attributes.table.iloc[:, 1:], expected.iloc[:, 1:], check_exact=True)
    pd.testing.assert_series_equal(
        attributes.table["customer_id"], expected["customer_id"], check_dtype=strict, check_exact=True
    )


def test_joined_columns_come_last_and_touch_nothing():
    kept = SUMMARY.table.copy(deep=True)
    joined = with_attributes(SUMMARY, read_attributes(PEOPLE))
    pd.testing.assert_frame_equal(SUMMARY.table, kept)
    pd.testing.assert_frame_equal(joined.table[[*kept.columns]], kept, check_exact=True)
    assert joined.table.columns[len(kept.columns) :].tolist() == ["channel", "zip", "wallet", "employees", "objected"]
    assert joined.table["channel"].fillna("?").tolist() == ["shop", "?", "web"]
    assert joined.table["employees"].tolist()[::2] == [9.0, 7.0]
    assert joined.table["objected"].isna().tolist() == [True, True, False]
    found = {name: n for name, n in joined.counts.items() if name not in SUMMARY.counts}
    assert found == {"attributes_read": 3, "attributes_of_strangers": 1, "without_attributes": 1}
    assert (joined.time_unit, joined.observation_end, joined.notes) == (
        SUMMARY.time_unit, SUMMARY.observation_end, SUMMARY.notes,
    )  # fmt: skip


def test_the_order_of_rows_changes_nothing():
    expected = with_attributes(SUMMARY, read_attributes(PEOPLE)).table
    pd.testing.assert_frame_equal(with_attributes(SUMMARY, read_attributes(PEOPLE[::-1])).table, expected)


def test_columns_can_be_chosen():
    assert read_attributes(PEOPLE, columns=["wallet"]).names == ("wallet",)
    with pytest.raises(DataError, match=r"column 'walet' is missing\. Did you mean 'wallet'\?"):
        read_attributes(PEOPLE, columns=["walet"])


def test_a_csv_column_is_of_the_kind_that_all_its_cells_are_of(tmp_path):
    (tmp_path / "a.csv").write_text(
        "customer_id;number;mixed;truth;code;nothing;flag\n"
        "007;1e2;1;TRUE;007;;1\n008; -.5 ;x;False;1;;0\n009;;2;;2;;1\n"
    )
    table = read_attributes("a.csv", base_dir=tmp_path).table
    assert table["customer_id"].tolist() == ["007", "008", "009"]
    assert table["number"].tolist()[:2] == [100.0, -0.5]
    assert table["mixed"].tolist() == ["1", "x", "2"]
    assert table["truth"].tolist()[:2] == [True, False]
    assert table["truth"].isna().tolist() == [False, False, True]
    assert table["code"].tolist() == ["007", "1", "2"]
    assert table["nothing"].isna().all()
    assert table["flag"].tolist() == [1.0, 0.0, 1.0]


def test_decimals_are_numbers():
    people = pd.DataFrame({"customer_id": ["a"], "wallet": [decimal.Decimal("12.5")]})
    assert read_attributes(people).table["wallet"].tolist() == [12.5]
    assert read_attributes(pa.Table.from_pandas(people)).table["wallet"].tolist() == [12.5]


def test_every_broken_rule_is_listed_at_once():
    people = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b", "b", "c", None, " "],
            "wallet": [1.0, 2.0, 3.0, 3.0, np.inf, 1.0, 1.0],
            "born": [dt.date(1970, 1, 1)] * 7,
            "gross": 1.0,
        }
    )
    with pytest.raises(DataError) as caught:
        read_attributes(people)
    assert _rules(caught.value) == {
        "the customer is missing": (2, []),
        "the customer has several rows that differ": (1, ["a"]),
        "the customer has several rows, all alike": (1, ["b"]),
        "column 'gross' cannot be joined: the customer summary has a column of this name": (0, []),
        "column 'born' holds values of the kind 'date'": (0, []),
        "column 'wallet' is not finite": (1, ["c"]),
    }
    assert "1 customer: the customer has several rows that differ (first: a). Keep the one" in str(caught.value)
    with pytest.raises(DataError, match="column 'tags' holds values of the kind"):
        read_attributes(pl.DataFrame({"customer_id": ["a"], "tags": [["x"]]}))


def test_lines_of_a_csv_that_are_no_rows_are_listed(tmp_path):
    (tmp_path / "a.csv").write_text("customer_id,channel\na,web,1\nb,shop\nb,web\n")
    with pytest.raises(DataError) as caught:
        read_attributes(tmp_path / "a.csv")
    assert _rules(caught.value) == {
        "the number of fields is not that of the header": (1, [2]),
        "the customer has several rows that differ": (1, ["b"]),
    }


def test_what_does_not_fit_the_summary_is_refused():
    with pytest.raises(DataError, match="column 'margin' is in the summary already"):
        with_attributes(SUMMARY, read_attributes(pd.DataFrame({"customer_id": ["a"], "margin": [0.1]})))
    with pytest.raises(UsageError, match=r"none of the 2 customers .* integer \(first: 1\) there and string"):
        with_attributes(SUMMARY, read_attributes(pd.DataFrame({"customer_id": [1, 2], "wallet": [0.1, 0.2]})))
    with pytest.raises(DataError, match="the input has no rows"):
        read_attributes(PEOPLE[:0])
    with pytest.raises(UsageError, match="a dict_keys holds no customer attributes"):
        read_attributes({}.keys())
