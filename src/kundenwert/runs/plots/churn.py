"""Who will not come back: the chance of no order beside what happened, and beside the money that depends on it.

Bought once and bought again stand apart everywhere: on many bases most one-time buyers share one prediction, fill most
pooled deciles, and hide how far off the model is for those who bought again.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.customers.summary import need_summary
from kundenwert.runs import wording as w
from kundenwert.runs.plots.style import Record, Theme, colors, finish, json_number, numbers

if TYPE_CHECKING:
    import altair as alt

    from kundenwert.customers.holdout import Holdout
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.decisions.segments import Segments
    from kundenwert.inference.predictive import Tracking

AGAIN, ONCE = "bought again", "bought once"
Z90 = 1.6448536269514722
TENTHS = "datum.value == 0 ? '0 of 10' : round(datum.value * 10) + ' of 10'"


def churn_calibration_data(tracking: "Tracking", summary: "CustomerSummary", holdout: "Holdout") -> Record:
    """Stated chance of silence in the held-out time against the share that stayed silent, by group."""
    need_summary(summary)
    stated = np.asarray(tracking.holdout_p_silent, dtype=float)
    silent = holdout.table["purchases"].to_numpy() == 0
    once = summary.table["frequency"].to_numpy() == 0
    groups: list[Record] = []
    strips: list[Record] = []
    gaps: list[tuple[str, float, float, int]] = []
    for name, mask, bins in ((AGAIN, ~once, 10), (ONCE, once, 5)):
        if not mask.any():
            continue
        groups.extend({"group": name, **row} for row in _bins(stated[mask], silent[mask], bins))
        heights, _ = np.histogram(stated[mask], bins=np.linspace(0, 1, 21))
        strips.extend({"group": name, "bin": k, "customers": int(n)} for k, n in enumerate(heights) if n)
        gaps.append((name, float(stated[mask].mean()), float(silent[mask].mean()), int(mask.sum())))
    said = [
        f"of 10 customers who {name}, {p * 10:.1f} were expected to stay silent and {o * 10:.1f} did"
        for name, p, o, _ in gaps
    ]
    weeks = round(holdout.days / 7)
    answer = f"In {weeks} weeks, {'; '.join(said)}." if said else "No customer to judge."
    rows = [
        [
            r["group"],
            w.count(r["customers"]),
            w.percent(r["stated"]),
            w.percent(r["happened"]),
            f"{w.percent(r['low'])} to {w.percent(r['high'])}",
        ]
        for r in groups
    ]
    columns = ["Group", "Customers", "Stated chance of no order", "Stayed silent (counted)", "9 in 10 such groups"]
    return {
        "question": "When it says 7 of 10 will not return, do 7 of 10 not?",
        "help": "Dots on the diagonal: when we say 7 of 10 will not return, 7 of 10 do not.",
        "answer": answer,
        "label": f"{answer} Calibration square with {w.plural(len(groups), 'group')}, bought once and again apart.",
        "weeks": weeks,
        "points": groups,
        "strip": strips,
        "numbers": numbers(f"No order in {weeks} weeks: stated and counted", columns, rows),
    }


def _bins(stated: Any, silent: Any, bins: int) -> list[Record]:
    """Bins of about equal size (equal predictions stay together), with Wilson 90 % rules."""
    edges = np.unique(np.quantile(stated, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, stated, side="left")
    rows = []
    for k in np.unique(place):
        inside = place == k
        n, happened = int(inside.sum()), float(silent[inside].mean())
        low, high = wilson(happened, n)
        row = {"stated": float(stated[inside].mean()), "happened": happened, "low": low, "high": high}
        rows.append({"customers": n, **{name: json_number(v, 4) for name, v in row.items()}})
    return rows


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 90 % interval of a share.

    >>> [round(end, 3) for end in wilson(0.5, 100)]
    [0.419, 0.581]
    """
    centre = (share + Z90**2 / (2 * n)) / (1 + Z90**2 / n)
    half = Z90 / (1 + Z90**2 / n) * np.sqrt(share * (1 - share) / n + Z90**2 / (4 * n**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def draw_churn_calibration(
    data: Mapping[str, Any], theme: Theme = "light", *, help: bool = True
) -> "alt.TopLevelMixin":
    """A square with its diagonal; the histogram below shows where the predictions lie."""
    import altair as alt

    c = colors(theme)
    points = pd.DataFrame(data["points"])
    points["says"] = [
        f"{w.plural(n, 'customer')}, {g}" for n, g in zip(points["customers"], points["group"], strict=True)
    ]
    tenths = alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1], labelExpr=TENTHS)
    square = alt.Scale(domain=[0, 1], nice=False)
    x = alt.X("stated:Q", title=None, scale=square, axis=alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1], labels=False))
    title = f"Stayed silent for {data['weeks']} weeks (counted)"
    y = alt.Y("happened:Q", title=title, scale=square, axis=tenths)
    color = alt.Color(
        "group:N",
        scale=alt.Scale(domain=[AGAIN, ONCE], range=[c["again"], c["once"]]),
        legend=alt.Legend(title=None, orient="top", symbolStrokeWidth=0, columnPadding=22),
    )
    shape = alt.Shape("group:N", scale=alt.Scale(domain=[AGAIN, ONCE], range=["circle", "square"]), legend=None)
    diagonal = alt.Chart(pd.DataFrame({"stated": [0.0, 1.0], "happened": [0.0, 1.0]})).mark_line(
        strokeDash=[4, 3], color=c["mute"], strokeWidth=1
    )
    rules = (
        alt.Chart(points)
        .mark_rule(strokeWidth=1.5)
        .encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q", color=color)
    )
    dots = alt.Chart(points).mark_point(filled=True, size=64, opacity=1, stroke=c["ink"], strokeWidth=0.6)
    top = alt.layer(
        diagonal.encode(x=x, y=y), rules, dots.encode(x=x, y=y, color=color, shape=shape, description="says:N")
    )
    strip = pd.DataFrame(data["strip"])
    strip["left"], strip["right"] = strip["bin"] / 20 + 0.002, (strip["bin"] + 1) / 20 - 0.002
    strip = strip.sort_values(["bin", "group"])
    strip["top"] = strip.groupby("bin")["customers"].cumsum()
    strip["foot"] = strip["top"] - strip["customers"]
    bars = (
        alt.Chart(strip)
        .mark_rect()
        .encode(
            x=alt.X("left:Q", title=f"Stated chance of no order in {data['weeks']} weeks", scale=square, axis=tenths),
            x2="right:Q",
            y=alt.Y("foot:Q", title="Customers", axis=alt.Axis(tickCount=2, format=",d"), scale=alt.Scale(zero=True)),
            y2="top:Q",
            color=color,
        )
    )
    chart = alt.vconcat(top.properties(width=360, height=360), bars.properties(width=360, height=44), spacing=10)
    return finish(chart, data, theme, help=help)


