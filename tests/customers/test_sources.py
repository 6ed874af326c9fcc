"""Sources that are missing or cannot be read say so, and say what to do."""

import sys

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from kundenwert.customers.sources import read
from kundenwert.errors import DataError, UsageError

COLUMNS = {"customer": "customer_id", "time": "date", "amount": "spend"}
ROW = "customer_id,date,spend\n1,1997-01-01,5\n"


def test_a_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "orders.csv").write_text(ROW)
    with pytest.raises(DataError, match=r"the file does not exist.*Did you mean 'orders\.csv'\?"):
        read("order.csv", **COLUMNS, base_dir=tmp_path)


def test_a_glob_without_files_is_an_error(tmp_path):
    for pattern in ("*.parquet", "*.csv"):
        with pytest.raises(DataError, match=r"no file matches\. Looked for .*/\*\."):
            read(pattern, **COLUMNS, base_dir=tmp_path)


def test_paths_are_relative_to_the_base_folder(tmp_path, monkeypatch):
    (tmp_path / "orders.csv").write_text(ROW)
    monkeypatch.chdir(tmp_path)
    assert read("orders.csv", **COLUMNS).counts["rows_read"] == 1
    assert read(tmp_path / "orders.csv", **COLUMNS, base_dir="elsewhere").counts["rows_read"] == 1


def test_a_path_with_a_quote_is_a_path(tmp_path):
    path = tmp_path / "it's.csv"
    path.write_text(ROW)
    assert read(path, **COLUMNS).counts["rows_read"] == 1


@pytest.mark.parametrize("source", ["orders.xlsx", "postgresql://host/db", "s3://bucket/orders.parquet"])
def test_kinds_that_cannot_be_read_are_refused(source):
    with pytest.raises(DataError, match=r"ending|cannot be read"):
        read(source, **COLUMNS)


def test_a_damaged_parquet_file_is_an_error_of_the_data(tmp_path):
    (tmp_path / "orders.parquet").write_text("no parquet")
    with pytest.raises(DataError, match="cannot be read"):
        read("orders.parquet", **COLUMNS, base_dir=tmp_path)


def test_a_damaged_csv_file_is_an_error_of_the_data(tmp_path):
    (tmp_path / "orders.csv").write_text(ROW * 3 + "".join(f"{i},1997-01-02,7\n" for i in range(30_000)) + '8,"1997')
    with pytest.raises(DataError):
        read("orders.csv", **COLUMNS, base_dir=tmp_path)


@pytest.mark.parametrize(
    "wrap", [lambda f: f, lambda f: pa.Table.from_arrays([pa.array(f.iloc[:, i]) for i in range(4)], names=list(f))]
)
def test_frames_with_repeated_column_names_are_an_error_of_the_data(wrap):
    frame = pd.DataFrame([[1, "1997-01-01", 5.0, 6.0]], columns=["customer_id", "date", "spend", "spend"])
    with pytest.raises(DataError, match="column names repeat: 'spend' 2 times"):
        read(wrap(frame), **COLUMNS)


def test_what_is_no_frame_is_refused():
    with pytest.raises(UsageError, match="a dict is not a transaction log"):
        read({"customer_id": [1]}, **COLUMNS)


@pytest.mark.parametrize("address", ["duckdb://", "duckdb://shop.duckdb", "duckdb://shop.duckdb?view=orders"])
def test_a_database_address_needs_file_and_table(address):
    # An address is the content of a spec: exit code 3.
    with pytest.raises(DataError, match=r"does not name a table\. Write duckdb://FILE\?table=T"):
        read(address, **COLUMNS)


def test_a_missing_table_names_the_nearest(tmp_path):
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        connection.execute("CREATE SCHEMA web; CREATE TABLE web.orders AS SELECT 1 customer_id, 19970101 date, 5 spend")
        connection.execute("CREATE TABLE sales AS SELECT 1 customer_id, 19970101 date, 5 spend, 6 spend2")
    with pytest.raises(DataError, match=r"table 'sale' is missing\. Did you mean 'sales'\?"):
        read("duckdb://shop.duckdb?table=sale", **COLUMNS, base_dir=tmp_path)
    assert read("duckdb://shop.duckdb?table=web.orders", **COLUMNS, base_dir=tmp_path).counts["rows_read"] == 1
    with pytest.raises(DataError, match="does not exist"):
        read("duckdb://shops.duckdb?table=sales", **COLUMNS, base_dir=tmp_path)


def test_a_file_that_is_no_database_is_an_error_of_the_data(tmp_path):
    (tmp_path / "shop.duckdb").write_text("no database" * 1000)
    with pytest.raises(DataError, match="the database cannot be read"):
        read("duckdb://shop.duckdb?table=sales", **COLUMNS, base_dir=tmp_path)


def test_unknown_time_zones_are_refused():
    frame = pd.DataFrame({"customer_id": [1], "date": ["1997-01-01"], "spend": [1.0]})
    with pytest.raises(UsageError, match=r"time zone 'Europe/Berln' is not known\. Did you mean 'Europe/Berlin'\?"):
        read(frame, **COLUMNS, timezone="Europe/Berln")


def test_unknown_examples_are_refused():
    with pytest.raises(DataError, match=r"no such example.*Did you mean 'cdnow'\?"):
        read("example:cdnows", **COLUMNS)


def test_an_example_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "lifetimes", None)  # what the import system sees where it is absent
    with pytest.raises(DataError, match=r"not installed.*pip install 'kundenwert\[examples\]'"):
        read("example:cdnow", **COLUMNS)


def test_examples_are_read_without_importing_the_package():
    read("example:cdnow-sample", **COLUMNS)
    assert "lifetimes" not in sys.modules
