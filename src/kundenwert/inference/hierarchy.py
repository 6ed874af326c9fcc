"""The moves of a Markov chain over cohorts and what they have in common, exact for every likelihood.

Given the hyperparameters cohorts are independent, and each one's likelihood is nearly normal around its mode. That
normal, joined with the current hyperparameters, proposes the cohort's next parameters, and the true likelihood accepts
or refuses: nothing is approximated, a poor normal only costs refusals. Where cohorts say little about themselves,
their parameters and the hyperparameters hold each other in place; a second move that carries all cohorts along with
the hyperparameters sets them free.

Sources: Yu, Meng (2011) and Papaspiliopoulos, Roberts, Skold (2007) for the second move; Neal (2003) for slice
sampling; docs/statistics.md, Fast posteriors.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from kundenwert.families.arithmetic import FloatArray
from kundenwert.inference.density import Density, Pooled, distinct_modes, modes, positive
from kundenwert.inference.priors import BETWEEN_COHORTS
from kundenwert.inference.protocol import RefusedError
from kundenwert.inference.small_matrices import by_cohort, cholesky, solved_lower, solved_upper, times_upper

FREEDOM = 8.0
SCALING_ROUNDS = 8
LOCAL_SHARE = 0.25
LOCAL = 2.0  # length of a local move in standard deviations, times the root of their number
SPREAD = 2.0  # of starts, in posterior standard deviations: chains that agree have then all found their way
INFLATED = 1.2  # standard deviations of the normal that hyperparameters are drawn towards, over those that were seen
LEAST_LOG_SD, MOST_LOG_SD = (BETWEEN_COHORTS.mean + sign * 8.0 * BETWEEN_COHORTS.sd for sign in (-1, 1))
"""The prior is cut eight standard deviations out, so that a slice has ends."""


@dataclass(frozen=True)
class State:
    """Where all chains are.

    Parameters
    ----------
    u : (cohort, coordinate, chain)
    mu, log_sd : (coordinate, chain)
    log_likelihood : (cohort, chain)
    """

    u: FloatArray
    mu: FloatArray
    log_sd: FloatArray
    log_likelihood: FloatArray

    @property
    def hyper(self) -> FloatArray:
        """(2 * coordinate, chain)"""
        return np.concatenate([self.mu, self.log_sd])


@dataclass(frozen=True)
class Sampler:
    """Everything that does not move.

    Parameters
    ----------
    density : likelihoods, and the prior of mu as its prior.
    linear, precision : of each log likelihood there, as `linear u - u precision u / 2` plus a constant.
    centre, factor : of the normal that hyperparameters (mu, then log sd) are drawn towards when all move together.
    """

    density: Density
    linear: FloatArray
    precision: FloatArray
    centre: FloatArray
    factor: FloatArray
    rng: np.random.Generator

    @classmethod
    def prepared(cls, density: Density, rng: np.random.Generator) -> Self:
        """Normals around the modes of all cohorts, under hyperparameters that fit them.

        Raises
        ------
        RefusedError : the hierarchy has a second mode that matters, where no normal around the first one leads.
        """
        together = replace(
            density, likelihood=Pooled(density.likelihood), mean=density.mean[:1], precision=density.precision[:1]
        )
        starts = distinct_modes(together).u
        if len(starts) > 1:
            raise RefusedError("all cohorts as one have two modes")
        found = _fitted(density, np.repeat(starts, len(density.mean), axis=0))
        u, mu, log_sd = found.u, found.mu, found.log_sd
        if not (np.isfinite(u).all() and np.isfinite(found.spread).all()):
            raise RefusedError("a cohort has no finite mode")
        cohorts, size = u.shape
        hyper = np.tile(np.exp(-2.0 * log_sd), (cohorts, 1))
        _, slope, hessian = replace(density, mean=np.tile(mu, (cohorts, 1)), precision=hyper).derivatives(u)
        slope = slope + hyper * (u - mu)
        data = -hessian
        data[:, range(size), range(size)] -= hyper
        # what the likelihood leaves open is proposed from the hyperparameters: its normal must only stay a normal
        data = positive(data + 1e-3 * hyper[:, None] * np.eye(size), 1e-3 * hyper)
        linear = slope + np.einsum("cde,ce->cd", data, u)
        known = data[:, range(size), range(size)].mean(axis=0) * np.exp(2.0 * log_sd)
        doubt = np.minimum((1.0 + 1.0 / known) / cohorts, 1.0)
        factor = np.diag(np.concatenate([np.exp(log_sd) * np.sqrt(doubt), BETWEEN_COHORTS.sd * np.sqrt(doubt)]))
        density = density.prepared(u - 12.0 * found.spread, u + 12.0 * found.spread)
        return cls(density, linear, data, np.concatenate([mu, log_sd]), factor, rng)

    def learned(self, trace: FloatArray) -> Self:
        """The same with the normal of the second move fitted to hyperparameters seen so far, (sweep, hyper, chain)."""
        seen = np.moveaxis(trace, 1, 0).reshape(trace.shape[1], -1)
        return replace(self, centre=seen.mean(axis=1), factor=INFLATED * np.linalg.cholesky(np.cov(seen)))

    def start(self, chains: int) -> State:
        """Overdispersed hyperparameters, and cohorts drawn from what is proposed for them there."""
        size = len(self.linear.T)
        away = SPREAD * self.factor @ self.rng.standard_normal((2 * size, chains))
        mu, log_sd = (self.centre[:, None] + away).reshape(2, size, chains)
        log_sd = np.clip(log_sd, LEAST_LOG_SD, MOST_LOG_SD)
        centre, factor = self._conditional(mu, log_sd)
        u = centre + by_cohort(solved_upper(factor, self.rng.standard_normal((size, len(self.linear), chains))))
        return State(u, mu, log_sd, self.density.log_likelihood(u))

    def sweep(self, state: State, step: float) -> tuple[State, FloatArray, FloatArray]:
        """Cohorts, hyperparameters, and both together; with the accepted shares, (cohort,) and (chain,)."""
        state, own = self._cohorts(state)
        state = self._hyperparameters(state)
        state, joint = self._together(state, step)
        return state, own, joint

    def _cohorts(self, state: State) -> tuple[State, FloatArray]:
        """Every cohort moves by itself, proposed from a t around its conditional mode."""
        centre, factor = self._conditional(state.mu, state.log_sd)
        cohorts, size, chains = state.u.shape
        radius = np.sqrt(self.rng.chisquare(FREEDOM, (cohorts, chains)) / FREEDOM)
        normal = self.rng.standard_normal((size, cohorts, chains)) / radius
        new = centre + by_cohort(solved_upper(factor, normal))
        log_likelihood = self.density.log_likelihood(new)

        def log_weight(u: FloatArray, log_likelihood: FloatArray) -> FloatArray:
            white = times_upper(factor, by_cohort(u - centre))
            proposed = -0.5 * (FREEDOM + size) * np.log1p((white * white).sum(axis=0) / FREEDOM)
            away = (u - state.mu) * np.exp(-state.log_sd)
            return np.asarray(log_likelihood - 0.5 * (away * away).sum(axis=1) - proposed)

        gain = log_weight(new, log_likelihood) - log_weight(state.u, state.log_likelihood)
        accepted = np.log(self.rng.random(gain.shape)) < gain
        u = np.where(accepted[:, None], new, state.u)
        log_likelihood = np.where(accepted, log_likelihood, state.log_likelihood)
        return replace(state, u=u, log_likelihood=log_likelihood), accepted.mean(axis=1)

    def _conditional(self, mu: FloatArray, log_sd: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Centre (cohort, coordinate, chain) and Cholesky factor of the precision of each cohort's proposal."""
        hyper = np.exp(-2.0 * log_sd)
        size, chains = mu.shape
        precision = np.repeat(np.moveaxis(self.precision, 0, 2)[..., None], chains, axis=3)
        precision[range(size), range(size)] += hyper[:, None, :]
        factor = cholesky(precision)
        right = self.linear.T[:, :, None] + (hyper * mu)[:, None, :]
        return by_cohort(solved_upper(factor, solved_lower(factor, right))), factor

    def _hyperparameters(self, state: State) -> State:
        """sd with mu integrated out, by slice sampling; then mu, which is normal."""
        cohorts = len(state.u)
        mean, variance = self.density.mean[0][:, None], 1.0 / self.density.precision[0][:, None]
        average = state.u.mean(axis=0)
        square = ((state.u - average) ** 2).sum(axis=0)

        def log_density(log_sd: FloatArray) -> FloatArray:
            own = np.exp(2.0 * log_sd)
            total = own + cohorts * variance
            value = -(cohorts - 1) * log_sd - 0.5 * np.log(total)
            value -= 0.5 * (square / own + cohorts * (average - mean) ** 2 / total)
            return np.asarray(value - 0.5 * ((log_sd - BETWEEN_COHORTS.mean) / BETWEEN_COHORTS.sd) ** 2)

        log_sd = self._sliced(log_density, state.log_sd)
        own = np.exp(-2.0 * log_sd) * cohorts
        precision = own + 1.0 / variance
        centre = (own * average + mean / variance) / precision
        mu = centre + self.rng.standard_normal(centre.shape) / np.sqrt(precision)
        return replace(state, mu=mu, log_sd=log_sd)

    def _sliced(self, log_density: Callable[[FloatArray], FloatArray], here: FloatArray) -> FloatArray:
        """One slice-sampling step of every element, the bracket being all that the prior of log sd thinks possible."""
        level = log_density(here) + np.log(self.rng.random(here.shape))
        low, high = np.full(here.shape, LEAST_LOG_SD), np.full(here.shape, MOST_LOG_SD)
        new, todo = here, np.ones(here.shape, dtype=bool)
        while todo.any():
            new = np.where(todo, low + (high - low) * self.rng.random(here.shape), new)
            todo = todo & (log_density(new) < level)
            low = np.where(todo & (new < here), new, low)
            high = np.where(todo & (new >= here), new, high)
        return new

    def _together(self, state: State, step: float) -> tuple[State, FloatArray]:
        """Hyperparameters move and carry every cohort along, its place in its own conditional unchanged.

        Were the likelihoods normal, places would not depend on hyperparameters at all, and this move would sample the
        hyperparameters with all cohorts integrated out. The proposal is drawn towards a normal learned in warm-up.
        """
        white = np.linalg.solve(self.factor, state.hyper - self.centre[:, None])
        # Drawn towards a normal, chains that have wandered beyond its tails come back seldom: some moves are local.
        local = self.rng.random() < LOCAL_SHARE
        stay, length = (1.0, LOCAL / math.sqrt(len(white))) if local else (math.sqrt(1.0 - step * step), step)
        new_white = stay * white + length * self.rng.standard_normal(white.shape)
        mu, log_sd = np.split(self.centre[:, None] + self.factor @ new_white, 2)
        centre, factor = self._conditional(state.mu, state.log_sd)
        place = times_upper(factor, by_cohort(state.u - centre))
        new_centre, new_factor = self._conditional(mu, log_sd)
        u = new_centre + by_cohort(solved_upper(new_factor, place))
        moved = State(u, mu, log_sd, self.density.log_likelihood(u))
        gain = self._log_joint(moved, new_factor) - self._log_joint(state, factor)
        if not local:
            gain += 0.5 * (new_white * new_white - white * white).sum(axis=0)
        accepted = np.log(self.rng.random(gain.shape)) < gain
        names = ("u", "mu", "log_sd", "log_likelihood")
        kept = {name: np.where(accepted, getattr(moved, name), getattr(state, name)) for name in names}
        return State(**kept), accepted.astype(np.float64)

    def _log_joint(self, state: State, factor: FloatArray) -> FloatArray:
        """Log density of hyperparameters and of the cohorts' places, up to a constant; (chain,)."""
        mean, precision = self.density.mean[0][:, None], self.density.precision[0][:, None]
        away = (state.u - state.mu) * np.exp(-state.log_sd)
        log_volume = np.log(factor[range(len(factor)), range(len(factor))]).sum(axis=0)
        cohorts = state.log_likelihood - 0.5 * (away * away).sum(axis=1) - log_volume
        prior = precision * (state.mu - mean) ** 2
        prior += ((state.log_sd - BETWEEN_COHORTS.mean) / BETWEEN_COHORTS.sd) ** 2
        own = -0.5 * prior - len(state.u) * state.log_sd
        own = np.where((state.log_sd >= LEAST_LOG_SD) & (state.log_sd <= MOST_LOG_SD), own, -np.inf)
        return np.asarray(cohorts.sum(axis=0) + own.sum(axis=0))


