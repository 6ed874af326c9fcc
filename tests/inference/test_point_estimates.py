"""Maximum likelihood: recovers simulated truth, says why it cannot, and takes summaries and frames."""

import numpy as np
import pandas as pd
import pytest

from kundenwert.errors import DataError, UsageError
from kundenwert.families import BGNBD, GAMMA_GAMMA, MBGNBD
from kundenwert.families.protocol import Compiles
from kundenwert.inference.point_estimates import maximize_purchases, maximize_spend, maximum_likelihood

TRUTH = {"r": 0.6, "alpha": 6.0, "a": 0.9, "b": 2.5}
SPEND = {"p": 4.0, "q": 0.8, "v": 20.0}


@pytest.mark.parametrize("family", [BGNBD, MBGNBD])
def test_recovers_simulated_parameters(family):
    T = np.random.default_rng(4).uniform(20, 60, 20_000)
    x, t_x = family.simulate(TRUTH, T, np.random.default_rng(5))
    fit = maximize_purchases(family, x, t_x, T)
    assert fit.converged, fit.message
    for name, truth in TRUTH.items():
        assert abs(fit.estimates[name] - truth) < 4 * fit.standard_errors[name]
    true_value = family.log_likelihood(TRUTH, x, t_x, T).sum()
    assert 0 < fit.log_likelihood - true_value < 15


def test_spend_may_have_no_population_mean():
    """The posterior keeps q > 1; the unconstrained optimum tells when the data say otherwise."""
    rng = np.random.default_rng(6)
    n = rng.integers(0, 6, 20_000)
    fit = maximize_spend(GAMMA_GAMMA, n, GAMMA_GAMMA.simulate(SPEND, n, rng))
    assert fit.converged, fit.message
    assert fit.n_customers == (n > 0).sum()
    assert fit.estimates["q"] + 4 * fit.standard_errors["q"] < 1
    for name, truth in SPEND.items():
        assert abs(fit.estimates[name] - truth) < 4 * fit.standard_errors[name]


def test_the_start_does_not_matter():
    T = np.full(3000, 40.0)
    x, t_x = BGNBD.simulate(TRUTH, T, np.random.default_rng(8))
    near = maximize_purchases(BGNBD, x, t_x, T)
    far = maximize_purchases(BGNBD, x, t_x, T, start={"r": 5.0, "alpha": 0.5, "a": 9.0, "b": 0.3})
    assert dict(far.estimates) == pytest.approx(dict(near.estimates), rel=1e-6)


def test_time_units_change_only_alpha():
    T = np.full(3000, 40.0)
    x, t_x = BGNBD.simulate(TRUTH, T, np.random.default_rng(8))
    weeks, days = maximize_purchases(BGNBD, x, t_x, T), maximize_purchases(BGNBD, x, 7 * t_x, 7 * T)
    scaled = {**weeks.estimates, "alpha": 7 * weeks.estimates["alpha"]}
    assert dict(days.estimates) == pytest.approx(scaled, rel=1e-6)


@pytest.mark.parametrize("x", [[0, 0, 0, 0], [3, 3, 3, 3]])
def test_data_without_an_optimum_say_so(x):
    """Nobody repeats, or all are alike: some parameter runs off, and the result is no estimate."""
    fit = maximize_purchases(BGNBD, x, np.minimum(x, 1) * 10.0, [10.0] * 4)
    assert not fit.converged
    assert "Use fit()" in fit.message
    assert np.isnan(list(fit.standard_errors.values())).all()
    assert "not converged" in repr(fit)


def test_an_optimum_that_nothing_holds_is_none():
    """Nobody came back: whether all dropped out at once or all buy slowly, the likelihood is the same."""
    fit = maximize_purchases(MBGNBD, [0] * 4, [0.0] * 4, [10.0] * 4)
    assert not fit.converged
    assert "as good as flat" in fit.message
    assert np.isnan(list(fit.standard_errors.values())).all()


class PlugIn:
    """A family of another package: the same model, and no compiled code."""

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return getattr(self._inner, name)


def test_a_family_without_compiled_code():
    rng = np.random.default_rng(9)
    T = np.full(3000, 40.0)
    histories = (*BGNBD.simulate(TRUTH, T, rng), T)
    days = rng.integers(0, 6, 3000)
    spend = (days, GAMMA_GAMMA.simulate(SPEND, days, rng))
    for family, maximize, data in ((BGNBD, maximize_purchases, histories), (GAMMA_GAMMA, maximize_spend, spend)):
        plain, fit = maximize(PlugIn(family), *data), maximize(family, *data)
        assert not isinstance(PlugIn(family), Compiles)
        assert plain.converged, plain.message
        assert dict(plain.estimates) == pytest.approx(dict(fit.estimates), rel=1e-6)
        assert dict(plain.standard_errors) == pytest.approx(dict(fit.standard_errors), rel=1e-4)
        assert plain.log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-12)


def test_a_frame_without_spend_days():
    frame = pd.DataFrame({"frequency": [1, 2, 0, 3, 5], "monetary_value": [20.0, 31.0, 0.0, 55.0, 24.0]})
    assert maximum_likelihood(frame, "gamma_gamma").n_customers == 4
    with pytest.raises(DataError, match="no column recency, T"):
        maximum_likelihood(frame)


def test_nobody_with_spend():
    with pytest.raises(DataError, match="no customer"):
        maximum_likelihood(pd.DataFrame({"frequency": [0], "monetary_value": [0.0]}), "gamma_gamma")


@pytest.mark.parametrize("start", [{"r": 1.0}, {"r": 1.0, "alpha": -1.0, "a": 1.0, "b": 1.0}])
def test_a_start_must_be_complete_and_positive(start):
    with pytest.raises(UsageError, match="positive value"):
        maximize_purchases(BGNBD, [1, 0], [3.0, 0.0], [5.0, 5.0], start=start)
