"""Parts of the gain of a package: against all orders of changing a customer, with a value written out here."""

from itertools import permutations

import numpy as np
import pytest

from kundenwert.errors import UsageError
from kundenwert.names import FrequencyLever
from kundenwert.value.appraisal import appraise
from kundenwert.value.estimate import estimate_value
from kundenwert.value.explained_room import explain_room
from kundenwert.value.levers import Lever, draw_effects
from value_world import COSTS, GG, MBG, known_posterior, simulated_summary

PARTS = ["frequency", "retention", "spend", "cost"]
CUSTOMERS, DRAWS = 40, 60
MONEY = {"margin": 0.4, "cost_per_order": 3.0, "cost_per_year_active": 5.0}
FAST = {"newcomers": 100, "draws": DRAWS}
MAIL = Lever("mail", "frequency", cost_per_contact=0.1, mean=0.2, sd=0.1)
CALL = Lever("call", "retention", cost_per_contact=0.3, mean=0.2, sd=0.1)
GIFT = Lever("gift", "spend", cost_per_contact=0.2, mean=0.1, sd=0.05)
SHELF = Lever("shelf", "cost_to_serve", cost_per_contact=0.1, mean=0.3, sd=0.1, fee_per_order=0.5)
BACK = Lever(
    "back", "reactivation", cost_per_contact=0.05, cost_per_taker=0.05, window="4 weeks", journey=["reactivation"]
)


@pytest.fixture(scope="module")
def world():
    posterior = known_posterior(MBG | GG, family="mbgnbd", spread=0.05, draws=DRAWS)
    return posterior, simulated_summary(CUSTOMERS, MBG | GG, family="mbgnbd")


def _by_hand(world, levers, frequency):
    """(customer, part) mean over even draws of what each change adds, averaged over all orders of making them."""
    value = estimate_value(*world, **MONEY, **FAST, levers=levers, frequency_lever=frequency)
    appraisal = appraise(*world, **MONEY, **FAST, levers=levers, frequency_lever=frequency)
    draws = {lever.name: draw_effects(lever, DRAWS, appraisal.settings.seed) for lever in levers}
    terms, found = appraisal.settings.terms, np.zeros((CUSTOMERS, len(PARTS)))
    best = np.where(value.levers.chosen_on.max(axis=1) > 0, value.levers.chosen_on.argmax(axis=1), 0)
    year = 365.25 / 7

    def reduce(outlook):
        one = outlook.block
        return np.stack([one.rate, one.dropout, one.mean_spend, one.alive_share[one.purchases.which]], axis=1)

    people = np.empty((CUSTOMERS, 4, DRAWS))
    for rows, _, drawn in appraisal.stream(reduce, stage="test"):
        people[rows] = drawn
    for row, (rate, dropout, spend, alive) in enumerate(people):
        members = [levers[i] for i in value.levers.plan.packages.members[best[row]]]

        def worth(changed, drawn=(rate, dropout, spend, alive), members=members):
            rate, dropout, spend, alive = drawn
            orders, hazard, amount, fee = rate, rate * dropout, spend, 0.0
            order_cost, active_cost, price = MONEY["cost_per_order"], MONEY["cost_per_year_active"] / year, 0.0
            for lever in members:
                effect = draws[lever.name].effect
                side, rise = draws[lever.name].side_effect, draws[lever.name].cost_rise
                if lever.on == "frequency" and "frequency" in changed:
                    orders = orders * np.exp(effect)
                    hazard = hazard * np.exp(effect) if frequency == "fixed_p" else hazard
                if "retention" in changed:
                    hazard = hazard * (1 + side) * (1 - effect if lever.on == "retention" else 1)
                if lever.on == "spend" and "spend" in changed:
                    amount = amount * np.exp(effect)
                if "cost" in changed:
                    price = price + lever.cost_per_contact
                    fee, order_cost = fee + lever.fee_per_order, order_cost * np.exp(rise)
                    if lever.on == "cost_to_serve":
                        order_cost, active_cost = order_cost * (1 - effect), active_cost * (1 - effect)
            kappa = hazard + terms.discount
            time = -np.expm1(-kappa * terms.horizon) / kappa
            living = time * (orders * (MONEY["margin"] * amount + fee - order_cost) - active_cost)
            return (alive * living - price)[::2].mean()

        for order in permutations(PARTS):
            for i, name in enumerate(order):
                found[row, PARTS.index(name)] += (worth(order[: i + 1]) - worth(order[:i])) / 24
    return value, best, found


@pytest.mark.parametrize("frequency", list(FrequencyLever))
@pytest.mark.parametrize("levers", [(MAIL, SHELF), (CALL, GIFT), (MAIL, GIFT), (CALL, SHELF)])
def test_parts_are_means_over_all_orders_of_change(world, levers, frequency):
    value, best, expected = _by_hand(world, levers, frequency)
    parts = explain_room(value, *world, world[1].table["customer_id"].tolist())
    np.testing.assert_allclose(parts[PARTS], expected, rtol=1e-9, atol=1e-10)
    assert (best == 3).any()
    assert (parts[PARTS].abs().sum(axis=1) > 0).tolist() == (best > 0).tolist()


def test_parts_add_up_under_records_months_and_comebacks(world):
    given = {**COSTS, **FAST, "discounting": "discrete", "deactivate_after": "1 year"}
    value = estimate_value(*world, **given, levers=(CALL, GIFT, SHELF, BACK))
    ids = world[1].table["customer_id"].tolist()
    parts = explain_room(value, *world, ids)
    np.testing.assert_allclose(parts[PARTS].sum(axis=1), value.table["unrealized_value"], rtol=1e-9, atol=1e-10)
    assert (parts["retention"] > 0).any()
    some = explain_room(value, *world, ids[7:9])
    np.testing.assert_array_equal(some[PARTS], parts[PARTS].iloc[7:9])
    peers = explain_room(value, *world, ids, basis="peers")
    np.testing.assert_allclose(peers[PARTS].sum(axis=1), value.detail["unrealized_peers"], rtol=1e-9, atol=1e-10)


def test_a_basis_that_is_not_there_or_has_no_parts_is_refused(world):
    value, ids = estimate_value(*world, **FAST), world[1].table["customer_id"].tolist()
    with pytest.raises(UsageError, match="there are no levers"):
        explain_room(value, *world, ids, basis="levers")
    with pytest.raises(UsageError, match="'leavers' is not known"):
        explain_room(value, *world, ids, basis="leavers")
