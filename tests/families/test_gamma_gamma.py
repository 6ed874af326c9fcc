"""Gamma-Gamma: coordinates, likelihood by brute force, individual posterior, means that do not exist, simulation."""

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import integrate, stats

from kundenwert.errors import UsageError
from kundenwert.families import GAMMA_GAMMA

THETA = {"p": 6.25, "q": 3.74, "v": 15.44}


def test_coordinates_round_trip():
    u = {"log_p": np.array(1.4), "log_q_minus_1": np.array(-3.0), "log_mean_over_z": np.array(0.2)}
    theta = GAMMA_GAMMA.constrain(u, 27.0)
    assert theta["p"] * theta["v"] / (theta["q"] - 1) == pytest.approx(27.0 * np.exp(0.2))
    back = GAMMA_GAMMA.unconstrain(theta, 27.0)
    assert {k: float(v) for k, v in back.items()} == pytest.approx({k: float(v) for k, v in u.items()}, abs=1e-12)
    assert tuple(GAMMA_GAMMA.default_priors) == GAMMA_GAMMA.coordinates


def test_coordinates_in_a_graph():
    u = {name: np.array([0.3, -0.4]) for name in GAMMA_GAMMA.coordinates}
    graph = GAMMA_GAMMA.constrain({name: pt.as_tensor(v) for name, v in u.items()}, 30.0, pt)
    for name, value in GAMMA_GAMMA.constrain(u, 30.0).items():
        assert graph[name].eval() == pytest.approx(value, rel=1e-14)


def test_no_coordinates_without_a_population_mean():
    with pytest.raises(UsageError, match=r"q = 0\.9 <= 1"):
        GAMMA_GAMMA.unconstrain({"p": 2.0, "q": 0.9, "v": 5.0}, 30.0)


@pytest.mark.parametrize(("n", "zbar"), [(1, 12.0), (4, 55.5), (30, 20.0)])
def test_log_likelihood_by_integration_over_nu(n, zbar):
    p, q, v = THETA.values()

    def joint(nu):
        return stats.gamma.pdf(zbar, p * n, scale=1 / (n * nu)) * stats.gamma.pdf(nu, q, scale=1 / v)

    value, _ = integrate.quad(joint, 0, 10, points=[p / zbar], epsabs=0, epsrel=1e-10, limit=200)
    assert GAMMA_GAMMA.log_likelihood(THETA, n, zbar) == pytest.approx(np.log(value), rel=1e-9)


def test_a_customer_without_order_days_says_nothing():
    assert GAMMA_GAMMA.log_likelihood(THETA, [0, 0], [np.nan, 0.0]).tolist() == [0.0, 0.0]
    shape, rate = GAMMA_GAMMA.individual(THETA, [0, 2], [np.nan, 40.0])
    assert shape == pytest.approx([3.74, 16.24])
    assert rate == pytest.approx([15.44, 55.44])


def test_expected_spend_where_the_mean_does_not_exist():
    """Others report a negative spend for everybody at q < 1; here it is NaN until p n + q > 1."""
    spend = GAMMA_GAMMA.expected_spend({"p": 0.2, "q": 0.7, "v": 10.0}, [0, 1, 2, 5], [0.0, 9.0, 20.0, 50.0])
    assert np.isnan(spend).tolist() == [True, True, False, False]
    assert (spend[2:] > 0).all()


def test_simulation_agrees_with_the_posterior_mean():
    """z-scores over 200,000 customers: the mean of a further order given the first ones."""
    rng = np.random.default_rng(5)
    size = 200_000
    n = np.full(size, 3)
    zbar = GAMMA_GAMMA.simulate(THETA, n, rng)
    mean = GAMMA_GAMMA.expected_spend(THETA, 0, 0.0)
    assert abs(zbar.mean() - mean) < 4 * zbar.std() / np.sqrt(size)
    nu_shape, nu_rate = GAMMA_GAMMA.individual(THETA, n, n * zbar)
    further = rng.gamma(THETA["p"], size=size) * nu_rate / rng.gamma(nu_shape)
    error = further - GAMMA_GAMMA.expected_spend(THETA, n, n * zbar)
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(size)


def test_simulated_customers_without_days_have_no_mean():
    zbar = GAMMA_GAMMA.simulate(THETA, [0, 2], np.random.default_rng(1))
    assert np.isnan(zbar).tolist() == [True, False]