def churn_by_money_data(segments: "Segments") -> Record:
    """Customers and expected value by the chance of no order within the churn horizon."""
    table, settings = segments.table, segments.value.settings
    table = table[table["segment"].notna()]  # who objected is in no picture
    chance = table["churn_probability"].to_numpy(float)
    actual = table["actual_value"].to_numpy(float)
    once = (table["frequency"] == 0).to_numpy()
    bins = np.clip((chance * 10).astype(int), 0, 9)
    currency, horizon = (str(settings.currency) if settings.currency else None), str(settings.churn_horizon)
    actual = np.where(np.isfinite(actual), actual, 0.0)  # no mean, no money to add up
    silent = float(chance.mean())
    gone = float(actual[chance > 0.5].sum())
    worth_a_call = (actual >= segments.thresholds.valuable) & (chance >= 0.6)
    rows, bars = [], []
    for k in range(10):
        inside = bins == k
        call = int((inside & worth_a_call).sum())
        rows.append(
            [
                f"{k} to {k + 1} of 10",
                w.count(int(inside.sum())),
                w.money(float(actual[inside].sum()), currency, 4),
                w.count(call),
            ]
        )
        for name, mask in ((AGAIN, inside & ~once), (ONCE, inside & once)):
            if mask.any():
                total = json_number(float(actual[mask].sum()), 5)
                bars.append({"bin": k, "group": name, "customers": int(mask.sum()), "money": total})
    answer = (
        f"About {w.chance(silent)} customers will probably not order in the next {horizon}; "
        f"{w.money(gone, currency)} of expected value sits with customers more likely to stay away than to come."
    )
    columns = [
        f"Chance of no order in {horizon}",
        "Customers",
        f"Worth together, {settings.value_basis}",
        "Worth a call",
    ]
    return {
        "question": "Who will not come back?",
        "help": "Left: likely to order. Right: likely to stay away. Above: the people; below: the money.",
        "answer": answer,
        "label": f"{answer} Two rows of ten bars, customers above and value below.",
        "currency": currency,
        "horizon": horizon,
        "value_horizon": str(settings.horizon),
        "basis": settings.value_basis,
        "bars": bars,
        "worth_a_call": int(worth_a_call.sum()),
        "silent": json_number(silent),
        "at_risk": json_number(gone),
        "numbers": numbers("Customers and money by chance of no order (estimated)", columns, rows),
    }


