"""Losses in money against gains counted customer by customer, and standard treatments by kind."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kundenwert.decisions.losses import UNIT_LOSSES, Losses, least_risk, risks
from kundenwert.decisions.losses_in_money import derive_losses, mean_gains
from kundenwert.decisions.standard_packages import cheapest_contact, contact_cost, packages_by_label
from kundenwert.errors import UsageError
from kundenwert.names import SEGMENTS, STATES, State
from kundenwert.value.levers import Lever

UNITS, OFF = np.array(UNIT_LOSSES), ~np.eye(6, dtype=bool)
MANY = np.full(6, 100.0)
MVC, SGC, MGC, LM, BELOW_ZERO, DORMANT = range(6)
# Rows are treatments: a call retains whoever is valuable, mail grows, savings cost some orders, nothing costs nothing.
GAINS = np.array(
    [
        [9.0, 5.0, -1.0, -2.0, -2.0, -2.0],
        [8.0, 8.0, 1.0, -3.0, -3.0, -3.0],
        [1.0, 4.0, 3.0, -1.0, -1.0, -1.0],
        [-2.0, -2.0, -0.5, 1.0, 1.5, 0.0],
        [-6.0, -6.0, -2.0, 0.5, 2.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    ]
)


def by_hand(gains):
    """What the right treatment gains more, cell by cell; the reputation in units; both in units."""
    ahead = np.maximum(np.diagonal(gains) - gains, 0.0)
    unit = ahead.sum() / (UNITS[OFF].sum() - 5 * 1.5)
    matrix = np.zeros((6, 6))
    for d, k in np.argwhere(OFF):
        matrix[d, k] = 0.99 * (ahead[d, k] / unit + (1.5 if d == BELOW_ZERO else 0.0)) + 0.01 * UNITS[d, k]
    return matrix, unit


def test_losses_are_regrets_in_units_and_the_reputation():
    found = derive_losses(GAINS, MANY)
    matrix, unit = by_hand(GAINS)
    np.testing.assert_allclose(found.losses.array, matrix, rtol=1e-12)
    assert found.unit == pytest.approx(unit)
    assert found.regrets[LM][MVC] == 11.0
    assert not np.diagonal(found.regrets).any()
    assert (found.unknown, found.outdone) == ((), ())


tables = arrays(np.float64, (6, 6), elements=st.floats(-100, 100))


@settings(deadline=None)
@given(tables, arrays(np.bool_, 6))
def test_what_holds_for_all_gains(gains, known):
    people = np.where(known, 50.0, 5.0)
    ahead = np.maximum(np.diagonal(gains) - gains, 0.0)
    assume(ahead[:, known].sum() > 1e-6)
    found = derive_losses(gains, people)
    matrix = found.losses.array
    assert not np.diagonal(matrix).any()
    assert matrix[OFF].mean() == pytest.approx(UNITS[OFF].mean())  # so the price keeps its meaning
    assert (matrix[OFF] > 0).all()  # no two labels are the same
    np.testing.assert_allclose(matrix[:, ~known], UNITS[:, ~known])
    assert set(found.unknown) == {STATES[k] for k in np.flatnonzero(~known)}
    # The currency does not count, and neither does what a truth's customers gain under every treatment.
    for other in (100.0 * gains, gains + np.arange(6)):
        again = derive_losses(other, people)
        np.testing.assert_allclose(again.losses.array, matrix, rtol=1e-6, atol=1e-9)
    assert derive_losses(100.0 * gains, people).unit == pytest.approx(100.0 * found.unit)
    # Of two treatments the one that forgoes more of a truth costs more, but for one hundredth of judgement.
    plain = [d for d in range(6) if d != BELOW_ZERO]
    for k in np.flatnonzero(known):
        lost, cost = ahead[plain, k] / found.unit, matrix[plain, k] - 0.01 * UNITS[plain, k]
        cost[np.array(plain) == k] = 0.0
        np.testing.assert_allclose(cost, 0.99 * lost, rtol=1e-9, atol=1e-9)


def test_a_treatment_that_another_one_outdoes_is_named_and_a_wrong_label_earns_nothing():
    gains = GAINS.copy()
    gains[MGC, LM] = 4.0  # mail is better than savings even for those who are said to need little
    found = derive_losses(gains, MANY)
    assert found.outdone == ((State.LOW_MAINTENANCE, State.MOST_GROWABLE),)
    assert found.regrets[MGC][LM] == 0.0
    sure = np.eye(6)
    assert least_risk(risks(sure, found.losses))[0].tolist() == list(range(6))


def test_labels_that_are_treated_alike_are_told_apart_by_judgement():
    gains = GAINS.copy()
    gains[[LM, DORMANT]] = 0.0
    found = derive_losses(gains, MANY).losses
    assert found.of("low_maintenance", "dormant") == pytest.approx(0.01 * UNITS[LM, DORMANT])
    quiet = np.array([[0, 0, 0, 0.1, 0, 0.9]])
    assert least_risk(risks(quiet, found))[0].tolist() == [DORMANT]


def test_gains_are_means_over_customers_and_draws():
    """Sums as a pass over customers makes them, against a mean over everybody who is truly of a state."""
    rng = np.random.default_rng(3)
    alive, code = rng.random((40, 30)), rng.integers(0, 4, (40, 30))
    gain = rng.normal(size=(6, 40, 30))
    weight = np.zeros((6, 40, 30))
    for k in range(5):
        weight[k] = np.where(code == k, alive, 0.0)
    weight[DORMANT] = 1.0 - alive
    sums = np.einsum("dis,kis->dk", gain, weight) / 30
    found = mean_gains(sums, weight.mean(axis=2).sum(axis=1))
    for k in (MVC, LM, DORMANT):
        for d in range(6):
            assert found[d, k] == pytest.approx(np.average(gain[d], weights=weight[k]))
    assert np.isnan(found[:, BELOW_ZERO]).all()


@pytest.mark.parametrize(
    ("gains", "people", "message"),
    [
        (np.zeros((6, 6)), MANY, "tell no two labels apart"),
        (GAINS, np.full(6, 29.0), "too few customers"),
        (np.where(np.eye(6) > 0, np.nan, GAINS), MANY, "finite"),
        (GAINS[:5], MANY, "6 x 6"),
        (GAINS, MANY[:5], "6 x 6"),
    ],
)
def test_gains_that_say_nothing_are_refused(gains, people, message):
    with pytest.raises(UsageError, match=message):
        derive_losses(gains, people)


def test_what_is_not_known_of_an_absent_state_does_not_matter():
    gains, people = GAINS.copy(), MANY.copy()
    gains[:, SGC], people[SGC] = np.nan, 0.0
    found = derive_losses(gains, people)
    assert found.unknown == (State.SUPER_GROWTH,)
    np.testing.assert_allclose(found.losses.array[:, SGC], UNITS[:, SGC])
    assert Losses.from_dict(found.losses.to_dict()) == found.losses
    gains[:, SGC], people[SGC] = 1e6 * np.arange(6), 5.0  # five customers say nothing, however loudly
    few = derive_losses(gains, people)
    assert (few.losses, few.outdone) == (found.losses, ())


CALL = Lever("call", "retention", cost_per_contact=3.0)
CLUB = Lever("club", "vip", cost_per_contact=5.0)
MAIL = Lever("mail", "spend", cost_per_contact=1.0, cost_per_taker=4.0, take_up=(0.25, 0.1))
POSTCARD = Lever("postcard", "frequency", cost_per_contact=1.5)
PORTAL = Lever("portal", "cost_to_serve")
FEE = Lever("fee", "cost_to_serve", fee_per_order=2.0)
BACK = Lever("win back", "reactivation", cost_per_contact=0.8)
TRIED = Lever("voucher", "reactivation", cost_per_contact=9.0, experiments=[{"n": 400, "successes": 12}])
ALL = (CALL, CLUB, MAIL, POSTCARD, PORTAL, FEE, BACK, TRIED)


def names(packages):
    return {label: [lever.name for lever in package] for label, package in packages.items()}


def test_treatments_follow_from_the_kinds_of_levers():
    assert names(packages_by_label(ALL)) == {
        "most_valuable": ["call", "club"],
        "super_growth": ["call", "mail"],
        "most_growable": ["mail"],
        "low_maintenance": ["portal"],
        "below_zero": ["portal", "fee"],
        "dormant": ["voucher"],
        "migrator": ["win back"],
    }
    assert names(packages_by_label((BACK, FEE, CLUB))) == {
        "most_valuable": ["club"],
        "super_growth": ["club"],
        "most_growable": [],
        "low_maintenance": [],
        "below_zero": ["fee"],
        "dormant": [],  # nothing is known of who comes back
        "migrator": ["win back"],
    }
    assert names(packages_by_label(())) == {label: [] for label in SEGMENTS}


def test_the_best_of_a_kind_comes_first_where_gains_are_known():
    found = names(packages_by_label(ALL, gains={"postcard": 0.5, "mail": 0.1, "fee": 9.0}))
    assert found["most_growable"] == ["postcard"]
    assert found["super_growth"] == ["call", "postcard"]
    assert found["below_zero"] == ["portal", "fee"]  # what costs the customer nothing comes first all the same


def test_stated_treatments_replace_those_by_kind():
    stated = {"dormant": [], "most_growable": ("postcard", "mail"), "low_maintenance": None}
    found = names(packages_by_label(ALL, stated))
    assert (found["dormant"], found["most_growable"], found["low_maintenance"]) == (
        [],
        ["postcard", "mail"],
        ["portal"],
    )
    assert found["most_valuable"] == ["call", "club"]


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"dormants": []}, "Did you mean 'dormant'"),
        ({"dormant": ["male"]}, "Did you mean 'mail'"),
        ({"dormant": ["zeppelin"]}, "Known: call, club"),
        ({"dormant": ["mail", "mail"]}, "each once"),
        ({"dormant": ["mail", "call", "club"]}, "at most 2"),
    ],
)
def test_treatments_that_cannot_be_are_refused(stated, message):
    with pytest.raises(UsageError, match=message):
        packages_by_label(ALL, stated)


def test_reaching_a_customer_costs_the_contact_and_the_share_who_take_it():
    assert contact_cost(MAIL) == 2.0
    assert cheapest_contact((CALL, MAIL, POSTCARD)) == 1.5
    assert cheapest_contact(()) is None
