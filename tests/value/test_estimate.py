"""What estimate_value promises about every row, and about the whole."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kundenwert.errors import DataError, UsageError
from kundenwert.families import get_family
from kundenwert.names import Flag
from kundenwert.units import TimeUnit
from kundenwert.value.actual import living_value
from kundenwert.value.estimate import estimate_value
from kundenwert.value.individuals import histories, population, stream
from value_world import BG, COSTS, GG, MBG, few_customers, known_posterior, simulated_summary, summary_of

COUNT = 300


@pytest.fixture(scope="module")
def base():
    posterior = known_posterior(BG | GG, BG | GG | {"alpha": 4.414 / 2.5}, spread=0.05)
    summary = simulated_summary(COUNT, BG | GG, BG | GG | {"alpha": 4.414 / 2.5})
    return posterior, summary


@pytest.fixture(scope="module")
def value(base):
    return estimate_value(*base, **COSTS, newcomers=500)


def test_rows_are_the_summarys_and_figures_hang_together(base, value):
    table, summary = value.table, base[1].table
    assert table["customer_id"].tolist() == summary["customer_id"].tolist()
    assert table["customer_id"].dtype == summary["customer_id"].dtype
    np.testing.assert_allclose(table["potential_value"], table["actual_value"] + table["unrealized_value"])
    np.testing.assert_allclose(table["gap"] * table["attainable_share"], table["unrealized_value"], atol=1e-12)
    assert (table["unrealized_value"] >= 0).all()
    assert table["p_alive"].between(0, 1).all()
    assert (table["churn_probability"] >= 1 - table["p_alive"] - 1e-12).all()
    assert (table["actual_value_low"] <= table["actual_value_high"]).all()


def test_expected_value_is_the_mean_of_simulated_futures(value):
    """The two estimands share their mean, whatever else they do not share."""
    error = value.totals.base.std() / len(value.totals.base) ** 0.5
    assert value.table["actual_value"].sum() == pytest.approx(value.totals.base.mean(), abs=4.5 * error)
    orders = value.totals.expected_purchases
    expected = value.table["expected_purchases"].sum()
    assert expected == pytest.approx(orders.mean(), abs=4.5 * orders.std() / len(orders) ** 0.5)
    churned = value.totals.churned
    assert value.table["churn_probability"].sum() == pytest.approx(
        churned.mean(), abs=4.5 * churned.std() / len(churned) ** 0.5
    )
    np.testing.assert_allclose(value.totals.by_cohort.sum(axis=1), value.totals.base)


def test_block_size_threads_and_row_order_change_nothing(base, value):
    posterior, summary = base
    shuffled = replace(summary, table=summary.table.sample(frac=1, random_state=1).reset_index(drop=True))
    assert not shuffled.table["customer_id"].is_monotonic_increasing
    for other, again in (
        (estimate_value(*base, **COSTS, newcomers=500, block=5, threads=3), summary),
        (estimate_value(posterior, shuffled, **COSTS, newcomers=500, threads=1), shuffled),
    ):
        assert again.table["customer_id"].tolist() == other.table["customer_id"].tolist()
        ours = value.table.set_index("customer_id").loc[other.table["customer_id"]].reset_index()
        numeric = ours.select_dtypes("number").columns
        np.testing.assert_allclose(other.table[numeric], ours[numeric], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(other.totals.base, value.totals.base, rtol=1e-12)
        assert other.table["flags"].tolist() == ours["flags"].tolist()


def test_euros_and_cents_are_worth_the_same():
    table = few_customers().table
    money = ["monetary_value", "gross", "refunds"]
    cents = summary_of(table.assign(**{name: table[name] * 100 for name in money}))
    in_cents = {name: amount * (1 if name == "margin" else 100) for name, amount in COSTS.items()}
    small = estimate_value(known_posterior(), few_customers(), **COSTS)
    large = estimate_value(known_posterior(BG | GG | {"v": GG["v"] * 100}), cents, **in_cents)
    for name in ("realized_value", "actual_value", "actual_value_low", "actual_value_high", "unrealized_value"):
        np.testing.assert_allclose(large.table[name], 100 * small.table[name], rtol=1e-9, atol=1e-9)


def test_value_is_linear_in_margin_and_falls_in_costs_and_discount():
    def actual(**settings):
        return estimate_value(known_posterior(), few_customers(), newcomers=50, **settings).table["actual_value"]

    np.testing.assert_allclose(actual(margin=0.6), 2 * actual(margin=0.3), rtol=1e-12)
    base = actual(margin=0.3)
    for dearer in ("cost_per_order", "cost_per_year_active", "cost_per_year_on_file"):
        assert (actual(margin=0.3, **{dearer: 1.0}) < base).all()
    assert (actual(margin=0.3, discount_rate=0.2) < base).all()
    assert (actual(margin=0.3, horizon="4 years") > base).all()


def test_customers_above_the_frontier_have_no_unrealized_value():
    value = estimate_value(known_posterior(), few_customers(), margin=0.3, frontier=0.3)
    assert value.frontier.level(0.3, 0, value.ahead).max() < value.table["actual_value"].min()
    assert value.table["unrealized_value"].max() < 0.02
    assert estimate_value(known_posterior(), few_customers(), margin=0.0).table["unrealized_value"].sum() == 0


def test_one_time_buyers_are_credited_with_potential_only_where_they_can_have_gone():
    bg = estimate_value(known_posterior(), few_customers()).table
    once = few_customers().table["frequency"].to_numpy() == 0
    assert (bg.loc[once, "unrealized_value"] == 0).all()
    assert (bg.loc[once, "gap"] > 0).all()
    assert all(Flag.UNPROVEN in flags and Flag.STRUCTURAL_ALIVE in flags for flags in bg.loc[once, "flags"])
    mbg = estimate_value(known_posterior(MBG | GG, family="mbgnbd"), few_customers()).table
    assert (mbg.loc[once, "unrealized_value"] > 0).all()
    assert not any(Flag.UNPROVEN in flags for flags in mbg["flags"])


def test_unrealized_value_stays_below_the_cap():
    generous = {"newcomers": 500, "attainable": (6.0, 2.0), "growth_cap": 0.01}
    value = estimate_value(known_posterior(MBG | GG, family="mbgnbd"), few_customers(), **generous)
    total = value.table["unrealized_value"].sum()
    assert value.frontier.attainable_scale < 1
    assert total == pytest.approx(0.01 * 3 * value.table["actual_value"].sum())
    assert value.frontier.sensitivity[0.7] < value.frontier.sensitivity[0.8] < value.frontier.sensitivity[0.9]
    frozen = estimate_value(
        known_posterior(MBG | GG, family="mbgnbd"), few_customers(), **generous, attainable_scale=0.5
    )
    assert frozen.table["unrealized_value"].sum() == pytest.approx(0.5 * value.frontier.sensitivity[0.8])


def test_no_mean_spend_is_flagged_and_simulated_all_the_same():
    value = estimate_value(known_posterior(BG | GG | {"q": 0.9}), few_customers())
    none = few_customers().table["spend_days"].to_numpy() == 0
    assert value.table["actual_value"].isna().tolist() == none.tolist()
    assert all((Flag.NO_MEAN_SPEND in flags) == gone for flags, gone in zip(value.table["flags"], none, strict=True))
    assert value.table.loc[none, ["actual_value_low", "actual_value_high", "unrealized_value"]].notna().all(axis=None)
    assert any("mean spend" in note for note in value.notes)


def test_margins_may_differ_between_customers():
    summary = few_customers()
    margins = np.linspace(0.1, 0.8, 8)
    table = summary.table.assign(share=margins)
    posterior = known_posterior()
    by_array = estimate_value(posterior, summary, margin=margins)
    by_column = estimate_value(posterior, summary_of(table), margin="column:share")
    pd.testing.assert_frame_equal(by_array.table, by_column.table)
    single = estimate_value(posterior, summary, margin=float(margins[4]))
    for name in ("actual_value", "gap"):
        assert by_array.table[name][4] == pytest.approx(single.table[name][4], rel=1e-12)
    assert by_array.settings.margin is None
    assert by_array.settings.value_basis == "contribution"


def test_realized_value_counts_what_was_kept():
    table = estimate_value(known_posterior(), few_customers(), **COSTS, acquisition_cost=7.0).table
    given = few_customers().table
    expected = 0.35 * (given["gross"] - given["refunds"]) - 4.0 * given["orders"] - 7.0
    np.testing.assert_allclose(table["realized_value"], expected)
    four = summary_of(given.drop(columns=["gross", "refunds"]))
    unknown = estimate_value(known_posterior(), four)
    assert unknown.table["realized_value"].isna().all()
    assert any("Realized value is unknown" in note for note in unknown.notes)


def test_without_a_margin_values_are_revenue_and_say_so():
    value = estimate_value(known_posterior(), few_customers())
    assert value.settings.value_basis == "revenue"
    assert "Values are revenue: no margin was given." in value.notes
    assert "revenue" in repr(value)
    assert "revenue" in value._repr_html_()


def test_inputs_are_not_touched_and_progress_is_told(base):
    posterior, summary = base
    before = summary.table.copy()
    draws = {name: values.copy() for name, values in posterior.draws.items()}
    told = []
    estimate_value(
        posterior, summary, draws=20, newcomers=20, progress=lambda stage, share: told.append((stage, share))
    )
    pd.testing.assert_frame_equal(summary.table, before)
    for name, values in draws.items():
        np.testing.assert_array_equal(posterior.draws[name], values)
    assert {stage for stage, _ in told} == {"peers' frontier", "value"}
    assert told[-1] == ("value", 1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frontier": 0.95}, "0.9"),
        ({"frontier": 0.0}, "frontier"),
        ({"horizon": "for ever"}, "cannot be read"),
        ({"discount_rate": -0.1}, "discount rate"),
        ({"discount_rate": 10}, "a discount rate of 10 is 1000% a year"),
        ({"discount_rate": 1.0}, "is 100% a year"),
        ({"cost_per_order": -1.0, "margin": 0.3}, "cost_per_order"),
        ({"cost_per_year_active": float("inf"), "margin": 0.3}, "cost_per_year_active"),
        ({"acquisition_cost": -3.0, "margin": 0.3}, "acquisition_cost"),
        ({"interval": 1.0}, "interval"),
        ({"draws": 0}, "draws"),
        ({"margin": "frequncy"}, "Did you mean 'frequency'"),
        ({"margin": [0.1, 0.2]}, "shape"),
        ({"seed": 2**64}, "seed"),
        ({"attainable": (0.0, 1.0)}, "Beta"),
        ({"threads": 0}, "threads"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        estimate_value(known_posterior(draws=10), few_customers(), **settings)


@pytest.mark.parametrize(
    "cost",
    [
        {"cost_per_order": 1.0},
        {"cost_per_year_active": 1.0},
        {"cost_per_year_on_file": 1.0},
        {"acquisition_cost": 5.0},
        {"acquisition_cost": np.full(8, 5.0)},
    ],
)
def test_costs_without_a_margin_are_refused_and_a_margin_of_one_is_the_way_out(cost):
    posterior, summary = known_posterior(draws=10), few_customers()
    with pytest.raises(UsageError, match=r"costs need a margin.*margin=1\.0"):
        estimate_value(posterior, summary, newcomers=10, **cost)
    value = estimate_value(posterior, summary, newcomers=10, margin=1.0, **cost)
    assert value.settings.value_basis == "contribution"


def test_purchases_and_spend_are_multiplied_within_each_draw():
    """Draws in which more purchases go with dearer ones: the product of the two means is a quarter too small."""
    theta, count = BG | GG, 10_000
    posterior = known_posterior(theta, draws=count)
    factor = np.where(np.arange(count) % 2, 1.8, 0.5)[None, :, None]
    both = {name: posterior.draws[name] * factor for name in ("r", "v")}
    posterior = replace(posterior, draws={**posterior.draws, **both})
    summary = summary_of(few_customers().table.iloc[[0, 1, 3]])
    value = estimate_value(posterior, summary, margin=0.3, newcomers=2, draws=count)
    terms, table = value.settings.terms, summary.table
    x, t_x, T, n, z = (
        table[k].to_numpy(float)[:, None] for k in ("frequency", "recency", "T", "spend_days", "monetary_value")
    )
    by_draw = {name: draws[0, :2, 0] for name, draws in posterior.draws.items()}
    orders = get_family("bgnbd").expected_purchases(by_draw, x, t_x, T, terms.horizon, terms.discount)
    spend = 0.3 * get_family("gamma_gamma").expected_spend(by_draw, n, n * z)
    exact = (orders * spend).mean(axis=1)
    assert (orders.mean(axis=1) * spend.mean(axis=1) < 0.85 * exact)[:2].all()
    np.testing.assert_allclose(value.table["actual_value"], exact, rtol=0.08)
    error = value.totals.base.std() / count**0.5
    assert value.totals.base.mean() == pytest.approx(exact.sum(), abs=4.5 * error)


@pytest.mark.parametrize("unit", ["day", "month", "year"])
def test_every_time_unit_is_worth_the_same(unit):
    theta, per_week = BG | GG, 7.0 / TimeUnit(unit).days
    weeks = estimate_value(known_posterior(theta), few_customers(), **COSTS)
    other = estimate_value(
        known_posterior(theta | {"alpha": theta["alpha"] * per_week}, unit=unit),
        few_customers(unit_days=TimeUnit(unit).days),
        **COSTS,
    )
    for name in ("actual_value", "unrealized_value", "churn_probability", "expected_purchases", "p_alive"):
        np.testing.assert_allclose(weeks.table[name], other.table[name], rtol=1e-9)
    np.testing.assert_allclose(weeks.totals.base.mean(), other.totals.base.mean(), rtol=1e-6)


def test_new_ids_change_only_the_monte_carlo_noise():
    """The differences of 300 customers, in units of their own Monte Carlo error, are standard normal."""
    posterior, summary = known_posterior(spread=0.05), simulated_summary(COUNT)
    renamed = summary_of(summary.table.assign(customer_id=[f"N{i:05d}" for i in range(COUNT)]))
    one, two = (estimate_value(posterior, each, margin=0.3, newcomers=5) for each in (summary, renamed))
    people, terms = population(posterior, None, one.settings.seed), one.settings.terms

    def spread(block):
        spend = block.expected_spend[block.spending.which]
        worth = living_value(block.rate, block.dropout, spend, one.ahead.offers[block.rows], terms)
        return (block.p_alive * worth).std(axis=1)

    error = np.empty(COUNT)
    for rows, _, found in stream(people, histories(posterior, summary), spread):
        error[rows] = found * (2 / people.draws) ** 0.5
    z = (one.table["actual_value"] - two.table["actual_value"]).to_numpy() / error
    assert (z != 0).all()
    assert abs(z.mean()) < 4.5 / COUNT**0.5
    assert z.var() == pytest.approx(1.0, abs=0.35)
    for name in ("p_alive", "churn_probability"):  # closed forms: no draw is read
        np.testing.assert_array_equal(one.table[name], two.table[name])


def test_a_missing_margin_names_the_customer():
    margins = np.full(8, 0.3)
    margins[2] = np.nan
    with pytest.raises(DataError, match="K2"):
        estimate_value(known_posterior(draws=10), few_customers(), margin=margins)
