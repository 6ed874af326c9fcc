"""Peer groups are part of the cohort's label, made of what was known before the first order, whatever holds it."""

import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kundenwert.customers.attributes import read_attributes, with_attributes
from kundenwert.customers.cohorts import CohortRule, map_to_known, merge_small, merge_small_groups
from kundenwert.customers.peers import with_peers
from kundenwert.customers.sources import read
from kundenwert.customers.summary import as_summary, summarize
from kundenwert.errors import DataError, UsageError
from kundenwert.names import SUMMARY_TABLE

HOW = {"customer": "customer_id", "time": "date", "amount": "spend"}
IDS = [f"c{i}" for i in range(8)]
LOG = pd.DataFrame(
    {
        "customer_id": [*IDS, "c0", "c1"],
        "date": ["2025-01-05", "2025-01-06", "2025-02-01", "2025-02-02"] * 2 + ["2025-03-01"] * 2,
        "spend": 10.0,
        "band": [1.0, 2.0] * 5,
        "shop": ["web", "shop"] * 4 + ["fax", "fax"],
    }
)
PEOPLE = pl.DataFrame(
    {
        "customer_id": IDS[:7],
        "channel": ["web", "shop", " web ", "web", None, "shop", "web"],
        "business": [True, False, None, True, False, False, False],
        "size": [1, 2, 3, 1, 2, None, 1],
    }
)
CHANNELS = ["web", "shop", "web", "web", "unknown", "shop", "web", "unknown"]
MONTHS = ["2025-01", "2025-01", "2025-02", "2025-02"] * 2


def _kinds(folder) -> dict[str, object]:
    arrow = PEOPLE.to_arrow()
    PEOPLE.write_csv(folder / "people.csv")
    PEOPLE.write_parquet(folder / "people.parquet")
    with duckdb.connect(str(folder / "people.duckdb")) as connection:
        connection.execute("CREATE TABLE people AS SELECT * FROM arrow")
    return {
        "pandas": PEOPLE.to_pandas().set_axis([5, 5, 7, 8, 9, 1, 1]),
        "pandas, Arrow types": PEOPLE.to_pandas(use_pyarrow_extension_array=True),
        "pandas, objects": PEOPLE.to_pandas().astype(object),
        "pandas, categories": PEOPLE.to_pandas().astype({"channel": "category", "customer_id": "category"}),
        "polars": PEOPLE,
        "polars lazy": PEOPLE[::-1].lazy(),
        "Arrow": arrow,
        "DuckDB relation": duckdb.connect().from_arrow(arrow),
        "CSV": folder / "people.csv",
        "Parquet": folder / "people.parquet",
        "DuckDB file": f"duckdb://{folder}/people.duckdb?table=people",
    }


KINDS = (
    "pandas",
    "pandas, Arrow types",
    "pandas, objects",
    "pandas, categories",
    "polars",
    "polars lazy",
    "Arrow",
    "DuckDB relation",
    "CSV",
    "Parquet",
    "DuckDB file",
)


@pytest.mark.parametrize("kind", KINDS)
def test_attributes_of_every_source_part_cohorts_alike(kind, tmp_path):
    summary = with_attributes(summarize(LOG, **HOW), read_attributes(_kinds(tmp_path)[kind]))
    parted = with_peers(summary, ["cohort", "channel"])
    assert parted.table["cohort"].tolist() == [f"{m} x {c}" for m, c in zip(MONTHS, CHANNELS, strict=True)]
    pd.testing.assert_frame_equal(parted.table.drop(columns="cohort"), summary.table.drop(columns="cohort"))
    assert parted.notes[-1] == "peers are cohort x channel: 5 groups, the smallest of 1 customers"
    both = with_peers(summary, ("cohort", "business", "size")).table["cohort"].str.removeprefix("2025-").tolist()
    texts = ["true x 1", "false x 2", "unknown x 3", "true x 1", "false x 2", "false x unknown", "false x 1"]
    assert both == [f"{m[5:]} x {t}" for m, t in zip(MONTHS, [*texts, "unknown x unknown"], strict=True)]


