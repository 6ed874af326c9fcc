"""Trials that could be made of a lever, and what each outcome would make of what is known of its effect.

A trial's outcome is put into equally likely classes. After each of them every draw of the effect counts by the chance
that it gives this class: that is Bayes' rule, and the curves' means under these weights are the answer
(docs/statistics.md, section Value of information).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, ndtr

from kundenwert.errors import UsageError
from kundenwert.names import LeverOn
from kundenwert.units import Horizon
from kundenwert.value.counters import FloatArray
from kundenwert.value.lever_questions import ANSWERS, Question
from kundenwert.value.levers import Lever

HALVINGS = 80  # of an interval in which a quantile is looked for
REACH = 9.0  # standard errors beyond all draws, where no outcome lies
FEWEST = 2  # customers: one treated, one held out


@dataclass(frozen=True)
class Trial:
    """A randomised trial of one lever, before it is made.

    Half of the customers in it are treated, half are held out. A reactivation is counted instead: all are treated, and
    who comes back is counted.

    Parameters
    ----------
    lever : its name.
    sizes : customers in it, ascending; None for twelve sizes up to all who may get the lever.
    sd : what one customer adds to the error, in the unit of the effect: an estimate from n customers, half of them
        held out, has the standard error `2 sd / sqrt(n)`. None: as the orders, or what is spent, within `window` tell
        it, after what is expected of each customer is taken out. A cost to serve needs it, a reactivation has none.
    window : how long the customers in it are watched, where `sd` is None.
    cost_per_customer : money for each who is treated; None for what reaching out with the lever costs.
    fixed_cost : money.

    Raises
    ------
    UsageError : numbers that cannot be.
    """

    lever: str
    sizes: tuple[int, ...] | None = None
    sd: float | None = None
    window: Horizon | str = "26 weeks"
    cost_per_customer: float | None = None
    fixed_cost: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "window", Horizon.parse(self.window))
        if self.sd is not None and not (math.isfinite(self.sd) and self.sd > 0):
            raise UsageError(f"sd = {self.sd!r} of one customer must be above 0, in the unit of the effect.")
        for name in ("cost_per_customer", "fixed_cost"):
            money = getattr(self, name)
            if money is not None and not (math.isfinite(money) and money >= 0):
                raise UsageError(f"{name} = {money!r} must be money: finite and not negative.")
        if self.sizes is not None:
            object.__setattr__(self, "sizes", _sizes(self.sizes))

    def sizes_up_to(self, customers: int) -> tuple[int, ...]:
        """The sizes that so many customers allow.

        Raises
        ------
        UsageError : none, for a size is larger.
        """
        if self.sizes is None:
            return tuple(np.unique(np.geomspace(min(50, customers), customers, 12).round().astype(int)).tolist())
        if self.sizes[-1] > customers:
            raise UsageError(
                f"a trial of {self.lever!r} with {self.sizes[-1]:,} customers: only {customers:,} may get it."
            )
        return self.sizes

    def cost(self, lever: Lever, size: int) -> float:
        """Money that a trial with so many customers costs."""
        treated = size if lever.on is LeverOn.REACTIVATION else size // 2
        each = lever.cost_per_contact if self.cost_per_customer is None else self.cost_per_customer
        return self.fixed_cost + treated * each


def measured_question(about: int, curve: FloatArray, effect: FloatArray, se: float) -> Question:
    """What an estimate of an effect would tell.

    Parameters
    ----------
    about : position of the parameter in the plan.
    curve, effect : (degree, draw), (draw,) of the parameter.
    se : standard error of the estimate.

    Examples
    --------
    >>> effect = np.linspace(-1.0, 1.0, 200)
    >>> [round(float(np.abs(measured_question(0, effect[None], effect, se).points).max()), 2) for se in (0.01, 1, 100)]
    [0.95, 0.55, 0.01]
    """
    marks = np.arange(1, ANSWERS) / ANSWERS
    low, high = np.full((2, ANSWERS - 1), [[effect.min() - REACH * se], [effect.max() + REACH * se]])

    def below(found: FloatArray) -> FloatArray:
        return np.asarray(ndtr((found[:, None] - effect) / se))

    for _ in range(HALVINGS):
        middle = (low + high) / 2
        under = below(middle).mean(axis=1) < marks
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return _question(about, curve, below(high))


def counted_question(about: int, curve: FloatArray, share: FloatArray, size: int) -> Question:
    """What counting those of some customers who come back would tell.

    Parameters
    ----------
    about : position of the parameter in the plan.
    curve, share : (degree, draw), (draw,) of the parameter.
    size : customers.
    """
    marks = np.arange(1, ANSWERS) / ANSWERS

    def up_to(count: FloatArray) -> FloatArray:
        at_most = np.asarray(bdtr(np.maximum(count, 0.0)[:, None], size, share))
        return np.where(count[:, None] < 0, 0.0, at_most)

    low, high = np.full(len(marks), -1.0), np.full(len(marks), float(size))
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        under = up_to(middle).mean(axis=1) < marks
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    # A count on the edge of two classes is put by chance into either, so that they are equally likely.
    before, after = up_to(high - 1.0), up_to(high)
    step = (after - before).mean(axis=1)
    part = np.divide(marks - before.mean(axis=1), step, out=np.ones_like(step), where=step > 0)
    return _question(about, curve, before + part[:, None] * (after - before))


def standard_error(sd: float, size: int) -> float:
    """Of an estimate from so many customers, half of whom are treated and half held out."""
    return sd * math.sqrt(1.0 / (size // 2) + 1.0 / (size - size // 2))


def _question(about: int, curve: FloatArray, below: FloatArray) -> Question:
    """The curve's means in the classes between some marks.

    Parameters
    ----------
    below : (mark, draw) chance of an outcome below each mark given each draw.
    """
    edges = np.vstack([np.zeros(below.shape[1]), below, np.ones(below.shape[1])])
    weights = np.diff(edges, axis=0)
    means = weights @ curve.T / weights.sum(axis=1, keepdims=True)
    return Question(about, np.asarray(means - means.mean(axis=0)))


def _sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    found = tuple(int(one) for one in sizes)
    if not found or min(found) < FEWEST or list(found) != sorted(set(found)):
        raise UsageError(f"sizes are {list(sizes)}: name numbers of customers, {FEWEST} or more, ascending.")
    return found
