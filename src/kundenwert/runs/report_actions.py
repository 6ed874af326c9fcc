"""What to do and what it may cost, in the shapes that report and plots take: actions, budgets, payback, ceilings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from kundenwert.errors import UsageError
from kundenwert.names import PotentialBasis
from kundenwert.runs.report_change import TOLERANCE, Estimate


@dataclass(frozen=True)
class ActionLine:
    """What one action is given to and brings.

    Parameters
    ----------
    name : of the lever or package.
    customers : for whom it was chosen, those held out among them.
    cost : expected cost of those who get it, in money.
    gain : expected gain net of that cost.
    chance : that it gains at all.
    held_out : customers from whom it is withheld at random, to learn what it brings.
    assumed : whether its effect rests on what was declared alone, because no experiment has tested it.
    labels : label -> customers of it for whom it was chosen; empty where nobody counted.

    Raises
    ------
    UsageError : more held out than chosen, labels that do not add up, a negative cost, or a chance that is none.
    """

    name: str
    customers: int
    cost: float
    gain: Estimate
    chance: float
    held_out: int = 0
    assumed: bool = True
    labels: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.labels and sum(self.labels.values()) != self.customers:
            raise UsageError(f"action {self.name!r}: its labels hold {sum(self.labels.values())} of {self.customers}.")
        if not 0 <= self.held_out <= self.customers:
            raise UsageError(f"action {self.name!r}: {self.held_out} held out of {self.customers} customers.")
        if not (math.isfinite(self.cost) and self.cost >= 0):
            raise UsageError(f"action {self.name!r} costs {self.cost}. A cost is a number of at least 0.")
        _chance(f"action {self.name!r}", self.chance)


@dataclass(frozen=True)
class BudgetPoints:
    """What budgets would bring, each (budget,), smallest first.

    Parameters
    ----------
    budget : in money.
    gain, low, high : expected net gain of the best use of it, with its interval.
    shadow_price : expected net gain of one more euro.
    enough : budget after which another euro no longer pays.
    limits_aside : whether the plan kept to limits of contacts that these budgets know nothing of.

    Raises
    ------
    UsageError : lengths that differ, fewer than two budgets, or budgets that do not rise.
    """

    budget: Sequence[float]
    gain: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    shadow_price: Sequence[float]
    enough: float
    limits_aside: bool = False

    def __post_init__(self) -> None:
        lines = (self.budget, self.gain, self.low, self.high, self.shadow_price)
        if len(self.budget) < 2 or len({len(line) for line in lines}) > 1:
            raise UsageError("a budget curve has at least two budgets and as many gains, ends and shadow prices.")
        _rising("budgets", self.budget)


@dataclass(frozen=True)
class ChannelUse:
    """What a plan takes of a channel with a limit.

    Parameters
    ----------
    name : of the channel.
    contacts, limit : planned, the held out among them, and possible.
    price : expected net gain of its last contact, in money.
    """

    name: str
    contacts: int
    limit: int
    price: float


@dataclass(frozen=True)
class ActionPlan:
    """Who gets what, and what it is expected to bring.

    Parameters
    ----------
    actions : those that somebody gets.
    gain : of all of them, net of cost.
    loss_chance : that the plan brings less than it costs.
    budget : money that was given, None where none was.
    shadow_price : expected net gain of one more euro, None without a budget.
    curve : what other budgets would bring, None where nobody computed it.
    withheld : expected cost of the actions of those held out, which is planned and not spent.
    untested : levers of the plan's actions that no experiment has tested.
    channels : those with a limit.

    Raises
    ------
    UsageError : gains that do not add up, or a plan that costs more than the budget.
    """

    actions: Sequence[ActionLine]
    gain: Estimate
    loss_chance: float
    budget: float | None = None
    shadow_price: float | None = None
    curve: BudgetPoints | None = None
    withheld: float = 0.0
    untested: Sequence[str] = ()
    channels: Sequence[ChannelUse] = ()

    def __post_init__(self) -> None:
        total = math.fsum(a.gain.mean for a in self.actions)
        size = max(self.cost, abs(total), 1.0)
        if abs(total - self.gain.mean) > TOLERANCE * size:
            raise UsageError(f"the actions gain {total:,.2f} and the plan {self.gain.mean:,.2f}: they must add up.")
        planned = self.cost + self.withheld
        if self.budget is not None and planned > self.budget + TOLERANCE * size:
            raise UsageError(f"the actions cost {planned:,.2f}, the budget is {self.budget:,.2f}.")
        _chance("a plan", self.loss_chance)

    @property
    def cost(self) -> float:
        """Expected cost of all actions together."""
        return math.fsum(a.cost for a in self.actions)


@dataclass(frozen=True)
class Payback:
    """When customers who have not yet brought back what it cost to win them will have done so.

    Parameters
    ----------
    customers : whose cost to win is known and not yet brought back.
    paid_back : customers who have brought it back already (counted).
    weeks : from today, rising, the last one the horizon.
    chance : (week,) mean chance to have paid back by then.
    gone, open : chance not to have done so by the last week, because the customer is gone, or although he is not.
    median : weeks after which half have paid back, None where fewer than half do.

    Raises
    ------
    UsageError : lengths that differ, weeks or chances that fall, chances that do not add up to 1, or a median
        that is not the curve's.
    """

    customers: int
    paid_back: int
    weeks: Sequence[float]
    chance: Sequence[float]
    gone: float
    open: float
    median: float | None = None

    def __post_init__(self) -> None:
        if len(self.weeks) < 2 or len(self.weeks) != len(self.chance):
            raise UsageError("a payback curve has at least two weeks and as many chances.")
        _rising("weeks", self.weeks)
        if any(later < earlier for earlier, later in pairwise(self.chance)):
            raise UsageError("chances to have paid back cannot fall with time.")
        if abs(self.chance[-1] + self.gone + self.open - 1) > TOLERANCE:
            raise UsageError("the chances to have paid back, to be gone and to be open still must add up to 1.")
        if self.median is not None and not self._half(self.median):
            raise UsageError(f"half have paid back after {self.median:g} weeks, says the median; the curve does not.")

    def _half(self, week: float) -> bool:
        """Whether the chances beside a week lie on both sides of one half."""
        before = [p for t, p in zip(self.weeks, self.chance, strict=True) if t <= week]
        after = [p for t, p in zip(self.weeks, self.chance, strict=True) if t >= week]
        return bool(before and after and before[-1] <= 0.5 + TOLERANCE and after[0] >= 0.5 - TOLERANCE)


@dataclass(frozen=True)
class BreakEven:
    """The most that winning a customer of a cohort may cost.

    Parameters
    ----------
    cohort : its label.
    value : of a new customer, first order included: at this cost he pays back on average.
    cautious : 20 % quantile of it: at this cost the average new customer pays back with a chance of 8 of 10.
    cost : what it has cost on average, None where it is not known.
    """

    cohort: str
    value: Estimate
    cautious: float
    cost: float | None = None


@dataclass(frozen=True)
class RoomOfBasis:
    """All room together by one basis of potential.

    Parameters
    ----------
    basis : which one.
    words : what it rests on, as the tile says it: "peers' frontier .80, a quarter of the gap".
    room : of the whole base, in money.
    used : whether the figures of this run rest on it; exactly one does.
    """

    basis: PotentialBasis
    words: str
    room: float
    used: bool = False


@dataclass(frozen=True)
class Objected:
    """Customers who objected to profiling: counted in the total, named in no list.

    Parameters
    ----------
    customers : how many.
    value : their expected value together, which the base's total holds and no label does.
    """

    customers: int
    value: float


def _chance(what: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UsageError(f"{what} has a chance of {value}. A chance lies between 0 and 1.")


def _rising(what: str, values: Sequence[float]) -> None:
    if any(later <= earlier for earlier, later in pairwise(values)):
        raise UsageError(f"{what} must rise from one to the next.")
