"""What was promised for the time after the cut against what came: orders in all, and silence by group.

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
MAX_SILENCE_GAP = 0.1
CHANCE_BAND = (0.005, 0.995)
NEARLY_CERTAIN = 0.9
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


def silence_gap(tracking: "Tracking", summary: "CustomerSummary") -> list[Finding]:
    """Stated against observed silence after the cut, for those who bought once and again apart.

    Pooled deciles hide the repeat buyers' gap behind the many one-time buyers, who sit on the diagonal.
    """
    if tracking.observed_total is None:
        return []
    again = summary.table["frequency"].to_numpy() > 0
    silent = tracking.holdout_observed == 0
    stated = tracking.holdout_p_silent
    gaps = {
        name: float(stated[group].mean() - silent[group].mean())
        for name, group in (("once", ~again), ("again", again))
        if group.sum() >= LEAST_OF_A_GROUP
    }
    if not gaps:
        return []
    worst = max(gaps, key=lambda name: abs(gaps[name]))
    beyond = abs(gaps[worst]) > MAX_SILENCE_GAP
    words = [
        f"bought {name}: {10 * stated[group].mean():.1f} of 10 expected silent, {10 * silent[group].mean():.1f} were"
        for name, group in (("once", ~again), ("again", again))
        if name in gaps
    ]
    sure = again & (stated >= NEARLY_CERTAIN)
    cause = ""
    if sure.sum() >= LEAST_OF_A_GROUP and stated[sure].mean() - silent[sure].mean() > MAX_SILENCE_GAP / 2:
        cause = (
            f"Of {int(sure.sum()):,} repeat buyers taken for nearly surely silent "
            f"({10 * stated[sure].mean():.1f} of 10), only {10 * silent[sure].mean():.1f} of 10 were."
        )
    return [
        Finding(
            "silence after the cut, by group",
            Verdict.REVIEW if beyond else Verdict.PASS,
            "; ".join(words),
            f"a gap of at most {10 * MAX_SILENCE_GAP:g} of 10 in either group",
            cause or ("Stated and observed silence differ." if beyond else ""),
            "Compare with family = 'mbgnbd'; test before you stop writing to dormant customers." if cause else "",
            gaps[worst],
            "customers labelled dormant come back more often than stated" if cause else "",
        )
    ]
