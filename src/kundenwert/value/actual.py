"""Actual value: what a customer is worth as things are, expected and as it may turn out.

Two estimands that are never mixed: `expected_*` is a mean given parameters, `simulate_*` one future that may happen
(docs/statistics.md, section Actual value). Purchases and spend are multiplied within each draw.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kundenwert.errors import NumericalError
from kundenwert.families.identity import annuity
from kundenwert.value.counters import FloatArray, Purpose
from kundenwert.value.individuals import Block, IntArray
from kundenwert.value.settings import Terms

PIECE = 1_000_000  # simulated orders of one customer held at once, where the last draw of a piece does not add more
ORDERS_LIMIT = 1_000_000  # of one customer in one draw: beyond it the rate is no rate of a person


@dataclass(frozen=True)
class AliveValue:
    """Ingredients of a living customer's value, each (row, draw), without file cost.

    Parameters
    ----------
    time : expected discounted time alive within the horizon, in time units.
    orders : expected discounted orders.
    """

    time: FloatArray
    orders: FloatArray

    def contribution(self, margin: FloatArray, mean_spend: FloatArray, terms: Terms) -> FloatArray:
        """Money: each order's margin less its cost, less the cost of an active customer.

        Parameters
        ----------
        margin : (row, 1).
        mean_spend : (row, draw) amount of an order, drawn or expected.
        """
        value = self.orders * (margin * mean_spend - terms.cost_per_order)
        if terms.cost_active:
            value -= terms.cost_active * self.time
        return value


def alive_value(rate: FloatArray, dropout: FloatArray, terms: Terms) -> AliveValue:
    """Discounted time and orders of a living customer, given rate and dropout."""
    time = annuity(terms.discount + rate * dropout, terms.horizon)
    return AliveValue(time, rate * time)


def file_cost(terms: Terms) -> float:
    """Discounted cost of keeping a record until the horizon, owed for the living and the gone alike."""
    return terms.cost_on_file * float(annuity(terms.discount, terms.horizon)) if terms.cost_on_file else 0.0


def expected_orders(block: Block, terms: Terms) -> FloatArray:
    """(row,) orders expected within the horizon, undiscounted, averaged over draws."""
    alive = block.rate * annuity(block.rate * block.dropout, terms.horizon)
    return np.asarray((block.p_alive * alive).mean(axis=1))


def expected_value(block: Block, alive: AliveValue, margin: FloatArray, terms: Terms) -> FloatArray:
    """(row,) expected actual value, averaged over draws; NaN where the mean spend does not exist on some draw.

    The mean of an order's amount enters in closed form: means of draws of 1/nu are hopeless where q is near 1.
    """
    worth = block.p_alive * alive.contribution(margin, block.expected_spend, terms)
    return np.asarray(worth.mean(axis=1)) - file_cost(terms)


@dataclass(frozen=True)
class Futures:
    """One simulated future of every customer and draw: discounted value and number of orders, each (row, draw)."""

    value: FloatArray
    orders: FloatArray


def simulate_value(block: Block, margin: FloatArray, terms: Terms) -> Futures:
    """The posterior predictive distribution of what will be realized within the horizon.

    A draw is alive with its `p_alive`. Orders of the living that do not kill come at rate `lambda (1 - p)` until the
    customer dies, and the killing order at the moment of death, which is exponential with hazard `lambda p`: the same
    process as a coin after every order, but without sorting. Each order has an own time, amount and cost.

    Parameters
    ----------
    margin : (row, 1).

    Raises
    ------
    NumericalError : a customer with more orders in one draw than can be simulated.
    """
    value, orders = np.empty(block.shape), np.empty(block.shape)
    owed = file_cost(terms)
    rate, dropout, spend_rate = block.rate, block.dropout, block.spend_rate
    for row, key in enumerate(block.keys):
        random = block.streams.at(key, Purpose.PREDICTIVE)
        alive = np.flatnonzero(random.random(block.shape[1]) < block.p_alive[row])
        worth, count = simulate_living(
            random,
            rate[row, alive],
            dropout[row, alive],
            block.theta["p"][alive],
            spend_rate[row, alive],
            float(margin[row, 0]),
            terms,
        )
        value[row], orders[row] = 0.0 - owed, 0.0  # not -owed: a table with -0.0 in it looks wrong
        value[row, alive] += worth
        orders[row, alive] = count
    return Futures(value, orders)


def simulate_living(
    random: np.random.Generator,
    rate: FloatArray,
    dropout: FloatArray,
    shape: FloatArray,
    spend_rate: FloatArray,
    margin: float,
    terms: Terms,
) -> tuple[FloatArray, FloatArray]:
    """Discounted value and number of orders of customers who are alive now, file cost aside; all arrays (draw,).

    Parameters
    ----------
    rate, dropout : purchases per time unit, and the probability that each is the last one.
    shape, spend_rate : Gamma-Gamma's p and nu.
    """
    if not len(rate):
        return np.zeros(0), np.zeros(0)
    with np.errstate(divide="ignore", over="ignore"):
        death = random.standard_exponential(len(rate)) / (rate * dropout)
    exposed = np.minimum(death, terms.horizon)
    expected = rate * (1.0 - dropout) * exposed
    if expected.max() > ORDERS_LIMIT:
        raise NumericalError(
            f"a customer is expected to place {expected.max():.3g} orders within the horizon, too many to simulate. "
            "Check recency and T of the most frequent customers, and the time unit."
        )
    counts = random.poisson(expected)
    kills = np.flatnonzero(death <= terms.horizon)
    spent, placed = np.zeros(len(rate)), np.zeros(len(rate))
    for owner in _owners(counts):
        _book(random, owner, random.random(len(owner)) * exposed[owner], shape, terms.discount, spent, placed)
    _book(random, kills, death[kills], shape, terms.discount, spent, placed)
    value = margin * spent / spend_rate - terms.cost_per_order * placed
    if terms.cost_active:
        value -= terms.cost_active * annuity(terms.discount, exposed)
    orders = counts.astype(np.float64)
    orders[kills] += 1.0
    return value, orders


def _book(
    random: np.random.Generator,
    owner: IntArray,
    times: FloatArray,
    shape: FloatArray,
    discount: float,
    spent: FloatArray,
    placed: FloatArray,
) -> None:
    """Adds orders to the discounted sums of their draws: `spent` in units of 1/nu, `placed` as a count."""
    factor = np.exp(-discount * times)
    spent += np.bincount(owner, factor * random.standard_gamma(shape[owner]), minlength=len(spent))
    placed += np.bincount(owner, factor, minlength=len(placed))


def _owners(counts: IntArray) -> Iterator[IntArray]:
    """Which draw each simulated order belongs to, in pieces that bound memory; whole draws a piece."""
    total = int(counts.sum())
    if total <= PIECE:
        yield np.repeat(np.arange(len(counts)), counts)
        return
    piece = np.cumsum(counts) // PIECE
    for number in np.unique(piece):
        chosen = np.flatnonzero(piece == number)
        yield np.repeat(chosen, counts[chosen])
