"""The map of actual value against room to grow, in cells, with the money on top.

Actual against potential would be a diagonal string, because potential is actual plus room; actual against room fills
the plane. Both axes are asinh: linear near zero, logarithmic beyond, with zero and negative values in their place. Cell
edges lie on the frozen thresholds, so no cell straddles one and the maps of two nights can be laid on each other.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.names import SEGMENTS, STATES, Flag, PotentialBasis
from kundenwert.runs import wording as w
from kundenwert.runs.plots.style import Record, json_number, ladder, nice, numbers, rounded

if TYPE_CHECKING:
    from kundenwert.decisions.segments import Segments

CELL_X, CELL_Y = 0.115, 0.055
MOST_COLUMNS, MOST_ROWS = 60, 44
INSIDE = 0.9995
SHELF = 0.2
HELP = (
    "Right: brings more. Up: more room. Big square: many customers. Hollow: wait before you treat them differently. "
    "Bottom row: no room is credited."
)


def map_data(
    segments: "Segments", *, frame: Mapping[str, Any] | None = None, highlight: Sequence[object] = ()
) -> Record:
    """Cells, money strip and key of the map: nothing in it grows with the number of customers.

    Parameters
    ----------
    segments : the customers with their values and labels.
    frame : `scales` of an earlier map with the same thresholds; this map then covers at least the same ground.
    highlight : up to five customer ids to mark.
    """
    table, settings = segments.table, segments.value.settings
    table = table[np.isfinite(table["actual_value"].to_numpy(float))]  # without a mean there is no place on the map
    actual = table["actual_value"].to_numpy(float)
    room = table["unrealized_value"].to_numpy(float)
    scales = _scales(actual, room, segments.thresholds, frame)
    ix, iy = _columns(actual, scales), _rows(room, scales)
    lead = _leading_label(table)
    segment = pd.Index(SEGMENTS).get_indexer(pd.Index(table["segment"]))
    once = table["frequency"].to_numpy() == 0
    cells = _cells(ix, iy, lead, (table["status"] == "undecided").to_numpy(), once, actual)
    currency = str(settings.currency) if settings.currency else None
    data: Record = {
        "question": "Who is worth what, and who could be worth more?",
        "help": HELP,
        "currency": currency,
        "horizon": str(settings.horizon),
        "basis": settings.value_basis,
        "scales": scales,
        "thresholds": {k: json_number(getattr(segments.thresholds, k)) for k in ("valuable", "growable", "below_zero")},
        "below_zero_possible": bool(segments.below_zero_possible),
        "cells": cells,
        "strip": _strip(ix, segment, actual),
        "open": _open_column(actual, scales),
        "shelf": _shelf(ix, iy, once, room, _no_room(table[once & (room <= 0)])),
        "marked": _marked(table, highlight),
    }
    return data | _words(data, actual, room, once, segments.thresholds, _basis(table))


def _scales(actual: Any, room: Any, thresholds: Any, frame: Mapping[str, Any] | None) -> Record:
    valuable, growable = thresholds.valuable, thresholds.growable
    centre = float(np.median(np.abs(actual))) if len(actual) else 1.0
    cx = nice(valuable / 2) if math.isfinite(valuable) and valuable > 0 else nice(max(centre, 1e-6))
    above = room[room > 0]
    if math.isfinite(growable) and growable > 0:
        cy = nice(growable / 4)
    else:
        cy = nice(float(np.median(above)) / 2) if len(above) else cx
    limit = float(np.quantile(actual, INSIDE)) if len(actual) else 1.0
    right = next(step for step in ladder(1e-6, 1e15) if step > max(limit, cx))
    x0 = math.asinh(valuable / cx) if math.isfinite(valuable) else 0.0
    y0 = math.asinh(growable / cy) if math.isfinite(growable) else -CELL_Y / 2
    low_x, high_x = math.asinh(min(float(actual.min(initial=0)), 0.0) / cx), math.asinh(right / cx)
    low_y, high_y = math.asinh(min(float(room.min(initial=0)), 0.0) / cy), math.asinh(float(room.max(initial=0)) / cy)
    if math.isfinite(growable):
        high_y = max(high_y, y0 + CELL_Y)
    same = frame is not None and all(
        abs(frame[k] - v) < 1e-9 for k, v in (("cx", cx), ("cy", cy), ("x0", x0), ("y0", y0))
    )
    if frame is not None and same:
        low_x, high_x = min(low_x, frame["low_x"]), max(high_x, frame["high_x"])
        low_y, high_y = min(low_y, frame["low_y"]), max(high_y, frame["high_y"])
        right = max(right, frame["right"])
    wx, wy = CELL_X, CELL_Y
    while (high_x - low_x) / wx > MOST_COLUMNS:
        wx *= 2
    while (high_y - low_y) / wy > MOST_ROWS:
        wy *= 2
    first_x, last_x = math.floor((low_x - x0) / wx + 1e-9), math.ceil((high_x - x0) / wx - 1e-9)
    first_y, last_y = math.floor((low_y - y0) / wy + 1e-9), math.floor((high_y - y0) / wy + 1e-9) + 1
    return {
        "cx": cx,
        "cy": cy,
        "x0": x0,
        "y0": y0,
        "wx": wx,
        "wy": wy,
        "low_x": low_x,
        "high_x": high_x,
        "low_y": low_y,
        "high_y": high_y,
        "right": right,
        "first_x": first_x,
        "columns": last_x - first_x,
        "first_y": first_y,
        "rows": max(last_y - first_y, 1),
    }


def _columns(actual: Any, s: Mapping[str, Any]) -> Any:
    inside = np.floor((np.arcsinh(actual / s["cx"]) - s["x0"]) / s["wx"] + 1e-9).astype(int) - s["first_x"]
    return np.where(actual > s["right"], s["columns"], np.clip(inside, 0, s["columns"] - 1))


def _rows(room: Any, s: Mapping[str, Any]) -> Any:
    inside = np.floor((np.arcsinh(room / s["cy"]) - s["y0"]) / s["wy"] + 1e-9).astype(int) - s["first_y"]
    return np.clip(inside, 0, s["rows"] - 1)


def _leading_label(table: pd.DataFrame) -> Any:
    """Index of the published label; of the most probable state where the customer is undecided."""
    states = [s.value for s in STATES]
    best = table[[f"p_{s}" for s in states]].to_numpy(float).argmax(axis=1)
    published = pd.Index(SEGMENTS).get_indexer(pd.Index(table["segment"]))  # the states come first in SEGMENTS
    return np.where((published >= 0) & (published < len(states)), published, best)


def _cells(ix: Any, iy: Any, lead: Any, undecided: Any, once: Any, actual: Any) -> Record:
    """Parallel lists over the occupied cells: place, customers, leading label, undecided, bought once, money."""
    height = int(iy.max(initial=0)) + 1
    flat = ix.astype(np.int64) * height + iy
    place, inverse, size = np.unique(flat, return_inverse=True, return_counts=True)
    by_label = np.zeros((len(place), len(STATES)))
    np.add.at(by_label, (inverse, lead), 1)

    def total(weights: Any) -> Any:
        return np.bincount(inverse, weights, minlength=len(place))

    return {
        "x": (place // height).tolist(),
        "y": (place % height).tolist(),
        "n": size.tolist(),
        "label": by_label.argmax(axis=1).tolist(),
        "undecided": total(undecided.astype(float)).astype(int).tolist(),
        "once": total(once.astype(float)).astype(int).tolist(),
        "money": rounded(total(actual), 4),
    }


def _strip(ix: Any, segment: Any, actual: Any) -> Record:
    sums = np.zeros((int(ix.max(initial=0)) + 1, len(SEGMENTS)))
    np.add.at(sums, (ix, segment), actual)
    column, label = np.nonzero(sums)
    return {"x": column.tolist(), "label": label.tolist(), "money": rounded(sums[column, label], 4)}


def _open_column(actual: Any, s: Mapping[str, Any]) -> Record | None:
    beyond = actual[actual > s["right"]]
    if not len(beyond):
        return None
    return {"above": json_number(s["right"]), "customers": len(beyond), "largest": json_number(float(beyond.max()))}


def _basis(table: pd.DataFrame) -> str:
    """What the room of these customers rests on; peers where there are none."""
    return str(table["potential_basis"].iloc[0]) if len(table) else PotentialBasis.PEERS.value


def _no_room(once: pd.DataFrame) -> str:
    """Why one-time buyers without room have none."""
    if all(Flag.UNPROVEN.value in flags for flags in once["flags"]):
        return "too little seen to credit them with room"
    if _basis(once) == PotentialBasis.LEVERS:
        return "no declared action pays for them"
    return "no room is credited"


def _shelf(ix: Any, iy: Any, once: Any, room: Any, no_room: str) -> Record | None:
    """Where one-time buyers pile up in one row, and why: the same history, or nothing that credits them with room."""
    if not once.any():
        return None
    in_row = np.bincount(iy[once])
    row = int(in_row.argmax())
    if in_row[row] < SHELF * len(once):
        return None
    here = once & (iy == row)
    return {
        "row": row,
        "column": int(np.median(ix[here])),
        "from": int(np.quantile(ix[here], 0.02)),
        "to": int(np.quantile(ix[here], 0.98)),
        "customers": int(here.sum()),
        "why": "same history, so the same place" if (room[here] > 0).any() else no_room,
    }


def _marked(table: pd.DataFrame, highlight: Sequence[object]) -> list[Record]:
    if len(highlight) > 5:
        raise UsageError(f"{len(highlight)} customers to highlight: at most 5 can be told apart on the map.")
    marked = []
    for wanted in highlight:
        found = table[table["customer_id"] == wanted]
        if not len(found):
            raise UsageError(
                f"customer {wanted!r} is not in the table, so it cannot be highlighted. Ids keep their type."
            )
        row = found.iloc[0]
        marked.append(
            {
                "id": w.short_id(wanted),
                "actual": float(row["actual_value"]),
                "room": float(row["unrealized_value"]),
                "low": float(row["actual_value_low"]),
                "high": float(row["actual_value_high"]),
            }
        )
    return marked


def _words(data: Record, actual: Any, room: Any, once: Any, thresholds: Any, basis: str) -> Record:
    n, currency = len(actual), data["currency"]
    occupied = len(data["cells"]["n"])
    growable = room >= thresholds.growable
    far = int(growable.sum())
    if not (room > 0).any():
        answer = "No customer is credited with room to grow, so the map is one row: it shows actual value alone."
    elif not math.isfinite(thresholds.growable) or far == 0:
        answer = f"No customer is far from its potential; {w.count(int((room > 0).sum()))} have some room."
    else:
        few = "; none of them bought only once" if not (growable & once).any() else ""
        if not few:
            few = f"; {w.percent(float(once[growable].mean()))} of them bought only once, so we know little about them"
        told = "are far from their potential"
        if basis == PotentialBasis.LEVERS:
            told = f"could bring {w.money(thresholds.growable, currency)} or more on top by a declared action"
        answer = f"{w.plural(far, 'customer')} ({w.percent(far / n)}) {told}{few}."
    total = float(actual.sum())
    right = float(actual[actual >= thresholds.valuable].sum())
    form = f"Map of {w.count(n)} customers in {w.plural(occupied, 'cell')}"
    if math.isfinite(thresholds.valuable) and total > 0:
        share = f"{w.percent(right / total)} of value lies right of {w.money(thresholds.valuable, currency)}"
        form = f"{form}; {share}"
    return {"answer": answer, "label": f"{answer} {form}.", "numbers": _bands(data, actual, room, once)}


def _bands(data: Record, actual: Any, room: Any, once: Any) -> Record:
    """The map as a table: bands of actual value, as customers, money and room."""
    cx = data["scales"]["cx"]
    edges = [0.0, *(step for step in ladder(cx / 2, data["scales"]["right"]))]
    edges = edges[:: max(1, len(edges) // 9)]
    band = np.digitize(actual, edges)
    rows = []
    for k in range(len(edges) + 1):
        inside = band == k
        if not inside.any():
            continue
        low = "below 0" if k == 0 else f"{w.amount(edges[k - 1])} and more" if k == len(edges) else ""
        name = low or w.between(edges[k - 1], edges[k])
        rows.append(
            [
                name,
                w.count(int(inside.sum())),
                w.count(int((inside & once).sum())),
                w.amount(float(actual[inside].sum()), 4),
                w.amount(float(room[inside].sum()), 4),
            ]
        )
    unit = f" ({data['currency']})" if data["currency"] else ""
    columns = [
        f"Actual value{unit}",
        "Customers",
        "Bought once",
        f"Worth together{unit}",
        f"Room together{unit}, assumption",
    ]
    return numbers(f"Customers by actual value, {data['basis']}, {w.ahead(data['horizon'])}", columns, rows)
