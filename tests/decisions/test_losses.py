"""The loss matrix and the rule that minimises it."""

import numpy as np
import pytest

from kundenwert.decisions.losses import UNIT_LOSSES, Losses, least_risk, risks
from kundenwert.errors import UsageError
from kundenwert.names import STATES


def broken(row, column, value):
    matrix = np.array(UNIT_LOSSES)
    matrix[row, column] = value
    return matrix


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((5, 6)), "6 x 6"),
        (np.zeros(6), "6 x 6"),
        (broken(0, 1, -1.0), "not negative"),
        (broken(0, 1, np.nan), "finite"),
        (broken(2, 2, 0.1), "diagonal"),
    ],
)
def test_impossible_matrices_are_refused(matrix, message):
    with pytest.raises(UsageError, match=message):
        Losses.resolve(matrix)


def test_the_default_is_data_and_travels_as_data():
    losses = Losses()
    assert Losses.from_dict(losses.to_dict()) == losses
    assert Losses.resolve(None) == Losses.resolve(losses) == Losses.resolve(np.array(UNIT_LOSSES)) == losses
    assert losses.to_dict()["order"] == [state.value for state in STATES]
    assert losses.of("below_zero", "most_valuable") > losses.of("most_valuable", "below_zero")
    turned = losses.to_dict() | {"order": [state.value for state in STATES[::-1]]}
    with pytest.raises(UsageError, match="order"):
        Losses.from_dict(turned)


def test_risk_is_the_weighted_loss():
    probabilities = np.array([[0.5, 0.0, 0.0, 0.5, 0.0, 0.0], [0, 0, 0, 0, 0, 1.0]])
    risk = risks(probabilities, Losses())
    assert risk[0].tolist() == [0.5 * a + 0.5 * b for a, b in ((row[0], row[3]) for row in UNIT_LOSSES)]
    action, least = least_risk(risk)
    assert action.tolist() == [0, 5]
    assert least.tolist() == [0.5, 0.0]
    allowed = np.ones((2, 6), dtype=bool)
    allowed[1, 5] = False
    assert least_risk(risk, allowed)[0][1] == 3
