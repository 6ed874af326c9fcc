"""Plans of actions: budgets, standard packages, who is held out, and whether what a plan promises comes true."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kundenwert.decisions.actions import plan_actions, with_actions
from kundenwert.decisions.hard_events import HardEvents
from kundenwert.decisions.holdout_cells import held_out_of
from kundenwert.decisions.knapsack import budget_points
from kundenwert.decisions.one_pass import assess
from kundenwert.decisions.segments import segment
from kundenwert.decisions.standard_packages import packages_by_label
from kundenwert.errors import UsageError
from kundenwert.value.estimate import estimate_value
from kundenwert.value.levers import Lever
from kundenwert.value.outlook import Outlook
from value_world import COSTS, GG, MBG, follow, known_posterior, simulated_summary

CUSTOMERS, DRAWS = 400, 120
FAST = {"newcomers": 100, "draws": DRAWS}
CALL = Lever("call", "retention", cost_per_contact=0.8, mean=0.2, sd=0.1, channel="phone")
MAIL = Lever("mail", "frequency", cost_per_contact=0.1, mean=0.1, sd=0.1, channel="post", eligible="frequency >= 1")
LARGER = Lever(
    "larger", "spend", cost_per_contact=0.3, mean=0.1, sd=0.05, experiments=[{"mean": 0.1, "se": 0.1, "n": 9}]
)
SAVING = Lever("saving", "cost_to_serve", cost_per_contact=0.05)
BACK = Lever("back", "reactivation", cost_per_contact=0.05, cost_per_taker=1.0, window="4 weeks", channel="post")
LEVERS = (CALL, MAIL, LARGER, SAVING, BACK)


def world(customers=CUSTOMERS, draws=DRAWS):
    posterior = known_posterior(MBG | GG, family="mbgnbd", spread=0.05, draws=draws)
    return posterior, simulated_summary(customers, MBG | GG, family="mbgnbd")


@pytest.fixture(scope="module")
def segments():
    return assess(*world(), **COSTS, **FAST, levers=LEVERS)


@pytest.fixture(scope="module")
def plan(segments):
    return plan_actions(segments, budget=60.0)


def tables(segments):
    """(customer, action) cost, gain that chooses, gain that is reported."""
    gains = segments.value.levers
    chosen_on = gains.chosen_on[:, 1:]
    return np.where(chosen_on > 0, gains.cost[:, 1:], 0.0), chosen_on, gains.gain[:, 1:]


def numbers(segments, plan):
    """(customer,) number of the chosen action, -1 for none."""
    found = plan.table.set_index("customer_id")["action"].reindex(segments.table["customer_id"])
    return np.array([plan.names.index(name) if isinstance(name, str) else -1 for name in found])


def test_a_budget_is_respected_and_spent_where_it_brings_most(segments, plan):
    cost, choose, _ = tables(segments)
    action = numbers(segments, plan)
    rows = np.flatnonzero(action >= 0)
    assert plan.table["cost"].sum() == pytest.approx(cost[rows, action[rows]].sum())
    assert 59.0 < plan.table["cost"].sum() <= 60.0 * (1 + 1e-12)
    assert plan.treated["cost"].sum() < plan.table["cost"].sum()
    gained = choose[rows, action[rows]].sum()
    assert (choose[rows, action[rows]] > 0).all()
    bound = plan.allocation.lp_bound
    assert bound - choose.max() <= gained <= bound * (1 + 1e-12)
    assert gained == pytest.approx(plan.allocation.gain)
    usable = segments.value.levers.usable[:, 1:]
    assert usable[rows, action[rows]].all()
    assert len(set(action[rows])) > 2
    assert plan_actions(segments, budget=0.0).table["cost"].sum() == 0.0


def test_what_is_reported_had_no_part_in_the_choice(segments, plan):
    _, choose, reported = tables(segments)
    action, gains = numbers(segments, plan), segments.value.levers
    rows = np.flatnonzero(action >= 0)
    np.testing.assert_array_equal(plan.table["gain"], reported[rows, action[rows]])
    for name in ("chance", "shortfall", "cost"):
        np.testing.assert_array_equal(plan.table[name], getattr(gains, name)[rows, action[rows] + 1])
    assert (plan.table["gain"].to_numpy() != choose[rows, action[rows]]).all()
    assert plan.table["customer_id"].tolist() == segments.table["customer_id"][rows].tolist()
    assert plan.table["segment"].tolist() == segments.table["segment"][rows].tolist()


def test_gains_by_draw_are_those_of_the_treated(segments, plan):
    assert plan.by_draw.shape == (len(plan.names), DRAWS // 2)
    for name, by_draw in zip(plan.names, plan.by_draw, strict=True):
        stated = plan.treated.loc[plan.treated["action"] == name, "gain"].sum()
        assert by_draw.mean() == pytest.approx(stated, rel=1e-9, abs=1e-9)
    assert plan.by_draw.sum(axis=0).std() > 0.02 * plan.by_draw.sum(axis=0).mean()
    for threads in (1, 3):
        again = plan_actions(segments, budget=60.0, threads=threads)
        np.testing.assert_array_equal(again.by_draw, plan.by_draw)


def test_some_are_held_out_by_chance_and_always_the_same(segments, plan):
    seed = segments.value.settings.seed
    for name, rows in plan.table.groupby("action"):
        levers = name.split(" + ")
        expected = np.any([held_out_of(one, rows["customer_id"], share=0.1, seed=seed) for one in levers], axis=0)
        np.testing.assert_allclose(rows["propensity"], 0.9 ** len(levers))
        np.testing.assert_array_equal(rows["held_out"], expected)
    share = 1 - plan.table["propensity"]
    assert abs(plan.table["held_out"].sum() - share.sum()) < 4 * (share * (1 - share)).sum() ** 0.5
    assert plan.table["held_out"].any()
    posterior, summary = world()
    order = np.random.default_rng(3).permutation(CUSTOMERS)
    shuffled = replace(summary, table=summary.table.iloc[order].reset_index(drop=True))
    again = plan_actions(assess(posterior, shuffled, **COSTS, **FAST, levers=LEVERS), budget=60.0)
    pd.testing.assert_frame_equal(
        again.table.sort_values("customer_id", ignore_index=True),
        plan.table.sort_values("customer_id", ignore_index=True),
        rtol=1e-9,
    )
    half = plan_actions(segments, budget=60.0, holdout=0.5).table
    assert half["action"].tolist() == plan.table["action"].tolist()
    assert half.loc[plan.table["held_out"], "held_out"].all()
    assert not plan_actions(segments, budget=60.0, holdout=0.0).table["held_out"].any()


def test_the_curve_never_falls_and_stays_below_its_bound(segments, plan):
    cost, choose, reported = tables(segments)
    curve = plan.curve
    order = np.argsort(curve.budget)
    direct = budget_points(cost, np.maximum(choose, 0.0), curve.budget)
    assert (np.diff(direct.gain[order]) >= 0).all()
    assert (direct.gain <= curve.lp_bound * (1 + 1e-12)).all()
    assert (np.diff(curve.spent[order]) >= 0).all()
    assert (np.diff(curve.lp_bound[order]) >= 0).all()
    assert (np.diff(curve.shadow_price[order]) <= 1e-12).all()
    assert (curve.spent <= curve.budget + 1e-9).all()
    assert {0.0, 60.0} < set(curve.budget)
    assert curve.budget.max() > curve.enough
    most = np.where(choose > 0, choose, 0.0).argmax(axis=1)
    everything = reported[np.arange(CUSTOMERS), most][choose.max(axis=1) > 0].sum()
    assert curve.gain[order][-1] == pytest.approx(everything)
    here = int(np.flatnonzero(curve.budget == 60.0)[0])
    assert abs(curve.gain[here] - plan.table["gain"].sum()) < 0.05 * plan.table["gain"].sum()


def carried(plan, levers):
    """(row, lever) whether the action has the lever."""
    return np.array([[lever.name in action.split(" + ") for lever in levers] for action in plan.table["action"]])


def test_channels_make_no_more_contacts_than_they_can(segments):
    limits = {"phone": 15, "post": 40}
    plan = plan_actions(segments, budget=1e6, capacities=limits)
    used = carried(plan, LEVERS)
    by_phone, by_post = used[:, 0], used[:, 1] | used[:, 4]
    assert 0 < by_phone.sum() <= 15
    assert 0 < by_post.sum() <= 40
    assert not (by_phone & by_post).any()
    assert len(plan.notes) == 1
    assert plan.notes[0].endswith("two limited channels were left out: call + mail, call + back.")
    assert plan.allocation.contacts == {"phone": by_phone.sum(), "post": by_post.sum()}
    with pytest.raises(UsageError, match="phone"):
        plan_actions(segments, budget=1.0, capacities={"phon": 3})


def test_a_package_by_two_channels_takes_a_contact_of_the_one_that_is_limited(segments):
    found = assess(*world(), **COSTS, **FAST, levers=[CALL, MAIL], thresholds=segments.thresholds)
    free = plan_actions(found, budget=1e6)
    pairs = (free.table["action"] == "call + mail").sum()
    calls = free.table["action"].str.contains("call").sum()
    assert pairs > 10
    few = plan_actions(found, budget=1e6, capacities={"phone": 10})
    assert few.table["action"].str.contains("call").sum() == few.allocation.contacts["phone"] == 10 < calls
    assert (few.table["action"] == "call + mail").any()
    assert few.notes == ()
    assert few.allocation.contact_prices["phone"] > 0
    assert few.allocation.gain < free.allocation.gain


@pytest.mark.parametrize("stated", [None, {"dormant": ["back"], "low_maintenance": ["larger", "mail"], "migrator": []}])
def test_without_a_budget_labels_get_their_package_where_it_is_open_and_pays(segments, stated):
    plan = plan_actions(segments, packages=stated)
    gains, action = segments.value.levers, numbers(segments, plan)
    packages = packages_by_label(LEVERS, stated)
    labels, seen = segments.table["segment"], set()
    for row, label in enumerate(labels):
        members = packages[label]
        if not members:
            assert action[row] == -1
            continue
        position = gains.plan.packages.position([lever.name for lever in members])
        pays = gains.usable[row, position] and gains.chosen_on[row, position] > 0
        assert action[row] == (position - 1 if pays else -1)
        seen.add((label, bool(pays)))
    assert {True, False} == {pays for _, pays in seen}
    assert (plan.budget, plan.allocation, plan.curve) == (None, None, None)
    if stated is None:
        assert packages["dormant"] == ()
    else:
        assert not (plan.table["segment"] == "migrator").any()


def test_a_package_that_is_none_is_its_first_lever(segments):
    twice = (CALL, replace(CALL, name="visit", cost_per_contact=0.9))
    found = assess(*world(), **COSTS, **FAST, levers=twice, thresholds=segments.thresholds)
    plan = plan_actions(found, packages={label: ["visit", "call"] for label in ("most_valuable", "super_growth")})
    assert set(plan.table["action"]) == {"visit"}


def test_what_rests_on_assumptions_says_so(plan):
    of = dict(zip(plan.names, plan.assumed, strict=True))
    assert of["larger"] is False
    assert of["call"] is True
    assert of["call + larger"] is True


def test_the_table_says_what_is_done(segments, plan):
    table = with_actions(segments, plan).table
    chosen = table["customer_id"].isin(plan.table["customer_id"])
    assert table.loc[~chosen, ["action", "expected_gain", "propensity"]].isna().all(axis=None)
    assert not table.loc[~chosen, "held_out"].any()
    merged = table[chosen].reset_index(drop=True)
    assert merged["held_out"].tolist() == plan.table["held_out"].tolist()
    treated = ~plan.table["held_out"]
    for name, other in (("action", "action"), ("expected_gain", "gain")):
        assert merged.loc[treated, name].tolist() == plan.table.loc[treated, other].tolist()
        assert merged.loc[~treated, name].isna().all()
    np.testing.assert_array_equal(merged["propensity"], plan.table["propensity"])
    same = [name for name in segments.table if name not in ("action", "expected_gain")]
    pd.testing.assert_frame_equal(table[same], segments.table[same])
    assert segments.table["action"].isna().all()


@pytest.mark.parametrize("budget", [None, 60.0, 1e6])
def test_nothing_is_ever_done_to_who_objected_or_is_gone(budget):
    """Also where values were estimated before anybody asked."""
    posterior, summary = world()
    objected, removed, complaint = np.zeros((3, CUSTOMERS), dtype=bool)
    objected[::4], removed[1::4], complaint[2::4] = True, True, True
    events = HardEvents(objected, removed, complaint)
    blind = estimate_value(posterior, summary, **COSTS, **FAST, levers=LEVERS)
    with pytest.raises(UsageError, match=r"gone=events\.removed"):
        segment(blind, posterior, summary, events=events)
    value = estimate_value(posterior, summary, **COSTS, **FAST, levers=LEVERS, gone=removed)
    late = segment(value, posterior, summary, events=events)
    early = assess(posterior, summary, **COSTS, **FAST, levers=LEVERS, events=events, thresholds=late.thresholds)
    for found in (late, early):
        plan = plan_actions(found, budget=budget)
        done = found.table["customer_id"].isin(plan.table["customer_id"]).to_numpy()
        assert not done[objected | removed].any()
        sold = plan.table[plan.table["customer_id"].isin(summary.table["customer_id"][complaint])]["action"]
        assert not sold.str.contains("mail|larger").any()
        assert done[3::4].any()
        if budget == 1e6:
            assert done[complaint].any()


def test_without_levers_there_is_nothing_to_plan():
    with pytest.raises(UsageError, match="no levers"):
        plan_actions(assess(*world(60), **COSTS, **FAST))


def test_short_text(plan):
    assert repr(plan).startswith(f"<Plan for {len(plan.table):,} customers, ")


def drawn_truth(segments, rng):
    """What each customer is truly like: one of the draws that had no part in choosing, alive with its chance."""
    found = np.empty((len(segments.table), 4))

    def look(outlook: Outlook):
        block, rows = outlook.block, outlook.rows
        draw = truth_draw[rows]
        at = np.arange(len(rows))
        alive = block.p_alive[at, draw] > chance[rows]
        return np.column_stack([alive, block.rate[at, draw], block.dropout[at, draw], block.spend_rate[at, draw]])

    truth_draw = 2 * rng.integers(0, segments.context.people.draws // 2, len(found))
    chance = rng.random(len(found))
    for rows, _, drawn in segments.context.stream(look, stage="truth"):
        found[rows] = drawn
    return found[:, 0] > 0, *found[:, 1:].T


def test_planted_effects_come_back_as_the_plan_promised():
    """Customers followed order by order, the effect planted in those treated; the held out show what else was."""
    posterior, summary = world(6000, 200)
    posterior = known_posterior(MBG | GG, family="mbgnbd", draws=200)
    mail = Lever("mail", "frequency", cost_per_contact=1.0, mean=0.5, sd=1e-6)
    terms = {"margin": 0.35, "cost_per_order": 2.0, "draws": 200, "newcomers": 20}
    segments = assess(posterior, summary, levers=[mail], **terms)
    plan = plan_actions(segments, budget=1e6, holdout=0.5)
    assert plan.names == ("mail",)
    rng = np.random.default_rng(11)
    alive, rate, dropout, spend_rate = drawn_truth(segments, rng)
    table = plan.table.set_index("customer_id").reindex(segments.table["customer_id"])
    chosen = table["action"].notna().to_numpy()
    treated = chosen & table["held_out"].eq(False).to_numpy()
    factor = np.where(treated, np.exp(0.5), 1.0)
    lives = follow(
        alive,
        rate * factor,
        dropout / factor,
        GG["p"],
        spend_rate,
        segments.value.ahead,
        segments.value.settings.terms,
        rng,
    )
    value = lives.value - 1.0 * treated
    held = chosen & ~treated
    assert min(treated.sum(), held.sum()) > 1000
    effect = value[treated].mean() - value[held].mean()
    error = np.hypot(value[treated].std() / treated.sum() ** 0.5, value[held].std() / held.sum() ** 0.5)
    promised = plan.table["gain"].mean()
    assert promised > 4 * error
    assert abs(effect - promised) < 3 * error
