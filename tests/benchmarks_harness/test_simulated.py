"""Simulated summaries: what a summary may hold, and that they come from the parameters that they claim."""

import numpy as np
import pandas as pd
import pytest
import simulated
from contestants import data
from contestants.common import block_of_calls
from harness.cases import CUSTOMERS

import kundenwert as kw
from kundenwert.simulate import CDNOW_LIKE


def test_whole_days_and_cents():
    rng = np.random.default_rng(1)
    table = simulated.histories(CDNOW_LIKE, rng.integers(0, 100, 5_000), rng)
    days = table[["recency", "T"]].to_numpy() * 7
    assert np.abs(days - days.round()).max() < 1e-9
    cents = (table["monetary_value"] * table["frequency"] * 100).to_numpy()
    assert np.abs(cents - cents.round()).max() < 1e-6
    assert ((table["frequency"] > 0) == (table["monetary_value"] > 0)).all()
    assert (table["recency"] <= table["T"]).all()
    assert (table["frequency"] <= table["recency"] * 7 + 1e-9).all()


def test_the_truth_is_within_a_few_standard_errors():
    """Whole days move estimates by a few percent, more than the noise of so many customers: hence 5 % on top."""
    summary = kw.as_summary(pd.concat(simulated.one_base(60_000, 3)), time_unit="week")
    for family in ("bgnbd", "gamma_gamma"):
        found = kw.maximum_likelihood(summary, family)
        for name, value in found.estimates.items():
            assert abs(value - CDNOW_LIKE[name]) < 3.5 * found.standard_errors[name] + 0.05 * CDNOW_LIKE[name], name


def test_a_base_does_not_depend_on_how_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(simulated, "CHUNK", 300)
    chunks = list(simulated.one_base(1_000, 3))
    assert [len(chunk) for chunk in chunks] == [300, 300, 300, 100]
    pd.testing.assert_frame_equal(chunks[0], next(simulated.one_base(900, 3)))
    assert not chunks[0].equals(chunks[1])


def test_cohorts_have_their_ages_and_the_youngest_may_be_silent():
    summary = simulated.cohort_base(6, 50, 1, silent=2)
    by = summary.table.groupby("cohort")
    assert summary.cohorts == tuple(f"c{i:03d}" for i in range(6))
    assert by["T"].min().is_monotonic_decreasing
    assert (by["T"].max() - by["T"].min() <= 30 / 7 + 1e-9).all()
    assert (summary.table["T"].min() * 7, summary.table["T"].max() * 7) == pytest.approx((28, 273), abs=3)
    assert (by["frequency"].sum() > 0).tolist() == [True] * 4 + [False] * 2


def test_large_data_are_written_where_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(CUSTOMERS, "simulated-100k", 200)
    data.write(tmp_path, ["simulated-100k"])
    table = pd.read_csv(tmp_path / "simulated-100k-summary.csv", dtype={"customer_id": str})
    assert len(table) == 200
    assert kw.as_summary(table, time_unit="week").cohorts == ("all",)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["facts.json", "simulated-100k-summary.csv"]


def test_calls_are_counted_until_a_block_is_full(monkeypatch):
    monkeypatch.setattr("contestants.common.BLOCK_SECONDS", 0.02)
    made = []
    calls, seconds = block_of_calls(lambda: made.append(1))
    assert calls * seconds >= 0.02
    assert len(made) >= calls > 1
