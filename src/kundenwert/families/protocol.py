"""What a family of models says and must be able to do: the seam at which another model enters.

A family is array algebra without data: likelihood, conjugate individual posterior, predictions given parameters,
default priors as data. `theta` maps parameter names to arrays (or scalars) and everything broadcasts as in NumPy.
Cohorts appear only in the compressed likelihood, where parameters are vectors over cohorts.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from kundenwert.errors import UsageError
from kundenwert.families.arithmetic import FloatArray, IntArray

type Theta = Mapping[str, npt.ArrayLike]
type Rows = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class NormalPrior:
    """A normal prior of one unconstrained coordinate, as data.

    >>> NormalPrior.from_dict({"dist": "normal", "mean": 0.0, "sd": 1.5}).to_dict()
    {'dist': 'normal', 'mean': 0.0, 'sd': 1.5}
    """

    mean: float
    sd: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.sd) and self.sd > 0):
            raise UsageError(
                f"a normal prior needs a finite mean and a finite sd > 0, not mean={self.mean!r}, sd={self.sd!r}."
            )

    def to_dict(self) -> dict[str, str | float]:
        """The prior as a spec writes it."""
        return {"dist": "normal", "mean": self.mean, "sd": self.sd}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "NormalPrior":
        """A prior from `{dist = "normal", mean = ..., sd = ...}`; anything else is a `UsageError`."""
        unknown = sorted(set(data) - {"dist", "mean", "sd"})
        missing = sorted({"mean", "sd"} - set(data))
        if data.get("dist", "normal") != "normal" or unknown or missing:
            raise UsageError(f'prior {dict(data)!r} cannot be read. Write {{dist = "normal", mean = 0.0, sd = 1.5}}.')
        try:
            mean, sd = float(data["mean"]), float(data["sd"])
        except (TypeError, ValueError):
            raise UsageError(f"prior {dict(data)!r} cannot be read: mean and sd must be numbers.") from None
        return cls(mean, sd)


@dataclass(frozen=True)
class Individual:
    """The exact posterior of one customer's purchase rate and dropout probability, given parameters.

    With probability `p_alive` the customer is alive: rate ~ Gamma(rate_shape, rate=rate_alive) and dropout ~
    Beta(*dropout_alive), independent. Otherwise Gamma(rate_shape, rate=rate_dead) and Beta(*dropout_dead). Where
    `p_alive` is 1 the second part has no weight and its shapes are merely valid. All fields have the broadcast shape
    of parameters and data; rates are in the time unit of the data. Source: docs/statistics.md, Individual posterior.
    """

    p_alive: FloatArray
    rate_shape: FloatArray
    rate_alive: FloatArray
    rate_dead: FloatArray
    dropout_alive: tuple[FloatArray, FloatArray]
    dropout_dead: tuple[FloatArray, FloatArray]


class Family(Protocol):
    """What purchase and spend families have in common; a family is a hashable value."""

    def __hash__(self) -> int: ...

    @property
    def name(self) -> str: ...
    @property
    def parameters(self) -> tuple[str, ...]: ...
    @property
    def coordinates(self) -> tuple[str, ...]: ...
    @property
    def default_priors(self) -> Mapping[str, NormalPrior]: ...

    def constrain(self, u: Mapping[str, Any], scale: Any, xp: Any = np) -> dict[str, Any]: ...
    def unconstrain(self, theta: Theta, scale: npt.ArrayLike) -> dict[str, FloatArray]: ...
    def compressed_log_likelihood(self, theta: Mapping[str, Any], rows: Mapping[str, Any], xp: Any = np) -> Any: ...


class CompiledLikelihood(Protocol):
    """A log-likelihood as compiled code, over the rows of one or more cohorts."""

    @property
    def n_cohorts(self) -> int: ...

    @property
    def costs(self) -> IntArray:
        """What one point costs by cohort, in row evaluations of about a nanosecond."""

    @property
    def arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """All data that the kernels read, in their order; names, types and dimensions are those of the class."""

    @property
    def kernels(self) -> tuple[Callable[..., None], Callable[..., None]]:
        """Numba functions `(arrays, theta, first, last, value, gradient)` and the same with `hessian` at the end.

        They fill their last arguments for cohorts first .. last at theta (cohort, parameter), `arrays` being a tuple.
        """

    def values(self, theta: FloatArray) -> FloatArray:
        """(cohort, parameter, point) -> (cohort, point); -inf or NaN where a parameter is none."""

    def derivatives(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(cohort, parameter) -> value (cohort,), gradient and Hessian with respect to the parameters."""

    def prepared(self, low: FloatArray, high: FloatArray) -> "CompiledLikelihood":
        """The same function, faster for points between two (cohort, parameter) corners and exact everywhere."""


