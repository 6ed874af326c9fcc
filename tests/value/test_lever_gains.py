"""What levers gain, against customers who are simulated order by order with the effect planted."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest

from kundenwert.names import FrequencyLever
from kundenwert.units import DiscountRate, TimeUnit
from kundenwert.value.lever_gains import Reached, package_gains
from kundenwert.value.lever_plan import plan_levers
from kundenwert.value.levers import EffectDraws, Lever
from kundenwert.value.packages import feasible_packages
from kundenwert.value.settings import Terms

MONTH = 365.25 / 12 / 7
CONTINUOUS = Terms(
    horizon=60.0, churn_horizon=26.0, discount=DiscountRate(0.10).continuous(TimeUnit.WEEK), deactivation=20.0
)
MONTHLY = replace(CONTINUOUS, period=MONTH)
SHAPE, P_ALIVE, OWED_GONE, COUNT = 6.25, 0.6, 0.4, 100_000
MARGIN, ORDER_COST, ACTIVE_COST, FILE_COST = OFFER = 0.35, 4.0, 0.1, 0.05


@dataclass(frozen=True)
class Life:
    """What a customer is like, for as long as nothing changes."""

    rate: float = 0.25
    dropout: float = 0.12
    spend: float = 30.0
    order_cost: float = ORDER_COST
    active_cost: float = ACTIVE_COST
    fee: float = 0.0


ALIVE, BEFORE = Life(), Life(rate=0.4, dropout=0.3)


def paid_until(time, terms):
    """What a euro per time unit comes to, discounted, until some time."""
    if terms.period == 0:
        return -np.expm1(-terms.discount * time) / terms.discount
    month = np.floor(time / terms.period)
    ends = np.exp(-terms.discount * terms.period * np.arange(1, 40))
    whole = np.append(0.0, np.cumsum(terms.period * ends))
    return whole[month.astype(int)] + (time - month * terms.period) * ends[month.astype(int)]


def simulate(phases, terms, rng, count=COUNT):
    """Discounted value of living customers, and when they order first: a coin after each order, nothing else.

    `phases` are (end, Life); the last one ends at the horizon.
    """
    value, alive = np.zeros(count), np.ones(count, dtype=bool)
    left, first = np.full(count, np.inf), np.full(count, np.inf)
    for (begin, _), (end, life) in pairwise([(0.0, None), *phases]):
        ending, here = np.where(alive, end, begin), alive.copy()
        clock = np.full(count, begin)
        while here.any():
            clock[here] += rng.exponential(1 / life.rate, here.sum())
            here &= clock < end
            due = clock[here] if terms.period == 0 else np.ceil(clock[here] / terms.period) * terms.period
            amount = rng.gamma(SHAPE, life.spend / SHAPE, here.sum())
            value[here] += np.exp(-terms.discount * due) * (MARGIN * amount - life.order_cost + life.fee)
            first[here] = np.minimum(first[here], clock[here])
            dies = here & (rng.random(count) < life.dropout)
            left[dies] = ending[dies] = clock[dies]
            alive &= ~dies
            here &= ~dies
        value -= life.active_cost * (paid_until(ending, terms) - paid_until(begin, terms))
    value -= FILE_COST * paid_until(np.minimum(left + terms.deactivation, terms.horizon), terms)
    return value, first


def planted(effect, side=0.0, rise=0.0, take_up=None):
    """An effect that is the same in all draws."""
    share = None if take_up is None else np.full(2, take_up)
    return EffectDraws(np.full(2, effect), np.full(2, side), np.full(2, rise), share)


def computed(levers, effects, terms, p_alive=1.0, frequency=FrequencyLever.FIXED_HAZARD):
    """Gain of all levers together with the customer of this file."""
    packages = feasible_packages(levers, declared=[[lever.name for lever in levers]])
    plan = plan_levers(packages, effects, terms, TimeUnit.WEEK, frequency)
    ones, one = np.ones((1, 2)), np.zeros(1, dtype=np.int64)
    reached = Reached(
        usable=np.ones((1, len(packages)), dtype=bool),
        which=one,
        p_alive=p_alive * ones,
        rate=ALIVE.rate * ones,
        dropout=ALIVE.dropout * ones,
        mean_spend=ALIVE.spend * ones,
        offers=np.array([OFFER]),
        owed_gone=np.array([OWED_GONE]),
        slower=BEFORE.rate / ALIVE.rate * ones,
        past_dropout=BEFORE.dropout * ones,
    )
    found = package_gains(plan, reached)
    assert found.gain[0, 0] == found.chosen_on[0, 0] == found.chance[0, 0] == found.cost[0, 0] == 0.0
    return found.gain[0, packages.position([lever.name for lever in levers])]


def agrees(expected, gained, without):
    """Within four Monte Carlo errors, and so far from 0 that a wrong formula would be seen."""
    error = np.hypot(gained.std(), without.std()) / len(gained) ** 0.5
    assert abs(expected) > 8 * error
    assert expected == pytest.approx(gained.mean() - without.mean(), abs=4 * error)


def changed(**what):
    return replace(ALIVE, **what)


CASES = {
    "retention": ([Lever("a", "retention")], [planted(0.5)], changed(dropout=0.06)),
    "frequency": (
        [Lever("a", "frequency")],
        [planted(0.5)],
        changed(rate=0.25 * np.exp(0.5), dropout=0.12 / np.exp(0.5)),
    ),
    "seldom": ([Lever("a", "frequency")], [planted(-3.0)], changed(rate=0.25 * np.exp(-3.0), dropout=1.0)),
    "spend": ([Lever("a", "spend")], [planted(0.4)], changed(spend=30 * np.exp(0.4))),
    "cost": (
        [Lever("a", "cost_to_serve", fee_per_order=0.5)],
        [planted(0.4, side=0.3)],
        changed(order_cost=2.4, active_cost=0.06, fee=0.5, dropout=0.156),
    ),
    "vip": ([Lever("a", "vip")], [planted(0.6, rise=0.2)], changed(dropout=0.048, order_cost=4 * np.exp(0.2))),
    "two": (
        [Lever("a", "retention"), Lever("b", "frequency")],
        [planted(0.5), planted(0.4)],
        changed(rate=0.25 * np.exp(0.4), dropout=0.06 / np.exp(0.4)),
    ),
    "two of a kind": (
        [Lever("a", "cost_to_serve"), Lever("b", "cost_to_serve", fee_per_order=1.0)],
        [planted(0.5, side=0.1), planted(0.0, side=0.2)],
        changed(order_cost=2.0, active_cost=0.05, fee=1.0, dropout=0.12 * 1.1 * 1.2),
    ),
}


@pytest.mark.parametrize("terms", [CONTINUOUS, MONTHLY], ids=["continuous", "monthly"])
@pytest.mark.parametrize("case", CASES)
def test_each_effect_gains_what_it_gains_in_simulated_events(case, terms):
    levers, effects, life = CASES[case]
    rng = np.random.default_rng(list(CASES).index(case))
    without, _ = simulate([(60.0, ALIVE)], terms, rng)
    treated, _ = simulate([(60.0, life)], terms, rng)
    agrees(computed(levers, effects, terms), treated, without)


def test_with_the_dropout_fixed_orders_come_earlier_and_end_earlier():
    rng = np.random.default_rng(21)
    without, _ = simulate([(60.0, ALIVE)], CONTINUOUS, rng)
    treated, _ = simulate([(60.0, changed(rate=0.25 * np.exp(0.8)))], CONTINUOUS, rng)
    found = computed([Lever("a", "frequency")], [planted(0.8)], CONTINUOUS, frequency=FrequencyLever.FIXED_P)
    agrees(found, treated, without)
    assert found < computed([Lever("a", "frequency")], [planted(0.8)], CONTINUOUS)


@pytest.mark.parametrize("terms", [CONTINUOUS, MONTHLY], ids=["continuous", "monthly"])
def test_effects_that_end_leave_the_customer_as_he_was(terms):
    rng = np.random.default_rng(22)
    levers = [Lever("a", "retention", duration="25 weeks"), Lever("b", "spend", duration="11 weeks")]
    phases = [
        (11.0, changed(dropout=0.02, spend=30 * np.exp(0.5))),
        (25.0, changed(dropout=0.02)),
        (60.0, ALIVE),
    ]
    without, _ = simulate([(60.0, ALIVE)], terms, rng)
    treated, _ = simulate(phases, terms, rng)
    agrees(computed(levers, [planted(5 / 6), planted(0.5)], terms), treated, without)


@pytest.mark.parametrize("terms", [CONTINUOUS, MONTHLY], ids=["continuous", "monthly"])
@pytest.mark.parametrize("help_to_stay", [False, True])
def test_a_reactivation_pays_for_all_and_gains_with_those_who_have_gone(help_to_stay, terms):
    """Contacts and takers are paid one by one; who comes back leaves sooner than before, and has a record again."""
    rng = np.random.default_rng(23)
    levers = [Lever("back", "reactivation", cost_per_contact=0.6, cost_per_taker=5.0, window="4 weeks")]
    effects, staying = [planted(0.3)], 1.0
    if help_to_stay:
        levers.append(Lever("call", "retention", cost_per_contact=0.5, cost_per_taker=2.0, take_up=(0.2, 0.1)))
        effects.append(planted(0.5, take_up=0.2))
        staying = 0.5
    alive = rng.random(COUNT) < P_ALIVE
    without = np.where(alive, simulate([(60.0, ALIVE)], terms, rng)[0], -OWED_GONE)
    treated, first = simulate([(60.0, changed(dropout=staying * 0.12))], terms, rng)
    again, _ = simulate([(60.0, replace(BEFORE, dropout=1.5 * staying * 0.3))], terms, rng)
    returns = rng.random(COUNT) < 0.3
    gained = np.where(alive, treated, np.where(returns, again, -OWED_GONE))
    gained -= 0.6 + 5.0 * np.where(alive, first < 4.0, returns)
    if help_to_stay:
        gained -= 0.5 + 2.0 * (rng.random(COUNT) < 0.2)
    assert computed(levers, effects, terms, P_ALIVE) == pytest.approx(
        gained.mean() - without.mean(), abs=4 * np.hypot(gained.std(), without.std()) / COUNT**0.5
    )


def test_who_comes_back_is_worth_what_simulated_events_say():
    """Without costs, and with nobody alive: the gain is the value of those who come back."""
    rng = np.random.default_rng(24)
    again, _ = simulate([(60.0, replace(BEFORE, dropout=0.45))], CONTINUOUS, rng)
    gained = np.where(rng.random(COUNT) < 0.5, again, -OWED_GONE)
    agrees(computed([Lever("a", "reactivation")], [planted(0.5)], CONTINUOUS, 0.0), gained, np.full(COUNT, -OWED_GONE))


def test_reactivation_costs_and_gains_nothing_where_everybody_is_alive():
    """As BG/NBD takes everybody before the first repeat purchase."""
    lever = Lever("back", "reactivation", cost_per_contact=0.6, cost_per_taker=5.0, window="4 weeks")
    found = computed([lever], [planted(0.3)], CONTINUOUS)
    assert found == pytest.approx(-0.6 - 5.0 * (1 - np.exp(-0.25 * 4.0)), rel=1e-12)
