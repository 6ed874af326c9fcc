"""Time units, horizons, discount rates and currencies: the only place that converts one into another.

A year has 365.25 days and a month is a twelfth of it, so a change of the time unit changes no value in money.
"""

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from kundenwert.errors import UsageError, did_you_mean

DAYS_PER_YEAR = 365.25


class TimeUnit(StrEnum):
    """The unit that recency, T and rates are quoted in; the resolution of the data stays the day."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"

    @property
    def days(self) -> float:
        """Length in days.

        >>> TimeUnit("week").days, TimeUnit("month").days
        (7.0, 30.4375)
        """
        return _DAYS[self.value]

    @property
    def per_year(self) -> float:
        """How many of this unit a year has."""
        return DAYS_PER_YEAR / self.days

    @classmethod
    def parse(cls, text: "TimeUnit | str") -> "TimeUnit":
        """A time unit from its name; anything else is a `UsageError`."""
        try:
            return cls(text)
        except ValueError:
            known = [u.value for u in cls]
            hint = did_you_mean(str(text), known)
            raise UsageError(f"time unit {text!r} is not known.{hint} Use one of {', '.join(known)}.") from None


_DAYS = {"day": 1.0, "week": 7.0, "month": DAYS_PER_YEAR / 12, "year": DAYS_PER_YEAR}
_HORIZON_DAYS = {**_DAYS, "quarter": DAYS_PER_YEAR / 4}
_HORIZON = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([a-z]+?)s?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Horizon:
    """A finite, positive length of time, as a person writes it.

    >>> Horizon.parse("26 weeks").in_units(TimeUnit.WEEK)
    26.0
    >>> str(Horizon.parse("3 years"))
    '3 years'
    """

    count: float
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in _HORIZON_DAYS:
            hint = did_you_mean(self.unit, _HORIZON_DAYS)
            raise UsageError(f"horizon unit {self.unit!r} is not known.{hint} Use {', '.join(_HORIZON_DAYS)}.")
        if not (math.isfinite(self.count) and self.count > 0):
            raise UsageError(
                f"a horizon must be positive and finite, not {self.count!r}: without an end the undiscounted value of "
                "a customer is infinite wherever a <= 1. Write for example '3 years'."
            )

    @classmethod
    def parse(cls, text: "Horizon | str") -> "Horizon":
        """A horizon from `<positive number> day|week|month|quarter|year`, plural optional; else a `UsageError`."""
        if isinstance(text, Horizon):
            return text
        match = _HORIZON.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise UsageError(f"horizon {text!r} cannot be read. Write '<number> <unit>', for example '26 weeks'.")
        return cls(float(match[1]), match[2].lower())

    @property
    def days(self) -> float:
        """Length in days."""
        return self.count * _HORIZON_DAYS[self.unit]

    @property
    def years(self) -> float:
        """Length in years of 365.25 days."""
        return self.days / DAYS_PER_YEAR

    def in_units(self, unit: TimeUnit) -> float:
        """Length in a time unit."""
        return self.days / unit.days

    def __str__(self) -> str:
        return f"{self.count:g} {self.unit}{'' if self.count == 1 else 's'}"


@dataclass(frozen=True)
class DiscountRate:
    """An effective discount rate per year, 0.10 for ten per cent; 1 or more is a percentage that was meant as a share.

    >>> round(DiscountRate(0.10).continuous(TimeUnit.YEAR), 6)
    0.09531
    """

    per_year: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.per_year) and self.per_year >= 0):
            raise UsageError(
                f"a discount rate must be finite and not negative, not {self.per_year!r}. It is a rate per year: 0.10."
            )
        if self.per_year >= 1:
            raise UsageError(
                f"a discount rate of {self.per_year:g} is {self.per_year:.0%} a year. It is a share: 0.10 for 10 %."
            )

    def continuous(self, unit: TimeUnit) -> float:
        """The continuous rate `ln(1 + i)` per time unit."""
        return math.log1p(self.per_year) / unit.per_year


@dataclass(frozen=True)
class Currency:
    """An ISO 4217 code.

    >>> str(Currency("usd"))
    'USD'
    """

    code: str

    def __post_init__(self) -> None:
        code = self.code.strip().upper() if isinstance(self.code, str) else ""
        if not re.fullmatch(r"[A-Z]{3}", code):
            raise UsageError(f"currency {self.code!r} is not a three-letter ISO 4217 code such as 'EUR'.")
        object.__setattr__(self, "code", code)

    def __str__(self) -> str:
        return self.code


def rate_per_unit(per_year: float, unit: TimeUnit) -> float:
    """A cost or rate quoted per year, per time unit.

    >>> rate_per_unit(365.25, TimeUnit.WEEK)
    7.0
    """
    return per_year / unit.per_year
