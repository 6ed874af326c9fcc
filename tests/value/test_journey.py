"""Phases of the journey against rules written out customer by customer."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kundenwert.errors import UsageError
from kundenwert.names import Journey
from kundenwert.units import Horizon, TimeUnit
from kundenwert.value.journey import PHASES_IN_TABLE, JourneyRules, in_phases, journey_phases


def people(*rows):
    return pd.DataFrame(rows, columns=["frequency", "T", "churn_probability"])


@pytest.mark.parametrize(
    ("row", "phase"),
    [
        ((0, 12.9, 0.99), "purchase"),
        ((0, 13.0, 0.99), "reactivation"),
        ((0, 13.0, 0.79), "retention"),
        ((1, 1.0, 0.1), "retention"),
        ((1, 1.0, 0.8), "reactivation"),
        ((9, 70.0, 0.7999), "retention"),
        ((0, 5.0, np.nan), ""),
        ((3, 50.0, None), ""),
    ],
)
def test_phases_at_their_thresholds(row, phase):
    assert journey_phases(people(row), TimeUnit.WEEK).tolist() == [phase]


def test_a_newcomer_is_one_in_any_unit():
    rules = JourneyRules(newcomer=Horizon.parse("30 days"))
    for unit in TimeUnit:
        ages = np.array([29.9, 30.1]) / unit.days
        table = pd.DataFrame({"frequency": 0, "T": ages, "churn_probability": 0.9})
        assert journey_phases(table, unit, rules).tolist() == ["purchase", "reactivation"]


ROWS = st.tuples(st.integers(0, 3), st.floats(0, 100), st.none() | st.floats(0, 1))


@given(st.lists(ROWS, min_size=1, max_size=30), st.floats(0.01, 1.0), st.floats(0.5, 90.0))
def test_everybody_whose_chances_are_known_is_in_one_phase(rows, silent, weeks):
    rules = JourneyRules(Horizon(weeks, "week"), silent)
    table = people(*rows)
    found = journey_phases(table, TimeUnit.WEEK, rules)
    known = table["churn_probability"].notna().to_numpy()
    hits = np.sum([in_phases(found, [phase]) for phase in Journey], axis=0)
    assert (hits == known).all()
    assert (in_phases(found, PHASES_IN_TABLE) == known).all()
    assert in_phases(found, []).all()
    order = np.random.default_rng(1).permutation(len(table))
    assert (journey_phases(table.iloc[order], TimeUnit.WEEK, rules) == found[order]).all()
    # A higher threshold takes nobody into reactivation.
    later = journey_phases(table, TimeUnit.WEEK, JourneyRules(rules.newcomer, min(1.0, silent + 0.1)))
    assert not ((later == "reactivation") & (found != "reactivation")).any()


def test_what_cannot_be_is_refused():
    with pytest.raises(UsageError, match="churn_probability is missing"):
        journey_phases(people((1, 2.0, 0.5)).drop(columns="churn_probability"), TimeUnit.WEEK)
    for silent in (0.0, 1.1, float("nan")):
        with pytest.raises(UsageError, match="is not a probability above 0"):
            JourneyRules(silent=silent)
