"""The contract of a customer summary that a user brings: every broken rule in one message."""

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from kundenwert.customers.cohorts import ALL
from kundenwert.customers.transactions import category_texts, wrap_frame
from kundenwert.errors import FIRST_IDS, DataError, UsageError, Violation, did_you_mean
from kundenwert.names import SUMMARY_TABLE

REQUIRED = ("frequency", "recency", "T", "monetary_value")
_WHERE = "customer summary"


def check_summary(frame: Any) -> pd.DataFrame:
    """A user's summary as a table with all standard columns, in the order of its rows.

    Parameters
    ----------
    frame : (customer,) any frame that Narwhals takes.

    Raises
    ------
    DataError
        With every rule that is broken.
    """
    table = _with_ids(frame)
    missing = [name for name in REQUIRED if name not in table]
    if missing:
        known = [str(name) for name in table.columns]
        hints = {name: f"{did_you_mean(name, known)} It has: {', '.join(known)}.".strip() for name in missing}
        raise DataError(_WHERE, [Violation(f"column {name!r} is missing", remedy=hints[name]) for name in missing])
    if table.empty:
        raise DataError(_WHERE, [Violation("there are no customers")])
    numbers = {name: pd.to_numeric(table[name], errors="coerce").astype("float64") for name in _numeric(table)}
    violations = _violations(table, numbers)
    if violations:
        raise DataError(_WHERE, violations)
    return _completed(table.assign(**numbers))


def _with_ids(frame: Any) -> pd.DataFrame:
    try:
        taken = wrap_frame(frame, _WHERE)
    except TypeError:
        raise UsageError(f"a {type(frame).__name__} is not a customer summary. Give a frame.") from None
    if isinstance(frame, pd.DataFrame):
        table = _index_as_ids(frame)
    else:
        eager = taken.collect() if isinstance(taken, nw.LazyFrame) else taken
        table = eager.to_arrow().to_pandas()
    if "customer_id" not in table:
        table = table.assign(customer_id=np.arange(len(table)))
    if isinstance(table["customer_id"].dtype, pd.CategoricalDtype):
        table = table.assign(customer_id=category_texts(table["customer_id"]))
    return table


def _index_as_ids(frame: pd.DataFrame) -> pd.DataFrame:
    """The index as `customer_id` where no column is: lifetimes hands its summaries out like this."""
    if "customer_id" in frame:
        return frame.reset_index(drop=True)
    if isinstance(frame.index, pd.MultiIndex):
        remedy = "Make the level with the customers a column customer_id."
        raise DataError(_WHERE, [Violation("the index has several levels", remedy=remedy)])
    if frame.index.name is None and isinstance(frame.index, pd.RangeIndex):
        return frame.reset_index(drop=True)
    return frame.rename_axis("customer_id").reset_index()


def _numeric(table: pd.DataFrame) -> list[str]:
    return [name for name in (*REQUIRED, "spend_days") if name in table]


def _violations(table: pd.DataFrame, numbers: dict[str, "pd.Series[float]"]) -> list[Violation]:
    x, t_x, T, z = (numbers[name] for name in REQUIRED)
    ids = table["customer_id"]
    broken: list[tuple[Any, str, str]] = [
        (ids.isna(), "customer_id is missing", "Give each row an id."),
        (ids.duplicated(keep=False) & ids.notna(), "customer_id occurs more than once", "Keep one row a customer."),
    ]
    for name, value in numbers.items():
        fix = "Fill it in, or drop these customers."
        broken.append((~np.isfinite(value), f"{name} is missing, not a number or not finite", fix))
        broken.append((value < 0, f"{name} is negative", "Correct how it was computed."))
    remedy = "Their last purchase lies after the end of observation: raise it, or drop later orders."
    broken += [
        (np.isfinite(x) & (x != np.floor(x)), "frequency is not a whole number", "It counts repeat purchase days."),
        (t_x > T, "recency is greater than T", remedy),
        ((x == 0) & (t_x > 0), "frequency is 0 and recency is not", "Recency is the time of the last repeat purchase."),
        # More repeat purchases than days up to the last one are let through: continuous time has no such bound.
        ((x > 0) & (t_x == 0), "frequency is not 0 and recency is", "Purchases on the first day are one purchase."),
        (
            (x == 0) & (z > 0),
            "frequency is 0 and monetary_value is not",
            "It is the mean of repeat purchases alone: 0.",
        ),
    ]
    if "spend_days" in numbers:
        n = numbers["spend_days"]
        fix = "It counts the repeat purchase days with a positive net, and monetary_value is their mean."
        broken.append(((n > x) | (n != np.floor(n)), "spend_days is not a whole number up to frequency", fix))
        broken.append(((n > 0) != (z > 0), "one of spend_days and monetary_value is 0 and the other is not", fix))
    if "returned_orders" in table:
        returned = pd.to_numeric(table["returned_orders"], errors="coerce")
        unread = returned.isna() & table["returned_orders"].notna()
        wrong = unread | (returned < 0) | (returned != np.floor(returned)) & returned.notna() | (returned > x + 1)
        fix = "It counts purchase days whose money went back in full; leave it empty where it is not known."
        broken.append((wrong, "returned_orders is not a whole number up to frequency + 1", fix))
    if "cohort" in table:
        broken.append((table["cohort"].isna(), "cohort is missing", "Fill it in, or leave the column out."))
    return [_violation(ids[rows], rule, fix) for rows, rule, fix in broken if rows.any()]


def _violation(ids: "pd.Series[Any]", rule: str, fix: str) -> Violation:
    known = ids.dropna().drop_duplicates()
    if known.empty:
        return Violation(rule, len(ids), remedy=fix)
    return Violation(rule, len(known), known.head(FIRST_IDS + 1).tolist(), fix, "customer")


def _completed(table: pd.DataFrame) -> pd.DataFrame:
    """All standard columns, in order; what cannot be known from the four columns is missing."""
    frequency = table["frequency"].astype("int64")
    paid = table["spend_days"] if "spend_days" in table else frequency.where(table["monetary_value"] > 0, 0)
    orders = table["orders"] if "orders" in table else frequency + 1
    cohort = table["cohort"].astype(str) if "cohort" in table else pd.Series(ALL, index=table.index, dtype="str")
    table = table.assign(frequency=frequency, spend_days=paid.astype("int64"), orders=orders, cohort=cohort)
    unknown: dict[str, Any] = {
        "first_amount": np.nan,
        "gross": np.nan,
        "refunds": np.nan,
        "first_day": pd.NaT,
        "last_day": pd.NaT,
    }
    table = table.assign(**{name: value for name, value in unknown.items() if name not in table})
    if "early_refund" not in table:
        table = table.assign(early_refund=False)
    days = {name: "datetime64[us]" for name in ("first_day", "last_day")}
    extras = [name for name in table.columns if name not in SUMMARY_TABLE]
    return table.astype(days)[[*SUMMARY_TABLE, *extras]]
