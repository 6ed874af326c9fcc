"""Facts about customers: read from columns of any kind of source, never guessed at."""

import numpy as np
import pandas as pd
import pytest

from kundenwert.customers.attributes import read_attributes, with_attributes
from kundenwert.customers.summary import summarize
from kundenwert.decisions.hard_events import known_gone, read_hard_events
from kundenwert.decisions.losses import Losses
from kundenwert.decisions.rule import allowed_labels, decide
from kundenwert.errors import DataError, UsageError

IDS = ["a", "b", "c"]


@pytest.mark.parametrize(
    "column",
    [
        [True, False, None],
        pd.array([True, False, pd.NA], dtype="boolean"),
        [1.0, 0.0, np.nan],
        pd.array([1, 0, 0], dtype="int64"),
        np.array([True, False, False]),
    ],
)
def test_a_column_of_true_and_false_is_read_from_every_type(column):
    table = pd.DataFrame({"customer_id": IDS, "no_ads": column})
    found = read_hard_events(table, objection="no_ads")
    assert found.objected.tolist() == [True, False, False]
    assert not found.removed.any()
    assert not found.complaint.any()


@pytest.mark.parametrize(("written", "expected"), [("true,FALSE,", [True, False, False]), (",,", [False] * 3)])
def test_columns_come_with_the_attributes(tmp_path, written, expected):
    rows = "\n".join(f"{name},{value}" for name, value in zip(IDS, written.split(","), strict=True))
    (tmp_path / "customers.csv").write_text(f"customer_id,gone\n{rows}\n")
    orders = pd.DataFrame({"customer_id": IDS, "date": "2025-01-01", "spend": 1.0})
    summary = summarize(orders, customer="customer_id", time="date", amount="spend")
    table = with_attributes(summary, read_attributes(tmp_path / "customers.csv")).table
    assert read_hard_events(table, removed="gone").removed.tolist() == expected


def test_objections_and_removals_end_every_label_and_complaints_do_not():
    flags = np.eye(3, dtype=bool)
    table = pd.DataFrame({"customer_id": IDS, "objects": flags[0], "gone": flags[1], "angry": flags[2]})
    found = read_hard_events(table, objection="objects", removed="gone", complaint="angry")
    assert found.any.tolist() == [True, True, False]
    assert found.complaint.tolist() == [False, False, True]
    assert not read_hard_events(table).any.any()


@pytest.mark.parametrize("value", ["no", "2025-01-01", 2.0])
def test_what_is_neither_true_nor_false_is_refused_with_the_customer(value):
    table = pd.DataFrame({"customer_id": IDS, "no_ads": [None, value, None], "gone": [None, None, value]})
    with pytest.raises(DataError) as error:
        read_hard_events(table, objection="no_ads", removed="gone")
    assert "2 rules" in str(error.value)
    assert f"1 customer: column 'no_ads' holds '{value}', which is neither true nor false (first: b)" in str(
        error.value
    )


def test_an_unknown_column_is_refused():
    with pytest.raises(UsageError, match="Did you mean 'no_ads'"):
        read_hard_events(pd.DataFrame({"customer_id": IDS, "no_ads": True}), complaint="no_add")


def test_whoever_is_removed_is_dormant_for_certain():
    probabilities = np.array([[1.0, 0, 0, 0, 0, 0], [0.5, 0, 0, 0.4, 0, 0.1]])
    found = known_gone(probabilities, np.array([True, False]))
    assert found.tolist() == [[0, 0, 0, 0, 0, 1.0], probabilities[1].tolist()]
    assert probabilities[0, 0] == 1.0
    labels = decide(found, allowed_labels(found, np.ones(2), np.ones(2)), Losses(), 0.5).labels
    assert labels[0] == "dormant"
