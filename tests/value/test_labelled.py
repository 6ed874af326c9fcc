"""Draws of named customers are those that the tables are made of."""

import numpy as np
import pytest

from kundenwert.errors import UsageError
from kundenwert.value.estimate import estimate_value
from kundenwert.value.labelled import predictive_quantiles, value_draws
from kundenwert.value.levers import Lever
from value_world import COSTS, GG, MBG, known_posterior, simulated_summary

LEVERS = (Lever("call", "retention", cost_per_contact=0.1), Lever("mail", "spend", cost_per_contact=0.1))


@pytest.fixture(scope="module", params=[(), LEVERS], ids=["peers", "levers"])
def world(request):
    posterior = known_posterior(MBG | GG, family="mbgnbd", spread=0.05, draws=600)
    summary = simulated_summary(60, MBG | GG, family="mbgnbd")
    value = estimate_value(posterior, summary, **COSTS, newcomers=100, levers=request.param)
    return value, posterior, summary


def test_their_means_are_the_columns_of_the_table(world):
    value, posterior, summary = world
    draws = value_draws(value, posterior, summary, summary.table["customer_id"].tolist())
    assert len(draws) == 60 * 600
    owed = 1.0 / 52.178571 * -np.expm1(-value.settings.terms.discount * value.settings.terms.horizon)
    owed /= value.settings.terms.discount
    alive = draws["p_alive"]
    mixed = draws.assign(mixed=alive * draws["actual"] - (1 - alive) * owed, room=alive * draws["unrealized"])
    means = mixed.groupby("customer_id", sort=False)
    np.testing.assert_allclose(means["p_alive"].mean(), value.table["p_alive"], rtol=1e-12)
    error = means["mixed"].std() / 600**0.5
    assert (np.abs(means["mixed"].mean().to_numpy() - value.table["actual_value"]) < 5 * error.to_numpy() + 1e-9).all()
    # A package's gain may hold some with customers who have gone: only what peers leave room for is given alive.
    if value.basis.value == "peers":
        np.testing.assert_allclose(means["room"].mean(), value.table["unrealized_value"], rtol=1e-9, atol=1e-12)
    else:
        assert draws["unrealized"].isna().groupby(draws["draw"] % 2).mean().tolist() == [0.0, 1.0]
    tail = (1 - value.settings.interval) / 2
    np.testing.assert_allclose(means["outcome"].quantile(tail), value.table["actual_value_low"], rtol=1e-9, atol=1e-9)


def test_whom_one_asks_for_and_in_which_order_changes_nothing(world):
    value, posterior, summary = world
    ids = summary.table["customer_id"].tolist()
    together = value_draws(value, posterior, summary, ids).set_index("customer_id")
    few = value_draws(value, posterior, summary, [ids[7], ids[3], ids[7]])
    assert few["customer_id"].tolist() == [ids[7]] * 600 + [ids[3]] * 600 + [ids[7]] * 600
    for name in ("p_alive", "actual", "unrealized", "outcome"):
        np.testing.assert_array_equal(few[name][600:1200], together.loc[ids[3], name])
        np.testing.assert_array_equal(few[name][1200:], together.loc[ids[7], name])
    quantiles = predictive_quantiles(value, posterior, summary, [ids[3]], count=4)
    np.testing.assert_allclose(
        quantiles[0], together.loc[ids[3], "outcome"].quantile([0.125, 0.375, 0.625, 0.875]), rtol=1e-12
    )


def test_a_stranger_is_an_error(world):
    with pytest.raises(UsageError, match="customer 'nobody' is not in the summary"):
        value_draws(*world, ["nobody"])
