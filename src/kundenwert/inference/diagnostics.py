"""Whether the posterior was computed: chains, independent draws, divergences, and what the prior decided.

Source: docs/statistics.md, sections Predictive checks and Priors and pooling.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from kundenwert.inference.findings import Finding
from kundenwert.names import Verdict

if TYPE_CHECKING:
    from kundenwert.inference.posterior import Posterior

MAX_RHAT = 1.01
MIN_ESS = 400
MAX_PARETO_K = 0.7
RUNAWAY_SHARE = 0.05
LOOSE_SPREAD = 0.8
RUNAWAY_QUANTILE = 0.975


def convergence(posterior: "Posterior", max_rhat: float, min_ess: float) -> list[Finding]:
    """R-hat, effective sample size and divergences (Vehtari et al. 2021), over all parameters and cohorts."""
    findings, worth = [], _worth_of_weights(posterior, min_ess)
    chains = next(iter(posterior.draws.values())).shape[0]
    if chains > 1:
        rhat, ess = _rhat_and_ess({**posterior.draws, **posterior.hyper})
        # A figure that is not finite (a stuck chain, a NaN) compares false with everything: it is the worst there is.
        where = max(rhat, key=lambda name: rhat[name] if np.isfinite(rhat[name]) else np.inf)
        good = rhat[where] <= max_rhat
        findings.append(
            Finding(
                "chains agree (R-hat)",
                Verdict.PASS if good else Verdict.FAIL,
                f"{rhat[where]:.3f}" if np.isfinite(rhat[where]) else "not a number",
                f"at most {max_rhat:g}",
                "" if good else f"The chains disagree about {where}, or do not move.",
                "" if good else "Ask for more draws in [inference]; look at cohorts with few repeats.",
                rhat[where],
            )
        )
        where = min(ess, key=lambda name: ess[name] if np.isfinite(ess[name]) else -np.inf)
        good = ess[where] >= min_ess
        by_chains = Finding(
            "enough independent draws (ESS)",
            Verdict.PASS if good else Verdict.FAIL,
            f"{ess[where]:,.0f}" if np.isfinite(ess[where]) else "not a number",
            f"at least {min_ess:g}",
            "" if good else f"The draws of {where} depend on each other.",
            "" if good else "Ask for more draws in [inference].",
            ess[where],
        )
        # Draws that weights were turned into look independent, however little the weights were worth.
        findings.append(min([by_chains, *worth], key=lambda finding: finding.value or 0.0))
    else:
        findings += worth
    findings += _weights(posterior) + _divergences(posterior)
    return findings


def _figures(posterior: "Posterior", name: str) -> np.ndarray:
    """One of the engine's own figures of both roles, of the fits that have it; (fit,)."""
    found = [values for key, values in posterior.sample_stats.items() if key.endswith(f"_{name}")]
    joined = np.concatenate(found, axis=-1) if found else np.empty(0)
    return np.asarray(joined[~np.isnan(joined)])


def _worth_of_weights(posterior: "Posterior", min_ess: float) -> list[Finding]:
    """How many independent draws the weights behind draws by importance sampling are worth."""
    worth = _figures(posterior, "effective")
    if not worth.size:
        return []
    effective = float(worth.min())
    good = effective >= min_ess
    return [
        Finding(
            "enough independent draws (ESS)",
            Verdict.PASS if good else Verdict.FAIL,
            f"{effective:,.0f}",
            f"at least {min_ess:g}",
            "" if good else "Few weights carry everything.",
            "" if good else "Ask for more draws in [inference], or set engine = 'nuts'.",
            effective,
        )
    ]


def _weights(posterior: "Posterior") -> list[Finding]:
    """The tail of the weights behind draws by importance sampling."""
    tails = _figures(posterior, "pareto_k")
    if not tails.size:
        return []
    k = float(tails.max())
    return [
        Finding(
            "importance weights have a light tail (Pareto k)",
            Verdict.PASS if k <= MAX_PARETO_K else Verdict.FAIL,
            f"{max(k, 0.0):.2f}",
            f"at most {MAX_PARETO_K:g}",
            "" if k <= MAX_PARETO_K else "The proposal misses a part of the posterior.",
            "" if k <= MAX_PARETO_K else "Set engine = 'nuts' in [inference].",
            k,
        )
    ]


def _divergences(posterior: "Posterior") -> list[Finding]:
    """Divergent steps among those that NUTS took."""
    stats = posterior.sample_stats
    flags = {name: values for name, values in stats.items() if name.endswith("_diverging")}
    if not flags:
        return []
    taken = [stats.get(name.replace("diverging", "n_steps"), np.ones(v.shape)) > 0 for name, v in flags.items()]
    count, total = int(sum(v.sum() for v in flags.values())), int(sum(v.sum() for v in taken))
    return [
        Finding(
            "no divergent steps",
            Verdict.PASS if count == 0 else Verdict.FAIL if count > total / 100 else Verdict.REVIEW,
            f"{count:,} of {total:,}",
            "0; more than 1 of 100 fails",
            "" if count == 0 else "The sampler met a region it could not follow; draws there are missing.",
            "" if count == 0 else "Join small cohorts; in a notebook, engine=kw.Nuts(target_accept=0.99).",
            float(count),
        )
    ]


def _rhat_and_ess(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, float], dict[str, float]]:
    """The worst R-hat and the least of bulk and tail ESS of each name, over its cohorts."""
    from arviz_stats.base import array_stats

    rhat, ess = {}, {}
    for name, values in arrays.items():
        by_cohort = np.moveaxis(values.reshape(*values.shape[:2], -1), -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):  # a chain that stands still has no variance to divide by
            rhat[name] = float(np.max(array_stats.rhat(by_cohort)))
            bulk = array_stats.ess(by_cohort, method="bulk")
            tail = array_stats.ess(by_cohort, method="tail", prob=(0.05, 0.95))
        ess[name] = float(min(np.min(bulk), np.min(tail)))
    return rhat, ess


def identification(posterior: "Posterior") -> list[Finding]:
    """Whether dropout is identified, or `a` and `b` run off together along the ridge of equal mean."""
    total = posterior.draws["a"] + posterior.draws["b"]
    prior_total = posterior.prior["a"] + posterior.prior["b"]
    spread = np.log(total).std(axis=(0, 1)) / np.log(prior_total).std()
    beyond = (total > np.quantile(prior_total, RUNAWAY_QUANTILE)).mean(axis=(0, 1))
    loose = (spread > LOOSE_SPREAD) | (beyond > RUNAWAY_SHARE)
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
