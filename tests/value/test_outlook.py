"""What each customer's orders bring and cost, against customers of the same posterior followed order by order."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from kundenwert.value.actual import simulate_value
from kundenwert.value.appraisal import appraised
from kundenwert.value.estimate import estimate_value
from value_world import BG, GG, MBG, WEEKS, few_customers, follow, known_posterior, offers_of

DRAWS, COUNT = 20_000, 40_000
MARGINS = np.array([0.35, 0.5, 0.2, 0.9, 0.0, -0.1, 0.45, 0.3])
ORDER_COSTS = np.array([4.0, 0.0, 9.0, 2.0, 1.0, 0.5, 0.0, 6.0])
ACTIVE_COSTS = np.array([0.0, 3.0, 0.0, 8.0, 2.0, 0.0, 1.0, 4.0])  # a year, like the next
FILE_COSTS = np.array([12.0, 4.0, 0.0, 6.0, 20.0, 9.0, 5.0, 3.0])


def individual(theta, first_kill, history, count, rng):
    """Customers of one history, drawn from its posterior: alive, rate, dropout, spend rate."""
    x, t_x, T, n, z = (float(history[k]) for k in ("frequency", "recency", "T", "spend_days", "monetary_value"))
    gone = np.log(theta["a"] / (theta["b"] + x - 1 + first_kill)) if x + first_kill > 0 else -np.inf
    gone += (theta["r"] + x) * np.log1p((T - t_x) / (theta["alpha"] + t_x))
    alive = rng.random(count) < expit(-gone)
    rate = rng.gamma(theta["r"] + x, 1 / (theta["alpha"] + T), count)
    dropout = rng.beta(theta["a"], theta["b"] + x + first_kill, count)
    return alive, rate, dropout, rng.gamma(GG["q"] + GG["p"] * n, 1 / (GG["v"] + n * z), count)


def all_futures(value, posterior, summary):
    """(customer, draw) simulated value, and (customer,) expected file cost."""
    futures, owed = np.empty((8, DRAWS)), np.empty(8)

    def reduce(outlook):
        p_alive = outlook.block.p_alive
        kept = (p_alive * outlook.owed_alive).mean(axis=1) + (1 - p_alive).mean(axis=1) * outlook.owed_gone
        return simulate_value(outlook).value, kept

    for rows, _, found in appraised(value, posterior, summary).stream(reduce, stage="futures", threads=1):
        futures[rows], owed[rows] = found
    return futures, owed


@pytest.mark.parametrize("discounting", ["continuous", "discrete"])
@pytest.mark.parametrize(("family", "theta"), [("bgnbd", BG), ("mbgnbd", MBG)])
def test_every_customers_figures_are_those_of_customers_followed_order_by_order(
    family, theta, discounting, tell_figure
):
    """Margin and four costs of their own each, records dropped after half a year, a discount rate that shows."""
    posterior, summary = known_posterior(theta | GG, draws=DRAWS, family=family), few_customers()
    value = estimate_value(
        posterior,
        summary,
        horizon="15 months",
        discount_rate=0.3,
        discounting=discounting,
        deactivate_after="30 weeks",
        margin=MARGINS,
        cost_per_order=ORDER_COSTS,
        cost_per_year_active=ACTIVE_COSTS,
        cost_per_year_on_file=FILE_COSTS,
        draws=DRAWS,
        newcomers=1,
    )
    terms, rng = value.settings.terms, np.random.default_rng(21)
    assert terms.deactivation == 30.0
    assert (terms.period > 0) == (discounting == "discrete")
    futures, owed = all_futures(value, posterior, summary)
    ones, furthest = np.ones(COUNT), 0.0
    for row, history in summary.table.iterrows():
        costs = (ORDER_COSTS[row], ACTIVE_COSTS[row] / WEEKS, FILE_COSTS[row] / WEEKS)
        alive, rate, dropout, nu = individual(theta, family == "mbgnbd", history, COUNT, rng)
        ahead = offers_of(MARGINS[row] * ones, *costs)
        silent = history["T"] - history["recency"]
        found = follow(alive, rate, dropout, GG["p"], nu, ahead, terms, rng, silent=silent)
        error = 4 * (found.value.var() / COUNT + futures[row].var() / DRAWS) ** 0.5
        differences = (futures[row].mean(), value.table["actual_value"][row]) - found.value.mean()
        furthest = max(furthest, 4 * np.abs(differences / error).max())
        assert futures[row].mean() == pytest.approx(found.value.mean(), abs=error)
        assert value.table["actual_value"][row] == pytest.approx(found.value.mean(), abs=error)
        noise = 4 * (found.owed.var() * (1 / COUNT + 1 / DRAWS)) ** 0.5 + 1e-9
        assert owed[row] == pytest.approx(found.owed.mean(), abs=noise)
    claim = f"value of 8 customers with costs against lives order by order, {family}, {discounting}: furthest apart"
    tell_figure(claim, "below 4 errors", f"{furthest:.1f} errors")
    assert (owed > 0).sum() == (FILE_COSTS > 0).sum()
    total = value.totals.base
    assert futures.sum(axis=0) == pytest.approx(total, rel=1e-12)
    assert value.totals.expected.sum() / DRAWS == pytest.approx(value.table["actual_value"].sum(), rel=1e-12)


@pytest.mark.parametrize("discounting", ["continuous", "discrete"])
def test_value_is_linear_in_margin_and_falls_in_every_cost_and_the_discount_rate(discounting):
    posterior, summary = known_posterior(MBG | GG, family="mbgnbd"), few_customers()
    common = {"discounting": discounting, "deactivate_after": "40 weeks", "newcomers": 2}

    def actual(**terms):
        return estimate_value(posterior, summary, **common | terms).table["actual_value"].to_numpy()

    costs = {"cost_per_order": 2.0, "cost_per_year_active": 3.0, "cost_per_year_on_file": 4.0}
    values = [actual(margin=margin, **costs) for margin in (-0.4, 0.0, 0.4, 0.8)]
    np.testing.assert_allclose(np.diff(values, n=2, axis=0), 0.0, atol=1e-10 * np.abs(values).max())
    base = actual(margin=0.3)
    for dearer in costs:
        assert (actual(margin=0.3, **{dearer: 1.0}) < base).all()
        np.testing.assert_allclose(
            actual(margin=0.3, **{dearer: 2.0}) - base, 2 * (actual(margin=0.3, **{dearer: 1.0}) - base), rtol=1e-9
        )
    assert (actual(margin=0.3, discount_rate=0.2) < base).all()
    longer = actual(margin=0.3, cost_per_year_on_file=1.0, deactivate_after="50 weeks")
    assert (longer <= actual(margin=0.3, cost_per_year_on_file=1.0)).all()


def test_discounting_at_the_end_of_the_month_is_a_little_less_than_at_each_moment():
    """On average by half a month; without a discount rate by nothing."""
    posterior, summary = known_posterior(), few_customers()

    def actual(rate, discounting):
        given = {"margin": 0.3, "discount_rate": rate, "discounting": discounting, "newcomers": 2}
        return estimate_value(posterior, summary, **given).table["actual_value"].to_numpy()

    half = 1.3 ** (-1 / 24)
    np.testing.assert_allclose(actual(0.3, "discrete"), half * actual(0.3, "continuous"), rtol=1e-3)
    np.testing.assert_allclose(actual(0.0, "discrete"), actual(0.0, "continuous"), rtol=1e-12)


def test_what_a_customer_is_worth_depends_on_nobody_elses_costs():
    posterior, summary = known_posterior(MBG | GG, family="mbgnbd", draws=200), few_customers()
    given = {"horizon": "1 year", "newcomers": 50, "attainable_scale": 1.0}

    def table(rows):
        chosen = replace(summary, table=summary.table.iloc[rows].reset_index(drop=True))
        costs = {"cost_per_order": ORDER_COSTS[rows], "cost_per_year_active": ACTIVE_COSTS[rows]}
        costs["cost_per_year_on_file"] = FILE_COSTS[rows]
        return estimate_value(posterior, chosen, margin=MARGINS[rows], **costs, **given).table

    everybody = table(np.arange(8)).select_dtypes("number")
    for row in range(8):
        alone = table(np.array([row])).select_dtypes("number")
        np.testing.assert_allclose(alone.iloc[0], everybody.iloc[row], rtol=1e-12, atol=1e-12)
