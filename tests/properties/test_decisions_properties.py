"""The Bayes rule against every other rule, and thresholds over arbitrary bases."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kundenwert.decisions.losses import Losses, least_risk, risks
from kundenwert.decisions.states import label_codes
from kundenwert.decisions.thresholds import Marks, Thresholds, derive_marks, derive_price, share_mark, valuable_mark
from kundenwert.names import STATES

weights = arrays(np.float64, (5, 6), elements=st.floats(0.001, 1))
matrices = arrays(np.float64, (6, 6), elements=st.floats(0, 5)).map(lambda m: m * (1 - np.eye(6)))
bases = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e4, 1e6))


@given(weights, matrices, st.floats(0, 5))
def test_bayes_rule_never_risks_more_than_another_rule(weight, matrix, price):
    """Against the most probable state, each fixed label, and withholding every label."""
    probabilities = weight / weight.sum(axis=1, keepdims=True)
    losses = Losses.resolve(matrix)
    risk = risks(probabilities, losses)
    _, least = least_risk(risk)
    bayes = np.minimum(least, price)
    most_probable = risk[np.arange(5), probabilities.argmax(axis=1)]
    assert (bayes <= most_probable + 1e-12).all()
    assert (bayes[:, None] <= risk + 1e-12).all()
    assert (bayes <= price).all()


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


@given(arrays(np.float64, 20, elements=st.floats(0, 3)))
def test_price_withholds_one_label_in_five_at_most(risk):
    assert (risk > derive_price(risk)).mean() <= 0.2 + 1e-12


@given(st.floats(-100, 100), st.floats(0, 100), st.floats(0.1, 50), st.floats(0.1, 50), st.floats(0, 5))
def test_every_pair_of_values_has_one_state_and_labels_are_monotone(actual, unrealized, valuable, growable, below):
    marks = Marks(valuable, growable, below)
    code = int(label_codes(np.array(actual), np.array(unrealized), marks))
    assert STATES[code].value != "dormant"
    more = int(label_codes(np.array(actual + 200), np.array(unrealized), marks))
    assert STATES[more].value in ("most_valuable", "super_growth")
