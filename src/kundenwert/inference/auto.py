"""The default engine: the fast one that fits the problem where its own checks pass, NUTS where they do not."""

from collections.abc import Mapping, Sequence
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

type Sampled = tuple[dict[str, FloatArray], dict[str, FloatArray]]
"""Draws of one fit by name, (chain, draw, cohort), and the engine's figures about them."""


@dataclass(frozen=True)
class Auto:
    """Importance sampling without a hierarchy, blocked Gibbs with one, and NUTS where either refuses.

    Fits that share nothing are judged one by one: where importance sampling refuses some, NUTS samples those.

    The posterior's `choices` say what was taken, and why.

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
        plain = [part.family.name for part in problem.parts if not isinstance(part.family, Compiles)]
        if plain:
            return self._by_nuts(problem, seed, progress, f"{' and '.join(plain)} brings no compiled likelihood")
        if problem.pooling is not Pooling.PARTIAL:
            return self._fit_by_fit(problem, seed, progress)
        try:
            posterior = Gibbs(self.draws).sample(problem, seed, progress)
        except RefusedError as refused:
            return self._by_nuts(problem, seed, progress, refused.reason)
        return _noted(posterior, _accepted(posterior))

    def _by_nuts(self, problem: Problem, seed: int, progress: Progress | None, reason: str) -> Posterior:
        from kundenwert.inference.engines import Nuts

        return _noted(Nuts(self.draws).sample(problem, seed, progress), reason)

    def _fit_by_fit(self, problem: Problem, seed: int, progress: Progress | None) -> Posterior:
        quick = Importance(self.draws)
        sampled: dict[tuple[str, str], Sampled] = {}
        refused: dict[tuple[str, str], RefusedError] = {}
        for part in problem.parts:
            for index, fit in enumerate(part.fits):
                try:
                    sampled[part.role, fit.label] = quick.sample_part(replace(part, fits=(fit,)), seed)
                except RefusedError as error:
                    refused[part.role, fit.label] = error
                if progress is not None:
                    progress(f"fit {part.role}", (index + 1) / len(part.fits))
        reasons = [error.reason for error in refused.values()]
        if not sampled:
            return self._by_nuts(problem, seed, progress, _several(reasons))
        measured = _measured([figures for _, figures in sampled.values()])
        if not refused:
            return _noted(_joined(problem, sampled, EngineName.IMPORTANCE, seed), measured)
        sampled = self._mixed(problem, sampled, seed, progress)
        posterior = _joined(problem, sampled, f"{EngineName.IMPORTANCE} and {EngineName.NUTS}", seed)
        return _noted(posterior, f"{measured}; nuts for {len(refused)} of {len(sampled)} fits: {_several(reasons)}")

    def _mixed(
        self, problem: Problem, sampled: Mapping[tuple[str, str], Sampled], seed: int, progress: Progress | None
    ) -> dict[tuple[str, str], Sampled]:
        """Every fit as chains of NUTS: what is missing is sampled by it, independent draws are dealt out to chains.

        Weights were judged before; of all fits together chains are what can still be compared.
        """
        from kundenwert.inference.engines import Nuts

        nuts = Nuts(self.draws)
        length = self.draws // nuts.chains
        found: dict[tuple[str, str], Sampled] = {}
        for part in problem.parts:
            for fit in part.fits:
                key = part.role, fit.label
                if key not in sampled:
                    draws, figures = nuts.sample_part(replace(part, fits=(fit,)), seed, progress)
                    found[key] = _cut(draws, length), _cut(figures, length)
                    continue
                dealt = {
                    name: values[:, : nuts.chains * length].reshape(nuts.chains, length, -1)
                    for name, values in sampled[key][0].items()
                }
                shape = (nuts.chains, length, 1)
                found[key] = (
                    dealt,
                    {"diverging": np.zeros(shape, dtype=bool), "n_steps": np.zeros(shape, dtype=np.int64)},
                )
        return found


def _cut(arrays: Mapping[str, FloatArray], length: int) -> dict[str, FloatArray]:
    """The first draws of every chain, of arrays (chain, draw, ...)."""
    return {name: values[:, :length] for name, values in arrays.items()}


def _joined(problem: Problem, sampled: Mapping[tuple[str, str], Sampled], engine: str, seed: int) -> Posterior:
    """One posterior of all fits, figures named by role."""
    draws: dict[str, FloatArray] = {}
    stats: dict[str, FloatArray] = {}
    for part in problem.parts:
        fits = [sampled[part.role, fit.label] for fit in part.fits]
        draws |= {name: np.concatenate([one[name] for one, _ in fits], axis=-1) for name in fits[0][0]}
        stats |= {f"{part.role}_{name}": np.concatenate([one[name] for _, one in fits], axis=-1) for name in fits[0][1]}
    return Posterior.assemble(problem, draws, stats, engine=engine, seed=seed)


def _noted(posterior: Posterior, reason: str) -> Posterior:
    note = f"engine auto chose {posterior.engine}: {reason}"
    return replace(posterior, choices=(*posterior.choices, note))


def _several(reasons: Sequence[str]) -> str:
    """The first reason, and how many more there are."""
    more = len(reasons) - 1
    return reasons[0] + (f"; and {more} more fit{'s' if more > 1 else ''}" if more else "")


def _measured(figures: Sequence[Mapping[str, FloatArray]]) -> str:
    """The figures that importance sampling passed by."""
    k = max(0.0, *(float(one["pareto_k"].max()) for one in figures))
    effective = min(float(one["effective"].min()) for one in figures)
    return f"Pareto k of its weights at most {k:.2f}, worth at least {effective:,.0f} draws"


def _accepted(posterior: Posterior) -> str:
    """The figures that Gibbs sampling passed by."""
    single, joint = (
        min(float(v.min()) for name, v in posterior.sample_stats.items() if name.endswith(figure))
        for figure in ("_acceptance_cohort", "_acceptance_joint")
    )
    return f"at least {single:.2f} of each cohort's moves accepted, and {joint:.2f} of those of all together"
