"""A block of customers with what their orders bring and cost: every array of money that parts of a pass share."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kundenwert.value.ahead import Ahead
from kundenwert.value.block import Block
from kundenwert.value.counters import FloatArray
from kundenwert.value.settings import Terms
from kundenwert.value.variates import IntArray


@dataclass(frozen=True)
class Outlook:
    """What the customers of a block are worth in each draw.

    Parameters
    ----------
    block : customers with their individual draws.
    rows : (row,) positions among all customers.
    ahead : (row,) of the same customers.
    terms : how time counts.
    """

    block: Block
    rows: IntArray
    ahead: Ahead
    terms: Terms

    @cached_property
    def offers(self) -> FloatArray:
        """(row, 4) margin and costs, as compiled code reads them."""
        return self.ahead.offers

    @cached_property
    def worth(self) -> FloatArray:
        """(row, draw) expected discounted contribution of the living customer, file cost aside."""
        from kundenwert.value.kernels.worth import worths

        found = np.empty(self.block.shape)
        worths(self.block.rate, self.block.dropout, self.block.mean_spend, self.offers, self.terms.array, found)
        return found

    @cached_property
    def time(self) -> FloatArray:
        """(row, draw) expected discounted time alive of the living customer within the horizon, in time units."""
        from kundenwert.value.kernels.worth import times

        found = np.empty(self.block.shape)
        times(self.block.rate, self.block.dropout, self.terms.array, found)
        return found

    @cached_property
    def owed_alive(self) -> FloatArray:
        """(row, draw), or (row, 1) where it is certain: file cost of the living customer."""
        from kundenwert.value.kernels.worth import times_on_file

        cost, terms = self.ahead.file_cost[:, None], self.terms
        if terms.deactivation >= terms.horizon or not cost.any():
            return np.asarray(cost * kept_for(np.array([terms.horizon]), terms))
        found = np.empty(self.block.shape)
        times_on_file(self.block.rate, self.block.dropout, terms.array, found)
        return np.asarray(cost * found)

    @cached_property
    def owed_gone(self) -> FloatArray:
        """(row,) file cost of the customer who has gone, until the record is dropped."""
        return file_cost_gone(self.block, self.ahead.file_cost, self.terms)

    @cached_property
    def actual(self) -> FloatArray:
        """(row, draw) actual value given alive."""
        return np.asarray(self.worth - self.owed_alive)


def kept_for(time: FloatArray, terms: Terms) -> FloatArray:
    """Discounted length of the time from now on, elementwise; in time units.

    Examples
    --------
    >>> kept_for(np.array([0.0, 52.0]), Terms(horizon=52.0, churn_horizon=26.0, discount=0.0)).tolist()
    [0.0, 52.0]
    """
    from kundenwert.value.kernels.worth import lengths

    given = np.ascontiguousarray(time, dtype=np.float64)
    found = np.empty(given.shape)
    lengths(given.reshape(-1), terms.array, found.reshape(-1))
    return found


def file_cost_gone(block: Block, cost: FloatArray, terms: Terms) -> FloatArray:
    """(row,) discounted file cost of customers who have gone: until the record is dropped, at most to the horizon.

    Parameters
    ----------
    cost : (row,) money per time unit.
    """
    _, t_x, T = block.purchases.columns
    left = np.clip(terms.deactivation - (T - t_x), 0.0, terms.horizon)[:, 0]
    if block.gone is not None:  # whose record is closed
        left = np.where(block.gone, 0.0, left)
    return np.asarray(cost * kept_for(left, terms)[block.purchases.which])


def interval_of(values: FloatArray, mass: float) -> tuple[FloatArray, FloatArray]:
    """(row,) lower and upper end of the central interval of each row's draws.

    Parameters
    ----------
    values : (row, draw).
    mass : of the interval.

    Examples
    --------
    >>> [end.tolist() for end in interval_of(np.arange(5.0)[None], 0.5)]
    [[1.0], [3.0]]
    """
    from kundenwert.value.kernels.quantiles import row_quantiles

    found = np.empty((2, len(values)))
    row_quantiles(np.ascontiguousarray(values), np.array([0.5 - mass / 2, 0.5 + mass / 2]), found)
    return found[0], found[1]
