"""Parts of unrealized value against all orders of exchange, and the axioms that make them Shapley's."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kundenwert.errors import UsageError
from kundenwert.value.shapley import COORDINATES, frontier_parts, parts_of, profile_at, shapley_parts
from value_world import GG, MBG

DISCOUNT, HORIZON = np.log(1.1) / (365.25 / 7), 3 * 365.25 / 7


def _value(profile):
    """Living value: rate, hazard, mean spend, and costs (margin, cost per order, cost of being active)."""
    margin, order_cost, active_cost = profile["cost"]
    kappa = DISCOUNT + profile["retention"]
    contribution = profile["frequency"] * (margin * profile["spend"] - order_cost) - active_cost
    return -np.expm1(-kappa * HORIZON) / kappa * contribution


def _by_orders(own, target, value_of):
    """The mean contribution over all 4! orders, one exchange after the other."""
    found = {name: 0.0 for name in own}
    orders = list(permutations(own))
    for order in orders:
        at = dict(own)
        for name in order:
            before = value_of(at)
            at[name] = target[name]
            found[name] = found[name] + (value_of(at) - before) / len(orders)
    return found


def _people(rng, *shape):
    return {
        "frequency": rng.gamma(0.5, 0.2, shape),
        "retention": rng.gamma(0.5, 0.05, shape),
        "spend": rng.gamma(5.0, 6.0, shape),
        "cost": (0.35, rng.gamma(2.0, 1.0, shape), 0.02),
    }


def test_parts_are_means_over_all_orders_and_add_up():
    rng = np.random.default_rng(1)
    own, target = _people(rng, 20, 30), _people(rng, 20, 30)
    parts, wanted = shapley_parts(own, target, _value), _by_orders(own, target, _value)
    assert tuple(parts) == COORDINATES
    for name in COORDINATES:
        np.testing.assert_allclose(parts[name], wanted[name], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(sum(parts.values()), _value(target) - _value(own), rtol=1e-9, atol=1e-9)


@given(st.lists(st.floats(-5, 5), min_size=16, max_size=16))
def test_any_game_of_four_is_divided_as_the_orders_say(worth):
    """Values that follow no formula: one number for each of the 16 mixtures."""

    def value_of(profile):
        return np.asarray(worth[sum(2**i for i, name in enumerate(COORDINATES) if profile[name])])

    own, target = dict.fromkeys(COORDINATES, False), dict.fromkeys(COORDINATES, True)
    wanted = _by_orders(own, target, value_of)
    for name, part in shapley_parts(own, target, value_of).items():
        assert float(part) == pytest.approx(float(wanted[name]), abs=1e-9)


def test_an_unused_coordinate_gets_nothing_and_equals_get_the_same():
    own = {"frequency": 0.1, "retention": 0.02, "spend": 30.0, "cost": (0.3, 1.0, 0.0)}
    parts = shapley_parts(own, own | {"frequency": 0.2, "spend": 60.0}, _value)
    assert parts["cost"] == parts["retention"] == 0.0
    free = own | {"cost": (0.3, 0.0, 0.0)}
    twins = shapley_parts(free, free | {"frequency": 0.2, "spend": 60.0}, _value)
    assert twins["frequency"] == pytest.approx(twins["spend"])  # each doubles a product
    assert shapley_parts(own, own, _value) == dict.fromkeys(COORDINATES, 0.0)
    back = shapley_parts(own | {"frequency": 0.2, "spend": 60.0}, own, _value)
    assert back["frequency"] == pytest.approx(-parts["frequency"])


def test_profiles_of_other_coordinates_are_refused():
    with pytest.raises(UsageError, match="no common coordinates"):
        shapley_parts({"frequency": 1.0}, {"spend": 1.0}, _value)


def test_a_residual_is_spread_by_size_and_the_total_is_met_exactly():
    parts = {"a": np.array([3.0, 3.0, 0.0, 1.0]), "b": np.array([1.0, -1.0, 0.0, 2.0])}
    spread = parts_of(np.array([2.0, 6.0, 4.0, 0.0]), parts)
    np.testing.assert_allclose(spread["a"], [1.5, 6.0, 2.0, 0.0])
    np.testing.assert_allclose(spread["b"], [0.5, 0.0, 2.0, 0.0])


def _newcomers(rng, draws, count):
    rate = rng.gamma(MBG["r"], 1 / MBG["alpha"], (draws, count))
    return {
        "frequency": rate,
        "retention": rate * rng.beta(MBG["a"], MBG["b"] + 1, (draws, count)),
        "spend": GG["p"] * GG["v"] / rng.gamma(GG["q"], 1.0, (draws, count)),
    }


def test_the_profile_at_a_quantile_is_the_mean_of_those_about_it():
    value = np.array([[5.0, 1.0, 4.0, 2.0, 3.0, 9.0, 7.0, 6.0, 8.0, 0.0]])
    coordinates = {"square": value**2}
    assert profile_at(value, coordinates, 0.8, window=0.2)["square"].tolist() == [(7**2 + 8**2) / 2]
    assert profile_at(value, coordinates, 0.8, window=0.0)["square"].tolist() == [8**2]
    assert profile_at(value, coordinates, 1.0, window=0.2)["square"].tolist() == [9**2]
    assert profile_at(value, coordinates, 0.0, window=0.2)["square"].tolist() == [0.0]


def test_parts_against_the_frontier_add_up_to_unrealized_value():
    rng = np.random.default_rng(4)
    costs = (0.35, 1.0, 0.01)
    new = _newcomers(rng, 50, 1000)
    worth = _value(new | {"cost": costs})
    level, target = np.quantile(worth, 0.8, axis=1), profile_at(worth, new, 0.8) | {"cost": costs}
    own = {name: values[:, :20].T for name, values in _newcomers(rng, 50, 20).items()} | {"cost": costs}
    weight = rng.beta(2, 6, 50) * rng.random((20, 50))
    parts = frontier_parts(own, target, level, weight, _value)
    unrealized = (weight * np.maximum(level - _value(own), 0.0)).mean(axis=1)
    np.testing.assert_allclose(sum(parts.values()), unrealized, rtol=1e-10)
    np.testing.assert_array_equal(parts["cost"], 0.0)  # the frontier is drawn under the customer's own costs
    assert set(parts) == set(COORDINATES)
    assert abs(_value(target) / level - 1).mean() < 0.5  # the profile stands for the frontier


def test_who_lacks_orders_alone_is_told_so():
    own = {"frequency": np.full((1, 3), 0.02), "retention": np.full((1, 3), 0.01), "spend": np.full((1, 3), 50.0)}
    own = own | {"cost": (0.3, 0.0, 0.0)}
    target = {"frequency": 0.2, "retention": 0.01, "spend": 50.0, "cost": (0.3, 0.0, 0.0)}
    parts = frontier_parts(own, target, _value(target) * np.ones(3), np.full((1, 3), 0.25), _value)
    assert parts["frequency"] == pytest.approx(0.25 * (_value(target) - _value(own))[0].mean())
    assert all(parts[name] == 0.0 for name in ("retention", "spend", "cost"))
    beyond = frontier_parts(own, target, 0.5 * _value(own), np.full((1, 3), 0.25), _value)
    assert all((part == 0.0).all() for part in beyond.values())
