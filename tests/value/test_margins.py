"""Margins and acquisition costs of single customers: their forms, their limits, and what they change."""

import numpy as np
import pandas as pd
import pytest

from kundenwert.errors import DataError, UsageError
from kundenwert.value.acquisition import new_customer_offers, new_customer_value
from kundenwert.value.economics import resolve_economics
from kundenwert.value.estimate import estimate_value
from value_world import BG, GG, few_customers, known_posterior, simulated_summary, summary_of

TWO = (BG | GG, BG | GG | {"alpha": 4.414 / 2.5})
QUICK = {"newcomers": 200, "draws": 100, "attainable_scale": 0.5}


def test_each_customer_is_worth_what_he_is_among_customers_of_his_margin():
    """Draws belong to the customer's id, and every margin has a frontier of its own: groups do not see each other."""
    posterior = known_posterior(*TWO, spread=0.05)
    summary = simulated_summary(120, *TWO)
    share = np.array([0.1, 0.4, -0.2])[np.arange(120) % 3]
    cost = np.where(np.arange(120) % 2, 5.0, 9.0)
    table = summary.table.assign(share=share, cac=cost)
    terms = {"cost_per_order": 0.5, **QUICK}
    together = estimate_value(
        posterior, summary_of(table), margin="column:share", acquisition_cost="column:cac", **terms
    )
    totals = np.zeros(100)
    for margin in np.unique(share):
        rows = share == margin
        group = summary_of(table[rows])
        apart = estimate_value(posterior, group, margin=share[rows], acquisition_cost=cost[rows], **terms)
        left = together.table[rows].reset_index(drop=True)
        pd.testing.assert_frame_equal(left, apart.table, rtol=1e-12, atol=1e-12)
        totals += apart.totals.base
    np.testing.assert_allclose(together.totals.base, totals, rtol=1e-10)


def resolved(margin, cost, table):
    found = resolve_economics(table, margin=margin, acquisition_cost=cost, time_unit="week")
    return found.margin, found.acquisition_cost


def test_limits_belong_to_the_allowed():
    margins, costs = resolved([-1.0, 1.0], [0.0, 9.0], pd.DataFrame({"customer_id": [1, 2]}))
    assert (margins.tolist(), costs.tolist()) == ([-1.0, 1.0], [0.0, 9.0])
    assert resolved(None, None, pd.DataFrame({"customer_id": [1, 2]}))[0].tolist() == [1.0, 1.0]


def test_impossible_values_of_both_columns_come_in_one_message():
    table = pd.DataFrame({"customer_id": list("abcd"), "m": [0.3, 30.0, None, -1.5], "c": ["5", "-1", "x", "inf"]})
    with pytest.raises(DataError) as caught:
        resolved("column:m", "c", table)
    assert [(v.rule, v.count, list(v.ids)) for v in caught.value.violations] == [
        ("margin (column 'm') is missing, not a number or infinite", 1, ["c"]),
        ("margin (column 'm') lies outside -1 to 1", 2, ["b", "d"]),
        ("acquisition_cost (column 'c') is missing, not a number or infinite", 2, ["c", "d"]),
        ("acquisition_cost (column 'c') is negative", 1, ["b"]),
    ]
    assert "2 customers: margin (column 'm') lies outside -1 to 1 (first: b, d). It is a share" in str(caught.value)


@pytest.mark.parametrize(
    ("margin", "cost", "message"),
    [
        (30, None, r"margin 30 lies outside -1 to 1\. It is a share of spend: write 0\.30"),
        (float("nan"), None, "margin nan is not finite"),
        (0.3, -2.0, "acquisition_cost -2 is negative"),
        ("column:frequncy", None, "Did you mean 'frequency'"),
        ([0.1, 0.2], None, r"margin has shape \(2,\)"),
    ],
)
def test_one_number_for_all_that_cannot_be_is_an_error_of_use(margin, cost, message):
    with pytest.raises(UsageError, match=message):
        resolved(margin, cost, few_customers().table)


def test_a_new_customer_has_the_mean_margin_of_the_cohort():
    posterior, summary = known_posterior(*TWO, draws=10), simulated_summary(40, *TWO)
    margins = np.where(np.arange(40) % 2, 0.6, np.where(np.arange(40) % 4, 0.1, 0.3))
    value = estimate_value(posterior, summary, margin=margins, newcomers=20)
    typical = new_customer_offers(value, posterior.cohorts)
    np.testing.assert_allclose(typical[:, 0], [0.2, 0.6], rtol=1e-14)
    np.testing.assert_array_equal(typical[:, 1:], 0.0)
    assert np.isnan(new_customer_offers(value, ["1999-01"])).all()
    each = new_customer_value(posterior, value.settings, offers=typical)
    np.testing.assert_array_equal(each, new_customer_value(posterior, value.settings, margin=typical[:, 0]))
    for position, (margin, *_) in enumerate(typical):
        alone = new_customer_value(posterior, value.settings, margin=float(margin))
        np.testing.assert_allclose(each[:, position], alone[:, position], rtol=1e-14)


def test_a_common_margin_is_the_new_customers_too():
    posterior = known_posterior(draws=10)
    value = estimate_value(posterior, few_customers(), margin=0.3, newcomers=20)
    assert new_customer_offers(value, [*posterior.cohorts, "1999-01"]).tolist() == [[0.3, 0.0, 0.0, 0.0]] * 2
