"""Heuristics and intervals by hand: what labels are held against must itself be right."""

import numpy as np
import pandas as pd
import pytest
from segment_rivals import (
    active,
    hiatus_cutoff,
    interval,
    means_of,
    order_by,
    quintile,
    resampled,
    rfm_score,
    rivals,
)

import kundenwert as kw


@pytest.fixture
def summary():
    """Five customers who were all acquired ten weeks ago."""
    frame = pd.DataFrame(
        {
            "customer_id": list("abcde"),
            "frequency": [0, 0, 1, 2, 3],
            "recency": [0.0, 0.0, 2.0, 9.0, 5.0],
            "T": 10.0,
            "monetary_value": [0.0, 0.0, 10.0, 10.0, 20.0],
            "gross": [5.0, 50.0, 20.0, 30.0, 80.0],
            "refunds": [0.0, 0.0, 0.0, 20.0, 0.0],
        }
    )
    return kw.as_summary(frame, time_unit="week")


def test_equal_values_share_a_quintile():
    assert quintile(np.array([1, 1, 1, 2, 9])).tolist() == [2, 2, 2, 4, 5]
    assert quintile(np.arange(10.0)).tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_the_rfm_score_adds_quintiles_of_recency_purchases_and_money(summary):
    recent, often, money = [2, 2, 3, 5, 4], [2, 2, 3, 4, 5], [1, 4, 3, 2, 5]
    assert rfm_score(summary.table).tolist() == [sum(one) for one in zip(recent, often, money, strict=True)]


def test_ranks_go_by_one_key_after_the_other_and_then_by_row():
    first, second = np.array([1.0, 2.0, 2.0, 1.0]), np.array([5.0, 3.0, 9.0, 5.0])
    assert order_by(first, second).tolist() == [2, 1, 0, 3]


def test_heuristics_rank_by_what_was_spent_after_refunds_and_by_the_gap(summary):
    assert active(summary, 6.0).tolist() == [False, False, False, True, True]
    found = rivals(summary, 6.0)
    assert found["money spent"].tolist() == [4, 1, 2, 3, 0]
    assert found["hiatus, then money"].tolist() == [4, 2, 3, 1, 0]
    assert found["RFM score"].tolist() == [4, 3, 2, 1, 0]


def test_the_cutoff_is_that_of_the_gap_after_which_nobody_came_back():
    """The middle lies in week 10; who bought within three weeks before it comes back, the others do not."""
    day = pd.Timestamp("1997-01-01")
    orders = [("a", 9), ("a", 12), ("b", 8), ("b", 15), ("c", 6), ("d", 2), ("e", 5)]
    log = pd.DataFrame(
        {"customer_id": [one for one, _ in orders], "date": [day + pd.Timedelta(weeks=week) for _, week in orders]}
    )
    assert hiatus_cutoff(log, day, day + pd.Timedelta(weeks=20)) == 3
    after = pd.DataFrame({"customer_id": ["d"], "date": [day + pd.Timedelta(weeks=30)]})
    assert hiatus_cutoff(pd.concat([log, after]), day, day + pd.Timedelta(weeks=20)) == 3


def test_intervals_are_those_of_a_mean_and_differences_are_paired():
    rng = np.random.default_rng(1)
    values, half = rng.normal(10.0, 4.0, 3000), np.arange(3000) % 2 == 0
    everybody = np.ones(3000, dtype=bool)
    means, again = means_of(values, [everybody, half])
    np.testing.assert_allclose(means, [values.mean(), values[half].mean()])
    low, high = interval(again[:, 0])
    assert (high - low) / 2 == pytest.approx(1.96 * 4.0 / 3000**0.5, rel=0.08)
    # The half is part of all: what they have in common cancels.
    assert np.std(again[:, 0] - again[:, 1]) == pytest.approx(4.0 / 3000**0.5, rel=0.08)


def test_the_same_customers_are_drawn_every_time():
    columns = np.arange(12.0).reshape(6, 2)
    np.testing.assert_array_equal(resampled(columns, 20), resampled(columns, 20))
    assert resampled(np.ones((6, 1)), 20).tolist() == [[6.0]] * 20
