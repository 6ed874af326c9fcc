"""The three short lists of section 8: the only place where single customers appear in a report."""

import datetime
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.errors import NumericalError
from kundenwert.names import STATES, PotentialBasis
from kundenwert.runs import wording as w
from kundenwert.runs.plots.style import Record, json_number, rounded
from kundenwert.runs.report_reasons import most_probable, reasons

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.decisions.explaining import Explanation
    from kundenwert.decisions.segments import Segments

LONGEST = 10
AT_RISK = 0.6
EXPLAINED = 10
TIE = "Two labels are as good as equal here: deciding again gives another one."
type Explain = Callable[[Any], "Explanation"]
type Quantiles = Callable[[list[Any]], Any]


def people(
    segments: "Segments",
    summary: "CustomerSummary",
    *,
    show_ids: bool,
    quantiles_for: Quantiles | None,
    explain_for: Explain | None = None,
) -> list[Record]:
    """Three lists of at most ten customers each, with 20 predictive quantiles where a function for them is given.

    Parameters
    ----------
    show_ids : False writes "customer 1" and so on instead of the ids.
    quantiles_for : ids -> (n, 20) quantiles of the value that will be realized, in money.
    explain_for : id -> why this label; asked for ten customers at most, from the top of each list.
    """
    table = segments.table
    actual = table["actual_value"].fillna(0.0)
    at_risk = (actual >= segments.thresholds.valuable) & (table["churn_probability"] >= AT_RISK)
    roomy = (table["frequency"] > 0) & (table["unrealized_value"] > 0)
    undecided = table["status"] == "undecided"
    picks = [
        (
            "risk",
            "Valuable, at risk",
            at_risk,
            actual,
            "Valuable on average, but of 10 such customers 6 or more will not order in time.",
        ),
        (
            "room",
            "Largest room, bought again",
            roomy,
            table["unrealized_value"],
            _room_note(segments),
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
    if explain_for is not None:
        _explain(lists, explain_for)
    for k, row in enumerate(row for entry in lists for row in entry["rows"]):
        row["quantiles"] = None if quantiles is None else rounded(quantiles[k], 4)
        row["id"] = w.short_id(row["id"]) if show_ids else f"customer {k + 1}"
    return lists


def _room_note(segments: "Segments") -> str:
    if (segments.table["potential_basis"] == PotentialBasis.LEVERS).any():
        return "What the best declared action is expected to bring, net of its cost: an assumption, not a forecast."
    return "Room is an assumption, not a forecast."


def _explain(lists: list[Record], explain_for: Explain) -> None:
    """Reasons beside the first customers of each list, in turns, until ten customers have them."""
    told: dict[Any, list[str]] = {}
    for place in range(LONGEST):
        for row in (entry["rows"][place] for entry in lists if place < len(entry["rows"])):
            if row["id"] not in told and len(told) < EXPLAINED:
                told[row["id"]] = _reasons(row["id"], explain_for)
            row["reasons"] = told.get(row["id"], [])


def _reasons(customer_id: Any, explain_for: Explain) -> list[str]:
    try:
        return reasons(explain_for(customer_id))
    except NumericalError:
        return [TIE]


def _row(key: str, row: pd.Series, summary: "CustomerSummary", segments: "Segments") -> Record:
    unit_days = summary.time_unit.days
    silent = (row["T"] - row["recency"]) * unit_days / 7
    last: datetime.date | None = None
    if summary.observation_end is not None:
        last = summary.observation_end - datetime.timedelta(days=round((row["T"] - row["recency"]) * unit_days))
    states = {s.value: float(row[f"p_{s.value}"]) for s in STATES}
    label = str(row["segment"])
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
        "segment": label,
        "probability": json_number(states.get(label, max(states.values())), 3),
        "why": _why(key, row, silent, unit_days, states, segments),
        "doubt": most_probable(states, label),
        "reasons": [],
    }


def _why(
    key: str, row: pd.Series, silent: float, unit_days: float, states: Mapping[str, float], segments: "Segments"
) -> str:
    if key == "undecided":
        first, second = sorted(states, key=lambda name: -states[name])[:2]
        return ", ".join(f"{w.SEGMENT_NAMES[name].lower()} {w.tenths(states[name])}" for name in (first, second))
    if key == "room":
        return _room(row, segments)
    if row["frequency"] < 1:
        return f"one order, silent for {w.plural(silent, 'week')}"
    every = row["recency"] * unit_days / 7 / row["frequency"]
    pace = f"{w.number(every)} weeks" if every >= 2 else w.plural(max(every * 7, 1), "day")
    return f"an order every {pace} before, silent for {w.plural(silent, 'week')}"


def _room(row: pd.Series, segments: "Segments") -> str:
    """How much more, and by which action where the plan has one for this customer."""
    currency = segments.value.settings.currency
    room = w.money(float(row["unrealized_value"]), str(currency) if currency else None)
    if row["potential_basis"] != PotentialBasis.LEVERS:
        return f"room {room}, if the assumption holds"
    if row.get("held_out"):
        return f"room {room} by an action of the plan, but held out"
    if row["action"] is None:
        return f"room {room} by a declared action that is not in the plan"
    return f"room {room}, if {row['action']} works as declared"
