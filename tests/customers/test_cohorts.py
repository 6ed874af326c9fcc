"""Cohort labels sort as time does, and small cohorts join others by one rule."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kundenwert.customers.cohorts import CohortRule, calendar_labels, merge_small
from kundenwert.customers.summary import summarize
from kundenwert.errors import DataError, UsageError


def _labels(**sizes: int) -> pd.Series:
    return pd.Series([label.replace("_", "-") for label, size in sizes.items() for _ in range(size)], dtype="str")


def _sizes(labels: pd.Series) -> dict[str, int]:
    return labels.value_counts().sort_index().to_dict()


@pytest.mark.parametrize(
    ("by", "label"),
    [
        ("day", "1997-01-31"),
        ("week", "1997-W05"),
        ("month", "1997-01"),
        ("quarter", "1997Q1"),
        ("year", "1997"),
        ("all", "all"),
    ],
)
def test_labels(by, label):
    assert calendar_labels(pd.Series(pd.to_datetime(["1997-01-31"])), by).tolist() == [label]


@pytest.mark.parametrize("by", ["day", "week", "month", "quarter", "year", "all"])
@given(
    days=st.lists(
        st.dates(pd.Timestamp("1950-01-01").date(), pd.Timestamp("2090-12-31").date()), min_size=1, max_size=30
    )
)
def test_labels_sort_as_time_does(by, days):
    labels = calendar_labels(pd.Series(pd.to_datetime(sorted(days))), by).tolist()
    assert labels == sorted(labels)


@pytest.mark.parametrize(
    ("sizes", "merged"),
    [
        ({"m1": 300, "m2": 50, "m3": 60, "m4": 300}, {"m1..m3": 410, "m4": 300}),
        ({"m1": 50, "m2": 60, "m3": 300}, {"m1..m3": 410}),
        ({"m1": 50, "m2": 250, "m3": 300}, {"m1..m2": 300, "m3": 300}),
        ({"m1": 120, "m2": 120, "m3": 120, "m4": 300}, {"m1..m3": 360, "m4": 300}),
        ({"m1": 50, "m2": 60}, {"m1..m2": 110}),
        ({"m1": 200, "m2": 200}, {"m1": 200, "m2": 200}),
        ({"m1": 5}, {"m1": 5}),
    ],
)
def test_small_calendar_cohorts_join_a_neighbor(sizes, merged):
    assert _sizes(merge_small(_labels(**sizes), CohortRule("month", 200))[0]) == merged


@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8), least=st.integers(0, 40))
def test_merging_ends_with_large_neighbors_in_the_order_of_time(sizes, least):
    labels = _labels(**{f"m{i}": size for i, size in enumerate(sizes)})
    merged, notes = merge_small(labels, CohortRule("month", least))
    left = _sizes(merged)
    assert sum(left.values()) == sum(sizes)
    assert min(left.values()) >= least or len(left) == 1
    assert merged.tolist() == sorted(merged)
    assert bool(notes) == (min(sizes) < least)


def test_small_column_cohorts_join_other():
    labels = pd.Series(["shop"] * 5 + ["web"] + ["fair"] * 2)
    merged, notes = merge_small(labels, CohortRule("column:channel", 3))
    assert _sizes(merged) == {"other": 3, "shop": 5}
    assert notes == (
        "cohort fair joined other: 2 customers, fewer than 3",
        "cohort web joined other: 1 customers, fewer than 3",
    )


def test_a_cohort_that_stays_small_is_noted():
    merged, notes = merge_small(pd.Series(["shop"] * 5 + ["web"]), CohortRule("column:channel", 3))
    assert _sizes(merged) == {"other": 1, "shop": 5}
    assert notes[-1] == "cohort other stays small: 1 customers, fewer than 3"


@pytest.mark.parametrize("by", ["fortnight", "months", "column:", ""])
def test_unknown_cohorts_are_refused(by):
    with pytest.raises(UsageError, match="is not known"):
        CohortRule(by)
    with pytest.raises(UsageError, match="negative"):
        CohortRule("month", -1)


COLUMNS = {"customer": "who", "time": "when", "amount": "paid", "cohort": "column:channel"}


def _orders(channels: list[object]) -> pd.DataFrame:
    when = ["1997-01-01", "1997-01-01", "1997-01-02", "1997-01-03"]
    return pd.DataFrame({"who": ["a", "a", "a", "b"], "when": when, "paid": 1.0, "channel": channels})


def test_a_column_cohort_is_the_first_value_on_the_first_day():
    assert summarize(_orders([None, "web", "shop", "mail"]), **COLUMNS).table["cohort"].tolist() == ["web", "mail"]


def test_labels_of_numbers_do_not_depend_on_missing_ones():
    assert summarize(_orders([None, 1, 2, 3]), **COLUMNS).cohorts == ("1", "3")
    assert summarize(_orders([1, 1, 2, 3]), **COLUMNS).cohorts == ("1", "3")


def test_two_cohorts_on_the_first_day_and_none_are_errors():
    with pytest.raises(DataError) as caught:
        summarize(_orders(["web", "shop", "shop", None]), **COLUMNS)
    assert [(v.count, list(v.ids)) for v in caught.value.violations] == [(1, ["a"]), (1, ["b"])]
    assert "two values on the day of the first purchase" in str(caught.value)
    assert "is empty on the day of the first purchase" in str(caught.value)
