"""How much customers return: Beta posteriors of the share of money and of the share of orders that come back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.errors import DataError, Violation
from kundenwert.value.counters import FloatArray
from kundenwert.value.economics import RETURNED
from kundenwert.value.realized import NEEDED

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary

NOTHING_LEARNED = 1.0  # items that a prior is worth where a cohort cannot say how far its customers differ
LEAST_STRENGTH = 0.05  # of a prior: below it a customer would return all or nothing for ever after one order


@dataclass(frozen=True, eq=False)
class BetaShares:
    """Beta distributions of shares.

    Parameters
    ----------
    a, b : (n,) shapes, both above 0.
    """

    a: FloatArray
    b: FloatArray

    @property
    def mean(self) -> FloatArray:
        """(n,) expected shares."""
        return np.asarray(self.a / (self.a + self.b))

    @property
    def variance(self) -> FloatArray:
        """(n,) variances of the shares."""
        total = self.a + self.b
        return np.asarray(self.mean * (self.b / total) / (total + 1.0))

    def given(self, back: FloatArray, kept: FloatArray) -> "BetaShares":
        """The posterior after so many items came back and so many were kept, both (n,) and not negative."""
        return BetaShares(self.a + back, self.b + kept)


@dataclass(frozen=True, eq=False)
class ReturnPrior:
    """What is known of returns before a customer's own are seen; saved with a model, it scores others later.

    Parameters
    ----------
    cohorts : labels.
    item_value : (cohort + 1,) money of a typical order: what counts as one observation of the share of money. The last
        one, here and below, is of all customers together, for cohorts that the prior has not seen.
    money : (cohort + 1,) share of money that comes back.
    orders : (cohort + 1,) share of orders that come back; None where returned orders were not counted.
    """

    cohorts: tuple[str, ...]
    item_value: FloatArray
    money: BetaShares
    orders: BetaShares | None

    def rows(self, labels: npt.ArrayLike) -> npt.NDArray[np.intp]:
        """(n,) the position of each label, the last one for a cohort that is not known."""
        found = pd.Index(self.cohorts).get_indexer(pd.Index(np.asarray(labels).astype(str)))
        return np.where(found < 0, len(self.cohorts), found)


@dataclass(frozen=True, eq=False)
class ReturnShares:
    """Posteriors of each customer's returns.

    Parameters
    ----------
    money : (customer,) share of what was paid that comes back. It belongs into a forecast of spend only where the spend
        model saw amounts before refunds; after refunds it would be counted twice.
    orders : (customer,) probability that an order is returned, in whole or in part; None where this was not counted.
    """

    money: BetaShares
    orders: BetaShares | None


def fit_return_prior(summary: "CustomerSummary") -> ReturnPrior:
    """The Beta prior of returns in each cohort, from its customers' mean share and how far they differ.

    Parameters
    ----------
    summary : customers; columns `gross`, `refunds`, `orders` and, if they were counted, `returned_orders`.

    Returns
    -------
    ReturnPrior

    Raises
    ------
    DataError : customers of whom one of these is not known, or with more returned orders than orders.

    Notes
    -----
    Kleinman 1973: weighted moments of shares of unequal size. docs/statistics.md, section Returns.

    Examples
    --------
    >>> import kundenwert as kw
    >>> frame = pd.DataFrame({"frequency": [1, 1, 0], "recency": [1.0, 2.0, 0.0], "T": [9.0, 9.0, 9.0],
    ...                       "monetary_value": [10.0, 10.0, 0.0], "gross": [20.0, 20.0, 10.0],
    ...                       "refunds": [0.0, 10.0, 0.0], "orders": [2, 2, 1]})
    >>> prior = fit_return_prior(kw.as_summary(frame, time_unit="week"))
    >>> prior.item_value.tolist(), prior.money.mean.round(2).tolist()
    ([10.0, 10.0], [0.25, 0.25])
    """
    counted = _counted(summary.table)
    labels = summary.table["cohort"].to_numpy().astype(str)
    cohorts = tuple(sorted(set(labels)))
    groups = [*(np.flatnonzero(labels == cohort) for cohort in cohorts), np.arange(len(labels))]
    values = np.array([_typical(counted.gross[rows], counted.orders[rows]) for rows in groups])
    money = [
        share_prior(counted.back[rows] / value, counted.gross[rows] / value)
        for rows, value in zip(groups, values, strict=True)
    ]
    orders = None
    if counted.returned is not None:
        orders = _together([share_prior(counted.returned[rows], counted.orders[rows]) for rows in groups])
    return ReturnPrior(cohorts, values, _together(money), orders)


def return_shares(summary: "CustomerSummary", prior: ReturnPrior | None = None) -> ReturnShares:
    """The Beta posterior of each customer's returns, given the returns so far.

    A refund of a part of an order is that part of its value come back. A refund beyond what was paid counts as what was
    paid.

    Parameters
    ----------
    summary : customers; columns as for `fit_return_prior`.
    prior : of these customers' cohorts; by default it is fitted to them.

    Returns
    -------
    ReturnShares

    Raises
    ------
    DataError : as `fit_return_prior`.

    Notes
    -----
    docs/statistics.md, section Returns.

    Examples
    --------
    >>> import kundenwert as kw
    >>> frame = pd.DataFrame({"frequency": [1, 1, 0], "recency": [1.0, 2.0, 0.0], "T": [9.0, 9.0, 9.0],
    ...                       "monetary_value": [10.0, 10.0, 0.0], "gross": [20.0, 20.0, 10.0],
    ...                       "refunds": [0.0, 10.0, 0.0], "orders": [2, 2, 1]})
    >>> shares = return_shares(kw.as_summary(frame, time_unit="week"))
    >>> bool(shares.money.mean[1] > shares.money.mean[2] > shares.money.mean[0])
    True
    """
    counted = _counted(summary.table)
    prior = fit_return_prior(summary) if prior is None else prior
    at = prior.rows(summary.table["cohort"])
    items = prior.item_value[at]
    money = BetaShares(prior.money.a[at], prior.money.b[at]).given(
        counted.back / items, (counted.gross - counted.back) / items
    )
    orders = None
    if counted.returned is not None and prior.orders is not None:
        orders = BetaShares(prior.orders.a[at], prior.orders.b[at]).given(
            counted.returned, counted.orders - counted.returned
        )
    return ReturnShares(money, orders)


def share_prior(back: FloatArray, size: FloatArray) -> BetaShares:
    """The Beta distribution of customers' shares that has the first two moments of those observed.

    The mean is that of all items together, with half an item more on each side: a cohort without returns has had none
    so far. `a + b` says how alike customers are. It solves the expectation of `sum size (share - mean)^2`, for chance
    alone makes shares of few items differ, and ends at the number of items, where customers differ no more than that.

    Parameters
    ----------
    back, size : (customer,) items that came back, and items; fractions of an item count as such.

    Returns
    -------
    BetaShares, both shapes of shape (1,).
    """
    back, size = back[size > 0], size[size > 0]
    total, came = size.sum(), back.sum()
    mean = (came + 0.5) / (total + 1.0)
    strength = _strength(back / size, size) if 0 < came < total else max(total, NOTHING_LEARNED)
    return BetaShares(np.array([mean * strength]), np.array([(1.0 - mean) * strength]))


def _strength(share: FloatArray, size: FloatArray) -> float:
    total = size.sum()
    mean = np.sum(size * share) / total
    spread = np.sum(size * (share - mean) ** 2) / (mean * (1.0 - mean))
    weight = 1.0 - size / total
    several = np.sum(weight * (size - 1.0))
    if several <= 0:
        return NOTHING_LEARNED
    alike = (spread - weight.sum()) / several  # 1/(a + b + 1): what items of one customer have in common
    most = max(total, NOTHING_LEARNED)
    return float(np.clip((1.0 - alike) / alike, LEAST_STRENGTH, most)) if alike > 0 else float(most)


@dataclass(frozen=True)
class _Counted:
    """(customer,) money and orders, and what of them came back."""

    gross: FloatArray
    back: FloatArray
    orders: FloatArray
    returned: FloatArray | None


def _counted(table: pd.DataFrame) -> _Counted:
    unknown = np.full(len(table), np.nan)
    found = {
        name: table[name].to_numpy(dtype=np.float64, na_value=np.nan) if name in table else unknown
        for name in (*NEEDED, RETURNED)
    }
    counted = bool((~np.isnan(found[RETURNED])).any())
    needed = (*NEEDED, RETURNED) if counted else NEEDED
    remedy = "Summarize a log of orders, or add the column."
    broken = [(np.isnan(found[name]), f"{name} is not known", remedy) for name in needed]
    more = found[RETURNED] > found["orders"]
    broken.append((more, f"{RETURNED} is greater than orders", "An order that came back in parts counts once."))
    ids = table["customer_id"].to_numpy()
    violations = [
        Violation(rule, int(rows.sum()), ids[rows].tolist(), way_out, "customer")
        for rows, rule, way_out in broken
        if rows.any()
    ]
    if violations:
        raise DataError("customer summary", violations)
    back = np.minimum(found["refunds"], found["gross"])
    return _Counted(found["gross"], back, found["orders"], found[RETURNED] if counted else None)


def _typical(gross: FloatArray, orders: FloatArray) -> float:
    """Median over customers of their mean order; without any paid order the unit of money, which then is never read."""
    paid = (gross > 0) & (orders > 0)
    return float(np.median(gross[paid] / orders[paid])) if paid.any() else 1.0


def _together(shares: Sequence[BetaShares]) -> BetaShares:
    return BetaShares(np.concatenate([one.a for one in shares]), np.concatenate([one.b for one in shares]))
