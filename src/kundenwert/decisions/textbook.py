"""The textbook's view of the labels: fewer classes, for readers who know them from there.

A dormant customer is `inactive`, and a super growth customer is one of the most valuable with the tag `grow`
(docs/statistics.md, section Explanations).
"""

import pandas as pd

from kundenwert.names import SEGMENTS, State

INACTIVE, GROW = "inactive", "grow"
CLASSES = {label: label for label in SEGMENTS} | {
    State.DORMANT.value: INACTIVE,
    State.SUPER_GROWTH.value: State.MOST_VALUABLE.value,
}


def textbook_classes(table: pd.DataFrame) -> pd.DataFrame:
    """The class of each customer.

    Parameters
    ----------
    table : (customer,) with `customer_id` and `segment`.

    Returns
    -------
    (customer,) `customer_id`; `class`, one of `most_valuable`, `most_growable`, `low_maintenance`, `below_zero`,
    `inactive` and `migrator`, who is undecided; `tag`, `grow` or nothing. Nothing in both columns where the customer
    has no label.

    Examples
    --------
    >>> table = pd.DataFrame({"customer_id": [1, 2, 3], "segment": ["super_growth", "dormant", None]})
    >>> textbook_classes(table)[["class", "tag"]].to_numpy(dtype=object).tolist()
    [['most_valuable', 'grow'], ['inactive', None], [None, None]]
    """
    labels = table["segment"].to_numpy(dtype=object)
    known = [None if pd.isna(label) else str(label) for label in labels]
    classes = [None if label is None else CLASSES[label] for label in known]
    tags = [GROW if label == State.SUPER_GROWTH else None for label in known]
    named = {name: pd.Series(values, dtype=object) for name, values in (("class", classes), ("tag", tags))}
    return pd.DataFrame({"customer_id": table["customer_id"].array} | named)
