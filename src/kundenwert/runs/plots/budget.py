"""What a budget brings, and from where on another euro no longer pays."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from kundenwert.runs import wording as w
from kundenwert.runs.plan_words import one_more
from kundenwert.runs.plots.style import Record, Theme, colors, finish, json_number, numbers, rounded
from kundenwert.runs.report_actions import BudgetPoints

if TYPE_CHECKING:
    import altair as alt

PLOT, HEIGHT, WORDS = 560, 220, 32
LIMITS = " Limits of contacts, which the plan keeps to, are not in the line."
HEADROOM = WORDS / (HEIGHT - WORDS)  # above the band, for the words over the rules


def budget_curve_data(
    curve: BudgetPoints,
    *,
    budget: float | None,
    currency: str | None,
    horizon: str,
    basis: str,
    interval: float = 0.90,
    assumed: bool = True,
) -> Record:
    """Budgets with what they are expected to bring.

    Parameters
    ----------
    curve : the points.
    budget : the one that was given, None where none was.
    currency, horizon, basis : of the gain.
    interval : that the ends of the gain state.
    assumed : whether some effect of the actions has met no experiment.
    """
    stop = w.money(curve.enough, currency)
    answer = f"After {stop} another {one_more(currency)} no longer pays."
    if budget is not None:
        answer = f"{answer.removesuffix('.')}; the budget is {w.money(budget, currency)}."
    rows = [
        [w.money(b, currency, 4), w.money(g, currency, 4), w.between(low, high), w.money(price, currency, 4)]
        for b, g, low, high, price in _shown(curve)
    ]
    columns = [
        "Budget",
        f"Expected net gain, {basis}",
        f"{w.nine_in_ten(interval)} sure",
        f"One more {one_more(currency)} brings",
    ]
    return {
        "question": "What does a larger budget bring?",
        "help": "Line: expected gain after all costs of the actions, what is held out left aside. "
        f"Band: we are {w.nine_in_ten(interval)} sure, as of the plan. "
        f"Where the line is flat, more money brings nothing.{LIMITS if curve.limits_aside else ''}",
        "answer": answer,
        "label": f"{answer} Line of {w.plural(len(curve.budget), 'budget')} with its band.",
        "currency": currency,
        "horizon": horizon,
        "basis": basis,
        "assumed": assumed,
        "budget": None if budget is None else json_number(budget),
        "enough": json_number(curve.enough),
        "points": {
            "budget": rounded(curve.budget),
            "gain": rounded(curve.gain),
            "low": rounded(curve.low),
            "high": rounded(curve.high),
            "shadow_price": rounded(curve.shadow_price),
        },
        "numbers": numbers(f"Budgets and what they bring, {w.ahead(horizon)}", columns, rows),
    }


def _shown(curve: BudgetPoints, most: int = 12) -> list[tuple[float, float, float, float, float]]:
    """At most twelve of the points for the table, evenly spread, with both ends."""
    points = list(zip(curve.budget, curve.gain, curve.low, curve.high, curve.shadow_price, strict=True))
    if len(points) <= most:
        return points
    return [points[round(k * (len(points) - 1) / (most - 1))] for k in range(most)]


def draw_budget_curve(data: Mapping[str, Any], theme: Theme = "light", *, help: bool = True) -> "alt.TopLevelMixin":
    """Expected net gain by budget, dashed where no experiment has met it, with rules at the budget and its end."""
    import altair as alt

    c = colors(theme)
    frame = pd.DataFrame(data["points"]).astype(float)
    unit = f" ({data['currency']})" if data["currency"] else ""
    top = float(frame["budget"].max())
    x = alt.X(
        "budget:Q",
        title=f"Budget{unit}",
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=alt.Axis(tickCount=6, format=_format(top), grid=False),
    )
    highest, lowest = float(frame[["gain", "high"]].max().max()), min(float(frame["low"].min()), 0.0)
    highest = highest if highest > lowest else lowest + 1.0
    size = alt.Scale(domain=[lowest, highest + HEADROOM * (highest - lowest)], nice=False)
    title = f"Net gain, {w.ahead(data['horizon'])}{unit}"
    y = alt.Y("gain:Q", title=title, scale=size, axis=alt.Axis(tickCount=5, format=_format(highest)))
    base = alt.Chart(frame)
    band = base.mark_area(color=c["model"], opacity=0.2).encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q")
    dash: dict[str, Any] = {"strokeDash": [6, 4]} if data["assumed"] else {}
    line = base.mark_line(color=c["model"], strokeWidth=2, **dash).encode(x=x, y=y)
    zero = alt.Chart(pd.DataFrame({"y": [0.0]})).mark_rule(color=c["axis"]).encode(y="y:Q")
    layers = [band, zero, line, *_rules(data, c, top)]
    return finish(alt.layer(*layers).properties(width=PLOT, height=HEIGHT), data, theme, help=help)


def _rules(data: Mapping[str, Any], c: Mapping[str, str], top: float) -> list[Any]:
    """The budget that was given, and the one after which another euro no longer pays, each under its words."""
    import altair as alt

    currency, layers = data["currency"], []
    marks = []
    if data["budget"] is not None and data["budget"] <= top:
        marks.append((data["budget"], f"budget {w.money(data['budget'], currency)}", c["ink"], [1, 0]))
    if data["enough"] <= top:
        marks.append((data["enough"], f"pays up to {w.money(data['enough'], currency)}", c["mute"], [4, 3]))
    for level, (at, text, color, dash) in enumerate(marks):
        place = pd.DataFrame({"x": [at], "text": [text]})
        left = at > 0.6 * top
        rule = alt.Chart(place).mark_rule(color=color, strokeDash=dash)
        layers.append(rule.encode(x="x:Q", y=alt.value(WORDS), y2=alt.value(HEIGHT)))
        words = alt.Chart(place).mark_text(
            align="right" if left else "left", dx=-5 if left else 5, baseline="top", color=c["ink"]
        )
        layers.append(words.encode(x="x:Q", y=alt.value(2 + 15 * level), text="text:N"))
    return layers


def _format(largest: float) -> str:
    return "~s" if largest >= 1e5 else ",.2~f" if largest < 10 else ",.0f"
