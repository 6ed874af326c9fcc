"""From a customer summary to the sufficient rows that a likelihood needs, one set a fit.

Under `pooling = "none"` every cohort is a fit of its own, under `complete` the whole base is one fit with one
parameter vector, under `partial` it is one fit with a parameter vector per cohort.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import pandas as pd

from kundenwert.families.protocol import NormalPrior, PurchaseFamily, SpendFamily
from kundenwert.inference.equal_amounts import Amounts, refuse_equal_amounts
from kundenwert.names import Pooling
from kundenwert.units import Currency, TimeUnit

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary

Role = Literal["purchase", "spend"]
EVERYBODY = "all"


@dataclass(frozen=True)
class Fit:
    """The rows of one posterior.

    Parameters
    ----------
    label : the cohort under `none`, otherwise "all"; keys the random stream.
    cohorts : the parameter vectors of this fit, in order.
    rows : sufficient rows, opaque to everybody but the family.
    scale : what the coordinates are relative to: the median T, or the median repeat spend.
    """

    label: str
    cohorts: tuple[str, ...]
    rows: Mapping[str, np.ndarray]
    scale: float


@dataclass(frozen=True)
class Part:
    """One family, its priors and its fits."""

    role: Role
    family: PurchaseFamily | SpendFamily
    priors: Mapping[str, NormalPrior]
    hierarchical: bool
    fits: tuple[Fit, ...]


@dataclass(frozen=True)
class Problem:
    """Everything an engine needs: no table, no ids, a few hundred kilobytes."""

    purchase: Part
    spend: Part
    pooling: Pooling
    cohorts: tuple[str, ...]
    customers: int
    time_unit: TimeUnit
    currency: Currency | None

    @property
    def parts(self) -> tuple[Part, Part]:
        """The purchase part and the spend part."""
        return self.purchase, self.spend


@dataclass(frozen=True)
class Members:
    """Who makes up each fit under one kind of pooling.

    Parameters
    ----------
    cohorts : all labels, in order.
    labels : of the fits.
    vectors : the parameter vectors of each fit.
    rows : positions of each fit's customers in the table; None stands for all of them.
    codes : (customer,) which parameter vector each of a fit's customers has.
    """

    cohorts: tuple[str, ...]
    labels: tuple[str, ...]
    vectors: tuple[tuple[str, ...], ...]
    rows: tuple[np.ndarray | None, ...]
    codes: tuple[np.ndarray, ...]

    def each(self) -> Iterator[tuple[str, tuple[str, ...], np.ndarray | None, np.ndarray]]:
        """Label, parameter vectors, customers and codes of every fit."""
        return zip(self.labels, self.vectors, self.rows, self.codes, strict=True)

    @classmethod
    def of(cls, summary: "CustomerSummary", pooling: Pooling) -> Self:
        """The fits that a kind of pooling makes of a summary's cohorts."""
        found, uniques = pd.factorize(summary.table["cohort"], use_na_sentinel=False)
        cohorts, place = np.unique([str(label) for label in uniques], return_inverse=True)
        labels = tuple(cohorts.tolist())
        if pooling is Pooling.COMPLETE:
            return cls(labels, (EVERYBODY,), ((EVERYBODY,),), (None,), (_zeros(len(found)),))
        codes = place[found]
        if pooling is Pooling.PARTIAL:
            return cls(labels, (EVERYBODY,), (labels,), (None,), (codes,))
        narrow = np.uint16 if len(labels) <= 1 << 16 else np.int64  # sixteen bits are sorted by counting
        ends = np.cumsum(np.bincount(codes, minlength=len(labels)))[:-1]
        rows = np.split(np.argsort(codes.astype(narrow), kind="stable"), ends)
        vectors = tuple((label,) for label in labels)
        return cls(labels, labels, vectors, tuple(rows), tuple(_zeros(len(own)) for own in rows))


