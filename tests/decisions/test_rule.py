"""Which labels may be published, and what is published of them."""

import numpy as np
import pytest

from kundenwert.decisions.losses import Losses
from kundenwert.decisions.rule import allowed_labels, decide
from kundenwert.names import MIGRATOR, STATES, State

BELOW_ZERO, DORMANT = STATES.index(State.BELOW_ZERO), STATES.index(State.DORMANT)


def chances(**given):
    """One customer's probabilities by state; the rest is low maintenance."""
    row = [given.get(state.value, 0.0) for state in STATES]
    row[STATES.index(State.LOW_MAINTENANCE)] = 1.0 - sum(row)
    return row


@pytest.mark.parametrize(
    ("below_zero", "dormant", "age", "cycle", "may"),
    [
        (0.95, 0.01, 10.0, 9.0, True),
        (0.88, 0.01, 10.0, 9.0, False),  # not sure enough
        (0.46, 0.50, 10.0, 9.0, True),  # sure enough of those who are still there
        (0.44, 0.50, 10.0, 9.0, False),
        (0.95, 0.01, 9.0, 9.0, True),
        (0.95, 0.01, 8.9, 9.0, False),  # no order can be expected yet
        (0.95, 0.00, 10.0, 9.0, False),  # no proof of life, and no doubt
        (0.00, 1.00, 10.0, 9.0, False),  # nobody there
    ],
)
def test_below_zero_is_published_only_where_its_preconditions_hold(below_zero, dormant, age, cycle, may):
    probabilities = np.array([chances(below_zero=below_zero, dormant=dormant)])
    allowed = allowed_labels(probabilities, np.array([age]), np.array([cycle]))
    assert allowed[0, BELOW_ZERO] == may
    assert allowed[0, DORMANT] == (dormant > 0)
    assert allowed.sum() == 4 + may + (dormant > 0)


@pytest.mark.parametrize(
    ("repairs", "complaint", "may"),
    [
        (True, None, [True, True]),
        (False, None, [False, False]),
        (np.array([True, False]), None, [True, False]),
        (True, np.array([True, False]), [False, True]),
        (np.array([True, False]), np.array([True, False]), [False, False]),
    ],
)
def test_below_zero_waits_for_repairs_and_for_complaints(repairs, complaint, may):
    probabilities = np.array([chances(below_zero=0.95, dormant=0.01)] * 2)
    allowed = allowed_labels(
        probabilities, np.full(2, 9.0), np.full(2, 9.0), repairs_evaluated=repairs, complaint=complaint
    )
    assert allowed[:, BELOW_ZERO].tolist() == may
    assert np.delete(allowed, BELOW_ZERO, axis=1).all()
    found = decide(probabilities, allowed, Losses(), 9.0)
    assert (found.labels == "below_zero").tolist() == may
    assert (~found.unconfirmed).tolist() == may


def test_unconfirmed_are_those_whom_only_the_preconditions_keep_from_below_zero():
    probabilities = np.array(
        [
            chances(below_zero=0.95, dormant=0.01),  # published
            chances(below_zero=0.95, dormant=0.01),  # too young
            chances(below_zero=0.05, dormant=0.01),  # never looked like it
            chances(dormant=0.95),
            chances(below_zero=0.72),  # `dormant` would cost still less, but cannot be had either
        ]
    )
    allowed = allowed_labels(probabilities, np.array([9.0, 1.0, 1.0, 1.0, 1.0]), np.full(5, 5.0))
    found = decide(probabilities, allowed, Losses(), 9.0)
    assert found.unconfirmed.tolist() == [False, True, False, False, True]
    assert found.labels[[0, 2, 3]].tolist() == ["below_zero", "low_maintenance", "dormant"]
    assert found.labels[1] not in ("below_zero", MIGRATOR)


def test_dormant_is_no_way_out_for_customers_who_cannot_have_gone():
    """Below zero almost surely, not confirmed: `dormant` would cost least."""
    probabilities = np.array([chances(below_zero=0.9), chances(below_zero=0.9 - 1e-9, dormant=1e-9)])
    found = decide(probabilities, allowed_labels(probabilities, np.ones(2), np.full(2, 5.0)), Losses(), 9.0)
    assert found.labels.tolist() == ["low_maintenance", "dormant"]


def test_the_price_is_that_of_labels_that_can_be_had():
    """Nobody can be confirmed: measured against `below_zero`, nearly every label would seem too dear."""
    sure = np.linspace(0.75, 0.89, 100)
    probabilities = np.array([chances(below_zero=share, dormant=0.01) for share in sure])
    allowed = allowed_labels(probabilities, np.full(100, 10.0), np.full(100, 5.0))
    assert not allowed[:, BELOW_ZERO].any()
    losses = Losses(tuple(tuple(3 * v for v in row) for row in Losses().matrix))
    found = decide(probabilities, allowed, losses)
    assert found.undecided.mean() <= 0.2
    assert (found.labels == MIGRATOR).tolist() == found.undecided.tolist()
    assert (found.risk[found.undecided] == found.price).all()
    assert (found.risk <= found.price).all()


def test_the_last_digit_withholds_no_label():
    probabilities = np.array([chances(most_valuable=0.4)])
    least = decide(probabilities, np.ones((1, 6), dtype=bool), Losses(), 9.0).risk[0]
    price = least * (1 - 1e-12)
    assert price < least
    found = decide(probabilities, np.ones((1, 6), dtype=bool), Losses(), price)
    assert not found.undecided.any()
    assert found.risk.tolist() == [price]
