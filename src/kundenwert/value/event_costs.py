"""What an order to come will cost in tickets, visits, dunning: each customer's costs so far, shrunk to the cohort's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.value.counters import FloatArray

ORDERS = (0.1, 1000.0)  # that a cohort's mean is worth, at least and at most: few customers can leave it anywhere


@dataclass(frozen=True, eq=False)
class EventPrior:
    """What is known of the cost of events per order before a customer's own are seen.

    Parameters
    ----------
    cohorts : labels.
    mean : (cohort + 1,) money per order. The last one, here and below, is of all customers together, for cohorts that
        the prior has not seen.
    orders : (cohort + 1,) orders that the mean counts for.
    """

    cohorts: tuple[str, ...]
    mean: FloatArray
    orders: FloatArray

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"cohorts": list(self.cohorts), "mean": self.mean.tolist(), "orders": self.orders.tolist()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(tuple(data["cohorts"]), np.array(data["mean"], float), np.array(data["orders"], float))


def fit_event_prior(cohort: npt.ArrayLike, cost: FloatArray, orders: FloatArray) -> EventPrior:
    """The mean cost of events per order in each cohort, and how much it says about one of its customers.

    Parameters
    ----------
    cohort : (customer,) labels.
    cost : (customer,) money, what all events of a customer have cost so far.
    orders : (customer,) orders so far, the first one too.

    Returns
    -------
    EventPrior

    Notes
    -----
    docs/statistics.md, section Actual value.
    """
    labels = np.asarray(cohort).astype(str)
    cohorts = tuple(sorted(map(str, set(labels))))
    groups = [*(np.flatnonzero(labels == one) for one in cohorts), np.arange(len(labels))]
    found = [credibility(cost[rows], orders[rows]) for rows in groups]
    return EventPrior(cohorts, np.array([mean for mean, _ in found]), np.array([worth for _, worth in found]))


def costs_per_order(prior: EventPrior, cohort: npt.ArrayLike, cost: FloatArray, orders: FloatArray) -> FloatArray:
    """(customer,) expected cost of events per order to come.

    Parameters
    ----------
    prior : of these customers' cohorts.
    cohort, cost, orders : as in `fit_event_prior`.

    Examples
    --------
    >>> prior = EventPrior(("a",), np.array([1.0, 1.0]), np.array([4.0, 4.0]))
    >>> costs_per_order(prior, ["a", "a"], np.array([0.0, 12.0]), np.array([4.0, 6.0])).tolist()
    [0.5, 1.6]
    """
    at = pd.Index(prior.cohorts).get_indexer(pd.Index(np.asarray(cohort).astype(str)))
    at = np.where(at < 0, len(prior.cohorts), at)
    return np.asarray((prior.orders[at] * prior.mean[at] + cost) / (prior.orders[at] + orders))


def credibility(cost: FloatArray, orders: FloatArray) -> tuple[float, float]:
    """The mean cost per order of some customers, and how many orders of a customer it takes to say as much.

    The variance of customers' own means is `between + within / orders`, a line that is fitted by weighted least
    squares; the answer is `within / between` (Buehlmann and Straub 1970). Where all have as many orders the line has
    no slope, and the mean counts for one order.

    Parameters
    ----------
    cost, orders : (customer,).
    """
    cost, orders = cost[orders > 0], orders[orders > 0]
    if not len(cost) or cost.sum() <= 0:
        return 0.0, ORDERS[1]
    mean = float(cost.sum() / orders.sum())
    if (orders == orders[0]).all():
        return mean, 1.0
    deviation, inverse = (cost / orders - mean) ** 2, 1.0 / orders
    centre = np.average(inverse, weights=orders)
    away = inverse - centre
    within = np.average(away * deviation, weights=orders) / np.average(away**2, weights=orders)
    between = np.average(deviation, weights=orders) - within * centre
    if between <= 0 or within <= 0:
        return mean, ORDERS[1] if between <= 0 else ORDERS[0]
    return mean, float(np.clip(within / between, *ORDERS))
