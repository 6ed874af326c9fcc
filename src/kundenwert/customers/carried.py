"""Columns of the log that say something about the customer, not about the order: one value a customer, or an error."""

from typing import Any

import narwhals as nw
import pandas as pd

from kundenwert.customers.transactions import Transactions, sort_ids, to_pandas
from kundenwert.errors import FIRST_IDS, Violation


def carried_columns(
    purchases: nw.LazyFrame[Any], log: Transactions, ids: "pd.Series[Any]"
) -> tuple[pd.DataFrame, list[Violation]]:
    """The carried columns of a log, one value a customer.

    Parameters
    ----------
    purchases : (row,) the purchases that count.
    log : what they were taken from.
    ids : (customer,) in the order that is wanted.

    Returns
    -------
    (customer,) Float64 columns under the input's names, and the customers with two values or with none.
    """
    table = pd.DataFrame(index=ids.index)
    violations: list[Violation] = []
    for name, column in log.carried.items():
        values, broken = one_value(purchases, name, ids, f"column {column!r}", "among the purchases that count")
        table[column] = values.astype("float64")
        violations += broken
    return table, violations


def first_day_rows(purchases: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """The purchases of each customer's first day."""
    first = purchases.group_by("customer_id").agg(nw.col("day").min().alias("first_day"))
    return purchases.join(first, on="customer_id", how="inner").filter(nw.col("day") == nw.col("first_day"))


def one_value(
    rows: nw.LazyFrame[Any], name: str, ids: "pd.Series[Any]", what: str, when: str
) -> tuple["pd.Series[Any]", list[Violation]]:
    """The one value of a column for each customer; nulls are passed over.

    Parameters
    ----------
    rows : (row,) `customer_id` and the column.
    name : the column.
    ids : (customer,) in the order that is wanted.
    what, when : the column and the choice of rows in words.

    Returns
    -------
    (customer,) values, and the customers with two values or with none.
    """
    known = rows.filter(~nw.col(name).is_null())
    pairs = to_pandas(known.group_by("customer_id", name).agg(nw.len().alias("rows")))
    twice = pairs.loc[pairs["customer_id"].duplicated(), ["customer_id"]].drop_duplicates()
    absent = ids[~ids.isin(pairs["customer_id"])].to_frame("customer_id")
    rules = [
        (twice, f"{what} has two values {when}", "Keep one of them: it belongs to the customer, not to the order."),
        (absent, f"{what} is empty {when}", "Fill it in."),
    ]
    violations = [
        Violation(rule, len(who), sort_ids(who)["customer_id"].head(FIRST_IDS + 1).tolist(), remedy, "customer")
        for who, rule, remedy in rules
        if len(who)
    ]
    one = pairs.drop_duplicates("customer_id")
    values = pd.Series(one[name].to_numpy(), index=pd.Index(one["customer_id"]))
    return values.reindex(ids).set_axis(ids.index), violations
