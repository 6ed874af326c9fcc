"""Further columns of the log, such as a margin, become columns of the summary: one value a customer, or an error."""

import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kundenwert.customers.examples import cdnow_sample
from kundenwert.customers.holdout import split
from kundenwert.customers.sources import read
from kundenwert.customers.summary import summarize
from kundenwert.errors import DataError, UsageError
from kundenwert.names import SUMMARY_TABLE

COLUMNS = {"customer": "who", "time": "when", "amount": "paid"}


def _log(margin: list[object], paid: list[float] | None = None) -> pd.DataFrame:
    when = ["1997-01-01", "1997-01-02", "1997-01-03", "1997-01-01", "1997-02-01"]
    who = ["b", "b", "b", "a", "a"]
    return pd.DataFrame({"who": who, "when": when, "paid": paid or [5.0] * 5, "margin": margin})


def _rules(error: DataError) -> dict[str, tuple[int, list[object]]]:
    return {v.rule: (v.count, list(v.ids)) for v in error.violations}


def test_carried_columns_come_last_one_value_a_customer():
    log = _log([0.3, None, 0.3, -0.2, -0.2]).assign(cac=[1, 1, 1, 2, 2])
    table = summarize(log, **COLUMNS, carry=("margin", "cac", "margin")).table
    assert tuple(table.columns) == (*SUMMARY_TABLE, "margin", "cac")
    assert table[["margin", "cac"]].to_numpy().tolist() == [[-0.2, 2.0], [0.3, 1.0]]
    assert (table[["margin", "cac"]].dtypes == "float64").all()
    pd.testing.assert_frame_equal(table[[*SUMMARY_TABLE]], summarize(log, **COLUMNS).table)


def test_transactions_hold_what_was_read():
    log = read(_log([0.3, 0.3, 0.3, 0.1, 0.1]), **COLUMNS, carry="margin")
    assert log.carried == {"carried_0": "margin"}
    assert summarize(log).table["margin"].tolist() == [0.1, 0.3]
    with pytest.raises(UsageError, match="name columns and the currency in `read`, not here"):
        summarize(log, carry=("margin",))


def test_a_split_carries_as_a_summary_does():
    summary, holdout = split(_log([0.3, 0.3, 0.3, 0.1, 0.1]), "1997-01-02", **COLUMNS, carry=("margin",))
    assert summary.table["margin"].tolist() == [0.1, 0.3]
    assert holdout.table["purchases"].tolist() == [1, 1]


def test_two_values_and_none_are_listed_together_with_the_cohorts():
    log = _log([0.3, 0.4, None, None, None]).assign(channel=["web", "web", "web", None, "shop"], cac=1.0)
    with pytest.raises(DataError) as caught:
        summarize(log, **COLUMNS, carry=("margin", "cac"), cohort="column:channel")
    assert _rules(caught.value) == {
        "column 'margin' has two values among the purchases that count": (1, ["b"]),
        "column 'margin' is empty among the purchases that count": (1, ["a"]),
        "column 'channel' is empty on the day of the first purchase": (1, ["a"]),
    }
    assert "1 customer: column 'margin' has two values among the purchases that count (first: b)." in str(caught.value)


def test_the_first_five_of_many_are_named():
    who = [f"c{i}" for i in range(9, 0, -1)]
    log = pd.DataFrame({"who": who * 2, "when": "1997-01-01", "paid": 1.0, "margin": np.repeat([0.1, 0.2], 9)})
    with pytest.raises(DataError, match=r"9 customers: .* \(first: c1, c2, c3, c4, c5, \.\.\.\)\. Keep one"):
        summarize(log, **COLUMNS, carry=("margin",))


def test_only_purchases_up_to_the_end_decide():
    refund = [5.0, -1.0, 5.0, 5.0, 5.0]
    log = _log([0.3, 0.9, 0.3, 0.1, 0.8], refund)  # a refund with another margin, and a change after the end
    assert summarize(log, **COLUMNS, carry=("margin",), observation_end="1997-01-31").table["margin"].tolist() == [
        0.1,
        0.3,
    ]
    late = _log([0.3, 0.3, 0.3, None, 0.8])
    with pytest.raises(DataError, match=r"is empty among the purchases that count \(first: a\)"):
        summarize(late, **COLUMNS, carry=("margin",), observation_end="1997-01-31")


def test_a_missing_column_comes_with_the_others_that_are_missing():
    with pytest.raises(DataError) as caught:
        read(_log([0.3] * 5), customer="who", time="wann", amount="paid", carry=("margins", "cac"))
    text = str(caught.value)
    assert text.count("is missing") == 3
    assert "column 'margins' is missing. Did you mean 'margin'? It has: who, when, paid, margin." in text
    assert "column 'wann' is missing." in text


