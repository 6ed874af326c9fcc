"""What a spend model cannot be fitted to: customers who all spend the same.

Source: docs/statistics.md, Priors and pooling.
"""

from dataclasses import dataclass

import numpy as np

from kundenwert.errors import DataError, Violation
from kundenwert.families.arithmetic import FloatArray
from kundenwert.names import Pooling

EQUAL = 1e-6  # of an amount: mean amounts this close ask for a p and a q of 1e12, where likelihoods lose their digits
MOST_ALONE = 90  # customers beyond the first who may spend the same, where nothing but fixed priors holds p and q
MOST_IN_HIERARCHY = 20  # where the spread of p and q between cohorts is unknown too, and gives way
_SHOWN = 5


@dataclass(frozen=True)
class Amounts:
    """Mean repeat amounts by parameter vector, of one or more fits.

    Parameters
    ----------
    labels : of the vectors.
    customers : (vector,) who have a mean repeat amount.
    lowest, highest : (vector,) of these means.
    """

    labels: tuple[str, ...]
    customers: np.ndarray
    lowest: FloatArray
    highest: FloatArray

    @classmethod
    def of(cls, labels: tuple[str, ...], n: FloatArray, mean: FloatArray, codes: np.ndarray) -> "Amounts":
        """From one fit's order days, mean amounts and vectors, each (customer,)."""
        some = n > 0
        codes, mean = codes[some], mean[some]
        lowest, highest = np.full(len(labels), np.inf), np.full(len(labels), -np.inf)
        np.minimum.at(lowest, codes, mean)
        np.maximum.at(highest, codes, mean)
        return cls(labels, np.bincount(codes, minlength=len(labels)), lowest, highest)

    @property
    def several(self) -> np.ndarray:
        """(vector,) whether there are two customers to compare."""
        return self.customers > 1

    @property
    def equal(self) -> np.ndarray:
        """(vector,) whether there are two who all spend the same, as far as double precision will tell."""
        equal = np.zeros(len(self.labels), dtype=bool)
        some = self.several
        equal[some] = self.highest[some] - self.lowest[some] <= EQUAL * self.highest[some]
        return equal

    @property
    def one_price(self) -> bool:
        """Whether everybody spends the same, in whatever cohort."""
        some = self.customers > 0
        if not some.any():
            return False
        lowest, highest = float(self.lowest[some].min()), float(self.highest[some].max())
        return highest - lowest <= EQUAL * highest


def refuse_equal_amounts(fits: list[Amounts], pooling: Pooling) -> None:
    """A `DataError` where so many customers spend the same that nothing in reach bounds p and q.

    Parameters
    ----------
    fits : what customers of each fit spend.
    pooling : of the fits.
    """
    found = [
        (label, int(customers), float(amount))
        for fit in fits
        for label, customers, amount, endless in zip(
            fit.labels, fit.customers, fit.highest, _endless(fit, pooling), strict=True
        )
        if endless
    ]
    if not found:
        return
    named = ", ".join(f"{label}: {count:,} customers at {amount:,.10g}" for label, count, amount in found[:_SHOWN])
    more = f", and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    mixed = "Else put such cohorts together with others whose amounts differ, or leave them out."
    raise DataError(
        "spend model",
        [
            Violation(
                f"all mean repeat amounts of a cohort are equal ({named}{more}), so the likelihood rises as the spread "
                "of amounts shrinks, further than double precision can follow",
                sum(count for _, count, _ in found),
                remedy="Check that the amount column is not a constant. If the price is fixed there is no spend to "
                "model: expected purchases times the price are the answer."
                + ("" if pooling is Pooling.COMPLETE else f" {mixed}"),
                noun="customer",
            )
        ],
    )


def _endless(amounts: Amounts, pooling: Pooling) -> np.ndarray:
    """(vector,) which of them leave p and q without a bound that double precision could tell."""
    beyond_first = np.where(amounts.equal, amounts.customers - 1, 0)
    if pooling is not Pooling.PARTIAL:
        return beyond_first > MOST_ALONE
    if amounts.one_price and amounts.customers.sum() - 1 > MOST_IN_HIERARCHY:
        return np.asarray(amounts.customers > 0)
    if np.array_equal(amounts.equal, amounts.several) and beyond_first.sum() > MOST_IN_HIERARCHY:
        return amounts.equal
    return np.asarray(beyond_first > MOST_IN_HIERARCHY)
