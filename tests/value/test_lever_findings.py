"""Findings of experiments: from outcomes to estimates, levers and lines of a spec, and back."""

import tomllib

import numpy as np
import pytest

from kundenwert.errors import SpecError, UsageError
from kundenwert.value.counters import Purpose
from kundenwert.value.effects import Beta, Counts, Measurement, Normal
from kundenwert.value.lever_findings import experiments_line, lever_after, measured_ratio
from kundenwert.value.levers import Lever, lever_effects, lever_of

FULL = Lever(
    "mail",
    "frequency",
    mean=0.05,
    sd=0.05,
    cost_per_contact=0.3,
    cost_per_taker=1.0,
    take_up=(0.3, 0.1),
    duration="1 year",
    channel="post",
    journey=["retention"],
    eligible="frequency >= 1",
)


def test_a_lever_that_learnt_something_is_otherwise_the_same():
    found = lever_after(FULL, Measurement(0.02, 0.05, 900))
    assert FULL.experiments == ()
    assert {name for name in vars(FULL) if getattr(FULL, name) != getattr(found, name)} == {"experiments"}
    after = lever_effects(found)[Purpose.EFFECT]
    assert isinstance(after, Normal)
    assert (after.mean, after.sd) == pytest.approx((0.035, 0.05 / 2**0.5))
    assert not found.assumed


def test_step_by_step_or_at_once():
    back, two = Lever("back", "reactivation"), (Counts(3, 100), Counts(9, 250))
    assert lever_after(lever_after(back, two[0]), two[1]) == lever_after(back, *two)
    assert lever_effects(lever_after(back, *two))[Purpose.EFFECT] == Beta(13.0, 368.0)


def test_what_says_nothing_about_the_effect_is_refused():
    with pytest.raises(SpecError, match="only those who come back can be counted"):
        lever_after(FULL, Counts(3, 100))


def test_a_ratio_is_found_again_with_its_error():
    """Many trials whose truth is planted: estimates are centred on it and scatter as much as each of them says."""
    rng = np.random.default_rng(3)
    found = [measured_ratio(rng.poisson(0.8 * np.exp(0.2), 600), rng.poisson(0.8, 400)) for _ in range(400)]
    means, errors = np.array([one.mean for one in found]), np.array([one.se for one in found])
    assert means.mean() == pytest.approx(0.2, abs=4 * means.std() / 20)
    assert errors.mean() == pytest.approx(means.std(), rel=0.15)
    assert {one.n for one in found} == {1000}
    inside = np.abs(means - 0.2) < 1.645 * errors
    assert inside.mean() == pytest.approx(0.9, abs=0.06)


@pytest.mark.parametrize(
    ("treated", "held_out"), [([1.0], [1.0, 2.0]), ([0.0, 0.0], [1.0, 2.0]), ([1.0, 2.0], [np.nan, 1.0]), ([], [])]
)
def test_ratios_of_nothing_are_refused(treated, held_out):
    with pytest.raises(UsageError, match="ratio"):
        measured_ratio(treated, held_out)


def test_a_line_for_a_spec_is_read_back_as_it_was():
    found = lever_after(FULL, Measurement(1 / 3, 0.05, 900), Measurement(1e-7, 2e-5, 7))
    read = tomllib.loads(experiments_line(found))
    again = lever_of({"name": "mail", "effect": {"on": "frequency"}, **read})
    assert again.experiments == found.experiments
    counted = lever_after(Lever("back", "reactivation"), Counts(12, 400))
    read = tomllib.loads(experiments_line(counted))
    assert lever_of({"name": "back", "effect": {"on": "reactivation"}, **read}) == counted
    assert tomllib.loads(experiments_line(FULL)) == {"experiments": []}
