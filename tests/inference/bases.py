"""Simulated bases, the parts and densities they pose, and the same densities written plainly, customer by customer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from kundenwert.families import GAMMA_GAMMA, MBGNBD
from kundenwert.families.protocol import Family, NormalPrior
from kundenwert.inference.compression import Fit, Part
from kundenwert.inference.density import Density, Modes
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


@dataclass(frozen=True)
class Known:
    """A posterior by brute force: weighted points of a mixture much wider than it.

    Parameters
    ----------
    u : (coordinate, point)
    weights : (point,), they sum to 1.
    """

    u: np.ndarray
    weights: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        return np.asarray(self.u @ self.weights)

    @property
    def sd(self) -> np.ndarray:
        return np.asarray(np.sqrt(((self.u - self.mean[:, None]) ** 2) @ self.weights))

    def quantile(self, share: float) -> np.ndarray:
        order = np.argsort(self.u, axis=1)
        below = np.cumsum(self.weights[order], axis=1)
        place = [np.searchsorted(row, share) for row in below]
        return np.array([row[o[i]] for row, o, i in zip(self.u, order, place, strict=True)])


def brute_force(
    log_density: Callable[[np.ndarray], np.ndarray], prior: Mapping[str, NormalPrior], peaks: Modes, points: int
) -> Known:
    """Half the points from a t wider than the prior, half from t's four times as wide as the modes are in variance.

    The prior is wider than any posterior, so these weights are bounded whatever the likelihood does.
    """
    rng = np.random.default_rng(99)
    centre, sd = np.array([p.mean for p in prior.values()]), np.array([p.sd for p in prior.values()])
    around = [
        (u, 2.0 * np.linalg.cholesky(np.linalg.inv(p)), 4.0) for u, p in zip(peaks.u, peaks.precision, strict=True)
    ]
    parts = [(centre, np.diag(1.2 * sd), 6.0), *around]
    counts = [points // 2, *[points // 2 // len(around)] * len(around)]
    mixture = [stats.multivariate_t(c, f @ f.T, df=freedom) for c, f, freedom in parts]
    u = np.concatenate([one.rvs(n, random_state=rng) for one, n in zip(mixture, counts, strict=True)]).T
    shares = np.log(np.array(counts) / sum(counts))
    proposed = np.logaddexp.reduce([share + one.logpdf(u.T) for share, one in zip(shares, mixture, strict=True)])
    log_weights = log_density(u) - proposed
    weights = np.exp(log_weights - log_weights.max())
    return Known(u, weights / weights.sum())
