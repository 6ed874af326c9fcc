"""The published table: what it has columns for, what its flags mean, and what the notes beside it say."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kundenwert.customers.summary import as_summary
from kundenwert.decisions.hard_events import HardEvents
from kundenwert.decisions.hysteresis import Published
from kundenwert.decisions.one_pass import assess
from kundenwert.names import CUSTOMER_COLUMNS, STATES, Flag
from kundenwert.value.levers import Lever
from kundenwert.value.settings import COSTS_AHEAD
from value_world import COSTS, GG, MBG, known_posterior, simulated_summary

CUSTOMERS, DRAWS = 150, 100
END = dt.date(1997, 9, 30)
FAST = {"newcomers": 100, "draws": DRAWS}
SAVING = Lever("saving", "cost_to_serve", cost_per_contact=0.1)


def summary_of(end=END):
    made = simulated_summary(CUSTOMERS, MBG | GG, family="mbgnbd").table
    return as_summary(made, time_unit="week", currency="USD", observation_end=end)


def posterior():
    return known_posterior(MBG | GG, family="mbgnbd", spread=0.05, draws=DRAWS)


@pytest.fixture(scope="module")
def found():
    return assess(posterior(), summary_of(), **COSTS, **FAST)


def flagged(table, flag):
    return np.array([flag in flags for flags in table["flags"]])


def test_columns_are_the_contract_and_then_the_day(found):
    assert tuple(found.table.columns) == (*CUSTOMER_COLUMNS, "label_since")
    assert (pd.to_datetime(found.table["label_since"]) == pd.Timestamp(END)).all()
    without = assess(posterior(), summary_of(end=None), **COSTS, **FAST).table
    assert tuple(without.columns) == CUSTOMER_COLUMNS
    pd.testing.assert_frame_equal(without, found.table[[*CUSTOMER_COLUMNS]], check_exact=True)


def test_every_column_says_what_was_decided(found):
    table, summary = found.table, summary_of().table
    for name in ("customer_id", "cohort", "frequency", "recency", "T", "monetary_value"):
        assert table[name].tolist() == summary[name].tolist()
    for state, chance in zip(STATES, found.verdicts.probabilities.T, strict=True):
        np.testing.assert_array_equal(table[f"p_{state.value}"], chance)
    np.testing.assert_array_equal(table["segment"], found.decision.labels)
    np.testing.assert_array_equal(table["expected_loss"], found.decision.risk)
    expected = np.where(found.decision.borderline, "borderline", "decided")
    np.testing.assert_array_equal(table["status"], np.where(found.decision.undecided, "undecided", expected))
    assert set(table["status"]) == {"decided", "borderline", "undecided"}
    np.testing.assert_allclose(table["potential_value"], table["actual_value"] + table["unrealized_value"])
    assert (table["p_dormant"] - (1 - table["p_alive"])).abs().max() < 1e-12


def test_flags_follow_from_the_row():
    terms = {"margin": 0.2, "cost_per_order": 6.0, "cost_per_year_active": 4.0} | FAST
    some = replace(SAVING, eligible="frequency >= 2")
    found = assess(posterior(), summary_of(), levers=[some], **terms)
    table, mark = found.table, found.thresholds.below_zero
    fixable = (table["actual_value"] < -mark) & (table["potential_value"] > 0)
    assert (flagged(table, Flag.FIXABLE_BZ) == fixable).all()
    assert (flagged(table, Flag.STOP_MARKETING) == (table["segment"] == "below_zero")).all()
    assert (flagged(table, Flag.BZ_UNCONFIRMED) == found.decision.unconfirmed).all()
    assert (table["segment"] == "below_zero").any()
    assert found.decision.unconfirmed.any()
    assert not flagged(table, Flag.HELD).any()
    assert all(len(set(flags)) == len(flags) for flags in table["flags"])


def test_a_label_that_changes_begins_today_and_one_that_stays_keeps_its_day(found):
    labels = np.full(CUSTOMERS, [state.value for state in STATES].index("low_maintenance"))
    since = np.full(CUSTOMERS, np.datetime64("1997-05-01", "D"))
    labels[:20], since[:20] = -1, np.datetime64("NaT", "D")
    later = assess(
        posterior(), summary_of(), thresholds=found.thresholds, published=Published(labels, since), **COSTS, **FAST
    ).table
    day = pd.to_datetime(later["label_since"])
    stays = (later["segment"] == "low_maintenance") & (np.arange(CUSTOMERS) >= 20)
    assert stays.any()
    assert (day[stays] == pd.Timestamp("1997-05-01")).all()
    assert (day[~stays] == pd.Timestamp(END)).all()


def test_objections_leave_facts_and_no_profile(found):
    objected, none = np.zeros((2, CUSTOMERS), dtype=bool)
    objected[[3, 40]] = True
    events = HardEvents(objected, none, none)
    table = assess(posterior(), summary_of(), thresholds=found.thresholds, events=events, **COSTS, **FAST).table
    facts = ["customer_id", "cohort", "frequency", "recency", "T", "monetary_value", "realized_value"]
    pd.testing.assert_frame_equal(table[facts], found.table[facts])
    model = [name for name in table if name.startswith("p_")] + ["actual_value", "unrealized_value", "expected_loss"]
    assert table.loc[objected, [*model, "segment", "status", "label_since"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(table[~objected], found.table[~objected], check_exact=True)
    assert table["flags"][3] == [Flag.OBJECTED.value]


def test_notes_say_what_cannot_be_said(found):
    assert found.below_zero_possible
    assert not any("objected" in note or "Nobody can" in note for note in found.notes)
    for costs in ({}, dict.fromkeys(COSTS_AHEAD, 0.0), {"acquisition_cost": 4.0}):
        free = assess(posterior(), summary_of(), margin=0.3, **costs, **FAST)
        assert not free.below_zero_possible
        assert "Nobody can be below zero here: no costs to come are counted." in free.notes
        assert not any("given" in note for note in free.notes)
    nothing = assess(posterior(), summary_of(), margin=-0.1, **FAST)
    assert "Nobody can be valuable here: no customer has positive actual value." in nothing.notes
    assert nothing.below_zero_possible
    useless = replace(SAVING, cost_per_contact=1e6)
    closed = assess(posterior(), summary_of(), **COSTS, **FAST, levers=[useless])
    assert (closed.table["unrealized_value"] == 0).all()
    assert "Nobody can be growable here: there is no unrealized value." in closed.notes
