"""Where valuable, growable and below zero begin: derived once over a whole base, then frozen and carried over.

Thresholds that move with every retrain would change labels of customers who did nothing
(docs/statistics.md, section Segments).
"""

import datetime as dt
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kundenwert.decisions.losses import FloatArray, Losses
from kundenwert.errors import UsageError

VALUABLE_BAND = (0.70, 0.80, 0.90)  # shares of cumulated positive value, from the top
GROWABLE_SHARE = 0.50
LEVER_COSTS = 1.5  # times the cheapest lever: room that is worth less than trying it is none
BELOW_ZERO_SHARE = 0.02
REJECTION_FLOOR = 0.35
REJECTION_QUANTILE = 0.80
DENSITY_BINS = 2048
KERNEL_REACH = 6.0  # bandwidths to either side
AS_DEEP = 0.10  # places whose density is this close to the lowest are as good
_NUMBERS = ("valuable", "growable", "below_zero", "rejection_price", "attainable_scale")


@dataclass(frozen=True)
class Marks:
    """The part of the thresholds that money alone decides."""

    valuable: float
    growable: float
    below_zero: float

    @property
    def array(self) -> FloatArray:
        """(3,), in this order: what compiled code reads."""
        return np.array([self.valuable, self.growable, self.below_zero])


