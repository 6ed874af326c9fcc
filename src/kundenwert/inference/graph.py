"""Joins a family and a kind of pooling into an ordinary `pm.Model` that a user can take and extend.

Source: docs/statistics.md, section Priors and pooling. PyMC is imported inside the functions, so that a path that
fits nothing never loads it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kundenwert.families.protocol import Compiles
from kundenwert.inference.compression import Fit, Part, Problem
from kundenwert.inference.graph_op import log_likelihood
from kundenwert.inference.priors import BETWEEN_COHORTS

if TYPE_CHECKING:
    import pymc as pm


def part_model(part: Part, fit: Fit) -> "pm.Model":
    """The `pm.Model` of one family over one fit.

    Free variables are the family's coordinates with dims `cohort` (and, where the part is hierarchical, `mu_*` and
    `sd_*`); deterministics are its parameters. Scale and all that the likelihood reads are `pm.Data`, so one
    compilation serves all fits. A family that `Compiles` brings its kernel, another one the graph of its compressed
    likelihood.
    """
    import pymc as pm

    with pm.Model(coords={"cohort": list(fit.cohorts)}) as model:
        add_part(part, fit)
    return model


def problem_model(problem: Problem) -> "pm.Model":
    """Both parts in one `pm.Model`. Needs a single fit: partial or complete pooling, or a single cohort."""
    import pymc as pm

    with pm.Model(coords={"cohort": list(problem.purchase.fits[0].cohorts)}) as model:
        for part in problem.parts:
            add_part(part, part.fits[0])
    return model


def add_part(part: Part, fit: Fit) -> None:
    """Adds one family's variables, data and likelihood to the `pm.Model` whose context is open."""
    import pymc as pm
    import pytensor.tensor as pt

    scale = pm.Data(f"{part.role}_scale", np.float64(fit.scale))
    data = [pm.Data(name, values) for name, values in _arrays(part, fit).items()]
    u: dict[str, Any] = {}
    for name, prior in part.priors.items():
        if part.hierarchical:
            mu = pm.Normal(f"mu_{name}", prior.mean, prior.sd)
            sd = pm.LogNormal(f"sd_{name}", BETWEEN_COHORTS.mean, BETWEEN_COHORTS.sd)
            u[name] = pm.Normal(name, mu, sd, dims="cohort")
        else:
            u[name] = pm.Normal(name, prior.mean, prior.sd, dims="cohort")
    theta = part.family.constrain(u, scale, xp=pt)
    theta = {name: pm.Deterministic(name, value, dims="cohort") for name, value in theta.items()}
    if isinstance(part.family, Compiles):
        total = log_likelihood(part.family.compiled(fit.rows, len(fit.cohorts)), theta, data)
    else:
        total = part.family.compressed_log_likelihood(theta, dict(zip(fit.rows, data, strict=True)), xp=pt)
    pm.Potential(f"{part.role}_log_likelihood", total)


def _arrays(part: Part, fit: Fit) -> dict[str, np.ndarray]:
    """What the likelihood reads, under names that are unique across parts."""
    arrays = fit.rows
    if isinstance(part.family, Compiles):
        arrays = part.family.compiled(fit.rows, len(fit.cohorts)).arrays
    return {f"{part.role}_{name}": values for name, values in arrays.items()}


def fit_data(part: Part, fit: Fit) -> Mapping[str, np.ndarray]:
    """What has to be swapped in a compiled model of this part to sample a fit."""
    return {f"{part.role}_scale": np.asarray(fit.scale, dtype=np.float64), **_arrays(part, fit)}


def stored_names(part: Part) -> tuple[str, ...]:
    """The variables whose draws are kept: parameters, and hyperparameters under partial pooling."""
    hyper = [f"{kind}_{name}" for name in part.priors for kind in ("mu", "sd")] if part.hierarchical else []
    return (*part.family.parameters, *hyper)
