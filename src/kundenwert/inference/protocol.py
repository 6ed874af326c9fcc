"""What an engine is: the seam at which another way of computing a posterior enters."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from kundenwert.errors import NumericalError
from kundenwert.families.arithmetic import FloatArray

if TYPE_CHECKING:
    from kundenwert.inference.compression import Part, Problem
    from kundenwert.inference.posterior import Posterior

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of it that is finished, from 0 to 1."""


class Engine(Protocol):
    """A way to turn a problem into a posterior."""

    @property
    def name(self) -> str:
        """What the manifest calls it."""

    def sample(self, problem: "Problem", seed: int, progress: Progress | None) -> "Posterior":
        """Posterior draws of every parameter of every cohort."""


class PartEngine(Engine, Protocol):
    """An engine that samples the families one after the other, for they share no parameter."""

    def sample_part(
        self, part: "Part", seed: int, progress: Progress | None = None
    ) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """Draws of one family by name, (chain, draw, cohort), and the engine's figures about them."""


def part_by_part(engine: PartEngine, problem: "Problem", seed: int, progress: Progress | None) -> "Posterior":
    """The posterior of a problem whose parts an engine samples one by one; figures are named by role."""
    from kundenwert.inference.posterior import Posterior

    draws: dict[str, FloatArray] = {}
    stats: dict[str, FloatArray] = {}
    for part in problem.parts:
        of_part, figures = engine.sample_part(part, seed, progress)
        draws |= of_part
        stats |= {f"{part.role}_{name}": values for name, values in figures.items()}
    return Posterior.assemble(problem, draws, stats, engine=engine.name, seed=seed)


class RefusedError(NumericalError):
    """An engine found that its own draws cannot be trusted.

    Parameters
    ----------
    reason : what it measured, and against which limit; without a full stop.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}. Use engine = 'nuts', or 'auto', which takes it by itself.")