@dataclass(frozen=True)
class Thresholds:
    """Frozen marks, in money except for the last two numbers, and where they come from.

    Parameters
    ----------
    valuable : actual value from which a customer is valuable; infinite where nobody has positive value.
    growable : unrealized value from which a customer is growable; infinite where there is none.
    below_zero : how far under 0 actual value must lie to be below zero.
    rejection_price : expected loss above which a label is withheld.
    attainable_scale : scale of unrealized value that these thresholds were derived with.
    version : short hash of the numbers; by default it is computed.
    losses : the matrix that was derived together with these numbers, from what levers gain; None where it was stated
        or is the built-in one. It is one of the numbers, for the price is a price in its units.
    derived_on : last observed day of the run that derived them, as an ISO date; None where that was not written down.
    derived_by : id of that run, likewise. Neither of the two is part of the version.

    Examples
    --------
    >>> one = Thresholds(valuable=50.0, growable=10.0, below_zero=1.0, rejection_price=0.35, attainable_scale=1.0)
    >>> Thresholds.from_dict(one.to_dict()) == one
    True
    """

    valuable: float
    growable: float
    below_zero: float
    rejection_price: float
    attainable_scale: float
    version: str = ""
    losses: Losses | None = None
    derived_on: str | None = None
    derived_by: str | None = None

    def __post_init__(self) -> None:
        numbers = self._numbers()
        if any(math.isnan(v) for v in numbers.values()) or any(math.isinf(numbers[k]) for k in list(numbers)[2:]):
            raise UsageError(f"thresholds must be numbers, and only valuable and growable may be infinite: {numbers}.")
        if self.below_zero < 0 or self.rejection_price < 0 or not 0 <= self.attainable_scale <= 1:
            raise UsageError(f"below_zero or rejection_price is negative, or the scale not in [0, 1]: {numbers}.")
        if self.derived_on is not None:
            _check_date(self.derived_on)
        stated = {k: repr(v) for k, v in numbers.items()}
        if self.losses is not None:
            stated["losses"] = repr(self.losses.matrix)
        text = json.dumps(stated, sort_keys=True)
        version = hashlib.sha256(text.encode()).hexdigest()[:8]
        if self.version not in ("", version):
            raise UsageError(f"thresholds carry version {self.version}, but their numbers are those of {version}.")
        object.__setattr__(self, "version", version)

    def _numbers(self) -> dict[str, float]:
        return {name: float(getattr(self, name)) for name in _NUMBERS}

    @property
    def marks(self) -> Marks:
        """The part that money alone decides."""
        return Marks(self.valuable, self.growable, self.below_zero)

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which knows no infinity: an infinite mark is written as "inf". What is not known is left out."""
        numbers = {k: v if math.isfinite(v) else "inf" for k, v in self._numbers().items()}
        found: dict[str, Any] = {**numbers, "version": self.version}
        if self.losses is not None:
            found["losses"] = self.losses.to_dict()
        origin = {"derived_on": self.derived_on, "derived_by": self.derived_by}
        return found | {k: v for k, v in origin.items() if v is not None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Thresholds":
        """The inverse of `to_dict`, also of what earlier versions wrote, without losses and origin."""
        return cls(
            **{name: float(data[name]) for name in _NUMBERS},
            version=str(data.get("version", "")),
            losses=None if data.get("losses") is None else Losses.from_dict(data["losses"]),
            derived_on=data.get("derived_on"),
            derived_by=data.get("derived_by"),
        )


def _check_date(text: str) -> None:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"derived_on is {text!r}. Write the day as YYYY-MM-DD.") from None


def derive_marks(actual: FloatArray, unrealized: FloatArray, *, cheapest_lever: float | None = None) -> Marks:
    """Marks from expected actual and unrealized value of a whole base.

    Parameters
    ----------
    actual : (customer,) money; customers without a mean (NaN) have no say.
    unrealized : (customer,) money.
    cheapest_lever : least cost of reaching a customer, in money; growable begins at one and a half of it at least.
        By default nothing is known of levers.
    """
    known = actual[np.isfinite(actual)]
    valuable = valuable_mark(known)
    if math.isfinite(valuable):
        below = BELOW_ZERO_SHARE * valuable
    else:
        below = BELOW_ZERO_SHARE * float(np.abs(known).mean()) if len(known) else 0.0
    growable = share_mark(unrealized, GROWABLE_SHARE)
    if cheapest_lever is not None:
        growable = max(growable, LEVER_COSTS * cheapest_lever)
    return Marks(valuable, growable, below)


def share_mark(values: FloatArray, share: float) -> float:
    """The value at which the sum of positive values, from the top, reaches a share; infinite if there is none.

    Examples
    --------
    >>> share_mark(np.array([5.0, 3.0, 2.0, -4.0]), 0.8)
    3.0
    """
    positive = np.sort(values[values > 0])[::-1]
    if not len(positive):
        return math.inf
    running = np.cumsum(positive)
    return float(positive[min(np.searchsorted(running, share * running[-1]), len(positive) - 1)])


def valuable_mark(actual: FloatArray) -> float:
    """The actual value in a valley of the density between 70 and 90 % of cumulated positive value.

    A mark in a dense place flickers: many customers lie close to it. The density is that of asinh(value), in units of
    a fiftieth of the mean positive value, so that the currency's unit does not matter. Which of several valleys is the
    deepest is often chance; of all places within a tenth of the lowest density it is the one nearest 80 %.
    """
    high, middle, low = (share_mark(actual, share) for share in VALUABLE_BAND)
    if not math.isfinite(middle) or low == high:
        return middle
    unit = BELOW_ZERO_SHARE * float(actual[actual > 0].mean())
    grid, density = _density(np.arcsinh(actual / unit))
    inside = (grid >= np.arcsinh(low / unit)) & (grid <= np.arcsinh(high / unit))
    if not inside.any():
        return middle
    lowest = density[inside].min()
    ties = grid[inside][density[inside] <= lowest * (1 + AS_DEEP)]
    chosen = ties[np.abs(ties - np.arcsinh(middle / unit)).argmin()]
    return float(np.sinh(chosen) * unit)


def _density(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A Gaussian kernel density on a grid; binned, so that a million customers cost no more than a thousand.

    The bandwidth comes from the standard deviation and not from the quartiles, which most of a base, its one-time
    buyers, can have within a hair's breadth: the valleys would then be those of the noise among the others.
    """
    width = 0.9 * values.std() * len(values) ** -0.2
    counts, edges = np.histogram(values, DENSITY_BINS)
    step = float(edges[1] - edges[0])
    # Nearly all values may be equal, and a kernel far narrower than a bin underflows to none at all.
    bins = max(width / step, 0.5)
    reach = int(KERNEL_REACH * bins + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / bins) ** 2)
    smooth = np.convolve(counts, weights / weights.sum())[reach : reach + DENSITY_BINS]
    return (edges[1:] + edges[:-1]) / 2, smooth


def derive_price(risk: FloatArray) -> float:
    """The expected loss above which a label is withheld: what four in five customers do not exceed, at least .35.

    Parameters
    ----------
    risk : (customer,) least expected loss of each, over the labels that may be published.
    """
    if not len(risk):
        return REJECTION_FLOOR
    # A customer's own risk and no mean of two: else a little more than one label in five could be withheld.
    return max(REJECTION_FLOOR, float(np.quantile(risk, REJECTION_QUANTILE, method="higher")))
