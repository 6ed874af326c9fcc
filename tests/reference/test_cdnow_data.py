"""The CDNOW log, counted by other packages.

Sources: BTYD 2.4.3, CLVTools 0.12.1 and lifetimes 0.11.3 on the files that lifetimes ships; the calibration and
holdout totals of the sample also stand in Fader, Hardie & Lee (2005) and in BTYD's and CLVTools' own tests.
"""

import numpy as np
import pandas as pd
import pytest

from kundenwert.customers.examples import cdnow, cdnow_sample
from kundenwert.customers.holdout import Holdout, hold_out, split
from kundenwert.customers.sources import read
from kundenwert.customers.summary import CustomerSummary, summarize

COLUMNS = {"customer": "customer_id", "time": "date", "amount": "spend"}
Split = tuple[CustomerSummary, Holdout]


@pytest.fixture(scope="module")
def sample() -> Split:
    return split("example:cdnow-sample", "1997-09-30", **COLUMNS)


@pytest.fixture(scope="module")
def master() -> Split:
    return split("example:cdnow", "1997-09-30", **COLUMNS)


def test_sample_rows_and_day_merging():
    whole = summarize("example:cdnow-sample", **COLUMNS)
    assert len(whole.table) == 2357
    assert whole.counts["rows_read"] == 6919
    assert whole.table["orders"].sum() == 6696
    assert whole.counts["same_day_merged"] == 6919 - 6696
    assert whole.table["gross"].sum() == pytest.approx(244_091.94, abs=1e-6)


def test_sample_calibration(sample):
    summary, _ = sample
    frequency = summary.table["frequency"]
    assert frequency.sum() == 2457
    assert (frequency == 0).sum() == 1411
    assert np.bincount(frequency.clip(upper=7)).tolist() == [1411, 439, 214, 100, 62, 38, 29, 64]


def test_sample_holdout(sample):
    _, holdout = sample
    assert holdout.days == 39 * 7
    assert holdout.table["purchases"].sum() == 1882
    assert holdout.table["spend"].sum() == pytest.approx(70_976.39, abs=1e-6)
    assert round(100 * (holdout.table["purchases"] > 0).mean(), 2) == 29.02


def test_sample_holdout_means_by_calibration_frequency(sample):
    summary, holdout = sample
    means = holdout.table["purchases"].groupby(summary.table["frequency"].clip(upper=7)).mean()
    assert means.round(3).tolist() == [0.237, 0.697, 1.393, 1.560, 2.532, 2.947, 3.862, 6.359]


def test_sample_cumulative_repeats_at_weeks_39_and_78(sample):
    daily = sample[1].daily.set_index("day")["purchases"].cumsum()
    first = pd.Timestamp("1997-01-01")
    assert daily.index[0] == first
    assert daily[first + pd.Timedelta(days=272)] == 2457
    assert daily[first + pd.Timedelta(days=545)] == 4339


def test_sample_equals_the_summary_table_that_lifetimes_ships(sample):
    """`cdnow_customers_summary.csv` numbers customers as the sample's second id does and rounds to two decimals."""
    from importlib.metadata import files

    path = next(f for f in files("lifetimes") if f.name == "cdnow_customers_summary_with_transactions.csv").locate()
    theirs, ours = pd.read_csv(path), sample[0].table
    assert ours["customer_id"].astype(int).tolist() == theirs["ID"].tolist()
    assert ours["frequency"].tolist() == theirs["x"].tolist()
    np.testing.assert_allclose(ours["recency"], theirs["t_x"], atol=0.0051)
    np.testing.assert_allclose(ours["T"], theirs["T"], atol=0.0051)


def test_customer_1516_of_the_papers(sample):
    row = sample[0].table.set_index("customer_id").loc["1516"]
    assert (row["frequency"], row["recency"], row["T"]) == (26, 216 / 7, 31.0)


def test_master_rows(master):
    summary, _ = master
    log = read("example:cdnow", **COLUMNS)
    assert log.counts == {"rows_read": 69_659, "exact_duplicates": 255, "zero_spend_rows": 80, "refunds": 0}
    whole = summarize(log)
    assert len(summary.table) == len(whole.table) == 23_570
    assert whole.table["orders"].sum() == 67_591
    assert whole.table["gross"].sum() == pytest.approx(2_500_315.63, abs=1e-6)


def test_master_calibration_and_holdout(master):
    summary, holdout = master
    assert summary.table["frequency"].sum() == 24_337
    assert (summary.table["frequency"] == 0).sum() == 14_119
    assert holdout.table["purchases"].sum() == 19_684


def test_ids_are_text_with_their_zeros():
    assert cdnow()["customer_id"].iloc[0] == "00001"
    assert cdnow_sample()["customer_id"].iloc[0] == "0001"


def test_calibration_and_holdout_add_up_to_the_whole_log(sample):
    summary, holdout = sample
    assert summary.table["gross"].sum() + holdout.table["spend"].sum() == pytest.approx(244_091.94, abs=1e-6)
    assert summary.table["orders"].sum() + holdout.table["purchases"].sum() == 6696


def test_hold_out_of_a_part_of_the_time(sample):
    log = read("example:cdnow-sample", **COLUMNS)
    half = hold_out(log, sample[0], end="1997-12-31")
    assert half.days == 92
    assert 0 < half.table["purchases"].sum() < 1882
