"""The figures of a base and of its segments, with the totals by draw that their intervals come from."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kundenwert.names import SEGMENTS, PotentialBasis
from kundenwert.runs import report_words as words
from kundenwert.runs.plots.style import Record, json_number, rounded
from kundenwert.runs.report_actions import Objected, RoomOfBasis

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.decisions.segments import Segments

CARRY = 0.7
SHOWN_DRAWS = 1000


def base_figures(segments: "Segments", summary: "CustomerSummary", objected: Objected | None = None) -> Record:
    """The base as a whole: customers, money with its interval, and how certain the near future is.

    Who objected has no value of his own in the table, and is in the base's.
    """
    table, value = segments.table, segments.value
    actual = table["actual_value"].to_numpy(float)
    known = actual[np.isfinite(actual)]
    n = len(table)
    low, high = _ends(value.totals.base, value.settings.interval)
    again = n - np.asarray(value.totals.churned, dtype=float)
    again_low, again_high = _ends(again, value.settings.interval)
    undecided = (table["status"] == "undecided").to_numpy()
    unnamed, theirs = (0, 0.0) if objected is None else (objected.customers, objected.value)
    total, valued = float(known.sum()) + theirs, len(known) + unnamed
    return {
        "customers": n,
        "once": int((table["frequency"] == 0).sum()),
        "repeat_orders": int(table["frequency"].sum()),
        "cohorts": len(summary.cohorts),
        "value": json_number(total),
        "low": json_number(low),
        "high": json_number(high),
        "mean": json_number(total / valued if valued else 0.0),
        "median": json_number(float(np.median(known)) if len(known) else 0.0),
        "no_mean": n - valued,
        "room": json_number(float(table["unrealized_value"].sum())),
        "carry": _carry(known, n),
        "orders_again": {
            "share": json_number(float(again.mean()) / n),
            "mean": json_number(float(again.mean())),
            "low": json_number(again_low),
            "high": json_number(again_high),
        },
        "undecided": {
            "customers": int(undecided.sum()),
            "share": json_number(float(undecided.mean())),
            "money_share": json_number(float(np.nansum(actual[undecided])) / total) if total > 0 else None,
        },
        "draws": rounded(_thinned(value.totals.base), 6),
    }


def _ends(draws: Any, interval: float) -> tuple[float, float]:
    low, high = np.quantile(np.asarray(draws, dtype=float), [(1 - interval) / 2, (1 + interval) / 2])
    return float(low), float(high)


def _thinned(draws: Any) -> Any:
    values = np.asarray(draws, dtype=float)
    return values[(np.arange(min(len(values), SHOWN_DRAWS)) * len(values)) // min(len(values), SHOWN_DRAWS)]


def _carry(actual: Any, n: int) -> float | None:
    """The share of customers who carry seven tenths of all positive value."""
    positive = np.sort(actual[actual > 0])[::-1]
    if not len(positive):
        return None
    needed = int(np.searchsorted(np.cumsum(positive), CARRY * positive.sum())) + 1
    return json_number(needed / n)


def segment_figures(segments: "Segments") -> list[Record]:
    """One record a segment in the fixed order, undecided last, with the empty ones."""
    table, interval = segments.table, segments.value.settings.interval
    rows = []
    for name in SEGMENTS:
        part = table[table["segment"] == name]
        totals = segments.totals_by_segment.get(name)
        low, high = _ends(totals, interval) if totals is not None and len(part) else (0.0, 0.0)
        known = part["actual_value"].dropna()
        living = part["p_alive"].to_numpy(float) > 0.5
        rows.append(
            {
                "segment": name,
                "customers": len(part),
                "once": int((part["frequency"] == 0).sum()),
                "living": int(living.sum()),
                "doubtful": int((living & (part["p_below_zero"] > part["p_dormant"]).to_numpy(bool)).sum()),
                "value": json_number(float(known.sum())),
                "low": json_number(low),
                "high": json_number(high),
                "mean": json_number(float(known.mean())) if len(known) else None,
                "room": json_number(float(part["unrealized_value"].sum())),
                "draws": rounded(_thinned(totals), 5) if totals is not None and len(part) else [],
            }
        )
    return rows


def peers_count(used: RoomOfBasis | None) -> bool:
    """Whether potential rests on the peers' frontier, as it does where nobody compared bases."""
    return used is None or used.basis is PotentialBasis.PEERS


def potential_figures(segments: "Segments", used: RoomOfBasis | None = None) -> Record:
    """What potential rests on, and how far it may be believed.

    Parameters
    ----------
    segments : the customers with their values and labels.
    used : the basis in use, where several were compared.
    """
    frontier, settings = segments.value.frontier, segments.value.settings
    first, second = settings.attainable
    scale, peers = float(frontier.attainable_scale), peers_count(used)
    told = words.potential_words(frontier.quantile, first / (first + second), scale) if used is None else used.words
    at = frontier.sensitivity if peers else {}
    return {
        "words": told,
        "identified": json_number(float(frontier.potential_identified)),
        "scale": json_number(scale),
        "mirrors": bool(peers and frontier.potential_identified < 0.1),
        "below_zero_possible": bool(segments.below_zero_possible),
        "sensitivity": {
            f"{quantile:g}": json_number(float(min(total, frontier.limit))) for quantile, total in at.items()
        },
    }
