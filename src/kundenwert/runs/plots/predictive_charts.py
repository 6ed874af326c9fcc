"""Drawing the out-of-sample panels: observed in ink, the model in its own colour with a 90 % predictive band."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.runs import wording as w
from kundenwert.runs.plots.style import BAND_OPACITY, Record, Theme, colors, finish

if TYPE_CHECKING:
    import altair as alt

PLOT = 600


def key(c: Mapping[str, str]) -> dict[str, Any]:
    """One legend for observed and model: the same title and domain for every channel, or Vega draws two."""
    import altair as alt

    domain = ["came (counted)", "expected, 9 in 10"]
    return {
        "color": alt.Color(
            "who:N",
            scale=alt.Scale(domain=domain, range=[c["ink"], c["model"]]),
            legend=alt.Legend(
                title=None,
                orient="top",
                direction="horizontal",
                symbolType="circle",
                symbolStrokeWidth=0,
                columnPadding=22,
                offset=4,
            ),
        )
    }


def draw_tracking(
    data: Mapping[str, Any], theme: Theme = "light", *, help: bool = True, cumulative: bool = False
) -> "alt.TopLevelMixin":
    """Weekly orders with the cut; `cumulative` draws the running total, which flatters any model."""
    import altair as alt

    c = colors(theme)
    frame = _weekly(data, cumulative=cumulative)
    top = float(np.nanmax(frame[["observed", "high"]].to_numpy())) * 1.12
    x = alt.X("week:T", title="Week", axis=alt.Axis(format="%b %Y", tickCount=6, grid=False, labelOverlap=True))
    title = "Repeat orders, running total" if cumulative else "Repeat orders per week"
    y = alt.Y(
        "observed:Q", title=title, scale=alt.Scale(domain=[0, top], nice=False), axis=alt.Axis(tickCount=6, format=",d")
    )
    base = alt.Chart(frame).encode(x=x)
    frame_model, frame_seen = frame.assign(who="expected, 9 in 10"), frame.assign(who="came (counted)")
    area = base.mark_area(color=c["model"], opacity=BAND_OPACITY).encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    line = alt.Chart(frame_model).mark_line(strokeWidth=2).encode(x=x, y="expected:Q", **key(c))
    seen = alt.Chart(frame_seen).mark_line(strokeWidth=1).encode(x=x, y=y, **key(c))
    dots = alt.Chart(frame_seen).mark_circle(size=16, opacity=1).encode(x=x, y=y, description="says:N", **key(c))
    layers = [area, line, seen, dots, *_cut(data, frame, c)]
    return finish(alt.layer(*layers).properties(width=PLOT, height=250), data, theme, help=help)


def _weekly(data: Mapping[str, Any], *, cumulative: bool) -> pd.DataFrame:
    frame = pd.DataFrame({k: data[k] for k in ("observed", "expected", "low", "high")}, dtype=float)
    if cumulative:
        frame = frame.cumsum()
    frame.insert(0, "week", pd.to_datetime(data["weeks"]))
    frame["says"] = [
        f"Week to {w.date(week)}: {w.count(came)} came, {w.rough(model)} expected"
        for week, came, model in zip(data["weeks"], frame["observed"], frame["expected"], strict=True)
    ]
    return frame


def _cut(data: Mapping[str, Any], frame: pd.DataFrame, c: Mapping[str, str]) -> list[Any]:
    import altair as alt

    total = data["total"]
    if total is None:
        return []
    at = pd.DataFrame({"week": [frame["week"].iloc[data["cut"] - 1] if data["cut"] else frame["week"].iloc[0]]})
    rule = alt.Chart(at).mark_rule(color=c["mute"], strokeDash=[4, 3]).encode(x="week:T")
    right = data["cut"] < 0.55 * len(data["weeks"])
    told = [
        f"expected {w.count(total['expected'])}, came {w.count(total['came'])}:",
        w.too_few(total["expected"], total["came"]),
    ]
    seen = alt.Chart(at).mark_text(
        text="model saw data up to here", align="right", dx=-5, baseline="top", color=c["mute"]
    )
    text = alt.Chart(at).mark_text(
        text=told,
        align="left" if right else "right",
        dx=5 if right else -5,
        baseline="top",
        lineHeight=15,
        color=c["ink"],
    )
    return [rule, seen.encode(x="week:T", y=alt.value(2)), text.encode(x="week:T", y=alt.value(2 if right else 20))]


def draw_frequency(
    data: Mapping[str, Any], theme: Theme = "light", *, help: bool = True, kind: str = "hanging"
) -> "alt.TopLevelMixin":
    """A hanging rootogram: bars hang from the expected curve, so what is left over shows at the zero line."""
    import altair as alt

    c = colors(theme)
    frame = pd.DataFrame({k: data[k] for k in ("observed", "expected", "low", "high")}, dtype=float)
    root = frame.pow(0.5)
    root["group"] = data["groups"]
    hanging = kind == "hanging"
    root["top"] = root["expected"] if hanging else root["observed"]
    root["foot"] = root["expected"] - root["observed"] if hanging else 0.0
    root["gap_low"] = root["expected"] - root["high"]
    root["gap_high"] = root["expected"] - root["low"]
    root["says"] = [
        f"{w.count(o)} counted, {w.rough(e)} expected"
        for o, e in zip(frame["observed"], frame["expected"], strict=True)
    ]
    most = float(root["top"].max())
    ticks = [0.0, *[v for v in (1e2, 1e3, 5e3, 1e4, 5e4, 1e5, 5e5, 1e6) if 0.12 < np.sqrt(v) / most < 1.05]]
    labels = " : ".join(f"abs(datum.value - {np.sqrt(v):.5f}) < 1e-3 ? '{v:,.0f}'" for v in ticks)
    axis = alt.Axis(values=[float(np.sqrt(v)) for v in ticks], labelExpr=f"{labels} : ''", labelOverlap=False)
    low = min(float(root["foot"].min()), float(root["gap_low"].min()), 0.0)
    domain = [low - 0.04 * most, most * 1.06]
    x = alt.X(
        "group:N",
        sort=None,
        title=None if hanging else "Repeat orders",
        axis=alt.Axis(labelAngle=0),
        scale=alt.Scale(paddingInner=0.4),
    )
    y = alt.Y("top:Q", title="Customers (square-root scale)", axis=axis, scale=alt.Scale(domain=domain, nice=False))
    bars = alt.Chart(root).mark_bar(color=c["again"], opacity=0.85).encode(x=x, y=y, y2="foot:Q", description="says:N")
    curve = alt.Chart(root).mark_line(
        color=c["model"], strokeWidth=2, point=alt.OverlayMarkDef(color=c["model"], size=30)
    )
    rows = [bars, curve.encode(x=x, y=alt.Y("expected:Q"))]
    if not hanging:
        rows.append(
            alt.Chart(root).mark_rule(color=c["model"], strokeWidth=3, opacity=0.5).encode(x=x, y="low:Q", y2="high:Q")
        )
        return finish(alt.layer(*rows).properties(width=PLOT, height=240), data, theme, help=help)
    rows.append(_zero(c))
    panels = (alt.layer(*rows).properties(width=PLOT, height=200), _deviations(root, c))
    return finish(alt.vconcat(*panels, spacing=10), data, theme, help=help)


def _deviations(root: pd.DataFrame, c: Mapping[str, str]) -> Any:
    """The ends of the hanging bars, enlarged: what is left over at the zero line, before the band."""
    import altair as alt

    reach = float(np.abs(root[["foot", "gap_low", "gap_high"]].to_numpy()).max()) * 1.15
    x = alt.X(
        "group:N", sort=None, title="Repeat orders", axis=alt.Axis(labelAngle=0), scale=alt.Scale(paddingInner=0.4)
    )
    y = alt.Y(
        "foot:Q", title="Left over", axis=alt.Axis(tickCount=3), scale=alt.Scale(domain=[-reach, reach], nice=False)
    )
    belt = alt.Chart(root).mark_bar(color=c["model"], opacity=BAND_OPACITY, size=64)
    bars = alt.Chart(root.assign(zero=0.0)).mark_bar(color=c["again"], size=26).encode(x=x, y=y, y2="zero:Q")
    layers = [belt.encode(x=x, y=alt.Y("gap_low:Q", title="Left over"), y2="gap_high:Q"), bars, _zero(c)]
    return alt.layer(*layers).properties(width=PLOT, height=90)


def _zero(c: Mapping[str, str]) -> Any:
    import altair as alt

    return alt.Chart(pd.DataFrame({"y": [0.0]})).mark_rule(color=c["ink"]).encode(y="y:Q")


def draw_conditional_expectation(
    data: Mapping[str, Any], theme: Theme = "light", *, help: bool = True
) -> "alt.TopLevelMixin":
    """Observed dots and the model's line with its band; the group sizes stand under the axis."""
    import altair as alt

    c = colors(theme)
    charts = [_groups(panel, data, c, first=k == 0) for k, panel in enumerate(data["panels"])]
    return finish(alt.hconcat(*charts, spacing=26), data, theme, help=help)


