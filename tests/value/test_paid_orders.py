"""Orders that bring no money: what orders to come are worth, against customers simulated with returned orders."""

import numpy as np
import pandas as pd
import pytest

from kundenwert.customers.summary import as_summary, summarize
from kundenwert.errors import UsageError
from kundenwert.value.ahead import AheadPriors
from kundenwert.value.estimate import estimate_value
from kundenwert.value.paid_orders import PaidPrior, fit_paid_prior, paid_shares
from value_world import BG, GG, known_posterior, simulated_summary

COUNT, LOST = 10_000, (0.1, 0.5)  # shares of orders of two kinds of customers that refunds leave nothing of


@pytest.fixture(scope="module")
def world():
    """Known parameters; each customer gets back all of an order with a chance of his own."""
    rng = np.random.default_rng(4)
    T = rng.uniform(27, 39, COUNT)
    rate, dropout = rng.gamma(BG["r"], 1 / BG["alpha"], COUNT), rng.beta(BG["a"], BG["b"], COUNT)
    spend_rate = rng.gamma(GG["q"], 1 / GG["v"], COUNT)
    lost = np.where(np.arange(COUNT) % 2, *LOST)
    x, t_x, n, spend = np.zeros(COUNT), np.zeros(COUNT), np.zeros(COUNT), np.zeros(COUNT)
    alive, clock = np.ones(COUNT, dtype=bool), np.zeros(COUNT)
    while (going := alive & (clock < T)).any():
        clock[going] += rng.exponential(1, going.sum()) / rate[going]
        comes = going & (clock < T)
        x[comes] += 1
        t_x[comes] = clock[comes]
        paid = comes & (rng.random(COUNT) >= lost)
        n[paid] += 1
        spend[paid] += rng.gamma(GG["p"], 1 / spend_rate[paid])
        alive &= ~(comes & (rng.random(COUNT) < dropout))
    frame = pd.DataFrame(
        {
            "customer_id": np.arange(COUNT),
            "cohort": np.where(np.arange(COUNT) % 2, "even", "odd"),
            "frequency": x,
            "recency": t_x,
            "T": T,
            "monetary_value": np.divide(spend, n, out=np.zeros(COUNT), where=n > 0),
            "spend_days": n,
        }
    )
    after = alive, rate, dropout, spend_rate, lost, rng
    return as_summary(frame, time_unit="week", currency="USD"), after


def test_what_comes_is_what_is_expected(world):
    summary, (alive, rate, dropout, spend_rate, lost, rng) = world
    posterior = known_posterior(BG | GG, BG | GG, draws=50)
    posterior = type(posterior)(**{**vars(posterior), "cohorts": ("even", "odd")})
    value = estimate_value(posterior, summary, horizon="1 year", discount_rate=0.0, margin=1.0, newcomers=10)
    came, clock, there = np.zeros(COUNT), np.zeros(COUNT), alive.copy()
    while there.any():
        clock[there] += rng.exponential(1, there.sum()) / rate[there]
        there &= clock < value.settings.terms.horizon
        brings = there & (rng.random(COUNT) >= lost)
        came[brings] += rng.gamma(GG["p"], 1 / spend_rate[brings])
        there &= ~(there & (rng.random(COUNT) < dropout))
    for kind in (0, 1):
        mine = np.arange(COUNT) % 2 == kind
        expected = value.table.loc[mine, "actual_value"].sum()
        error = came[mine].std() * mine.sum() ** 0.5
        assert abs(came[mine].sum() - expected) < 4 * error
        assert came[mine].sum() + 4 * error < expected / (1 - LOST[kind == 0]) or LOST[kind == 0] < 0.2


def test_where_every_order_has_brought_money_nothing_is_taken_off():
    summary = simulated_summary(50, BG | GG)
    assert fit_paid_prior(summary) is None
    assert estimate_value(known_posterior(draws=20), summary, margin=0.3, newcomers=10).ahead.paid is None


def test_shares_are_posteriors_of_counts(world):
    summary, _ = world
    prior = fit_paid_prior(summary)
    mean = prior.empty.mean
    table = summary.table
    for row, cohort in enumerate(prior.cohorts):
        mine = (table["cohort"] == cohort).to_numpy()
        assert abs(mean[row] - LOST[cohort == "odd"]) < 0.02
        a, b = prior.empty.a[row], prior.empty.b[row]
        empty = (table["frequency"] - table["spend_days"]).to_numpy()[mine]
        direct = 1 - (a + empty) / (a + b + table["frequency"].to_numpy()[mine])
        np.testing.assert_allclose(paid_shares(summary, prior)[mine], direct, rtol=1e-12)
    again = AheadPriors.from_dict(AheadPriors(paid=prior).to_dict()).paid
    np.testing.assert_array_equal(again.empty.a, prior.empty.a)
    strange = PaidPrior(("nowhere",), prior.empty)
    assert np.isfinite(paid_shares(summary, strange)).all()


def test_refunds_are_counted_in_one_place():
    log = pd.DataFrame(
        {
            "customer_id": ["a", "a", "a", "b", "b"],
            "date": ["2025-01-01", "2025-02-01", "2025-02-05", "2025-01-05", "2025-03-01"],
            "spend": [20.0, 30.0, -10.0, 20.0, 25.0],
        }
    )
    names = {"customer": "customer_id", "time": "date", "amount": "spend", "cohort": "all", "count_returns": True}
    posterior = known_posterior(draws=20)
    posterior = type(posterior)(**{**vars(posterior), "cohorts": ("all",), "currency": None})
    net, gross = summarize(log, **names), summarize(log, **names, net_refunds=False)
    assert (net.refunds_netted, gross.refunds_netted) == (True, False)
    with pytest.raises(UsageError, match="net_refunds=False"):
        estimate_value(posterior, net, returns="modelled", newcomers=10)
    with pytest.raises(UsageError, match="returns='modelled'"):
        estimate_value(posterior, gross, newcomers=10)
    for summary, returns in ((net, "netted"), (gross, "modelled")):
        found = estimate_value(posterior, summary, returns=returns, newcomers=10).table
        assert np.isfinite(found["actual_value"]).all()
