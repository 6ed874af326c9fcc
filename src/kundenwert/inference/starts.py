"""Where chains of NUTS start: spread around the modes, further than the posterior itself.

Chains that start a unit around the prior can meet a gradient of a thousand standard deviations, and one of them may
then never leave the plain where it lands. Source: docs/statistics.md, Fast posteriors.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from kundenwert.families.arithmetic import FloatArray
from kundenwert.families.protocol import Compiles
from kundenwert.inference.compression import Fit, Part
from kundenwert.inference.density import distinct_modes
from kundenwert.inference.hierarchy import SPREAD, Sampler
from kundenwert.inference.importance import fit_density
from kundenwert.inference.protocol import RefusedError

Start = Callable[[int], FloatArray]
"""A seed's start: the free variables of `graph.part_model` in their order, unconstrained, one after the other."""


def spread_starts(part: Part, fit: Fit) -> Start | None:
    """Starts for one fit, another one for every seed; None where only the sampler's own are to be had.

    Those are the families without compiled code, fits whose mode Newton's method does not find, and hierarchies whose
    cohorts have two modes as one.
    """
    if not isinstance(part.family, Compiles):
        return None
    try:
        return _of_hierarchy(part, fit) if part.hierarchical else _of_one(part, fit)
    except (RefusedError, np.linalg.LinAlgError):
        return None


def _of_hierarchy(part: Part, fit: Fit) -> Start:
    sampler = Sampler.prepared(fit_density(part, fit), np.random.default_rng(0))

    def start(seed: int) -> FloatArray:
        state = replace(sampler, rng=np.random.Generator(np.random.Philox(seed))).start(1)
        each = zip(state.mu, state.log_sd, state.u.swapaxes(0, 1), strict=True)
        return np.concatenate([values[..., 0].reshape(-1) for group in each for values in group])

    return start


def _of_one(part: Part, fit: Fit) -> Start:
    peaks = distinct_modes(fit_density(part, fit))

    def start(seed: int) -> FloatArray:
        rng = np.random.Generator(np.random.Philox(seed))
        chosen = rng.integers(len(peaks.u))
        factor = np.linalg.cholesky(np.linalg.inv(peaks.precision[chosen]))
        return np.asarray(peaks.u[chosen] + SPREAD * factor @ rng.standard_normal(len(factor)))

    return start
