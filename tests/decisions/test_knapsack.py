"""Allocations against brute force, HiGHS on the same problem, and hulls drawn one customer at a time."""

import itertools

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from kundenwert.decisions.knapsack import allocate, budget_points
from kundenwert.decisions.knapsack_path import Options, walk
from kundenwert.errors import UsageError

CHANNELS = ["mail", "call", None, "mail"]


def world(seed, customers, actions):
    """Costs and gains that are correlated; one action in ten is free, a third loses money."""
    rng = np.random.default_rng(seed)
    cost = rng.gamma(1.5, 2.0, (customers, actions)) * (rng.random((customers, actions)) > 0.1)
    gain = rng.gamma(2.0, 1.0, (customers, actions)) * np.sqrt(cost + 0.2)
    return cost, gain * np.where(rng.random((customers, actions)) < 0.3, -1.0, 1.0)


def worth(table, action):
    rows = np.flatnonzero(action >= 0)
    return table[rows, action[rows]].sum()


def constraints(cost, budget, channel, capacities):
    """Rows over customers x actions: one action a customer, the budget, each channel."""
    customers, actions = cost.shape
    rows = [np.kron(np.eye(customers), np.ones(actions)), cost.reshape(1, -1)]
    rows += [np.tile([name == one for one in channel], customers)[None, :].astype(float) for name in capacities]
    return np.vstack(rows), np.array([*np.ones(customers), budget, *capacities.values()])


def best_by_milp(cost, gain, budget, channel=(), capacities=None):
    rows, upper = constraints(cost, budget, channel, capacities or {})
    whole = np.ones(gain.size, dtype=int)
    found = milp(
        -gain.ravel(),
        constraints=LinearConstraint(rows, ub=upper),
        integrality=whole,
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0.0},
    )
    assert found.status == 0
    return -found.fun


def relaxed(cost, gain, budget, channel=(), capacities=None):
    """The bound, and the prices of the budget and of the channels."""
    rows, upper = constraints(cost, budget, channel, capacities or {})
    found = linprog(-gain.ravel(), rows, upper, bounds=(0, None))
    return -found.fun, -found.ineqlin.marginals[len(cost) :]


def best_by_trying_all(cost, gain, budget, channel=(), capacities=None):
    """Every one of the (actions + 1)^customers choices."""
    best = 0.0
    for choice in itertools.product(range(-1, cost.shape[1]), repeat=len(cost)):
        action = np.array(choice)
        if worth(cost, action) <= budget * (1 + 1e-12) and all(
            sum(one >= 0 and channel[one] == name for one in choice) <= limit
            for name, limit in (capacities or {}).items()
        ):
            best = max(best, worth(gain, action))
    return best


def largest_increment(cost, gain):
    """Of the upper hulls, drawn point by point (Andrew 1979)."""
    largest = 0.0
    for costs, gains in zip(cost, gain, strict=True):
        hull = [(0.0, max(0.0, gains[costs == 0].max(initial=0.0)))]
        for x, y in sorted(zip(costs, gains, strict=True)):
            while len(hull) > 1 and rises_faster(hull[-2], hull[-1], (x, y)):
                hull.pop()
            if y > hull[-1][1] and x > hull[-1][0]:
                hull.append((x, y))
        largest = max([largest, *(b[1] - a[1] for a, b in itertools.pairwise(hull))])
    return largest


def rises_faster(a, b, c):
    return c[1] > b[1] and (c[1] - a[1]) * (b[0] - a[0]) >= (b[1] - a[1]) * (c[0] - a[0])


def holds(found, cost, gain, budget, channel=(), capacities=None):
    """What is reported is what was chosen, and it keeps to every limit."""
    assert found.spent == pytest.approx(worth(cost, found.action), rel=1e-12, abs=1e-12)
    assert found.gain == pytest.approx(worth(gain, found.action), rel=1e-12, abs=1e-12)
    assert found.spent <= budget * (1 + 1e-12)
    assert found.gain <= found.lp_bound
    for name, limit in (capacities or {}).items():
        made = sum(one >= 0 and channel[one] == name for one in found.action)
        assert found.contacts[name] == made <= limit
    return True


