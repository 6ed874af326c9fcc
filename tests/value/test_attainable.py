"""The attainable share: exact reweighting by experiments, and closures that find planted truth and nothing else."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, norm

from kundenwert.errors import UsageError
from kundenwert.value.attainable import attainable_draws, attainable_effect, measured_closure, organic_closure
from kundenwert.value.effects import Beta, Counts, Measurement


@pytest.mark.parametrize(
    ("shapes", "trials"),
    [
        ((2.0, 6.0), [(0.1, 0.05)]),
        ((2.0, 6.0), [(0.4, 0.1), (0.1, 0.02)]),
        ((0.5, 0.5), [(-0.03, 0.02)]),
        ((2.0, 6.0), [(0.25, 5.0)]),
    ],
)
def test_draws_are_those_of_the_prior_times_the_likelihood(shapes, trials):
    def density(share):
        return beta.pdf(share, *shapes) * np.prod([norm.pdf(mean, share, se) for mean, se in trials], axis=0)

    inner = sorted(np.clip([mean for mean, _ in trials], 1e-6, 1 - 1e-6))
    mass = quad(density, 0, 1, points=inner, limit=500)[0]
    experiments = [Measurement(mean, se) for mean, se in trials]
    drawn = np.sort(attainable_draws(shapes, experiments, draws=400, seed=3))
    for position in (0, 40, 200, 360, 399):
        below = quad(density, 0, drawn[position], points=[p for p in inner if p < drawn[position]] or None, limit=500)
        assert below[0] / mass == pytest.approx((position + 0.5) / 400, abs=2e-6)
    mean = quad(lambda share: share * density(share), 0, 1, points=inner, limit=500)[0] / mass
    assert attainable_effect(shapes, experiments).mean == pytest.approx(mean, abs=1e-6)


def test_without_experiments_the_prior_is_the_answer():
    assert attainable_effect((2.0, 6.0)) == Beta(2.0, 6.0)
    drawn = attainable_draws((2.0, 6.0), draws=1000, seed=1)
    for half in (drawn, drawn[::2], drawn[1::2]):
        np.testing.assert_allclose(np.sort(beta.cdf(half, 2, 6)), (np.arange(len(half)) + 0.5) / len(half), atol=1e-3)
    assert not np.array_equal(drawn, attainable_draws((2.0, 6.0), draws=1000, seed=2))


def test_what_says_nothing_of_gaps_is_refused():
    with pytest.raises(UsageError, match="count says nothing"):
        attainable_effect((2.0, 6.0), [Counts(successes=3, n=10)])
    with pytest.raises(UsageError, match="outside 0 to 1"):
        attainable_effect((2.0, 6.0), [Measurement(mean=-0.5, se=0.05)])


def test_closure_is_the_regression_through_the_origin_with_errors_like_the_bootstraps():
    rng = np.random.default_rng(5)
    gap, expected = rng.gamma(1.0, 10.0, 500), rng.gamma(2.0, 5.0, 500)
    outcome = expected + 0.3 * gap + (1 + gap) * rng.standard_normal(500)
    found = organic_closure(gap, expected, outcome)
    assert found.share == pytest.approx(np.linalg.lstsq(gap[:, None], outcome - expected)[0][0], rel=1e-12)
    rows = rng.integers(0, 500, (8000, 500))
    again = (gap * (outcome - expected))[rows].sum(axis=1) / (gap**2)[rows].sum(axis=1)
    assert found.se == pytest.approx(again.std(), rel=0.05)
    assert found.customers == 500


@pytest.mark.parametrize("planted", [0.0, 0.3])
def test_a_randomised_treatment_finds_the_planted_share_with_its_error(planted):
    """Everybody was expected to do better by a tenth of the gap than they do untreated."""
    rng, found, organic = np.random.default_rng(11), [], []
    for _ in range(400):
        gap, mean = rng.gamma(0.7, 20.0, 600), rng.gamma(1.0, 10.0, 600)
        treated = rng.random(600) < 0.5
        outcome = rng.gamma(0.5, 2.0 * (mean + planted * treated * gap))
        expected = mean + 0.1 * gap
        found.append(measured_closure(gap, expected, outcome, treated))
        organic.append(organic_closure(gap[~treated], expected[~treated], outcome[~treated]).share)
    means = np.array([one.mean for one in found])
    assert np.mean(organic) == pytest.approx(-0.1, abs=4 * np.std(organic) / 20)
    assert means.mean() == pytest.approx(planted, abs=4 * means.std() / 20)
    assert np.sqrt(np.mean([one.se**2 for one in found])) == pytest.approx(means.std(), rel=0.15)
    assert found[0].n == 600


def test_observed_growth_is_no_experiment_and_broken_columns_are_refused():
    good = np.array([1.0, 2.0])
    for columns, words in [
        ((good, good, good[:1]), "shapes"),
        ((good, good, [np.nan, 1.0]), "outcome is no number for 1 customers"),
        ((good, [np.inf, 1.0], good), "expected is no number"),
        ((-good, good, good), "a gap is negative"),
        ((0 * good, good, good), "nobody has a gap"),
    ]:
        with pytest.raises(UsageError, match=words):
            organic_closure(*columns)
    for treated, words in [([True, True], "one arm"), ([False, False], "one arm"), ([1, 0], "true or false")]:
        with pytest.raises(UsageError, match=words):
            measured_closure(good, good, good, treated)
