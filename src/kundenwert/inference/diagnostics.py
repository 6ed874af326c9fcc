"""The single checks: each looks at one thing and returns its findings.

Source: docs/statistics.md, sections Priors and pooling, Model and Predictive checks.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from kundenwert.inference.compression import spend_days
from kundenwert.inference.findings import Finding
from kundenwert.inference.point_estimates import maximum_likelihood
from kundenwert.names import FamilyName, Verdict
from kundenwert.units import Horizon

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior
    from kundenwert.inference.predictive import Tracking

MAX_RHAT = 1.01
MIN_ESS = 400
MAX_BIAS = 0.25
MAX_DEPENDENCE = 0.1
MIN_CUSTOMERS, MIN_REPEATERS = 500, 100
RUNAWAY_SHARE = 0.05


def convergence(posterior: "Posterior", max_rhat: float, min_ess: float) -> list[Finding]:
    """R-hat, effective sample size and divergences (Vehtari et al. 2021), over all parameters and cohorts."""
    findings = []
    chains = next(iter(posterior.draws.values())).shape[0]
    if chains > 1:
        rhat, ess = _rhat_and_ess({**posterior.draws, **posterior.hyper})
        where = max(rhat, key=rhat.__getitem__)
        good = rhat[where] <= max_rhat
        findings.append(
            Finding(
                "chains agree (R-hat)",
                Verdict.PASS if good else Verdict.FAIL,
                f"{rhat[where]:.3f}",
                f"at most {max_rhat:g}",
                "" if good else f"The chains disagree about {where}.",
                "" if good else "Sample longer: Nuts(tune=2000, draws=8000); look at the priors.",
                rhat[where],
            )
        )
        where = min(ess, key=ess.__getitem__)
        good = ess[where] >= min_ess
        findings.append(
            Finding(
                "enough independent draws (ESS)",
                Verdict.PASS if good else Verdict.FAIL,
                f"{ess[where]:,.0f}",
                f"at least {min_ess:g}",
                "" if good else f"The draws of {where} depend on each other.",
                "" if good else "Ask for more draws in [inference].",
                ess[where],
            )
        )
    diverging = [values for name, values in posterior.sample_stats.items() if name.endswith("_diverging")]
    if diverging:
        count, total = int(sum(v.sum() for v in diverging)), int(sum(v.size for v in diverging))
        findings.append(
            Finding(
                "no divergent steps",
                Verdict.PASS if count == 0 else Verdict.FAIL if count > total / 100 else Verdict.REVIEW,
                f"{count:,} of {total:,}",
                "0; more than 1 of 100 fails",
                "" if count == 0 else "The sampler met a region it could not follow; draws there are missing.",
                "" if count == 0 else "Raise target_accept: Nuts(target_accept=0.99); see cohorts with few repeats.",
                float(count),
            )
        )
    return findings


def _rhat_and_ess(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, float], dict[str, float]]:
    """The worst R-hat and the least of bulk and tail ESS of each name, over its cohorts."""
    from arviz_stats.base import array_stats

    rhat, ess = {}, {}
    for name, values in arrays.items():
        by_cohort = np.moveaxis(values.reshape(*values.shape[:2], -1), -1, 0)
        rhat[name] = float(np.max(array_stats.rhat(by_cohort)))
        bulk = array_stats.ess(by_cohort, method="bulk")
        tail = array_stats.ess(by_cohort, method="tail", prob=(0.05, 0.95))
        ess[name] = float(min(np.min(bulk), np.min(tail)))
    return rhat, ess


def enough_data(summary: "CustomerSummary", horizon: Horizon | None) -> list[Finding]:
    """Too little to trust euros: few customers, few repeat buyers, or a history short against the horizon."""
    table = summary.table
    customers, repeaters = len(table), int((table["frequency"] > 0).sum())
    history = float(table["T"].max()) * summary.time_unit.days
    short = horizon is not None and history < horizon.days / 6
    causes = []
    if customers < MIN_CUSTOMERS:
        causes.append(f"{customers:,} customers are fewer than {MIN_CUSTOMERS}.")
    if repeaters < MIN_REPEATERS:
        causes.append(f"{repeaters:,} repeat buyers are fewer than {MIN_REPEATERS}.")
    if short:
        causes.append(f"{history / 7:,.0f} weeks of history are less than a sixth of {horizon}.")
    return [
        Finding(
            "enough data",
            Verdict.REVIEW if causes else Verdict.PASS,
            f"{customers:,} customers, {repeaters:,} repeat buyers, {history / 7:,.0f} weeks",
            f"{MIN_CUSTOMERS} customers, {MIN_REPEATERS} repeat buyers, a sixth of the horizon",
            " ".join(causes),
            "Ranks are usable, euros are not: wait for more orders, or shorten the horizon." if causes else "",
            float(customers),
            "all values: too uncertain to budget on" if causes else "",
        )
    ]


def identification(posterior: "Posterior") -> list[Finding]:
    """Whether dropout is identified, or `a` and `b` run off together along the ridge of equal mean."""
    total = posterior.draws["a"] + posterior.draws["b"]
    prior_total = posterior.prior["a"] + posterior.prior["b"]
    spread = np.log(total).std(axis=(0, 1)) / np.log(prior_total).std()
    beyond = (total > np.quantile(prior_total, 0.975)).mean(axis=(0, 1))
    loose = (spread > 0.8) | (beyond > RUNAWAY_SHARE)
    names = [label for label, is_loose in zip(posterior.cohorts, loose, strict=True) if is_loose]
    shown = f"{', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
    return [
        Finding(
            "dropout is identified",
            Verdict.REVIEW if names else Verdict.PASS,
            f"{len(names)} of {len(posterior.cohorts)} cohorts loose" + (f": {shown}" if names else ""),
            "0 cohorts whose a + b is decided by the prior",
            "a and b run off together: the data fix the mean dropout, not how customers differ." if names else "",
            "Pool partially, join small cohorts, or put a prior on log_kappa." if names else "",
            float(len(names)),
            "churn and value of single customers there rest on the prior" if names else "",
        )
    ]


def spend_tail(posterior: "Posterior", summary: "CustomerSummary") -> list[Finding]:
    """Whether mean spend exists: the maximum-likelihood q without the constraint q > 1, and P(q < 2)."""
    if not (spend_days(summary.table) > 0).any():
        return [
            Finding(
                "mean spend exists",
                Verdict.REVIEW,
                "no repeat purchase with a positive amount",
                "some",
                "Nothing is known about spend beyond the prior.",
                "Wait for repeat orders before reading money.",
                affects="all values rest on the prior of spend",
            )
        ]
    estimate = maximum_likelihood(summary, FamilyName.GAMMA_GAMMA)
    q, error = estimate.estimates["q"], estimate.standard_errors["q"]
    # Where the Hessian gives no standard error the posterior's own draws are what is known about q.
    below_two = (
        float(ndtr((2 - q) / error)) if np.isfinite(error) and error > 0 else float((posterior.draws["q"] < 2).mean())
    )
    verdict = Verdict.FAIL if q <= 1 else Verdict.REVIEW if below_two > 0.05 else Verdict.PASS
    cause = {
        Verdict.FAIL: "Mean spend does not exist: a few orders dominate whatever is added up.",
        Verdict.REVIEW: "The variance of spend hardly exists: a few orders dominate the total.",
        Verdict.PASS: "",
    }[verdict]
    return [
        Finding(
            "mean spend exists (q, maximum likelihood)",
            verdict,
            f"q = {q:.2f}, chance of q < 2: {below_two:.3f}",
            "q > 1; chance of q < 2 at most 0.05",
            cause,
            "Look for bulk orders and currency mix-ups; model business customers apart." if cause else "",
            q,
            "all values: a few customers carry them" if cause else "",
        )
    ]


def spend_dependence(summary: "CustomerSummary") -> Finding:
    """The model takes spend an order as independent of how often a customer orders: corr(x, mean spend)."""
    table = summary.table
    n = spend_days(table)
    x, spend = table["frequency"].to_numpy(dtype=float)[n > 0], table["monetary_value"].to_numpy(dtype=float)[n > 0]
    if x.size < 3 or np.ptp(x) == 0 or np.ptp(spend) == 0:
        return Finding("spend is independent of frequency", Verdict.PASS, "too few repeat buyers to tell", "-")
    value = float(np.corrcoef(x, spend)[0, 1])
    depends = abs(value) > MAX_DEPENDENCE
    more = "more" if value > 0 else "less"
    return Finding(
        "spend is independent of frequency",
        Verdict.REVIEW if depends else Verdict.PASS,
        f"correlation {value:+.3f} over {x.size:,} repeat buyers",
        f"between -{MAX_DEPENDENCE:g} and {MAX_DEPENDENCE:g}",
        f"Frequent buyers spend {more} an order, which the model does not know." if depends else "",
        "Split the base by what drives it (channel, business customers) with cohorts.by." if depends else "",
        value,
        f"frequent buyers' values are too {'low' if value > 0 else 'high'}" if depends else "",
    )


def proof_of_life(posterior: "Posterior", summary: "CustomerSummary") -> Finding:
    """What share of the base cannot be doubted: BG/NBD takes every one-time buyer as alive."""
    once = float((summary.table["frequency"] == 0).mean())
    structural = posterior.purchase_family == FamilyName.BGNBD
    return Finding(
        "one-time buyers",
        Verdict.PASS,
        f"{once:.0%} of customers bought once",
        "none; a note",
        "BG/NBD takes every one-time buyer as alive, so no potential is credited to them." if structural else "",
        "family = 'mbgnbd' doubts them too." if structural else "",
        once,
        "unrealized value of one-time buyers is 0 by rule" if structural and once > 0 else "",
    )


def holdout_bias(tracking: "Tracking", max_bias: float = MAX_BIAS) -> list[Finding]:
    """Expected against observed repeat purchases after the cut; empty where the log holds nothing after it."""
    if tracking.observed_total is None:
        return []
    expected, came = float(tracking.holdout_expected.sum()), tracking.observed_total
    low, high = np.quantile(tracking.holdout_total, [0.05, 0.95])
    bias = expected / came - 1 if came else np.inf
    few = expected < came
    inside = bool(low <= came <= high)
    verdict = Verdict.PASS if abs(bias) <= max_bias else Verdict.FAIL
    direction = (
        "" if inside else f"values are more likely too {'low' if few else 'high'} than too {'high' if few else 'low'}"
    )
    return [
        Finding(
            "repeat orders after the cut",
            verdict,
            f"expected {expected:,.0f} ({low:,.0f} to {high:,.0f}), came {came:,}: "
            f"{abs(bias):.0%} too {'few' if few else 'many'}",
            f"bias at most {max_bias:.0%}",
            "" if inside else f"Customers ordered {'more' if few else 'less'} than their past says.",
            "" if verdict is Verdict.PASS else "Was there a campaign, a season or a change in the data after the cut?",
            bias,
            direction,
        )
    ]
