"""Churn: five numbers that are often taken for one another (docs/statistics.md, section Churn).

The one published as `churn_probability` is the probability of no purchase within a horizon, because only that can be
verified afterwards. `1 - p_alive` is not a churn rate: under BG/NBD it is 0 for everybody who bought once.
"""

import numpy as np

from kundenwert.value.counters import FloatArray, Purpose
from kundenwert.value.individuals import Block


def p_silent(block: Block, horizon: float) -> FloatArray:
    """(row, draw) probability of no purchase within the horizon, in time units."""
    found = block.people.purchase.p_no_purchase(block.theta, block.x, block.t_x, block.T, horizon)
    return np.broadcast_to(found, block.shape)


def p_dies_within(block: Block, horizon: float) -> FloatArray:
    """(row,) probability that a customer who is alive now dies within the horizon.

    Draws are weighted by the probability of being alive: those that say "gone already" have no say.
    """
    survival = block.people.purchase.survival(block.theta, block.x, block.T, horizon)
    return np.asarray((block.p_alive * (1.0 - survival)).sum(axis=1) / block.p_alive.sum(axis=1))


def p_dead_by(block: Block, horizon: float) -> FloatArray:
    """(row,) probability that a customer is dead at the end of the horizon."""
    survival = block.people.purchase.survival(block.theta, block.x, block.T, horizon)
    return np.asarray(1.0 - (block.p_alive * survival).mean(axis=1))


def p_dead_if_silent(block: Block, horizon: float) -> FloatArray:
    """(row,) probability of being dead already now, once the horizon has passed without a purchase."""
    return np.asarray((1.0 - block.p_alive).mean(axis=1) / p_silent(block, horizon).mean(axis=1))


def simulate_silence(block: Block, silent: FloatArray) -> FloatArray:
    """(row, draw) 1 where a simulated customer stays silent, else 0."""
    drawn = np.empty(block.shape)
    for row, key in enumerate(block.keys):
        block.streams.at(key, Purpose.CHURN).random(out=drawn[row])
    return (drawn < silent).astype(np.float64)
