"""Multivariate t distributions to propose points from, and the tail of the weights that such proposals leave.

Sources: Owen, Zhou (2000) for mixtures with known shares; Vehtari et al. (2024) for Pareto-smoothed weights; Zhang,
Stephens (2009) for the generalised Pareto fit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from kundenwert.families.arithmetic import FloatArray

_PRIOR_DRAWS = 10  # weight of the prior k = 1/2 in Vehtari et al., in tail draws


class Target(Protocol):
    """What draws are weighted towards."""

    def values(self, u: FloatArray) -> FloatArray:
        """Log densities, (1, coordinate, point) -> (1, point)."""


@dataclass(frozen=True, eq=False)
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

    @cached_property
    def _whiten(self) -> FloatArray:
        return np.asarray(np.linalg.inv(self.factor))

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """(coordinate, point)"""
        normal = self.factor @ rng.standard_normal((len(self.centre), count))
        radius = np.sqrt(rng.chisquare(self.freedom, count) / self.freedom)
        return np.asarray(self.centre[:, None] + normal / radius)

    def log_density(self, u: FloatArray) -> FloatArray:
        """(coordinate, point) -> (point,)"""
        size, freedom = len(self.centre), self.freedom
        white = self._whiten @ (u - self.centre[:, None])
        constant = math.lgamma((freedom + size) / 2) - math.lgamma(freedom / 2) - np.log(np.diag(self.factor)).sum()
        tail = np.log1p(np.einsum("dp,dp->p", white, white) / freedom)
        return np.asarray(constant - 0.5 * size * math.log(freedom * math.pi) - 0.5 * (freedom + size) * tail)


class Drawn:
    """Points drawn so far, as draws of the mixture that all their proposals make up together.

    Densities are kept: a round adds rows for what is new, and computes nothing twice.
    """

    def __init__(self, target: Target, rng: np.random.Generator) -> None:
        self._target, self._rng = target, rng
        self._proposals: list[Proposal] = []
        self._counts: list[int] = []
        self._log_density: list[FloatArray] = []
        self._value = np.empty(0)
        self.u: FloatArray = np.empty((0, 0))  # (coordinate, point)

    def add(self, proposals: Sequence[Proposal], counts: Sequence[float]) -> None:
        """Draws from each proposal, at least one point."""
        drawn = [p.draw(self._rng, max(1, round(count))) for p, count in zip(proposals, counts, strict=True)]
        new = np.concatenate(drawn, axis=1)
        self.u = np.concatenate([self.u, new], axis=1) if self._proposals else new
        for i, proposal in enumerate(self._proposals):
            self._log_density[i] = np.concatenate([self._log_density[i], proposal.log_density(new)])
        for proposal, points in zip(proposals, drawn, strict=True):
            if proposal not in self._proposals:
                self._proposals.append(proposal)
                self._counts.append(0)
                self._log_density.append(proposal.log_density(self.u))
            self._counts[self._proposals.index(proposal)] += points.shape[1]
        self._value = np.concatenate([self._value, self._target.values(new[None])[0]])

    @property
    def proposed(self) -> FloatArray:
        """Log density of every point so far under the mixture of all proposals, each as often as it was drawn from."""
        shares = np.log(np.asarray(self._counts, dtype=np.float64) / sum(self._counts))
        each = np.stack(self._log_density) + shares[:, None]
        top = each.max(axis=0)
        return np.asarray(top + np.log(np.exp(each - top).sum(axis=0)))

    def weights(self) -> tuple[FloatArray, float]:
        """Smoothed weights of all points, and the tail's k."""
        return smoothed(self._value - self.proposed)

    def log_density(self, proposals: Sequence[Proposal]) -> FloatArray:
        """Of every point so far under some of the proposals, (proposal, point)."""
        return np.stack([self._log_density[self._proposals.index(proposal)] for proposal in proposals])


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
