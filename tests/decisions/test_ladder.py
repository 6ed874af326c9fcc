"""The ladder: in order, with figures that a run under other costs confirms, and no exit without a person."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from kundenwert.decisions.ladder import REASONS, expected_ahead, needs_repair, repair_steps
from kundenwert.decisions.one_pass import assess
from kundenwert.errors import UsageError
from kundenwert.names import Flag
from kundenwert.value.estimate import estimate_value
from kundenwert.value.levers import Lever
from value_world import GG, MBG, known_posterior, simulated_summary

COSTS = {"margin": 0.35, "cost_per_order": 9.0, "cost_per_year_active": 2.0, "cost_per_year_on_file": 1.0}
FAST = {"newcomers": 200, "draws": 200}
KEYS = ["verify", "remove_waste", "cheaper_channel", "terms", "no_active_marketing", "reviewed_exit"]


@pytest.fixture(scope="module")
def world():
    posterior = known_posterior(MBG | GG, family="mbgnbd", spread=0.02, draws=200)
    summary = simulated_summary(400, MBG | GG, family="mbgnbd")
    summary = replace(summary, observation_end=dt.date(1997, 9, 30))
    desk = Lever("shop desk", "cost_to_serve", mean=0.02, sd=0.01)
    return posterior, summary, assess(posterior, summary, **COSTS, **FAST, levers=[desk])


def rows_of(segments, test):
    return [row for row in range(len(segments.table)) if test(segments.table.iloc[row])]


def test_steps_are_in_order_and_no_exit_is_automatic(world):
    segments = world[2]
    rows = rows_of(segments, needs_repair)
    labelled = 0
    for row in rows:
        ladder = repair_steps(segments, row)
        below = segments.table["segment"].iloc[row] == "below_zero"
        labelled += below
        assert [step.key for step in ladder.steps] == KEYS
        assert ladder.automatic == (Flag.STOP_MARKETING if below else None)
        assert ladder.exit_value == max(0.0, -segments.table["actual_value"].iloc[row])
        assert "person" in ladder.steps[-1].words
    assert 0 < labelled < len(rows)


def test_figures_are_those_of_runs_with_other_costs(world):
    """What each step is worth, put to estimates of value without the cost."""
    posterior, summary, segments = world
    rows = rows_of(segments, needs_repair)[:20]
    off_file = estimate_value(posterior, summary, **(COSTS | {"cost_per_year_on_file": 0.0}), **FAST).table
    not_served = estimate_value(posterior, summary, **(COSTS | {"cost_per_year_active": 0.0}), **FAST).table
    for row in rows:
        values = {step.key: step.value for step in repair_steps(segments, row).steps}
        np.testing.assert_allclose(values["remove_waste"], off_file["actual_value"].iloc[row], rtol=1e-10)
        np.testing.assert_allclose(values["no_active_marketing"], not_served["actual_value"].iloc[row], rtol=1e-10)


def test_the_fee_brings_actual_value_to_zero(world):
    """So much less an order costs, customer by customer, in an estimate of everybody."""
    posterior, summary, segments = world
    table = segments.table
    rows = [row for row in rows_of(segments, needs_repair) if table["actual_value"].iloc[row] < 0][:20]
    costs, fees = np.full(len(table), COSTS["cost_per_order"]), {}
    for row in rows:
        ahead = expected_ahead(segments, row)
        fees[row] = -ahead.value / ahead.orders
        costs[row] -= fees[row]
    rows = [row for row in rows if costs[row] >= 0]
    wanted = COSTS | {"cost_per_order": np.maximum(costs, 0.0)}
    again = estimate_value(posterior, summary, **wanted, **FAST).table["actual_value"].to_numpy()
    assert len(rows) > 5
    np.testing.assert_allclose(again[rows], 0.0, atol=1e-8)
    said = repair_steps(segments, rows[0]).steps[3].evidence
    assert f"USD {fees[rows[0]]:.2f} an order" in said or f"USD {fees[rows[0]]:.0f} an order" in said


def test_the_largest_cost_so_far_is_named(world):
    segments = world[2]
    row = rows_of(segments, needs_repair)[0]
    parts = segments.value.breakdown.table.iloc[row]
    evidence = repair_steps(segments, row).steps[0].evidence
    assert "order_costs" in evidence
    assert f"USD {-parts['order_costs']:,.2f}" in evidence or f"USD {-parts['order_costs']:,.0f}" in evidence


def test_explanations_carry_the_ladder_where_there_is_something_to_mend(world):
    segments = world[2]
    needed = [needs_repair(segments.table.iloc[row]) for row in range(12)]
    assert set(needed) == {True, False}
    for row, expected in enumerate(needed):
        found = segments.explain(segments.table["customer_id"].iloc[row])
        assert (found.ladder is not None) == expected
        assert expected == any(step in " ".join(found.sentences) for step in ("Stop mailing",))


def test_nothing_to_mend_is_refused(world):
    segments = world[2]
    row = rows_of(segments, lambda one: not needs_repair(one))[0]
    with pytest.raises(UsageError, match="there is nothing to mend"):
        repair_steps(segments, row)


def test_the_flags_are_those_of_the_contract():
    assert set(REASONS) == {"bz_unconfirmed", "fixable_bz"}
