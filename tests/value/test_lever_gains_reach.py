"""Levers and the individual draws of customers: who they were before they left, and blocks of every size."""

import numpy as np
import pytest
from scipy import stats
from tests.value_world import BG, GG, MBG, few_customers, known_posterior, simulated_summary

from kundenwert.families import get_family
from kundenwert.units import TimeUnit
from kundenwert.value.ahead import Ahead
from kundenwert.value.individuals import histories, population, stream
from kundenwert.value.lever_gains import package_gains, reach
from kundenwert.value.lever_plan import plan_levers
from kundenwert.value.levers import Lever, draw_effects
from kundenwert.value.outlook import Outlook
from kundenwert.value.packages import feasible_packages
from kundenwert.value.settings import Terms

TERMS = Terms(horizon=104.0, churn_horizon=26.0, discount=0.002, deactivation=52.0)
LEVERS = (
    Lever("back", "reactivation", mean=0.2, sd=0.1, cost_per_contact=0.2, cost_per_taker=3.0, window="4 weeks"),
    Lever("call", "retention", cost_per_contact=0.5, duration="52 weeks"),
    Lever("mail", "spend", cost_per_contact=0.1),
)


def over_blocks(summary, family, work, draws=200, **how):
    """`work(outlook, plan, reached)` for each block, as (rows, result)."""
    people = population(known_posterior(draws=draws, family=family), draws, 5)
    packages = feasible_packages(LEVERS)
    plan = plan_levers(packages, [draw_effects(one, draws, 5) for one in LEVERS], TERMS, TimeUnit.WEEK)

    def reduce(block):
        rows = len(block.rows)
        ahead = Ahead(np.full(rows, 0.35), np.full(rows, 2.0), np.full(rows, 0.05), np.full(rows, 0.02))
        outlook = Outlook(block, block.rows, ahead, TERMS)
        return work(outlook, plan, reach(outlook, plan, np.ones((rows, len(packages)), dtype=bool)))

    customers = histories(known_posterior(draws=draws, family=family), summary)
    return [(rows, found) for rows, _, found in stream(people, customers, reduce, **how)]


@pytest.mark.parametrize(("family", "theta", "first_kill"), [("bgnbd", BG, 0), ("mbgnbd", MBG, 1)])
def test_those_who_have_gone_were_what_their_orders_say(family, theta, first_kill):
    """Rate and dropout of the other part of the mixture, and the rate by the same numbers as that of the living."""
    table = few_customers().table
    draws = 4000
    found = over_blocks(
        few_customers(),
        family,
        lambda outlook, plan, one: (outlook.block.rate, one.slower[one.which] * outlook.block.rate, one.past_dropout),
        draws=draws,
    )
    seen = 0
    for rows, (rate, past_rate, past_dropout) in found:
        for row, living, before, dropout in zip(rows, rate, past_rate, past_dropout, strict=True):
            x, t_x = table["frequency"].iloc[row], table["recency"].iloc[row]
            if x + first_kill == 0:
                continue
            seen += 1
            shapes = theta["a"] + 1, theta["b"] + x - 1 + first_kill
            gamma = stats.gamma(theta["r"] + x, scale=1 / (theta["alpha"] + t_x))
            assert stats.kstest(before, gamma.cdf).pvalue > 1e-3
            assert stats.kstest(dropout, stats.beta(*shapes).cdf).pvalue > 1e-3
            assert np.ptp(before / living) < 1e-9
    assert seen >= 6


@pytest.mark.parametrize("family", ["bgnbd", "mbgnbd"])
def test_doing_nothing_is_what_the_outlook_says(family):
    """With packages that leave everybody as he was, value by the levers' stretches is value by the Outlook."""

    def difference(outlook, plan, one):
        found = package_gains(plan, one)
        position = plan.packages.position(["back"])
        alive = outlook.block.p_alive
        contact = 0.2 + alive * 3.0 * -np.expm1(-4.0 * outlook.block.rate)
        effect = draw_effects(LEVERS[0], 200, 5).effect
        before = one.slower[one.which] * outlook.block.rate
        time, kept = lifetime(1.5 * before * one.past_dropout)
        worth = time * (before * (0.35 * outlook.block.mean_spend - 2.0) - 0.05) - 0.02 * kept
        gone = (1 - alive) * effect * (worth + outlook.owed_gone[:, None] - 3.0)
        np.testing.assert_allclose(found.gain[:, position], (gone - contact)[:, ::2].mean(axis=1), rtol=1e-9)
        return found.gain

    assert sum(len(rows) for rows, _ in over_blocks(few_customers(), family, difference)) == 8


def lifetime(hazard):
    """Discounted time alive, and time that the record is kept, of somebody who is alive now."""
    discount, horizon, after = TERMS.discount, TERMS.horizon, TERMS.deactivation
    total = discount + hazard
    rest = np.exp(-discount * after) * -np.expm1(-total * (horizon - after)) / total
    return -np.expm1(-total * horizon) / total, -np.expm1(-discount * after) / discount + rest


def test_blocks_and_threads_change_nothing():
    summary = simulated_summary(60)

    def gains(**how):
        found = np.full((60, 7), np.nan)
        for rows, one in over_blocks(summary, "bgnbd", lambda outlook, plan, one: package_gains(plan, one).gain, **how):
            found[rows] = one
        return found

    whole = gains(block=60, threads=1)
    assert np.isfinite(whole).all()
    np.testing.assert_array_equal(gains(block=7, threads=2), whole)


def test_a_reactivation_is_worth_nothing_before_the_first_repeat_purchase_under_bg_nbd_alone():
    """BG/NBD takes such customers as alive, whatever the data; MBG/NBD doubts them."""
    first = {}
    for family in ("bgnbd", "mbgnbd"):
        for rows, found in over_blocks(few_customers(), family, lambda outlook, plan, one: package_gains(plan, one)):
            first |= {(family, row): found.gain[i, 1] for i, row in enumerate(rows)}
    assert get_family("bgnbd").p_alive(BG | GG, 0, 0.0, 38.86) == 1.0
    assert first["bgnbd", 0] < -0.2 < 0 < first["mbgnbd", 0]
