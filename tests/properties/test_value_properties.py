"""What holds for every base: non-negative room, monotone values, finite draws."""

from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from kundenwert.families.identity import annuity, phi
from kundenwert.value.estimate import estimate_value
from kundenwert.value.potential import adding_up_scale, attainable_share, share_between_cohorts
from value_world import GG, few_customers, known_posterior

positive = st.floats(1e-3, 1e3)
thetas = st.fixed_dictionaries(
    {
        "r": st.floats(0.05, 20),
        "alpha": st.floats(0.05, 500),
        "a": st.floats(0.05, 20),
        "b": st.floats(0.05, 50),
    }
)


@given(thetas, st.sampled_from(["bgnbd", "mbgnbd"]), st.floats(0, 1), st.floats(0, 10), st.floats(0, 5))
@settings(max_examples=25)
def test_potential_is_never_below_actual_and_everything_is_finite(theta, family, margin, cost, active):
    value = estimate_value(
        known_posterior(theta | GG, draws=20, family=family),
        few_customers(),
        horizon="1 year",
        margin=margin,
        cost_per_order=cost,
        cost_per_year_active=active,
        newcomers=30,
        draws=20,
    )
    table = value.table
    numeric = table.drop(columns="realized_value").select_dtypes("number")
    assert np.isfinite(numeric).all(axis=None)
    assert (table["potential_value"] >= table["actual_value"]).all()
    assert (table["gap"] >= 0).all()
    assert table["unrealized_value"].sum() <= value.frontier.limit * (1 + 1e-12)
    assert table["attainable_share"].between(0, 1).all()
    assert np.isfinite(value.totals.base).all()


@given(thetas, st.floats(0, 0.5), st.floats(0.01, 0.5))
@settings(max_examples=15)
def test_value_falls_in_cost_and_in_discount_while_it_is_positive(theta, discount, more):
    posterior, base = known_posterior(theta | GG, draws=20), {"newcomers": 5, "margin": 0.3, "horizon": "1 year"}
    value = estimate_value(posterior, few_customers(), discount_rate=discount, **base).table["actual_value"]
    later = estimate_value(posterior, few_customers(), discount_rate=discount + more, **base).table["actual_value"]
    dearer = estimate_value(posterior, few_customers(), discount_rate=discount, cost_per_order=more, **base).table[
        "actual_value"
    ]
    assert (later <= value).all()
    assert (dearer <= value).all()


@given(st.floats(-30, 700), st.floats(1e-9, 10))
def test_phi_falls_and_stays_positive(u, step):
    assert phi(u) > 0
    assert phi(u + step) <= phi(u) * (1 + 1e-15)


@given(positive, positive, positive)
def test_annuity_is_positive_and_no_longer_than_the_horizon(rate, horizon, more):
    assert 0 < annuity(rate, horizon) <= horizon
    assert annuity(rate, horizon + more) >= annuity(rate, horizon) * (1 - 1e-15)


@given(st.just(0.0) | st.floats(1e-100, 1e6), st.just(0.0) | st.floats(1e-100, 1e6))
def test_the_cap_holds(limit, unrealized):
    scale = adding_up_scale(limit, unrealized)
    assert 0 <= scale <= 1
    assert scale * unrealized <= limit * (1 + 1e-12) or unrealized == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 100)), min_size=1, max_size=40))
def test_share_between_cohorts_is_a_share(customers):
    cohort, unrealized = (np.array(column) for column in zip(*customers, strict=True))
    assert -1e-12 <= share_between_cohorts(unrealized.astype(float), cohort) <= 1 + 1e-9


@given(st.integers(1, 300), st.floats(0.2, 20), st.floats(0.2, 20), st.integers(0, 5))
def test_attainable_shares_hold_one_value_of_each_stratum_of_their_prior(draws, first, second, seed):
    share = np.sort(attainable_share(draws, (first, second), seed))
    assert share.shape == (draws,)
    # Where a stratum is narrower than the spacing of doubles near 1, the round trip loses digits.
    clear = share < 1 - 1e-9
    stratum = np.floor(beta.cdf(share, first, second) * draws)
    assert (stratum == np.arange(draws))[clear].all()


@given(st.integers(1, 9), st.integers(1, 3), st.permutations(range(8)), st.sampled_from(["bgnbd", "mbgnbd"]))
@settings(max_examples=15)
def test_blocks_threads_and_order_change_nothing(block, threads, order, family):
    posterior, summary = known_posterior(draws=20, family=family, spread=0.1), few_customers()
    terms = {"margin": 0.3, "cost_per_order": 1.0, "newcomers": 20}
    base = estimate_value(posterior, summary, **terms, threads=1)
    moved = replace(summary, table=summary.table.iloc[order].reset_index(drop=True))
    found = estimate_value(posterior, moved, **terms, block=block, threads=threads)
    expected = base.table.iloc[order].reset_index(drop=True)
    pd.testing.assert_frame_equal(found.table, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.totals.base, base.totals.base, rtol=1e-12)
