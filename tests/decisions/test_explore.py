"""Plans that explore: one draw of all effects a batch, and how customers are treated differently."""

import numpy as np
import pytest

from kundenwert.decisions.actions import plan_actions
from kundenwert.decisions.holdout_cells import thompson_draw
from kundenwert.decisions.one_pass import assess
from kundenwert.value.levers import Lever, draw_effects
from value_world import COSTS, GG, MBG, known_posterior, simulated_summary

# As good in the mean, one of them known: a batch tries the other one as often as it may be the better one.
LEVERS = (
    Lever("known", "spend", mean=0.05, sd=1e-6, cost_per_contact=0.2, customize="transparent"),
    Lever("unknown", "frequency", mean=0.05, sd=0.08, cost_per_contact=0.2),
)


@pytest.fixture(scope="module")
def segments():
    posterior = known_posterior(MBG | GG, family="mbgnbd", draws=300)
    terms = COSTS | {"cost_per_order": 0.0}
    return assess(posterior, simulated_summary(400, MBG | GG, family="mbgnbd"), **terms, newcomers=50, levers=LEVERS)


def test_a_batch_goes_with_its_draw_of_the_effects(segments):
    seed, gains = segments.value.settings.seed, segments.value.levers
    effect = draw_effects(LEVERS[1], gains.plan.draws, seed).effect
    batches = [f"2026-01-{day:02d}" for day in range(1, 29)]
    taken = []
    for batch in batches:
        plan = plan_actions(segments, budget=30.0, holdout=0.0, explore=batch)
        taken.append(plan.table["action"].str.contains("unknown").mean())
        again = plan_actions(segments, budget=30.0, holdout=0.0, explore=batch)
        assert again.table.equals(plan.table)
    believed = np.array([effect[thompson_draw(gains.plan.draws, batch, seed=seed)] for batch in batches])
    taken = np.array(taken)
    assert (believed < 0).sum() >= 3
    assert (believed > 0.08).sum() >= 3
    assert (taken[believed < 0] == 0).all()
    assert taken[believed > 0.08].min() > 0.9


def test_what_is_reported_is_what_is_expected_not_what_the_batch_believed(segments):
    plan, gains = plan_actions(segments, budget=30.0, explore="2026-01-05"), segments.value.levers
    rows = segments.table["customer_id"].isin(plan.table["customer_id"]).to_numpy()
    package = [gains.names.index(name) for name in plan.table["action"]]
    np.testing.assert_array_equal(plan.table["gain"], gains.gain[rows][np.arange(len(package)), package])


def test_how_customers_are_treated_is_stated_or_follows_from_the_label(segments):
    table = plan_actions(segments, budget=1e6, holdout=0.0).table
    stated = table["action"].str.split(" + ", regex=False).map(lambda names: "known" in names)
    assert set(table.loc[stated, "customize"]) == {"transparent"}
    dialogue = table["segment"].isin(["most_valuable", "super_growth"])
    assert set(table.loc[~stated & dialogue, "customize"]) <= {"collaborative"}
    assert set(table.loc[~stated & ~dialogue, "customize"]) <= {"adaptive"}


def test_nothing_is_invested_in_customers_below_zero():
    posterior = known_posterior(MBG | GG, family="mbgnbd", draws=300)
    levers = (Lever("self-service", "cost_to_serve", mean=0.3, sd=0.1), Lever("mail", "spend", mean=0.3, sd=0.1))
    summary = simulated_summary(600, MBG | GG, family="mbgnbd")
    terms = {"margin": 0.2, "cost_per_order": 15.0, "newcomers": 50}
    segments = assess(posterior, summary, **terms, levers=levers)
    below = segments.table["segment"] == "below_zero"
    assert below.sum() > 5
    for budget in (None, 1e6):
        plan = plan_actions(segments, budget=budget, holdout=0.0).table.set_index("customer_id")["action"]
        theirs = plan[plan.index.isin(segments.table.loc[below, "customer_id"])]
        assert len(theirs) > 0
        assert set(theirs) == {"self-service"}
    assert plan.str.contains("mail").any()
