"""Priors are data: defaults, replacements, mistakes."""

import math

import pytest

from kundenwert.errors import UsageError
from kundenwert.families import BGNBD, GAMMA_GAMMA, NormalPrior
from kundenwert.inference.priors import BETWEEN_COHORTS, resolve_priors


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
