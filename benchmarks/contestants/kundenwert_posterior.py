"""kundenwert's posteriors, all customers sharing one set of parameters: by its default engine there, and by NUTS."""

from collections.abc import Callable, Mapping
from typing import Any

import kundenwert as kw
from contestants.common import (
    ANNUAL_DISCOUNT,
    MONTHS,
    SCORING_DRAWS,
    SEED,
    WEEKS,
    Prepared,
    describe_draws,
    describe_scores,
    read_summary,
    timed_steps,
)
from contestants.kundenwert_common import posed
from kundenwert.inference.compression import Part
from kundenwert.inference.graph import fit_data, part_model

VERSIONED = ("kundenwert", "pymc", "nutpie", "pytensor", "numba", "numpy", "pandas")
COMPILED: dict[str, Any] = {}


def prepare(case: str, options: Mapping[str, str]) -> Prepared:
    """The work of a case and how its result is described."""
    summary = kw.as_summary(read_summary(options), time_unit="week")
    if case == "score":
        return prepare_score(summary)
    role = "purchase" if case == "fit_bgnbd" else "spend"
    by: Callable[[Part], dict[str, Any]] = {"importance": by_importance, "nuts": by_nuts}[options["method"]]
    return lambda: by(posed(summary, role)), describe


def by_importance(part: Part) -> dict[str, Any]:
    """Draws, (1, draw) each, and what they are worth."""
    engine = kw.Importance()
    draws, figures = engine.sample_part(part, SEED)
    effective = float(figures["effective"][0])
    return {
        "draws": {name: draws[name][..., 0] for name in part.family.parameters},
        "smallest_ess": min(effective, float(engine.draws)),
        "effective": effective,
        "pareto_k": float(figures["pareto_k"][0]),
        "evaluations": int(figures["evaluations"][0]),
    }


def by_nuts(part: Part) -> dict[str, Any]:
    """Draws, (chain, draw) each, by nutpie on the model of `kw.build_model`, with the settings of `kw.Nuts`."""
    import nutpie

    settings = kw.Nuts()
    how = {"chains": settings.chains, "cores": settings.chains, "tune": settings.tune, "target_accept": 0.8}
    tree = nutpie.sample(
        nuts_model(part), draws=settings.draws // settings.chains, seed=SEED, progress_bar=False, **how
    )
    return {"draws": {name: tree["posterior"][name].to_numpy()[..., 0] for name in part.family.parameters}}


def nuts_model(part: Part) -> Any:
    """nutpie's compiled model, made in the first repetition: data are put in anew every time, as `kw.fit` does."""
    import nutpie

    if part.role not in COMPILED:
        names = list(part.family.parameters)
        COMPILED[part.role] = nutpie.compile_pymc_model(part_model(part, part.fits[0]), var_names=names)
    return COMPILED[part.role].with_data(**fit_data(part, part.fits[0]))


def describe(found: Mapping[str, Any]) -> dict[str, Any]:
    """As all who draw, and the engine's own figures where it has any."""
    return describe_draws(found["draws"]) | {name: value for name, value in found.items() if name != "draws"}


def prepare_score(summary: kw.CustomerSummary) -> Prepared:
    """Scores with a posterior fitted here, untimed. `value` also brings intervals, churn and potential value."""
    posterior = kw.fit(summary, pooling="complete")

    def work() -> Any:
        draws: dict[str, Any] = {"draws": SCORING_DRAWS}
        value = {"horizon": f"{MONTHS} months", "discount_rate": ANNUAL_DISCOUNT, **draws}
        return timed_steps(
            {
                "purchases": lambda: kw.expected_purchases(posterior, summary, f"{WEEKS} weeks", **draws).table["mean"],
                "p_alive": lambda: kw.p_alive(posterior, summary, **draws).table["mean"],
                "spend": lambda: kw.expected_spend(posterior, summary, **draws).table["mean"],
                "value": lambda: kw.estimate_value(posterior, summary, **value).table["actual_value"],
            }
        )

    return work, describe_scores
