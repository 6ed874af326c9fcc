"""BG/NBD and MBG/NBD: coordinates, individual posterior, edges, and simulation against the closed forms."""

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats

from kundenwert.families import BGNBD, MBGNBD

THETA = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
FAMILIES = [BGNBD, MBGNBD]


@pytest.mark.parametrize("phi", [-60.0, -1.0, 0.0, 60.0])
def test_coordinates_round_trip(phi):
    u = {
        "log_r": np.array(-0.7),
        "log_alpha_over_T": np.array(-1.2),
        "logit_phi": np.array(phi),
        "log_kappa": np.array(1.1),
    }
    theta = BGNBD.constrain(u, 38.86)
    assert theta["a"] + theta["b"] == pytest.approx(np.exp(1.1))
    back = BGNBD.unconstrain(theta, 38.86)
    assert {k: float(v) for k, v in back.items()} == pytest.approx({k: float(v) for k, v in u.items()}, abs=1e-12)


def test_coordinates_in_a_graph():
    u = {name: np.array([0.3, -0.4]) for name in BGNBD.coordinates}
    graph = BGNBD.constrain({name: pt.as_tensor(v) for name, v in u.items()}, 30.0, pt)
    for name, value in BGNBD.constrain(u, 30.0).items():
        assert graph[name].eval() == pytest.approx(value, rel=1e-14)


def test_default_priors_cover_the_coordinates():
    for family in FAMILIES:
        assert tuple(family.default_priors) == family.coordinates


def test_individual_shapes():
    posterior = BGNBD.individual(THETA, [0, 2], [0.0, 30.0], [39.0, 39.0])
    assert posterior.p_alive[0] == 1.0
    assert posterior.rate_shape == pytest.approx([0.243, 2.243])
    assert posterior.rate_alive == pytest.approx([43.414, 43.414])
    assert posterior.rate_dead == pytest.approx([4.414, 34.414])
    assert posterior.dropout_alive[1] == pytest.approx([2.426, 4.426])
    assert posterior.dropout_dead[0] == pytest.approx([1.793, 1.793])
    assert posterior.dropout_dead[1] == pytest.approx([2.426, 3.426])
    modified = MBGNBD.individual(THETA, [0, 2], [0.0, 30.0], [39.0, 39.0])
    assert modified.dropout_alive[1] == pytest.approx([3.426, 5.426])
    assert modified.dropout_dead[1] == pytest.approx([2.426, 4.426])


def test_mbg_at_age_zero_is_the_prior():
    assert MBGNBD.p_alive(THETA, 0, 0, 0) == pytest.approx(THETA["b"] / (THETA["a"] + THETA["b"]), rel=1e-14)
    assert BGNBD.p_alive(THETA, 0, 0, 0) == 1.0


def test_p_alive_keeps_its_digits_at_both_ends():
    """1/(1 + exp(...)) of a naive form is NaN or 0 here."""
    assert 0 < BGNBD.p_alive(THETA, 40, 1.0, 100.0) < 1e-45
    assert BGNBD.p_alive({**THETA, "b": 1e16}, 5, 3, 5) == pytest.approx(1.0)
    assert np.isfinite(BGNBD.log_odds_dead(THETA, 5000, 1.0, 1e6))


@pytest.mark.parametrize("family", FAMILIES)
def test_draws_and_customers_broadcast(family):
    draws = {name: np.array([value, 1.1 * value])[:, None] for name, value in THETA.items()}
    x, t_x, T = np.array([0, 2, 5]), np.array([0.0, 10.0, 30.0]), np.array([39.0, 39.0, 31.0])
    for got in (
        family.log_likelihood(draws, x, t_x, T),
        family.expected_purchases(draws, x, t_x, T, 52, 0.002),
        family.p_no_purchase(draws, x, t_x, T, 26),
        family.survival(draws, x, T, 26),
        family.purchase_distribution(draws, 1, x, t_x, T, 26),
    ):
        assert got.shape == (2, 3)
    second = {name: 1.1 * value for name, value in THETA.items()}
    got = family.expected_purchases(draws, x, t_x, T, 52, 0.002)[1]
    assert got == pytest.approx(family.expected_purchases(second, x, t_x, T, 52, 0.002), rel=1e-13)


@pytest.mark.parametrize("family", FAMILIES)
def test_silence_is_the_distribution_at_zero(family):
    history = (np.array([0, 1, 9]), np.array([0.0, 5.0, 38.0]), 39.0)
    silent = family.p_no_purchase(THETA, *history, 26)
    assert silent == pytest.approx(family.purchase_distribution(THETA, 0, *history, 26), rel=1e-13)


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_happens_in_no_time(family):
    assert family.expected_purchases(THETA, 2, 10, 39, 0.0) == 0.0
    assert family.survival(THETA, 2, 39, 0.0) == pytest.approx(1.0, rel=1e-14)
    assert family.purchase_distribution_new(THETA, [0, 1, 2], 0.0) == pytest.approx([1.0, 0.0, 0.0], rel=1e-14)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("theta", [THETA, {"r": 1.5, "alpha": 9.0, "a": 2.0, "b": 0.7}])
def test_simulation_agrees_with_the_closed_forms(family, theta):
    """z-scores of means and counts over 200,000 simulated customers."""
    size, weeks = 200_000, 40.0
    x, t_x = family.simulate(theta, np.full(size, weeks), np.random.default_rng(11))
    assert x.dtype == np.int64
    assert ((t_x > 0) == (x > 0)).all()
    assert (t_x <= weeks).all()

    z = (x.mean() - family.expected_purchases_new(theta, weeks)) / (x.std() / np.sqrt(size))
    assert abs(z) < 4
    p = family.purchase_distribution_new(theta, np.arange(8), weeks)
    observed = np.bincount(np.minimum(x, 8), minlength=9)
    assert stats.chisquare(observed, size * np.append(p, 1 - p.sum())).pvalue > 1e-4

    half = t_x <= weeks / 2  # recency enters through the likelihood: its implied P(alive) must be calibrated
    alive = family.p_alive(theta, x, t_x, weeks)
    assert 0 < alive[half & (x > 0)].mean() < alive[~half].mean()


@pytest.mark.parametrize("family", FAMILIES)
def test_forecasts_are_calibrated_in_simulation(family):
    """Customers simulated to week 80 and cut at week 40: the forecast from the first half predicts the second."""
    size = 100_000
    who, when = family.simulate_times(THETA, np.full(size, 80.0), np.random.default_rng(12))
    early = when <= 40
    x = np.bincount(who[early], minlength=size)
    t_x = np.zeros(size)
    np.maximum.at(t_x, who[early], when[early])
    later = np.bincount(who[~early], minlength=size)
    expected = family.expected_purchases(THETA, x, t_x, 40.0, 40.0)
    silent = family.p_no_purchase(THETA, x, t_x, 40.0, 40.0)
    for group in (x == 0, x == 1, (x > 1) & (x < 5), x >= 5):
        error = later[group] - expected[group]
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(group.sum())
        error = (later[group] == 0) - silent[group]
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(group.sum())


def test_simulation_survives_a_vanishing_dropout():
    x, t_x = BGNBD.simulate(
        {"r": 5.0, "alpha": 1.0, "a": 1e-4, "b": 50.0}, np.full(1000, 10.0), np.random.default_rng(1)
    )
    assert x.mean() == pytest.approx(50, rel=0.1)
    assert np.isfinite(t_x).all()
