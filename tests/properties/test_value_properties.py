"""What holds for every base: non-negative room, monotone values, finite draws."""

from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import beta

from kundenwert.families.identity import annuity, phi
from kundenwert.value.attainable import attainable_draws
from kundenwert.value.estimate import estimate_value
from kundenwert.value.kernels.worth import time_alive, time_on_file
from kundenwert.value.potential import adding_up_scale, share_between_cohorts
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


each_cost = arrays(np.float64, 8, elements=st.just(0.0) | st.floats(1e-6, 1e4))


@given(
    arrays(np.float64, 8, elements=st.floats(-1, 1)),
    st.tuples(each_cost, each_cost, each_cost),
    st.sampled_from(["continuous", "discrete"]),
    st.none() | st.sampled_from(["1 day", "20 weeks", "1 year", "9 years"]),
    st.sampled_from(["bgnbd", "mbgnbd"]),
    st.permutations(range(8)),
    st.integers(1, 9),
)
@settings(max_examples=30)
def test_any_costs_of_each_customer_keep_every_promise(margin, costs, discounting, after, family, order, block):
    """Finite figures, potential never below actual, the past untouched, and row order and blocks change nothing."""
    posterior, summary, rows = known_posterior(draws=20, family=family, spread=0.1), few_customers(), np.array(order)
    names = ("cost_per_order", "cost_per_year_active", "cost_per_year_on_file")
    given = {"margin": margin, **dict(zip(names, costs, strict=True))}
    common = {"discounting": discounting, "deactivate_after": after, "newcomers": 20}
    found = estimate_value(posterior, summary, **given, **common)
    table = found.table
    assert np.isfinite(table.select_dtypes("number")).all(axis=None)
    assert (table["potential_value"] >= table["actual_value"]).all()
    assert (table["gap"] >= 0).all()
    kept, orders = summary.table["gross"] - summary.table["refunds"], summary.table["orders"]
    np.testing.assert_allclose(table["realized_value"], margin * kept - costs[0] * orders, rtol=1e-12, atol=1e-12)
    moved = replace(summary, table=summary.table.iloc[rows].reset_index(drop=True))
    again = estimate_value(posterior, moved, **{k: v[rows] for k, v in given.items()}, **common, block=block)
    expected = table.iloc[rows].reset_index(drop=True)
    size = np.abs(table.select_dtypes("number").to_numpy()).max()
    pd.testing.assert_frame_equal(again.table, expected, rtol=1e-12, atol=1e-13 * size)


@given(st.floats(0, 50), positive, st.floats(0, 0.1), positive)
def test_a_month_puts_off_by_less_than_a_month(hazard, horizon, discount, period):
    """Both discountings agree within the discount of one period, and without a discount rate altogether."""
    continuous, discrete = (
        time_alive.py_func(hazard, horizon, (horizon, discount, each, np.inf)) for each in (0.0, period)
    )
    assert discrete <= continuous * (1 + 1e-12)
    assert discrete >= continuous * np.exp(-discount * period) * (1 - 1e-12)


@given(st.floats(0, 50), positive, st.floats(0, 0.1), st.just(0.0) | positive, st.floats(0, 2e3), st.floats(0, 100))
def test_a_record_is_kept_at_least_while_alive_and_longer_the_later_it_is_dropped(
    hazard, horizon, discount, period, after, more
):
    def kept(for_so_long):
        return time_on_file.py_func(hazard, (horizon, discount, period, for_so_long))

    alive = time_alive.py_func(hazard, horizon, (horizon, discount, period, after))
    always = time_alive.py_func(0.0, horizon, (horizon, discount, period, after))
    assert alive * (1 - 1e-12) <= kept(after) <= kept(after + more) * (1 + 1e-12)
    assert kept(after) <= always * (1 + 1e-12)


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
    share = np.sort(attainable_draws((first, second), draws=draws, seed=seed))
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
