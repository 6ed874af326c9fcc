"""Did the sampler arrive? Diagnostics by cohort, and how far the data moved the spread between cohorts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.inference.diagnostics import MAX_RHAT, MIN_ESS
from kundenwert.runs import wording as w
from kundenwert.runs.plots.style import BAND_OPACITY, Record, Theme, colors, finish, json_number, numbers, rounded

if TYPE_CHECKING:
    import altair as alt

    from kundenwert.inference.posterior import Posterior

BINS = 28
MOST_ROWS = 24
SPREADS = {
    "log_r": "shape of order rates",
    "log_alpha_over_T": "scale of order rates",
    "logit_phi": "mean dropout",
    "log_kappa": "spread of dropout",
    "log_p": "spend, within",
    "log_q_minus_1": "spend, between",
    "log_mean_over_z": "mean spend",
}


def convergence_data(posterior: "Posterior", *, max_rhat: float = MAX_RHAT, min_ess: float = MIN_ESS) -> Record:
    """The worst R-hat and least ESS of each cohort, divergences, and the pooling spreads before and after the data."""
    chains = next(iter(posterior.draws.values())).shape[0]
    cohorts = list(posterior.cohorts)
    rhat, ess = _diagnostics(posterior.draws) if chains > 1 else (np.full(len(cohorts), np.nan),) * 2
    flags = [v for k, v in posterior.sample_stats.items() if k.endswith("diverging")]
    divergences = int(sum(int(np.asarray(v).sum()) for v in flags))
    if chains > 1 and posterior.hyper:  # what all cohorts share must have arrived too
        shared = _diagnostics({name: np.asarray(values)[..., None] for name, values in posterior.hyper.items()})
        cohorts, rhat, ess = ["shared by all", *cohorts], np.append(shared[0], rhat), np.append(shared[1], ess)
    worst, least = (float(np.max(rhat)), float(np.min(ess))) if chains > 1 else (float("nan"), float("nan"))
    good = chains > 1 and worst <= max_rhat and least >= min_ess and divergences == 0
    if chains == 1:
        answer = f"One chain of {w.count(posterior.n_draws)} draws by {posterior.engine}: chains cannot be compared."
    else:
        seen = f"worst R-hat {worst:.3f} (limit {max_rhat:g}), least ESS {w.rough(least)} (limit {min_ess:g})"
        answer = f"{'Nothing to see' if good else 'Look closer'}: {seen}, {w.plural(divergences, 'divergence')}."
    order = np.arange(len(cohorts))
    if len(cohorts) > MOST_ROWS:
        order = (np.argsort(-rhat) if chains > 1 else order)[:MOST_ROWS]
    rows = [
        [cohorts[k], "–" if chains == 1 else f"{rhat[k]:.3f}", "–" if chains == 1 else w.rough(ess[k])] for k in order
    ]
    caption = "Sampler by cohort" + (f", the {MOST_ROWS} worst" if len(cohorts) > MOST_ROWS else "")
    return {
        "question": "Did the sampler arrive?",
        "help": "Nothing to see is good. Curves: how much cohorts differ, grey before the data, blue after.",
        "answer": answer,
        "label": answer,
        "rhat": json_number(worst),
        "ess": json_number(least),
        "divergences": divergences,
        "limits": {"rhat": max_rhat, "ess": min_ess},
        "by_cohort": {
            "cohort": [cohorts[k] for k in order],
            "rhat": rounded(rhat[order]),
            "ess": rounded(ess[order], 4),
        },
        "spreads": _spreads(posterior),
        "numbers": numbers(caption, ["Cohort", "Worst R-hat", "Least ESS"], rows),
    }


def _diagnostics(draws: Mapping[str, Any]) -> tuple[Any, Any]:
    """Worst rank-normalised R-hat and least of bulk and tail ESS over the parameters, each (cohort,)."""
    from arviz_stats.base import array_stats

    rhats, esses = [], []
    for values in draws.values():
        by_cohort = np.moveaxis(np.asarray(values), -1, 0)
        rhats.append(array_stats.rhat(by_cohort))
        bulk = array_stats.ess(by_cohort, method="bulk")
        esses.append(np.minimum(bulk, array_stats.ess(by_cohort, method="tail", prob=(0.05, 0.95))))
    return np.max(rhats, axis=0), np.min(esses, axis=0)


def _spreads(posterior: "Posterior") -> list[Record]:
    """Histograms of each between-cohort standard deviation, prior and posterior, on common bins."""
    panels = []
    for name, drawn in posterior.hyper.items():
        if not name.startswith("sd_") or name not in posterior.prior:
            continue
        after, before = np.asarray(drawn).ravel(), np.asarray(posterior.prior[name]).ravel()
        top = max(float(np.quantile(after, 0.995)), float(np.quantile(before, 0.9)))
        edges = np.linspace(0, top, BINS + 1)
        density = [np.histogram(v, edges)[0] / len(v) * BINS / top for v in (before, after)]
        panels.append(
            {
                "name": SPREADS.get(name.removeprefix("sd_"), name),
                "top": json_number(top),
                "prior": rounded(density[0], 4),
                "posterior": rounded(density[1], 4),
            }
        )
    return panels


def draw_convergence(data: Mapping[str, Any], theme: Theme = "light", *, help: bool = True) -> "alt.TopLevelMixin":
    """Prior and posterior of the spreads under partial pooling; otherwise R-hat by cohort with its limit."""
    c = colors(theme)
    panels = [_density(panel, c) for panel in data["spreads"]]
    if not panels:
        return finish(_rhat_dots(data, c), data, theme, help=help)
    import altair as alt

    rows = [alt.hconcat(*panels[k : k + 4], spacing=16) for k in range(0, len(panels), 4)]
    return finish(alt.vconcat(*rows, spacing=14), data, theme, help=help)


def _density(panel: Mapping[str, Any], c: Mapping[str, str]) -> Any:
    import altair as alt

    at = (np.arange(BINS) + 0.5) * panel["top"] / BINS
    high = max(*panel["prior"], *panel["posterior"])
    x = alt.X(
        "x:Q",
        title=panel["name"],
        axis=alt.Axis(tickCount=3, grid=False),
        scale=alt.Scale(nice=False, zero=True),
    )
    layers = []
    for name, color, filled in (("prior", c["axis"], False), ("posterior", c["model"], True)):
        frame = pd.DataFrame({"x": at, "y": np.array(panel[name], dtype=float) / high})
        y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[0, 1.05]))
        chart = alt.Chart(frame)
        if filled:
            layers.append(chart.mark_area(interpolate="step", color=color, opacity=BAND_OPACITY).encode(x=x, y=y))
        layers.append(chart.mark_line(interpolate="step", color=color, strokeWidth=1.5).encode(x=x, y=y))
    return alt.layer(*layers).properties(width=134, height=70)


def _rhat_dots(data: Mapping[str, Any], c: Mapping[str, str]) -> Any:
    import altair as alt

    frame = pd.DataFrame(data["by_cohort"])
    frame["rhat"] = frame["rhat"].astype(float)
    limit = data["limits"]["rhat"]
    top = max(float(frame["rhat"].max()) if frame["rhat"].notna().any() else 1.0, limit) + 0.002
    x = alt.X(
        "rhat:Q",
        title="Worst R-hat (1 is perfect)",
        scale=alt.Scale(domain=[0.998, top], nice=False),
        axis=alt.Axis(tickCount=5),
    )
    y = alt.Y("cohort:N", sort=None, title="Cohort")
    dots = alt.Chart(frame.dropna()).mark_circle(color=c["model"], size=50, opacity=1).encode(x=x, y=y)
    rule = alt.Chart(pd.DataFrame({"x": [limit]})).mark_rule(color=c["mute"], strokeDash=[4, 3]).encode(x="x:Q")
    return alt.layer(dots, rule).properties(width=480, height=alt.Step(18))
