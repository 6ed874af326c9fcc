"""The textbook's classes: a mere renaming, which loses nobody."""

import pandas as pd

from kundenwert.decisions.textbook import textbook_classes
from kundenwert.names import SEGMENTS

SAID = {
    "most_valuable": ("most_valuable", None),
    "super_growth": ("most_valuable", "grow"),
    "most_growable": ("most_growable", None),
    "low_maintenance": ("low_maintenance", None),
    "below_zero": ("below_zero", None),
    "dormant": ("inactive", None),
    "migrator": ("migrator", None),
}


def test_every_label_has_its_class():
    table = pd.DataFrame({"customer_id": range(len(SEGMENTS)), "segment": SEGMENTS})
    found = textbook_classes(table)
    assert list(zip(found["class"], found["tag"], strict=True)) == [SAID[label] for label in SEGMENTS]


def test_who_has_no_label_has_no_class():
    table = pd.DataFrame({"customer_id": ["a", "b", "c"], "segment": ["dormant", None, float("nan")]})
    found = textbook_classes(table)
    assert found["customer_id"].tolist() == ["a", "b", "c"]
    assert found["class"].isna().tolist() == [False, True, True]
    assert found["tag"].isna().all()
