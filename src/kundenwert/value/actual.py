"""Actual value: what a customer is worth as things are, expected and as it may turn out.

Two estimands that are never mixed: `expected_*` is a mean given parameters, `simulate_*` one future that may happen
(docs/statistics.md, section Actual value). Purchases and spend are multiplied within each draw.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kundenwert.errors import NumericalError
from kundenwert.families.identity import annuity
from kundenwert.value.block import Block
from kundenwert.value.counters import FloatArray, KeyArray, Purpose
from kundenwert.value.settings import Terms
from kundenwert.value.variates import IntArray

ORDERS_LIMIT = 1_000_000.0  # of one customer in one draw: beyond it the rate is no rate of a person


def living_value(
    rate: FloatArray, dropout: FloatArray, mean_spend: FloatArray, margin: FloatArray | float, terms: Terms
) -> FloatArray:
    """Expected discounted contribution of customers who are alive, without file cost.

    Each order's margin less its cost, less the cost of an active customer. All arrays broadcast.

    Parameters
    ----------
    mean_spend : amount of an order, drawn or expected.
    """
    from kundenwert.value.kernels.worth import worths

    given = np.broadcast_arrays(rate, dropout, mean_spend, margin)
    found = np.empty(given[0].shape)
    worths(*(np.array(one, dtype=np.float64).ravel() for one in given), terms.array, found.reshape(-1))
    return found


def file_cost(terms: Terms) -> float:
    """Discounted cost of keeping a record until the horizon, owed for the living and the gone alike."""
    return terms.cost_on_file * float(annuity(terms.discount, terms.horizon)) if terms.cost_on_file else 0.0


def expected_orders(block: Block, terms: Terms) -> FloatArray:
    """(row,) orders expected within the horizon, undiscounted, averaged over draws."""
    from kundenwert.value.kernels.worth import mean_orders

    found = np.empty(len(block.rows))
    mean_orders(block.purchases.which, block.alive_share, block.rate, block.dropout, terms.horizon, found)
    return found


def expected_values(block: Block, margin: FloatArray, settings: Sequence[Terms]) -> FloatArray:
    """(row, setting) expected actual value, averaged over draws; NaN where the mean spend does not exist on some draw.

    The mean of an order's amount enters in closed form: means of draws of 1/nu are hopeless where q is near 1.

    Parameters
    ----------
    margin : (row, setting).
    """
    from kundenwert.value.kernels.worth import mean_worths

    found = np.empty(margin.shape)
    mean_worths(
        block.purchases.which,
        block.alive_share,
        block.rate,
        block.dropout,
        block.spending.which,
        block.expected_spend,
        np.ascontiguousarray(margin),
        np.array([terms.array for terms in settings]),
        found,
    )
    return np.asarray(found - np.array([file_cost(terms) for terms in settings]))


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
    living = Living(block.purchases.which, block.alive_share, block.rate, block.dropout, block.spend_rate)
    futures = simulate_futures(block.people.seed, block.keys, living, block.theta["p"], margin[:, 0], terms)
    futures.value[...] -= file_cost(terms)
    return futures


@dataclass(frozen=True)
class Living:
    """What decides the future of customers, given what they are like as long as they are alive.

    Parameters
    ----------
    which : (row,) the history of each customer.
    share : (history, draw) probability of being alive.
    rate, dropout : (row, draw) purchases per time unit, and the probability that each is the last one.
    spend_rate : (row, draw) Gamma-Gamma's nu.
    """

    which: IntArray
    share: FloatArray
    rate: FloatArray
    dropout: FloatArray
    spend_rate: FloatArray


def simulate_futures(
    seed: int, keys: KeyArray, living: Living, shape: FloatArray, margin: FloatArray, terms: Terms
) -> Futures:
    """Discounted value and number of orders, file cost aside.

    Parameters
    ----------
    keys : (row,) of the random streams.
    shape : (draw,) Gamma-Gamma's p.
    margin : (row,).

    Raises
    ------
    NumericalError : a customer with more orders in one draw than can be simulated.
    """
    from kundenwert.value.kernels.futures import simulate

    found = Futures(np.empty(living.rate.shape), np.empty(living.rate.shape))
    most = simulate(
        np.uint64(seed),
        keys,
        np.array([Purpose.PREDICTIVE, Purpose.ARRIVALS, Purpose.AMOUNTS], dtype=np.uint64),
        living.which,
        living.share,
        living.rate,
        living.dropout,
        living.spend_rate,
        shape,
        np.ascontiguousarray(margin),
        terms.array,
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
