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

from kundenwert.errors import DataError, UsageError, Violation
from kundenwert.families import get_family
from kundenwert.families.arithmetic import FloatArray
from kundenwert.families.protocol import Compiles, PurchaseFamily, Rows, SpendFamily
from kundenwert.inference.compression import spend_days

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary

_REACH = 12.0  # how far, in logs, a parameter may move away from where the starts lie
_FLATTEST = _REACH**-2.0  # curvature below which a standard error is longer than that, and the optimum is none
_DECREMENT = 1e-8  # nats: what one more Newton step may still gain, before it is made, at an optimum
_MOST_STEPS = 100
_LONGEST = 2.0  # of a Newton step, in logs
_ROUNDING = 1e-12  # of a log-likelihood: a step that loses less has lost nothing
_SHARES = 0.5 ** np.arange(30)  # of a Newton step, tried in turn
_LEAST_CURVATURE = 1e-9  # that a step is divided by
_STEP = 2e-3  # of differences in log parameters, for a family without derivatives
_OFFSETS = ((0.0,), (1.0, -1.0), (-1.0, 1.0))  # added in turn to the unconstrained coordinates of the prior means

_UNBOUNDED = (
    "the likelihood keeps rising while {names} runs off to 0 or infinity: these customers do not identify it. "
    "Use fit(), whose prior does, or pool more customers"
)
_FLAT = (
    "the likelihood is as good as flat in some direction at the best point found: some combination of the parameters "
    "is not identified. Use fit(), or give a start"
)

type _Local = tuple[float, FloatArray, FloatArray]
type _Derivatives = Callable[[FloatArray], _Local]


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
    """Maximize over the logarithms of the parameters from several starts, and judge the best of what they find."""
    if scaled_by.size == 0:
        raise DataError(f"{family.name} by maximum likelihood", [Violation("no customer says anything about it")])
    starts = _starts(family, float(np.median(scaled_by)), start)
    centre = np.mean(starts, axis=0)
    low, high = centre - _REACH, centre + _REACH
    derivatives = _derivatives(family, rows)
    found = [_climb(derivatives, np.clip(one, low, high), low, high) for one in starts]
    optimum, arrived = max(found, key=lambda end: derivatives(end[0])[0])
    value, _, hessian = derivatives(optimum)
    message = _judge(optimum, hessian, arrived, low, high, family.parameters)
    covariance = np.full_like(hessian, np.nan) if message else np.linalg.inv(-hessian)
    errors = np.exp(optimum) * np.sqrt(np.diag(covariance))
    return MaximumLikelihood(
        family=family.name,
        estimates=dict(zip(family.parameters, np.exp(optimum).tolist(), strict=True)),
        standard_errors=dict(zip(family.parameters, errors.tolist(), strict=True)),
        log_likelihood=value,
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


def _derivatives(family: PurchaseFamily | SpendFamily, rows: Rows) -> _Derivatives:
    """Value, gradient and Hessian of the log-likelihood in log parameters; -inf and zeros where there are none."""
    if not isinstance(family, Compiles):
        return lambda u: _differences(family, rows, u)
    likelihood = family.compiled(rows, 1)

    def derivatives(u: FloatArray) -> _Local:
        theta = np.exp(u)
        values, slopes, curvatures = likelihood.derivatives(theta[None])
        slope = theta * slopes[0]
        return _told(values[0], slope, theta[:, None] * theta * curvatures[0] + np.diag(slope))

    return derivatives


def _differences(family: PurchaseFamily | SpendFamily, rows: Rows, u: FloatArray) -> _Local:
    """The same for a family without compiled code: five-point differences, and central ones of those."""

    def value(at: FloatArray) -> float:
        theta = {name: np.exp(at[i : i + 1]) for i, name in enumerate(family.parameters)}
        return float(family.compressed_log_likelihood(theta, rows))

    steps = _STEP * np.eye(u.size)

    def slope(at: FloatArray) -> FloatArray:
        differences = [8 * (value(at + h) - value(at - h)) - (value(at + 2 * h) - value(at - 2 * h)) for h in steps]
        return np.array(differences) / (12 * _STEP)

    hessian = np.array([slope(u + h) - slope(u - h) for h in steps]) / (2 * _STEP)
    return _told(value(u), slope(u), 0.5 * (hessian + hessian.T))


def _told(value: float, gradient: FloatArray, hessian: FloatArray) -> _Local:
    """Derivatives that may not be numbers, far out, where the likelihood then is as good as zero."""
    if np.isfinite(value) and np.isfinite(gradient).all() and np.isfinite(hessian).all():
        return float(value), gradient, hessian
    return -math.inf, np.zeros_like(gradient), np.zeros_like(hessian)


def _climb(derivatives: _Derivatives, u: FloatArray, low: FloatArray, high: FloatArray) -> tuple[FloatArray, bool]:
    """Newton's method with damping, within a box: where it ends, and whether nothing is left to gain there."""
    value, gradient, hessian = derivatives(u)
    for _ in range(_MOST_STEPS):
        # A parameter that runs off stays at its bound while the others go on: its likelihood is to be compared.
        free = ~(((u <= low) & (gradient < 0)) | ((u >= high) & (gradient > 0)))
        step = np.zeros_like(u)
        step[free] = _uphill(gradient[free], hessian[np.ix_(free, free)])
        if gradient @ step < _DECREMENT:
            return np.clip(u + step, low, high), True
        for share in _SHARES:
            there = np.clip(u + share * step, low, high)
            risen = derivatives(there)
            if risen[0] >= value - _ROUNDING * abs(value):
                break
        u, (value, gradient, hessian) = there, risen
    return u, False


def _uphill(gradient: FloatArray, hessian: FloatArray) -> FloatArray:
    """A Newton step that leads uphill from a saddle and from a hollow too, no longer than a quadratic means much."""
    curvature, axes = np.linalg.eigh(-hessian)
    step = axes @ ((gradient @ axes) / np.maximum(np.abs(curvature), _LEAST_CURVATURE))
    return np.asarray(step * min(1.0, _LONGEST / max(float(np.linalg.norm(step)), 1e-300)))


def _judge(
    u: FloatArray, hessian: FloatArray, arrived: bool, low: FloatArray, high: FloatArray, names: tuple[str, ...]
) -> str:
    """ "" at a proper maximum, or why this is none."""
    edge = [name for name, inside in zip(names, (low + 0.1 < u) & (u < high - 0.1), strict=True) if not inside]
    if edge:
        return _UNBOUNDED.format(names=", ".join(edge))
    if np.linalg.eigvalsh(-hessian)[0] < _FLATTEST:
        return _FLAT
    return "" if arrived else f"{_MOST_STEPS} Newton steps did not reach a maximum. Give a start nearer to it"
