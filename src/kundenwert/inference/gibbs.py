"""Partial pooling without the wait: exact draws of the joint posterior, one cohort's block at a time.

Chains run side by side, as the lanes of one compiled evaluation. Source: docs/statistics.md, Fast posteriors.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from kundenwert.errors import UsageError
from kundenwert.families.arithmetic import FloatArray
from kundenwert.inference.compression import Part, Problem
from kundenwert.inference.density import Density
from kundenwert.inference.hierarchy import Sampler, State
from kundenwert.inference.importance import fit_density
from kundenwert.inference.posterior import Posterior
from kundenwert.inference.protocol import Progress, RefusedError, part_by_part
from kundenwert.names import EngineName
from kundenwert.streams import stream_seed

CHAINS = 16
WARM_UP = 150
LEARN_AFTER = (25, 55, 90)
WANTED_ACCEPTANCE = 0.35
LONGEST_THIN = 40  # sweeps a draw
LEAST_ACCEPTED = 0.05
LONG_ENOUGH = 125  # draws in half a chain
TOO_FEW_TO_JUDGE = 50  # draws a chain
FEWEST_CHAINS, DRAWS_A_CHAIN = 4, 100
MOST_RHAT = 1.009  # of long chains, below what a run is judged by
AIMED_TIME, LONGEST_TIME = 1.7, 3.0  # autocorrelation of draws: aimed at, and such that chains are run again


@dataclass(frozen=True)
class Gibbs:
    """Metropolis within Gibbs for hierarchies over cohorts, for families that bring compiled code.

    Parameters
    ----------
    draws : draws over all chains together, rounded up to a multiple of their number.
    chains : independent chains, evaluated side by side; None takes 16, or fewer where draws are few.
    """

    draws: int = 4000
    chains: int | None = None

    def __post_init__(self) -> None:
        if self.chains is not None and self.chains < 2:
            raise UsageError(f"{self.chains} chain cannot show that chains agree. Take at least 2, better 16.")
        chains = self.chains or FEWEST_CHAINS
        if self.draws < chains * 4:
            raise UsageError(f"{self.draws} draws over {chains} chains are too few to judge. Take 1000.")

    @property
    def name(self) -> str:
        """What the manifest calls it."""
        return EngineName.GIBBS.value

    def sample(self, problem: Problem, seed: int, progress: Progress | None) -> Posterior:
        """Draws of every cohort and of the hyperparameters."""
        return part_by_part(self, problem, seed, progress)

    def sample_part(
        self, part: Part, seed: int, progress: Progress | None = None
    ) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """One family: parameters as (chain, draw, cohort), `mu_*` and `sd_*` as (chain, draw), and figures by fit.

        The figures are `acceptance_cohort` of the cohorts' own moves (the least over cohorts), `acceptance_joint` of
        the move of all together, `thin`, sweeps a draw, the largest `rhat`, and the longest `correlation_time`.
        Fewer than fifty draws a chain are given out unjudged.

        Raises
        ------
        UsageError : the part is not hierarchical, or the family brings no compiled code.
        RefusedError : moves are hardly ever accepted, or chains do not mix; `auto` then takes NUTS.
        """
        if not part.hierarchical:
            raise UsageError("engine 'gibbs' samples hierarchies. Without pooling = 'partial' take 'auto'.")
        try:
            return self._sampled(part, seed, progress)
        except (RefusedError, np.linalg.LinAlgError) as error:  # a cohort or chain so far out that its normal is none
            reason = error.reason if isinstance(error, RefusedError) else str(error).lower()
            raise RefusedError(f"Gibbs sampling of the {part.role} model: {reason}") from error

    def _sampled(
        self, part: Part, seed: int, progress: Progress | None
    ) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        fit = part.fits[0]
        density = fit_density(part, fit)
        rng = np.random.Generator(np.random.Philox(stream_seed(seed, part.role, fit.label)))
        sampler = Sampler.prepared(density, rng)
        chains = self.chains or min(CHAINS, max(FEWEST_CHAINS, self.draws // DRAWS_A_CHAIN))
        state = sampler.start(chains)
        if not np.isfinite(state.log_likelihood).all():
            raise RefusedError("no finite density near the modes")
        state, sampler, step, thin = _warmed_up(state, sampler)
        wanted = math.ceil(self.draws / chains)
        while True:
            run = _run(state, sampler, step, wanted, thin, part.role, progress)
            time = correlation_time(run.hyper)
            accepted = float(run.figures["acceptance_cohort"][0])
            if accepted < LEAST_ACCEPTED:
                raise RefusedError(f"a cohort accepts {accepted:.3f} of its moves, less than {LEAST_ACCEPTED:g}")
            rhat, limit = split_rhat(run.everything), rhat_limit(*run.everything.shape)
            if wanted < TOO_FEW_TO_JUDGE or (time <= LONGEST_TIME and rhat <= limit):
                figures = {"rhat": np.array([rhat]), "correlation_time": np.array([time])}
                return _named(part, density, run.kept), run.figures | figures
            if thin == LONGEST_THIN:
                raise RefusedError(
                    f"draws {thin} sweeps apart still hang together over {time:.1f} draws (limit {LONGEST_TIME:g}), "
                    f"R-hat {rhat:.3f} (limit {limit:.3f})"
                )
            # Draws still hang together: what they have taught is kept, they themselves are not.
            thin = min(LONGEST_THIN, math.ceil(thin * max(time / 2.0, 1.5)))
            state, sampler = run.kept[-1], sampler.learned(run.hyper)


@dataclass(frozen=True)
class _Run:
    """States that were kept, (draw,), and acceptance."""

    kept: list[State]
    figures: dict[str, FloatArray]

    @property
    def hyper(self) -> FloatArray:
        """(draw, hyperparameter, chain)"""
        return np.stack([state.hyper for state in self.kept])

    @property
    def everything(self) -> FloatArray:
        """(draw, quantity, chain): coordinates of all cohorts, and hyperparameters."""
        chains = self.kept[0].mu.shape[1]
        cohorts = np.stack([state.u.reshape(-1, chains) for state in self.kept])
        return np.concatenate([self.hyper, cohorts], axis=1)


def _warmed_up(state: State, sampler: Sampler) -> tuple[State, Sampler, float, int]:
    """Tunes the second move and says how many sweeps a draw needs."""
    trace, step = [], 0.3
    for sweep in range(WARM_UP):
        state, _, moved = sampler.sweep(state, step)
        # Robbins and Monro: the step settles where the wanted share of second moves is accepted
        step = min(1.0, step * math.exp((moved.mean() - WANTED_ACCEPTANCE) * 60.0 / (20.0 + sweep)))
        trace.append(state.hyper)
        if sweep in LEARN_AFTER:
            sampler = sampler.learned(np.stack(trace[sweep // 2 :]))
    time = correlation_time(np.stack(trace[LEARN_AFTER[-1] :]))
    return state, sampler, step, min(LONGEST_THIN, max(1, round(time / AIMED_TIME)))


def _run(
    state: State, sampler: Sampler, step: float, draws: int, thin: int, role: str, progress: Progress | None
) -> _Run:
    kept, accepted, joint = [], np.zeros(len(state.u)), 0.0
    for sweep in range(draws * thin):
        state, own, moved = sampler.sweep(state, step)
        accepted += own
        joint += moved.mean()
        if sweep % thin == thin - 1:
            kept.append(state)
        if progress is not None:
            progress(f"fit {role}", (sweep + 1) / (draws * thin))
    figures = {
        "acceptance_cohort": np.array([accepted.min() / (draws * thin)]),
        "acceptance_joint": np.array([joint / (draws * thin)]),
        "thin": np.array([float(thin)]),
    }
    return _Run(kept, figures)


def split_rhat(trace: FloatArray) -> float:
    """The largest R-hat of (sweep, quantity, chain), every chain cut in half (Gelman et al. 2013)."""
    half = len(trace) // 2
    chains = np.concatenate([trace[:half], trace[half : 2 * half]], axis=2)
    within = chains.var(axis=0, ddof=1).mean(axis=1)
    between = chains.mean(axis=0).var(axis=1, ddof=1)
    return float(np.sqrt((half - 1) / half + between / within).max())


def rhat_limit(draws: int, quantities: int, chains: int) -> float:
    """What the largest of many R-hats may be where draws hang together over `AIMED_TIME`, one time in ten.

    Means of half chains scatter by chance: with few draws and many quantities the largest R-hat of independent draws
    is well above that of long chains, which must stay below `MOST_RHAT`.
    """
    half, halves = draws // 2, 2 * chains
    scatter = float(special.chdtri(halves - 1, 0.1 / quantities)) / (halves - 1)
    limit = math.sqrt((half - 1) / half + AIMED_TIME * scatter / half)
    return min(limit, MOST_RHAT) if half >= LONG_ENOUGH else limit


def correlation_time(trace: FloatArray) -> float:
    """The longest integrated autocorrelation time of (sweep, quantity, chain), by initial positive pairs."""
    away = trace - trace.mean(axis=(0, 2), keepdims=True)
    count = len(away)
    spectrum = np.fft.rfft(away, 2 * count, axis=0)
    covariance = np.fft.irfft(spectrum * spectrum.conj(), 2 * count, axis=0)[:count].mean(axis=2) / count
    correlation = covariance / covariance[0]
    pairs = correlation[: count // 2 * 2].reshape(count // 2, 2, -1).sum(axis=1)
    ends = np.where((pairs < 0).any(axis=0), (pairs < 0).argmax(axis=0), count // 2)
    return float(max(2.0 * pairs[:end, i].sum() - 1.0 for i, end in enumerate(ends)))


def _named(part: Part, density: Density, kept: list[State]) -> dict[str, FloatArray]:
    """Draws by name, parameters (chain, draw, cohort) and hyperparameters (chain, draw)."""
    draws: dict[str, FloatArray] = {}
    theta = np.stack([density.theta(state.u) for state in kept])  # (draw, cohort, parameter, chain)
    for i, name in enumerate(part.family.parameters):
        draws[name] = np.ascontiguousarray(theta[:, :, i].transpose(2, 0, 1))
    for i, name in enumerate(part.family.coordinates):
        draws[f"mu_{name}"] = np.stack([state.mu[i] for state in kept], axis=1)
        draws[f"sd_{name}"] = np.exp(np.stack([state.log_sd[i] for state in kept], axis=1))
    return draws
