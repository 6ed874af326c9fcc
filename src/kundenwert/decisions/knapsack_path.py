"""The relaxation of the knapsack, in which actions can be split: hulls of (cost, gain), walked by gain per euro.

Source: Kellerer, Pferschy, Pisinger 2004, section 11.2.
"""

import math
from dataclasses import dataclass

import numpy as np

from kundenwert.decisions.losses import FloatArray, IntArray

ROUNDING = 1e-12  # relative; three times 0.10 must fit into 0.30


@dataclass(frozen=True)
class Options:
    """Cost and gain, each (customer, option); option 0 is to do nothing, option l + 1 is action l."""

    cost: FloatArray
    gain: FloatArray

    def sums(self, choice: IntArray) -> tuple[float, float]:
        """Cost and gain of all choices; exact sums, so that they do not depend on the order of rows."""
        rows = np.arange(len(choice))
        return math.fsum(self.cost[rows, choice]), math.fsum(self.gain[rows, choice])


@dataclass(frozen=True)
class Path:
    """Increments along every customer's hull, by falling gain per euro.

    `start` (customer,) is the best free option; `customer`, `option`, `slope` are (increment,); `spent` and `gained`
    are (increment + 1,), sums before the first and after each.
    """

    start: IntArray
    customer: IntArray
    option: IntArray
    slope: FloatArray
    spent: FloatArray
    gained: FloatArray

    def fitting(self, budget: FloatArray | float) -> IntArray:
        """How many increments fit, from the first."""
        return np.asarray(np.searchsorted(self.spent, np.asarray(budget) * (1.0 + ROUNDING), "right") - 1)

    def choice(self, taken: int) -> IntArray:
        """(customer,) options after so many increments; of one customer's the last counts."""
        choice = self.start.copy()
        choice[self.customer[:taken]] = self.option[:taken]
        return choice

    def price(self, budget: FloatArray | float) -> FloatArray:
        """Gain per euro of the increment that the budget ends in, 0 beyond the last."""
        ends = np.searchsorted(self.spent[1:], np.asarray(budget) * (1.0 - ROUNDING), "left")
        return np.append(self.slope, 0.0)[ends]

    def bound(self, budget: FloatArray | float) -> FloatArray:
        """Gain where the increment that the budget ends in can be split."""
        return np.asarray(np.interp(budget, self.spent, self.gained))


def walk(options: Options) -> Path:
    """Walks along all hulls at once: from where a customer is the steepest way up, of equal ones to the nearest."""
    cost, gain = options.cost, options.gain
    everybody = np.arange(len(cost))
    start = np.where(cost == 0, gain, -np.inf).argmax(axis=1)
    rows, at, least = everybody, start, np.full(len(cost), np.inf)
    steps = []
    while True:
        run = cost[rows] - cost[rows, at][:, None]
        rise = gain[rows] - gain[rows, at][:, None]
        with np.errstate(over="ignore"):  # a cost of next to nothing: steeper than any number, and first in line
            slope = np.divide(rise, run, out=np.zeros_like(run), where=(rise > 0) & (run > 0))
        steepest = slope.max(axis=1, initial=0.0)
        on = steepest > 0
        if not on.any():
            break
        nearest = np.where(slope == steepest[:, None], run, np.inf).argmin(axis=1)
        least = np.minimum(steepest, least)[on]  # rounding must not let a customer's second step overtake his first
        before, rows, at = at[on], rows[on], nearest[on]
        steps.append((rows, at, least, cost[rows, at] - cost[rows, before], gain[rows, at] - gain[rows, before]))
    if not steps:
        steps.append((everybody[:0], start[:0], np.zeros(0), np.zeros(0), np.zeros(0)))
    customer, option, slope, run, rise = (np.concatenate(part) for part in zip(*steps, strict=True))
    order = np.lexsort((customer, -slope))  # stable, and steps stand in their order
    free = math.fsum(gain[everybody, start])
    spent, gained = np.append(0.0, np.cumsum(run[order])), np.append(free, free + np.cumsum(rise[order]))
    return Path(start, customer[order], option[order], slope[order], spent, gained)
