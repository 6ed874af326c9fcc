"""Actual value: what a customer is worth as things are, expected and as it may turn out.

Two estimands that are never mixed: `expected_*` is a mean given parameters, `simulate_*` one future that may happen
(docs/statistics.md, section Actual value). Purchases and spend are multiplied within each draw.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kundenwert.errors import NumericalError
from kundenwert.value.ahead import Ahead
from kundenwert.value.block import Block
from kundenwert.value.counters import FloatArray, KeyArray, Purpose
from kundenwert.value.outlook import Outlook, file_cost_gone
from kundenwert.value.settings import Terms
from kundenwert.value.variates import IntArray

ORDERS_LIMIT = 1_000_000.0  # of one customer in one draw: beyond it the rate is no rate of a person


def living_value(
    rate: FloatArray, dropout: FloatArray, mean_spend: FloatArray, offers: FloatArray, terms: Terms
) -> FloatArray:
    """(row, draw) expected discounted contribution of customers who are alive, without file cost.

    Each order's margin less its cost, less the cost of an active customer.

    Parameters
    ----------
    rate, dropout, mean_spend : broadcast to (row, draw); the amount of an order drawn or expected.
    offers : (row, 4) see `Ahead`.
    """
    from kundenwert.value.kernels.worth import worths

    given = np.broadcast_arrays(*map(np.atleast_2d, (rate, dropout, mean_spend)))
    found = np.empty(given[0].shape)
    worths(*(np.array(one, dtype=np.float64) for one in given), np.ascontiguousarray(offers), terms.array, found)
    return found


def expected_orders(block: Block, terms: Terms) -> FloatArray:
    """(row,) orders expected within the horizon, undiscounted, averaged over draws."""
    from kundenwert.value.kernels.worth import mean_orders

    found = np.empty(len(block.rows))
    mean_orders(block.purchases.which, block.alive_share, block.rate, block.dropout, terms.horizon, found)
    return found


def expected_values(
    block: Block, ahead: Ahead, settings: Sequence[Terms], steps: Sequence[float] | None = None
) -> FloatArray:
    """(row, setting) expected actual value, averaged over draws; NaN where the mean spend does not exist on some draw.

    The mean of an order's amount enters in closed form: means of draws of 1/nu are hopeless where q is near 1.

    Parameters
    ----------
    ahead : (row,) of the block's customers.
    settings, steps : how time counts, and what is added to the margin (by default nothing), (setting,) each.
    """
    from kundenwert.value.kernels.worth import mean_worths

    found = np.empty((len(block.rows), len(settings)))
    mean_worths(
        block.purchases.which,
        block.alive_share,
        block.rate,
        block.dropout,
        block.spending.which,
        block.expected_spend,
        ahead.expected_offers,
        np.outer(ahead.kept, np.zeros(len(settings)) if steps is None else steps),
        np.array([terms.array for terms in settings]),
        np.column_stack([file_cost_gone(block, ahead.file_cost, terms) for terms in settings]),
        found,
    )
    return found


def sum_values(outlook: Outlook) -> FloatArray:
    """(draw,) expected actual value of all customers of a block given each draw's parameters and their behaviour.

    Customers without a mean spend on some draw are left out.
    """
    from kundenwert.value.kernels.worth import sum_worths

    block = outlook.block
    found = np.zeros(block.shape[1])
    sum_worths(
        block.purchases.which,
        block.alive_share,
        block.rate,
        block.dropout,
        block.spending.which,
        block.expected_spend,
        outlook.ahead.expected_offers,
        outlook.terms.array,
        outlook.owed_gone,
        found,
    )
    return found


@dataclass(frozen=True)
class Futures:
    """One simulated future of every customer and draw.

    Parameters
    ----------
    value, orders : (row, draw) discounted value, and number of orders.
    reached : (row, draw) when orders to come have brought a given amount, in time units: infinite where the customer
        leaves before, NaN where the horizon ends before. (0, draw) where no amounts were given.
    """

    value: FloatArray
    orders: FloatArray
    reached: FloatArray


def simulate_value(outlook: Outlook, deficits: FloatArray | None = None) -> Futures:
    """The posterior predictive distribution of what will be realized within the horizon.

    A draw is alive with its `p_alive`. Orders of the living that do not kill come at rate `lambda (1 - p)` until the
    customer dies, and the killing order at the moment of death, which is exponential with hazard `lambda p`: the same
    process as a coin after every order. Each order has an own time, amount and cost; a record is kept until the
    customer has been gone for so long, or to the horizon.

    Parameters
    ----------
    deficits : (row,) money that orders to come have to bring.

    Raises
    ------
    NumericalError : a customer with more orders in one draw than can be simulated.
    """
    block = outlook.block
    living = Living(block.purchases.which, block.alive_share, block.rate, block.dropout, block.spend_rate)
    given = (outlook.offers, outlook.owed_gone, outlook.terms)
    return simulate_futures(block.people.seed, block.keys, living, block.theta["p"], *given, deficits)


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
    seed: int,
    keys: KeyArray,
    living: Living,
    shape: FloatArray,
    offers: FloatArray,
    gone: FloatArray,
    terms: Terms,
    deficits: FloatArray | None = None,
) -> Futures:
    """One future of each customer and draw.

    Parameters
    ----------
    keys : (row,) of the random streams.
    shape : (draw,) Gamma-Gamma's p.
    offers, gone : (row, 4) see `Ahead`; (row,) what the record of a customer who has gone still costs.
    deficits : as in `simulate_value`.

    Raises
    ------
    NumericalError : a customer with more orders in one draw than can be simulated.
    """
    from kundenwert.value.kernels.futures import simulate

    rows, draws = living.rate.shape
    watched = 0 if deficits is None else rows
    found = Futures(np.empty((rows, draws)), np.empty((rows, draws)), np.empty((watched, draws)))
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
        np.ascontiguousarray(offers),
        terms.array,
        np.ascontiguousarray(gone),
        ORDERS_LIMIT,
        np.zeros(rows) if deficits is None else np.ascontiguousarray(deficits, dtype=np.float64),
        found.value,
        found.orders,
        found.reached,
    )
    if most > ORDERS_LIMIT:
        raise NumericalError(
            f"a customer is expected to place {most:.3g} orders within the horizon, too many to simulate. "
            "Check recency and T of the most frequent customers, and the time unit."
        )
    return found
