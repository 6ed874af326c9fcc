"""Orders that bring no money: free ones, and those of which refunds left nothing.

They count as orders, since the customer acted, and have no amount, since the spend model reads amounts above 0. What an
order to come brings is therefore its amount times the chance that it brings anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.value.counters import FloatArray
from kundenwert.value.returns import BetaShares, share_prior

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary


@dataclass(frozen=True, eq=False)
class PaidPrior:
    """What is known of orders without money before a customer's own are seen.

    Parameters
    ----------
    cohorts : labels.
    empty : (cohort + 1,) share of orders that bring nothing; the last one is of all customers together, for cohorts
        that the prior has not seen.
    """

    cohorts: tuple[str, ...]
    empty: BetaShares

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"cohorts": list(self.cohorts), "empty": self.empty.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(tuple(data["cohorts"]), BetaShares.from_dict(data["empty"]))


def fit_paid_prior(summary: "CustomerSummary") -> PaidPrior | None:
    """The prior of these customers' cohorts; None where every repeat order has brought money.

    Parameters
    ----------
    summary : columns `frequency` and `spend_days`.
    """
    orders, empty = _counts(summary)
    if not empty.any():
        return None
    labels = summary.table["cohort"].to_numpy().astype(str)
    cohorts = tuple(sorted(map(str, set(labels))))
    groups = [*(np.flatnonzero(labels == one) for one in cohorts), np.arange(len(labels))]
    found = [share_prior(empty[rows], orders[rows]) for rows in groups]
    shares = BetaShares(np.concatenate([one.a for one in found]), np.concatenate([one.b for one in found]))
    return PaidPrior(cohorts, shares)


def paid_shares(summary: "CustomerSummary", prior: PaidPrior) -> FloatArray:
    """(customer,) chance that an order to come brings money, given how many repeat orders have.

    Parameters
    ----------
    prior : of these customers' cohorts.

    Examples
    --------
    >>> import kundenwert as kw
    >>> frame = pd.DataFrame({"frequency": [4, 4, 0], "recency": [9.0, 9.0, 0.0], "T": 20.0,
    ...                       "monetary_value": [5.0, 5.0, 0.0], "spend_days": [4, 2, 0]})
    >>> summary = kw.as_summary(frame, time_unit="week")
    >>> shares = paid_shares(summary, fit_paid_prior(summary))
    >>> bool(shares[0] > shares[2] > shares[1])
    True
    """
    orders, empty = _counts(summary)
    at = pd.Index(prior.cohorts).get_indexer(pd.Index(summary.table["cohort"].astype(str)))
    at = np.where(at < 0, len(prior.cohorts), at)
    shares = BetaShares(prior.empty.a[at], prior.empty.b[at]).given(empty, orders - empty)
    return np.asarray(1.0 - shares.mean)


def _counts(summary: "CustomerSummary") -> tuple[FloatArray, FloatArray]:
    """(customer,) repeat orders, and those without money."""
    orders: npt.NDArray[np.float64] = summary.table["frequency"].to_numpy(dtype=np.float64)
    return orders, orders - summary.table["spend_days"].to_numpy(dtype=np.float64)
