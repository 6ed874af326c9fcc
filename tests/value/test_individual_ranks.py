"""Simulation-based calibration of what is drawn for each customer: ranks of the truth among his draws are uniform."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from kundenwert.value.counters import Purpose
from kundenwert.value.individuals import histories, population, stream
from value_world import BG, GG, MBG, known_posterior, summary_of

CUSTOMERS, DRAWS, BINS = 20_000, 99, 20
RARE = chi2.ppf(1 - 1e-4, BINS - 1)
FAMILIES = {"bgnbd": (BG, False), "mbgnbd": (MBG, True)}


def _lives(theta, first_kills, rng):
    """Customers order by order: what they are like, what the log shows of them, and whether they are still there."""
    rate = rng.gamma(theta["r"], 1 / theta["alpha"], CUSTOMERS)
    dropout = rng.beta(theta["a"], theta["b"], CUSTOMERS)
    nu = rng.gamma(GG["q"], 1 / GG["v"], CUSTOMERS)
    T, x, t_x, spent = rng.uniform(27, 39, CUSTOMERS), np.zeros(CUSTOMERS), np.zeros(CUSTOMERS), np.zeros(CUSTOMERS)
    alive = rng.random(CUSTOMERS) >= dropout if first_kills else np.ones(CUSTOMERS, dtype=bool)
    time, going = np.zeros(CUSTOMERS), alive.copy()
    while going.any():
        time[going] += rng.exponential(1 / rate[going])
        going &= time < T
        x[going], t_x[going] = x[going] + 1, time[going]
        spent[going] += rng.gamma(GG["p"], 1 / nu[going])
        left = going & (rng.random(CUSTOMERS) < dropout)
        alive &= ~left
        going &= ~left
    z = np.divide(spent, x, out=np.zeros(CUSTOMERS), where=x > 0)
    frame = {"customer_id": [f"C{i}" for i in range(CUSTOMERS)], "cohort": "1997-01", "frequency": x, "recency": t_x}
    return pd.DataFrame(frame | {"T": T, "monetary_value": z, "first_amount": 1.0}), rate, dropout, nu, alive


@cache
def _ranks(family):
    """(customer,) rank of each true number among the draws of the customer's own case; P(alive); the case."""
    theta, first_kills = FAMILIES[family]
    frame, rate, dropout, nu, alive = _lives(theta, first_kills, np.random.default_rng(7))
    summary, posterior = summary_of(frame), known_posterior(theta | GG, family=family, draws=DRAWS)
    people, customers = population(posterior, DRAWS, 5), histories(posterior, summary)
    order = pd.Index(frame["customer_id"]).get_indexer(customers.ids)
    truth = np.stack([rate, dropout, nu], axis=1)[order]

    def reduce(block):
        one, purchases = block.individual, block.purchases
        slower = purchases.full(one.rate_alive / one.rate_dead, DRAWS)[purchases.which]
        shapes = (purchases.full(shape, DRAWS) for shape in one.dropout_dead)
        past = block.streams.betas(Purpose.DEAD_DROPOUT, *shapes, purchases.which)
        own = truth[block.rows]
        drawn = {True: (block.rate, block.dropout), False: (block.rate * slower, past)}
        cases = [[(draws < own[:, [i]]).sum(axis=1) for i, draws in enumerate(two)] for two in drawn.values()]
        return np.stack(
            [*cases[0], *cases[1], (block.spend_rate < own[:, [2]]).sum(axis=1), block.p_alive.mean(axis=1)]
        )

    found = np.empty((6, CUSTOMERS))
    for rows, _, part in stream(people, customers, reduce):
        found[:, rows] = part
    there = alive[order]
    bought = frame["frequency"].to_numpy()[order] > 0
    ranks = {
        "rate of the living": found[0][there],
        "dropout of the living": found[1][there],
        "rate of those who have gone": found[2][~there],
        "dropout of those who have gone": found[3][~there],
        "spend": found[4],
        "spend of repeat buyers": found[4][bought],
    }
    return ranks, found[5], there


@pytest.mark.parametrize("name", ["rate", "dropout"])
@pytest.mark.parametrize("case", ["of the living", "of those who have gone"])
@pytest.mark.parametrize("family", FAMILIES)
def test_ranks_of_rates_and_dropouts_are_uniform(family, case, name, tell_figure):
    _uniform(_ranks(family)[0][f"{name} {case}"], f"{name} {case}, {family}", tell_figure)


@pytest.mark.parametrize("who", ["spend", "spend of repeat buyers"])
@pytest.mark.parametrize("family", FAMILIES)
def test_ranks_of_mean_spend_are_uniform(family, who, tell_figure):
    _uniform(_ranks(family)[0][who], f"{who}, {family}", tell_figure)


def _uniform(ranks, words, tell):
    counts = np.bincount((ranks * BINS / (DRAWS + 1)).astype(int), minlength=BINS)
    expected = len(ranks) / BINS
    assert len(ranks) > 3_000
    distance = ((counts - expected) ** 2 / expected).sum()
    tell(f"ranks of true {words}: chi square of {BINS} bins", f"about {BINS - 1}, below {RARE:.1f}", f"{distance:.1f}")
    assert distance < RARE


@pytest.mark.parametrize("family", FAMILIES)
def test_as_many_are_alive_as_is_said(family):
    _, stated, there = _ranks(family)
    for low, high in ((0.0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.0)):
        some = (stated > low) & (stated <= high)
        if some.sum() > 200:
            error = np.sqrt((stated[some] * (1 - stated[some])).sum()) / some.sum()
            assert abs(stated[some].mean() - there[some].mean()) < 3.9 * error + 1e-12
    assert ((stated < 0.9) & (stated > 0.1)).sum() > 3_000
