"""Plots take what the library returns, and draw the same as from the report's own records."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.errors import UsageError
from kundenwert.runs.shapes import bridge_of, payback_of, points_of
from value_world import GG, MBG, known_posterior, simulated_summary


@pytest.fixture(scope="module")
def found():
    posterior = known_posterior(MBG | GG, family="mbgnbd", draws=100, spread=0.05)
    summary = replace(simulated_summary(200, MBG | GG, family="mbgnbd"), observation_end=dt.date(1997, 9, 30))
    levers = (kw.Lever("call", "retention", cost_per_contact=0.5), kw.Lever("mail", "spend", cost_per_contact=0.1))
    segments = kw.assess(posterior, summary, margin=0.3, levers=levers, newcomers=50)
    dearer = kw.estimate_value(posterior, summary, margin=0.2, newcomers=50, draws=100)
    now = kw.Snapshot(posterior, summary, segments.value)
    return segments, kw.equity_change(now, kw.Snapshot(posterior, summary, dearer))


def data_of(chart):
    return chart.to_dict()["datasets"]


def test_a_change_of_equity(found):
    _, change = found
    drawn, record = kw.plots.equity_bridge(change), bridge_of(change)
    assert data_of(drawn) == data_of(kw.plots.equity_bridge(record))
    assert record.end.mean - record.start.mean == pytest.approx(record.change.mean)
    assert record.parts["settings"].mean < 0


def test_a_plan_says_its_own_budget(found):
    segments, _ = found
    plan = kw.plan_actions(segments, budget=20.0)
    points = points_of(plan, 0.9, limits_aside=False)
    drawn = kw.plots.budget_curve(plan)
    assert data_of(drawn) == data_of(kw.plots.budget_curve(points, budget=20.0, assumed=True))
    at = list(points.budget).index(20.0)
    assert points.gain[at] == pytest.approx(plan.treated["gain"].sum(), rel=0.05)
    with pytest.raises(UsageError, match="without a budget"):
        kw.plots.budget_curve(kw.plan_actions(segments))


def test_payback():
    log = pd.DataFrame(
        {
            "customer_id": np.repeat(np.arange(40), 3),
            "date": np.tile(["2025-01-01", "2025-02-01", "2025-03-15"], 40),
            "spend": np.tile([20.0, 25.0, 30.0], 40) + np.repeat(np.arange(40), 3),
        }
    )
    orders = kw.read(log, customer="customer_id", time="date", amount="spend", currency="USD")
    summary = kw.summarize(orders, cohort="all")
    posterior = known_posterior(MBG | GG, family="mbgnbd", draws=100)
    posterior = replace(posterior, cohorts=("all",))
    costs = {"margin": 0.3, "newcomers": 20}
    value = kw.estimate_value(posterior, summary, acquisition_cost=30.0, **costs)
    paid = kw.payback(value, posterior, summary, kw.ledger(orders, summary))
    assert data_of(kw.plots.payback_curve(paid)) == data_of(kw.plots.payback_curve(payback_of(paid)))
    early = kw.estimate_value(posterior, summary, acquisition_cost=1.0, **costs)
    done = kw.payback(early, posterior, summary, kw.ledger(orders, summary))
    with pytest.raises(UsageError, match="all customers have paid back"):
        kw.plots.payback_curve(done)
