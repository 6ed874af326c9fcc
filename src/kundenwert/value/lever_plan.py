"""Packages of levers as compiled code reads them: what each does to a customer, when, and what it costs.

Nothing here depends on a customer, so one plan serves a whole base (docs/statistics.md, section Levers).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from kundenwert.errors import UsageError
from kundenwert.names import FrequencyLever, LeverOn
from kundenwert.units import TimeUnit
from kundenwert.value.counters import FloatArray
from kundenwert.value.eligibility import BoolArray
from kundenwert.value.lever_questions import Parameter, Question, curves_of, sharp_question, unknown_parameters
from kundenwert.value.levers import EffectDraws, Lever
from kundenwert.value.outlook import kept_for
from kundenwert.value.packages import Packages
from kundenwert.value.settings import Terms
from kundenwert.value.variates import IntArray

_ON_GRID = 1e-9  # of a period: a time so near its end is its end
_FACTORS = 5
RATE, SPEND, HAZARD, ORDER_COST, ACTIVE_COST = range(_FACTORS)  # as in kernels.levers, which loads numba

type Regime = tuple[int, ...]  # positions of the levers at work


@dataclass(frozen=True, eq=False)
class Schedule:
    """How time goes by under each package.

    Parameters
    ----------
    first : (package + 1,) where each package's stretches begin.
    regime, length : (stretch,) what is at work, and for how long, in time units.
    weight : (stretch,) what a payment counts, at its beginning or, where `discounted` is False, anywhere in it.
    discounted : (stretch,) whether payments within it are still to be discounted to its beginning.
    """

    first: IntArray
    regime: IntArray
    length: FloatArray
    weight: FloatArray
    discounted: BoolArray

    @property
    def arrays(self) -> tuple[IntArray, IntArray, FloatArray, FloatArray, BoolArray]:
        """The fields."""
        return self.first, self.regime, self.length, self.weight, self.discounted


@dataclass(frozen=True, eq=False)
class LeverPlan:
    """Packages with drawn effects.

    Parameters
    ----------
    packages : P of them.
    terms : how time counts.
    factors, fees : (regime, 5, draw), (regime,) on rate, spend, hazard, cost of an order and of time alive; money per
        order. The first regime, and the first package, are that nothing is done.
    limit : 1 where a customer who orders less often keeps the dropout of an order, 0 where he keeps the hazard.
    schedule, record : how contribution comes in, and how records are kept beyond the first part, which is certain.
    cost_alive, cost_gone : (package, draw) money, takers of a reactivation among the living aside.
    takers : (package, lever of it, 2) money per taker of a reactivation, and for how long the offer stands.
    revives, back : (package,), (package, draw) whether it brings customers back, and with what probability.
    kept : discounted time for which the record of a living customer is kept for certain.
    parameters, curves : those that are not known for certain; (parameter, degree, draw) orthonormal polynomials.
    """

    packages: Packages
    terms: Terms
    factors: FloatArray
    fees: FloatArray
    limit: float
    schedule: Schedule
    record: Schedule
    cost_alive: FloatArray
    cost_gone: FloatArray
    takers: FloatArray
    revives: BoolArray
    back: FloatArray
    kept: float
    parameters: tuple[Parameter, ...]
    curves: FloatArray

    @property
    def draws(self) -> int:
        """Parameter draws."""
        return int(self.factors.shape[2])

    def at(self, draw: int) -> "LeverPlan":
        """The same packages with the effects of one draw in all draws: nothing of them is left to be known."""

        def one(values: FloatArray) -> FloatArray:
            return np.ascontiguousarray(np.broadcast_to(values[..., draw, None], values.shape))

        return replace(
            self,
            factors=one(self.factors),
            cost_alive=one(self.cost_alive),
            cost_gone=one(self.cost_gone),
            back=one(self.back),
            parameters=(),
            curves=self.curves[:0],
        )

    def only(self, *, frequency: bool, retention: bool, spend: bool, cost: bool) -> "LeverPlan":
        """The same packages as if they did only some of what they do; none of it is a package that does nothing.

        Parameters
        ----------
        frequency : they change the rate of orders, and the hazard with it where the dropout of an order is kept.
        retention : they change how soon customers leave, and whether those who have gone come back.
        spend : they change the amount of an order.
        cost : they change what an order and time alive cost and what fees an order pays, and cost money themselves.
        """
        rate = self.factors[:, RATE]
        with_rate = rate**self.limit
        factors = np.ones_like(self.factors)
        factors[:, HAZARD] = (self.factors[:, HAZARD] / with_rate) ** retention * with_rate**frequency
        factors[:, RATE] = rate**frequency
        factors[:, SPEND] = self.factors[:, SPEND] ** spend
        factors[:, [ORDER_COST, ACTIVE_COST]] = self.factors[:, [ORDER_COST, ACTIVE_COST]] ** cost
        return replace(
            self,
            factors=factors,
            fees=self.fees * cost,
            cost_alive=self.cost_alive * cost,
            cost_gone=self.cost_gone * cost,
            takers=self.takers * (cost, 1.0),
            back=self.back * retention,
            parameters=(),
            curves=self.curves[:0],
        )

    @property
    def questions(self) -> tuple[Question, ...]:
        """What each parameter is."""
        return tuple(sharp_question(i, curve) for i, curve in enumerate(self.curves))

    @cached_property
    def concerned(self) -> BoolArray:
        """(parameter, package) whose gain depends on which parameter."""
        found = [[one.lever in names for names in self.packages.names] for one in self.parameters]
        return np.array(found, dtype=bool).reshape(len(self.parameters), len(self.packages))

    @property
    def arrays(self) -> tuple[object, ...]:
        """What `kernels.packages` calls a plan."""
        regimes = (self.factors, self.fees, self.limit)
        costs = (self.cost_alive, self.cost_gone, self.takers)
        comeback = (self.revives, self.back, self.kept)
        return regimes, self.schedule.arrays, self.record.arrays, costs, comeback


def plan_levers(
    packages: Packages,
    effects: Sequence[EffectDraws],
    terms: Terms,
    time_unit: TimeUnit,
    frequency: FrequencyLever = FrequencyLever.FIXED_HAZARD,
) -> LeverPlan:
    """Packages with drawn effects, as compiled code reads them.

    Parameters
    ----------
    packages : from `feasible_packages`.
    effects : (lever,) from `draw_effects`, each with as many draws as customers have.
    terms : how time counts.
    time_unit : of the terms.
    frequency : what stays as it is while customers order more often.

    Returns
    -------
    LeverPlan

    Raises
    ------
    UsageError : effects that do not fit the levers, or fewer than two draws: a package is chosen on one half of them
        and judged on the other.

    Notes
    -----
    docs/statistics.md, section Levers.
    """
    draws = _common_draws(packages.levers, effects)
    levers = packages.levers
    ends = [_ends(lever, terms, time_unit) for lever in levers]
    spans = [_spans(members, levers, ends, terms.horizon) for members in packages.members]
    regimes = {(): 0} | {regime: 0 for span in spans for _, _, regime in span}
    regimes = {regime: position for position, regime in enumerate(regimes)}
    fixed_p = frequency is FrequencyLever.FIXED_P
    back, revives = _comebacks(packages, effects, draws)
    parameters = dict(unknown_parameters(levers, effects))
    return LeverPlan(
        packages=packages,
        terms=terms,
        factors=np.array([_factors(regime, levers, effects, draws, fixed_p) for regime in regimes]),
        fees=np.array([sum(levers[one].fee_per_order for one in regime) for regime in regimes], dtype=np.float64),
        limit=float(fixed_p),
        schedule=_schedule(spans, regimes, terms, 0.0),
        record=_schedule(spans, regimes, terms, terms.deactivation),
        cost_alive=_costs(packages, effects, draws, alive=True),
        cost_gone=_costs(packages, effects, draws, alive=False),
        takers=_takers(packages, time_unit),
        revives=revives,
        back=back,
        kept=float(kept_for(np.array([min(terms.deactivation, terms.horizon)]), terms)[0]),
        parameters=tuple(parameters),
        curves=curves_of(list(parameters.values()), draws),
    )


def _common_draws(levers: Sequence[Lever], effects: Sequence[EffectDraws]) -> int:
    counts = {len(one.effect) for one in effects}
    if len(effects) != len(levers) or len(counts) != 1 or min(counts) < 2:
        raise UsageError(
            f"{len(levers)} levers need the effects of each, with the same number of draws, two or more; not "
            f"{len(effects)} with {', '.join(map(str, sorted(counts))) or 'no'} draws."
        )
    return counts.pop()


def _ends(lever: Lever, terms: Terms, unit: TimeUnit) -> float:
    return terms.horizon if lever.duration is None else min(lever.duration.in_units(unit), terms.horizon)


def _spans(
    members: tuple[int, ...], levers: Sequence[Lever], ends: Sequence[float], horizon: float
) -> list[tuple[float, float, Regime]]:
    """(begin, end, levers at work), one after the other up to the horizon; reactivations change nothing later on."""
    working = [one for one in members if levers[one].on is not LeverOn.REACTIVATION]
    edges = sorted({0.0, horizon, *(ends[one] for one in working)})
    return [(begin, end, tuple(one for one in working if ends[one] > begin)) for begin, end in pairwise(edges)]


def _schedule(
    spans: Sequence[Sequence[tuple[float, float, Regime]]], regimes: dict[Regime, int], terms: Terms, shift: float
) -> Schedule:
    """Spans of each package, all so much later, cut at the horizon and where a period is entered midway."""
    first, found = [0], []
    for span in spans:
        for begin, end, regime in span:
            until = min(end + shift, terms.horizon)
            if begin + shift < until:
                found += [(regimes[regime], *one) for one in _stretches(begin + shift, until, terms)]
        first.append(len(found))
    columns = list(zip(*found, strict=True)) or [(), (), (), ()]
    regime, length, weight, discounted = columns
    return Schedule(
        np.array(first, dtype=np.int64),
        np.array(regime, dtype=np.int64),
        np.array(length, dtype=np.float64),
        np.array(weight, dtype=np.float64),
        np.array(discounted, dtype=bool),
    )


def _stretches(begin: float, end: float, terms: Terms) -> Iterator[tuple[float, float, bool]]:
    """(length, weight, discounted): from the middle of a period to its end all is paid at once, at its end."""
    discount, period = terms.discount, terms.period
    if period and abs(begin / period - round(begin / period)) > _ON_GRID:
        due = math.ceil(begin / period) * period
        yield min(due, end) - begin, math.exp(-discount * due), False
        begin = due
    if begin < end:
        yield end - begin, math.exp(-discount * begin), True


def _factors(
    regime: Regime, levers: Sequence[Lever], effects: Sequence[EffectDraws], draws: int, fixed_p: bool
) -> FloatArray:
    """(5, draw) factors of levers that work together: those of each, multiplied."""
    rate, spend, hazard, order_cost, active_cost = np.ones((_FACTORS, draws))
    for one in regime:
        on, drawn = levers[one].on, effects[one]
        if on is LeverOn.FREQUENCY:
            rate *= np.exp(drawn.effect)
        elif on is LeverOn.SPEND:
            spend *= np.exp(drawn.effect)
        elif on in (LeverOn.RETENTION, LeverOn.VIP):
            hazard *= 1.0 - drawn.effect
        else:
            order_cost *= 1.0 - drawn.effect
            active_cost *= 1.0 - drawn.effect
        hazard *= 1.0 + drawn.side_effect
        order_cost *= np.exp(drawn.cost_rise)
    return np.array([rate, spend, hazard * rate if fixed_p else hazard, order_cost, active_cost])


def _comebacks(packages: Packages, effects: Sequence[EffectDraws], draws: int) -> tuple[FloatArray, BoolArray]:
    """(package, draw) probability that one who has gone comes back, by either of two offers; (package,) any offer."""
    stays, revives = np.ones((len(packages), draws)), np.zeros(len(packages), dtype=bool)
    for p, members in enumerate(packages.members):
        for one in members:
            if packages.levers[one].on is LeverOn.REACTIVATION:
                stays[p] *= 1.0 - effects[one].effect
                revives[p] = True
    return 1.0 - stays, revives


def _costs(packages: Packages, effects: Sequence[EffectDraws], draws: int, *, alive: bool) -> FloatArray:
    """(package, draw) money: contacts, and takers where their number does not depend on the customer's rate."""
    found = np.zeros((len(packages), draws))
    for p, members in enumerate(packages.members):
        for one in members:
            lever, drawn = packages.levers[one], effects[one]
            found[p] += lever.cost_per_contact
            if lever.on is LeverOn.REACTIVATION:
                found[p] += 0.0 if alive else lever.cost_per_taker * drawn.effect
            elif drawn.take_up is not None:
                found[p] += lever.cost_per_taker * drawn.take_up
    return found


def _takers(packages: Packages, unit: TimeUnit) -> FloatArray:
    """(package, lever, 2) money per taker and window of reactivations."""
    size = max(len(members) for members in packages.members)
    found = np.zeros((len(packages), max(size, 1), 2))
    for p, members in enumerate(packages.members):
        for k, one in enumerate(members):
            lever = packages.levers[one]
            if lever.on is LeverOn.REACTIVATION and lever.window is not None:
                found[p, k] = lever.cost_per_taker, lever.window.in_units(unit)
    return found