def compress(
    summary: "CustomerSummary",
    purchase: PurchaseFamily,
    spend: SpendFamily,
    pooling: Pooling,
    purchase_priors: Mapping[str, NormalPrior],
    spend_priors: Mapping[str, NormalPrior],
) -> Problem:
    """The problem that a summary and two families pose under one kind of pooling.

    Neither the order of the table nor the names of the customers reach it: sums of floats depend on order in their last
    digit, and one digit is enough to send a chain elsewhere. Families sum over rows in the order of their content.

    Raises
    ------
    DataError : so many customers spend the same that a spend model has no end, see `equal_amounts`.
    """
    members = Members.of(summary, pooling)
    hierarchical = pooling is Pooling.PARTIAL
    return Problem(
        purchase=Part("purchase", purchase, purchase_priors, hierarchical, _purchase_fits(summary, purchase, members)),
        spend=Part("spend", spend, spend_priors, hierarchical, _spend_fits(summary, spend, members, pooling)),
        pooling=pooling,
        cohorts=members.cohorts,
        customers=len(summary.table),
        time_unit=summary.time_unit,
        currency=summary.currency,
    )


def compress_part(
    summary: "CustomerSummary",
    family: PurchaseFamily | SpendFamily,
    pooling: Pooling,
    priors: Mapping[str, NormalPrior],
) -> Part:
    """One family's half of the problem, for whoever wants only that.

    Parameters
    ----------
    summary : needs only `cohort` and the columns that the family reads.
    family : a purchase or a spend family.
    priors : of its coordinates, see `priors.resolve_priors`.

    Raises
    ------
    DataError : so many customers spend the same that a spend model has no end, see `equal_amounts`.
    """
    members, hierarchical = Members.of(summary, pooling), pooling is Pooling.PARTIAL
    if isinstance(family, PurchaseFamily):
        return Part("purchase", family, priors, hierarchical, _purchase_fits(summary, family, members))
    return Part("spend", family, priors, hierarchical, _spend_fits(summary, family, members, pooling))


def _purchase_fits(summary: "CustomerSummary", family: PurchaseFamily, members: Members) -> tuple[Fit, ...]:
    fits, columns = [], [summary.table[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T")]
    for label, vectors, rows, codes in members.each():
        x, t_x, T = columns if rows is None else (column[rows] for column in columns)
        found = family.compress(x, t_x, T, codes, len(vectors))
        fits.append(Fit(label, vectors, found, _positive_median(T) or 1.0))
    return tuple(fits)


def _spend_fits(summary: "CustomerSummary", family: SpendFamily, members: Members, pooling: Pooling) -> tuple[Fit, ...]:
    fits, amounts, table = [], [], summary.table
    columns = [spend_days(table), table["monetary_value"].to_numpy(dtype=float)]
    for label, vectors, rows, codes in members.each():
        n, mean = columns if rows is None else (column[rows] for column in columns)
        found = family.compress(n, mean, codes, len(vectors))
        amounts.append(Amounts.of(vectors, n, mean, codes))
        scale = _positive_median(mean[n > 0])
        if scale is None and "first_amount" in table.columns:
            # Without a repeat order the first orders say what money is about; another cohort must not.
            first = table["first_amount"].to_numpy(dtype=float)
            scale = _positive_median(first if rows is None else first[rows])
        fits.append(Fit(label, vectors, found, scale or 1.0))
    refuse_equal_amounts(amounts, pooling)
    return tuple(fits)


def spend_days(table: pd.DataFrame) -> np.ndarray:
    """Gamma-Gamma's n of each customer: repeat days with a positive net amount.

    A summary that a user brings may lack the column: then every repeat purchase counts, and none does where
    `monetary_value` is 0.
    """
    if "spend_days" in table.columns:
        return table["spend_days"].to_numpy(dtype=float)
    return np.where(table["monetary_value"].to_numpy() > 0, table["frequency"].to_numpy(dtype=float), 0.0)


def _positive_median(values: np.ndarray) -> float | None:
    """The median of the positive values, None where there is none."""
    positive = values[values > 0]
    return float(np.median(positive, overwrite_input=True)) if positive.size else None


def _zeros(size: int) -> np.ndarray:
    """As many zeros as wanted, in the memory of one."""
    return np.broadcast_to(np.int64(0), size)
