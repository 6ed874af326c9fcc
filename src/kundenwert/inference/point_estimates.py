"""Maximum likelihood of one family over one group of customers: the point estimate beside the posterior.

It answers questions that a posterior with a prior cannot: what do these data alone say, does the optimum exist, and is
the unconstrained q of Gamma-Gamma above 1? Source: docs/statistics.md, section Maximum likelihood.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize

from kundenwert.errors import DataError, UsageError, Violation
from kundenwert.families import get_family
from kundenwert.families.arithmetic import FloatArray
from kundenwert.families.protocol import PurchaseFamily, Rows, SpendFamily
from kundenwert.inference.compression import spend_days

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary

_REACH = 12.0  # how far, in logs, a parameter may move away from where the starts lie
_STEP = 2e-3  # of the five-point differences in log parameters: truncation and rounding both near 1e-10
_DECREMENT = 1e-6  # what one more Newton step may still gain in log-likelihood at an optimum
_NEWTON_STEPS = 20
_OFFSETS = ((0.0,), (1.0, -1.0), (-1.0, 1.0))  # added in turn to the unconstrained coordinates of the prior means

_UNBOUNDED = (
    "the likelihood keeps rising while {names} runs off to 0 or infinity: these customers do not identify it. "
    "Use fit(), whose prior does, or pool more customers"
)
_FLAT = (
    "the likelihood is not curved downwards at the best point found: some combination of the parameters is not "
    "identified. Use fit(), or give a start"
)

type _Loss = Callable[[FloatArray], float]


@dataclass(frozen=True, repr=False)
class MaximumLikelihood:
    """The maximum of a likelihood, or the reason why there is none.

    Parameters
    ----------
    family : name of the family.
    estimates : parameter -> value; rates in the time unit of the data, amounts in their currency.
    standard_errors : parameter -> standard error by the delta method from the observed information; NaN where the
        maximum was not reached.
    log_likelihood : at the estimates, summed over customers.
    n_customers : customers who enter (Gamma-Gamma: those with a positive order day).
    converged : whether this is a proper interior maximum.
    message : "" or why it is not one, and what to do.
    """

    family: str
    estimates: Mapping[str, float]
    standard_errors: Mapping[str, float]
    log_likelihood: float
    n_customers: int
    converged: bool
    message: str = ""

    def __repr__(self) -> str:
        values = ", ".join(f"{k}={v:.5g} ({self.standard_errors[k]:.3g})" for k, v in self.estimates.items())
        tail = "" if self.converged else f"; not converged: {self.message}"
        return (
            f"MaximumLikelihood({self.family}: {values}; log-likelihood {self.log_likelihood:.4f}, "
            f"{self.n_customers:,} customers{tail})"
        )


def maximum_likelihood(
    summary: "CustomerSummary | pd.DataFrame",
    family: str = "bgnbd",
    *,
    start: Mapping[str, float] | None = None,
) -> MaximumLikelihood:
    """Maximum-likelihood estimates of one family, all customers sharing one set of parameters.

    Parameters
    ----------
    summary : a customer summary, or a frame with its columns: `frequency`, `recency`, `T` for a purchase family,
        `monetary_value` and `spend_days` (or `frequency`) for a spend family.
    family : "bgnbd", "mbgnbd" or "gamma_gamma". For Gamma-Gamma q > 0 is allowed, unlike in the posterior (q > 1).
    start : parameter -> value to start from, beside the built-in starts.

    Raises
    ------
    DataError : a column is missing, or a history is impossible.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"frequency": [0, 0, 0, 1, 2, 5], "recency": [0, 0, 0, 9.0, 30.0, 25.0], "T": [39.0] * 6})
    >>> maximum_likelihood(frame, "bgnbd").n_customers
    6
    """
    model = get_family(family)
    table = summary if isinstance(summary, pd.DataFrame) else summary.table
    wanted = ["frequency", "recency", "T"] if isinstance(model, PurchaseFamily) else ["frequency", "monetary_value"]
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise DataError("customer summary", [Violation(f"it has no column {', '.join(missing)}")])
    if isinstance(model, PurchaseFamily):
        return maximize_purchases(model, table["frequency"], table["recency"], table["T"], start=start)
    return maximize_spend(model, spend_days(table), table["monetary_value"], start=start)


def maximize_purchases(
    family: PurchaseFamily,
    x: npt.ArrayLike,
    t_x: npt.ArrayLike,
    T: npt.ArrayLike,
    *,
    start: Mapping[str, float] | None = None,
) -> MaximumLikelihood:
    """`maximum_likelihood` of a purchase family over (customer,) arrays in one time unit."""
    age = np.asarray(T, dtype=np.float64)
    rows = family.compress(x, t_x, age, np.zeros(age.size, dtype=np.int64), 1)
    return _maximize(family, rows, age[age > 0], age.size, start)


def maximize_spend(
    family: SpendFamily, n: npt.ArrayLike, zbar: npt.ArrayLike, *, start: Mapping[str, float] | None = None
) -> MaximumLikelihood:
    """`maximum_likelihood` of a spend family over (customer,) order days and mean amounts."""
    days, mean = np.asarray(n, dtype=np.float64), np.asarray(zbar, dtype=np.float64)
    rows = family.compress(days, mean, np.zeros(days.size, dtype=np.int64), 1)
    return _maximize(family, rows, mean[days > 0], int((days > 0).sum()), start)


def _maximize(
    family: PurchaseFamily | SpendFamily,
    rows: Rows,
    scaled_by: FloatArray,
    n_customers: int,
    start: Mapping[str, float] | None,
) -> MaximumLikelihood:
    """Maximize over the logarithms of the parameters from several starts; a Newton iteration finishes the best."""
    if scaled_by.size == 0:
        raise DataError(f"{family.name} by maximum likelihood", [Violation("no customer says anything about it")])
    starts = _starts(family, float(np.median(scaled_by)), start)
    centre = np.mean(starts, axis=0)
    bounds = list(zip(centre - _REACH, centre + _REACH, strict=True))

    def loss(log_theta: FloatArray) -> float:
        # A line search may step to where a parameter overflows: that is infinitely unlikely, and no news.
        with np.errstate(over="ignore", invalid="ignore"):
            theta = {name: np.exp(log_theta[i : i + 1]) for i, name in enumerate(family.parameters)}
            value = -float(family.compressed_log_likelihood(theta, rows))
        return value if np.isfinite(value) else np.inf

    def mean_loss(log_theta: FloatArray) -> tuple[float, FloatArray]:
        return loss(log_theta) / n_customers, _gradient(loss, log_theta) / n_customers

    found = [optimize.minimize(mean_loss, s, jac=True, method="L-BFGS-B", bounds=bounds) for s in starts]
    best = min(found, key=lambda result: float(result.fun))
    optimum, covariance, message = _finish(loss, best.x, np.array(bounds), family.parameters)
    errors = np.exp(optimum) * np.sqrt(np.diag(covariance))
    return MaximumLikelihood(
        family=family.name,
        estimates=dict(zip(family.parameters, np.exp(optimum).tolist(), strict=True)),
        standard_errors=dict(zip(family.parameters, errors.tolist(), strict=True)),
        log_likelihood=-loss(optimum),
        n_customers=n_customers,
        converged=not message,
        message=message,
    )


def _starts(family: PurchaseFamily | SpendFamily, scale: float, start: Mapping[str, float] | None) -> list[FloatArray]:
    """Log parameters to start from: the prior means, points to both sides of them, and the caller's."""
    starts = []
    for offsets in _OFFSETS:
        shifts = itertools.cycle(offsets)
        u = {name: np.asarray(family.default_priors[name].mean + next(shifts)) for name in family.coordinates}
        theta = family.constrain(u, scale)
        starts.append(np.log([float(theta[name]) for name in family.parameters]))
    if start is not None:
        if set(start) != set(family.parameters) or not all(math.isfinite(v) and v > 0 for v in start.values()):
            raise UsageError(f"start {dict(start)!r} must give a positive value to {', '.join(family.parameters)}.")
        starts.append(np.log([start[name] for name in family.parameters]))
    return starts


