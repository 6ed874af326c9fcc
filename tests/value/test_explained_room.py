"""Parts of unrealized value by peers add up to it, and say what is lacking."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kundenwert.errors import UsageError
from kundenwert.inference.frontier_draws import extend
from kundenwert.value.estimate import estimate_value
from kundenwert.value.explained_room import explain_room
from kundenwert.value.individuals import population
from kundenwert.value.new_living import draw_new_living
from value_world import COSTS, GG, MBG, few_customers, known_posterior, simulated_summary, summary_of

PARTS = ["frequency", "retention", "spend", "cost"]


def _sums(value, posterior, summary):
    ids = summary.table["customer_id"].tolist()
    parts = explain_room(value, posterior, summary, ids)
    assert parts["customer_id"].tolist() == ids
    return parts, parts[PARTS].sum(axis=1).to_numpy(), value.table["unrealized_value"].to_numpy()


@pytest.mark.parametrize("terms", [{}, {"margin": 0.3}, COSTS, COSTS | {"discounting": "discrete"}])
@pytest.mark.parametrize("family", ["bgnbd", "mbgnbd"])
def test_parts_add_up_to_unrealized_value(family, terms):
    posterior = known_posterior(family=family, draws=60, spread=0.1)
    summary = few_customers()
    value = estimate_value(posterior, summary, **terms, newcomers=300)
    parts, sums, unrealized = _sums(value, posterior, summary)
    np.testing.assert_allclose(sums, unrealized, rtol=1e-9, atol=1e-9)
    assert (parts["cost"] == 0).all()
    assert (parts[PARTS].abs().sum(axis=1) > 0).tolist() == (unrealized > 0).tolist()
    proven = summary.table["frequency"] > 0 if family == "bgnbd" else np.ones(8, dtype=bool)
    assert (unrealized[~proven] == 0).all()
    assert (unrealized[:5] > 0).tolist() == proven[:5].tolist()


def test_customers_with_own_costs_in_two_cohorts_have_own_targets():
    thetas = (MBG | GG, MBG | GG | {"v": 40.0})
    posterior = known_posterior(*thetas, family="mbgnbd", draws=50)
    summary = simulated_summary(40, *thetas, family="mbgnbd")
    margin = np.random.default_rng(1).choice([0.2, 0.35, 0.5], 40)
    costs = {"margin": margin, "cost_per_order": 2.0}
    value = estimate_value(posterior, summary, **costs, newcomers=500, attainable_scale=1.0)
    parts, sums, unrealized = _sums(value, posterior, summary)
    np.testing.assert_allclose(sums, unrealized, rtol=1e-9, atol=1e-9)
    some = summary.table["customer_id"].iloc[[30, 3, 30]].tolist()
    again = explain_room(value, posterior, summary, some)
    pd.testing.assert_frame_equal(again, parts.iloc[[30, 3, 30]].reset_index(drop=True), rtol=1e-12)


def test_a_frozen_frontier_is_explained_by_its_own_newcomers():
    before, now = (known_posterior(MBG | GG | {"v": v}, family="mbgnbd", draws=50) for v in (60.0, 15.44))
    frozen, summary = replace(now, frontier=extend(None, before, 50)), few_customers()
    spends = []
    for posterior in (now, frozen):
        value = estimate_value(posterior, summary, newcomers=500, attainable_scale=1.0)
        parts, sums, unrealized = _sums(value, posterior, summary)
        np.testing.assert_allclose(sums, unrealized, rtol=1e-9)
        spends.append(parts["spend"].sum() / unrealized.sum())
    assert spends[1] > 1.2 * spends[0]  # those newcomers spent four times as much an order


def test_what_a_customer_lacks_is_what_is_named():
    """Many small orders, and few large ones: the one lacks spend, the other frequency."""
    frame = {"customer_id": ["small", "rare"], "cohort": "1997-01", "T": 38.0, "frequency": [20, 3]}
    frame |= {"recency": [37.0, 30.0], "monetary_value": [2.0, 60.0]}
    summary, posterior = summary_of(pd.DataFrame(frame)), known_posterior(MBG | GG, family="mbgnbd", draws=200)
    value = estimate_value(posterior, summary, frontier=0.9, newcomers=1000)
    parts = explain_room(value, posterior, summary, ["small", "rare"]).set_index("customer_id")
    assert parts.loc["small", "spend"] > 0 > parts.loc["small", "frequency"]
    assert parts.loc["rare", "frequency"] > parts.loc["rare", "spend"]
    with pytest.raises(UsageError, match="'nobody' is not in the summary"):
        explain_room(value, posterior, summary, ["nobody"])


def test_newcomers_are_those_that_levels_are_quantiles_of():
    posterior = known_posterior(MBG | GG, family="mbgnbd", draws=70, spread=0.1)
    value = estimate_value(posterior, few_customers(), margin=0.3, newcomers=400)
    rate, dropout, spend = draw_new_living(population(posterior, 70, value.settings.seed), 0, np.arange(70), 400)
    terms = value.settings.terms
    kappa = terms.discount + rate * dropout
    worth = -np.expm1(-kappa * terms.horizon) / kappa * rate * 0.3 * spend
    level = value.frontier.level(0.8, 0, value.ahead.take(np.zeros(1, dtype=np.int64)))[0]
    np.testing.assert_allclose(np.quantile(worth, 0.8, axis=1), level, rtol=1e-9)
