"""Multivariate t distributions to propose points from, and the tail of the weights that such proposals leave.

Sources: Owen, Zhou (2000) for mixtures with known shares; Vehtari et al. (2024) for Pareto-smoothed weights; Zhang,
Stephens (2009) for the generalised Pareto fit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kundenwert.families.arithmetic import FloatArray

_PRIOR_DRAWS = 10  # weight of the prior k = 1/2 in Vehtari et al., in tail draws


@dataclass(frozen=True)
class Proposal:
    """A multivariate t distribution.

    Parameters
    ----------
    centre : (coordinate,)
    factor : (coordinate, coordinate) lower Cholesky factor of the scale matrix.
    freedom : degrees of freedom.
    """

    centre: FloatArray
    factor: FloatArray
    freedom: float

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """(coordinate, point)"""
        normal = self.factor @ rng.standard_normal((len(self.centre), count))
        radius = np.sqrt(rng.chisquare(self.freedom, count) / self.freedom)
        return np.asarray(self.centre[:, None] + normal / radius)

    def log_density(self, u: FloatArray) -> FloatArray:
        """(coordinate, point) -> (point,)"""
        size, freedom = len(self.centre), self.freedom
        white = np.linalg.solve(self.factor, u - self.centre[:, None])
        constant = math.lgamma((freedom + size) / 2) - math.lgamma(freedom / 2) - np.log(np.diag(self.factor)).sum()
        tail = 0.5 * (freedom + size) * np.log1p((white * white).sum(axis=0) / freedom)
        return np.asarray(constant - 0.5 * size * math.log(freedom * math.pi) - tail)


def mixture_log_density(proposals: Sequence[Proposal], counts: Sequence[int], u: FloatArray) -> FloatArray:
    """Log density of the mixture that `counts` draws from each proposal make up together."""
    shares = np.log(np.asarray(counts, dtype=np.float64) / sum(counts))
    each = np.stack([share + p.log_density(u) for share, p in zip(shares, proposals, strict=True)])
    top = each.max(axis=0)
    return np.asarray(top + np.log(np.exp(each - top).sum(axis=0)))


def smoothed(log_weights: FloatArray) -> tuple[FloatArray, float]:
    """Pareto-smoothed weights, and the shape k of their tail.

    Parameters
    ----------
    log_weights : (point,), unnormalised; -inf for points that do not count.

    Returns
    -------
    Weights that sum to 1, and k: below 0.7 the weighted means can be trusted, from 1 on not even their expectation.
    Where all weights are equal k is -inf, where there are fewer than their tail needs it is inf.
    """
    weights = np.exp(log_weights - log_weights.max())
    tail = math.ceil(min(0.2 * weights.size, 3.0 * math.sqrt(weights.size)))
    order = np.argpartition(weights, weights.size - tail - 1)[-tail - 1 :]
    order = order[np.argsort(weights[order])]
    cut, order = weights[order[0]], order[1:]
    excess = weights[order] - cut
    if tail < 5 or excess[-1] <= 0:
        return weights / weights.sum(), -math.inf
    if weights[order[0]] <= 0 or excess[tail // 4] <= 0:  # hardly a point counts: there is no tail to fit
        return weights / weights.sum(), math.inf
    k, sigma = _pareto_fit(np.maximum(excess, np.finfo(float).tiny))
    probability = (np.arange(tail) + 0.5) / tail
    with np.errstate(over="ignore"):
        grown = -np.log1p(-probability) if abs(k) < 1e-12 else np.expm1(-k * np.log1p(-probability)) / k
    weights[order] = np.minimum(cut + sigma * grown, 1.0)
    return weights / weights.sum(), k


def _pareto_fit(excess: FloatArray) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto distribution over sorted positive values."""
    count = excess.size
    grid = 30 + int(math.sqrt(count))
    quartile = excess[int(count / 4 + 0.5) - 1]
    b = 1.0 / excess[-1] + (1.0 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (3.0 * quartile)
    k = np.log1p(-b[:, None] * excess).mean(axis=1)
    profile = count * (np.log(-b / k) - k - 1.0)
    weight = np.exp(profile - profile.max())
    b_mean = float((b * weight).sum() / weight.sum())
    shape = float(np.log1p(-b_mean * excess).mean())
    sigma = -shape / b_mean
    return (count * shape + _PRIOR_DRAWS * 0.5) / (count + _PRIOR_DRAWS), sigma
