"""`check`: is the posterior computed well, and does the data say what the model needs?"""

from typing import TYPE_CHECKING

from kundenwert.customers.summary import need_summary
from kundenwert.errors import UsageError
from kundenwert.inference.data_checks import enough_data, proof_of_life, spend_dependence, spend_tail
from kundenwert.inference.diagnostics import MAX_RHAT, MIN_ESS, convergence, identification
from kundenwert.inference.findings import Checks
from kundenwert.inference.holdout_checks import MAX_BIAS, holdout_bias, return_bias
from kundenwert.units import Horizon

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior
    from kundenwert.inference.predictive import Tracking


def check(
    posterior: "Posterior",
    summary: "CustomerSummary",
    *,
    tracking: "Tracking | None" = None,
    horizon: Horizon | str | None = None,
    max_rhat: float = MAX_RHAT,
    min_ess: float = MIN_ESS,
    max_bias: float = MAX_BIAS,
) -> Checks:
    """Judges a posterior and the summary it came from.

    Parameters
    ----------
    posterior : what `fit` returned.
    summary : the same customers.
    tracking : what `track` returned; where given, orders after the cut are held against the forecast.
    horizon : value horizon; where given, a history shorter than a sixth of it is a finding.
    max_rhat, min_ess : limits of the sampler's diagnostics; beyond them the verdict is FAIL.
    max_bias : limit of the forecast's bias, as a share of the orders that came; beyond it the verdict is FAIL.

    Returns
    -------
    Checks : findings, worst first.

    Raises
    ------
    UsageError : the posterior and the summary have different time units.

    Notes
    -----
    docs/statistics.md, section Predictive checks, lists every finding with its limits.

    Examples
    --------
    >>> found = kw.check(posterior, summary, horizon="3 years")
    >>> found.findings[0].name
    'spend is independent of frequency'
    """
    need_summary(summary)
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
        *(holdout_bias(tracking, max_bias) if tracking is not None else []),
        *(return_bias(tracking, summary, max_bias) if tracking is not None else []),
    ]
    return Checks.of(findings)
