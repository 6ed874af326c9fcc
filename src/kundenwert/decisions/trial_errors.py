"""How much chance one customer adds to a trial, foretold from the posterior: orders or spend within a window.

Whoever evaluates a trial knows what was expected of each customer and takes that out (Deng, Xu, Kohavi, Walker 2013),
so the chance that is left is that of single customers about their own expectation, not that between customers.
"""

import math

import numpy as np

from kundenwert.decisions.losses import FloatArray, IntArray
from kundenwert.errors import UsageError
from kundenwert.families.identity import annuity
from kundenwert.names import LeverOn
from kundenwert.units import Horizon
from kundenwert.value.actual import simulate_value
from kundenwert.value.ahead import Ahead
from kundenwert.value.appraisal import Appraisal
from kundenwert.value.counters import Purpose
from kundenwert.value.levers import Lever, lever_effects
from kundenwert.value.outlook import Outlook
from kundenwert.value.settings import Terms

HAZARDS = (LeverOn.RETENTION, LeverOn.VIP)


def errors_of_one(
    appraisal: Appraisal, lever: Lever, window: Horizon | str, who: IntArray, threads: int | None
) -> float:
    """Standard deviation of what one customer adds to an estimate of a lever's effect, in the unit of the effect.

    Effects on the rate of orders are the logarithm of a ratio of orders, those on spend one of money; a hazard shows in
    orders too, by as much as they respond to it within the window.

    Parameters
    ----------
    window : how long customers are watched.
    who : (customer,) positions of those in the trial.

    Raises
    ------
    UsageError : a lever whose effect neither orders nor money tell, or nothing to be watched.
    """
    if lever.on is LeverOn.COST_TO_SERVE:
        raise UsageError(
            f"a trial of {lever.name!r}: orders do not tell what is saved. State sd, the standard deviation of the "
            "share of costs that one customer saves."
        )
    unit, share = appraisal.settings.time_unit, lever_effects(lever)[Purpose.EFFECT].mean
    length = Horizon.parse(window).in_units(unit)
    terms = Terms(horizon=length, churn_horizon=length, discount=0.0)

    def look(outlook: Outlook) -> FloatArray:
        block, rows = outlook.block, len(outlook.rows)
        nothing = np.zeros(rows)
        spent = Ahead(np.ones(rows), nothing, nothing, nothing, returned=None, uniform=True)
        future = simulate_value(Outlook(block, outlook.rows, spent, terms))
        seen = future.value if lever.on is LeverOn.SPEND else future.orders
        expected = np.zeros(2)
        if lever.on in HAZARDS:
            hazard, often = block.rate * block.dropout, block.p_alive * block.rate
            expected[:] = [(often * annuity(hazard * (1.0 - e), length)).mean(axis=1).sum() for e in (0.0, share)]
        return np.array([seen.var(axis=1).sum(), seen.mean(axis=1).sum(), *expected])

    sums = np.zeros(4)
    for _, _, found in appraisal.stream(look, rows=who, stage="trials", threads=threads):
        sums += found
    variance, mean, before, after = sums.tolist()
    if not mean > 0:
        raise UsageError(f"a trial of {lever.name!r}: nobody is expected to order within {window}. Watch for longer.")
    one = math.sqrt(variance * len(who)) / mean
    return one if lever.on not in HAZARDS else one * share / math.log(after / before)