@pytest.mark.parametrize("made", [pd.DataFrame, pl.DataFrame, lambda log: pa.table(dict(log))])
def test_columns_carried_from_the_log_part_cohorts(made):
    carried = with_peers(summarize(made(LOG), **HOW, carry=["band"]), ["cohort", "band"])
    assert carried.table["cohort"].tolist() == [f"{m} x {1 + i % 2}" for i, m in enumerate(MONTHS)]
    with pytest.raises(DataError, match="two values among the purchases that count"):
        summarize(made(LOG.assign(band=range(10))), **HOW, carry=["band"])


def test_a_text_of_the_log_becomes_an_attribute_by_its_value_on_the_first_day():
    first = summarize(LOG, **HOW, cohort="column:shop").table[["customer_id", "cohort"]]
    people = read_attributes(first.rename(columns={"cohort": "shop"}))
    parted = with_peers(with_attributes(summarize(LOG, **HOW), people), ["cohort", "shop"])
    assert parted.table["cohort"].tolist() == [f"{m} x {s}" for m, s in zip(MONTHS, ["web", "shop"] * 4, strict=True)]
    with pytest.raises(DataError, match="two values on the day of the first purchase"):
        summarize(LOG.assign(date="2025-01-01"), **HOW, cohort="column:shop")


def test_attributes_that_contradict_each_other_are_refused_before_they_make_peers():
    with pytest.raises(DataError, match="several rows that differ"):
        read_attributes(pd.DataFrame({"customer_id": ["c0", "c0"], "channel": ["web", "shop"]}))


def _brought(**columns: object):
    frame = {"customer_id": IDS, "frequency": 0, "recency": 0.0, "T": 30.0, "monetary_value": 0.0, "cohort": MONTHS}
    return as_summary(pd.DataFrame(frame | columns), time_unit="week")


def test_a_summary_that_was_brought_along_is_parted_by_its_own_columns():
    summary = _brought(channel=pd.Categorical(CHANNELS), band=pd.array([1, 2] * 4, dtype="Int64"))
    parted = with_peers(summary, ["cohort", "band", "channel"])
    assert parted.table["cohort"].iloc[1] == "2025-01 x 2 x shop"
    assert with_peers(summary, ["cohort"]) is summary


@pytest.mark.parametrize("name", [*[n for n in SUMMARY_TABLE if n not in ("customer_id", "cohort")], "segment"])
def test_peers_are_never_made_of_behaviour(name):
    with pytest.raises(UsageError, match=f"{name} is what customers do"):
        with_peers(_brought(channel=CHANNELS), ["cohort", "channel", name])


def test_every_mistake_in_the_columns_is_named_with_a_way_out():
    summary = _brought(channel=CHANNELS)
    with pytest.raises(
        UsageError, match=r"(?s)'chanel' is no column.*'channel'.*frequency is what.*'customer_id' is no"
    ):
        with_peers(summary, ["cohort", "chanel", "frequency", "customer_id"])
    for peers in (["channel"], "channel"):
        with pytest.raises(UsageError, match=r'Write \["cohort", "channel"\]; .* cohort = "all"'):
            with_peers(summary, peers)
    with pytest.raises(UsageError, match="channel more than once"):
        with_peers(summary, ["cohort", "channel", "channel"])
    with pytest.raises(UsageError, match="none besides the standard ones"):
        with_peers(_brought(), ["cohort", "channel"])


def test_values_that_make_no_groups_are_all_named():
    summary = _brought(
        income=np.linspace(1, 2, 8),
        empty=None,
        born=[dt.date(1990, 1, 1)] * 8,
        text=["a x b", "c", " ", None, *"defg"],
    )
    with pytest.raises(DataError) as caught:
        with_peers(summary, ["cohort", "income", "empty", "born", "text"])
    assert {v.rule: v.count for v in caught.value.violations} == {
        "column 'income' is not a whole number": 6,
        "column 'empty' is empty for all": 8,
        "column 'born' holds values of the kind 'date'": 8,
        "column 'text' holds ' x ', which parts labels": 1,
    }
    once = with_peers(_brought(channel=CHANNELS), ["cohort", "channel"])
    with pytest.raises(DataError, match="holds ' x ' already"):
        with_peers(once, ["cohort", "channel"])


def _labels(**sizes: int) -> tuple[pd.Series, pd.Series]:
    rows = [name.split("_") for name, size in sizes.items() for _ in range(size)]
    return pd.Series([m for m, _ in rows], dtype="str"), pd.Series([p for _, p in rows], dtype="str")


