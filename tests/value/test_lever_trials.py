"""What trials would tell, against conjugate updates in closed form."""

import numpy as np
import pytest
from scipy import stats

from kundenwert.errors import UsageError
from kundenwert.units import Horizon
from kundenwert.value.effects import Beta, Normal
from kundenwert.value.lever_questions import ANSWERS, curves_of, sharp_question
from kundenwert.value.lever_trials import Trial, counted_question, measured_question, standard_error
from kundenwert.value.levers import Lever

GRID = (np.arange(8000) + 0.5) / 8000
MARKS = np.linspace(0, 1, ANSWERS + 1)


def shuffled(effect, seed=1):
    return np.random.default_rng(seed).permutation(effect.quantile(GRID))


def linear(effect):
    """(1, draw) the effect about its mean, as a curve of its own."""
    return (effect - effect.mean())[None]


@pytest.mark.parametrize("se", [0.003, 0.03, 0.3])
def test_a_measurement_of_a_normal_effect_tells_what_the_conjugate_update_says(se):
    """Class by class: means of the posterior mean, which is normal before the trial."""
    effect = shuffled(Normal(0.02, 0.03))
    found = measured_question(4, linear(effect), effect, se)
    edges = stats.norm.pdf(stats.norm.ppf(MARKS))
    expected = 0.03**2 / np.hypot(0.03, se) * ANSWERS * -np.diff(edges)
    assert found.about == 4
    np.testing.assert_allclose(found.points[:, 0], expected, atol=2e-3 * np.abs(expected).max())
    assert abs(found.points.mean()) < 1e-15


@pytest.mark.parametrize("ahead", [-1.5, -0.7, 0.0, 1.0])
def test_a_decision_after_it_gains_the_normal_loss(ahead):
    """One package of mean `ahead` sd; of two answers in one class the better is taken for both, so a little is lost."""
    effect, se = shuffled(Normal(0.0, 1.0)), 0.75
    points = measured_question(0, linear(effect), effect, se).points[:, 0]
    value = np.maximum(ahead + points, 0).mean() - max(ahead, 0.0)
    before = 1.0 / np.hypot(1.0, se)
    d = ahead / before
    exact = before * (stats.norm.pdf(d) + d * stats.norm.cdf(d)) - max(ahead, 0.0)
    assert exact - 0.004 < value < exact * (1 + 1e-3)


@pytest.mark.parametrize("size", [7, 60, 4000])
def test_a_count_tells_what_the_beta_binomial_says(size):
    prior = Beta(2.0, 60.0)
    share = shuffled(prior)
    found = counted_question(0, linear(share), share, size).points[:, 0]
    counts = np.arange(size + 1)
    chance = stats.betabinom(size, 2.0, 60.0).pmf(counts)
    after = (2.0 + counts) / (62.0 + size)
    # The mean of the posterior mean up to each mark, a count on the mark being taken in part.
    below = np.interp(MARKS, np.append(0.0, np.cumsum(chance)), np.append(0.0, np.cumsum(chance * after)))
    expected = ANSWERS * np.diff(below) - prior.mean
    np.testing.assert_allclose(found, expected, atol=3e-3 * np.abs(expected).max())
    assert abs(found.mean()) < 1e-15


def test_endless_trials_tell_what_the_effect_is():
    normal, share = shuffled(Normal(0.02, 0.03)), shuffled(Beta(1.0, 30.0))
    endless = (measured_question, normal, 1e-9), (measured_question, share, 1e-9), (counted_question, share, 10**9)
    for question, effect, size in endless:
        curve = curves_of([effect], len(effect))[0]
        sharp = sharp_question(0, curve).points
        sharp = sharp if curve[0] @ effect > 0 else sharp[::-1]
        np.testing.assert_allclose(question(0, curve, effect, size).points, sharp, atol=1e-3)


def test_useless_trials_tell_nothing_and_larger_ones_more():
    effect = shuffled(Normal(0.02, 0.03))
    curve = curves_of([effect], len(effect))[0]
    assert np.abs(measured_question(0, curve, effect, 1e6).points).max() < 1e-6
    spread = [np.square(measured_question(0, curve, effect, se).points).sum() for se in (1.0, 0.1, 0.03, 0.01, 0.001)]
    assert (np.diff(spread) > 0).all()
    share = shuffled(Beta(1.0, 30.0))
    curve = curves_of([share], len(share))[0]
    spread = [np.square(counted_question(0, curve, share, size).points).sum() for size in (1, 10, 100, 10_000)]
    assert (np.diff(spread) > 0).all()


def test_half_of_a_trial_is_held_out():
    assert standard_error(2.0, 400) == pytest.approx(2 * 2.0 / 20)
    assert standard_error(2.0, 3) == pytest.approx(2.0 * 1.5**0.5)
    rng = np.random.default_rng(5)
    outcomes = 2.0 * rng.standard_normal((20_000, 50))
    estimates = outcomes[:, :25].mean(axis=1) - outcomes[:, 25:].mean(axis=1)
    assert estimates.std() == pytest.approx(standard_error(2.0, 50), rel=0.02)


def test_what_a_trial_costs():
    mail, back = Lever("mail", "spend", cost_per_contact=0.5), Lever("back", "reactivation", cost_per_contact=0.5)
    assert Trial("mail").cost(mail, 101) == 25.0
    assert Trial("back", fixed_cost=7.0).cost(back, 101) == 57.5
    assert Trial("mail", cost_per_customer=2.0, fixed_cost=1.0).cost(mail, 100) == 101.0


def test_sizes():
    found = Trial("mail").sizes_up_to(10_000)
    assert (found[0], found[-1], len(found)) == (50, 10_000, 12)
    assert list(found) == sorted(set(found))
    assert Trial("mail").sizes_up_to(30) == (30,)
    assert Trial("mail", sizes=[10, 20]).sizes_up_to(20) == (10, 20)
    assert Trial("mail", window="1 quarter").window == Horizon.parse("1 quarter")
    with pytest.raises(UsageError, match="only 19 may get it"):
        Trial("mail", sizes=[10, 20]).sizes_up_to(19)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sd": 0.0},
        {"sd": np.nan},
        {"fixed_cost": -1.0},
        {"cost_per_customer": np.inf},
        {"sizes": []},
        {"sizes": [1, 5]},
        {"sizes": [9, 5]},
        {"window": "soon"},
    ],
)
def test_trials_that_cannot_be_are_refused(wrong):
    with pytest.raises(UsageError):
        Trial("mail", **wrong)
