"""How much customers return: Beta posteriors of the share of money and of the share of orders that come back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.customers.summary import need_summary
from kundenwert.errors import DataError, Violation
from kundenwert.value.breakdown import NEEDED
from kundenwert.value.counters import FloatArray
from kundenwert.value.economics import RETURNED

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary

NOTHING_LEARNED = 1.0  # items that a prior is worth where a cohort cannot say how far its customers differ
LEAST_STRENGTH = 0.05  # of a prior: below it a customer would return all or nothing for ever after one order
ITEMS = (0.25, 25.0)  # of an order, at least and at most: few customers can leave the estimate anywhere


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

    def to_dict(self) -> dict[str, list[float]]:
        """For JSON."""
        return {"a": self.a.tolist(), "b": self.b.tolist()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(np.array(data["a"], dtype=np.float64), np.array(data["b"], dtype=np.float64))

    def given(self, back: FloatArray, kept: FloatArray) -> "BetaShares":
        """The posterior after so many items came back and so many were kept, both (n,) and not negative."""
        return BetaShares(self.a + back, self.b + kept)


@dataclass(frozen=True, eq=False)
class ReturnPrior:
    """What is known of returns before a customer's own are seen; saved with a model, it scores others later.

    Parameters
    ----------
    cohorts : labels.
    items : (cohort + 1,) observations of the share of money that an order is worth: several where orders come back in
        parts. The last one, here and below, is of all customers together, for cohorts that the prior has not seen.
    money : (cohort + 1,) share of money that comes back.
    orders : (cohort + 1,) share of orders that come back; None where returned orders were not counted.
    """

    cohorts: tuple[str, ...]
    items: FloatArray
    money: BetaShares
    orders: BetaShares | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = {"cohorts": list(self.cohorts), "items": self.items.tolist(), "money": self.money.to_dict()}
        return found if self.orders is None else found | {"orders": self.orders.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        orders = data.get("orders")
        return cls(
            tuple(data["cohorts"]),
            np.array(data["items"], dtype=np.float64),
            BetaShares.from_dict(data["money"]),
            None if orders is None else BetaShares.from_dict(orders),
        )

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
    orders : (customer,) probability that an order is one of `returned_orders`; None where these were not counted.
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
    Weighted moments of shares of unequal size (Kleinman 1973). docs/statistics.md, section Returns.

    Examples
    --------
    >>> import kundenwert as kw
    >>> frame = pd.DataFrame({"frequency": [1, 1, 1], "recency": [1.0, 2.0, 3.0], "T": [9.0, 9.0, 9.0],
    ...                       "monetary_value": [10.0, 10.0, 10.0], "gross": [20.0, 20.0, 20.0],
    ...                       "refunds": [0.0, 10.0, 0.0], "orders": [2, 2, 2]})
    >>> prior = fit_return_prior(kw.as_summary(frame, time_unit="week"))
    >>> prior.cohorts, prior.money.mean.round(2).tolist(), prior.orders is None
    (('all',), [0.21, 0.21], True)
    """
    counted = _counted(summary.table)
    labels = summary.table["cohort"].to_numpy().astype(str)
    cohorts = tuple(sorted(map(str, set(labels))))
    groups = [*(np.flatnonzero(labels == cohort) for cohort in cohorts), np.arange(len(labels))]
    found = [money_prior(counted.share[rows], counted.paid[rows]) for rows in groups]
    money, items = _together([prior for prior, _ in found]), np.array([each for _, each in found])
    orders = None
    if counted.returned is not None:
        orders = _together([share_prior(counted.returned[rows], counted.orders[rows]) for rows in groups])
    return ReturnPrior(cohorts, items, money, orders)