def _finish(
    loss: _Loss, u: FloatArray, bounds: FloatArray, names: tuple[str, ...]
) -> tuple[FloatArray, FloatArray, str]:
    """Newton steps to the maximum; the covariance of the log parameters there, or the reason why it has none."""
    nothing = np.full((u.size, u.size), np.nan)
    for _ in range(_NEWTON_STEPS):
        edge = [n for n, v, (low, high) in zip(names, u, bounds, strict=True) if not low + 0.1 < v < high - 0.1]
        if edge:
            return u, nothing, _UNBOUNDED.format(names=", ".join(edge))
        gradient, hessian = _gradient(loss, u), _hessian(loss, u)
        if np.linalg.eigvalsh(hessian)[0] <= 0:
            return u, nothing, _FLAT
        step = np.linalg.solve(hessian, gradient)
        if gradient @ step < 2.0 * _DECREMENT:
            return u - step, np.linalg.inv(hessian), ""
        here = loss(u)
        length = next((f for f in 0.5 ** np.arange(12) if loss(u - f * step) < here), 0.0)
        u = np.clip(u - length * step, bounds[:, 0], bounds[:, 1])
    return u, nothing, f"{_NEWTON_STEPS} Newton steps did not reach a maximum. Give a start nearer to it"


def _gradient(loss: _Loss, u: FloatArray) -> FloatArray:
    """Five-point central differences."""
    steps = _STEP * np.eye(u.size)
    return np.array([8 * (loss(u + h) - loss(u - h)) - (loss(u + 2 * h) - loss(u - 2 * h)) for h in steps]) / (
        12 * _STEP
    )


def _hessian(loss: _Loss, u: FloatArray) -> FloatArray:
    """Five-point central differences of the gradient, made symmetric."""
    steps = _STEP * np.eye(u.size)
    rows = [
        8 * (_gradient(loss, u + h) - _gradient(loss, u - h))
        - (_gradient(loss, u + 2 * h) - _gradient(loss, u - 2 * h))
        for h in steps
    ]
    hessian = np.array(rows) / (12 * _STEP)
    return 0.5 * (hessian + hessian.T)
