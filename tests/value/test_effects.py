"""Effects of levers: distributions against scipy.stats, updates against integration by brute force, shared draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from kundenwert.errors import UsageError
from kundenwert.value.counters import Purpose
from kundenwert.value.effects import (
    Beta,
    Counts,
    Exponential,
    Fixed,
    HalfNormal,
    Measurement,
    Normal,
    ReweightedBeta,
    stratified_draws,
    update,
)

SHARES = np.array([1e-6, 0.01, 0.25, 0.5, 0.9, 0.999])
REFERENCES = [
    (Normal(0.03, 0.02), stats.norm(0.03, 0.02)),
    (Beta(1, 30), stats.beta(1, 30)),
    (Beta(0.4, 0.7), stats.beta(0.4, 0.7)),
    (Exponential(0.10), stats.expon(scale=0.10)),
    (HalfNormal(0.10), stats.halfnorm(scale=0.10)),
]


def drawn(effect, draws=1000, *, seed=7, name="call", purpose=Purpose.EFFECT):
    return stratified_draws(effect, draws, seed=seed, name=name, purpose=purpose)


@pytest.mark.parametrize(("effect", "reference"), REFERENCES, ids=lambda e: type(e).__name__)
def test_quantiles_and_moments_are_those_of_scipy(effect, reference):
    np.testing.assert_allclose(effect.quantile(SHARES), reference.ppf(SHARES), rtol=1e-9)
    assert effect.mean == pytest.approx(reference.mean(), rel=1e-12)
    assert effect.sd == pytest.approx(reference.std(), rel=1e-12)


def test_a_known_effect_has_no_spread():
    assert (Fixed(0.2).mean, Fixed(0.2).sd, Fixed(0.2).quantile(SHARES).tolist()) == (0.2, 0.0, [0.2] * 6)


@given(mean=st.floats(0.01, 0.99), share=st.floats(0.02, 0.95))
def test_a_beta_has_the_moments_that_it_was_asked_for(mean, share):
    sd = share * np.sqrt(mean * (1 - mean))
    found = Beta.of_moments(mean, sd)
    reference = stats.beta(found.a, found.b)
    np.testing.assert_allclose([reference.mean(), reference.std()], [mean, sd], rtol=1e-9)


@pytest.mark.parametrize(
    ("mean", "sd", "message"),
    [
        (0.03, 0.171, "is too wide for a share with mean"),
        (0.5, 0.5, "it must be below"),
        (0.0, 0.1, "is not a share"),
        (3.0, 2.0, "0.03 for 3 %"),
        (float("nan"), 0.1, "is not a share"),
        (0.5, 0.0, "must be above 0"),
        (0.5, float("inf"), "must be above 0"),
        (0.5, 1e-7, "Take a less extreme sd"),
        (0.001, 0.0316, "shape a = "),
    ],
)
def test_moments_of_no_share_are_refused(mean, sd, message):
    with pytest.raises(UsageError, match=message):
        Beta.of_moments(mean, sd)


@pytest.mark.parametrize("make", [lambda: Normal(0.1, 0), lambda: Exponential(-1), lambda: HalfNormal(float("nan"))])
def test_a_spread_is_positive(make):
    with pytest.raises(UsageError, match="must be above 0"):
        make()


@pytest.mark.parametrize("make", [lambda: Normal(float("inf"), 1.0), lambda: Fixed(float("nan"))])
def test_an_effect_is_finite(make):
    with pytest.raises(UsageError, match="is no effect"):
        make()


@pytest.mark.parametrize(
    "make", [lambda: Counts(5, 4), lambda: Counts(-1, 4), lambda: Counts(0, 0), lambda: Measurement(0.1, 0.1, n=0)]
)
def test_impossible_trials_are_refused(make):
    with pytest.raises(UsageError):
        make()


# -- experiments


def test_counts_update_a_beta_as_integration_does():
    prior, trials = Beta(1, 30), [Counts(3, 80), Counts(9, 320)]
    after = update(prior, trials)

    def weight(share):
        return stats.beta.pdf(share, 1, 30) * stats.binom.pmf(3, 80, share) * stats.binom.pmf(9, 320, share)

    total = quad(weight, 0, 1, points=[0.03], epsabs=0)[0]
    for bound in (0.01, 0.03, 0.05):
        assert stats.beta.cdf(bound, after.a, after.b) == pytest.approx(quad(weight, 0, bound)[0] / total, rel=1e-7)


def test_measurements_update_a_normal_as_integration_does():
    prior, trials = Normal(0.03, 0.03), [Measurement(0.08, 0.02), Measurement(-0.01, 0.05, n=900)]
    after = update(prior, trials)

    def weight(u):
        return stats.norm.pdf(u, 0.03, 0.03) * stats.norm.pdf(0.08, u, 0.02) * stats.norm.pdf(-0.01, u, 0.05)

    total, first, second = (
        quad(lambda u, k=k: u**k * weight(u), -0.3, 0.4, points=[0.05], epsabs=0)[0] for k in range(3)
    )
    assert after.mean == pytest.approx(first / total, rel=1e-9)
    assert after.sd**2 == pytest.approx(second / total - (first / total) ** 2, rel=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "finding", "se"),
    [
        (1, 30, 0.02, 0.01),  # an ordinary trial
        (1, 19, -0.02, 0.02),  # it found harm, within its error
        (1, 19, -0.09, 0.02),  # only the tail of the likelihood is possible
        (2, 8, 0.2, 0.0005),  # far sharper than the prior
        (1, 30, 0.7, 0.01),  # far out in the tail of the prior
        (500, 9500, 0.08, 0.001),  # both sharp, and they disagree: the result lies where neither has weight
        (4_949_817, 28_120_533, 0.6916, 4e-6),  # so much so that their densities there underflow
        (0.3, 0.4, 0.5, 0.2),  # three modes
        (2, 8, 0.9, 1e3),  # says nothing
    ],
)
def test_a_reweighted_beta_is_that_of_brute_force(a, b, finding, se):
    """Two million steps, from end to end or over all that has any weight."""
    after = update(Beta(a, b), [Measurement(finding, se)])
    near, far = after.quantile(np.array([1e-9, 1 - 1e-9]))
    low, high = (0.0, 1.0) if se > 0.1 or finding < 0 else (near - 20 * after.sd, far + 20 * after.sd)
    # Steps of an angle crowd at 0 and 1, where a density with shapes below 1 is infinite.
    angle = np.linspace(*np.arcsin(np.sqrt(np.clip([low, high], 0.0, 1.0))), 2_000_001)
    middle = (angle[1:] + angle[:-1]) / 2
    x = np.sin(middle) ** 2
    log_weight = stats.beta.logpdf(x, a, b) + stats.norm.logpdf(finding, x, se) + np.log(np.sin(2 * middle))
    weight = np.exp(log_weight - log_weight.max())
    below = np.append(0.0, np.cumsum(weight)) / weight.sum()
    tolerance = 1e-6 if min(a, b) >= 1 else 2e-3  # of the brute force, whose first step holds step^(2a)
    levels = np.array([0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999])
    found = np.interp(np.arcsin(np.sqrt(after.quantile(levels))), angle, below)
    np.testing.assert_allclose(found, levels, atol=tolerance)
    mean = (weight @ x) / weight.sum()
    assert after.mean == pytest.approx(mean, rel=tolerance)
    assert after.sd == pytest.approx(np.sqrt((weight @ (x - mean) ** 2) / weight.sum()), rel=2 * tolerance)


def test_a_finding_that_says_nothing_leaves_the_prior():
    after = update(Beta(1, 30), [Measurement(0.5, 1e6)])
    np.testing.assert_allclose(after.quantile(SHARES), stats.beta.ppf(SHARES, 1, 30), rtol=1e-3)
    assert (after.mean, after.sd) == pytest.approx((1 / 31, stats.beta.std(1, 30)), rel=1e-6)


@given(
    a=st.floats(0.5, 50),
    b=st.floats(0.5, 500),
    finding=st.floats(0.0, 1.0),
    se=st.floats(1e-4, 10.0),
    z=st.floats(-4.0, 4.0),
)
def test_no_reweighted_beta_is_degenerate(a, b, finding, se, z):
    """Whatever prior and finding: the table is one of a distribution, fine everywhere, and quantiles invert it."""
    after = ReweightedBeta(Beta(a, b), finding, se)
    points, below = after.grid
    assert (np.diff(points) >= 0).all()
    assert (np.diff(below) >= 0).all()
    assert np.diff(below).max() <= 1 / 2048
    assert 0 <= points[0] <= after.mean <= points[-1] <= 1
    share = stats.norm.cdf(z)
    q = float(after.quantile(np.array(share)))
    assert np.interp(q, points, below) == pytest.approx(share, abs=1e-9)


ALL = [Counts(3, 40), Measurement(0.05, 0.03), Counts(0, 7), Measurement(0.01, 0.02)]


@given(st.permutations(ALL), st.integers(0, 4))
def test_experiments_may_come_in_any_order_and_in_parts(order, cut):
    together = update(Beta(1, 19), ALL)
    in_parts = update(update(Beta(1, 19), order[:cut]), order[cut:])
    assert (in_parts.prior, in_parts.finding, in_parts.se) == (
        Beta(4, 63),
        pytest.approx(together.finding),
        pytest.approx(together.se),
    )


def test_without_experiments_the_prior_stands():
    for effect, _ in REFERENCES:
        assert update(effect, []) is effect


@pytest.mark.parametrize(
    ("prior", "trial", "message"),
    [
        (Normal(0.03, 0.03), Counts(3, 40), "State the measured mean and its se"),
        (Exponential(0.1), Measurement(0.1, 0.1), "State mean and sd of the effect before the trial"),
        (Fixed(0.0), Measurement(0.1, 0.1), "State mean and sd of the effect before the trial"),
        (Beta(1, 19), Measurement(-0.11, 0.02), "lies 5.5 standard errors outside 0 to 1"),
        (Beta(1, 19), Measurement(3.0, 0.2), "Check sign and unit"),
    ],
)
def test_experiments_that_cannot_be_are_refused(prior, trial, message):
    with pytest.raises(UsageError, match=message):
        update(prior, [trial])


# -- draws


def test_draws_have_the_distribution():
    for effect, reference in REFERENCES:
        assert stats.kstest(drawn(effect), reference.cdf).statistic < 0.51 / 1000


@pytest.mark.parametrize("draws", [1000, 999])
def test_means_of_draws_and_of_both_halves_are_far_better_than_monte_carlo(draws):
    for effect, reference in REFERENCES:
        values = drawn(effect, draws)
        for half in (values, values[::2], values[1::2]):
            plain = reference.std() / np.sqrt(len(half))
            assert abs(half.mean() - reference.mean()) < 0.1 * plain


def test_draws_are_in_random_order():
    """Neither with the draw's number nor between effects may anything go together."""
    names = [(name, purpose) for name in ("call", "mail") for purpose in (Purpose.EFFECT, Purpose.SIDE_EFFECT)]
    values = [np.arange(2000), *(drawn(Beta(1, 19), 2000, name=name, purpose=purpose) for name, purpose in names)]
    rank, _ = stats.spearmanr(np.array(values), axis=1)
    assert np.abs(rank - np.eye(5)).max() < 5 / np.sqrt(2000)
    assert abs(stats.spearmanr(values[1][:-1], values[1][1:]).statistic) < 5 / np.sqrt(2000)