@pytest.mark.parametrize("seed", range(12))
def test_six_customers_and_three_actions_get_the_best_of_all_choices(seed):
    cost, gain = world(seed, 6, 3)
    budget = [1.0, 4.0, 9.0][seed % 3]
    found = allocate(cost, gain, budget)
    assert found.exact
    assert holds(found, cost, gain, budget)
    assert found.gain == pytest.approx(best_by_trying_all(cost, gain, budget), rel=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_six_customers_with_capacities_too(seed):
    cost, gain = world(100 + seed, 6, 3)
    limits = {"mail": 2, "call": seed % 2}
    found = allocate(cost, gain, 8.0, capacities=limits, channel=CHANNELS[:3])
    assert found.exact
    assert holds(found, cost, gain, 8.0, CHANNELS, limits)
    assert found.gain == pytest.approx(best_by_trying_all(cost, gain, 8.0, CHANNELS, limits), rel=1e-9)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("customers", "actions"), [(66, 3), (20, 10), (200, 1)])
def test_up_to_two_hundred_it_is_the_best_of_integer_programming(seed, customers, actions, tell_figure):
    cost, gain = world(600 + seed, customers, actions)
    channel = (CHANNELS * 3)[:actions]
    for limits in ({}, {"mail": customers // 5}, {"mail": customers // 8, "call": 2} if actions > 1 else {}):
        found = allocate(cost, gain, customers * 0.7, capacities=limits, channel=channel)
        assert found.exact
        assert holds(found, cost, gain, customers * 0.7, channel, limits)
        best = best_by_milp(cost, gain, customers * 0.7, channel, limits)
        who = f"{customers} customers, {actions} actions, {len(limits)} capacities"
        if seed == 0:
            tell_figure(f"gain under a budget: {who}", f"{best:.6f} (`milp`)", f"{found.gain:.6f}")
        assert found.gain == pytest.approx(best, rel=1e-6)


def test_ties_without_end_are_given_up_for_something_good():
    """Every euro brings one, costs are even and the budget is odd: no choice reaches the bound, too many come near."""
    cost = 2.0 * np.random.default_rng(0).integers(1, 10**6, (200, 1))
    gain, budget = cost, 7e7 + 1.0
    found = allocate(cost, gain, budget)
    assert not found.exact
    assert holds(found, cost, gain, budget)
    assert found.gain >= 0.999 * found.lp_bound
    np.testing.assert_array_equal(found.action, allocate(cost, gain, budget).action)


@pytest.mark.parametrize("seed", range(8))
def test_bounds_and_prices_are_those_of_linear_programming(seed):
    cost, gain = world(200 + seed, 70, 4)
    for budget in (5.0, 40.0, 120.0):
        found = allocate(cost, gain, budget)
        bound, prices = relaxed(cost, gain, budget)
        assert found.lp_bound == pytest.approx(bound, rel=1e-9)
        assert found.shadow_price == pytest.approx(prices[0], rel=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_beyond_the_exact_size_less_than_one_increment_is_lost(seed):
    cost, gain = world(300 + seed, 70, 4)
    for budget in (5.0, 40.0):
        found = allocate(cost, gain, budget)
        best = best_by_milp(cost, gain, budget)
        assert not found.exact
        assert holds(found, cost, gain, budget)
        assert found.lp_bound * (1 + 1e-9) >= best >= found.gain * (1 - 1e-9)
        assert found.gain >= found.lp_bound - largest_increment(cost, gain)
        assert found.gain >= budget_points(cost, gain, [budget]).gain[0] * (1 - 1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_capacities_are_met_and_hardly_anything_is_lost(seed):
    """The relaxation splits at most one customer for the budget and one for each channel."""
    cost, gain = world(400 + seed, 70, 4)
    cases = [(60.0, {"mail": 12}), (40.0, {"mail": 9, "call": 6}), (1e3, {"call": 0, "mail": 20})]
    for budget, limits in [*cases, (9.0, {"call": 0, "mail": 5}), (0.0, {"mail": 2, "call": 3})]:
        found = allocate(cost, gain, budget, capacities=limits, channel=CHANNELS)
        best = best_by_milp(cost, gain, budget, CHANNELS, limits)
        bound, _ = relaxed(cost, gain, budget, CHANNELS, limits)
        assert not found.exact
        assert holds(found, cost, gain, budget, CHANNELS, limits)
        assert found.lp_bound == pytest.approx(bound, rel=1e-6)
        assert found.lp_bound * (1 + 1e-9) >= best >= found.gain * (1 - 1e-9)
        assert found.gain >= 0.99 * best
        assert found.gain >= found.lp_bound - (1 + len(limits)) * gain.max()


@pytest.mark.parametrize("seed", range(4))
def test_prices_of_contacts_are_what_one_more_would_bring(seed):
    """Between what the last contact brought and what the next one would, in the relaxation."""
    cost, gain = world(500 + seed, 300, 4)
    limits = {"mail": 40, "call": 25}
    found = allocate(cost, gain, 200.0, capacities=limits, channel=CHANNELS)
    value = {
        change: relaxed(cost, gain, 200.0 + change[0], CHANNELS, {"mail": 40 + change[1], "call": 25 + change[2]})[0]
        for change in ((0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))
    }
    prices = [found.shadow_price, found.contact_prices["mail"], found.contact_prices["call"]]
    for up, price in zip(np.eye(3, dtype=int), prices, strict=True):
        more, less = value[tuple(up)] - value[0, 0, 0], value[0, 0, 0] - value[tuple(-up)]
        assert more - 1e-3 <= price <= less + 1e-3
    assert min(prices) > 0


def test_capacities_that_nobody_reaches_change_nothing():
    cost, gain = world(1, 300, 4)
    free = allocate(cost, gain, 100.0)
    wide = allocate(cost, gain, 100.0, capacities={"mail": 300}, channel=CHANNELS)
    np.testing.assert_array_equal(free.action, wide.action)
    assert wide.contact_prices == {"mail": 0.0}
    assert wide.lp_bound == free.lp_bound


def test_a_channel_without_contacts_is_priced_at_its_first():
    """One customer in two can be called, and that is the best for nobody else."""
    gain = np.tile([[5.0, 2.0], [0.0, 2.0]], (150, 1))
    found = allocate(np.ones((300, 2)), gain, 1e3, capacities={"call": 0}, channel=["call", None])
    assert found.gain == 600.0
    assert found.contact_prices["call"] == 3.0


def test_the_shadow_price_falls_as_the_budget_grows():
    cost, gain = world(7, 200, 5)
    budgets = np.linspace(0.0, 900.0, 60)
    single = [allocate(cost, gain, budget) for budget in budgets]
    prices = np.array([found.shadow_price for found in single])
    assert (np.diff(prices) <= 0).all()
    assert prices[0] > prices[30] > prices[-1] == 0.0
    curve = budget_points(cost, gain, budgets)
    np.testing.assert_array_equal(curve.shadow_price, prices)
    bounds = np.array([found.lp_bound for found in single])
    np.testing.assert_allclose(curve.lp_bound, bounds, rtol=1e-12)
    slopes = np.diff(bounds) / np.diff(budgets)
    assert ((prices[1:] <= slopes + 1e-9) & (slopes <= prices[:-1] + 1e-9)).all()


def test_the_curve_is_a_walk_that_ends_where_no_euro_pays():
    cost, gain = world(8, 400, 5)
    budgets = np.array([50.0, 0.0, 1e6, 900.0, 3.0])
    curve = budget_points(cost, gain, budgets)
    order = np.argsort(budgets)
    assert (np.diff(curve.gain[order]) > 0).all()
    assert (curve.spent <= budgets).all()
    assert (curve.lp_bound - curve.gain >= -1e-9).all()
    assert (curve.lp_bound - curve.gain < largest_increment(cost, gain)).all()
    everything = allocate(cost, gain, 1e6)
    assert curve.enough == pytest.approx(everything.spent, rel=1e-12)
    assert curve.gain[2] == pytest.approx(everything.gain, rel=1e-12)
    assert allocate(cost, gain, curve.enough * 1.01).shadow_price == 0.0
    assert allocate(cost, gain, curve.enough * 0.99).shadow_price > 0.0


def test_money_is_left_where_nothing_pays():
    cost, gain = np.array([[2.0, 5.0]]), np.array([[3.0, 2.9]])
    found = allocate(cost, gain, 100.0)
    assert (found.action.tolist(), found.spent, found.shadow_price) == ([0], 2.0, 0.0)


@pytest.mark.parametrize("customers", [5, 500])
def test_nobody_gets_what_only_loses(customers):
    found = allocate(np.full((customers, 3), 0.5), np.full((customers, 3), -0.1), 100.0)
    assert set(found.action) == {-1}
    assert (found.spent, found.gain, found.shadow_price, found.lp_bound) == (0.0, 0.0, 0.0, 0.0)
    nothing = allocate(np.zeros((customers, 3)), np.zeros((customers, 3)), 100.0)
    assert set(nothing.action) == {-1}


@pytest.mark.parametrize("customers", [5, 500])
def test_without_a_budget_everybody_gets_his_best_free_action(customers):
    cost = np.tile([0.0, 0.0, 1.0], (customers, 1))
    gain = np.tile([1.0, 2.0, 9.0], (customers, 1))
    found = allocate(cost, gain, 0.0)
    assert set(found.action) == {1}
    assert (found.spent, found.gain) == (0.0, 2.0 * customers)
    assert found.shadow_price == 7.0  # what the first euro would bring
    one = allocate(cost, gain, 1.0)
    assert sorted(one.action)[-2:] == [1, 2]


def test_without_money_and_contacts_both_have_the_price_of_their_first_buyer():
    cost = np.tile([0.0, 2.0], (200, 1))
    gain = np.column_stack([np.arange(1.0, 201.0), np.full(200, 3.0)])
    found = allocate(cost, gain, 0.0, capacities={"mail": 0}, channel=["mail", None])
    assert (found.gain, found.lp_bound) == (0.0, 0.0)
    assert found.shadow_price == 1.5
    assert found.contact_prices == {"mail": 200.0}


def test_half_an_action_that_nobody_can_carry_does_not_count_in_the_bound():
    """The budget would do for half of it, so that what is chosen never asks for a contact."""
    found = allocate([[10.0]], [[100.0]], 5.0, capacities={"mail": 0}, channel=["mail"])
    assert (found.gain, found.lp_bound, found.shadow_price) == (0.0, 0.0, 0.0)
    assert found.contact_prices == {"mail": 100.0}


def test_free_actions_are_rationed_by_their_channel():
    gain = np.arange(1.0, 301.0)[:, None]
    found = allocate(np.zeros((300, 1)), gain, 0.0, capacities={"mail": 10}, channel=["mail"])
    assert np.flatnonzero(found.action == 0).tolist() == list(range(290, 300))
    assert 290.0 <= found.contact_prices["mail"] <= 291.0


def test_a_dear_action_that_does_not_fit_does_not_stop_the_others():
    cost, gain = np.full((400, 1), 0.5), np.full((400, 1), 0.1)
    cost[7], gain[7] = 1000.0, 9000.0
    found = allocate(cost, gain, 100.0)
    assert found.gain == pytest.approx(20.0)
    assert found.action[7] == -1


@pytest.mark.parametrize("customers", [30, 300])
def test_tenths_add_up(customers):
    """Thirty times 0.1 is 3 and a little more."""
    found = allocate(np.full((customers, 1), 0.1), np.ones((customers, 1)), 0.1 * customers)
    assert (found.action == 0).all()
    assert found.shadow_price == pytest.approx(10.0)
    assert budget_points(np.full((3, 1), 0.1), np.ones((3, 1)), [0.3]).gain.tolist() == [3.0]


def test_every_step_of_the_walk_is_a_choice_with_its_sums():
    """On a line, where the second step seems steeper than the first by a last digit, steps must not change places."""
    cost, gain = world(11, 60, 5)
    cost[:20], gain[:20] = [1.6, 1.9, 3.0, 3.6, 9.0], [0.96, 1.14, 1.8, 2.16, 0.0]
    options = Options(np.hstack([np.zeros((60, 1)), cost]), np.hstack([np.zeros((60, 1)), gain]))
    path = walk(options)
    sums = [options.sums(path.choice(taken)) for taken in range(len(path.slope) + 1)]
    np.testing.assert_allclose(sums, np.column_stack([path.spent, path.gained]), rtol=1e-12, atol=1e-12)
    assert (np.diff(path.slope) <= 0).all()


def test_sets_that_are_a_billionth_too_dear_are_not_taken():
    """Any three are too many, though by less than a solver of integer programs would mind."""
    cost = 10.0 * (1 + 1e-9 * np.arange(1.0, 61.0))[:, None]
    found = allocate(cost, np.ones((60, 1)), 30.0)
    assert holds(found, cost, np.ones((60, 1)), 30.0)
    assert (found.gain, found.exact) == (2.0, True)


def test_among_equals_keys_decide_and_not_the_order_of_rows():
    cost, gain = np.ones((500, 2)), np.tile([2.0, 2.0], (500, 1))
    keys = np.random.default_rng(4).permutation(500)
    found = allocate(cost, gain, 100.0, keys=keys)
    assert set(keys[found.action >= 0]) == set(range(100))
    assert set(found.action) == {-1, 0}


@pytest.mark.parametrize("capacities", [None, {"mail": 60, "call": 40}])
@pytest.mark.parametrize("customers", [40, 400])
def test_with_keys_the_order_of_rows_changes_nothing(customers, capacities):
    cost, gain = world(9, customers, 4)
    cost, gain = np.round(cost, 1), np.round(gain, 1)
    order = np.random.default_rng(4).permutation(customers)
    given = {"capacities": capacities, "channel": CHANNELS}
    one = allocate(cost, gain, 200.0, keys=np.arange(customers), **given)
    other = allocate(cost[order], gain[order], 200.0, keys=order, **given)
    np.testing.assert_array_equal(other.action, one.action[order])
    assert (other.spent, other.gain, other.contact_prices) == (one.spent, one.gain, one.contact_prices)


def test_in_cents_it_is_the_same():
    cost, gain = world(10, 300, 4)
    euros = allocate(cost, gain, 60.0, capacities={"mail": 20}, channel=CHANNELS)
    cents = allocate(128 * cost, 128 * gain, 128 * 60.0, capacities={"mail": 20}, channel=CHANNELS)
    np.testing.assert_array_equal(euros.action, cents.action)
    assert cents.shadow_price == pytest.approx(euros.shadow_price, rel=1e-6)
    assert cents.contact_prices["mail"] == pytest.approx(128 * euros.contact_prices["mail"], rel=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (0, 0)])
def test_nobody_or_nothing_to_choose(shape):
    found = allocate(np.zeros(shape), np.zeros(shape), 5.0)
    assert found.action.tolist() == [-1] * shape[0]
    assert (found.spent, found.gain, found.lp_bound, found.exact) == (0.0, 0.0, 0.0, True)
    assert budget_points(np.zeros(shape), np.zeros(shape), [0.0, 5.0]).gain.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"cost": [[1.0, -0.5], [1.0, 1.0]]},
            r"cost: 1 of 4 numbers are negative \(first: customer in row 0, action 1",
        ),
        ({"cost": [[1.0, 1.0], [np.nan, 1.0]]}, r"cost: 1 of 4 numbers are not finite \(first: customer in row 1"),
        ({"gain": [[np.inf, 1.0], [np.nan, 1.0]]}, "gain: 2 of 4 numbers are not finite"),
        ({"gain": [[1.0, 1.0]]}, r"cost is \(2, 2\) and gain \(1, 2\)"),
        ({"gain": [1.0, 1.0]}, "gain has shape"),
        ({"budget": -1.0}, "budget"),
        ({"budget": np.nan}, "budget"),
        ({"budget": np.inf}, "budget"),
        ({"capacities": {"mail": 1}, "channel": None}, "capacities need channel"),
        ({"capacities": {"mial": 1}}, "Did you mean 'mail'"),
        ({"capacities": {"mail": -1}}, "whole number of contacts"),
        ({"capacities": {"mail": 1.5}}, "whole number of contacts"),
        ({"capacities": {"mail": True}}, "whole number of contacts"),
        ({"channel": ["mail"]}, "channel has 1 entries"),
        ({"keys": [1, 2, 3]}, "keys has shape"),
    ],
)
def test_what_cannot_be_is_refused(change, words):
    given = {"cost": np.ones((2, 2)), "gain": np.ones((2, 2)), "budget": 1.0, "channel": ["mail", "call"]} | change
    with pytest.raises(UsageError, match=words):
        allocate(given.pop("cost"), given.pop("gain"), given.pop("budget"), **given)


@pytest.mark.parametrize("budgets", [[1.0, -1.0], [np.nan], 3.0])
def test_budgets_that_cannot_be_are_refused(budgets):
    with pytest.raises(UsageError, match="budgets"):
        budget_points(np.ones((2, 2)), np.ones((2, 2)), budgets)
