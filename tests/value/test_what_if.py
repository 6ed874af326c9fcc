"""Changed settings against a whole new estimate with that setting."""

from dataclasses import replace

import numpy as np
import pytest

import kundenwert as kw
from kundenwert.value.actual import living_value
from kundenwert.value.individuals import histories, population, stream
from kundenwert.value.what_if import DISCOUNT_RATES, HORIZONS, change_settings
from value_world import known_posterior, simulated_summary


@pytest.mark.parametrize("given", [{}, {"margin": 0.3, "cost_per_order": 1.0}])
def test_it_is_what_a_new_estimate_says(given: dict[str, float]) -> None:
    posterior, summary = known_posterior(spread=0.05), simulated_summary(300)
    value = kw.estimate_value(posterior, summary, **given, draws=200)
    found = {one.key: one for one in change_settings(value, posterior, summary)}
    assert ("value.margin" in found) == ("margin" in given)

    def total(**changed: object) -> float:
        return kw.estimate_value(posterior, summary, **{**given, **changed}, draws=200).table["actual_value"].sum()

    horizon, rate = found["value.horizon"], found["value.discount_rate"]
    assert (horizon.low_setting, horizon.high_setting) == ("1 year", "5 years")
    np.testing.assert_allclose([horizon.low, horizon.high], [total(horizon="1 year"), total(horizon="5 years")])
    assert (rate.low_setting, rate.high_setting) == ("5%", "15%")
    np.testing.assert_allclose([rate.low, rate.high], [total(discount_rate=0.05), total(discount_rate=0.15)])
    if "margin" in given:
        points = found["value.margin"]
        np.testing.assert_allclose([points.low, points.high], [total(margin=0.25), total(margin=0.35)])


def test_a_base_near_zero_changes_by_what_a_new_estimate_says() -> None:
    """Costs that eat the whole contribution, and more draws for value than for the changes."""
    posterior, summary = known_posterior(spread=0.05, draws=1000), simulated_summary(300)
    quick = {"margin": 0.3, "newcomers": 5}

    def total(**changed: object) -> float:
        return kw.estimate_value(posterior, summary, **{**quick, **changed}).table["actual_value"].sum()

    free = total()
    cost = 0.999 * free / (free - total(cost_per_order=1.0))
    value = kw.estimate_value(posterior, summary, **quick, cost_per_order=cost)
    assert abs(value.table["actual_value"].sum()) < 0.002 * free
    found = {one.key: one for one in change_settings(value, posterior, summary)}
    pairs = [("value.horizon", "horizon", HORIZONS), ("value.discount_rate", "discount_rate", DISCOUNT_RATES)]
    for key, name, (low, high) in pairs:
        for got, setting in ((found[key].low, low), (found[key].high, high)):
            changed = total(cost_per_order=cost, **{name: getattr(setting, "per_year", setting)})
            error = noise_of_a_change(value, posterior, summary, replace(value.settings, **{name: setting}))
            assert got == pytest.approx(changed, abs=4.5 * error)
    points = found["value.margin"]
    for got, margin in ((points.low, 0.25), (points.high, 0.35)):
        assert got == pytest.approx(total(cost_per_order=cost, margin=margin), rel=0.05)
    assert points.low < 0 < points.high


def noise_of_a_change(value: kw.Value, posterior: kw.Posterior, summary: kw.CustomerSummary, settings: object) -> float:
    """Monte Carlo error of the difference of two totals, over 200 draws and over the 1,000 of the value together."""

    offers = value.ahead.offers

    def totals(block: object) -> np.ndarray:
        spend = block.expected_spend[block.spending.which]
        worth = [
            block.p_alive * living_value(block.rate, block.dropout, spend, offers[block.rows], terms)
            for terms in (value.settings.terms, settings.terms)
        ]
        return (worth[1] - worth[0]).sum(axis=0)

    people = population(posterior, 200, value.settings.seed)
    by_draw = sum(found for _, _, found in stream(people, histories(posterior, summary), totals))
    return float(by_draw.std() * (1 / 200 + 1 / 1000) ** 0.5)
