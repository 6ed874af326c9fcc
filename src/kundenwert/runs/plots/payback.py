"""When customers have brought back what it cost to win them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.runs import wording as w
from kundenwert.runs.plots.churn import TENTHS
from kundenwert.runs.plots.style import Record, Theme, colors, finish, json_number, numbers, rounded
from kundenwert.runs.report_actions import Payback

if TYPE_CHECKING:
    import altair as alt

PLOT, HEIGHT = 560, 220
SHOWN = 12
SELDOM = 0.005


def payback_curve_data(payback: Payback, *, horizon: str) -> Record:
    """Chances to have paid back by week, and what becomes of the others.

    Parameters
    ----------
    payback : the chances.
    horizon : that the last week is.
    """
    never = payback.gone + payback.open
    answer = _answer(payback, horizon, never)
    places = np.unique(np.linspace(0, len(payback.weeks) - 1, SHOWN).round().astype(int))
    rows = [[f"{w.number(payback.weeks[k])} weeks", w.percent(payback.chance[k])] for k in places]
    rows += [
        [f"Not within {horizon}: gone before", w.percent(payback.gone)],
        [f"Not within {horizon}: still a customer", w.percent(payback.open)],
    ]
    return {
        "question": "When do customers pay back what it cost to win them?",
        "help": "The line says how many of 10 customers have paid back by then; "
        "what it lacks to 10 of 10 at the right end does not come back within the time stated.",
        "answer": answer,
        "label": f"{answer} Line that rises from today to the end of {horizon}.",
        "horizon": horizon,
        "customers": payback.customers,
        "paid_back": payback.paid_back,
        "weeks": rounded(payback.weeks),
        "chance": rounded(payback.chance),
        "gone": json_number(payback.gone, 4),
        "open": json_number(payback.open, 4),
        "never": json_number(never, 4),
        "median": None if payback.median is None else json_number(payback.median),
        "numbers": numbers(
            "Paid back by then, of those who have not yet (estimated)", ["Weeks from today", "Chance"], rows
        ),
    }


def _answer(payback: Payback, horizon: str, never: float) -> str:
    done = f"{w.plural(payback.paid_back, 'customer')} paid back already. " if payback.paid_back else ""
    if not payback.customers:
        return f"{done}Nobody is left who has not.".strip()
    half = "" if payback.median is None else f"half pay it back within {w.plural(payback.median, 'week')}, "
    return (
        f"{done}Of the {w.plural(payback.customers, 'customer')} who have not yet brought back what it cost to win "
        f"them, {half}{w.chance(payback.chance[-1])} within {horizon}; {_others(payback, never)}"
    )


def _others(payback: Payback, never: float) -> str:
    reasons = [
        f"{w.chance(p)} {why}"
        for p, why in ((payback.gone, "because they are gone before"), (payback.open, "because that is too short"))
        if p >= SELDOM
    ]
    if len(reasons) == 1:
        return f"{reasons[0].replace(' because', ' do not, because')}."
    return f"{w.chance(never)} do not{': ' if reasons else ''}{w.listed(reasons)}."


def draw_payback_curve(data: Mapping[str, Any], theme: Theme = "light", *, help: bool = True) -> "alt.TopLevelMixin":
    """A line from today to the horizon on the scale from nobody to all, with the week at which half have paid back."""
    import altair as alt

    c = colors(theme)
    frame = pd.DataFrame({"week": data["weeks"], "chance": data["chance"]}).astype(float)
    end = float(frame["week"].iloc[-1])
    frame["says"] = [
        f"{w.chance(p)} have paid back after {w.plural(t, 'week')}"
        for t, p in zip(frame["week"], frame["chance"], strict=True)
    ]
    x = alt.X(
        "week:Q",
        title="Weeks from today",
        scale=alt.Scale(domain=[0, end], nice=False),
        axis=alt.Axis(tickCount=7, grid=False, format=",.0f"),
    )
    axis = alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1], labelExpr=TENTHS)
    y = alt.Y("chance:Q", title="Customers who have paid back", scale=alt.Scale(domain=[0, 1], nice=False), axis=axis)
    line = alt.Chart(frame).mark_line(color=c["model"], strokeWidth=2).encode(x=x, y=y)
    last = frame.tail(1).assign(text=f"{w.chance(data['never'])} do not within {data['horizon']}")
    layers: list[Any] = [line]
    if data["never"] >= SELDOM:
        gap = alt.Chart(last).mark_rule(color=c["mute"], strokeDash=[2, 3])
        layers.append(gap.encode(x=x, y=y, y2=alt.datum(1.0)))
        high = data["never"] < 0.14  # too narrow for words beside the dashes
        words = alt.Chart(last.assign(middle=1.0 - data["never"] / 2 if not high else last["chance"] - 0.06))
        text = words.mark_text(align="right", dx=-6, color=c["ink"])
        layers.append(text.encode(x=x, y=alt.Y("middle:Q"), text="text:N"))
    if data["median"] is not None:
        layers.extend(_half(data, c, end))
    return finish(alt.layer(*layers).properties(width=PLOT, height=HEIGHT), data, theme, help=help)


def _half(data: Mapping[str, Any], c: Mapping[str, str], end: float) -> list[Any]:
    """The week by which half have paid back, as two dashed rules that meet on the line."""
    import altair as alt

    place = pd.DataFrame({"week": [float(data["median"])], "half": [0.5], "zero": [0.0]})
    place["text"] = f"half after {w.plural(data['median'], 'week')}"
    mark = alt.Chart(place)
    dash: dict[str, Any] = {"color": c["ink"], "strokeDash": [4, 3]}
    left = data["median"] > 0.7 * end
    words = mark.mark_text(align="right" if left else "left", dx=-6 if left else 6, dy=-5, baseline="bottom")
    return [
        mark.mark_rule(**dash).encode(x="week:Q", y="zero:Q", y2="half:Q"),
        mark.mark_point(filled=True, size=50, color=c["model"], opacity=1).encode(x="week:Q", y="half:Q"),
        words.encode(x="week:Q", y="zero:Q", text="text:N"),
    ]
