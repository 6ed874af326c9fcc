"""Predictions of BG/NBD and MBG/NBD for single customers and whole groups, against papers and other packages.

Sources: BTYD 2.4.3 and BTYDplus 1.2.0 for the single customers and E[X(t)]; the vignettes and tests of BTYD and
CLVTools for customer 1516, the frequency table, the tracking weeks and the "paradox"; 30-digit arithmetic for the
inputs on which other packages fail.
"""

import numpy as np
import pytest

from kundenwert.families import BGNBD, MBGNBD

BG = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
MBG = {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}

SINGLE = [  # x, t_x, T; BG P(alive), BG expected in 39 weeks, MBG P(alive), MBG expected
    (0, 0, 38.86, 1.000000, 0.195098, 0.389735, 0.154013),
    (1, 1.71, 38.86, 0.212101, 0.203187, 0.170836, 0.188837),
    (1, 35, 38.86, 0.731460, 0.700719, 0.719032, 0.794792),
    (2, 30.43, 38.86, 0.726579, 1.226028, 0.706202, 1.262961),
    (4, 20, 38.86, 0.376240, 1.168922, 0.351108, 1.095682),
    (7, 29.43, 38.86, 0.641756, 3.337053, 0.622724, 3.167572),
    (7, 38, 38.86, 0.901842, 4.689467, 0.893189, 4.543331),
    (14, 35, 38.86, 0.837160, 8.403813, 0.826677, 7.962461),
    (26, 30.86, 31, 0.968916, 20.749726, 0.965566, 19.450723),
]


@pytest.mark.parametrize("row", SINGLE)
def test_single_customers(row):
    x, t_x, T, bg_alive, bg_expected, mbg_alive, mbg_expected = row
    assert BGNBD.p_alive(BG, x, t_x, T) == pytest.approx(bg_alive, abs=6e-7)
    assert BGNBD.expected_purchases(BG, x, t_x, T, 39) == pytest.approx(bg_expected, abs=6e-7)
    assert MBGNBD.p_alive(MBG, x, t_x, T) == pytest.approx(mbg_alive, abs=6e-7)
    assert MBGNBD.expected_purchases(MBG, x, t_x, T, 39) == pytest.approx(mbg_expected, abs=6e-7)


@pytest.mark.parametrize(
    ("family", "theta", "weeks", "expected", "digits"),
    [
        (BGNBD, BG, [1 / 7, 1, 3, 223 / 7, 32, 78], [0.0078260, 0.0532679, 0.150865, 1.04200, 1.04524, 1.86052], 6e-6),
        (BGNBD, BG, [13, 26, 39, 52, 104], [0.53444, 0.90264, 1.19672, 1.44605, 2.20281], 6e-6),
        (MBGNBD, MBG, [13, 39, 52, 78], [0.53536, 1.18295, 1.41972, 1.80476], 6e-6),
    ],
)
def test_expected_purchases_of_a_new_customer(family, theta, weeks, expected, digits):
    assert family.expected_purchases_new(theta, weeks) == pytest.approx(expected, abs=digits)


def test_expected_purchases_of_a_new_customer_at_the_estimate(sample_fits):
    expected = [0.0078137, 0.0531843, 0.150631, 1.04049, 1.04373, 1.85796]
    got = BGNBD.expected_purchases_new(sample_fits["bgnbd"].estimates, [1 / 7, 1, 3, 223 / 7, 32, 78])
    assert got == pytest.approx(expected, rel=2e-5)


def test_purchase_distribution_of_a_new_customer():
    expected = [0.573786, 0.199395, 0.085430, 0.045860, 0.027671, 0.017965, 0.012269]
    assert BGNBD.purchase_distribution_new(BG, np.arange(7), 39) == pytest.approx(expected, abs=6e-7)


def test_expected_frequencies_of_the_sample(sample_split, sample_fits):
    table = sample_split[0].table
    each = BGNBD.purchase_distribution_new(sample_fits["bgnbd"].estimates, np.arange(7), table[["T"]].to_numpy())
    counts = each.sum(axis=0)
    expected = [1407.68, 460.32, 192.46, 101.17, 59.85, 38.12, 25.55, 71.85]
    assert [*counts, len(table) - counts.sum()] == pytest.approx(expected, abs=0.02)


def test_customer_1516():
    got = BGNBD.expected_purchases(BG, 26, 216 / 7, 31, 52)
    assert got == pytest.approx(25.75649, abs=6e-6)


def test_more_purchases_then_silence_means_less_to_come(sample_fits):
    got = BGNBD.expected_purchases(sample_fits["bgnbd"].estimates, [10, 15, 20, 25], 20, 39, 52)
    assert got == pytest.approx([0.347, 0.0428, 0.00416, 0.000358], rel=2e-3)


@pytest.mark.parametrize(
    ("week", "expected"),
    [
        (20, 1312.46),
        (21, 1387.35),
        (22, 1460.39),
        (23, 1531.71),
        (24, 1601.42),
        (25, 1669.60),
        (39, 2501.5),
        (78, 4165.6),
    ],
)
def test_cumulative_purchases_of_the_sample(sample_split, sample_fits, week, expected):
    """The published weeks end with day 7 w, the first day of the log being day 0."""
    first_day = sample_split[0].table["first_day"]
    since = (7 * week - (first_day - first_day.min()).dt.days) / 7
    total = BGNBD.expected_purchases_new(sample_fits["bgnbd"].estimates, since.clip(lower=0)).sum()
    assert total == pytest.approx(expected, abs=0.07 if week > 25 else 0.02)


@pytest.mark.parametrize(
    ("theta", "history", "horizon", "truth", "digits"),
    [
        ((0.243, 4.414, 1, 2.426), (2, 10, 38.86), 39, 0.3663135144, 1e-9),
        ((0.243, 4.414, 1 + 1e-9, 2.426), (2, 10, 38.86), 39, 0.3663135140, 1e-9),
        ((0.243, 4.414, 0.3, 0.7), (0, 0, 38.86), 39, 0.192714876291005, 1e-13),
        ((0.243, 1e-3, 0.793, 1e5), (300, 0.9, 1), 520, 2.478930e-4, 1e-6),
        ((20, 1e4, 0.8, 1e5), (3, 10, 520), 1e-3, 2.186257e-6, 1e-6),
        ((0.6, 4, 0.5, 900), (150, 50, 52), 500, 961.0269784450, 1e-12),
    ],
)
def test_expected_purchases_where_other_packages_fail(theta, history, horizon, truth, digits):
    """30-digit arithmetic; others return inf, .3663142, nan, nan, 2.18493e-6, and a value with digits lost."""
    named = dict(zip(("r", "alpha", "a", "b"), theta, strict=True))
    assert BGNBD.expected_purchases(named, *history, horizon) == pytest.approx(truth, rel=digits)


def test_no_purchase_of_a_customer_without_a_repeat():
    """Exact value; another package says .92657."""
    assert BGNBD.p_no_purchase(BG, 0, 0, 38.86, 39) == pytest.approx(0.8554495, abs=6e-8)
