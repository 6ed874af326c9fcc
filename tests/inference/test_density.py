"""The log posterior as compiled code against the plain one: values, slopes, peaks, and where numbers end."""

import numpy as np
import pytest
from bases import density_of, part_of, plain, simulated, two_moded
from scipy import optimize

from kundenwert.families import BGNBD, GAMMA_GAMMA, MBGNBD
from kundenwert.inference.density import Pooled, distinct_modes, modes, positive

FAMILIES = pytest.mark.parametrize("family", [BGNBD, MBGNBD, GAMMA_GAMMA], ids=lambda family: family.name)
# central differences of the sixth order: what is left of a smooth function at this step is rounding
STEP = 0.02
FIRST = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
SECOND = {0: -49 / 18, 1: 3 / 2, 2: -3 / 20, 3: 1 / 90}


def slopes(log_density, u):
    """Gradient and Hessian of a plain function by central differences of the sixth order."""
    size = len(u)

    def at(*moves):
        point = u.copy()
        for i, steps in moves:
            point[i] += steps * STEP
        return float(log_density(point[:, None])[0])

    gradient = np.array([sum(w * (at((i, k)) - at((i, -k))) for k, w in FIRST.items()) / STEP for i in range(size)])
    hessian = np.empty((size, size))
    for i in range(size):
        straight = sum(w * (at((i, k)) + at((i, -k))) for k, w in SECOND.items() if k) + SECOND[0] * at()
        hessian[i, i] = straight / STEP**2
        for j in range(i):
            total = sum(
                w * v * (at((i, k), (j, m)) + at((i, -k), (j, -m)) - at((i, k), (j, -m)) - at((i, -k), (j, m)))
                for k, w in FIRST.items()
                for m, v in FIRST.items()
            )
            hessian[i, j] = hessian[j, i] = total / STEP**2
    return gradient, hessian


def best_of_many(log_density, starts):
    """The distinct peaks that a textbook optimiser finds, highest first, as (coordinates, value)."""
    peaks = []
    for start in starts:
        found = optimize.minimize(lambda u: -log_density(u[:, None])[0], start, method="BFGS")
        found = optimize.minimize(lambda u: -log_density(u[:, None])[0], found.x, method="Nelder-Mead", tol=1e-9)
        if all(np.abs(found.x - u).max() > 0.05 for u, _ in peaks):
            peaks.append((found.x, -found.fun))
    return sorted(peaks, key=lambda peak: -peak[1])


def prior_points(family, rng, count):
    """(coordinate, point) draws from the prior."""
    return np.stack([rng.normal(prior.mean, prior.sd, count) for prior in family.default_priors.values()])


@FAMILIES
def test_values_are_those_of_the_sum_over_customers(family):
    rng = np.random.default_rng(1)
    columns = simulated(family, 300, rng)
    u = prior_points(family, rng, 50)
    density, truth = density_of(family, columns), plain(family, columns)(u)
    np.testing.assert_allclose(density.values(u[None])[0], truth, rtol=1e-10)
    prepared = density.prepared(u.min(axis=1)[None], u.max(axis=1)[None])
    np.testing.assert_allclose(prepared.values(u[None])[0], truth, rtol=1e-10)


@FAMILIES
def test_derivatives_are_those_of_the_plain_density(family):
    """What the coordinates' own differences leave is 2e-7 of the terms that the gradient is a sum of."""
    rng = np.random.default_rng(2)
    columns = simulated(family, 300, rng)
    density, truth = density_of(family, columns), plain(family, columns)
    for u in prior_points(family, rng, 5).T:
        value, gradient, hessian = density.derivatives(u[None])
        wanted, curved = slopes(truth, u)
        assert value[0] == pytest.approx(truth(u[:, None])[0], rel=1e-10)
        np.testing.assert_allclose(gradient[0], wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())
        np.testing.assert_allclose(hessian[0], curved, rtol=0, atol=2e-5 * np.abs(curved).max())
        np.testing.assert_allclose(hessian[0], hessian[0].T, rtol=1e-12, atol=1e-12 * np.abs(curved).max())


@FAMILIES
def test_modes_are_where_a_textbook_optimiser_finds_them(family):
    rng = np.random.default_rng(3)
    columns = simulated(family, 400, rng)
    density, truth = density_of(family, columns), plain(family, columns)
    found = modes(density, density.mean.copy())
    wanted, height = best_of_many(truth, [density.mean[0]])[0]
    assert found.found.all()
    away = found.u[0] - wanted
    assert away @ found.precision[0] @ away < 0.01**2
    assert truth(found.u[0][:, None])[0] > height - 1e-5
    np.testing.assert_allclose(
        found.precision[0], -slopes(truth, found.u[0])[1], rtol=0, atol=1e-4 * np.abs(found.precision).max()
    )


def test_cohorts_side_by_side_have_the_modes_they_have_alone():
    rng = np.random.default_rng(4)
    bases = [simulated(BGNBD, size, rng) for size in (2000, 1, 60)]
    cohort = np.repeat(np.arange(3), [2000, 1, 60])
    together = density_of(BGNBD, tuple(np.concatenate(c) for c in zip(*bases, strict=True)), cohort, cohorts=3)
    found = modes(together, together.mean.copy())
    assert found.found.all()
    for base, u, precision in zip(bases, found.u, found.precision, strict=True):
        wanted, _ = best_of_many(plain(BGNBD, base), [together.mean[0]])[0]
        assert (u - wanted) @ precision @ (u - wanted) < 0.01**2


