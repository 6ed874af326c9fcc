"""Changed settings against a whole new estimate with that setting."""

import numpy as np
import pytest

import kundenwert as kw
from kundenwert.value.what_if import change_settings
from value_world import known_posterior, simulated_summary


@pytest.mark.parametrize("margin", [None, 0.3])
def test_it_is_what_a_new_estimate_says(margin: float | None) -> None:
    posterior, summary = known_posterior(spread=0.05), simulated_summary(300)
    given = {"margin": margin, "cost_per_order": 1.0}
    value = kw.estimate_value(posterior, summary, **given, draws=200)
    found = {one.key: one for one in change_settings(value, posterior, summary)}
    assert ("value.margin" in found) == (margin is not None)

    def total(**changed: object) -> float:
        return kw.estimate_value(posterior, summary, **{**given, **changed}, draws=200).table["actual_value"].sum()

    horizon, rate = found["value.horizon"], found["value.discount_rate"]
    assert (horizon.low_setting, horizon.high_setting) == ("1 year", "5 years")
    np.testing.assert_allclose([horizon.low, horizon.high], [total(horizon="1 year"), total(horizon="5 years")])
    assert (rate.low_setting, rate.high_setting) == ("5%", "15%")
    np.testing.assert_allclose([rate.low, rate.high], [total(discount_rate=0.05), total(discount_rate=0.15)])
    if margin is not None:
        points = found["value.margin"]
        np.testing.assert_allclose([points.low, points.high], [total(margin=0.25), total(margin=0.35)])
