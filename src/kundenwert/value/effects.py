"""What a lever does, as a distribution: sceptical priors, what experiments make of them, and draws that all share.

An effect is one number for all customers. It is drawn once a parameter draw, stratified, from a stream of its own
name: neither the customers nor the other levers change it (docs/statistics.md, section Levers).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import betaincinv, erfinv, expit, log_expit, logit, ndtri

from kundenwert.errors import UsageError
from kundenwert.spec_values import beta_mistake
from kundenwert.value.counters import FloatArray, Purpose, check_seed, generator, text_keys

LEAST, LARGEST = 1e-9, 1e9  # of anything positive, so that squares and their inverses stay finite
LEAST_SHAPE, LARGEST_SHAPE = 1e-3, 1e8  # below, half of all draws underflow; above, log densities lose their digits
OUT_OF_REACH = 5.0  # standard errors between a finding and what a share can be at all
DEPTH = 60.0  # logarithms below the mode where a density counts as nothing
COARSEST, FINEST, TAIL = 1 / 2048, 1e-10, 0.01  # mass of a cell of the grid: at most, at least, of the tail beyond it
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)


@dataclass(frozen=True)
class Fixed:
    """An effect that is known, so that no experiment changes it.

    Parameters
    ----------
    mean : the effect.
    """

    mean: float

    def __post_init__(self) -> None:
        _check_effect("mean", self.mean)

    @property
    def sd(self) -> float:
        """Zero."""
        return 0.0

    def quantile(self, share: FloatArray) -> FloatArray:
        """The same at all shares."""
        return np.full(np.shape(share), self.mean)


@dataclass(frozen=True)
class Normal:
    """An effect of either sign: the logarithm of a factor on the order rate, or on spend.

    Parameters
    ----------
    mean, sd : of the effect.
    """

    mean: float
    sd: float

    def __post_init__(self) -> None:
        _check_effect("mean", self.mean)
        _check_size("sd", self.sd)

    def quantile(self, share: FloatArray) -> FloatArray:
        """Inverse of the distribution function at shares between 0 and 1."""
        return np.asarray(self.mean + self.sd * ndtri(share))


@dataclass(frozen=True)
class Beta:
    """A share: of customers who react, of a hazard or of costs that goes away.

    Parameters
    ----------
    a, b : shapes.

    Examples
    --------
    >>> Beta.of_moments(mean=0.05, sd=0.0475).mean
    0.05
    """

    a: float
    b: float

    def __post_init__(self) -> None:
        for name, shape in (("a", self.a), ("b", self.b)):
            if not LEAST_SHAPE <= shape <= LARGEST_SHAPE:
                raise UsageError(
                    f"shape {name} = {shape:g} of a Beta must lie between {LEAST_SHAPE:g} and {LARGEST_SHAPE:g}: it "
                    "is all or nothing, or as good as known. Take a less extreme sd."
                )

    @classmethod
    def of_moments(cls, mean: float, sd: float) -> "Beta":
        """The Beta with this mean and standard deviation: `a + b = mean (1 - mean) / sd^2 - 1`.

        A `UsageError` where no Beta has them: at an sd of sqrt(mean (1 - mean)) a share is all or nothing.
        """
        _check_size("sd", sd)
        if mistake := beta_mistake(mean, sd):
            raise UsageError(mistake)
        size = mean * (1 - mean) / sd**2 - 1
        return cls(mean * size, (1 - mean) * size)

    @property
    def mean(self) -> float:
        """a / (a + b)."""
        return self.a / (self.a + self.b)

    @property
    def sd(self) -> float:
        """Standard deviation."""
        return math.sqrt(self.mean * (1 - self.mean) / (self.a + self.b + 1))

    def quantile(self, share: FloatArray) -> FloatArray:
        """Inverse of the distribution function at shares between 0 and 1."""
        return np.asarray(betaincinv(self.a, self.b, share))


@dataclass(frozen=True)
class Exponential:
    """A side effect that is never negative: by which share a hazard rises.

    Parameters
    ----------
    mean : of the effect, above 0.
    """

    mean: float

    def __post_init__(self) -> None:
        _check_size("mean", self.mean)

    @property
    def sd(self) -> float:
        """The mean once more."""
        return self.mean

    def quantile(self, share: FloatArray) -> FloatArray:
        """Inverse of the distribution function at shares between 0 and 1."""
        return np.asarray(-self.mean * np.log1p(-np.asarray(share)))


@dataclass(frozen=True)
class HalfNormal:
    """The size of a normal variable: by which logarithm costs rise.

    Parameters
    ----------
    scale : standard deviation of that normal variable.
    """

    scale: float

    def __post_init__(self) -> None:
        _check_size("scale", self.scale)

    @property
    def mean(self) -> float:
        """scale sqrt(2 / pi)."""
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def sd(self) -> float:
        """scale sqrt(1 - 2 / pi)."""
        return self.scale * math.sqrt(1 - 2 / math.pi)

    def quantile(self, share: FloatArray) -> FloatArray:
        """Inverse of the distribution function at shares between 0 and 1."""
        return np.asarray(self.scale * math.sqrt(2) * erfinv(share))


@dataclass(frozen=True)
class ReweightedBeta:
    """A Beta prior times the normal likelihood of a measured share, on a grid as fine as the result needs.

    Parameters
    ----------
    prior : before the measurement.
    finding, se : what was measured, and its standard error.
    """

    prior: Beta
    finding: float
    se: float

    @cached_property
    def grid(self) -> tuple[FloatArray, FloatArray]:
        """(point,) shares, ascending, and (point,) the distribution function there."""
        edges, masses = _cells(self.prior, self.finding, self.se)
        below = np.append(0.0, np.cumsum(masses))
        return np.asarray(expit(edges)), below / below[-1]

    @property
    def mean(self) -> float:
        """Mean."""
        points, below = self.grid
        return float(np.diff(below) @ (points[1:] + points[:-1])) / 2

    @property
    def sd(self) -> float:
        """Standard deviation."""
        points, below = self.grid
        low, high = points[:-1] - self.mean, points[1:] - self.mean
        return math.sqrt(float(np.diff(below) @ (low**2 + low * high + high**2)) / 3)

    def quantile(self, share: FloatArray) -> FloatArray:
        """Inverse of the distribution function at shares between 0 and 1, linear between the points of the grid."""
        points, below = self.grid
        return np.asarray(np.interp(share, below, points))


type Effect = Fixed | Normal | Beta | Exponential | HalfNormal | ReweightedBeta


@dataclass(frozen=True)
class Counts:
    """A trial that counted people.

    Parameters
    ----------
    successes : those among them whose share the effect is, such as who came back.
    n : people treated.
    """

    successes: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.n or self.n < 1:
            raise UsageError(f"{self.successes} of {self.n} is no count of people. Write successes = 12 and n = 400.")


@dataclass(frozen=True)
class Measurement:
    """A randomised trial that measured an effect: treated against control, in the unit of the effect.

    Parameters
    ----------
    mean, se : the estimate and its standard error.
    n : people in the trial, for the record.
    """

    mean: float
    se: float
    n: int | None = None

    def __post_init__(self) -> None:
        _check_effect("mean", self.mean)
        _check_size("se", self.se)
        if self.n is not None and self.n < 1:
            raise UsageError(f"n = {self.n} people are no trial.")


type Experiment = Counts | Measurement


def update(prior: Effect, experiments: Sequence[Experiment]) -> Effect:
    """What is known of an effect after experiments, in whatever order; the prior where there are none.

    Parameters
    ----------
    prior : before them, or after earlier ones.
    experiments : counts make a Beta of a Beta, measurements a normal of a normal (both conjugate); measurements
        reweight a Beta by their likelihood.

    Raises
    ------
    UsageError : an experiment that says nothing about such an effect, or contradicts what it can be.

    Examples
    --------
    >>> update(Beta(1, 30), [Counts(successes=12, n=400)])
    Beta(a=13, b=418)
    >>> after = update(Normal(0.03, 0.03), [Measurement(mean=0.0, se=0.03)])
    >>> round(after.mean, 6), round(after.sd, 6)
    (0.015, 0.021213)
    """
    counts = [e for e in experiments if isinstance(e, Counts)]
    measured = [(e.mean, e.se) for e in experiments if isinstance(e, Measurement)]
    if isinstance(prior, ReweightedBeta):
        measured.append((prior.finding, prior.se))
        prior = prior.prior
    if counts:
        if not isinstance(prior, Beta):
            raise UsageError(f"counts of people cannot change {prior}. State the measured mean and its se.")
        successes, n = sum(c.successes for c in counts), sum(c.n for c in counts)
        prior = Beta(prior.a + successes, prior.b + n - successes)
    if not measured:
        return prior
    if isinstance(prior, Normal):
        return Normal(*_pooled([(prior.mean, prior.sd), *measured]))
    if not isinstance(prior, Beta):
        raise UsageError(f"a measured mean cannot change {prior}. State mean and sd of the effect before the trial.")
    finding, se = _pooled(measured)
    beyond = max(-finding, finding - 1.0) / se
    if beyond > OUT_OF_REACH:
        raise UsageError(
            f"the measured {finding:g} lies {beyond:.1f} standard errors outside 0 to 1, and the effect is a share. "
            "Check sign and unit; where both are right, the lever does harm: leave it out."
        )
    return ReweightedBeta(prior, finding, se)


def stratified_draws(effect: Effect, draws: int, *, seed: int, name: str, purpose: Purpose) -> FloatArray:
    """Draws of an effect that all customers share: the inverse distribution function on a grid, in random order.

    Parameters
    ----------
    effect : prior or posterior.
    draws : how many.
    seed, name, purpose : of the run, of the lever, of this effect: they key the stream, so other levers change nothing.

    Returns
    -------
    (draw,) effects. Even and odd draws are each stratified: a package is chosen on one half, judged on the other.

    Examples
    --------
    >>> shared = stratified_draws(Beta(1, 19), 1000, seed=1, name="call", purpose=Purpose.EFFECT)
    >>> [round(float(half.mean()), 4) for half in (shared, shared[::2], shared[1::2])]
    [0.05, 0.05, 0.05]
    """
    if draws < 1:
        raise UsageError(f"draws must be at least 1, not {draws!r}.")
    random = generator(check_seed(seed), text_keys([name])[0], purpose)
    strata = np.arange(draws)
    middle = strata[draws // 2 :][: draws % 2]  # one stratum of an odd number has no partner
    pairs = random.permuted(np.delete(strata, middle).reshape(-1, 2), axis=1)
    order = np.empty(draws, dtype=np.int64)
    order[::2] = random.permutation(np.append(pairs[:, 0], middle))
    order[1::2] = random.permutation(pairs[:, 1])
    return effect.quantile((order + 0.5) / draws)


def _pooled(findings: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Mean and standard error of independent (mean, se) together."""
    precision = sum(se**-2 for _, se in findings)
    return sum(mean * se**-2 for mean, se in findings) / precision, precision**-0.5