def _groups(panel: Record, data: Mapping[str, Any], c: Mapping[str, str], *, first: bool) -> Any:
    import altair as alt

    names = ("observed", "observed_low", "observed_high", "expected", "low", "high")
    frame = pd.DataFrame({k: panel[k] for k in names}, dtype=float)
    frame["group"], frame["size"] = panel["groups"], panel["size"]
    frame["naive"] = pd.Series(panel["naive"] if panel["naive"] else [np.nan] * len(frame), dtype=float)
    frame = frame[frame["size"] > 0].reset_index(drop=True)
    frame["count"] = [w.thousands(n) if n >= 10_000 else w.count(n) for n in frame["size"]]
    frame["says"] = [
        f"{w.plural(n, 'customer')}: {w.number(o)} came on average, {w.number(e)} expected"
        for n, o, e in zip(frame["size"], frame["observed"], frame["expected"], strict=True)
    ]
    top = float(np.nanmax(frame[["observed_high", "high"]].to_numpy())) * 1.1
    order = list(frame["group"])
    x = alt.X(
        "group:N", sort=order, title=panel["title"], axis=alt.Axis(labelAngle=0, titlePadding=22, labelFontSize=11)
    )
    title = f"Orders each in {data['weeks']} weeks, on average" if first else None
    y = alt.Y("observed:Q", title=title, scale=alt.Scale(domain=[0, top], nice=False), axis=alt.Axis(tickCount=5))
    base = alt.Chart(frame).encode(x=x)
    model, came = frame.assign(who="expected, 9 in 10"), frame.assign(who="came (counted)")
    layers = [
        base.mark_area(color=c["model"], opacity=BAND_OPACITY).encode(y=alt.Y("low:Q", title=title), y2="high:Q"),
        alt.Chart(model).mark_line(strokeWidth=2).encode(x=x, y="expected:Q", **key(c)),
        base.mark_rule(color=c["ink"]).encode(y="observed_low:Q", y2="observed_high:Q"),
        alt.Chart(came).mark_circle(size=46, opacity=1).encode(x=x, y=y, description="says:N", **key(c)),
        base.mark_text(baseline="top", dy=20, color=c["mute"], fontSize=11).encode(y=alt.value(220), text="count:N"),
    ]
    if panel["naive"]:
        shown = frame[frame["naive"] <= top]  # clipping would need a url() in the SVG, which the page forbids
        naive = alt.Chart(shown).mark_line(strokeDash=[2, 3], strokeWidth=1, color=c["mute"])
        layers.append(naive.encode(x=x, y="naive:Q"))
    return alt.layer(*layers).properties(width=272, height=220)
