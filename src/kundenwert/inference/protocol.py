"""What an engine is: the seam at which another way of computing a posterior enters."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from kundenwert.errors import NumericalError

if TYPE_CHECKING:
    from kundenwert.inference.compression import Problem
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


class RefusedError(NumericalError):
    """An engine found that its own draws cannot be trusted.

    Parameters
    ----------
    reason : what it measured, and against which limit; without a full stop.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}. Use engine = 'nuts', or 'auto', which takes it by itself.")
