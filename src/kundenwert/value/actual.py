"""Actual value: what a customer is worth as things are, expected and as it may turn out.

Two estimands that are never mixed: `expected_*` is a mean given parameters, `simulate_*` one future that may happen
(docs/statistics.md, section Actual value). Purchases and spend are multiplied within each draw.
"""

from dataclasses import dataclass

import numpy as np

from kundenwert.errors import NumericalError
from kundenwert.families.identity import annuity
from kundenwert.value.block import Block
from kundenwert.value.counters import FloatArray, KeyArray, Purpose
from kundenwert.value.settings import Terms

ORDERS_LIMIT = 1_000_000.0  # of one customer in one draw: beyond it the rate is no rate of a person


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
    process as a coin after every order. Each order has an own time, amount and cost.

    Parameters
    ----------
    margin : (row, 1).

    Raises
    ------
    NumericalError : a customer with more orders in one draw than can be simulated.
    """
    living = Living(block.rate, block.dropout, block.theta["p"], block.spend_rate)
    futures = simulate_futures(block.people.seed, block.keys, block.p_alive, living, margin[:, 0], terms)
    futures.value[...] -= file_cost(terms)
    return futures


@dataclass(frozen=True)
class Living:
    """What decides the future of a living customer.

    Parameters
    ----------
    rate, dropout : (row, draw) purchases per time unit, and the probability that each is the last one.
    shape : (draw,) Gamma-Gamma's p.
    spend_rate : (row, draw) Gamma-Gamma's nu.
    """

    rate: FloatArray
    dropout: FloatArray
    shape: FloatArray
    spend_rate: FloatArray


def simulate_futures(
    seed: int, keys: KeyArray, p_alive: FloatArray, living: Living, margin: FloatArray, terms: Terms
) -> Futures:
    """Discounted value and number of orders, file cost aside.

    Parameters
    ----------
    keys : (row,) of the random streams.
    p_alive : (row, draw).
    margin : (row,).

    Raises
    ------
    NumericalError : a customer with more orders in one draw than can be simulated.
    """
    from kundenwert.value.kernels.futures import simulate

    found = Futures(np.empty(p_alive.shape), np.empty(p_alive.shape))
    most = simulate(
        np.uint64(seed),
        keys,
        np.array([Purpose.PREDICTIVE, Purpose.ARRIVALS, Purpose.AMOUNTS], dtype=np.uint64),
        p_alive,
        living.rate,
        living.dropout,
        living.spend_rate,
        living.shape,
        np.ascontiguousarray(margin),
        np.array([terms.horizon, terms.discount, terms.cost_per_order, terms.cost_active]),
        ORDERS_LIMIT,
        found.value,
        found.orders,
    )
    if most > ORDERS_LIMIT:
        raise NumericalError(
            f"a customer is expected to place {most:.3g} orders within the horizon, too many to simulate. "
            "Check recency and T of the most frequent customers, and the time unit."
        )
    return found
