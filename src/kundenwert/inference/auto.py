"""The default engine: the fast one that fits the problem where its own checks pass, NUTS where they do not."""

from dataclasses import dataclass, replace

from kundenwert.families.protocol import Compiles
from kundenwert.inference.compression import Problem
from kundenwert.inference.gibbs import Gibbs
from kundenwert.inference.importance import Importance
from kundenwert.inference.posterior import Posterior
from kundenwert.inference.protocol import Engine, Progress, RefusedError
from kundenwert.names import EngineName, Pooling


@dataclass(frozen=True)
class Auto:
    """Importance sampling without a hierarchy, blocked Gibbs with one, and NUTS where either refuses.

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
        quick: Engine = Gibbs(self.draws) if problem.pooling is Pooling.PARTIAL else Importance(self.draws)
        try:
            posterior = quick.sample(problem, seed, progress)
        except RefusedError as refused:
            return self._by_nuts(problem, seed, progress, refused.reason)
        return _noted(posterior, _measured(posterior))

    def _by_nuts(self, problem: Problem, seed: int, progress: Progress | None, reason: str) -> Posterior:
        from kundenwert.inference.engines import Nuts

        return _noted(Nuts(self.draws).sample(problem, seed, progress), reason)


def _noted(posterior: Posterior, reason: str) -> Posterior:
    note = f"engine auto chose {posterior.engine}: {reason}"
    return replace(posterior, choices=(*posterior.choices, note))


def _measured(posterior: Posterior) -> str:
    """The figures that the chosen engine passed by."""

    def worst(figure: str) -> list[float]:
        return [float(v) for name, values in posterior.sample_stats.items() if name.endswith(figure) for v in values]

    if posterior.engine == EngineName.IMPORTANCE:
        k = max(max(worst("_pareto_k")), 0.0)
        return f"Pareto k of its weights at most {k:.2f}, worth at least {min(worst('_effective')):,.0f} draws"
    single, joint = min(worst("_acceptance_cohort")), min(worst("_acceptance_joint"))
    return f"at least {single:.2f} of each cohort's moves accepted, and {joint:.2f} of those of all together"
