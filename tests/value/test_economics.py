"""Margin and costs of single customers: their forms, their units, and every mistake in one message."""

import math

import numpy as np
import pandas as pd
import pytest

from kundenwert.errors import DataError, UsageError
from kundenwert.value.economics import resolve_economics

COSTS = ("cost_per_order", "return_cost", "cost_per_year_active", "cost_per_year_on_file", "acquisition_cost")


def four(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"customer_id": list("abcd"), "returned_orders": [0, 1, 0, 2], **columns})


def test_numbers_arrays_and_columns_say_the_same():
    table = four(k=[1.5] * 4)
    forms = [1.5, np.full(4, 1.5), [1.5] * 4, "column:k", "k"]
    for form in forms:
        found = resolve_economics(table, margin=0.3, time_unit="year", **dict.fromkeys(COSTS, form))
        resolved = (found.order_cost, found.return_cost, found.active_cost, found.file_cost, found.acquisition_cost)
        for cost in resolved:
            np.testing.assert_array_equal(cost, np.full(4, 1.5))
        assert found.value_basis == "contribution"
        assert len(found) == 4


@pytest.mark.parametrize(("unit", "per_year"), [("day", 365.25), ("week", 365.25 / 7), ("month", 12.0), ("year", 1.0)])
def test_rates_are_per_time_unit_and_amounts_are_not(unit, per_year):
    found = resolve_economics(
        four(), margin=0.3, time_unit=unit, deactivate_after="2 years", **dict.fromkeys(COSTS, 24.0)
    )
    for rate in (found.active_cost, found.file_cost):
        np.testing.assert_allclose(rate * per_year, 24.0, rtol=1e-14)
    for amount in (found.order_cost, found.return_cost, found.acquisition_cost):
        np.testing.assert_array_equal(amount, 24.0)
    assert found.deactivation == pytest.approx(2 * per_year, rel=1e-14)


def test_nothing_given_is_revenue_without_costs():
    found = resolve_economics(four().drop(columns="returned_orders"), time_unit="week")
    assert found.value_basis == "revenue"
    assert found.margin.tolist() == [1.0] * 4
    assert not found.has_costs.any()
    assert found.acquisition_cost is None
    assert found.deactivation == math.inf


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("form", [2.0, "column:k", [0.0] * 4])
def test_revenue_takes_no_costs(name, form):
    with pytest.raises(UsageError, match="costs need a margin"):
        resolve_economics(four(k=[0.0] * 4), time_unit="week", **{name: form})


def test_a_cost_of_nothing_is_no_cost():
    found = resolve_economics(four(), time_unit="week", **dict.fromkeys(COSTS[:-1], 0.0))
    assert found.value_basis == "revenue"


@pytest.mark.parametrize("name", COSTS[:-1])
def test_who_has_costs(name):
    found = resolve_economics(four(k=[0.0, 1.0, 0.0, 2.0]), margin=0.3, time_unit="week", **{name: "column:k"})
    assert found.has_costs.tolist() == [False, True, False, True]


def test_what_acquiring_cost_is_no_cost_of_orders_to_come():
    assert not resolve_economics(four(), margin=0.3, acquisition_cost=5.0, time_unit="week").has_costs.any()


def test_every_violation_of_every_column_comes_in_one_message():
    table = pd.DataFrame(
        {
            "customer_id": list("abcd"),
            "m": [0.3, 30.0, None, -1.5],
            "k": ["5", "-1", "x", "inf"],
            "c": [-1.0, -2.0, -3.0, -4.0],
            "returned_orders": [0, None, 1, None],
        }
    )
    costs = {"cost_per_order": "k", "cost_per_year_on_file": "c", "return_cost": 1.0, "acquisition_cost": "k"}
    with pytest.raises(DataError) as caught:
        resolve_economics(table, margin="column:m", time_unit="week", **costs)
    assert [(v.rule, v.count, list(v.ids)) for v in caught.value.violations] == [
        ("margin (column 'm') is missing, not a number or infinite", 1, ["c"]),
        ("margin (column 'm') lies outside -1 to 1", 2, ["b", "d"]),
        ("cost_per_order (column 'k') is missing, not a number or infinite", 2, ["c", "d"]),
        ("cost_per_order (column 'k') is negative", 1, ["b"]),
        ("cost_per_year_on_file (column 'c') is negative", 4, ["a", "b", "c", "d"]),
        ("acquisition_cost (column 'k') is missing, not a number or infinite", 2, ["c", "d"]),
        ("acquisition_cost (column 'k') is negative", 1, ["b"]),
        ("there is a return_cost, and returned_orders is not known", 2, ["b", "d"]),
    ]
    assert "4 customers: cost_per_year_on_file (column 'c') is negative (first: a, b, c, d). Costs are" in str(
        caught.value
    )


def test_returns_that_nobody_counted_cost_what_nobody_knows():
    table = four().drop(columns="returned_orders")
    with pytest.raises(DataError, match="4 customers: there is a return_cost, and returned_orders is not known"):
        resolve_economics(table, margin=0.3, return_cost=2.0, time_unit="week")
    one = resolve_economics(
        four(returned_orders=[None, 1, None, None]), margin=0.3, return_cost=[0, 2, 0, 0], time_unit="week"
    )
    assert one.return_cost.tolist() == [0, 2, 0, 0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cost_per_order": -2.0}, "cost_per_order -2 is negative"),
        ({"cost_per_year_active": math.inf}, "cost_per_year_active inf is not finite"),
        ({"return_cost": [1.0, 2.0]}, r"return_cost has shape \(2,\)"),
        ({"cost_per_year_on_file": "column:customer_di"}, "Did you mean 'customer_id'"),
        ({"deactivate_after": "0 weeks"}, "positive and finite"),
        ({"time_unit": "weak"}, "Did you mean 'week'"),
    ],
)
def test_one_number_for_all_that_cannot_be_is_an_error_of_use(wrong, message):
    with pytest.raises(UsageError, match=message):
        resolve_economics(four(), **({"margin": 0.3, "time_unit": "week"} | wrong))


def test_columns_are_read_as_they_stand_and_limits_belong_to_the_allowed():
    table = four(m=[0.3, -0.1, 1.0, -1.0], c=[0.0, 1.0, 2.0, 3.0])
    found = resolve_economics(table, margin="column:m", acquisition_cost="c", time_unit="week")
    assert found.margin.tolist() == [0.3, -0.1, 1.0, -1.0]
    assert found.acquisition_cost.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_only_numbers_are_the_same_for_customers_to_come():
    """A column that happens to hold one value says nothing about customers whom it does not have."""
    given = {"margin": 0.3, "cost_per_order": 1.0, "cost_per_year_active": 2.0}
    assert resolve_economics(four(), time_unit="week", **given).uniform
    assert resolve_economics(four(), time_unit="week").uniform
    for name, number in given.items():
        one = given | {name: np.full(4, number)}
        assert not resolve_economics(four(), time_unit="week", **one).uniform


def test_no_customers_have_no_economics():
    empty = four().iloc[:0]
    found = resolve_economics(empty, margin=0.3, acquisition_cost=1.0, time_unit="week")
    assert len(found) == 0
    assert found.has_costs.shape == (0,)
