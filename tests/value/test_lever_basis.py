"""Levers as a basis: who may get what, and what is unrealized by them."""

import numpy as np
import pytest

from kundenwert.errors import UsageError
from kundenwert.names import FrequencyLever, LeverOn, PotentialBasis
from kundenwert.value.appraisal import appraise
from kundenwert.value.estimate import estimate_value
from kundenwert.value.gathering import reduce_expected
from kundenwert.value.journey import journey_phases
from kundenwert.value.lever_basis import GROWTH, JUDGED, TABLES, basis_of_levers, gathered_gains
from kundenwert.value.lever_gains import package_gains, reach
from kundenwert.value.levers import Lever
from value_world import COSTS, GG, MBG, known_posterior, simulated_summary, summary_of

CUSTOMERS, DRAWS = 200, 100
FAST = {"newcomers": 100, "draws": DRAWS}
BACK = Lever("back", "reactivation", cost_per_contact=0.2, journey=["reactivation"])
CALL = Lever("call", "retention", cost_per_contact=0.5, mean=0.2, sd=0.1, eligible="frequency >= 2")
MAIL = Lever("mail", "frequency", cost_per_contact=0.1, mean=0.1, sd=0.1, eligible="p_alive > 0.5")
LARGER = Lever("larger", "spend", cost_per_contact=0.1)
SAVING = Lever("saving", "cost_to_serve", cost_per_contact=0.1, eligible="country == 'DE'")
LEVERS = (BACK, CALL, MAIL, LARGER, SAVING)


@pytest.fixture(scope="module")
def world():
    posterior = known_posterior(MBG | GG, family="mbgnbd", spread=0.05, draws=DRAWS)
    made = simulated_summary(CUSTOMERS, MBG | GG, family="mbgnbd").table
    return posterior, summary_of(made.assign(country=np.where(np.arange(CUSTOMERS) % 3, "DE", "FR")))


@pytest.fixture(scope="module")
def value(world):
    return estimate_value(*world, **COSTS, **FAST, levers=LEVERS)


def usable_by(packages, open_levers):
    """(customer, package) from (customer, lever), one by one."""
    return np.array([[all(row[i] for i in members) for members in packages.members] for row in open_levers])


def test_a_package_is_open_where_all_of_its_levers_are(world, value):
    summary, table = world[1].table, value.table
    frame = summary.assign(p_alive=table["p_alive"].array, churn_probability=table["churn_probability"].array)
    phases = journey_phases(frame, value.settings.time_unit)
    opened = np.column_stack(
        [
            phases == "reactivation",
            summary["frequency"] >= 2,
            table["p_alive"] > 0.5,
            np.ones(CUSTOMERS, dtype=bool),
            summary["country"] == "DE",
        ]
    )
    assert 0 < opened.mean(axis=0)[[0, 1, 2, 4]].min() < opened.mean(axis=0)[[0, 1, 2, 4]].max() < 1
    np.testing.assert_array_equal(value.levers.usable, usable_by(value.levers.plan.packages, opened))


def test_objections_and_complaints_close_levers(world, value):
    objected, complaint = np.zeros((2, CUSTOMERS), dtype=bool)
    objected[:20], complaint[10:60] = True, True
    columns = value.table[["p_alive", "churn_probability"]]
    found = basis_of_levers(LEVERS, world[1], value.settings, columns, objected=objected, complaint=complaint)
    packages = found.packages
    sells = np.array([any(LEVERS[i].on in GROWTH for i in one) for one in packages.members])
    assert set(GROWTH) == {LeverOn.FREQUENCY, LeverOn.SPEND}
    expected = value.levers.usable.copy()
    expected[:20, 1:] = False
    expected[np.ix_(complaint, sells)] = False
    np.testing.assert_array_equal(found.usable, expected)
    repairs = np.array([SAVING in [LEVERS[i] for i in one] for one in packages.members])
    np.testing.assert_array_equal(found.repaired, expected[:, repairs].any(axis=1))
    assert found.repaired[complaint].any()
    assert not found.repaired[:20].any()


def test_without_a_lever_on_costs_nobody_is_repaired(world, value):
    columns = value.table[["p_alive", "churn_probability"]]
    assert not basis_of_levers(LEVERS[:4], world[1], value.settings, columns).repaired.any()


