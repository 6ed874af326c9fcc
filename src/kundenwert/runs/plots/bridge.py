"""What the base's value then and now differ by, part by part."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from kundenwert.runs import wording as w
from kundenwert.runs.plots.style import Record, Theme, colors, finish, json_number, numbers
from kundenwert.runs.report_change import PARTS, EquityBridge, Estimate

if TYPE_CHECKING:
    import altair as alt

PLOT, ROW, NAMED = 460, 30, 176
LETTER = 6.6
NOISE = "noise"


def estimate_json(estimate: Estimate) -> Record:
    """As `report.json` holds a mean with its interval, and whether it is noise."""
    ends = {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}
    return {**{name: json_number(value) for name, value in ends.items()}, "noise": estimate.noise}


def equity_bridge_data(
    bridge: EquityBridge, *, currency: str | None, horizon: str, basis: str, interval: float = 0.90
) -> Record:
    """The parts of a change in words and numbers.

    Parameters
    ----------
    bridge : the parts.
    currency, horizon, basis : of both values.
    interval : that the estimates' ends state.
    """
    parts = [
        {
            "key": key,
            "name": PARTS[key],
            "detail": bridge.details.get(key, ""),
            "says": _says(part),
            **estimate_json(part),
        }
        for key, part in bridge.ordered
    ]
    then = w.date(bridge.since)
    answer = _answer(bridge, currency)
    rows = [
        [f"On {then}", *_figures(bridge.start, currency), "", ""],
        *(
            [PARTS[key], *_figures(part, currency), _verdict(part), bridge.details.get(key, "")]
            for key, part in bridge.ordered
        ),
        ["All parts together", *_figures(bridge.change, currency), _verdict(bridge.change), ""],
        ["Now", *_figures(bridge.end, currency), "", ""],
    ]
    columns = ["Part", f"Money, {basis}", f"{w.nine_in_ten(interval)} sure", "Told apart", "What stands behind it"]
    return {
        "question": f"What has moved the value since {then}?",
        "help": f"Each bar starts where the one above it ends. Line: we are {w.nine_in_ten(interval)} sure. "
        "Hollow: noise, it cannot be told apart from nothing.",
        "answer": answer,
        "label": f"{answer} Bars for {w.plural(len(parts), 'part')} of the change, from start to end.",
        "currency": currency,
        "horizon": horizon,
        "basis": basis,
        "since": bridge.since.isoformat(),
        "start": estimate_json(bridge.start),
        "parts": parts,
        "change": {**estimate_json(bridge.change), "says": _says(bridge.change)},
        "end": estimate_json(bridge.end),
        "numbers": numbers(f"Value of the base, {w.ahead(horizon)}, and what changed it", columns, rows),
    }


def _figures(each: Estimate, currency: str | None) -> tuple[str, str]:
    return w.money(each.mean, currency, 4), w.between(each.low, each.high, 4)


def _verdict(part: Estimate) -> str:
    return "nothing" if part.nothing else NOISE if part.noise else "yes"


def _says(part: Estimate) -> str:
    """A part as its label has it: "+ 9,000", "+ 2,000, noise"."""
    if part.nothing:
        return "0"
    return w.signed(w.amount(part.mean)) + (f", {NOISE}" if part.noise else "")


def _answer(bridge: EquityBridge, currency: str | None) -> str:
    gap, day = bridge.change, w.date(bridge.since)
    if all(part.nothing for part in bridge.parts.values()):
        return f"The base is worth as much as on {day}: nothing changed."
    more = f"{w.money(abs(gap.mean), currency)} {'more' if gap.mean > 0 else 'less'}"
    moved = f"The base is worth {more} than on {day}" + (", which is noise" if gap.noise else "")
    told = [(key, part) for key, part in bridge.ordered if not part.noise]
    if not told:
        return f"{moved}: no part of the change can be told apart from chance."
    key, largest = max(told, key=lambda each: abs(each[1].mean))
    detail = f" ({bridge.details[key]})" if bridge.details.get(key) else ""
    return f"{moved}. The largest part: {PARTS[key].lower()}{detail}, {w.signed(w.amount(largest.mean))}."


def draw_equity_bridge(data: Mapping[str, Any], theme: Theme = "light", *, help: bool = True) -> "alt.TopLevelMixin":
    """Floating bars on the scale of the changes; what the base was and is worth stands as text, not as a bar."""
    import altair as alt

    c = colors(theme)
    frame = _bars(data)
    longest = max(len(text) for text in frame["text"]) * LETTER + 10
    left, right = float(frame["least"].min()), float(frame["most"].max())
    nothing = right <= left
    right = left + 1.0 if nothing else right
    domain = [left - 0.02 * (right - left), left + (right - left) * PLOT / (PLOT - longest)]
    unit = f"{data['currency']}, {data['basis']}" if data["currency"] else data["basis"]
    title = f"Change of the base's value, {w.ahead(data['horizon'])} ({unit})"
    x = alt.X(
        "start:Q",
        title=title,
        scale=alt.Scale(domain=domain, nice=False, zero=False),
        axis=alt.Axis(values=[0], format="d") if nothing else alt.Axis(tickCount=6, format=_format(right - left)),
    )
    names = frame["name"].tolist()
    y = alt.Y(
        "name:N",
        sort=names,
        title=None,
        scale=alt.Scale(domain=names),  # layers that hold only some of the rows would bring their own order
        axis=alt.Axis(domain=False, ticks=False, labelPadding=8, minExtent=NAMED),
    )
    bars = frame[frame["kind"] != "text"]
    layers: list[Any] = [alt.Chart(pd.DataFrame({"x": [0.0]})).mark_rule(color=c["axis"]).encode(x=alt.X("x:Q"))]
    for kind, mark in (
        ("part", {"color": c["model"]}),
        ("noise", {"filled": False, "stroke": c["model"], "strokeWidth": 1.5}),
        ("total", {"color": c["axis"]}),
        ("total noise", {"filled": False, "stroke": c["axis"], "strokeWidth": 1.5}),
    ):
        part = bars[bars["kind"] == kind]
        if len(part):
            box = alt.Chart(part).mark_bar(height=14, **mark)
            layers.append(box.encode(x=x, x2="end:Q", y=y, description="says:N"))
    rules = alt.Chart(bars).mark_rule(color=c["ink"], strokeWidth=1.5)
    layers.append(rules.encode(x=alt.X("low:Q", title=title), x2="high:Q", y=y))
    words = alt.Chart(frame).mark_text(align="left", dx=7, color=c["ink"])
    layers.append(words.encode(x=alt.X("most:Q", title=title), y=y, text="text:N"))
    chart = alt.layer(*layers).properties(width=PLOT, height=ROW * len(frame))
    return finish(chart, data, theme, help=help)


def _format(span: float) -> str:
    return "~s" if span >= 1e5 else ",.0f" if span >= 20 else ",.2~f"


def _bars(data: Mapping[str, Any]) -> pd.DataFrame:
    """One row a bar: from where to where, its whisker, its words; the first row is text alone."""
    currency, at = data["currency"], 0.0
    rows = [_bar(f"On {w.date(data['since'])}", "text", 0.0, None, w.money(data["start"]["mean"], currency))]
    for part in data["parts"]:
        kind = "noise" if part["noise"] else "part"
        rows.append(_bar(part["name"], kind, at, part, part["says"]) | {"says": _hover(part)})
        at += part["mean"]
    total, end = data["change"], w.money(data["end"]["mean"], currency)
    kind = "total noise" if total["noise"] else "total"
    rows.append(_bar("Now", kind, 0.0, total, f"{end} ({total['says']})") | {"says": f"All parts: {total['says']}"})
    return pd.DataFrame(rows)


def _bar(name: str, kind: str, at: float, part: Mapping[str, Any] | None, text: str) -> Record:
    mean, low, high = (part[end] for end in ("mean", "low", "high")) if part else (0.0, 0.0, 0.0)
    places = [at, at + mean, at + low, at + high]
    return {
        "name": name,
        "kind": kind,
        "start": at,
        "end": at + mean,
        "low": at + low,
        "high": at + high,
        "least": min(places),
        "most": max(places),
        "text": text,
        "says": name,
    }


def _hover(part: Mapping[str, Any]) -> str:
    return f"{part['name']}: {part['says']}" + (f"; {part['detail']}" if part["detail"] else "")
