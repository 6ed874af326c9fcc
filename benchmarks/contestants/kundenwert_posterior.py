"""kundenwert's posteriors, all customers sharing one set of parameters: by its default engine there, and by NUTS."""

from collections.abc import Mapping
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
from contestants.kundenwert_common import nuts_draws, posed
from kundenwert.inference.compression import Part

VERSIONED = ("kundenwert", "pymc", "nutpie", "pytensor", "numba", "numpy", "pandas")


def prepare(case: str, options: Mapping[str, str]) -> Prepared:
    """The work of a case and how its result is described."""
    summary = kw.as_summary(read_summary(options), time_unit="week")
    if case == "score":
        return prepare_score(summary)
    family = case.removeprefix("fit_")
    by = by_importance if options["method"] == "importance" else by_nuts
    return lambda: by(posed(summary, family)), describe


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
    """Draws, (chain, draw) each."""
    return {"draws": nuts_draws(part, kw.Nuts(), SEED)}


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
