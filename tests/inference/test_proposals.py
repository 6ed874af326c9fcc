"""Multivariate t proposals against SciPy, and Pareto-smoothed weights against ArviZ."""

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy import special, stats

from kundenwert.inference.proposals import Drawn, Proposal, smoothed


def proposal(seed: int, size: int, freedom: float) -> Proposal:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((size, size + 2))
    return Proposal(rng.standard_normal(size), np.linalg.cholesky(root @ root.T), freedom)


def scipy_t(one: Proposal):
    return stats.multivariate_t(one.centre, one.factor @ one.factor.T, df=one.freedom)


@pytest.mark.parametrize(("size", "freedom"), [(3, 4.0), (4, 8.0), (4, 16.0), (1, 1.5)])
def test_the_density_is_that_of_the_multivariate_t(size, freedom):
    one = proposal(size, size, freedom)
    u = one.centre[:, None] + 10.0 * np.random.default_rng(1).standard_normal((size, 200))
    np.testing.assert_allclose(one.log_density(u), scipy_t(one).logpdf(u.T), rtol=1e-12)


def test_draws_follow_the_density():
    """Squared lengths over the dimension are F, every margin is a t, and directions are those of the scale matrix."""
    one, count = proposal(3, 4, 5.0), 20_000
    u = one.draw(np.random.default_rng(2), count)
    white = np.linalg.solve(one.factor, u - one.centre[:, None])
    assert stats.kstest((white**2).sum(axis=0) / 4, stats.f(4, 5.0).cdf).pvalue > 1e-3
    for i in range(4):
        scale = np.sqrt((one.factor[i] ** 2).sum())
        assert stats.kstest((u[i] - one.centre[i]) / scale, stats.t(5.0).cdf).pvalue > 1e-3
    direction = white / np.sqrt((white**2).sum(axis=0))
    np.testing.assert_allclose(direction @ direction.T / count, np.eye(4) / 4, atol=5 * 0.22 / np.sqrt(count))


class Flat:
    """A target of equal densities, so that weights are those of the proposals alone."""

    def values(self, u):
        return np.zeros((1, u.shape[2]))


def test_draws_are_those_of_the_mixture_of_all_rounds():
    """Two rounds, one proposal in both: densities are kept between rounds and counts are added."""
    first, second, third = (proposal(seed, 3, 4.0 + seed) for seed in range(3))
    drawn = Drawn(Flat(), np.random.default_rng(3))
    drawn.add([first, second], [100.0, 7.0])
    drawn.add([third, second], [900.2, 50.0])
    counts = np.array([100, 57, 900])
    assert drawn.u.shape == (3, counts.sum())
    each = np.stack([scipy_t(p).logpdf(drawn.u.T) for p in (first, second, third)])
    np.testing.assert_allclose(drawn.log_density([third, first]), each[[2, 0]], rtol=1e-11)
    wanted = special.logsumexp(each, axis=0, b=(counts / counts.sum())[:, None])
    np.testing.assert_allclose(drawn.proposed, wanted, rtol=1e-11)
    weights, _ = drawn.weights()
    assert weights.sum() == pytest.approx(1.0)
    body = weights < np.sort(weights)[-200]
    np.testing.assert_allclose(weights[body] / weights[0], np.exp(drawn.proposed[0] - wanted[body]), rtol=1e-9)


def test_a_mixture_does_not_underflow_far_out():
    near, far = (Proposal(np.full(2, centre), 1e-50 * np.eye(2), 50.0) for centre in (0.0, 1e6))
    drawn = Drawn(Flat(), np.random.default_rng(4))
    drawn.add([near, far], [3, 1])
    assert np.log(0.75) + near.log_density(drawn.u[:, :3]) == pytest.approx(drawn.proposed[:3], rel=1e-13)
    assert near.log_density(drawn.u[:, 3:])[0] < -5000  # its exponential is no number any more


def log_weights(kind, count, rng):
    """Log weights whose tails are those of a normal (k = 0), of Paretos of known k, bounded, and in between."""
    return {
        "light": lambda: rng.standard_normal(count) * 0.3,
        "log_normal": lambda: rng.standard_normal(count) * 1.5,
        "bounded": lambda: np.log(rng.beta(2.0, 3.0, count)),
        "k = .3": lambda: 0.3 * rng.exponential(size=count),
        "k = .7": lambda: 0.7 * rng.exponential(size=count),
        "k = 1.2": lambda: 1.2 * rng.exponential(size=count),
    }[kind]()


