"""The three short lists of section 8: the only place where single customers appear in a report."""

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.names import STATES
from kundenwert.runs import wording as w
from kundenwert.runs.plots.style import Record, json_number, rounded

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.decisions.segments import Segments

LONGEST = 10
AT_RISK = 0.6
type Quantiles = Callable[[list[Any]], Any]


def people(
    segments: "Segments", summary: "CustomerSummary", *, show_ids: bool, quantiles_for: Quantiles | None
) -> list[Record]:
    """Three lists of at most ten customers each, with 20 predictive quantiles where a function for them is given.

    Parameters
    ----------
    show_ids : False writes "customer 1" and so on instead of the ids.
    quantiles_for : ids -> (n, 20) quantiles of the value that will be realized, in money.
    """
    table = segments.table
    actual = table["actual_value"].fillna(0.0)
    at_risk = (actual >= segments.thresholds.valuable) & (table["churn_probability"] >= AT_RISK)
    roomy = (table["frequency"] > 0) & (table["unrealized_value"] > 0)
    undecided = table["status"] == "undecided"
    picks = [
        ("risk", "Valuable, at risk", at_risk, actual, "Valuable, and 6 of 10 or more will not order in time."),
        (
            "room",
            "Largest room, bought again",
            roomy,
            table["unrealized_value"],
            "Room is an assumption, not a forecast.",
        ),
        ("undecided", "Undecided with most at stake", undecided, actual, "Their next weeks decide; wait at low cost."),
    ]
    lists: list[Record] = []
    for key, title, mask, by, note in picks:
        places = np.flatnonzero(mask)
        chosen = places[np.argsort(-by.to_numpy(float)[places], kind="stable")][:LONGEST]
        rows = [_row(key, table.iloc[k], summary, segments) for k in chosen]
        lists.append({"key": key, "title": title, "note": note, "total": int(mask.sum()), "rows": rows})
    wanted = [row["id"] for entry in lists for row in entry["rows"]]
    quantiles = np.asarray(quantiles_for(wanted), dtype=float) if quantiles_for and wanted else None
    for k, row in enumerate(row for entry in lists for row in entry["rows"]):
        row["quantiles"] = None if quantiles is None else rounded(quantiles[k], 4)
        row["id"] = w.short_id(row["id"]) if show_ids else f"customer {k + 1}"
    return lists


def _row(key: str, row: pd.Series, summary: "CustomerSummary", segments: "Segments") -> Record:
    unit_days = summary.time_unit.days
    silent = (row["T"] - row["recency"]) * unit_days / 7
    last: datetime.date | None = None
    if summary.observation_end is not None:
        last = summary.observation_end - datetime.timedelta(days=round((row["T"] - row["recency"]) * unit_days))
    states = np.array([row[f"p_{s.value}"] for s in STATES], dtype=float)
    ranked = np.argsort(-states, kind="stable")
    return {
        "id": row["customer_id"],
        "cohort": w.short_id(row["cohort"], 24),
        "orders": int(row["frequency"]) + 1,
        "last": last.isoformat() if last else None,
        "again": json_number(1 - float(row["churn_probability"]), 4),
        "actual": json_number(float(row["actual_value"]), 5),
        "room": json_number(float(row["unrealized_value"]), 5),
        "low": json_number(float(row["actual_value_low"]), 5),
        "high": json_number(float(row["actual_value_high"]), 5),
        "segment": str(row["segment"]),
        "probability": json_number(float(states[ranked[0]]), 3),
        "why": _why(key, row, silent, unit_days, states, ranked, segments),
    }


def _why(
    key: str, row: pd.Series, silent: float, unit_days: float, states: Any, ranked: Any, segments: "Segments"
) -> str:
    if key == "undecided":
        first, second = (w.SEGMENT_NAMES[STATES[k].value].lower() for k in ranked[:2])
        return f"{first} {w.tenths(states[ranked[0]])}, {second} {w.tenths(states[ranked[1]])}"
    if key == "room":
        currency = segments.value.settings.currency
        room = w.money(float(row["unrealized_value"]), str(currency) if currency else None)
        return f"room {room}, if the assumption holds"
    if row["frequency"] < 1:
        return f"one order, silent for {w.plural(silent, 'week')}"
    every = row["recency"] * unit_days / 7 / row["frequency"]
    pace = f"{w.number(every)} weeks" if every >= 2 else w.plural(max(every * 7, 1), "day")
    return f"an order every {pace} before, silent for {w.plural(silent, 'week')}"
