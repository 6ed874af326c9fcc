"""`check`: is the posterior computed well, and does the data say what the model needs?"""

from typing import TYPE_CHECKING

from kundenwert.errors import UsageError
from kundenwert.inference.diagnostics import (
    MAX_RHAT,
    MIN_ESS,
    convergence,
    enough_data,
    identification,
    proof_of_life,
    spend_dependence,
    spend_tail,
)
from kundenwert.inference.findings import Checks
from kundenwert.units import Horizon

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior


def check(
    posterior: "Posterior",
    summary: "CustomerSummary",
    *,
    horizon: Horizon | str | None = None,
    max_rhat: float = MAX_RHAT,
    min_ess: float = MIN_ESS,
) -> Checks:
    """Judges a posterior and the summary it came from.

    Parameters
    ----------
    posterior : what `fit` returned.
    summary : the same customers.
    horizon : value horizon; where given, a history shorter than a sixth of it is a finding.
    max_rhat, min_ess : limits of the sampler's diagnostics; beyond them the verdict is FAIL.

    Returns
    -------
    Checks : findings, worst first.

    Raises
    ------
    UsageError : the posterior and the summary have different time units.
    """
    if posterior.time_unit is not summary.time_unit:
        raise UsageError(
            f"the posterior counts in {posterior.time_unit.value}s, the summary in {summary.time_unit.value}s. "
            "Summarize again with the posterior's time unit."
        )
    findings = [
        *convergence(posterior, max_rhat, min_ess),
        *enough_data(summary, Horizon.parse(horizon) if horizon else None),
        *identification(posterior),
        *spend_tail(posterior, summary),
        spend_dependence(summary),
        proof_of_life(posterior, summary),
    ]
    return Checks.of(findings)