@pytest.mark.parametrize("kind", ["light", "log_normal", "bounded", "k = .3", "k = .7", "k = 1.2"])
@pytest.mark.parametrize("count", [200, 3600, 10_000])
def test_smoothed_weights_are_those_of_arviz(kind, count):
    """For counts whose tail is a whole number of points: ArviZ rounds it down, the paper up."""
    for seed in range(3):
        given = log_weights(kind, count, np.random.default_rng(seed)) - 700.0
        weights, k = smoothed(given)
        theirs, their_k = array_stats.psislw(-given)
        assert k == pytest.approx(float(their_k), abs=1e-9)
        np.testing.assert_allclose(weights, np.exp(theirs), rtol=1e-9)


@pytest.mark.parametrize("kind", ["light", "log_normal", "bounded", "k = .3", "k = .7", "k = 1.2"])
def test_a_point_more_in_the_tail_hardly_matters(kind):
    for seed in range(5):
        given = log_weights(kind, 4000, np.random.default_rng(seed))
        weights, k = smoothed(given)
        theirs, their_k = array_stats.psislw(-given)
        assert k == pytest.approx(float(their_k), abs=0.02)
        if k < 1:  # beyond that a single weight is much of everything, and moves with the tail
            assert np.abs(weights - np.exp(theirs)).max() < 1e-3


def test_the_tail_that_is_found_is_the_one_that_was_made():
    """Pareto tails of known shape, k over many data sets; the prior draws it to 1/2 by ten draws of 3 sqrt(count)."""
    count, tail = 4000, 190
    for true_k in (0.2, 0.6, 1.0):
        found = [smoothed(true_k * np.random.default_rng(s).exponential(size=count))[1] for s in range(40)]
        expected = (tail * true_k + 10 * 0.5) / (tail + 10)
        assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / np.sqrt(40) + 0.02)


@pytest.mark.parametrize("kind", ["light", "log_normal", "k = .7"])
def test_smoothing_keeps_the_order_and_the_total(kind):
    given = log_weights(kind, 3000, np.random.default_rng(5))
    weights, _ = smoothed(given)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert (np.diff(weights[np.argsort(given)]) >= 0).all()
    raw = np.exp(given - given.max())
    tail = np.argsort(given)[: 3000 - 165]  # the others are as they were, up to the common factor
    np.testing.assert_allclose(weights[tail] / weights[tail][-1], raw[tail] / raw[tail][-1], rtol=1e-12)


def test_equal_weights_stay_equal():
    weights, k = smoothed(np.full(500, -3.0))
    np.testing.assert_allclose(weights, 1 / 500, rtol=1e-13)
    assert k == -np.inf


def test_points_that_do_not_count_do_not_count():
    given = np.random.default_rng(6).standard_normal(1000)
    given[::3] = -np.inf
    weights, k = smoothed(given)
    assert (weights[::3] == 0).all()
    assert (weights[1::3] > 0).all()
    assert np.isfinite(k)


def test_one_dominant_weight_is_not_called_good():
    given = np.full(1000, -800.0)
    given += 1e-3 * np.random.default_rng(7).standard_normal(1000)
    given[17] = 0.0
    weights, k = smoothed(given)
    assert weights.argmax() == 17
    assert np.isfinite(weights).all()
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert weights[17] > 0.99
    assert k > 0.7


@pytest.mark.parametrize("counting", [1, 3, 20, 90])
def test_a_handful_of_weights_among_nothing(counting):
    """Nearly all points beyond the support: they get no weight, and nobody is told that the tail is light."""
    given = np.full(1000, -np.inf)
    given[:counting] = np.log(np.arange(1, counting + 1))
    weights, k = smoothed(given)
    np.testing.assert_allclose(weights[:counting], np.arange(1, counting + 1) * 2 / (counting * (counting + 1)))
    assert (weights[counting:] == 0).all()
    assert k == np.inf


def test_weights_over_six_hundred_nats():
    """Two in three at e^-650 of the largest: a shape beyond a hundred, whose powers overflow."""
    given = np.random.default_rng(8).standard_normal(1000)
    given[:950] -= 650.0
    weights, k = smoothed(given)
    assert np.isfinite(weights).all()
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert k > 10
