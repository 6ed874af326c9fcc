"""Predictive intervals of unrealized and potential value: whoever has gone in a future has no room in it."""

import numpy as np
import pytest

from kundenwert.decisions.one_pass import assess
from kundenwert.value.actual import simulate_value
from kundenwert.value.counters import Purpose
from kundenwert.value.labelled import value_draws
from kundenwert.value.levers import Lever
from kundenwert.value.outlook import interval_of
from value_world import COSTS, GG, MBG, known_posterior, simulated_summary

LEVERS = (Lever("call", "retention", cost_per_contact=0.1), Lever("mail", "spend", cost_per_contact=0.1))


@pytest.fixture(scope="module", params=[(), LEVERS], ids=["peers", "levers"])
def world(request):
    posterior = known_posterior(MBG | GG, family="mbgnbd", spread=0.05, draws=500)
    summary = simulated_summary(150, MBG | GG, family="mbgnbd")
    return assess(posterior, summary, **COSTS, newcomers=100, levers=request.param), posterior, summary


def test_they_are_quantiles_of_what_happens_in_each_future(world):
    segments, posterior, summary = world
    draws = value_draws(segments.value, posterior, summary, summary.table["customer_id"].tolist())
    for rows, _, (alive, orders) in segments.context.stream(
        lambda outlook: (
            outlook.block.streams.units(Purpose.PREDICTIVE) < outlook.block.p_alive,
            simulate_value(outlook).orders,
        ),
        stage="alive",
    ):
        assert (alive | (orders == 0)).all()
        assert alive.any() and not alive.all()
        for row, living in zip(rows, alive, strict=True):
            one = draws.iloc[row * 500 : (row + 1) * 500]
            known = one["unrealized"].notna().to_numpy()
            more = (living * one["unrealized"].to_numpy())[known]
            both = one["outcome"].to_numpy()[known] + more
            expected = [*np.quantile(more, [0.05, 0.95]), *np.quantile(both, [0.05, 0.95])]
            found = segments.potential.iloc[row][
                ["unrealized_low", "unrealized_high", "potential_low", "potential_high"]
            ]
            np.testing.assert_allclose(found.to_numpy(float), expected, rtol=1e-9, atol=1e-9)


def test_ends_are_in_order_and_room_is_beside_its_bases(world):
    table = world[0].potential
    assert (table["unrealized_low"] <= table["unrealized_high"]).all()
    assert (table["potential_low"] <= table["potential_high"]).all()
    assert table.columns[:4].tolist() == [
        "customer_id",
        "unrealized_peers",
        "unrealized_wallet",
        "unrealized_levers",
    ]


@pytest.mark.parametrize("draws", [1, 2, 7, 1000])
def test_intervals_are_those_of_numpy(draws):
    rng = np.random.default_rng(draws)
    values = np.round(rng.normal(size=(40, draws)), 1)
    np.testing.assert_allclose(interval_of(values, 0.9), np.quantile(values, [0.05, 0.95], axis=1), atol=1e-13)
    values[3, 0] = np.nan
    assert np.isnan(interval_of(values, 0.9)[0][3])
