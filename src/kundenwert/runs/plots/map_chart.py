"""Drawing the map: cells as squares, the money strip above them, thresholds and one call-out as text."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.names import SEGMENTS, STATES
from kundenwert.runs import wording as w
from kundenwert.runs.plots.style import SEGMENT_TOKENS, Record, Theme, colors, finish, ladder

if TYPE_CHECKING:
    import altair as alt

PLOT = 600
STRIP = 55
NOTE = 30
TICK_SPACE = 56
LETTER = 6.4


def draw_map(data: Mapping[str, Any], theme: Theme = "light", *, help: bool = True) -> "alt.TopLevelMixin":
    """The map from its data; with `help`, question, reading help and a colour key are part of the picture."""
    import altair as alt

    g = _geometry(data)
    c = colors(theme)
    x = alt.X(
        "x:Q",
        axis=_axis(g["ticks_x"], g["s"]["cx"], _x_title(data)),
        scale=alt.Scale(domain=g["domain_x"], nice=False, zero=False),
    )
    y = alt.Y(
        "y:Q",
        axis=_axis(g["ticks_y"], g["s"]["cy"], _y_title(data)),
        scale=alt.Scale(domain=g["domain_y"], nice=False, zero=False),
    )
    layers = [*_ground(data, g, c), *_squares(data, g, c, x, y, legend=help), *_rules(data, g, c), *_notes(data, g, c)]
    below = alt.layer(*layers).properties(width=PLOT, height=g["height"])
    return finish(alt.vconcat(_strip(data, g, c), below, spacing=22 + _second_line(data)), data, theme, help=help)


def _geometry(data: Mapping[str, Any]) -> Record:
    s = data["scales"]
    columns, rows = s["columns"] + (1.8 if data["open"] else 0), s["rows"]
    left, bottom = s["x0"] + s["first_x"] * s["wx"], s["y0"] + s["first_y"] * s["wy"]
    side = PLOT / columns
    cells = min(max(rows * side, 130), 450)
    shelf = data["shelf"]
    margin, note_above = (NOTE if shelf else 0), bool(shelf and shelf["row"] * 2 >= rows)
    height, slack = cells + margin, margin * rows * s["wy"] / cells
    domain_x = [left, left + columns * s["wx"]]
    domain_y = [bottom - slack * (not note_above), bottom + rows * s["wy"] + slack * note_above]
    closed = [left, left + s["columns"] * s["wx"]]
    return {
        "s": s,
        "left": left,
        "bottom": bottom,
        "side": min(side, cells / rows, 26),
        "step": (side, cells / rows),
        "margin": margin,
        "note_above": note_above,
        "height": height,
        "domain_x": domain_x,
        "domain_y": domain_y,
        "closed": closed,
        "ticks_x": _ticks(closed, s["cx"], PLOT / (domain_x[1] - domain_x[0]), TICK_SPACE),
        "ticks_y": _ticks([bottom, domain_y[1]], s["cy"], height / (domain_y[1] - domain_y[0]), TICK_SPACE / 2),
    }


def _ticks(domain: list[float], c: float, pixels: float, space: float) -> list[float]:
    """Round values inside the domain, zero first, none nearer than `space` pixels to another; at most eight."""
    low, high = c * math.sinh(domain[0] + 0.02), c * math.sinh(domain[1])
    steps = ladder(c / 10, max(abs(low), abs(high), c))
    places = [*(v for v in steps if v <= high), *(-v for v in steps if -v >= low)]
    places.sort(key=lambda v: -_roundness(v))
    kept = [0.0]
    for v in places:
        if len(kept) < 8 and all(abs(math.asinh(v / c) - math.asinh(k / c)) * pixels >= space for k in kept):
            kept.append(v)
    return sorted(kept)


def _roundness(value: float) -> int:
    """Powers of ten first, then fives, then twos: the values that a reader expects on an axis."""
    return {1: 2, 5: 1}.get(int(f"{abs(value):.0e}"[0]), 0)


def _tick(value: float) -> str:
    return (
        f"{value:,.0f}".replace("-", w.MINUS) if abs(value) >= 1 or value == 0 else f"{value:g}".replace("-", w.MINUS)
    )


def _axis(ticks: list[float], c: float, title: str) -> "alt.Axis":
    import altair as alt

    at = [math.asinh(v / c) for v in ticks]
    labels = " : ".join(f"abs(datum.value - ({a:.6f})) < 1e-4 ? '{_tick(v)}'" for a, v in zip(at, ticks, strict=True))
    return alt.Axis(
        values=at,
        labelExpr=f"{labels} : ''",
        title=title,
        domain=False,
        ticks=False,
        labelPadding=6,
        labelOverlap=False,
    )


def _x_title(data: Mapping[str, Any]) -> str:
    unit = f"{data['currency']}, {data['basis']}" if data["currency"] else data["basis"]
    return f"What a customer brings on average, {w.ahead(data['horizon'])} ({unit}; scale stretched near zero)"


def _y_title(data: Mapping[str, Any]) -> str:
    unit = f"{data['currency']}, assumption" if data["currency"] else "assumption"
    return f"Room on top ({unit})"


def _cells(data: Mapping[str, Any], g: Record) -> pd.DataFrame:
    s, cells = g["s"], pd.DataFrame(data["cells"])
    column = np.where(cells["x"] >= s["columns"], s["columns"] + 0.8, cells["x"])
    cells["state"] = [STATES[k].value for k in cells["label"]]
    cells["hollow"] = cells["undecided"] * 2 > cells["n"]
    cells["px"] = g["left"] + (column + 0.5) * s["wx"]
    cells["py"] = g["bottom"] + (cells["y"] + 0.5) * s["wy"]
    currency = data["currency"]
    cells["says"] = [
        f"{w.plural(n, 'customer')}, mostly {w.SEGMENT_NAMES[state].lower()}"
        f"{'' if not u else f', {w.count(u)} undecided'}; "
        f"{w.money(m / n, currency)} each on average"
        for n, state, u, m in zip(
            cells["n"], cells["state"], cells["undecided"], cells["money"].fillna(0.0), strict=True
        )
    ]
    return cells[["px", "py", "n", "state", "hollow", "says"]].rename(columns={"px": "x", "py": "y"})


def _squares(data: Mapping[str, Any], g: Record, c: Mapping[str, str], x: Any, y: Any, *, legend: bool) -> list[Any]:
    import altair as alt

    cells = _cells(data, g)
    present = [s.value for s in STATES if (cells["state"] == s.value).any()]
    names = [w.SEGMENT_NAMES[s] for s in present]
    cells["name"] = cells["state"].map(w.SEGMENT_NAMES)
    key = alt.Legend(title="Label (hollow: most are undecided)", titleLimit=0, orient="bottom") if legend else None
    layers = []
    for hollow in (False, True):
        mark = {"filled": False, "strokeWidth": 1.2} if hollow else {"filled": True, "opacity": 1}
        part = alt.Chart(cells[cells["hollow"] == hollow]).mark_square(**mark)
        layers.append(
            part.encode(
                x=x,
                y=y,
                size=alt.Size(
                    "n:Q",
                    scale=alt.Scale(
                        type="log", domain=[1, max(int(cells["n"].max()), 2)], range=[5, max(g["side"] ** 2, 9)]
                    ),
                    legend=None,
                ),
                color=alt.Color(
                    "name:N", scale=alt.Scale(domain=names, range=[c[SEGMENT_TOKENS[s]] for s in present]), legend=key
                ),
                description="says:N",
            )
        )
    return layers


def _ground(data: Mapping[str, Any], g: Record, c: Mapping[str, str]) -> list[Any]:
    """The tint below zero and the zero lines, under the cells."""
    import altair as alt

    layers = []
    edge = data["thresholds"]["below_zero"]
    if data["below_zero_possible"] and edge is not None:
        right = math.asinh(-edge / g["s"]["cx"])
        tint = pd.DataFrame({"x": [g["domain_x"][0]], "x2": [right]})
        if right > g["domain_x"][0]:
            layers.append(alt.Chart(tint).mark_rect(color=c["bz"], opacity=0.08).encode(x="x:Q", x2="x2:Q"))
    zero = alt.Chart(pd.DataFrame({"x": [0.0]})).mark_rule(color=c["axis"], strokeWidth=1).encode(x="x:Q")
    if g["domain_x"][0] <= 0 <= g["domain_x"][1]:
        layers.append(zero)
    return layers


def _rules(data: Mapping[str, Any], g: Record, c: Mapping[str, str]) -> list[Any]:
    """Thresholds as dashed rules with their amount in words, and the border of the open last column."""
    import altair as alt

    layers, limits = [], data["thresholds"]
    dash: dict[str, Any] = {"color": c["mute"], "strokeDash": [4, 3]}
    if limits["valuable"] is not None:
        foot = g["height"] - g["margin"] * (not g["note_above"])
        place = alt.Chart(pd.DataFrame({"x": [g["s"]["x0"]]}))
        layers.append(place.mark_rule(**dash).encode(x="x:Q", y=alt.value(0), y2=alt.value(foot)))
    if limits["growable"] is not None:
        layers.append(alt.Chart(pd.DataFrame({"y": [g["s"]["y0"]]})).mark_rule(**dash).encode(y="y:Q"))
    if words := _limits_said(data):
        above = alt.Chart(pd.DataFrame({"text": [words]})).mark_text(align="left", baseline="bottom", color=c["ink"])
        layers.append(above.encode(x=alt.value(0), y=alt.value(-6 - _second_line(data)), text="text:N"))
    if data["open"]:
        wall = pd.DataFrame({"x": [g["closed"][1] + 0.4 * g["s"]["wx"]]})
        layers.append(alt.Chart(wall).mark_rule(color=c["axis"], strokeDash=[1, 3]).encode(x="x:Q"))
    return layers


def _limits_said(data: Mapping[str, Any]) -> str:
    """The thresholds in money, for the line above the cells, where no cell can lie under them."""
    limits, currency = data["thresholds"], data["currency"]
    parts = [
        f"{name} {side} {w.money(limits[name], currency)}"
        for name, side in (("valuable", "right of"), ("growable", "above"))
        if limits[name] is not None
    ]
    return f"Dashed: {', '.join(parts)}" if parts else ""


def _open_said(data: Mapping[str, Any]) -> str:
    """What the open last column holds, empty where there is none."""
    o = data["open"]
    if not o:
        return ""
    return f"above {w.amount(o['above'])}: {w.plural(o['customers'], 'customer')}, largest {w.amount(o['largest'])}"


def _second_line(data: Mapping[str, Any]) -> int:
    """Height of a second line above the cells, 0 where both texts fit on one."""
    together = len(_limits_said(data)) + len(_open_said(data)) + 4
    return 14 if data["open"] and together * LETTER > PLOT else 0


def _notes(data: Mapping[str, Any], g: Record, c: Mapping[str, str]) -> list[Any]:
    """The label of the open column, the one call-out, and the marked customers."""
    import altair as alt

    layers = []
    if words := _open_said(data):
        note = alt.Chart(pd.DataFrame({"text": [words]})).mark_text(align="right", baseline="bottom", color=c["ink"])
        layers.append(note.encode(x=alt.value(PLOT), y=alt.value(-6), text="text:N"))
    if data["shelf"]:
        layers.extend(_call_out(data, g, c))
    for m in data["marked"]:
        s = g["s"]
        row = pd.DataFrame(
            [{"x": math.asinh(m["actual"] / s["cx"]), "y": math.asinh(m["room"] / s["cy"]), "text": m["id"]}]
        )
        ring = alt.Chart(row).mark_point(size=110, color=c["ink"], strokeWidth=2, filled=False).encode(x="x:Q", y="y:Q")
        name = (
            alt.Chart(row)
            .mark_text(dx=9, align="left", fontWeight="bold", color=c["ink"])
            .encode(x="x:Q", y="y:Q", text="text:N")
        )
        layers.extend([ring, name])
    return layers


def _call_out(data: Mapping[str, Any], g: Record, c: Mapping[str, str]) -> list[Any]:
    """The shelf of one-time buyers: a bracket along it, its words in the margin above or below the cells."""
    import altair as alt

    shelf, (step_x, step_y) = data["shelf"], g["step"]
    text = f"{w.count(shelf['customers'])} customers who bought once: {_shelf_said(shelf)}"
    left, right = shelf["from"] * step_x, min((shelf["to"] + 1) * step_x, PLOT)
    row = g["height"] - g["margin"] * (not g["note_above"]) - (shelf["row"] + 0.5) * step_y
    line = (g["margin"] - 8) if g["note_above"] else (g["height"] - g["margin"] + 6)
    words = line - 6 if g["note_above"] else line + 6
    one = alt.Chart(pd.DataFrame({"a": [1]}))
    rule = one.mark_rule(color=c["ink"], strokeWidth=1)
    parts = [rule.encode(x=alt.value(left), x2=alt.value(right), y=alt.value(line), y2=alt.value(line))]
    if abs(row - line) > 2.5 * step_y:
        middle = (shelf["column"] + 0.5) * step_x
        parts.append(rule.encode(x=alt.value(middle), x2=alt.value(middle), y=alt.value(line), y2=alt.value(row)))
    note = one.mark_text(text=text, align="left", baseline="bottom" if g["note_above"] else "top", color=c["ink"])
    start = max(0.0, min(left, PLOT - len(text) * LETTER))
    return [*parts, note.encode(x=alt.value(start), y=alt.value(words))]


def _shelf_said(shelf: Mapping[str, Any]) -> str:
    """Why these customers share a row; a report of the first version says only whether they have room."""
    if "why" in shelf:
        return str(shelf["why"])
    return "same history, so the same place" if shelf["credited"] else "no room is credited"


def _strip(data: Mapping[str, Any], g: Record, c: Mapping[str, str]) -> Any:
    """Money per column of the map, so that nobody takes area for money."""
    import altair as alt

    s, strip = g["s"], pd.DataFrame(data["strip"])
    column = np.where(strip["x"] >= s["columns"], s["columns"] + 0.8, strip["x"])
    strip["start"] = g["left"] + (column + 0.08) * s["wx"]
    strip["end"] = g["left"] + (column + 0.92) * s["wx"]
    strip["segment"] = [SEGMENTS[k] for k in strip["label"]]
    strip["money"] = strip["money"].fillna(0.0)
    strip = strip.sort_values(["x", "label"])
    above = strip["money"].clip(lower=0).groupby(strip["x"]).cumsum()
    under = strip["money"].clip(upper=0).groupby(strip["x"]).cumsum()
    strip["top"] = np.where(strip["money"] >= 0, above, under)
    strip["foot"] = strip["top"] - strip["money"]
    present = [s for s in SEGMENTS if (strip["segment"] == s).any()]
    low, high = min(float(strip["foot"].min()), float(strip["top"].min()), 0.0), max(float(strip["top"].max()), 1e-9)
    ticks = [0.0, ladder(high / 9, high)[-1]]
    labels = " : ".join(f"abs(datum.value - {v}) < {high / 1e4} ? '{w.thousands(v)}'" for v in ticks)
    return (
        alt.Chart(strip[["start", "end", "foot", "top", "segment"]])
        .mark_rect()
        .encode(
            x=alt.X("start:Q", axis=None, scale=alt.Scale(domain=g["domain_x"], nice=False, zero=False)),
            x2="end:Q",
            y=alt.Y(
                "foot:Q",
                scale=alt.Scale(domain=[low, high * 1.05], nice=False),
                axis=alt.Axis(values=ticks, labelExpr=f"{labels} : ''", title="Money", domain=False, ticks=False),
            ),
            y2="top:Q",
            fill=alt.Fill(
                "segment:N", scale=alt.Scale(domain=present, range=[c[SEGMENT_TOKENS[s]] for s in present]), legend=None
            ),
            opacity=alt.condition(alt.datum.segment == "migrator", alt.value(0.45), alt.value(1)),
        )
        .properties(width=PLOT, height=STRIP)
    )
