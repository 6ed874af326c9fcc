"""The value of a customer not yet acquired, against customers simulated from their first order on."""

import numpy as np
import pytest
from scipy.integrate import quad

from kundenwert.errors import UsageError
from kundenwert.families import get_family
from kundenwert.value.acquisition import new_customer_value, time_alive_new
from kundenwert.value.estimate import estimate_value
from value_world import ACTIVE_COST, BG, COSTS, FILE_COST, GG, MBG, few_customers, known_posterior

COUNT = 200_000


@pytest.mark.parametrize(("family", "theta", "first_kill"), [("bgnbd", BG, False), ("mbgnbd", MBG, True)])
def test_closed_form_equals_simulated_customers(family, theta, first_kill):
    posterior = known_posterior(draws=3, family=family)
    settings = estimate_value(posterior, few_customers(), **COSTS, newcomers=10).settings
    terms, rng = settings.terms, np.random.default_rng(8)
    rate, dropout = rng.gamma(theta["r"], 1 / theta["alpha"], COUNT), rng.beta(theta["a"], theta["b"], COUNT)
    nu = rng.gamma(GG["q"], 1 / GG["v"], COUNT)
    value = 0.35 * rng.gamma(GG["p"], 1 / nu) - 4.0
    alive = rng.random(COUNT) >= dropout if first_kill else np.ones(COUNT, dtype=bool)
    clock, end = np.zeros(COUNT), np.where(alive, terms.horizon, 0.0)
    while alive.any():
        clock[alive] += rng.exponential(1, alive.sum()) / rate[alive]
        alive &= clock < terms.horizon
        amount = rng.gamma(GG["p"], 1 / nu[alive])
        value[alive] += np.exp(-terms.discount * clock[alive]) * (0.35 * amount - 4.0)
        dies = alive & (rng.random(COUNT) < dropout)
        end[dies] = clock[dies]
        alive &= ~dies
    value -= ACTIVE_COST * -np.expm1(-terms.discount * end) / terms.discount
    value -= FILE_COST * -np.expm1(-terms.discount * terms.horizon) / terms.discount
    got = new_customer_value(posterior, settings)
    assert got.shape == (3, 1)
    np.testing.assert_allclose(got, value.mean(), atol=4.5 * value.std() / COUNT**0.5)


@pytest.mark.parametrize("alpha", [1e-3, 4.0, 1e4])
def test_time_alive_is_the_integral_of_survival(alpha):
    theta = {"r": 0.3, "alpha": alpha, "a": 0.8, "b": 2.0}
    family = get_family("bgnbd")
    direct = quad(
        lambda v: (
            np.exp(v - 0.002 * alpha * np.expm1(v)) * alpha * family.survival(theta, 0.0, 0.0, alpha * np.expm1(v))
        ),
        0,
        np.log1p(156 / alpha),
        epsrel=1e-11,
    )[0]
    arrays = {name: np.array(value) for name, value in theta.items()}
    assert time_alive_new(family, arrays, 156.0, 0.002) == pytest.approx(direct, rel=1e-10)


def test_margins_that_differ_need_a_margin_for_the_new_customer():
    posterior = known_posterior(draws=3)
    settings = estimate_value(posterior, few_customers(), margin=np.linspace(0.1, 0.5, 8), newcomers=10).settings
    with pytest.raises(UsageError, match=r"margin=0\.30"):
        new_customer_value(posterior, settings)
    assert np.isfinite(new_customer_value(posterior, settings, margin=0.3)).all()
    no_mean = known_posterior(BG | GG | {"q": 0.9}, draws=3)
    assert np.isnan(new_customer_value(no_mean, settings, margin=0.3)).all()
