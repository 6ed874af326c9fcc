"""Who changed label between two runs: a matrix of then and now."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.runs import wording as w
from kundenwert.runs.plots.style import Record, Theme, colors, finish, numbers, rounded
from kundenwert.runs.report_change import COLUMNS, LEFT, NEW, ROWS, LabelFlows

if TYPE_CHECKING:
    import altair as alt

CELL_X, CELL_Y, NAMED = 66, 30, 112
DARKEST = 0.55  # at which ink on it is as easy to read as on the page, light and dark
NAMES = {**w.SEGMENT_NAMES, NEW: "New", LEFT: "Left"}


def segment_flows_data(
    flows: LabelFlows, *, currency: str | None, horizon: str, basis: str, show_ids: bool = True
) -> Record:
    """Labels then and now in counts and money, and the largest changes.

    Parameters
    ----------
    flows : who had and who has which label.
    currency, horizon, basis : of the value.
    show_ids : False writes "customer 1" and so on instead of the ids.
    """
    day = w.date(flows.since)
    answer = _answer(flows, currency)
    movers = [
        {
            "id": w.short_id(m.customer_id) if show_ids else f"customer {k + 1}",
            "before": m.before,
            "after": m.after,
            "value_before": rounded([m.value_before])[0],
            "value_after": rounded([m.value_after])[0],
            "why": m.why,
        }
        for k, m in enumerate(flows.movers)
    ]
    rows = [
        [NAMES[name], *(w.count(n) for n in counts), w.count(sum(counts))]
        for name, counts in zip(ROWS, flows.counts.tolist(), strict=True)
        if sum(counts)
    ]
    columns = [f"Label on {day}", *(NAMES[name] for name in COLUMNS), "All"]
    return {
        "question": "Who changed label?",
        "help": "Read along a row: customers who had this label then, under the label they have now. "
        "Darker: a larger share of the row. Outlined: no change.",
        "answer": answer,
        "label": f"{answer} Matrix of labels then and now with counts.",
        "currency": currency,
        "horizon": horizon,
        "basis": basis,
        "since": flows.since.isoformat(),
        "rows": list(ROWS),
        "columns": list(COLUMNS),
        "counts": flows.counts.tolist(),
        "money": rounded(flows.money),
        "both": flows.both,
        "relabelled": flows.relabelled,
        "share": round(flows.share, 6),
        "money_moved": rounded([flows.money_moved])[0],
        "flicker": None if flows.flicker is None else round(flows.flicker, 6),
        "movers": movers,
        "numbers": numbers(f"Customers by label on {day} and now (counted)", columns, rows),
    }


def _answer(flows: LabelFlows, currency: str | None) -> str:
    if not flows.both:
        return f"No customer of {w.date(flows.since)} is in this run, so there is nothing to compare."
    kept = min(round(100 * (1 - flows.share)), 99 if flows.relabelled else 100)
    same = "More than 99" if 0 < flows.share < 0.005 else str(kept)
    chance = "" if flows.flicker is None else f"; {_of_hundred(flows.flicker)} would change by chance alone"
    moved = ""
    if flows.relabelled:
        worth = w.money(flows.money_moved, currency)
        moved = f" {w.plural(flows.relabelled, 'customer')} changed, together worth {worth} now."
    return f"{same} of 100 customers kept their label{chance}.{moved}"


def _of_hundred(share: float) -> str:
    if share == 0:
        return "none"
    return "fewer than 1 of 100" if share < 0.005 else f"{round(100 * share)} of 100"


def draw_segment_flows(
    data: Mapping[str, Any], theme: Theme = "light", *, euros: bool = False, help: bool = True
) -> "alt.TopLevelMixin":
    """Rows then, columns now, the share of the row as depth of one hue, the count (or money) as text."""
    import altair as alt

    c = colors(theme)
    cells = _cells(data, euros=euros)
    names, heads = [NAMES[name] for name in data["rows"]], [NAMES[name] for name in data["columns"]]
    lines = "split(datum.label, ' ')"
    x = alt.X(
        "now:N",
        sort=heads,
        title="Label now",
        scale=alt.Scale(domain=heads, paddingInner=0.03, paddingOuter=0),
        axis=alt.Axis(orient="top", labelAngle=0, labelExpr=lines, domain=False, ticks=False, labelPadding=22),
    )
    y = alt.Y(
        "then:N",
        sort=names,
        title=f"Label on {w.date(data['since'])}",
        scale=alt.Scale(domain=names, paddingInner=0.05, paddingOuter=0),
        axis=alt.Axis(domain=False, ticks=False, labelPadding=6, minExtent=NAMED),
    )
    ground = alt.Chart(cells).mark_rect(fill=c["card"]).encode(x=x, y=y)
    filled = (
        alt.Chart(cells[cells["n"] > 0])
        .mark_rect(fill=c["model"])
        .encode(
            x=x,
            y=y,
            opacity=alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, DARKEST]), legend=None),
            description="says:N",
        )
    )
    diagonal = cells[cells["then"] == cells["now"]]
    outline = alt.Chart(diagonal).mark_rect(filled=False, stroke=c["ink"], strokeWidth=1.5).encode(x=x, y=y)
    text = alt.Chart(cells[cells["n"] > 0]).mark_text(color=c["ink"]).encode(x=x, y=y, text="text:N")
    chart = alt.layer(ground, filled, outline, text)
    return finish(chart.properties(width=CELL_X * len(heads), height=CELL_Y * len(names)), data, theme, help=help)


def _cells(data: Mapping[str, Any], *, euros: bool) -> pd.DataFrame:
    counts, money = np.asarray(data["counts"]), np.asarray(data["money"], dtype=float)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = []
    for i, before in enumerate(data["rows"]):
        for k, after in enumerate(data["columns"]):
            n = int(counts[i, k])
            worth = w.money(float(money[i, k]), data["currency"])
            rows.append(
                {
                    "then": NAMES[before],
                    "now": NAMES[after],
                    "n": n,
                    "share": float(share[i, k]),
                    "text": w.thousands(float(money[i, k])) if euros else w.count(n),
                    "says": f"{NAMES[before]} then, {NAMES[after].lower()} now: {w.plural(n, 'customer')}, {worth}",
                }
            )
    return pd.DataFrame(rows)
