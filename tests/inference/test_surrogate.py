"""The quartic in place of a log density: it is refused where it does not fit, and tells the truth beyond its reach."""

import numpy as np
import pytest
from bases import density_of, part_of, plain, simulated, two_moded
from scipy import stats

from kundenwert.families import BGNBD, MBGNBD
from kundenwert.inference import surrogate
from kundenwert.inference.density import Density, Modes, distinct_modes
from kundenwert.inference.importance import Importance, fit_density, sample_density
from kundenwert.inference.surrogate import Surrogate, quartic

DRAWS = 4000


LIMIT = surrogate.DEAR


@pytest.fixture(autouse=True)
def every_size_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate of costs is open: what is tested is the one of residuals."""
    monkeypatch.setattr(surrogate, "DEAR", 0)


def test_where_points_are_cheap_none_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A density that a quartic meets exactly, and does not replace: to ask the truth costs less."""
    density = density_of(BGNBD, (np.zeros(9), np.zeros(9), np.zeros(9)))
    peak = distinct_modes(density)
    assert fitted(density, peak).residual < 1e-9
    monkeypatch.setattr(surrogate, "DEAR", LIMIT)
    assert quartic(density, peak, np.random.default_rng(1)) is None


def test_where_there_are_two_modes_none_is_used() -> None:
    sampled = sample_density(density_of(MBGNBD, two_moded()), DRAWS, np.random.default_rng(1))
    assert sampled.residual == 0.0


@pytest.fixture(scope="module")
def large() -> tuple[Density, Modes, tuple[np.ndarray, ...]]:
    columns = simulated(BGNBD, 20_000, np.random.default_rng(1))
    density = density_of(BGNBD, columns)
    return density, distinct_modes(density), columns


def fitted(density: Density, peak: Modes, seed: int = 1) -> Surrogate:
    found = quartic(density, peak, np.random.default_rng(seed))
    assert found is not None
    return found


def test_a_large_base_is_a_quartic(large) -> None:
    """Against the plain density, at draws from the posterior's normal that neither fit nor gate have seen."""
    density, peak, columns = large
    found = fitted(density, peak)
    white = np.random.default_rng(9).standard_normal((4, 60))
    u = peak.u[0][:, None] + np.linalg.solve(found.whiten, white)
    wrong = found.values(u[None])[0] - plain(BGNBD, columns)(u)
    assert np.sqrt(np.mean((wrong - wrong.mean()) ** 2)) < 2 * surrogate.MAX_RESIDUAL
    assert found.residual <= surrogate.MAX_RESIDUAL
    assert found.evaluations < 700


def test_a_small_base_is_not() -> None:
    for seed in range(4):
        density = density_of(MBGNBD, simulated(MBGNBD, 300, np.random.default_rng(seed)))
        peaks = distinct_modes(density)
        assert quartic(density, peaks, np.random.default_rng(seed)) is None


def test_a_normal_density_is_met_exactly() -> None:
    """Customers watched for no time leave the prior, which is a quadratic: nothing remains."""
    density = density_of(BGNBD, (np.zeros(9), np.zeros(9), np.zeros(9)))
    found = fitted(density, distinct_modes(density))
    assert found.residual < 1e-9
    u = density.mean[0][:, None] + 1.5 * np.random.default_rng(2).uniform(-1.5, 1.5, (4, 50))
    wanted = sum(stats.norm(p.mean, p.sd).logpdf(row) for p, row in zip(BGNBD.default_priors.values(), u, strict=True))
    np.testing.assert_allclose(np.ptp(found.values(u[None])[0] - wanted), 0.0, atol=1e-8)


def test_beyond_its_reach_it_is_the_truth(large) -> None:
    density, peak, _ = large
    found = fitted(density, peak)
    direction = np.random.default_rng(3).standard_normal((4, 40))
    direction /= np.sqrt((direction**2).sum(axis=0))
    distance = np.where(np.arange(40) % 2, 5.01, 4.99)
    u = peak.u[0][:, None] + np.linalg.solve(found.whiten, direction * distance)
    far = distance > 5
    np.testing.assert_array_equal(found.beyond(u[None]), far)
    truth, values = density.values(u[None])[0], found.values(u[None])[0]
    np.testing.assert_array_equal(values[far], density.values(u[None][:, :, far])[0])
    assert (values[~far] != truth[~far]).all()


def test_a_polynomial_that_is_wrong_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quadratic in the quartic's place misses three thousand customers by more than the gate allows."""
    small = density_of(BGNBD, simulated(BGNBD, 3000, np.random.default_rng(1)))
    monkeypatch.setattr(surrogate, "DEGREE", 2)
    assert quartic(small, distinct_modes(small), np.random.default_rng(1)) is None


def test_draws_are_those_of_the_density_itself(large) -> None:
    density, _, _ = large
    with_it = [sample_density(density, DRAWS, np.random.default_rng(s)) for s in range(3)]
    without = [sample_density(density, DRAWS, np.random.default_rng(s + 9), allow_surrogate=False) for s in range(3)]
    assert all(one.residual > 0 and one.evaluations < DRAWS / 2 for one in with_it)
    assert all(one.residual == 0 and one.evaluations > DRAWS for one in without)
    ours, theirs = (np.concatenate([one.u for one in some], axis=1) for some in (with_it, without))
    root = np.sqrt(3 * DRAWS)
    assert np.abs((ours.mean(axis=1) - theirs.mean(axis=1)) / theirs.std(axis=1)).max() < 5 * np.sqrt(2) / root
    assert np.abs(np.log(ours.std(axis=1) / theirs.std(axis=1))).max() < 5 / root
    for one, other in zip(ours, theirs, strict=True):
        assert stats.ks_2samp(one, other).pvalue > 1e-3


def test_it_can_be_switched_off(large) -> None:
    part = part_of(BGNBD, large[2])
    figures = [Importance(100, surrogate=on).sample_part(part, 1)[1] for on in (True, False)]
    assert figures[0]["residual"][0] > 0
    assert figures[1]["residual"][0] == 0


def test_a_quartic_that_spoils_the_weights_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the gate of residuals open as well a bad quartic comes through, and its heavy weights send it away."""
    part = part_of(MBGNBD, simulated(MBGNBD, 300, np.random.default_rng(0)))
    density = fit_density(part, part.fits[0])
    monkeypatch.setattr(surrogate, "MAX_RESIDUAL", np.inf)
    monkeypatch.setattr(surrogate, "MAX_SINGLE", np.inf)
    spoilt = sample_density(density, DRAWS, np.random.default_rng(1))
    assert spoilt.residual > 10 * 0.02
    assert spoilt.pareto_k > 0.7
    draws, figures = Importance(DRAWS).sample_part(part, 1)
    truth, plain_figures = Importance(DRAWS, surrogate=False).sample_part(part, 2)
    assert figures["residual"][0] == 0
    assert figures["pareto_k"][0] < 0.7
    assert figures["evaluations"][0] > plain_figures["evaluations"][0] + 200
    for name, values in draws.items():
        ours, theirs = np.log(values), np.log(truth[name])
        assert abs(ours.mean() - theirs.mean()) < 5 * theirs.std() * np.sqrt(2 / DRAWS), name
