"""A block of customers with their individual posterior draws, each array made when first asked for.

One independent draw of (rate, dropout, spend) for every customer and parameter draw, exact by conjugacy
(docs/statistics.md, section Individual posterior). Customers of one history share the algebra, never the draws.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kundenwert.families.protocol import Individual
from kundenwert.value.counters import FloatArray, KeyArray, Purpose
from kundenwert.value.variates import IntArray, Rows, read_only

if TYPE_CHECKING:
    from kundenwert.value.individuals import Population

SMALLEST_RATE = 1e-300


@dataclass(frozen=True)
class Shared:
    """Distinct histories of a block, and which of them each row has.

    Parameters
    ----------
    columns : (history, 1) arrays, so that they broadcast against parameters.
    which : (row,) positions.
    """

    columns: tuple[FloatArray, ...]
    which: IntArray

    @classmethod
    def of(cls, *columns: FloatArray) -> "Shared":
        """The distinct rows of some (row,) columns, in which equal rows stand beside each other."""
        new = np.ones(len(columns[0]), dtype=bool)
        new[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
        return cls(tuple(column[new, None] for column in columns), np.cumsum(new) - 1)

    def full(self, values: FloatArray, draws: int) -> FloatArray:
        """(history, draw), as compiled code reads it."""
        return read_only(values, (len(self.columns[0]), draws))


@dataclass(frozen=True)
class Block:
    """Some customers of one cohort with their individual draws.

    Parameters
    ----------
    rows : (row,) positions in the histories.
    theta : name -> (draw,) parameters of the cohort.
    keys : (row,) of the random streams.
    purchases : histories x, t_x, T.
    spending : histories n, spend.
    returned : (row, 2) shapes of the Beta share of what is paid that comes back; None where amounts are net of returns.
        Then drawn amounts of orders are without what comes back of them.
    gone : (history,) of customers of whom it is known that they are none any more; None where nobody is.
    """

    rows: IntArray
    cohort: int
    theta: dict[str, FloatArray]
    people: "Population"
    keys: KeyArray
    purchases: Shared
    spending: Shared
    returned: FloatArray | None = None
    gone: npt.NDArray[np.bool_] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(row, draw)."""
        return len(self.rows), self.people.draws

    @cached_property
    def individual(self) -> Individual:
        """(history, draw) mixture that each distinct history's rate and dropout follow."""
        return self.people.purchase.individual(self.theta, *self.purchases.columns)

    @cached_property
    def alive_share(self) -> FloatArray:
        """(history, draw) probability of being alive, of each distinct purchase history."""
        found = self.purchases.full(self.individual.p_alive, self.people.draws)
        return found if self.gone is None else read_only(np.where(self.gone[:, None], 0.0, found), found.shape)

    @property
    def p_alive(self) -> FloatArray:
        """(row, draw) probability of being alive."""
        return np.asarray(self.alive_share[self.purchases.which])

    @cached_property
    def structurally_alive(self) -> npt.NDArray[np.bool_]:
        """(row,) whether the model itself says "alive", as BG/NBD does before the first repeat purchase."""
        certain = (self.alive_share == 1).all(axis=1)
        return np.asarray((certain & (self.purchases.columns[0][:, 0] == 0))[self.purchases.which])

    @cached_property
    def rate(self) -> FloatArray:
        """(row, draw) purchases per time unit of the living customer."""
        one = self.individual
        return self.streams.gammas(Purpose.RATE, *self._of(self.purchases, one.rate_shape, one.rate_alive))

    @cached_property
    def dropout(self) -> FloatArray:
        """(row, draw) probability that a purchase is the last one, of the living customer."""
        return self.streams.betas(Purpose.DROPOUT, *self._of(self.purchases, *self.individual.dropout_alive))

    @cached_property
    def spend_rate(self) -> FloatArray:
        """(row, draw) Gamma-Gamma's nu; an order is worth `p / nu` on average, what comes back of it aside.

        Bounded away from 0: with q near 0 a draw can underflow, and an infinite order times no order is not a number.
        """
        shape, rate = self.people.spend.individual(self.theta, *self.spending.columns)
        drawn = self.streams.gammas(Purpose.SPEND, *self._of(self.spending, shape, rate))
        drawn = np.maximum(drawn, SMALLEST_RATE, out=drawn)
        if self.returned is None:
            return drawn
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(drawn / self._kept_share(self.returned))

    @cached_property
    def mean_spend(self) -> FloatArray:
        """(row, draw) drawn mean amount of an order."""
        return np.asarray(self.theta["p"] / self.spend_rate)

    @cached_property
    def expected_spend(self) -> FloatArray:
        """(history, draw) expected mean amount of an order of each distinct spend history; NaN where none exists."""
        expected = self.people.spend.expected_spend(self.theta, *self.spending.columns)
        return self.spending.full(expected, self.people.draws)

    def _kept_share(self, shapes: FloatArray) -> FloatArray:
        """(row, draw) share of what is paid that does not come back."""
        rows = np.arange(len(shapes))
        return self.streams.betas(Purpose.RETURN_SHARE, shapes[:, 1:], shapes[:, :1], rows)

    @property
    def streams(self) -> Rows:
        """The random streams of the rows."""
        return Rows(self.people.seed, self.keys, np.zeros_like(self.keys), self.people.draws)

    def _of(self, shared: Shared, first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray, IntArray]:
        """Two arrays with a row for each history, whatever the family left to broadcasting, and the rows' histories."""
        return shared.full(first, self.people.draws), shared.full(second, self.people.draws), shared.which