def test_unrealized_value_is_the_mean_gain_of_the_best_package_on_even_draws(world, value):
    """Against packages evaluated here, draw by draw, with a choice on odd draws."""
    appraisal = appraise(*world, **COSTS, **FAST, levers=LEVERS)
    unrealized = np.full(CUSTOMERS, np.nan)
    for rows, _, (outlook, expected) in appraisal.stream(
        lambda outlook: (outlook, reduce_expected(outlook, appraisal)), stage="all"
    ):
        plan, usable = value.levers.plan, value.levers.usable[rows]
        gains = package_gains(plan, reach(outlook, plan, usable))
        best = np.where(usable, gains.chosen_on, -np.inf).argmax(axis=1)
        unrealized[rows] = gains.gain[np.arange(len(rows)), best]
        room = expected.room
        assert (room.basis, room.draws) == (PotentialBasis.LEVERS, JUDGED)
        np.testing.assert_array_equal(room.mean, unrealized[rows])
        np.testing.assert_array_equal(room.given_alive, gains.room[:, ::2])
        assert room.given_order is None
    np.testing.assert_array_equal(value.table["unrealized_value"], unrealized)
    np.testing.assert_array_equal(value.detail["unrealized_levers"], unrealized)
    np.testing.assert_allclose(value.table["potential_value"], value.table["actual_value"] + unrealized, rtol=1e-12)
    assert unrealized.mean() > 4 * unrealized.std() / CUSTOMERS**0.5
    assert set(value.table["potential_basis"]) == {"levers"}
    assert value.detail["unrealized_peers"].notna().all()


def test_figures_of_all_customers_are_those_of_their_blocks(world, value):
    appraisal, gains = appraise(*world, **COSTS, **FAST, levers=LEVERS), value.levers
    answered = np.zeros_like(gains.answered)
    for rows, _, found in appraisal.stream(appraisal.levers.gains, stage="levers", block=23):
        for name in ("chosen_on", "gain", "chance", "shortfall", "cost", "perfect"):
            np.testing.assert_array_equal(getattr(gains, name)[rows], getattr(found, name))
        answered += found.answered.sum(axis=0)
    np.testing.assert_allclose(gains.answered, answered, rtol=1e-9)
    assert gains.names[:3] == ("", "back", "call")
    assert gains.names[gains.plan.packages.position(["mail", "call"])] == "call + mail"


def test_levers_that_may_be_used_together_where_it_is_declared(world):
    twice = (CALL, Lever("visit", "retention", cost_per_contact=5.0))
    names = appraise(*world, **COSTS, **FAST, levers=twice).levers.packages.names
    assert names == ((), ("call",), ("visit",))
    declared = appraise(*world, **COSTS, **FAST, levers=twice, declared=[("call", "visit")]).levers
    assert declared.packages.names == ((), ("call",), ("visit",), ("call", "visit"))


def test_what_stays_while_orders_become_more_frequent_is_asked(world):
    fixed = appraise(*world, **COSTS, **FAST, levers=[MAIL]).levers.plan.limit
    other = appraise(*world, **COSTS, **FAST, levers=[MAIL], frequency_lever=FrequencyLever.FIXED_P).levers.plan.limit
    assert (fixed, other) == (0.0, 1.0)


def test_conditions_on_what_is_not_known_name_the_lever(world):
    wrong = Lever("wrong", "spend", eligible="contry == 'DE'")
    with pytest.raises(UsageError, match=r"lever 'wrong': .*country"):
        estimate_value(*world, **COSTS, **FAST, levers=[LARGER, wrong])


def test_a_customer_whose_value_is_no_number_does_not_spoil_the_sum_of_answers(world):
    basis = appraise(*world, **COSTS, **FAST, levers=[LARGER]).levers
    table = np.zeros((2, 2))
    columns = {f"lever_{name}": table for name in TABLES} | {"lever_perfect": np.array([1.0, np.nan])}
    found = gathered_gains(basis, columns | {"lever_answered": np.array([[3.0], [np.nan]])})
    assert found.answered.tolist() == [3.0]
    assert np.isnan(found.perfect).tolist() == [False, True]
