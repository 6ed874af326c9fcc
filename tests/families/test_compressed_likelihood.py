"""The compressed likelihood: one algebra under NumPy and PyTensor, equal to the sum over customers."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from kundenwert.errors import DataError
from kundenwert.families import BGNBD, GAMMA_GAMMA, MBGNBD

COHORTS = 3
PURCHASES = {
    "r": np.array([0.2, 0.5, 200.0]),
    "alpha": np.array([4.0, 1e-3, 9.0]),
    "a": np.array([0.8, 1.0, 3.0]),
    "b": np.array([2.4, 1e5, 0.1]),
}
SPEND = {"p": np.array([6.0, 1.0, 100.0]), "q": np.array([3.7, 0.4, 20.0]), "v": np.array([15.0, 1e3, 0.1])}


def purchase_data(seed, customers=300):
    rng = np.random.default_rng(seed)
    T = rng.integers(1, 280, customers) / 7
    x = rng.poisson(0.7, customers)
    t_x = np.where(x > 0, np.ceil(rng.random(customers) * T * 7) / 7, 0.0)
    return x, np.minimum(t_x, T), T, rng.integers(0, COHORTS, customers)


def spend_data(seed, customers=300):
    rng = np.random.default_rng(seed)
    n = rng.poisson(1.0, customers)
    return (
        n,
        np.where(n > 0, rng.gamma(3.0, 10.0, customers).round(2) + 0.01, np.nan),
        rng.integers(0, COHORTS, customers),
    )


def data_of(family, seed):
    return spend_data(seed) if family is GAMMA_GAMMA else purchase_data(seed)


CASES = [(BGNBD, PURCHASES), (MBGNBD, PURCHASES), (GAMMA_GAMMA, SPEND)]
IDS = ["bgnbd", "mbgnbd", "gamma_gamma"]


@pytest.mark.parametrize(("family", "theta"), CASES, ids=IDS)
def test_one_graph_serves_other_data(family, theta):
    """Compiled once; value, gradient, other sizes, and the empty cohort come from the same function."""
    rows = family.compress(*data_of(family, 1), COHORTS)
    tensors = {name: pt.dvector(name) for name in theta}
    data = {k: pt.lvector(k) if v.dtype == np.int64 else pt.dvector(k) for k, v in rows.items()}
    total = family.compressed_log_likelihood(tensors, data, pt)
    outputs = [total, *pytensor.grad(total, list(tensors.values()))]
    graph = pytensor.function([*tensors.values(), *data.values()], outputs, mode="FAST_COMPILE")

    for seed in (1, 2):
        *columns, cohort = data_of(family, seed)
        rows = family.compress(*columns, cohort, COHORTS)
        value, *gradient = graph(*theta.values(), *rows.values())
        truth = family.log_likelihood({k: v[cohort] for k, v in theta.items()}, *columns).sum()
        assert value == pytest.approx(truth, rel=1e-12)
        assert family.compressed_log_likelihood(theta, rows) == pytest.approx(truth, rel=1e-12)
        assert np.isfinite(gradient).all()

    empty = family.compress(*([] for _ in columns), [], 1)
    value, *gradient = graph(*(v[:1] for v in theta.values()), *empty.values())
    assert value == 0
    assert not np.any(gradient)


@pytest.mark.parametrize(("family", "theta"), CASES, ids=IDS)
def test_row_types(family, theta):
    for name, column in family.compress(*data_of(family, 1), np.int8(COHORTS)).items():
        assert column.dtype in (np.int64, np.float64), name


@pytest.mark.parametrize("family", [BGNBD, MBGNBD])
def test_a_cohort_without_repeat_purchases(family):
    rows = family.compress([0, 0, 2], [0, 0, 3.0], [5.0, 0.0, 5.0], [1, 1, 0], 3)
    theta = {k: v[:3] for k, v in PURCHASES.items()}
    truth = family.log_likelihood({k: v[[1, 1, 0]] for k, v in theta.items()}, [0, 0, 2], [0, 0, 3.0], [5.0, 0.0, 5.0])
    assert family.compressed_log_likelihood(theta, rows) == pytest.approx(truth.sum(), rel=1e-13)
    nobody = family.compress([0, 0], [0, 0], [5.0, 0.0], [0, 0], 1)
    assert nobody["death_step"].size == (0 if family is BGNBD else 2)


@pytest.mark.parametrize("family", [BGNBD, MBGNBD])
def test_gradient_where_the_history_is_extreme(family):
    """(200, 1e-3, .8, 2) with 520 silent weeks: others return -inf and a gradient of NaN."""
    theta = {k: np.array([v]) for k, v in zip(("r", "alpha", "a", "b"), (200.0, 1e-3, 0.8, 2.0), strict=True)}
    rows = family.compress([0], [0], [520.0], [0], 1)
    tensors = {name: pt.dvector(name) for name in theta}
    total = family.compressed_log_likelihood(tensors, rows, pt)
    graph = pytensor.function(
        list(tensors.values()), [total, *pytensor.grad(total, list(tensors.values()))], mode="FAST_COMPILE"
    )
    assert np.isfinite(np.concatenate([np.atleast_1d(v) for v in graph(*theta.values())])).all()


def test_identical_customers_share_rows():
    rows = BGNBD.compress([2] * 50 + [0] * 50, [3.0] * 50 + [0.0] * 50, [9.0] * 100, [0] * 100, 1)
    assert rows["death_customers"].tolist() == [50.0]
    assert rows["exposure_customers"].tolist() == [100.0]
    assert rows["step_purchases"].tolist() == [50.0, 50.0]
    assert sorted(rows["day"].tolist()) == [3.0, 9.0]


@pytest.mark.parametrize("family", [BGNBD, MBGNBD])
@pytest.mark.parametrize(
    ("x", "t_x", "T", "cohort", "rule"),
    [
        (1.5, 1, 5, 0, "whole number"),
        (-1, 0, 5, 0, "whole number"),
        (1, 6, 5, 0, "between 0 and T"),
        (1, 1, np.nan, 0, "between 0 and T"),
        (0, 1, 5, 0, "recency is not 0"),
        (1, 1, 5, 1, "cohort index"),
    ],
)
def test_impossible_histories_are_refused(family, x, t_x, T, cohort, rule):
    with pytest.raises(DataError, match=rule):
        family.compress([1, x], [1, t_x], [5, T], [0, cohort], 1)


@pytest.mark.parametrize(
    ("n", "zbar", "cohort", "rule"),
    [(1, 0.0, 0, "not positive"), (1, np.nan, 0, "not positive"), (0.5, 1.0, 0, "whole number"), (1, 1.0, 7, "cohort")],
)
def test_impossible_spend_is_refused(n, zbar, cohort, rule):
    with pytest.raises(DataError, match=rule):
        GAMMA_GAMMA.compress([1, n], [5.0, zbar], [0, cohort], 1)