@pytest.mark.parametrize("name", ["gross", "cohort", "early_refund"])
def test_names_of_the_summarys_own_columns_are_refused_with_a_way_out(name):
    log = _log([0.3] * 5).rename(columns={"margin": name})
    with pytest.raises(DataError, match=f"column '{name}' cannot be carried.*for example to '{name}_given'"):
        read(log, **COLUMNS, carry=(name,))


def test_names_that_the_log_uses_inside_are_free():
    log = _log([0.3, 0.3, 0.3, 0.1, 0.1]).rename(columns={"margin": "amount"}).assign(day=7, time_state=2, spend=3)
    carry = ("amount", "day", "time_state", "spend")
    table = summarize(log, **COLUMNS, carry=carry).table
    assert table[list(carry)].to_numpy().tolist() == [[0.1, 7, 2, 3], [0.3, 7, 2, 3]]
    assert table["gross"].tolist() == [10.0, 15.0]


def test_the_amount_itself_may_be_carried():
    assert summarize(_log([1] * 5), **COLUMNS, carry=("paid",)).table["paid"].tolist() == [5.0, 5.0]


BAD = 'who,when,paid,"margin, ""net"""\na,1997-01-01,5,0.3\na,1997-01-02,5,\nb,1997-01-01,5,30 %\nc,1997-01-01,x,inf\n'


def test_text_that_is_no_number_is_listed_with_the_other_rules(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(BAD)
    with pytest.raises(DataError) as caught:
        read(path, **COLUMNS, carry=('margin, "net"',))
    assert _rules(caught.value) == {
        "the amount is not a number": (1, ["c"]),
        "column 'margin, \"net\"' is not a number": (1, ["b"]),
        "column 'margin, \"net\"' is not finite": (1, ["c"]),
    }


def test_text_that_is_a_number_is_read(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(BAD.replace("30 %", " 3e-1 ").replace("x,inf", "5,-.5"))
    assert summarize(path, **COLUMNS, carry=('margin, "net"',)).table['margin, "net"'].tolist() == [0.3, 0.3, -0.5]


def test_numbers_that_are_not_finite_are_found_on_typed_frames():
    day = [dt.date(1997, 1, 1)] * 2
    frame = pl.DataFrame({"who": ["a", "b"], "when": day, "paid": [1.0, 2.0], "margin": [float("nan"), float("inf")]})
    for log in (frame, frame.lazy(), frame.to_arrow(), duckdb.connect().from_arrow(frame.to_arrow())):
        with pytest.raises(DataError, match=r"2 rows: column 'margin' is not finite \(first: a, b\)"):
            read(log, **COLUMNS, carry=("margin",))


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    """The CDNOW sample with refunds, and a margin by customer that is empty on some later rows."""
    orders = cdnow_sample()
    rng = np.random.default_rng(20260101)
    orders["spend"] = orders["spend"].where(rng.random(len(orders)) > 0.1, -orders["spend"])
    ids = orders["customer_id"].astype(int)
    bought = orders["spend"] >= 0
    first = bought & ~orders["customer_id"].where(bought).duplicated()
    orders["margin"] = ((ids % 7) / 10 - 0.1).where(first | (rng.random(len(orders)) < 0.5))
    orders["cac"] = ids % 5
    return orders


def _wrapped(log: pd.DataFrame, folder) -> dict[str, object]:
    arrow = pa.Table.from_pandas(log, preserve_index=False)
    log.to_csv(folder / "log.csv", index=False)
    pl.from_arrow(arrow).write_parquet(folder / "log.parquet")
    return {
        "pandas, other order": log.sample(frac=1, random_state=1),
        "pandas, Arrow types": log.convert_dtypes(dtype_backend="pyarrow"),
        "pandas, text": log.assign(margin=log["margin"].astype(str).where(log["margin"].notna(), None)),
        "polars": pl.from_arrow(arrow),
        "polars lazy": pl.from_arrow(arrow).lazy(),
        "polars lazy, text": pl.from_arrow(arrow).lazy().with_columns(pl.col("margin").cast(pl.String)),
        "Arrow": arrow,
        "DuckDB": duckdb.connect().from_arrow(arrow),
        "CSV": "log.csv",
        "Parquet": "log.parquet",
    }


def test_every_kind_of_input_carries_the_same(sample, tmp_path):
    names = {"customer": "customer_id", "time": "date", "amount": "spend", "carry": ("margin", "cac")}
    expected = summarize(sample, **names).table
    number = expected["customer_id"].astype(int)
    np.testing.assert_array_equal(expected["margin"], (number % 7) / 10 - 0.1)
    np.testing.assert_array_equal(expected["cac"], number % 5)
    for kind, log in _wrapped(sample, tmp_path).items():
        got = summarize(log, **names, base_dir=tmp_path).table
        same = kind != "pandas, Arrow types"  # ids keep their Arrow type
        pd.testing.assert_frame_equal(got, expected, check_exact=True, check_dtype=same, obj=kind)
