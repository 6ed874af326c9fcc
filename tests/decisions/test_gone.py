"""Customers who have died or are to be deleted: worth nothing any more, in every figure and total."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from kundenwert.decisions.hard_events import HardEvents
from kundenwert.decisions.one_pass import assess
from kundenwert.decisions.segments import segment
from kundenwert.value.bridge import equity_change
from kundenwert.value.levers import Lever
from kundenwert.value.paired import Snapshot
from value_world import COSTS, GG, MBG, known_posterior, simulated_summary

COUNT = 200
LEVERS = (Lever("mail", "spend"), Lever("back", "reactivation", mean=0.2, sd=0.1))


def facts(removed):
    nobody = np.zeros(COUNT, dtype=bool)
    return HardEvents(nobody, removed, nobody)


@pytest.fixture(scope="module")
def world():
    posterior = known_posterior(MBG | GG, family="mbgnbd", spread=0.05, draws=200)
    summary = simulated_summary(COUNT, MBG | GG, family="mbgnbd")
    return posterior, replace(summary, observation_end=dt.date(1997, 9, 30))


@pytest.mark.parametrize("levers", [(), LEVERS], ids=["peers", "levers"])
def test_they_bring_nothing_and_owe_nothing_and_nobody_else_changes(world, levers):
    posterior, summary = world
    removed = np.arange(COUNT) % 7 == 0
    before = assess(posterior, summary, **COSTS, newcomers=50, levers=levers, events=facts(~removed & removed))
    given = {"newcomers": 50, "levers": levers, "thresholds": before.thresholds}
    after = assess(posterior, summary, **COSTS, **given, events=facts(removed))
    gone, still = after.table[removed], after.table[~removed]
    money = ("actual_value", "actual_value_low", "actual_value_high", "unrealized_value", "potential_value")
    assert (gone[[*money, "p_alive", "expected_purchases"]] == 0).all(axis=None)
    assert gone["flags"].map(lambda flags: "removed" in flags).all()
    assert (gone["churn_probability"] == 1).all()
    assert (gone["p_dormant"] == 1).all()
    assert (gone["segment"] == "dormant").all()
    columns = [name for name in after.table if after.table[name].dtype.kind == "f"]
    np.testing.assert_allclose(still[columns], before.table.loc[~removed, columns], rtol=1e-12, atol=1e-12)
    lost = before.table.loc[removed, "actual_value"].sum()
    np.testing.assert_allclose(
        before.value.totals.expected.mean() - after.value.totals.expected.mean(), lost, rtol=1e-9
    )
    total = sum(after.totals_by_segment.values()) + after.objected_total
    np.testing.assert_allclose(total, after.value.totals.base, rtol=1e-9)


def test_they_are_so_in_a_pass_of_its_own_and_in_the_change_of_equity(world):
    posterior, summary = world
    removed = np.arange(COUNT) % 5 == 0
    after = assess(posterior, summary, **COSTS, newcomers=50, events=facts(removed))
    again = segment(after.value, posterior, summary, thresholds=after.thresholds, events=facts(removed))
    assert again.table["segment"].tolist() == after.table["segment"].tolist()
    before = assess(posterior, summary, **COSTS, newcomers=50)
    change = equity_change(Snapshot(posterior, summary, before.value), Snapshot(posterior, summary, after.value))
    assert change.end.mean == pytest.approx(after.value.totals.expected.sum(axis=1).mean(), rel=1e-9)
    assert change.start.mean == pytest.approx(before.value.totals.expected.sum(axis=1).mean(), rel=1e-9)