def _cells(prior: Beta, finding: float, se: float) -> tuple[FloatArray, FloatArray]:
    """(point,) edges on the logit scale and (point - 1,) masses between them.

    On that scale the density is bounded whatever the shapes, and falls off on both sides. Cells are halved until each
    holds little of the whole and of the tail beyond it, so that quantiles far out are as good as those within.
    """

    def log_density(y: FloatArray) -> FloatArray:
        return np.asarray(prior.a * log_expit(y) + prior.b * log_expit(-y) - 0.5 * ((expit(y) - finding) / se) ** 2)

    edges = _first_edges(prior, finding, se, log_density)
    top = log_density(edges).max()
    while True:
        half = np.diff(edges)[:, None] / 2
        masses = (np.exp(log_density(edges[:-1, None] + half * (1 + _NODES)) - top) * half) @ _WEIGHTS
        masses /= masses.sum()
        tail = np.minimum(np.cumsum(masses), np.cumsum(masses[::-1])[::-1])
        coarse = masses > np.clip(TAIL * tail, FINEST, COARSEST)
        if not coarse.any():
            return edges, masses
        edges = np.sort(np.append(edges, (edges[:-1] + half[:, 0])[coarse]))


def _first_edges(prior: Beta, finding: float, se: float, log_density: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Edges that miss no mode, however narrow, out to where the density is nothing."""
    # The slope of the log density is a cubic over se^2: its roots are the modes, wherever prior and finding disagree.
    slope = [-1.0, 1.0 + finding, se**2 * (prior.a + prior.b) - finding, -(se**2) * prior.a]
    peaks = logit(np.clip([*np.roots(slope).real, prior.mean, finding], 1e-300, 1 - 1e-16))
    floor = log_density(peaks).max() - DEPTH
    steps = 2.0 ** np.arange(-30, 5)
    near = (peaks[:, None] + np.concatenate([-steps, [0.0], steps])).ravel()
    low, high = peaks.min(), peaks.max()
    while log_density(low) > floor:
        low = low - max(1.0, high - low)
    while log_density(high) > floor:
        high = high + max(1.0, high - low)
    return np.unique(np.append(np.linspace(low, high, 129), near.clip(low, high)))


def _check_effect(name: str, number: float) -> None:
    if not abs(number) <= LARGEST:
        raise UsageError(f"{name} = {number!r} is no effect. Write a finite number such as 0.03.")


def _check_size(name: str, number: float) -> None:
    if not LEAST <= number <= LARGEST:
        raise UsageError(f"{name} = {number!r} must be above 0, and lie between {LEAST:g} and {LARGEST:g}.")
