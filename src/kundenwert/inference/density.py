"""The log posterior density of a fit as compiled code: at many points, with derivatives, and where it peaks.

Points are unconstrained coordinates, (cohort, coordinate, point); cohorts that share no prior are independent of each
other, and everything here treats them side by side. Source: docs/statistics.md, Fast posteriors.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from kundenwert.families.arithmetic import FloatArray, IntArray
from kundenwert.families.protocol import Family, NormalPrior
from kundenwert.inference.protocol import RefusedError

SMALLEST, LARGEST = 1e-100, 1e12  # of a parameter in the data's own scale; further out likelihoods lose their digits
_STEP = 1e-3  # of the differences behind the Jacobian of `constrain`: exact to 2e-7, which moves no mode that matters
_MOST_STEPS = 100
_LONGEST = 2.0  # of a Newton step, in prior standard deviations
_DECREMENT = 1e-6  # nats: a mode is a thousandth of a standard deviation from where it is taken to be
_ROUNDING = 1e-12  # of a log density: a step that loses less has lost nothing
_HALVINGS = 30
DEAR = 1_200  # row evaluations a point, about 1,500 customers: below it points are cheap and posteriors not yet normal
_NEGLIGIBLE = 12.0  # nats below the highest mode at which another one no longer counts


class Likelihood(Protocol):
    """What a density asks of a `CompiledLikelihood`."""

    @property
    def n_cohorts(self) -> int: ...
    @property
    def costs(self) -> IntArray: ...
    def values(self, theta: FloatArray) -> FloatArray: ...
    def derivatives(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]: ...
    def prepared(self, low: FloatArray, high: FloatArray) -> "Likelihood": ...


@dataclass(frozen=True)
class Density:
    """Independent normal priors times likelihood, for each of several cohorts.

    Parameters
    ----------
    family : says how coordinates become parameters.
    likelihood : of its parameters.
    scale : what the coordinates are relative to.
    mean, precision : (cohort, coordinate) of the normal prior. More rows than the likelihood has cohorts stand for
        its one cohort several times over.
    """

    family: Family
    likelihood: Likelihood
    scale: float
    mean: FloatArray
    precision: FloatArray

    @classmethod
    def of(cls, family: Family, likelihood: Likelihood, scale: float, priors: Mapping[str, NormalPrior]) -> Self:
        """A density with the same priors for every cohort."""
        size = (likelihood.n_cohorts, 1)
        mean = np.tile([priors[name].mean for name in family.coordinates], size)
        precision = np.tile([priors[name].sd ** -2.0 for name in family.coordinates], size)
        return cls(family, likelihood, scale, mean, precision)

    @property
    def shape(self) -> tuple[int, int]:
        """(cohort, coordinate)."""
        cohorts, coordinates = self.mean.shape
        return cohorts, coordinates

    @property
    def cost(self) -> int:
        """Of one point of every cohort, in row evaluations of about a nanosecond."""
        return int(self.likelihood.costs.sum())

    def theta(self, u: FloatArray) -> FloatArray:
        """Parameters (cohort, parameter, point) at coordinates (cohort, coordinate, point)."""
        return self._constrained(u, self.scale)

    def _constrained(self, u: FloatArray, scale: float) -> FloatArray:
        named = {name: u[:, i] for i, name in enumerate(self.family.coordinates)}
        with np.errstate(over="ignore", under="ignore"):
            constrained = self.family.constrain(named, scale)
        return np.stack([constrained[name] for name in self.family.parameters], axis=1)

    def log_likelihood(self, u: FloatArray) -> FloatArray:
        """(cohort, coordinate, point) -> (cohort, point); -inf beyond parameters that double precision can tell."""
        bare = self._constrained(u, 1.0)
        told = ((bare > SMALLEST) & (bare < LARGEST)).all(axis=1)
        points = self.theta(np.where(told[:, None], u, self.mean[:, :, None]))
        if len(points) == self.likelihood.n_cohorts:
            value = self.likelihood.values(points)
        else:
            together = np.moveaxis(points, 0, 1).reshape(1, points.shape[1], -1)
            value = self.likelihood.values(together).reshape(told.shape)
        return np.asarray(np.where(told & np.isfinite(value), value, -np.inf))

    def values(self, u: FloatArray) -> FloatArray:
        """Unnormalised log densities, (cohort, coordinate, point) -> (cohort, point)."""
        away = u - self.mean[:, :, None]
        return np.asarray(self.log_likelihood(u) - 0.5 * np.einsum("cdp,cd->cp", away * away, self.precision))

    def derivatives(self, u: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Value (cohort,), gradient (cohort, coordinate) and Hessian at one point a cohort."""
        theta, jacobian, second = self._transformed(u)
        if len(theta) == self.likelihood.n_cohorts:
            value, slope, curvature = self.likelihood.derivatives(theta)
        else:
            each = [self.likelihood.derivatives(row[None]) for row in theta]
            value, slope, curvature = (np.concatenate(some) for some in zip(*each, strict=True))
        away = u - self.mean
        gradient = np.einsum("cpd,cp->cd", jacobian, slope) - self.precision * away
        hessian = np.einsum("cpd,cpq,cqe->cde", jacobian, curvature, jacobian)
        hessian += np.einsum("cp,cpde->cde", slope, second)
        hessian[:, range(u.shape[1]), range(u.shape[1])] -= self.precision
        value = value - 0.5 * (self.precision * away * away).sum(axis=1)
        return np.where(np.isfinite(value), value, -np.inf), gradient, hessian

    def prepared(self, low: FloatArray, high: FloatArray) -> Self:
        """The same density, made fast for points between two corners (cohort, coordinate)."""
        grid = np.stack(np.meshgrid(*([[0.0, 1.0]] * low.shape[1]), indexing="ij")).reshape(low.shape[1], -1)
        corners = self.theta(low[:, :, None] + (high - low)[:, :, None] * grid)
        return replace(self, likelihood=self.likelihood.prepared(corners.min(axis=2), corners.max(axis=2)))

    def repeated(self, count: int) -> Self:
        """The density of one cohort several times over, as if that many cohorts had the same customers."""
        rows = (np.repeat(self.mean, count, axis=0), np.repeat(self.precision, count, axis=0))
        return replace(self, mean=rows[0], precision=rows[1])

    def _transformed(self, u: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Parameters (cohort, parameter), their Jacobian and their second derivatives, by central differences."""
        size = u.shape[1]
        unit = _STEP * np.eye(size)
        pairs = [(i, j) for i in range(size) for j in range(i)]
        offsets = [np.zeros((1, size)), unit, -unit]
        offsets += [np.stack([unit[i] + unit[j], -unit[i] - unit[j]]) for i, j in pairs]
        points = self.theta(u[:, :, None] + np.concatenate(offsets).T)
        here, up, down = points[..., 0], points[..., 1 : 1 + size], points[..., 1 + size : 1 + 2 * size]
        second = np.empty((*here.shape, size, size))
        straight = (up - 2.0 * here[..., None] + down) / _STEP**2
        second[..., range(size), range(size)] = straight
        for k, (i, j) in enumerate(pairs):
            both = points[..., 1 + 2 * (size + k)] + points[..., 2 + 2 * (size + k)] - 2.0 * here
            second[..., i, j] = second[..., j, i] = 0.5 * (both / _STEP**2 - straight[..., i] - straight[..., j])
        return here, (up - down) / (2.0 * _STEP), second


@dataclass(frozen=True)
class Modes:
    """Where densities peak, and how.

    Parameters
    ----------
    u : (cohort, coordinate).
    precision : (cohort, coordinate, coordinate) minus the Hessian, made positive definite where it is not.
    found : (cohort,) whether Newton's method arrived.
    """

    u: FloatArray
    precision: FloatArray
    found: np.ndarray


@dataclass(frozen=True)
class Pooled:
    """The likelihood of all cohorts as if they were one."""

    each: Likelihood
    n_cohorts: int = 1

    @property
    def costs(self) -> IntArray:
        return np.array([self.each.costs.sum()])

    def values(self, theta: FloatArray) -> FloatArray:
        return np.asarray(self.each.values(np.repeat(theta, self.each.n_cohorts, axis=0)).sum(axis=0, keepdims=True))

    def derivatives(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        value, gradient, hessian = self.each.derivatives(np.repeat(theta, self.each.n_cohorts, axis=0))
        return value.sum(keepdims=True), gradient.sum(axis=0, keepdims=True), hessian.sum(axis=0, keepdims=True)

    def prepared(self, low: FloatArray, high: FloatArray) -> "Pooled":
        corners = (np.repeat(corner, self.each.n_cohorts, axis=0) for corner in (low, high))
        return Pooled(self.each.prepared(*corners))


def modes(density: Density, start: FloatArray) -> Modes:
    """Newton's method with damping, all cohorts side by side, from (cohort, coordinate)."""
    u = start.copy()
    value, gradient, hessian = density.derivatives(u)
    found = np.zeros(len(u), dtype=bool)
    for _ in range(_MOST_STEPS):
        step = _uphill(-hessian, density.precision, gradient)
        # Far out a quadratic means little: no step leaves the region that the prior thinks of.
        length = np.sqrt((step * step * density.precision).sum(axis=1))
        step *= np.minimum(1.0, _LONGEST / np.maximum(length, 1e-300))[:, None]
        found = (gradient * step).sum(axis=1) < _DECREMENT
        if found.all():
            break
        share = np.where(found, 0.0, 1.0)
        for _ in range(_HALVINGS):
            there = density.derivatives(u + share[:, None] * step)
            worse = ~found & ~(there[0] >= value - _ROUNDING * np.abs(value))
            if not worse.any():
                break
            share[worse] *= 0.5
        else:
            share[worse] = 0.0
            there = density.derivatives(u + share[:, None] * step)
        u += share[:, None] * step
        value, gradient, hessian = there
        if not (~found & (share > 0.0)).any():
            break
    return Modes(u, positive(-hessian, density.precision), found)


def distinct_modes(density: Density) -> Modes:
    """The modes that Newton's method finds from several starts, those that matter; one row each.

    MBG/NBD has two where the data cannot tell customers who never came back from customers who were slow.

    Raises
    ------
    RefusedError : no start leads to a finite density.
    """
    spread = density.precision**-0.5
    signs = np.ones((3, density.shape[1]))
    signs[0], signs[1:, -1], signs[2, 0] = 0.0, -1.0, -1.0
    many = density.repeated(len(signs))
    found = modes(many, density.mean + 1.5 * signs * spread)
    value = many.values(found.u[:, :, None])[:, 0]
    usable = np.isfinite(value) & np.isfinite(found.precision).all(axis=(1, 2))
    usable &= found.found if (usable & found.found).any() else usable
    if not usable.any():
        raise RefusedError("there is no finite posterior density where its mode should be")
    value = np.where(usable, value, -np.inf)
    kept: list[int] = []
    for i in np.argsort(-value).tolist():
        away = found.u[i] - found.u[kept]
        distance = np.einsum("kd,kde,ke->k", away, found.precision[kept], away)
        if value[i] > value.max() - _NEGLIGIBLE and (distance > 0.01).all():
            kept.append(i)
    return Modes(found.u[kept], found.precision[kept], found.found[kept])


def positive(precision: FloatArray, floor: FloatArray) -> FloatArray:
    """A symmetric matrix with every eigenvalue raised to that of the prior, measured in prior units.

    A log-convex stretch (a likelihood that rises ever faster) must still give a step uphill and a proposal.
    """
    values, vectors, scale = _spectrum(precision, floor)
    raised = np.einsum("cik,ck,cjk->cij", vectors, values, vectors)
    return np.asarray(raised * scale[:, :, None] * scale[:, None, :])


def _uphill(precision: FloatArray, floor: FloatArray, gradient: FloatArray) -> FloatArray:
    """The Newton step for a precision made `positive`, from its eigenvalues: there is no matrix to be singular."""
    values, vectors, scale = _spectrum(precision, floor)
    along = np.einsum("cik,ci->ck", vectors, gradient / scale) / values
    return np.asarray(np.einsum("cik,ck->ci", vectors, along) / scale)


def _spectrum(precision: FloatArray, floor: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Eigenvalues in prior units, at least 1, with their vectors, and the units."""
    scale = np.sqrt(floor)
    scaled = precision / (scale[:, :, None] * scale[:, None, :])
    values, vectors = np.linalg.eigh(np.where(np.isfinite(scaled), scaled, 0.0))
    return np.maximum(values, 1.0), vectors, scale
