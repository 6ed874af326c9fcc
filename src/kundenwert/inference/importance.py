"""Posterior draws by adaptive importance sampling: independent draws, a few thousand evaluations, a tail that is told.

A mode by Newton's method, multivariate t proposals around it, one of them wide enough for whatever the mode does not
show, weights smoothed by their Pareto tail, and a resampling into draws of equal weight, so that nothing downstream
knows how they came about. Sources: Vehtari et al. (2024), Owen and Zhou (2000); docs/statistics.md, Fast posteriors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from kundenwert.errors import UsageError
from kundenwert.families.arithmetic import FloatArray
from kundenwert.families.protocol import Compiles
from kundenwert.inference.compression import Fit, Part, Problem
from kundenwert.inference.density import DEAR, Density, distinct_modes
from kundenwert.inference.diagnostics import MAX_PARETO_K
from kundenwert.inference.posterior import Posterior
from kundenwert.inference.proposals import Drawn, Proposal
from kundenwert.inference.protocol import Progress, RefusedError, part_by_part
from kundenwert.inference.surrogate import quartic
from kundenwert.names import EngineName
from kundenwert.streams import stream_seed

WIDE_FREEDOM = 4.0
WIDENED = 9.0  # the wide proposal's variance, where the data decide, as a multiple of the mode's
SPARE = 1.25  # effective draws aimed at, for each draw asked for
GOOD_K = 0.5
MOST_ROUNDS = 6
CUTS = special.ndtri(np.arange(1, 8) / 8)  # of each standardised axis into eight parts


@dataclass(frozen=True)
class Sampled:
    """Equal-weight draws of one fit, and what the weights were like.

    Parameters
    ----------
    u : (coordinate, draw).
    pareto_k : of the largest weights.
    effective : independent draws that the weights are worth, before resampling.
    evaluations : of the likelihood.
    residual : root mean square difference between the surrogate, where one was used, and the log density; in nats.
    """

    u: FloatArray
    pareto_k: float
    effective: float
    evaluations: int
    residual: float = 0.0


@dataclass(frozen=True)
class Importance:
    """Adaptive importance sampling, for families that bring compiled code, without a hierarchy over cohorts.

    Parameters
    ----------
    draws : equal-weight draws that come out.
    max_pareto_k : beyond it the weights cannot be trusted (Vehtari et al. 2024).
    surrogate : whether a quartic may stand in for the log density where it fits and evaluations are dear.
    """

    draws: int = 4000
    max_pareto_k: float = MAX_PARETO_K
    surrogate: bool = True

    def __post_init__(self) -> None:
        if self.draws < 16:
            raise UsageError(f"{self.draws} draws are too few to describe a posterior. Take 1000 or more.")

    @property
    def name(self) -> str:
        """What the manifest calls it."""
        return EngineName.IMPORTANCE.value

    def sample(self, problem: Problem, seed: int, progress: Progress | None) -> Posterior:
        """Draws of every cohort; a `RefusedError` where the weights cannot be trusted."""
        return part_by_part(self, problem, seed, progress)

    def sample_part(
        self, part: Part, seed: int, progress: Progress | None = None
    ) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """One family: parameters as (1, draw, cohort), and `pareto_k`, `effective`, `evaluations`, `residual` by fit.

        Raises
        ------
        UsageError : the part is hierarchical, or the family brings no compiled code.
        RefusedError : a fit whose weights cannot be trusted; `auto` then takes NUTS.
        """
        if part.hierarchical:
            raise UsageError(
                "engine 'importance' fits cohorts one by one. With pooling = 'partial' take engine 'auto' or 'gibbs'."
            )
        draws: dict[str, list[FloatArray]] = {name: [] for name in part.family.parameters}
        found = []
        for index, fit in enumerate(part.fits):
            density = fit_density(part, fit)
            rng = np.random.Generator(np.random.Philox(stream_seed(seed, part.role, fit.label)))
            try:
                sampled = self._judged(density, rng)
            except (RefusedError, np.linalg.LinAlgError) as error:
                reason = error.reason if isinstance(error, RefusedError) else str(error).lower()
                where = f"importance sampling of the {part.role} model, cohort {fit.label}"
                raise RefusedError(f"{where}: {reason}") from error
            found.append(sampled)
            for name, values in zip(part.family.parameters, density.theta(sampled.u[None])[0], strict=True):
                draws[name].append(values)
            if progress is not None:
                progress(f"fit {part.role}", (index + 1) / len(part.fits))
        figures = {
            name: np.array([getattr(sampled, name) for sampled in found], dtype=np.float64)
            for name in ("pareto_k", "effective", "evaluations", "residual")
        }
        return {name: np.stack(values, axis=-1)[None] for name, values in draws.items()}, figures

    def _judged(self, density: Density, rng: np.random.Generator) -> Sampled:
        sampled = sample_density(density, self.draws, rng, allow_surrogate=self.surrogate)
        if sampled.residual > 0.0 and self._mistake(sampled):  # a quartic can run off beyond where it was tested
            spent = sampled.evaluations
            sampled = sample_density(density, self.draws, rng, allow_surrogate=False)
            sampled = replace(sampled, evaluations=sampled.evaluations + spent)
        if mistake := self._mistake(sampled):
            raise RefusedError(mistake)
        return sampled

    def _mistake(self, sampled: Sampled) -> str:
        if not sampled.pareto_k <= self.max_pareto_k:
            return (
                f"the largest weights have a tail of Pareto k = {sampled.pareto_k:.2f}, more than {self.max_pareto_k:g}"
            )
        if not sampled.effective >= self.draws / 2:
            points = f"{sampled.evaluations:,} points are worth {sampled.effective:,.0f} draws"
            return f"{points}, {self.draws:,} were asked for"
        return ""


def fit_density(part: Part, fit: Fit) -> Density:
    """The posterior density of a fit's cohorts under the part's own priors, without a hierarchy."""
    if not isinstance(part.family, Compiles):
        raise UsageError(f"{part.family.name} brings no compiled code. Use engine = 'nuts'.")
    likelihood = part.family.compiled(fit.rows, len(fit.cohorts))
    return Density.of(part.family, likelihood, fit.scale, part.priors)


@dataclass(frozen=True)
class _Plan:
    """How points are spent.

    Parameters
    ----------
    first : points of the first round.
    wide_first, wide_later : shares of the wide proposals, in the first round and where the tail is good.
    efficiency : what a point of an adapted round is worth, to guess how many it takes.
    freedom : of the proposals that adapt.
    rounds : at least.
    """

    first: int
    wide_first: float
    wide_later: float
    efficiency: float
    freedom: float
    rounds: int


CHEAP_POINTS = _Plan(first=1600, wide_first=0.3, wide_later=0.1, efficiency=0.75, freedom=8.0, rounds=3)
DEAR_POINTS = _Plan(first=600, wide_first=0.3, wide_later=0.05, efficiency=0.85, freedom=16.0, rounds=2)


def sample_density(density: Density, draws: int, rng: np.random.Generator, *, allow_surrogate: bool = True) -> Sampled:
    """Equal-weight draws of a density of one cohort.

    Parameters
    ----------
    density : of one cohort.
    draws : wanted.
    """
    peaks = distinct_modes(density)
    size = density.shape[1]
    plan = CHEAP_POINTS if density.cost < DEAR else DEAR_POINTS
    reach = 12.0 * np.sqrt(np.linalg.inv(peaks.precision)[:, range(size), range(size)])
    density = density.prepared((peaks.u - reach).min(axis=0)[None], (peaks.u + reach).max(axis=0)[None])
    stand_in = quartic(density, peaks, rng) if allow_surrogate and len(peaks.u) == 1 else None

    near = [_proposal(u, precision, plan.freedom) for u, precision in zip(peaks.u, peaks.precision, strict=True)]
    wide = [_widened(u, precision, density) for u, precision in zip(peaks.u, peaks.precision, strict=True)]
    # The wide proposals learn too, and find the shoulders that a single t does not have.
    learning = [*near, *wide]
    shares = np.full(len(learning), 1.0 / len(learning))
    drawn, count, wide_share = Drawn(stand_in or density, rng), plan.first, plan.wide_first
    for rounds in range(1, MOST_ROUNDS + 1):
        split = [*(count * (1.0 - wide_share) * shares), *[count * wide_share / len(wide)] * len(wide)]
        drawn.add([*learning, *wide], split)
        weights, k = drawn.weights()
        effective = 1.0 / float(weights @ weights)
        if effective >= SPARE * draws and k <= GOOD_K and rounds >= plan.rounds:
            break
        learning, shares = adapted(learning, shares, drawn.u, weights, drawn.log_density(learning))
        missing = max(SPARE * draws - effective, 0.0 if rounds == 1 else 0.2 * draws) / plan.efficiency
        count = round(missing if rounds + 1 >= plan.rounds else missing / 3) + 100
        wide_share = plan.wide_later if k <= GOOD_K else plan.wide_first
    u = drawn.u
    return Sampled(
        u=u[:, resampled(u, weights, draws, rng)],
        pareto_k=k,
        effective=effective,
        evaluations=u.shape[1] if stand_in is None else stand_in.evaluations + int(stand_in.beyond(u[None]).sum()),
        residual=0.0 if stand_in is None else stand_in.residual,
    )


def adapted(
    proposals: Sequence[Proposal], shares: FloatArray, u: FloatArray, weights: FloatArray, log_density: FloatArray
) -> tuple[list[Proposal], FloatArray]:
    """One step of expectation and maximization of a mixture towards weighted points (Cappe et al. 2008).

    Scales become covariances, as if the parts were normal.

    Parameters
    ----------
    u, weights : points (coordinate, point) and their weights, which sum to 1.
    log_density : of the points under each proposal, (proposal, point).
    """
    log_parts = np.log(shares)[:, None] + log_density
    parts = np.exp(log_parts - log_parts.max(axis=0))
    parts *= weights / parts.sum(axis=0)
    new = []
    for part, before in zip(parts, proposals, strict=True):
        mass = part.sum()
        if not mass > 0.0:
            new.append(before)
            continue
        centre = (u @ part) / mass
        away = u - centre[:, None]
        try:
            factor = np.linalg.cholesky((part * away) @ away.T / mass)
        except np.linalg.LinAlgError:  # all weight on a few points: keep what there is
            new.append(before)
            continue
        new.append(Proposal(centre, factor, before.freedom))
    total = np.maximum(parts.sum(axis=1), 1e-3)
    return new, total / total.sum()


def resampled(u: FloatArray, weights: FloatArray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Systematic resampling along a curve that fills the space: points in whose places `draws` equal ones stand.

    Along the curve neighbours are alike, so rounding a weight to whole draws takes from one point what it gives to
    another like it. On the CDNOW sample 4,000 draws are worth 4,200 to 5,100 independent ones that way, and 3,300 to
    4,100 in any other order.
    """
    away = u - (u @ weights)[:, None]
    try:
        white = np.linalg.solve(np.linalg.cholesky((weights * away) @ away.T), away)
    except np.linalg.LinAlgError:  # all weight on a few points: any order does, and the engine refuses these draws
        white = away
    cell = np.zeros(weights.size, dtype=np.int64)
    for along in white[:-1]:
        step = np.searchsorted(CUTS, along)
        cell = cell * (CUTS.size + 1) + np.where(cell % 2 == 1, CUTS.size - step, step)  # turn back at each end
    curve = np.lexsort((np.where(cell % 2 == 1, -white[-1], white[-1]), cell))
    ticks = (np.arange(draws) + rng.random()) / draws
    cumulative = np.cumsum(weights[curve])
    chosen = np.searchsorted(cumulative, ticks * cumulative[-1], side="right")
    return rng.permutation(curve[np.minimum(chosen, weights.size - 1)])


def _proposal(centre: FloatArray, precision: FloatArray, freedom: float) -> Proposal:
    return Proposal(centre, np.linalg.cholesky(np.linalg.inv(precision)), freedom)


def _widened(centre: FloatArray, precision: FloatArray, density: Density) -> Proposal:
    """A proposal three times as wide as the mode where the data decide, and as wide as the prior elsewhere.

    With few customers the likelihood is flat on one side of the mode, the posterior has the prior's tail there, and a
    proposal made from curvature never goes to see: weights look well-behaved and the tail is missing.
    """
    prior = np.diag(density.precision[0])
    return _proposal(centre, (precision - prior) / WIDENED + prior, WIDE_FREEDOM)
