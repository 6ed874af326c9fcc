"""Special functions against 30-digit arithmetic, and grouping of rows."""

import mpmath as mp
import numpy as np
import pytest

from kundenwert.families.arithmetic import group_rows, log_beta, log_rising, softplus, total_by


@pytest.mark.parametrize("z", [1e-8, 0.243, 1.0, 15.999, 16.0, 300.0, 1e8, 1e16])
@pytest.mark.parametrize("n", [0, 1, 3, 16, 17, 5000])
def test_log_rising(z, n):
    with mp.workdps(40):
        truth = float(mp.fsum(mp.log(mp.mpf(z) + j) for j in range(n)))
    assert log_rising(z, n) == pytest.approx(truth, rel=5e-15, abs=1e-14)


@pytest.mark.parametrize(
    ("a", "b"), [(0.8, 2.4), (14.0, 9888.9), (1e-3, 20.0), (0.8, 1e16), (15.9, 16.1), (1e4, 3e4), (0.5, 0.5)]
)
def test_log_beta_is_symmetric_and_exact(a, b):
    with mp.workdps(40):
        truth = float(mp.log(mp.beta(mp.mpf(a), mp.mpf(b))))
    assert log_beta(a, b) == pytest.approx(truth, rel=1e-14)
    assert log_beta(a, b) == log_beta(b, a)


def test_softplus_neither_overflows_nor_underflows_early():
    assert softplus(np.array([-800.0, -40.0, 0.0, 800.0])) == pytest.approx([0, 4.248354255291589e-18, np.log(2), 800])


def test_group_rows_of_nothing():
    (first, second), index = group_rows([], [])
    assert first.size == second.size == index.size == 0


def test_group_rows_rebuilds_its_columns():
    rng = np.random.default_rng(3)
    columns = rng.integers(0, 4, 200), rng.integers(0, 3, 200) / 7
    distinct, index = group_rows(*columns)
    assert index.dtype == np.int64
    for column, values in zip(columns, distinct, strict=True):
        assert (values[index] == column).all()
    assert len(set(zip(*(v.tolist() for v in distinct), strict=True))) == distinct[0].size
    assert total_by(index, distinct[0].size).sum() == 200
