"""The Bayes rule against every other rule, and thresholds over arbitrary bases."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kundenwert.decisions.losses import Losses, least_risk, risks
from kundenwert.decisions.rule import allowed_labels, decide
from kundenwert.decisions.states import label_codes
from kundenwert.decisions.thresholds import Marks, Thresholds, derive_marks, share_mark, valuable_mark
from kundenwert.names import MIGRATOR, STATES

weights = arrays(np.float64, (5, 6), elements=st.floats(0.001, 1))
order = [state.value for state in STATES]
# Some customers cannot have gone: their last state has no weight.
chances = st.tuples(weights, arrays(np.bool_, 5)).map(lambda given: as_chances(*given))
matrices = arrays(np.float64, (6, 6), elements=st.floats(0, 5)).map(lambda m: m * (1 - np.eye(6)))
populations = st.integers(5, 30).flatmap(lambda n: arrays(np.float64, (n, 6), elements=st.floats(0.001, 1)))
bases = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e4, 1e6))


def as_chances(weight, immortal):
    weight = weight * np.where(immortal[:, None] & (np.arange(6) == 5), 0.0, 1.0)
    return weight / weight.sum(axis=1, keepdims=True)


@given(chances, matrices, st.none() | st.floats(0, 5), arrays(np.float64, 5, elements=st.floats(0, 20)))
def test_what_is_published_never_risks_more_than_another_rule(probabilities, matrix, price, age):
    """Against each fixed label and the most probable state, where they may be published, and withholding everything."""
    losses, rows = Losses.resolve(matrix), np.arange(5)
    allowed = allowed_labels(probabilities, age, np.full(5, 10.0))
    found = decide(probabilities, allowed, losses, price)
    expected = (probabilities[:, None, :] * matrix).sum(axis=2)
    assert (found.risk[:, None] <= np.where(allowed, expected, np.inf) + 1e-12).all()
    likely = probabilities.argmax(axis=1)
    assert (found.risk <= expected[rows, likely] + 1e-12)[allowed[rows, likely]].all()
    assert (found.risk <= found.price).all()
    decided = np.flatnonzero(~found.undecided)
    label = np.array([order.index(name) for name in found.labels[decided]], dtype=int)
    assert allowed[decided, label].all()
    np.testing.assert_allclose(found.risk[decided], expected[decided, label], atol=1e-12)
    assert (found.labels[found.undecided] == MIGRATOR).all()


@given(weights, st.floats(0.01, 0.99))
def test_under_zero_one_loss_it_is_chows_rule(weight, price):
    probabilities = weight / weight.sum(axis=1, keepdims=True)
    action, least = least_risk(risks(probabilities, Losses.resolve(1 - np.eye(6))))
    best = probabilities.max(axis=1)
    np.testing.assert_allclose(probabilities[np.arange(5), action], best)
    clear = np.abs(best - (1 - price)) > 1e-9
    assert ((least > price) == (best < 1 - price))[clear].all()


@given(bases)
def test_marks_lie_within_the_base(values):
    mark = valuable_mark(values)
    positive = values[values > 0]
    if not len(positive):
        assert math.isinf(mark)
    else:
        assert share_mark(values, 0.9) * (1 - 1e-6) <= mark <= share_mark(values, 0.7) * (1 + 1e-6)
    marks = derive_marks(values, np.maximum(values, 0))
    assert marks.below_zero >= 0
    frozen = Thresholds(marks.valuable, marks.growable, marks.below_zero, 0.35, 1.0)
    assert Thresholds.from_dict(frozen.to_dict()) == frozen


@given(bases, st.floats(0.01, 1))
def test_share_mark_carries_its_share(values, share):
    mark = share_mark(values, share)
    positive = values[values > 0]
    if len(positive):
        assert values[values >= mark].sum() >= share * positive.sum() * (1 - 1e-9)
        assert values[values > mark].sum() <= share * positive.sum() * (1 + 1e-9)


@given(populations, matrices, st.floats(0, 20))
def test_a_derived_price_withholds_one_label_in_five_at_most_and_then_stays(weight, matrix, age):
    """Whatever may be published; a frozen price decides the same customers alike without the others."""
    probabilities, count = weight / weight.sum(axis=1, keepdims=True), len(weight)
    allowed = allowed_labels(probabilities, np.full(count, age), np.full(count, 10.0))
    found = decide(probabilities, allowed, Losses.resolve(matrix))
    assert found.undecided.mean() <= 0.2 + 1e-12
    few = decide(probabilities[:4], allowed[:4], Losses.resolve(matrix), found.price)
    assert few.undecided.tolist() == found.undecided[:4].tolist()


@given(st.floats(-100, 100), st.floats(0, 100), st.floats(0.1, 50), st.floats(0.1, 50), st.floats(0, 5))
def test_every_pair_of_values_has_one_state_and_labels_are_monotone(actual, unrealized, valuable, growable, below):
    marks = Marks(valuable, growable, below)
    code = int(label_codes(np.array(actual), np.array(unrealized), marks))
    assert STATES[code].value != "dormant"
    more = int(label_codes(np.array(actual + 200), np.array(unrealized), marks))
    assert STATES[more].value in ("most_valuable", "super_growth")
