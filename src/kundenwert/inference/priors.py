"""Priors as data: the defaults of the families, a user's replacements, and the hierarchy over cohorts.

Source: docs/statistics.md, section Priors and pooling.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from kundenwert.errors import UsageError, did_you_mean
from kundenwert.families.protocol import Family, NormalPrior
from kundenwert.spec_values import prior_mistake


@dataclass(frozen=True)
class LogNormalPrior:
    """`exp(Normal(mean, sd))`, the prior of a standard deviation between cohorts.

    Bounded away from zero on purpose: with a half-normal and few cohorts the funnel diverged in every
    parametrisation tried.
    """

    mean: float
    sd: float

    def to_dict(self) -> dict[str, object]:
        """The prior as it stands in a manifest."""
        return {"dist": "lognormal", "mean": self.mean, "sd": self.sd}


BETWEEN_COHORTS = LogNormalPrior(mean=math.log(0.2), sd=0.6)


def resolve_priors(
    family: Family, given: Mapping[str, NormalPrior | Mapping[str, object]] | None
) -> dict[str, NormalPrior]:
    """The family's default priors with a user's own in their place.

    Parameters
    ----------
    family : a purchase or spend family.
    given : coordinate -> prior, or `{dist = "normal", mean = ..., sd = ...}`; None for the defaults.

    Raises
    ------
    UsageError : a coordinate that the family does not have, or a prior so wide that double precision fails within it.
    """
    priors = dict(family.default_priors)
    for name, prior in (given or {}).items():
        if name not in priors:
            hint = did_you_mean(name, priors)
            raise UsageError(
                f"{family.name} has no coordinate {name!r} to put a prior on.{hint} It has {', '.join(priors)}."
            )
        priors[name] = prior if isinstance(prior, NormalPrior) else NormalPrior.from_dict(dict(prior))
        if mistake := prior_mistake(priors[name].mean, priors[name].sd):
            raise UsageError(f"prior of {name}: {mistake}")
    return priors
