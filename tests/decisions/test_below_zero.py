"""Below zero: who may be labelled so, and what stands in the way."""

import numpy as np
import pandas as pd
import pytest

from kundenwert.decisions.evsi.waiting import RESOLVABLE, LookAhead
from kundenwert.decisions.judging import Rule, Verdicts
from kundenwert.decisions.losses import Losses
from kundenwert.decisions.segments import appraised, concluded, judged, segment
from kundenwert.decisions.thresholds import Thresholds
from kundenwert.names import STATES, Flag
from kundenwert.value.estimate import estimate_value
from value_world import BG, GG, few_customers, known_posterior, summary_of

P = [f"p_{state.value}" for state in STATES]
FAST = {"newcomers": 300, "draws": 300}


@pytest.mark.parametrize("name", ["cost_per_order", "cost_per_year_active", "cost_per_year_on_file"])
def test_a_column_of_nothing_is_no_cost_and_one_cost_of_one_customer_is(name):
    posterior, summary = known_posterior(draws=40), few_customers()
    terms = {"margin": 0.3, "newcomers": 10, "horizon": "1 year"}
    for cost, possible in ((np.zeros(8), False), (np.eye(8)[5], True)):
        value = estimate_value(posterior, summary, **terms, **{name: cost})
        assert segment(value, posterior, summary).below_zero_possible == possible
    losing = estimate_value(posterior, summary, **terms | {"margin": np.where(np.eye(8)[5], -0.1, 0.3)})
    assert segment(losing, posterior, summary).below_zero_possible


def with_repairs(value, posterior, summary, thresholds, rejection_price=None):
    """Labels where levers on the cost to serve were evaluated for everybody."""
    appraisal = appraised(value, posterior, summary)
    count = len(summary.table)
    rule = Rule(
        thresholds.marks,
        thresholds.attainable_scale,
        Losses(),
        thresholds.rejection_price if rejection_price is None else rejection_price,
        LookAhead(13.0, RESOLVABLE),
        repairs_evaluated=np.ones(count, dtype=bool),
    )
    verdicts = Verdicts.of(rule, count, appraisal.people.draws)
    for rows, found in judged(appraisal, rule, 1, None):
        verdicts.add(rows, found)
    return concluded(value, appraisal, verdicts)


@pytest.fixture(scope="module")
def losing():
    """Orders that lose money each: below zero are those known for longer than one of their orders takes to come."""
    table = few_customers().table.iloc[[1, 2, 3, 7]].assign(monetary_value=[0.0, 3.0, 3.0, 3.0])
    table.loc[2, ["recency", "T"]] = [0.2, 0.3]  # two days old, two orders
    posterior, summary = known_posterior(BG | GG | {"v": 2.0}, draws=300), summary_of(table)
    value = estimate_value(posterior, summary, margin=0.3, cost_per_order=20.0, **FAST)
    marks = Thresholds(valuable=50.0, growable=10.0, below_zero=0.0, rejection_price=0.35, attainable_scale=1.0)
    return value, posterior, summary, marks


def test_below_zero_needs_certainty_and_a_full_cycle(losing):
    found = with_repairs(*losing)
    assert found.below_zero_possible
    once, young, second, often = found.table.to_dict("records")
    for one in (second, often):
        assert one["segment"] == "below_zero"
        assert Flag.BZ_UNCONFIRMED not in one["flags"]
    for one in (once, young):
        assert one["p_below_zero"] > 0.9 * (1 - one["p_dormant"])
        assert one["segment"] != "below_zero"
        assert Flag.BZ_UNCONFIRMED in one["flags"]
    assert young["segment"] == "dormant"
    assert once["segment"] != "dormant"
    assert "2 customers look below zero, but too little is known to label them so." in found.notes
    dear = with_repairs(*losing, rejection_price=9.0).table["segment"]
    assert not {"below_zero", "migrator"} & set(dear[:2])
    assert dear[0] != "dormant"


def test_nobody_is_below_zero_where_nothing_was_tried_to_mend_it(losing):
    value, posterior, summary, marks = losing
    repaired = with_repairs(*losing).table
    found = segment(value, posterior, summary, thresholds=marks)
    assert "below_zero" not in set(found.table["segment"])
    assert all(Flag.BZ_UNCONFIRMED in flags for flags in found.table["flags"])
    assert not any(Flag.STOP_MARKETING in flags for flags in found.table["flags"])
    assert any(note.startswith("4 customers look below zero. They are not labelled so") for note in found.notes)
    stopped = [Flag.STOP_MARKETING in flags for flags in repaired["flags"]]
    assert stopped == (repaired["segment"] == "below_zero").tolist()
    pd.testing.assert_frame_equal(found.table[P], repaired[P])


def test_a_scale_of_nothing_can_be_taken_back(losing):
    """Where nobody is worth anything the cap is 0; frozen thresholds bring the distance to peers back."""
    value, posterior, summary, marks = losing
    assert value.frontier.attainable_scale == 0.0
    found = segment(value, posterior, summary, thresholds=marks).value
    given = {"margin": 0.3, "cost_per_order": 20.0, "attainable_scale": 1.0}
    again = estimate_value(posterior, summary, **given, **FAST)
    assert again.table["unrealized_value"].sum() > 0
    pd.testing.assert_frame_equal(found.table, again.table, rtol=1e-12)
