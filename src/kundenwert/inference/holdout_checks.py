"""What was promised for the time after the cut against what came: orders in all, and who came back, by group.

Source: docs/statistics.md, section Predictive checks.
"""

from typing import TYPE_CHECKING

import numpy as np

from kundenwert.inference.findings import Finding
from kundenwert.names import Verdict

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.predictive import Tracking

MAX_BIAS = 0.25
CHANCE_BAND = (0.005, 0.995)
CHANCE_ERRORS = 2.58  # of the normal distribution, the same 99 %
NEARLY_CERTAIN = 0.9
WRITTEN_OFF_GAP = 0.05
LEAST_OF_A_GROUP = 50


def holdout_bias(tracking: "Tracking", max_bias: float = MAX_BIAS) -> list[Finding]:
    """Expected against observed repeat purchases after the cut; empty where the log holds nothing after it.

    A bias beyond the limit fails only where chance cannot explain it: a holdout of a day holds a handful of orders,
    and a sound forecast of five misses by half now and then.
    """
    came = tracking.observed_total
    if came is None:
        return []
    expected = float(tracking.holdout_expected.sum())
    low, high = np.quantile(tracking.holdout_total, [0.05, 0.95])
    least, most = np.quantile(tracking.holdout_total, CHANCE_BAND)
    few, inside = expected < came, bool(low <= came <= high)
    bias = expected / came - 1 if came else float(expected > 0)
    beyond, chance = abs(bias) > max_bias, bool(least <= came <= most)
    verdict = Verdict.FAIL if beyond and not chance else Verdict.PASS
    said = f"{abs(bias):.0%} too {'few' if few else 'many'}" if came else "none"
    more = "more" if few else "less"
    if beyond:
        cause = (
            "So few orders were expected that chance alone explains the difference."
            if chance
            else f"Customers ordered {more} than their past and chance together say."
        )
    else:
        cause = "" if inside else f"Customers ordered {more} than their past says."
    return [
        Finding(
            "repeat orders after the cut",
            verdict,
            f"expected {expected:,.0f} ({low:,.0f} to {high:,.0f}), came {came:,}: {said}",
            f"bias at most {max_bias:.0%}, unless chance explains it",
            cause,
            "Was there a campaign, a season or a change in the data after the cut?" if verdict is Verdict.FAIL else "",
            bias,
            "" if inside else f"values are more likely too {'low than too high' if few else 'high than too low'}",
        )
    ]


def return_bias(tracking: "Tracking", summary: "CustomerSummary", max_bias: float = MAX_BIAS) -> list[Finding]:
    """Customers expected to order after the cut against those who did, bought once and bought again apart.

    Pooled deciles hide the repeat buyers' gap behind the many one-time buyers, who sit on the diagonal.
    """
    if tracking.observed_total is None:
        return []
    again = summary.table["frequency"].to_numpy() > 0
    returned, stated = tracking.holdout_observed > 0, 1.0 - tracking.holdout_p_silent
    words, bias, beyond = [], {}, []
    for name, group in (("once", ~again), ("again", again)):
        if group.sum() < LEAST_OF_A_GROUP:
            continue
        expected, came = float(stated[group].sum()), int(returned[group].sum())
        bias[name] = expected / came - 1 if came else float(expected > 0)
        errors = abs(expected - came) / max(float(np.sqrt((stated * (1 - stated))[group].sum())), 1e-12)
        beyond += [name] if abs(bias[name]) > max_bias and errors > CHANCE_ERRORS else []
        words.append(
            f"bought {name}: {10 * stated[group].mean():.1f} of 10 expected, {10 * returned[group].mean():.1f} did"
        )
    if not words:
        return []
    cause = _written_off(again, stated, returned)
    return [
        Finding(
            "who orders again after the cut, by group",
            Verdict.REVIEW if beyond else Verdict.PASS,
            "; ".join(words),
            f"bias at most {max_bias:.0%} in each group, unless chance explains it",
            cause or (f"The model misjudges customers who bought {' and '.join(beyond)}." if beyond else ""),
            "Compare with family = 'mbgnbd'; test before you stop writing to dormant customers." if cause else "",
            max(bias.values(), key=abs),
            "customers labelled dormant come back more often than stated" if cause else "",
        )
    ]


def _written_off(again: np.ndarray, stated: np.ndarray, returned: np.ndarray) -> str:
    """A sentence on repeat buyers whom the model took for gone and who came back, or nothing."""
    sure = again & (stated <= 1 - NEARLY_CERTAIN)
    if sure.sum() < LEAST_OF_A_GROUP or returned[sure].mean() - stated[sure].mean() <= WRITTEN_OFF_GAP:
        return ""
    return (
        f"Of {int(sure.sum()):,} repeat buyers taken for nearly surely gone, {10 * stated[sure].mean():.1f} of 10 were "
        f"expected to order and {10 * returned[sure].mean():.1f} did."
    )
