"""From a customer summary to the sufficient rows that a likelihood needs, one set a fit.

Under `pooling = "none"` every cohort is a fit of its own, under `complete` the whole base is one fit with one
parameter vector, under `partial` it is one fit with a parameter vector per cohort.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from kundenwert.families.protocol import NormalPrior, PurchaseFamily, SpendFamily
from kundenwert.names import Pooling
from kundenwert.units import Currency, TimeUnit

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary

Role = Literal["purchase", "spend"]
EVERYBODY = "all"
COLUMNS = ("frequency", "recency", "T", "monetary_value")


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


def compress(
    summary: "CustomerSummary",
    purchase: PurchaseFamily,
    spend: SpendFamily,
    pooling: Pooling,
    purchase_priors: Mapping[str, NormalPrior],
    spend_priors: Mapping[str, NormalPrior],
) -> Problem:
    """The problem that a summary and two families pose under one kind of pooling.

    Rows come in the order of their content: sums of floats depend on order in their last digit, and one digit is
    enough to send a chain elsewhere, so neither the order of the table nor the names of the customers may reach them.
    """
    columns = {name: summary.table[name].to_numpy(dtype=float) for name in COLUMNS}
    columns["spend_days"] = spend_days(summary.table)
    columns["first_amount"] = _or_nan(summary.table, "first_amount")
    order = np.lexsort(tuple(columns.values()))
    columns = {name: column[order] for name, column in columns.items()}
    cohorts = summary.cohorts
    labels = summary.table["cohort"].astype(str).iloc[order]
    codes = pd.Categorical(labels, categories=list(cohorts)).codes.astype(np.int64)
    groups: list[tuple[str, tuple[str, ...], np.ndarray, np.ndarray]]
    everyone = np.arange(len(order))
    if pooling is Pooling.NONE:
        groups = [
            (label, (label,), np.flatnonzero(codes == i), np.zeros(int((codes == i).sum()), dtype=np.int64))
            for i, label in enumerate(cohorts)
        ]
    elif pooling is Pooling.COMPLETE:
        groups = [(EVERYBODY, (EVERYBODY,), everyone, np.zeros(len(order), dtype=np.int64))]
    else:
        groups = [(EVERYBODY, cohorts, everyone, codes)]
    purchase_fits, spend_fits = [], []
    for label, members, index, codes_in_fit in groups:
        of = {name: column[index] for name, column in columns.items()}
        rows = purchase.compress(of["frequency"], of["recency"], of["T"], codes_in_fit, len(members))
        purchase_fits.append(Fit(label, members, rows, _median(of["T"][of["T"] > 0], otherwise=1.0)))
        rows = spend.compress(of["spend_days"], of["monetary_value"], codes_in_fit, len(members))
        # Without a repeat order the first orders say what money is about; another cohort must not.
        first = of["first_amount"][of["first_amount"] > 0]
        scale = _median(of["monetary_value"][of["spend_days"] > 0], otherwise=_median(first, otherwise=1.0))
        spend_fits.append(Fit(label, members, rows, scale))
    hierarchical = pooling is Pooling.PARTIAL
    return Problem(
        purchase=Part("purchase", purchase, purchase_priors, hierarchical, tuple(purchase_fits)),
        spend=Part("spend", spend, spend_priors, hierarchical, tuple(spend_fits)),
        pooling=pooling,
        cohorts=cohorts,
        customers=len(order),
        time_unit=summary.time_unit,
        currency=summary.currency,
    )


def spend_days(table: pd.DataFrame) -> np.ndarray:
    """Gamma-Gamma's n of each customer: repeat days with a positive net amount.

    A summary that a user brings may lack the column: then every repeat purchase counts, and none does where
    `monetary_value` is 0.
    """
    if "spend_days" in table.columns:
        return table["spend_days"].to_numpy(dtype=float)
    return np.where(table["monetary_value"].to_numpy() > 0, table["frequency"].to_numpy(dtype=float), 0.0)


def _or_nan(table: pd.DataFrame, column: str) -> np.ndarray:
    """A column that a summary of a user's own may lack."""
    return table[column].to_numpy(dtype=float) if column in table.columns else np.full(len(table), np.nan)


def _median(values: np.ndarray, otherwise: float) -> float:
    return float(np.median(values)) if values.size else otherwise