def return_shares(summary: "CustomerSummary", prior: ReturnPrior | None = None) -> ReturnShares:
    """The Beta posterior of each customer's returns, given the returns so far.

    An item is worth the customer's own mean order, divided by the items that orders of the cohort hold. A refund beyond
    what was paid counts as what was paid.

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
    need_summary(summary)
    counted = _counted(summary.table)
    prior = fit_return_prior(summary) if prior is None else prior
    at = prior.rows(summary.table["cohort"])
    items = prior.items[at] * counted.paid
    money = BetaShares(prior.money.a[at], prior.money.b[at]).given(items * counted.share, items * (1.0 - counted.share))
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
    total = size.sum()
    if not 0 < back.sum() < total:
        return _shapes(back.sum(), total, max(total, NOTHING_LEARNED))
    deviation, weight = _deviations(back / size, size)
    several = np.sum(weight * (size - 1.0))
    if several <= 0:
        return _shapes(back.sum(), total, NOTHING_LEARNED)
    alike = (np.sum(weight * size * deviation) - weight.sum()) / several
    return _shapes(back.sum(), total, _strength(alike, total))


def money_prior(share: FloatArray, orders: FloatArray) -> tuple[BetaShares, float]:
    """The Beta distribution of customers' shares of money, and how many items an order is worth.

    Shares of money say more than shares of orders where orders come back in parts, and less where their prices differ.
    How much is seen in the shares themselves: with `pq = mean (1 - mean)` and `alike = 1/(a + b + 1)` their variance is
    `pq (alike + (1 - alike)/(items * orders))`, a line in `1/orders`, which is fitted by weighted least squares.

    Parameters
    ----------
    share : (customer,) of what was paid that came back. orders : (customer,) of which something was paid.

    Returns
    -------
    The prior, both shapes of shape (1,), and the items of an order. Where all customers have as many orders the line
    has no slope: an order is one item, and the prior that of `share_prior`.
    """
    share, orders = share[orders > 0], orders[orders > 0]
    back, total = np.sum(share * orders), orders.sum()
    if not 0 < back < total or (orders == orders[0]).all():
        return share_prior(share * orders, orders), 1.0
    deviation, weight = _deviations(share, orders)
    weight, inverse = weight * orders, 1.0 / orders
    centre = np.sum(weight * inverse) / weight.sum()
    level = np.sum(weight * deviation) / weight.sum()
    slope = np.sum(weight * (inverse - centre) * deviation) / np.sum(weight * (inverse - centre) ** 2)
    alike = level - slope * centre
    if alike <= 0:  # no more differences than chance makes: the line goes through the origin
        alike, slope = np.float64(0.0), np.sum(weight * inverse * deviation) / np.sum(weight * inverse**2)
    items = float(np.clip((1.0 - alike) / slope, *ITEMS)) if slope > 0 else ITEMS[1]
    return _shapes(items * back, items * total, _strength(alike, items * total)), items


def _deviations(share: FloatArray, size: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(customer,) squared deviations from the mean over `mean (1 - mean)`, made free of bias, and their weights."""
    mean = np.sum(size * share) / size.sum()
    weight = 1.0 - size / size.sum()  # of a customer who is the cohort: nothing is left to deviate from
    deviation = np.divide((share - mean) ** 2, weight, out=np.zeros(len(share)), where=weight > 0)
    return deviation / (mean * (1.0 - mean)), weight


def _strength(alike: float, most: float) -> float:
    """`a + b` of a Beta from `1/(a + b + 1)`, within its limits."""
    return float(np.clip((1.0 - alike) / alike, LEAST_STRENGTH, most)) if alike > 0 else float(most)


def _shapes(back: float, total: float, strength: float) -> BetaShares:
    mean = (back + 0.5) / (total + 1.0)
    return BetaShares(np.array([mean * strength]), np.array([(1.0 - mean) * strength]))


@dataclass(frozen=True)
class _Counted:
    """(customer,) share of money that came back, orders, those that can tell of money, and those that came back."""

    share: FloatArray
    orders: FloatArray
    paid: FloatArray
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
    broken.append(
        (more, f"{RETURNED} is greater than orders", "An order can come back once: count orders, not parcels.")
    )
    ids = table["customer_id"].to_numpy()
    violations = [
        Violation(rule, int(rows.sum()), ids[rows].tolist(), way_out, "customer")
        for rows, rule, way_out in broken
        if rows.any()
    ]
    if violations:
        raise DataError("customer summary", violations)
    gross, orders = found["gross"], found["orders"]
    share = np.divide(np.minimum(found["refunds"], gross), gross, out=np.zeros(len(table)), where=gross > 0)
    return _Counted(share, orders, np.where(gross > 0, orders, 0.0), found[RETURNED] if counted else None)


def _together(shares: Sequence[BetaShares]) -> BetaShares:
    return BetaShares(np.concatenate([one.a for one in shares]), np.concatenate([one.b for one in shares]))
