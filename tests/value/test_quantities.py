"""Single quantities against the families, and against the pass that estimates value."""

import numpy as np
import pytest

from kundenwert.errors import UsageError
from kundenwert.families import get_family
from kundenwert.value import quantities
from kundenwert.value.estimate import estimate_value
from value_world import BG, GG, few_customers, known_posterior, simulated_summary


def test_with_known_parameters_every_quantity_is_the_familys():
    posterior, summary, family = known_posterior(draws=5), few_customers(), get_family("bgnbd")
    table = summary.table
    past = [table[name].to_numpy(float) for name in ("frequency", "recency", "T")]
    spend = table["spend_days"] * table["monetary_value"]
    pairs = [
        (quantities.p_alive(posterior, summary), family.p_alive(BG, *past)),
        (quantities.churn_probability(posterior, summary, "39 weeks"), family.p_no_purchase(BG, *past, 39.0)),
        (quantities.expected_purchases(posterior, summary, "39 weeks"), family.expected_purchases(BG, *past, 39.0)),
        (
            quantities.purchase_distribution(posterior, summary, 2, "39 weeks"),
            family.purchase_distribution(BG, 2, *past, 39.0),
        ),
        (
            quantities.expected_spend(posterior, summary),
            get_family("gamma_gamma").expected_spend(GG, table["spend_days"].to_numpy(float), spend.to_numpy(float)),
        ),
    ]
    for found, exact in pairs:
        assert found.table["customer_id"].tolist() == table["customer_id"].tolist()
        for column in ("mean", "low", "high"):
            np.testing.assert_allclose(found.table[column], exact, rtol=1e-12)
    new = quantities.expected_purchases_new(posterior, "39 weeks")
    assert new.table["mean"][0] == pytest.approx(float(family.expected_purchases_new(BG, 39.0)), rel=1e-12)


def test_draws_are_kept_on_request_and_belong_to_their_customer():
    theta = (BG | GG, BG | GG | {"r": 0.5})
    posterior, summary = known_posterior(*theta, draws=60, spread=0.1), simulated_summary(90, *theta)
    found = quantities.churn_probability(posterior, summary, return_draws=True, draws=30)
    assert found.draws.shape == (90, 30)
    np.testing.assert_allclose(found.draws.mean(axis=1), found.table["mean"])
    row = summary.table.iloc[41]
    thinned = {name: values[:, 1] for name, values in posterior.thinned(30).items()}
    direct = get_family("bgnbd").p_no_purchase(thinned, row["frequency"], row["recency"], row["T"], 26.0)
    np.testing.assert_allclose(found.draws[41], direct, rtol=1e-12)
    assert quantities.churn_probability(posterior, summary).draws is None


def test_they_agree_with_the_value_pass():
    posterior, summary = known_posterior(draws=500, spread=0.05), simulated_summary(100)
    value = estimate_value(posterior, summary, newcomers=10, draws=500).table
    np.testing.assert_allclose(quantities.p_alive(posterior, summary).table["mean"], value["p_alive"], rtol=1e-12)
    churn = quantities.churn_probability(posterior, summary).table["mean"]
    np.testing.assert_allclose(churn, value["churn_probability"], rtol=1e-12)
    expected = quantities.expected_purchases(posterior, summary, "3 years", draws=500).table["mean"]
    assert value["expected_purchases"].sum() == pytest.approx(expected.sum(), rel=0.02)


def test_short_texts_and_refusals():
    posterior, summary = known_posterior(draws=5), few_customers()
    found = quantities.expected_purchases(posterior, summary, "1 year", discount_rate=0.1)
    assert repr(found).startswith("<expected_purchases within 1 year, 8 rows")
    assert "<table" in found._repr_html_()
    with pytest.raises(UsageError, match="number of orders"):
        quantities.purchase_distribution(posterior, summary, -1, "1 year")
    with pytest.raises(UsageError, match="interval"):
        quantities.p_alive(posterior, summary, interval=90)
