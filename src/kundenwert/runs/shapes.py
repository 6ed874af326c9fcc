"""Results of the library in the shapes that report and plots take."""

import numpy as np

from kundenwert.decisions.actions import Plan
from kundenwert.runs import wording as w
from kundenwert.runs.report_actions import BudgetPoints, Payback
from kundenwert.runs.report_change import EquityBridge, Estimate
from kundenwert.value.bridge import EquityChange
from kundenwert.value.counters import FloatArray
from kundenwert.value.equity import Amount
from kundenwert.value.payback_times import Payback as PaybackTimes


def bridge_of(change: EquityChange) -> EquityBridge:
    """A change of equity as the report shows it."""
    counts = change.customers
    details = {
        "new": f"{w.plural(counts['new'], 'customer')} won",
        "orders": f"{w.plural(counts['orders'], 'repeat order')} of {w.plural(counts['both'], 'customer')}",
        "left": f"{w.plural(counts['left'], 'customer')} not in the log any more",
    }
    return EquityBridge(
        since=change.since,
        start=_amount(change.start),
        parts={name: _amount(part) for name, part in change.parts.items()},
        end=_amount(change.end),
        change=_amount(change.change),
        details={name: words for name, words in details.items() if name in change.parts},
    )


def _amount(amount: Amount) -> Estimate:
    return Estimate(amount.mean, amount.low, amount.high)


def points_of(plan: Plan, interval: float, *, limits_aside: bool) -> BudgetPoints | None:
    """The budget curve of a plan; None where there was no budget.

    Parameters
    ----------
    interval : mass of the intervals.
    limits_aside : whether channels have capacities, which the curve does not know.
    """
    if plan.curve is None:
        return None
    treated = plan.treated
    # The curve is that of everybody chosen; what is withheld from some is taken off in proportion.
    everything = float(plan.table["gain"].sum())
    kept = float(treated["gain"].sum()) / everything if everything > 0 else 1.0
    spread = _relative(plan.by_draw.sum(axis=0), interval)
    gain = kept * plan.curve.gain
    return BudgetPoints(
        budget=plan.curve.budget.tolist(),
        gain=gain.tolist(),
        low=(gain * spread[0]).tolist(),
        high=(gain * spread[1]).tolist(),
        shadow_price=plan.curve.shadow_price.tolist(),
        enough=plan.curve.enough,
        limits_aside=limits_aside,
    )


def payback_of(found: PaybackTimes) -> Payback | None:
    """When customers pay back, as the report shows it; None where all of them have."""
    waiting = int((~found.table["paid_back"]).sum())
    if not waiting:
        return None
    weeks = found.curve["time"].to_numpy() * found.time_unit.days / 7
    chance, gone = found.curve["waiting"].to_numpy(), found.p_never
    median = found.median
    return Payback(
        customers=waiting,
        paid_back=found.paid_back,
        weeks=weeks.tolist(),
        chance=chance.tolist(),
        gone=gone,
        open=max(0.0, 1.0 - float(chance[-1]) - gone),
        median=None if median is None else median * found.time_unit.days / 7,
    )


def estimate_of(draws: FloatArray, interval: float) -> Estimate:
    """Mean and central interval of draws, in money."""
    low, high = np.quantile(draws, [0.5 - interval / 2, 0.5 + interval / 2])
    return Estimate(float(draws.mean()), float(low), float(high))


def _relative(draws: FloatArray, interval: float) -> tuple[float, float]:
    """The ends of an interval over its mean; 1 where there is nothing."""
    one = estimate_of(draws, interval)
    return (one.low / one.mean, one.high / one.mean) if one.mean > 0 else (1.0, 1.0)