@dataclass(frozen=True)
class _Fitted:
    """Hyperparameters that fit the cohorts, and the cohorts' modes and standard deviations under them."""

    u: FloatArray
    spread: FloatArray
    mu: FloatArray
    log_sd: FloatArray


def _fitted(density: Density, start: FloatArray) -> _Fitted:
    """A few rounds of expectation and maximization from given coordinates."""
    mean, weight = density.mean[0], density.precision[0]
    cohorts, size = density.shape
    mu, log_sd, u = start.mean(axis=0), np.full(size, BETWEEN_COHORTS.mean), start
    for _ in range(SCALING_ROUNDS):
        hyper = np.tile(np.exp(-2.0 * log_sd), (cohorts, 1))
        conditional = replace(density, mean=np.tile(mu, (cohorts, 1)), precision=hyper)
        found = modes(conditional, u)
        u = found.u
        variance = np.linalg.inv(found.precision)[:, range(size), range(size)]
        own = cohorts * np.exp(-2.0 * log_sd)
        mu = (weight * mean + own * u.mean(axis=0)) / (weight + own)
        log_sd = _most_likely_log_sd(((u - mu) ** 2 + variance).sum(axis=0), cohorts)
    return _Fitted(u, np.sqrt(variance), mu, log_sd)


def _most_likely_log_sd(square: FloatArray, cohorts: int) -> FloatArray:
    """Where the density of log sd peaks, given the expected sum of squares around mu; Newton's method."""
    log_sd = np.maximum(0.5 * np.log(square / cohorts), BETWEEN_COHORTS.mean)
    weight = BETWEEN_COHORTS.sd**-2.0
    for _ in range(50):
        pull = square * np.exp(-2.0 * log_sd)
        log_sd = log_sd + (pull - cohorts - weight * (log_sd - BETWEEN_COHORTS.mean)) / (2.0 * pull + weight)
    return log_sd