def test_draws_depend_on_seed_name_and_purpose_alone():
    first = drawn(Beta(1, 19))
    np.testing.assert_array_equal(drawn(Beta(1, 19)), first)
    np.testing.assert_allclose(np.sort(drawn(Beta(1, 19), seed=8)), np.sort(first), rtol=1e-12)
    for other in ({"seed": 8}, {"name": "mail"}, {"purpose": Purpose.TAKE_UP}):
        assert (drawn(Beta(1, 19), **other) != first).mean() > 0.9


def test_an_experiment_moves_the_draws_and_not_their_order():
    """Common random numbers: what a plan gains by a trial is not blurred by new draws."""
    before, after = drawn(Beta(1, 30)), drawn(update(Beta(1, 30), [Counts(12, 400)]))
    np.testing.assert_array_equal(np.argsort(before), np.argsort(after))


@pytest.mark.parametrize(("draws", "half"), [(1, [0.0]), (2, [-0.67449, 0.67449]), (3, [-0.967422, 0.0, 0.967422])])
def test_few_draws_are_quantiles(draws, half):
    np.testing.assert_allclose(np.sort(drawn(Normal(0.0, 1.0), draws)), half, atol=1e-5)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(UsageError, match="draws must be at least 1"):
        drawn(Beta(1, 1), 0)
    with pytest.raises(UsageError, match="seed"):
        drawn(Beta(1, 1), seed=-1)
