"""Allocations of arbitrary tables: limits are kept, bounds hold, nothing is overlooked."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kundenwert.decisions.knapsack import allocate, budget_points

CHANNELS = ["mail", "call", "mail"]
# Many ties and free actions, and numbers of all sizes.
costs = st.integers(0, 4).map(float) | st.floats(0, 50, allow_subnormal=False)
gains = st.integers(-2, 5).map(float) | st.floats(-50, 50, allow_subnormal=False)
small = st.tuples(arrays(np.float64, (4, 3), elements=costs), arrays(np.float64, (4, 3), elements=gains))
large = st.tuples(arrays(np.float64, (68, 3), elements=costs), arrays(np.float64, (68, 3), elements=gains))
budgets = st.integers(0, 12).map(float) | st.floats(0, 300, allow_subnormal=False)
limits = st.fixed_dictionaries({}, optional={"mail": st.integers(0, 5), "call": st.integers(0, 5)})


def totals(table, choices):
    """(choice,) sums over customers; -1 for nothing."""
    padded = np.hstack([table, np.zeros((len(table), 1))])
    return padded[np.arange(len(table)), choices].sum(axis=1)


ALL = np.array(list(itertools.product(range(-1, 3), repeat=4)))


@given(small, budgets, limits)
def test_no_choice_is_better_on_small_tables(tables, budget, capacities):
    cost, gain = tables
    found = allocate(cost, gain, budget, capacities=capacities, channel=CHANNELS)
    open_to = totals(cost, ALL) <= budget * (1 + 1e-12)
    for name, limit in capacities.items():
        open_to &= np.isin(ALL, [i for i, one in enumerate(CHANNELS) if one == name]).sum(axis=1) <= limit
    best = totals(gain, ALL[open_to]).max()
    assert found.exact
    np.testing.assert_allclose(found.gain, best, rtol=1e-9, atol=1e-9)
    assert found.lp_bound >= found.gain
    assert (gain[found.action >= 0, found.action[found.action >= 0]] > 0).all()


@settings(max_examples=40)
@given(large, budgets, limits)
def test_limits_are_kept_and_nothing_that_fits_is_left_out(tables, budget, capacities):
    cost, gain = tables
    found = allocate(cost, gain, budget, capacities=capacities, channel=CHANNELS)
    rows, chosen = np.arange(68), found.action
    assert found.spent <= budget * (1 + 1e-12)
    assert found.gain <= found.lp_bound
    assert found.shadow_price >= 0
    used = {name: sum(one >= 0 and CHANNELS[one] == name for one in chosen) for name in capacities}
    assert found.contacts == used
    assert all(used[name] <= limit for name, limit in capacities.items())
    cost_now, gain_now = (np.where(chosen >= 0, table[rows, chosen], 0.0)[:, None] for table in tables)
    full = np.array([used.get(name, 0) >= capacities.get(name, 1e9) for name in CHANNELS])
    stays = np.array([[one >= 0 and CHANNELS[one] == name for name in CHANNELS] for one in chosen])
    missed = (gain > gain_now + 1e-9) & (cost - cost_now <= budget - found.spent - 1e-9) & (~full | stays)
    assert not missed.any()
    positive = np.maximum(gain, 0).max(axis=1).sum()
    assert found.lp_bound <= positive * (1 + 1e-6) + 1e-9


@given(large, st.lists(budgets, min_size=2, max_size=6))
def test_along_the_curve_gain_grows_ever_more_slowly(tables, points):
    cost, gain = tables
    curve = budget_points(cost, gain, sorted(points))
    assert (curve.spent <= curve.budget * (1 + 1e-12)).all()
    assert (np.diff(curve.gain) >= 0).all()
    assert (np.diff(curve.shadow_price) <= 0).all()
    assert (curve.gain <= curve.lp_bound + 1e-9).all()
    rise, run = np.diff(curve.lp_bound), np.diff(curve.budget)
    assert (rise <= curve.shadow_price[:-1] * run + 1e-9).all()
    assert (rise >= curve.shadow_price[1:] * run - 1e-9).all()
    assert ((curve.shadow_price == 0) | (curve.budget <= curve.enough)).all()
