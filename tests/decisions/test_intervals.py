"""Predictive intervals of unrealized and potential value: whoever has gone in a future has no room in it."""

import numpy as np
import pytest

from kundenwert.decisions.one_pass import assess
from kundenwert.value.actual import simulate_value
from kundenwert.value.counters import Purpose
from kundenwert.value.gathering import reduce_expected
from kundenwert.value.levers import Lever
from kundenwert.value.outlook import interval_of
from value_world import COSTS, GG, MBG, known_posterior, simulated_summary

LEVERS = (Lever("back", "reactivation", mean=0.3, sd=0.1), Lever("mail", "spend", cost_per_contact=0.1))


@pytest.fixture(scope="module", params=[(), LEVERS], ids=["peers", "levers"])
def world(request):
    posterior = known_posterior(MBG | GG, family="mbgnbd", spread=0.05, draws=500)
    summary = simulated_summary(150, MBG | GG, family="mbgnbd")
    return assess(posterior, summary, **COSTS, newcomers=100, levers=request.param), posterior, summary


def test_they_are_quantiles_of_what_happens_in_each_future(world):
    segments, _, _ = world
    context, scale = segments.context, segments.thresholds.attainable_scale

    def look(outlook):
        room, future = reduce_expected(outlook, context).room, simulate_value(outlook)
        alive = outlook.block.streams.units(Purpose.PREDICTIVE) < outlook.block.p_alive
        lost = 0.0 if room.given_gone is None else room.given_gone
        more = np.where(alive[:, room.draws], room.scaled_by(scale) * room.given_alive, lost)
        return alive, future.orders, more, future.value[:, room.draws] + more

    for rows, _, (alive, orders, more, both) in context.stream(look, stage="alive"):
        assert (alive | (orders == 0)).all()
        assert alive.any()
        assert not alive.all()
        table = segments.potential.iloc[rows]
        for name, draws in (("unrealized", more), ("potential", both)):
            low, high = np.quantile(draws, [0.05, 0.95], axis=1)
            np.testing.assert_allclose(table[f"{name}_low"], low, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(table[f"{name}_high"], high, rtol=1e-9, atol=1e-9)
        # Alive or gone is drawn in a future and weighed in the mean: two estimates of the same room.
        error = (more.var(axis=1).sum() / more.shape[1]) ** 0.5
        expected = segments.value.table["unrealized_value"].to_numpy()[rows].sum()
        assert abs(more.mean(axis=1).sum() - expected) < 4 * error


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
