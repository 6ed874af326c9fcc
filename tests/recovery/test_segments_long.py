"""Labels against known truth. Run with `uv run pytest -m long tests/recovery/test_segments_long.py`.

Worlds with parameters of their own, written out order by order (`benchmarks/segment_worlds.py`), each fitted by the
package as a firm would: stated probabilities of states must come true at their frequency, whoever is decided on must
be labelled right more often than who is not, and the rule must lose less than rules that ignore losses or doubt.
"""

from dataclasses import replace

import numpy as np
import pytest
from segment_truth import brier, losses_of, reliability
from segment_worlds import study

from kundenwert.decisions.losses import Losses

WORLDS, CUSTOMERS = 8, 6000
ENOUGH = 300  # pairs of customer and state, below which a range says nothing


@pytest.fixture(scope="module", params=["bgnbd", "mbgnbd"])
def found(request):
    return study(request.param, WORLDS, CUSTOMERS)


def furthest_off(worlds):
    """How many standard errors the worst range of stated probabilities is off."""
    curve = reliability(worlds)
    return (np.abs(curve.came - curve.stated) / curve.error)[curve.pairs > ENOUGH].max()


def sharpened(stated):
    """What somebody too sure of himself would state."""
    return stated**1.5 / (stated**1.5).sum(axis=1, keepdims=True)


@pytest.mark.long
def test_stated_probabilities_of_states_come_true_at_their_frequency(found):
    assert furthest_off(found) < 4
    assert furthest_off(tuple(replace(one, stated=sharpened(one.stated)) for one in found)) > 6


@pytest.mark.long
def test_probabilities_tell_more_than_the_share_of_customers_in_a_state(found):
    scores = brier(found).sum(axis=0)
    assert scores[0] < 0.9 * scores[1]


@pytest.mark.long
def test_who_is_decided_on_is_labelled_right_more_often(found):
    right, loss = losses_of(found, "label")
    decided = np.concatenate([one.status for one in found]) == "decided"
    assert 0.6 < decided.mean() < 0.95
    for better, values in ((1, right.astype(float)), (-1, loss)):
        groups = [values[decided], values[~decided]]
        error = sum(one.var() / len(one) for one in groups) ** 0.5
        assert better * (groups[0].mean() - groups[1].mean()) > 4 * error


@pytest.mark.long
def test_the_fewer_labels_are_kept_the_less_they_cost(found):
    """Those of least expected loss are kept, and what they cost is what was expected."""
    _, loss = losses_of(found, "label")
    expected = np.concatenate([one.risk for one in found])
    order, size = np.argsort(expected, kind="stable"), len(loss)
    kept = [order[: round(share * size)] for share in (1.0, 0.8, 0.6)]
    means = [loss[rows].mean() for rows in kept]
    assert means == sorted(means, reverse=True)
    stated, action = (np.concatenate([getattr(one, name) for one in found]) for name in ("stated", "label"))
    chance = (stated * Losses().array[action] ** 2).sum(axis=1) - expected**2
    by_world = expected.reshape(WORLDS, -1).mean(axis=1) - loss.reshape(WORLDS, -1).mean(axis=1)
    # Worlds differ by what is not known of their parameters, and at least as single customers make them differ.
    error = max(by_world.std(ddof=1) / WORLDS**0.5, chance.sum() ** 0.5 / size)
    assert abs(by_world.mean()) < 4 * error
    assert error < 0.02


@pytest.mark.long
@pytest.mark.parametrize("rule", ["likeliest", "plugged"])
def test_labels_cost_less_than_those_of_other_rules(found, rule):
    """The most probable state, and the state of expected values, for the same customers."""
    saved = losses_of(found, rule)[1] - losses_of(found, "label")[1]
    assert saved.mean() > 4 * saved.std() / len(saved) ** 0.5
