"""What a new customer of each cohort is worth."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.runs import wording as w
from kundenwert.runs.plots.style import Record, Theme, colors, finish, json_number, numbers, rounded

if TYPE_CHECKING:
    import altair as alt

LATEST = 24


def cohort_values_data(
    values: Any,
    cohorts: Sequence[str],
    sizes: Sequence[int],
    *,
    currency: str | None,
    horizon: str,
    basis: str,
    interval: float = 0.90,
    acquisition_cost: float | None = None,
) -> Record:
    """Value of a customer not yet acquired, by cohort in time order.

    Parameters
    ----------
    values : (draw, cohort) first order plus actual value of a new customer, in currency.
    cohorts, sizes : (cohort,) labels in order and customers observed.
    acquisition_cost : cost to win a customer, drawn as a rule where it is one number.
    """
    draws = np.asarray(values, dtype=float)
    names, customers = list(cohorts), [int(n) for n in sizes]
    older = max(len(names) - LATEST, 0)
    if older:
        weight = np.asarray(customers[:older], dtype=float)
        merged = draws[:, :older] @ (weight / max(weight.sum(), 1.0))
        draws = np.column_stack([merged, draws[:, older:]])
        names = [f"{older} older", *names[older:]]
        customers = [int(weight.sum()), *customers[older:]]
    low, high = np.quantile(draws, [(1 - interval) / 2, (1 + interval) / 2], axis=0)
    mean = draws.mean(axis=0)
    sure = None if acquisition_cost is None else rounded((draws > acquisition_cost).mean(axis=0), 3)
    answer = _answer(draws, mean, names, currency, interval, older)
    rows = [
        [names[k], w.count(customers[k]), w.money(mean[k], currency, 4), w.between(low[k], high[k])]
        + ([w.chance(sure[k])] if sure else [])
        for k in range(len(names))
    ]
    columns = ["Cohort", "Customers", f"A new one is worth, {basis}", f"{w.nine_in_ten(interval)} sure"]
    return {
        "question": "Which new customers are worth most?",
        "help": "Dot: what one more customer of this cohort is worth, first order included. "
        f"Bar: we are {w.nine_in_ten(interval)} sure.",
        "answer": answer,
        "label": f"{answer} Dots with intervals for {w.plural(len(names), 'cohort')}, oldest on top.",
        "currency": currency,
        "horizon": horizon,
        "basis": basis,
        "cohorts": names,
        "customers": customers,
        "mean": rounded(mean),
        "low": rounded(low),
        "high": rounded(high),
        "acquisition_cost": None if acquisition_cost is None else json_number(acquisition_cost),
        "pays_back": sure,
        "numbers": numbers(
            f"Value of a new customer, {w.ahead(horizon)}", columns + (["Pays back"] if sure else []), rows
        ),
    }


def _answer(draws: Any, mean: Any, names: Sequence[str], currency: str | None, interval: float, older: int) -> str:
    if len(names) == 1:
        return f"There is one cohort: a new customer is worth {w.money(float(mean[0]), currency)} on average."
    start = 1 if older else 0
    best, worst = start + int(mean[start:].argmax()), start + int(mean[start:].argmin())
    gap = np.quantile(draws[:, best] - draws[:, worst], [(1 - interval) / 2, (1 + interval) / 2])
    told = (
        "the difference cannot be told apart from chance"
        if gap[0] <= 0 <= gap[1]
        else f"we are {w.nine_in_ten(interval)} sure of a difference"
    )
    return (
        f"New customers of {names[best]} are worth {w.money(float(mean[best]), currency)} each on average, "
        f"those of {names[worst]} {w.money(float(mean[worst]), currency)}; {told}."
    )


def draw_cohort_values(data: Mapping[str, Any], theme: Theme = "light", *, help: bool = True) -> "alt.TopLevelMixin":
    """One row a cohort, time downwards, value from zero."""
    import altair as alt

    c = colors(theme)
    frame = pd.DataFrame({k: data[k] for k in ("cohorts", "customers", "mean", "low", "high")})
    frame["says"] = [
        f"{name}: {w.money(m, data['currency'])} on average"
        for name, m in zip(frame["cohorts"], frame["mean"], strict=True)
    ]
    unit = f"{data['currency']}, {data['basis']}" if data["currency"] else data["basis"]
    ends = [*frame["high"], *frame["low"], data["acquisition_cost"] or 0.0, 0.0]
    domain = [min(ends), max(ends) * 1.05 if max(ends) > 0 else 1.0]
    y = alt.Y("cohorts:N", sort=None, title=None, axis=alt.Axis(grid=True, labelOverlap=True))
    x_title = f"A new customer is worth on average, {w.ahead(data['horizon'])} ({unit})"
    x = alt.X(
        "mean:Q",
        title=x_title,
        scale=alt.Scale(domain=domain, nice=False),
        axis=alt.Axis(tickCount=7, format="~s" if domain[1] >= 1e5 else ",.2~f"),
    )
    base = alt.Chart(frame)
    layers = [
        base.mark_rule(color=c["model"], strokeWidth=2).encode(y=y, x=alt.X("low:Q", title=x_title), x2="high:Q"),
        base.mark_circle(color=c["model"], opacity=1).encode(
            y=y,
            x=x,
            size=alt.Size("customers:Q", scale=alt.Scale(range=[40, 160], zero=True), legend=None),
            description="says:N",
        ),
    ]
    if data["acquisition_cost"] is not None:
        at = pd.DataFrame({"x": [data["acquisition_cost"]], "text": ["cost to win a customer"]})
        layers.append(alt.Chart(at).mark_rule(color=c["ink"], strokeDash=[4, 3]).encode(x="x:Q"))
        layers.append(
            alt.Chart(at)
            .mark_text(align="left", dx=4, dy=-4, baseline="bottom", color=c["ink"])
            .encode(x="x:Q", y=alt.value(0), text="text:N")
        )
    return finish(alt.layer(*layers).properties(width=560, height=alt.Step(22)), data, theme, help=help)
