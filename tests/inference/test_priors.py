"""Priors are data: defaults, replacements, mistakes."""

import math

import pytest

from kundenwert.errors import UsageError
from kundenwert.families import BGNBD, GAMMA_GAMMA, NormalPrior
from kundenwert.families.kernels.scalar import HIGHEST, LOWEST
from kundenwert.inference.density import LARGEST, SMALLEST
from kundenwert.inference.priors import BETWEEN_COHORTS, resolve_priors
from kundenwert.spec_values import LARGEST_PARAMETER, LEAST_PARAMETER


def test_the_defaults_are_the_documented_ones() -> None:
    """docs/statistics.md, section Priors and pooling."""
    purchase = resolve_priors(BGNBD, None)
    assert [p.mean for p in purchase.values()] == [math.log(0.5), math.log(0.3), -1.0, math.log(3.0)]
    assert {p.sd for p in purchase.values()} == {1.5}
    spend = resolve_priors(GAMMA_GAMMA, None)
    assert [p.mean for p in spend.values()] == [math.log(4.0), math.log(2.0), 0.0]
    assert {p.sd for p in spend.values()} == {1.0}
    assert (BETWEEN_COHORTS.mean, BETWEEN_COHORTS.sd) == (math.log(0.2), 0.6)


def test_a_user_replaces_one() -> None:
    priors = resolve_priors(BGNBD, {"log_kappa": {"dist": "normal", "mean": 2.0, "sd": 0.5}})
    assert priors["log_kappa"] == NormalPrior(2.0, 0.5)
    assert priors["log_r"] == BGNBD.default_priors["log_r"]


def test_an_unknown_coordinate_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'log_kappa'"):
        resolve_priors(BGNBD, {"log_kapa": NormalPrior(0.0, 1.0)})


@pytest.mark.parametrize(
    ("prior", "says"),
    [
        ((0.0, 9.3), r"prior of log_p: sd = 9.3 is too wide: the largest sensible one around mean = 0 is 9.2\."),
        ((20.0, 3.0), r"around mean = 20 is 2.5\."),
        ((-60.0, 3.1), r"around mean = -60 is 3\."),
        ((27.5, 0.1), r"around mean = 27.5 is 0.0436\."),
        ((30.0, 1.0), r"mean = 30 is out of reach. Take one between -69.1 and 27.6: .* 1e-30 and 1e\+12"),
    ],
)
def test_a_prior_beyond_double_precision_is_refused(prior: tuple[float, float], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        resolve_priors(GAMMA_GAMMA, {"log_p": NormalPrior(*prior)})


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 9.2), (27.5, 0.0436)])
def test_the_largest_sd_that_is_named_is_one_that_is_taken(mean: float, sd: float) -> None:
    assert resolve_priors(GAMMA_GAMMA, {"log_p": NormalPrior(mean, sd)})["log_p"].sd == sd


def test_priors_reach_as_far_as_densities_and_kernels() -> None:
    assert max(SMALLEST, LOWEST) == LEAST_PARAMETER
    assert min(LARGEST, HIGHEST) == LARGEST_PARAMETER
