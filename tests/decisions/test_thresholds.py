"""Thresholds against brute force, degenerate bases, and a round trip."""

import json
import math

import numpy as np
import pytest
from scipy.stats import norm

from kundenwert.decisions.losses import UNIT_LOSSES, Losses
from kundenwert.decisions.thresholds import (
    Thresholds,
    derive_marks,
    derive_price,
    share_mark,
    valuable_mark,
)
from kundenwert.errors import UsageError

MARKS = {"valuable": 50.0, "growable": 10.0, "below_zero": 1.0, "rejection_price": 0.4, "attainable_scale": 0.6}


def direct_share_mark(values, share):
    """Customer by customer from the top."""
    total, running = sum(v for v in values if v > 0), 0.0
    for v in sorted(values, reverse=True):
        running += v
        if running >= share * total * (1 - 1e-12):
            return v
    raise AssertionError


@pytest.fixture(scope="module")
def bimodal():
    """Two kinds of customers with a gap between them, as one-time and repeat buyers are."""
    rng = np.random.default_rng(4)
    return np.concatenate([rng.lognormal(2, 0.5, 3000), rng.lognormal(4.2, 0.4, 900), -rng.exponential(2, 100)])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.7, 0.9, 1.0])
def test_share_mark_is_where_the_running_sum_arrives(bimodal, share):
    assert share_mark(bimodal, share) == pytest.approx(direct_share_mark(bimodal.tolist(), share))


def test_valuable_begins_where_the_density_is_low(bimodal):
    """Against a kernel density without bins, evaluated on another grid."""
    unit = 0.02 * bimodal[bimodal > 0].mean()
    values = np.arcsinh(bimodal / unit)
    width = 0.9 * values.std() * len(values) ** -0.2
    low, middle, high = (np.arcsinh(direct_share_mark(bimodal.tolist(), share) / unit) for share in (0.9, 0.8, 0.7))
    grid = np.linspace(low, high, 800)
    density = norm.pdf((grid[:, None] - values) / width).sum(axis=1)
    as_good = grid[density <= 1.1 * density.min()]
    assert as_good[0] > middle  # not the 80 % point itself: that lies in a denser place
    got = np.arcsinh(valuable_mark(bimodal) / unit)
    assert got == pytest.approx(as_good[np.abs(as_good - middle).argmin()], abs=2 * np.ptp(values) / 2048)


def test_of_places_as_good_the_one_nearest_80_percent_is_taken():
    even = np.exp(np.linspace(math.log(10), math.log(200), 5001))
    assert valuable_mark(even) == pytest.approx(share_mark(even, 0.8), rel=0.01)
    assert share_mark(even, 0.9) < 0.8 * share_mark(even, 0.8)
    assert share_mark(even, 0.7) > 1.2 * share_mark(even, 0.8)


def test_the_mark_of_valuable_hardly_moves_with_the_sample():
    """A spike of one-time buyers and a flat shoulder of repeat buyers: every valley of the shoulder is chance."""
    rng = np.random.default_rng(4)
    base = np.concatenate([rng.normal(5, 0.5, 8000), np.exp(rng.uniform(math.log(5), math.log(200), 3000))])
    marks = [valuable_mark(rng.choice(base, len(base))) for _ in range(60)]
    low, high = np.quantile(marks, [0.05, 0.95])
    assert high / low < 1.25


def test_valuable_mark_does_not_depend_on_the_currencys_unit(bimodal):
    assert valuable_mark(bimodal * 100) == pytest.approx(100 * valuable_mark(bimodal), rel=1e-9)


def test_marks_follow_from_values(bimodal):
    marks = derive_marks(np.append(bimodal, np.nan), np.append(np.maximum(bimodal, 0), 0))
    assert marks.valuable == valuable_mark(bimodal)
    assert marks.below_zero == pytest.approx(0.02 * marks.valuable)
    assert marks.growable == share_mark(bimodal, 0.5)


def test_degenerate_bases_have_infinite_marks():
    losing = derive_marks(np.array([-1.0, -3.0]), np.zeros(2))
    assert (losing.valuable, losing.growable, losing.below_zero) == (math.inf, math.inf, pytest.approx(0.04))
    equal = derive_marks(np.full(10, 5.0), np.full(10, 2.0))
    assert (equal.valuable, equal.growable) == (5.0, 2.0)
    nothing = derive_marks(np.array([np.nan]), np.zeros(1))
    assert (nothing.valuable, nothing.below_zero) == (math.inf, 0.0)
    one = derive_marks(np.array([7.0]), np.array([1.0]))
    assert (one.valuable, one.growable) == (7.0, 1.0)


def test_price_is_the_eightieth_percentile_but_never_below_the_floor():
    assert derive_price(np.linspace(0, 1, 101)) == pytest.approx(0.8)
    assert derive_price(np.full(10, 0.1)) == 0.35
    assert derive_price(np.zeros(0)) == 0.35


def test_thresholds_travel_as_json():
    for growable in (10.0, math.inf):
        one = Thresholds(**MARKS | {"growable": growable})
        text = json.dumps(one.to_dict(), allow_nan=False)
        assert Thresholds.from_dict(json.loads(text)) == one


def test_the_version_is_that_of_the_numbers():
    one = Thresholds(**MARKS)
    assert one.version == Thresholds(**MARKS).version != Thresholds(**MARKS | {"valuable": 51.0}).version
    with pytest.raises(UsageError, match="version"):
        Thresholds.from_dict(one.to_dict() | {"valuable": 51.0})


def test_the_origin_and_derived_losses_travel_too():
    twice = Losses(tuple(tuple(2 * v for v in row) for row in UNIT_LOSSES))
    one = Thresholds(**MARKS, losses=twice, derived_on="2025-06-30", derived_by="shop-2025-06-30-1a2b3c4d")
    read = Thresholds.from_dict(json.loads(json.dumps(one.to_dict(), allow_nan=False)))
    assert read == one
    assert read.losses == twice
    plain = Thresholds(**MARKS)
    assert Thresholds(**MARKS, derived_on="2025-06-30", derived_by="shop").version == plain.version
    assert one.version == Thresholds(**MARKS, losses=twice).version
    assert len({plain.version, one.version, Thresholds(**MARKS, losses=Losses()).version}) == 3


def test_thresholds_of_earlier_versions_are_read():
    """As a manifest of format version 1 had them, with the hash that it had."""
    earlier = {
        "valuable": 50.0,
        "growable": "inf",
        "below_zero": 1.0,
        "rejection_price": 0.4,
        "attainable_scale": 0.6,
        "version": "d0a8268f",
    }
    read = Thresholds.from_dict(earlier)
    assert (read.losses, read.derived_on, read.derived_by) == (None, None, None)
    assert read.to_dict() == earlier


def test_growable_begins_where_room_pays_for_the_cheapest_lever():
    actual, room = np.full(10, 5.0), np.full(10, 2.0)
    marks = [derive_marks(actual, room, cheapest_lever=cost).growable for cost in (None, 0.0, 1.2, 2.0)]
    assert marks == [2.0, 2.0, 2.0, 3.0]
    assert derive_marks(actual, np.zeros(10), cheapest_lever=2.0).growable == math.inf


@pytest.mark.parametrize(
    "wrong",
    [
        {"derived_on": "30.6.2025"},
        {"valuable": math.nan},
        {"below_zero": math.inf},
        {"below_zero": -1.0},
        {"attainable_scale": 1.5},
    ],
)
def test_impossible_thresholds_are_refused(wrong):
    with pytest.raises(UsageError):
        Thresholds(**MARKS | wrong)
