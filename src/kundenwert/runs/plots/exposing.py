"""What the model sees of a customer: first order, last order, today."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.customers.summary import need_summary
from kundenwert.errors import UsageError
from kundenwert.runs import wording as w
from kundenwert.runs.plots.style import Record, Theme, colors, finish, numbers, rounded
from kundenwert.streams import DEFAULT_SEED

if TYPE_CHECKING:
    import altair as alt

    from kundenwert.customers.summary import CustomerSummary

MOST = 200


def exposure_data(summary: "CustomerSummary", *, customers: int = 60, seed: int = DEFAULT_SEED) -> Record:
    """A sample of customers as their first and last order before today, longest observed on top."""
    if not 1 <= customers <= MOST:
        raise UsageError(f"{customers} customers to draw: choose between 1 and {MOST}, or the lines run together.")
    need_summary(summary)
    table = summary.table
    rng = np.random.default_rng(seed)
    chosen = table.iloc[np.sort(rng.choice(len(table), min(customers, len(table)), replace=False))]
    chosen = chosen.sort_values(["T", "recency"], ascending=[False, True], kind="stable")
    unit = summary.time_unit.value
    seen, last = chosen["T"].to_numpy(float), chosen["recency"].to_numpy(float)
    silent = seen - last
    once = float((chosen["frequency"] == 0).mean())
    answer = (
        f"{w.chance(once)} of these customers bought once; "
        f"half of all have been silent for {w.number(float(np.median(silent)))} {unit}s or more."
    )
    rows = [
        [w.short_id(i), w.count(x), w.number(t), w.number(s)]
        for i, x, t, s in zip(chosen["customer_id"], chosen["frequency"], seen, silent, strict=True)
    ]
    columns = [
        "Customer",
        "Repeat orders",
        f"{unit.title()}s since the first order",
        f"{unit.title()}s since the last order",
    ]
    return {
        "question": "What does the model see of a customer?",
        "help": "Long empty tails on the right are customers who may be gone: this is all the model sees.",
        "answer": answer,
        "label": f"{answer} Lines from first to last order and to today, {w.plural(len(chosen), 'customer')} sampled.",
        "unit": unit,
        "first": rounded(-seen),
        "last": rounded(-silent),
        "orders": [int(x) for x in chosen["frequency"]],
        "numbers": numbers("A sample of customers (counted)", columns, rows),
    }


def draw_exposure(data: Mapping[str, Any], theme: Theme = "light", *, help: bool = True) -> "alt.TopLevelMixin":
    """A line from first to last order, thin from there to today; the dots are first and last order."""
    import altair as alt

    c = colors(theme)
    frame = pd.DataFrame({k: data[k] for k in ("first", "last", "orders")})
    frame["row"], frame["today"] = np.arange(len(frame)), 0.0
    title = f"{data['unit'].title()}s before today"
    x = alt.X(
        "first:Q",
        title=title,
        axis=alt.Axis(labelExpr="abs(datum.value)", tickCount=8),
        scale=alt.Scale(nice=False, padding=8),
    )
    y = alt.Y("row:O", axis=None)
    base = alt.Chart(frame).encode(y=y)
    layers = [
        base.mark_rule(color=c["grid"], strokeWidth=1.5).encode(x=alt.X("last:Q", title=title), x2="today:Q"),
        base.mark_rule(color=c["model"], strokeWidth=1.5).encode(x=alt.X("first:Q", title=title), x2="last:Q"),
        base.mark_circle(color=c["mute"], size=22, opacity=1).encode(x=x),
        base.transform_filter("datum.orders > 0")
        .mark_circle(color=c["ink"], size=22, opacity=1)
        .encode(x=alt.X("last:Q", title=title)),
    ]
    return finish(alt.layer(*layers).properties(width=600, height=alt.Step(7)), data, theme, help=help)
