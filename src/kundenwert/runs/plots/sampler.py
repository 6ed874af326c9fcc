"""Did the sampler arrive? Diagnostics by cohort, and how far the data moved the spread between cohorts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.families.arithmetic import FloatArray
from kundenwert.inference.diagnostics import MAX_PARETO_K, MAX_RHAT, MIN_ESS
from kundenwert.names import Pooling
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
TITLES = {"rhat": "R-hat", "pareto_k": "Pareto k"}
AXES = {"rhat": (-np.inf, 0.998, 0.002, "1 is perfect"), "pareto_k": (0.0, -0.02, 0.02, "0 is perfect")}
HELP = {
    "spreads": "Curves: how much cohorts differ, grey before the data, blue after.",
    "rhat": "Dots: how well chains agree about each cohort; left of the line they do.",
    "pareto_k": "Dots: how much the largest weights carry; right of the line a part of the posterior may be missing.",
}


@dataclass(frozen=True)
class Judged:
    """What tells whether the sampler arrived.

    Parameters
    ----------
    figure : "rhat" where chains can be compared, "pareto_k" where weights can be looked at; larger is worse.
    names : (row,) cohorts, or what else was sampled on its own.
    worst, ess : (row,) the figure and the effective draws; NaN where there is but one chain and no weights.
    """

    figure: str
    names: list[str]
    worst: FloatArray
    ess: FloatArray


def convergence_data(posterior: "Posterior", *, max_rhat: float = MAX_RHAT, min_ess: float = MIN_ESS) -> Record:
    """The worst figure and least ESS of each cohort, divergences, and the pooling spreads before and after the data.

    The figure is R-hat of chains, or Pareto k of the weights behind draws by importance sampling.
    """
    judged = _weights(posterior) or _chains(posterior)
    title, limit = TITLES[judged.figure], {"rhat": max_rhat, "pareto_k": MAX_PARETO_K}[judged.figure]
    worst, least = float(np.max(judged.worst)), float(np.min(judged.ess))
    flags = [v for k, v in posterior.sample_stats.items() if k.endswith("diverging")]
    divergences = int(sum(int(np.asarray(v).sum()) for v in flags))
    answer = _answer(posterior, judged, limit, min_ess, divergences)
    order = np.arange(len(judged.names))
    if len(order) > MOST_ROWS:
        order = np.argsort(-judged.worst)[:MOST_ROWS]
    shown: list[int] = order.tolist()
    caption = "Sampler by cohort" + (f", the {MOST_ROWS} worst" if len(judged.names) > MOST_ROWS else "")
    spreads = _spreads(posterior)
    return {
        "question": "Did the sampler arrive?",
        "help": f"Nothing to see is good. {HELP['spreads' if spreads else judged.figure]}",
        "answer": answer,
        "label": answer,
        "rhat": json_number(worst) if judged.figure == "rhat" else None,
        "pareto_k": json_number(worst) if judged.figure == "pareto_k" else None,
        "ess": json_number(least),
        "divergences": divergences,
        "limits": {judged.figure: limit, "ess": min_ess},
        "by_cohort": {
            "cohort": [judged.names[k] for k in shown],
            judged.figure: rounded(judged.worst[order]),
            "ess": rounded(judged.ess[order], 4),
        },
        "spreads": spreads,
        "numbers": numbers(caption, ["Cohort", f"Worst {title}", "Least ESS"], [_row(judged, k) for k in shown]),
    }


def _answer(posterior: "Posterior", judged: Judged, limit: float, min_ess: float, divergences: int) -> str:
    worst, least = float(np.max(judged.worst)), float(np.min(judged.ess))
    if judged.figure == "rhat" and _n_chains(posterior) == 1:
        return f"One chain of {w.count(posterior.n_draws)} draws by {posterior.engine}: chains cannot be compared."
    seen = f"worst {TITLES[judged.figure]} {w.diagnostic(judged.figure, worst)} (limit {limit:g})"
    seen += f", least ESS {w.rough(least)} (limit {min_ess:g})"
    ended = "draws are independent" if judged.figure == "pareto_k" else w.plural(divergences, "divergence")
    good = worst <= limit and least >= min_ess and divergences == 0
    return f"{'Nothing to see' if good else 'Look closer'}: {seen}, {ended}."


def _row(judged: Judged, k: int) -> list[str]:
    known = np.isfinite(judged.ess[k])
    return [
        judged.names[k],
        w.diagnostic(judged.figure, judged.worst[k]) if known else "–",
        w.rough(judged.ess[k]) if known else "–",
    ]


def _weights(posterior: "Posterior") -> Judged | None:
    """The tail of the weights and what they are worth, the worse of both families; None where there are chains."""
    if _n_chains(posterior) > 1:
        return None
    tails = [v for name, v in posterior.sample_stats.items() if name.endswith("_pareto_k")]
    worth = [v for name, v in posterior.sample_stats.items() if name.endswith("_effective")]
    if not tails:
        return None
    names = list(posterior.cohorts) if posterior.pooling is Pooling.NONE else ["all"]
    return Judged("pareto_k", names, np.max(tails, axis=0), np.min(worth, axis=0))


def _chains(posterior: "Posterior") -> Judged:
    """How well chains agree, by cohort and, under partial pooling, about what all cohorts share."""
    names = list(posterior.cohorts)
    if _n_chains(posterior) == 1:
        nothing = np.full(len(names), np.nan)
        return Judged("rhat", names, nothing, nothing)
    rhat, ess = _diagnostics(posterior.draws)
    if posterior.hyper:  # what all cohorts share must have arrived too
        shared = _diagnostics({name: np.asarray(values)[..., None] for name, values in posterior.hyper.items()})
        names, rhat, ess = ["shared by all", *names], np.append(shared[0], rhat), np.append(shared[1], ess)
    return Judged("rhat", names, rhat, ess)


def _n_chains(posterior: "Posterior") -> int:
    return int(next(iter(posterior.draws.values())).shape[0])


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
    """Prior and posterior of the spreads under partial pooling; otherwise R-hat or Pareto k by cohort."""
    c = colors(theme)
    panels = [_density(panel, c) for panel in data["spreads"]]
    if not panels:
        return finish(_dots(data, c), data, theme, help=help)
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


def _dots(data: Mapping[str, Any], c: Mapping[str, str]) -> Any:
    """One dot a cohort, and the limit that none should pass."""
    import altair as alt

    figure = "pareto_k" if "pareto_k" in data["limits"] else "rhat"
    best, low, margin, what = AXES[figure]
    frame = pd.DataFrame(data["by_cohort"])
    frame[figure] = frame[figure].astype(float).clip(lower=best)
    limit = data["limits"][figure]
    top = max(float(frame[figure].max()) if frame[figure].notna().any() else limit, limit) + margin
    x = alt.X(
        f"{figure}:Q",
        title=f"Worst {TITLES[figure]} ({what})",
        scale=alt.Scale(domain=[low, top], nice=False),
        axis=alt.Axis(tickCount=5),
    )
    y = alt.Y("cohort:N", sort=None, title="Cohort")
    dots = alt.Chart(frame.dropna()).mark_circle(color=c["model"], size=50, opacity=1).encode(x=x, y=y)
    rule = alt.Chart(pd.DataFrame({"x": [limit]})).mark_rule(color=c["mute"], strokeDash=[4, 3]).encode(x="x:Q")
    return alt.layer(dots, rule).properties(width=480, height=alt.Step(18))
