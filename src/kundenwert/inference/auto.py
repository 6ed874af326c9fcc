"""The default engine: the fast one that fits the problem where its own checks pass, NUTS where they do not."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kundenwert.families.arithmetic import FloatArray
from kundenwert.families.protocol import Compiles
from kundenwert.inference.compression import Problem
from kundenwert.inference.gibbs import Gibbs
from kundenwert.inference.importance import Importance
from kundenwert.inference.posterior import Posterior
from kundenwert.inference.protocol import Progress, RefusedError
from kundenwert.names import EngineName, Pooling

type FitDraws = tuple[dict[str, FloatArray], dict[str, FloatArray]]
"""Draws of one fit by name, (chain, draw, cohort), and the engine's figures about them."""
type Key = tuple[str, str]
"""Role of a part and label of a fit."""


@dataclass(frozen=True)
class Auto:
    """Importance sampling without a hierarchy, blocked Gibbs with one, and NUTS where either refuses.

    Fits share no parameter and are judged one by one: NUTS samples those that are refused, and no others. The
    posterior's `choices` say what was taken, and why.

    Parameters
    ----------
    draws : draws over all chains.
    """

    draws: int = 4000

    @property
    def name(self) -> str:
        """What a spec calls it; a posterior carries the name of the engine that was chosen."""
        return EngineName.AUTO.value

    def sample(self, problem: Problem, seed: int, progress: Progress | None) -> Posterior:
        """Posterior draws by the engine that was chosen."""
        quick: Gibbs | Importance = (Gibbs if problem.pooling is Pooling.PARTIAL else Importance)(self.draws)
        sampled: dict[Key, FitDraws] = {}
        refused: dict[Key, str] = {}
        for part in problem.parts:
            for index, fit in enumerate(part.fits):
                try:
                    if not isinstance(part.family, Compiles):
                        raise RefusedError(f"{part.family.name} brings no compiled likelihood")
                    own = progress if part.hierarchical else None
                    sampled[part.role, fit.label] = quick.sample_part(replace(part, fits=(fit,)), seed, own)
                except RefusedError as error:
                    refused[part.role, fit.label] = error.reason
                if progress is not None:
                    progress(f"fit {part.role}", (index + 1) / len(part.fits))
        if not refused:
            return _joined(problem, sampled, quick.name, seed, _passed(quick.name, sampled))
        reason = _several(list(refused.values()))
        slow = self._by_nuts(problem, refused, seed, progress)
        if not sampled:
            return _joined(problem, slow, EngineName.NUTS.value, seed, reason)
        reason = (
            f"{_passed(quick.name, sampled)}; nuts for {len(refused)} of {len(refused) + len(sampled)} fits: {reason}"
        )
        together = _as_chains(sampled, slow)
        return _joined(problem, together, f"{quick.name} and {EngineName.NUTS}", seed, reason)

    def _by_nuts(
        self, problem: Problem, wanted: Container[Key], seed: int, progress: Progress | None
    ) -> dict[Key, FitDraws]:
        from kundenwert.inference.engines import Nuts

        nuts = Nuts(self.draws)
        return {
            (part.role, fit.label): nuts.sample_part(replace(part, fits=(fit,)), seed, progress)
            for part in problem.parts
            for fit in part.fits
            if (part.role, fit.label) in wanted
        }


def _as_chains(sampled: Mapping[Key, FitDraws], slow: Mapping[Key, FitDraws]) -> dict[Key, FitDraws]:
    """All fits in as many chains of the same length: draws that were judged before are dealt out to those of NUTS."""
    chains, length = next(iter(next(iter(slow.values()))[0].values())).shape[:2]
    length = min(
        length,
        *(values.shape[0] * values.shape[1] // chains for draws, _ in sampled.values() for values in draws.values()),
    )
    dealt: dict[Key, FitDraws] = {}
    for key, (draws, figures) in sampled.items():
        flat = {name: values.reshape(-1, *values.shape[2:])[: chains * length] for name, values in draws.items()}
        dealt[key] = {name: values.reshape(chains, length, *values.shape[1:]) for name, values in flat.items()}, figures
    for key, (draws, figures) in slow.items():
        dealt[key] = {k: v[:, :length] for k, v in draws.items()}, {k: v[:, :length] for k, v in figures.items()}
    return dealt


def _joined(problem: Problem, sampled: Mapping[Key, FitDraws], engine: str, seed: int, reason: str) -> Posterior:
    """One posterior of all fits, figures named by role, with what was chosen and why.

    A figure that another engine does not have is NaN, or 0 where it counts something, for the fits of that engine.
    """
    draws: dict[str, FloatArray] = {}
    stats: dict[str, FloatArray] = {}
    for part in problem.parts:
        fits = [sampled[part.role, fit.label] for fit in part.fits]
        draws |= {name: np.concatenate([one[name] for one, _ in fits], axis=-1) for name in fits[0][0]}
        for name, values in {name: values for _, figures in fits for name, values in figures.items()}.items():
            nothing = np.full_like(values, np.nan if values.dtype.kind == "f" else 0)
            stats[f"{part.role}_{name}"] = np.concatenate([one.get(name, nothing) for _, one in fits], axis=-1)
    posterior = Posterior.assemble(problem, draws, stats, engine=engine, seed=seed)
    return replace(posterior, choices=(*posterior.choices, f"engine auto chose {engine}: {reason}"))


def _several(reasons: Sequence[str]) -> str:
    """The first reason, and how many more there are."""
    more = len(reasons) - 1
    return reasons[0] + (f"; and {more} more fit{'s' if more > 1 else ''}" if more else "")


def _passed(engine: str, sampled: Mapping[Key, FitDraws]) -> str:
    """The figures that the quick engine passed by."""
    figures = [one for _, one in sampled.values()]

    def least(name: str) -> float:
        return min(float(one[name].min()) for one in figures)

    def most(name: str) -> float:
        return max(float(one[name].max()) for one in figures)

    if engine == EngineName.IMPORTANCE:
        k = max(most("pareto_k"), 0.0)
        return f"Pareto k of its weights at most {k:.2f}, worth at least {least('effective'):,.0f} draws"
    single, joint = least("acceptance_cohort"), least("acceptance_joint")
    return (
        f"at least {single:.2f} of each cohort's moves accepted, {joint:.2f} of those of all together, "
        f"R-hat at most {most('rhat'):.3f}"
    )
