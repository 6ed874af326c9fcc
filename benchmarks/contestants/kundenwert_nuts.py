"""kundenwert with its defaults: posterior draws by NUTS, all customers sharing one set of parameters."""

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
from kundenwert.inference.compression import Part
from kundenwert.inference.fitting import pose

VERSIONED = ("kundenwert", "pymc", "nutpie", "pytensor", "numba", "numpy", "pandas")
POOLING = "complete"


def prepare(case: str, options: Mapping[str, str]) -> Prepared:
    """The work of a case and how its result is described."""
    summary = kw.as_summary(read_summary(options), time_unit="week")
    if case == "score":
        return prepare_score(summary)
    return prepare_fit(summary, "purchase" if case == "fit_bgnbd" else "spend")


def prepare_fit(summary: kw.CustomerSummary, role: str) -> Prepared:
    """One of the two parts that `kw.fit` samples one after the other, from the table on."""

    def work() -> dict[str, Any]:
        problem = pose(
            summary,
            purchase="bgnbd",
            spend="gamma_gamma",
            pooling=POOLING,
            purchase_priors=None,
            spend_priors=None,
            time_unit=None,
        )
        part: Part = getattr(problem, role)
        draws, _, _ = kw.Nuts()._sample_part(part, SEED, None)
        return {name: draws[name][..., 0] for name in part.family.parameters}

    return work, describe_draws


def prepare_score(summary: kw.CustomerSummary) -> Prepared:
    """Scores with a posterior fitted here, untimed. `value` also brings intervals, churn and potential value."""
    posterior = kw.fit(summary, pooling=POOLING)

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