def draw_churn_by_money(data: Mapping[str, Any], theme: Theme = "light", *, help: bool = True) -> "alt.TopLevelMixin":
    """Two aligned rows of bars over the same ten chances: people above, money below."""
    import altair as alt

    c = colors(theme)
    bars = pd.DataFrame(data["bars"])
    bars["from"], bars["to"] = bars["bin"] / 10 + 0.004, (bars["bin"] + 1) / 10 - 0.004
    bars = bars.sort_values(["bin", "group"])
    bars["money"] = bars["money"].fillna(0.0).astype(float)
    unit = f" ({data['currency']})" if data["currency"] else ""
    panels = []
    tops = (("customers", "Customers"), ("money", f"Value together{unit}"))
    for k, (name, title) in enumerate(tops):
        part = bars.copy()
        part["top"] = part.groupby("bin")[name].cumsum()
        part["foot"] = part["top"] - part[name]
        part["says"] = [
            f"{w.plural(n, 'customer')}, {g}: {w.money(m, data['currency'])}"
            for n, g, m in zip(part["customers"], part["group"], part["money"], strict=True)
        ]
        axis = alt.Axis(values=[i / 10 for i in range(0, 11, 2)], labelExpr=TENTHS, labels=k == 1, grid=False)
        x_title = f"Chance of no order in the next {data['horizon']}" if k == 1 else None
        panels.append(
            alt.Chart(part)
            .mark_rect()
            .encode(
                x=alt.X("from:Q", title=x_title, scale=alt.Scale(domain=[0, 1], nice=False), axis=axis),
                x2="to:Q",
                y=alt.Y(
                    "foot:Q",
                    title=title,
                    axis=alt.Axis(tickCount=4, format=",.0f"),
                    scale=alt.Scale(zero=True, nice=True),
                ),
                y2="top:Q",
                color=alt.Color(
                    "group:N",
                    scale=alt.Scale(domain=[AGAIN, ONCE], range=[c["again"], c["once"]]),
                    legend=alt.Legend(title=None, orient="top", symbolStrokeWidth=0, columnPadding=22)
                    if k == 0
                    else None,
                ),
                description="says:N",
            )
            .properties(width=600, height=130)
        )
    return finish(alt.vconcat(*panels, spacing=14), data, theme, help=help)