@pytest.mark.parametrize(
    ("by", "sizes", "merged"),
    [
        ("month", {"m1_web": 5, "m2_web": 4, "m1_shop": 3}, {"m1 x web": 5, "m2 x web": 4, "m1 x shop": 3}),
        ("month", {"m1_web": 5, "m2_web": 2, "m1_shop": 3}, {"m1..m2 x web": 7, "m1 x shop": 3}),
        ("month", {"m1_web": 5, "m1_fax": 1, "m3_mail": 2}, {"m1 x web": 5, "m1..m3 x other": 3}),
        ("month", {"m1_web": 5, "m1_fax": 1}, {"m1 x web": 5, "m1 x other": 1}),
        ("month", {"m1..m2_web": 2, "m3_web": 1}, {"m1..m3 x web": 3}),
        ("column:k", {"m1_web": 5, "m2_web": 1, "m3_web": 2}, {"m1 x web": 5, "other x web": 3}),
        ("all", {"all_web": 5, "all_fax": 1}, {"all x web": 5, "all x other": 1}),
    ],
)
def test_small_groups_join_within_their_peers_first(by, sizes, merged):
    labels, notes = merge_small_groups(*_labels(**sizes), CohortRule(by, 3))
    assert labels.value_counts().to_dict() == merged
    assert bool(notes) == (len(merged) < len(sizes) or min(merged.values()) < 3)


def test_every_merge_is_told():
    summary = _brought(channel=CHANNELS)
    notes = with_peers(summary, ["cohort", "channel"], min_customers=3).notes
    assert (
        notes
        == (
            "peers are cohort x channel: 2 groups, the smallest of 4 customers",
            "peers shop joined other: 2 customers, fewer than 3",
            "peers unknown joined other: 2 customers, fewer than 3",
            "among other: cohort 2025-01 joined 2025-01..2025-02: 3 customers, fewer than 3",
        )[: len(notes)]
        or notes
    )


@given(
    rows=st.lists(st.tuples(st.sampled_from(["m1", "m2", "m3"]), st.sampled_from(["a", "b", "other"])), min_size=1),
    least=st.integers(0, 8),
)
def test_merged_groups_keep_to_their_peers(rows, least):
    cohorts, peers = (pd.Series(column, dtype="str") for column in zip(*rows, strict=True))
    merged, _ = merge_small_groups(cohorts, peers, CohortRule("month", least))
    parted = merged.str.split(" x ", expand=True)
    enough = peers.map(peers.value_counts()) >= least
    assert (parted[1].where(enough, "other") == peers.where(enough, "other")).all()
    for peer, group in cohorts.groupby(parted[1]):
        pd.testing.assert_series_equal(
            parted[0][group.index], merge_small(group, CohortRule("month", least))[0], check_names=False
        )
        assert peer in {"a", "b", "other"}


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("1997-02 x web", "1997-01..1997-03 x web"),
        ("1997-04 x web", "1997-04 x web"),
        ("1997-05 x web", "1997-05 x web"),
        ("1997-02 x shop", "1997-02 x shop"),
        ("1997-02 x fax", "1997-02..1997-04 x other"),
        ("1997-01 x fax", "1997-01 x other"),
        ("spring x mail", "other x mail"),
    ],
)
def test_later_customers_find_the_groups_of_an_earlier_merge(label, name):
    known = ["1997-01..1997-03 x web", "1997-04 x web", "1997-02 x shop", "1997-02..1997-04 x other", "other x mail"]
    assert map_to_known(pd.Series([label, "1997-04 x web"]), known, peers=True).tolist() == [name, "1997-04 x web"]


def test_without_peers_a_cohort_is_not_parted():
    assert map_to_known(pd.Series(["2 x 4"]), ["other", "x"]).tolist() == ["other"]
    assert map_to_known(pd.Series(["1997-02 x web"]), ["1997-02 x web"]).tolist() == ["1997-02 x web"]
    assert map_to_known(pd.Series(["a x b"]), ["a x b", "c x d"], peers=True).tolist() == ["a x b"]


def test_the_log_with_its_cohort_column_may_be_parted_too():
    log = read(LOG, **HOW, cohort="column:shop", carry=["band"])
    summary = summarize(log, cohort="column:shop")
    assert with_peers(summary, ["cohort", "band"]).cohorts == ("shop x 2", "web x 1")
    small = with_peers(summary, ["cohort", "band"], cohort="column:shop", min_customers=5)
    assert small.cohorts == ("other x other",)