@runtime_checkable
class Compiles(Protocol):
    """A family that brings compiled code, with which every engine is faster and some are possible at all."""

    def compiled(self, rows: Mapping[str, Any], n_cohorts: int) -> CompiledLikelihood: ...


@runtime_checkable
class PurchaseFamily(Family, Protocol):
    """When customers buy and when they stop: data are repeats x, recency t_x and age T."""

    def log_likelihood(self, theta: Theta, x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike) -> FloatArray: ...
    def compress(
        self, x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike, cohort: npt.ArrayLike, n_cohorts: int
    ) -> Rows: ...
    def log_odds_dead(self, theta: Theta, x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike) -> FloatArray: ...
    def p_alive(self, theta: Theta, x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike) -> FloatArray: ...
    def individual(self, theta: Theta, x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike) -> Individual: ...
    def expected_purchases(
        self,
        theta: Theta,
        x: npt.ArrayLike,
        t_x: npt.ArrayLike,
        T: npt.ArrayLike,
        horizon: npt.ArrayLike,
        discount: npt.ArrayLike = 0.0,
    ) -> FloatArray: ...
    def p_no_purchase(
        self, theta: Theta, x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike, horizon: npt.ArrayLike
    ) -> FloatArray: ...
    def survival(self, theta: Theta, x: npt.ArrayLike, T: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray: ...
    def expected_purchases_new(self, theta: Theta, t: npt.ArrayLike) -> FloatArray: ...
    def purchase_distribution_new(self, theta: Theta, n: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray: ...
    def purchase_distribution(
        self,
        theta: Theta,
        n: npt.ArrayLike,
        x: npt.ArrayLike,
        t_x: npt.ArrayLike,
        T: npt.ArrayLike,
        horizon: npt.ArrayLike,
    ) -> FloatArray: ...
    def simulate(self, theta: Theta, T: npt.ArrayLike, rng: np.random.Generator) -> tuple[IntArray, FloatArray]: ...
    def simulate_times(
        self, theta: Theta, T: npt.ArrayLike, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray]: ...
    def simulate_individuals(
        self, theta: Theta, shape: tuple[int, ...], rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]: ...


@runtime_checkable
class SpendFamily(Family, Protocol):
    """What an order is worth: data are the number of order days n and their mean amount zbar."""

    def log_likelihood(self, theta: Theta, n: npt.ArrayLike, zbar: npt.ArrayLike) -> FloatArray: ...
    def compress(self, n: npt.ArrayLike, zbar: npt.ArrayLike, cohort: npt.ArrayLike, n_cohorts: int) -> Rows: ...
    def individual(self, theta: Theta, n: npt.ArrayLike, spend: npt.ArrayLike) -> tuple[FloatArray, FloatArray]: ...
    def expected_spend(self, theta: Theta, n: npt.ArrayLike, spend: npt.ArrayLike) -> FloatArray: ...
    def simulate(self, theta: Theta, n: npt.ArrayLike, rng: np.random.Generator) -> FloatArray: ...