def test_a_base_with_two_modes_shows_both():
    columns = two_moded()
    density, truth = density_of(MBGNBD, columns), plain(MBGNBD, columns)
    found = distinct_modes(density)
    prior = MBGNBD.default_priors
    starts = np.array([p.mean for p in prior.values()]) + 1.5 * np.random.default_rng(5).standard_normal((12, 4))
    wanted = best_of_many(truth, starts)
    assert len(wanted) == len(found.u) == 2
    assert found.found.all()
    for u, precision, (point, height) in zip(found.u, found.precision, wanted, strict=True):
        assert (u - point) @ precision @ (u - point) < 0.01**2
        assert truth(u[:, None])[0] == pytest.approx(height, abs=1e-5)
        assert np.linalg.eigvalsh(precision).min() > 0


def test_a_base_with_one_mode_shows_one():
    """BG/NBD knows that nobody left before a repeat: the same draw of parameters leaves no second explanation."""
    columns = simulated(BGNBD, 200, np.random.default_rng(1000 * 200 + 43))
    density = density_of(BGNBD, columns)
    found = distinct_modes(density)
    starts = density.mean[0] + 1.5 * np.random.default_rng(5).standard_normal((8, 4))
    wanted = best_of_many(plain(BGNBD, columns), starts)
    assert len(wanted) == len(found.u) == 1
    assert (found.u[0] - wanted[0][0]) @ found.precision[0] @ (found.u[0] - wanted[0][0]) < 0.01**2


@FAMILIES
def test_nothing_is_dense_beyond_what_double_precision_can_tell(family):
    columns = simulated(family, 50, np.random.default_rng(6))
    density = density_of(family, columns)
    far = np.zeros((1, len(family.coordinates), 4))
    far[0, 0] = [800.0, -800.0, 40.0, -240.0]  # exp overflows, underflows, and lies beyond 1e12 and 1e-100
    np.testing.assert_array_equal(density.values(far), -np.inf)
    inside = density.values(np.zeros((1, len(family.coordinates), 1)))
    assert np.isfinite(inside).all()


def test_repeated_is_one_cohort_several_times():
    rng = np.random.default_rng(7)
    density = density_of(BGNBD, simulated(BGNBD, 100, rng))
    many = density.repeated(3)
    u = np.stack([prior_points(BGNBD, rng, 6) for _ in range(3)])
    assert many.shape == (3, 4)
    for i, own in enumerate(u):
        np.testing.assert_allclose(many.values(u)[i], density.values(own[None])[0], rtol=1e-13)
        for ours, alone in zip(many.derivatives(u[:, :, 0]), density.derivatives(own[None, :, 0]), strict=True):
            np.testing.assert_allclose(ours[i], alone[0], rtol=1e-13)


def test_pooled_is_the_likelihood_of_all_customers_as_one_cohort():
    rng = np.random.default_rng(8)
    columns = simulated(MBGNBD, 300, rng)
    cohort = rng.integers(0, 4, 300)
    pooled = Pooled(density_of(MBGNBD, columns, cohort, cohorts=4).likelihood)
    single = density_of(MBGNBD, columns)
    theta = single.theta(prior_points(MBGNBD, rng, 9)[None])
    np.testing.assert_allclose(pooled.values(theta), single.likelihood.values(theta), rtol=1e-11)
    for ours, wanted in zip(
        pooled.derivatives(theta[:, :, 0]), single.likelihood.derivatives(theta[:, :, 0]), strict=True
    ):
        np.testing.assert_allclose(ours, wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max())
    prepared = pooled.prepared(theta.min(axis=2), theta.max(axis=2))
    np.testing.assert_allclose(prepared.values(theta), pooled.values(theta), rtol=1e-11)
    assert pooled.costs[0] >= single.likelihood.costs[0]  # customers of several cohorts share no row


def test_positive_raises_what_is_below_the_prior_and_leaves_the_rest():
    rng = np.random.default_rng(9)
    floor = rng.uniform(0.5, 3.0, (2, 3))
    root = rng.standard_normal((3, 3))
    well = np.diag(floor[0]) + root @ root.T
    saddle = np.diag([-4.0, 0.1, 50.0])
    out = positive(np.stack([well, saddle]), floor)
    np.testing.assert_allclose(out[0], well, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(out[1], np.diag([floor[1, 0], floor[1, 1], 50.0]), rtol=1e-12, atol=1e-12)
    nothing = positive(np.full((1, 3, 3), np.nan), floor[:1])
    np.testing.assert_allclose(nothing[0], np.diag(floor[0]), rtol=1e-12)


def test_a_fit_without_customers_is_its_prior():
    part = part_of(BGNBD, tuple(np.empty(0) for _ in range(3)))
    density = density_of(BGNBD, tuple(np.empty(0) for _ in range(3)))
    found = modes(density, density.mean + 0.7)
    np.testing.assert_allclose(found.u[0], [p.mean for p in part.priors.values()], atol=1e-9)
    np.testing.assert_allclose(found.precision[0], np.diag([p.sd**-2.0 for p in part.priors.values()]), atol=1e-9)
