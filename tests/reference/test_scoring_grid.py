"""Predictions on the grids of `benchmarks/scoring_accuracy.py`: a few cases with every corner against 36 digits.

The truth is computed here, by `benchmarks/scoring_truth.py`. Properties that need no truth are sought everywhere.
"""

from dataclasses import fields

import numpy as np
import pytest
import scoring_accuracy as accuracy
import scoring_truth as truth
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_truth import Case

from kundenwert.families import BGNBD, MBGNBD, predictions, quadrature

FAMILIES = {0: BGNBD, 1: MBGNBD}
ANYWHERE, DISCOUNTED, BOTH_FORMS = 12, 4, 3  # truths of the last two take seconds


def with_every_corner(grid: accuracy.Grid) -> list[Case]:
    """The first cases at corners that show a value which none before them has shown, and some from anywhere."""
    cases, seen, kept = grid.cases(600), set(), []
    for case in cases[::2]:
        values = {(f.name, getattr(case, f.name)) for f in fields(Case) if f.name in {*grid.corners, "first_kill"}}
        if not values <= seen:
            seen |= values
            kept.append(case)
    return [*kept, *cases[1 : 2 * ANYWHERE : 2]]


def theta(case: Case) -> dict[str, float]:
    return {name: getattr(case, name) for name in ("r", "alpha", "a", "b")}


def expected(case: Case, horizon: float, discount: float = 0.0, **changed: float) -> float:
    family = FAMILIES[case.first_kill]
    return float(family.expected_purchases(theta(case) | changed, case.x, case.t_x, case.T, horizon, discount))


@pytest.mark.parametrize("quantity", accuracy.QUANTITIES, ids=lambda q: q.name)
@pytest.mark.parametrize("grid", accuracy.GRIDS, ids=lambda g: g.name)
def test_nine_digits(grid, quantity):
    cases = with_every_corner(grid)
    if quantity.discounted:
        cases = cases[:: len(cases) // DISCOUNTED]
    compared = 0
    for case, found in zip(cases, accuracy.predicted(quantity, cases), strict=True):
        exact = quantity.truth(accuracy.question(quantity, case))
        if exact > accuracy.SMALLEST:
            assert truth.apart(found, exact) < 1e-9, case
            compared += 1
        assert found >= 0
    assert compared > len(cases) / 2


@pytest.mark.parametrize("grid", accuracy.GRIDS, ids=lambda g: g.name)
def test_the_grids_have_their_corners(grid):
    cases = with_every_corner(grid)
    for name in ("a", "x", "r", "alpha", "horizon", "discount", "n"):
        assert set(grid.corners[name]) <= {getattr(case, name) for case in cases}
    assert any(case.a + case.b == 1 for case in cases)


@pytest.mark.parametrize("quantity", accuracy.QUANTITIES, ids=lambda q: q.name)
@pytest.mark.parametrize("grid", accuracy.GRIDS, ids=lambda g: g.name)
def test_finite_and_not_negative(grid, quantity):
    found = accuracy.predicted(quantity, grid.cases(2_000))
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    if "expected" not in quantity.name:
        assert (found <= 1 + 1e-9).all()


def test_two_forms_of_the_truth():
    for case in accuracy.TUNED.cases(BOTH_FORMS):
        plain = accuracy.question(accuracy.QUANTITIES[0], case)
        by_time = truth.by_time(plain)
        if by_time is not None:
            assert truth.apart(by_time, truth.by_dropout(plain)) < 1e-25


def log_uniform(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(np.log(low), np.log(high)).map(lambda v: float(np.exp(v)))


@st.composite
def histories(draw) -> Case:
    x, T = draw(st.integers(0, 2000)), draw(st.floats(1e-3, 520.0))
    return Case(
        r=draw(log_uniform(1e-3, 100.0)),
        alpha=draw(log_uniform(1e-3, 1e4)),
        a=draw(log_uniform(1e-3, 50.0)),
        b=draw(log_uniform(1e-3, 1e5)),
        x=x,
        t_x=T * draw(st.floats(0.0, 1.0)) if x else 0.0,
        T=T,
        horizon=draw(log_uniform(1e-3, 520.0)),
        discount=draw(log_uniform(1e-6, 1.0)),
        n=draw(st.integers(0, 1000)),
        first_kill=draw(st.integers(0, 1)),
    )


@settings(max_examples=60, deadline=None)
@given(histories(), st.floats(1.0, 50.0))
def test_more_time_is_more_purchases_and_a_discount_takes_some(case, longer):
    short, long = expected(case, case.horizon), expected(case, longer * case.horizon)
    discounted = expected(case, case.horizon, case.discount)
    slack = 1 + 1e-11
    assert 0 <= short <= long * slack
    assert long <= longer * short * slack + 1e-290  # the rate of purchases falls with time
    assert short * np.exp(-case.discount * case.horizon) <= discounted * slack + 1e-290
    assert discounted <= short * slack
    assert expected(case, case.horizon, 2 * case.discount) <= discounted * slack


@settings(max_examples=60, deadline=None)
@given(histories(), st.sampled_from([1e-15, 1e-12, 1e-9, 1e-6]))
def test_nothing_happens_at_a_equal_to_one(case, step):
    for discount in (0.0, case.discount):
        at_one = expected(case, case.horizon, discount, a=1.0)
        for a in (1 - step, 1 + step):
            # log E moves with log a by less than 30: by the logs of the odds and of the horizon
            assert expected(case, case.horizon, discount, a=a) == pytest.approx(at_one, rel=30 * step + 1e-12)


@settings(max_examples=100, deadline=None)
@given(histories())
def test_probabilities_hang_together(case):
    family, past = FAMILIES[case.first_kill], (case.x, case.t_x, case.T)
    silent = family.p_no_purchase(theta(case), *past, case.horizon)
    assert silent == pytest.approx(family.purchase_distribution(theta(case), 0, *past, case.horizon), rel=1e-11)
    assert 0 <= family.survival(theta(case), case.x, case.T, case.horizon) <= 1 + 1e-12
    assert silent >= family.p_no_purchase(theta(case), *past, 2 * case.horizon) * (1 - 1e-12)


@settings(max_examples=100, deadline=None)
@given(histories())
def test_the_sum_over_purchases_is_the_integral_over_dropout(case):
    """Wherever the sum is short; elsewhere both sides are the integral."""
    k, beta, b = case.r + case.x, case.alpha + case.T, case.b + case.x
    row = [np.array([v]) for v in (k, case.horizon / beta, case.a, b)]
    powers = predictions.survival(k, beta, case.a, b, case.horizon)
    assert powers == pytest.approx(quadrature.mean_power(*row)[0], rel=1e-11)
    purchases = predictions.expected_purchases(k, beta, case.a, b, case.horizon, 0.0)
    assert purchases == pytest.approx(quadrature.mean_purchases(*row[:2], np.zeros(1), *row[2:])[0], rel=1e-11)
