"""Simulated bases, the parts and densities they pose, and the same densities written plainly, customer by customer."""

from collections.abc import Callable

import numpy as np

from kundenwert.families import GAMMA_GAMMA, MBGNBD
from kundenwert.families.protocol import Family
from kundenwert.inference.compression import Fit, Part
from kundenwert.inference.density import Density
from kundenwert.inference.importance import fit_density
from kundenwert.simulate import CDNOW_LIKE

SCALE = 33.0
Columns = tuple[np.ndarray, ...]


def drawn_theta(rng: np.random.Generator, spread: float = 0.3) -> dict[str, float]:
    """BG/NBD parameters like CDNOW's, each off by a log-normal factor."""
    centre = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    return {name: value * np.exp(rng.normal(0.0, spread)) for name, value in centre.items()}


def simulated(family: Family, customers: int, rng: np.random.Generator) -> Columns:
    """What a family reads of simulated customers: x, t_x, T of 27 to 39 weeks, or n, zbar."""
    if family is GAMMA_GAMMA:
        n = rng.integers(0, 5, customers).astype(float)
        return n, np.where(n > 0, GAMMA_GAMMA.simulate(CDNOW_LIKE, np.maximum(n, 1.0), rng), 0.0)
    theta = drawn_theta(rng)
    T = rng.integers(189, 273, customers) / 7
    return (*family.simulate(theta, T, rng), T)


def two_moded() -> Columns:
    """200 simulated customers of MBG/NBD whose posterior has two modes."""
    return simulated(MBGNBD, 200, np.random.default_rng(1000 * 200 + 43))


def part_of(family: Family, columns: Columns, cohort: np.ndarray | None = None, *, cohorts: int = 1) -> Part:
    """The part of default priors; hierarchical where there is more than one cohort."""
    codes = np.zeros(len(columns[0]), dtype=np.int64) if cohort is None else cohort
    names = ("all",) if cohorts == 1 else tuple(f"c{i:03}" for i in range(cohorts))
    fit = Fit("all", names, family.compress(*columns, codes, cohorts), SCALE)
    role = "spend" if family is GAMMA_GAMMA else "purchase"
    return Part(role, family, family.default_priors, cohorts > 1, (fit,))


def density_of(family: Family, columns: Columns, cohort: np.ndarray | None = None, *, cohorts: int = 1) -> Density:
    part = part_of(family, columns, cohort, cohorts=cohorts)
    return fit_density(part, part.fits[0])


def plain(family: Family, columns: Columns) -> Callable[[np.ndarray], np.ndarray]:
    """The log posterior density as textbooks write it, (coordinate, point) -> (point,); no compiled code in it."""

    def log_density(u: np.ndarray) -> np.ndarray:
        named = dict(zip(family.coordinates, u, strict=True))
        theta = family.constrain(named, SCALE)
        total = family.log_likelihood(theta, *(column[:, None] for column in columns)).sum(axis=0)
        for name, prior in family.default_priors.items():
            total = total - 0.5 * ((named[name] - prior.mean) / prior.sd) ** 2
        return total

    return log_density
