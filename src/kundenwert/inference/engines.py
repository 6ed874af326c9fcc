"""NUTS by nutpie, and the engines by name."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from kundenwert.errors import UsageError
from kundenwert.families.arithmetic import FloatArray
from kundenwert.families.protocol import NormalPrior
from kundenwert.inference.compression import Fit, Part, Problem, Role
from kundenwert.inference.graph import fit_data, part_model, stored_names
from kundenwert.inference.posterior import Posterior
from kundenwert.inference.protocol import Engine, Progress, part_by_part
from kundenwert.inference.starts import spread_starts
from kundenwert.names import EngineName
from kundenwert.streams import stream_seed


@dataclass(frozen=True)
class Nuts:
    """The No-U-Turn sampler (Hoffman, Gelman 2014) as nutpie implements it, on the PyMC graph.

    Parameters
    ----------
    draws : draws over all chains together.
    chains : independent chains.
    tune : warm-up iterations a chain.
    target_accept : acceptance probability that the step size is tuned to; None takes 0.975 under partial pooling
        (the hierarchy needs it) and 0.8 elsewhere.
    cores : chains sampled at once; None takes what the machine has.
    """

    draws: int = 4000
    chains: int = 4
    tune: int = 1000
    target_accept: float | None = None
    cores: int | None = None

    def __post_init__(self) -> None:
        if self.chains < 2:
            raise UsageError(f"{self.chains} chain cannot show that chains agree. Take at least 2, better 4.")
        if self.draws < self.chains * 4:
            raise UsageError(f"{self.draws} draws over {self.chains} chains are too few to judge. Take 1000 or more.")

    @property
    def name(self) -> str:
        """What the manifest calls it."""
        return EngineName.NUTS.value

    def sample(self, problem: Problem, seed: int, progress: Progress | None) -> Posterior:
        """Posterior draws; one compilation a family, whatever the number of cohorts."""
        return part_by_part(self, problem, seed, progress)

    def sample_part(
        self, part: Part, seed: int, progress: Progress | None = None
    ) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """One family: parameters (chain, draw, cohort), `mu_*` and `sd_*` (chain, draw) under partial pooling.

        The figures are `diverging` and `n_steps`, (chain, draw, fit).
        """
        import nutpie

        names = stored_names(part)
        cohorts = len(part.fits[0].cohorts)
        compiled = _compiled(part.role, part.family, tuple(part.priors.items()), part.hierarchical, cohorts)
        accept = self.target_accept or (0.975 if part.hierarchical else 0.8)
        wanted = math.ceil(self.draws / self.chains)
        collected: dict[str, list[np.ndarray]] = {name: [] for name in names}
        divergences, steps = [], []
        for index, fit in enumerate(part.fits):
            model = compiled.with_data(**fit_data(part, fit))
            start = spread_starts(part, fit)
            tree = nutpie.sample(
                model if start is None else replace(model, initial_point_func=start),
                draws=wanted,
                tune=self.tune,
                chains=self.chains,
                cores=self.cores or min(self.chains, os.cpu_count() or 1),
                seed=stream_seed(seed, part.role, fit.label),
                target_accept=accept,
                save_warmup=False,
                progress_bar=False,
                progress_callback=_chain_progress(part, index, progress),
            )
            group = tree["posterior"]
            if group.sizes["draw"] < wanted:
                # nutpie answers Ctrl-C with the draws it has; half a posterior must not look like a whole one.
                raise KeyboardInterrupt
            if progress is not None:
                progress(f"fit {part.role}", (index + 1) / len(part.fits))
            for name in names:
                collected[name].append(group[name].to_numpy())
            divergences.append(tree["sample_stats"]["diverging"].to_numpy())
            steps.append(tree["sample_stats"]["n_steps"].to_numpy())
        joined = {
            name: np.concatenate(values, axis=-1) if values[0].ndim == 3 else values[0]
            for name, values in collected.items()
        }
        return joined, {"diverging": np.stack(divergences, axis=-1), "n_steps": np.stack(steps, axis=-1)}


@lru_cache(maxsize=8)
def _compiled(
    role: Role, family: Any, priors: tuple[tuple[str, NormalPrior], ...], hierarchical: bool, cohorts: int
) -> Any:
    """nutpie's compiled model. Nothing of the data is in it, so it serves every fit of this shape in this process."""
    import nutpie

    one = np.ones(1)
    shapes = {"purchase": (one, one, one), "spend": (one, one)}[role]
    rows = family.compress(*shapes, np.zeros(1, dtype=np.int64), cohorts)
    fit = Fit("any", tuple(map(str, range(cohorts))), rows, 1.0)
    part = Part(role, family, dict(priors), hierarchical, (fit,))
    return nutpie.compile_pymc_model(part_model(part, fit), var_names=list(stored_names(part)))


def get_engine(name: str, draws: int) -> Engine:
    """The engine of a name; `auto` chooses, and the posterior says what it chose and why."""
    from kundenwert.inference.auto import Auto
    from kundenwert.inference.gibbs import Gibbs
    from kundenwert.inference.importance import Importance

    engines: dict[str, Callable[[int], Engine]] = {
        EngineName.AUTO: Auto,
        EngineName.NUTS: Nuts,
        EngineName.IMPORTANCE: Importance,
        EngineName.GIBBS: Gibbs,
    }
    if name not in engines:
        raise UsageError(f"engine {name!r} is not known. Use {', '.join(engines)}, or pass an engine object.")
    return engines[name](draws)


def _chain_progress(part: Part, index: int, progress: Progress | None) -> Callable[[list[Any]], None] | None:
    """nutpie's progress, called from a thread of its own, as a share of the whole part."""
    if progress is None:
        return None
    fits, role = len(part.fits), part.role

    def callback(chains: list[Any]) -> None:
        total = sum(chain.total_draws for chain in chains)
        done = sum(chain.finished_draws for chain in chains)
        progress(f"fit {role}", (index + (done / total if total else 0.0)) / fits)

    return callback
