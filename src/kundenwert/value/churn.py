"""Churn: the probability of no purchase within a horizon, because only that can be verified afterwards.

`1 - p_alive` is not a churn rate: under BG/NBD it is 0 for everybody who bought once
(docs/statistics.md, section Churn).
"""

import numpy as np

from kundenwert.value.counters import FloatArray, Purpose
from kundenwert.value.individuals import Block


def p_silent(block: Block, horizon: float) -> FloatArray:
    """(row, draw) probability of no purchase within the horizon, in time units."""
    found = block.people.purchase.p_no_purchase(block.theta, block.x, block.t_x, block.T, horizon)
    return np.broadcast_to(found, block.shape)


def simulate_silence(block: Block, silent: FloatArray) -> FloatArray:
    """(row, draw) 1 where a simulated customer stays silent, else 0."""
    drawn = np.empty(block.shape)
    for row, key in enumerate(block.keys):
        block.streams.at(key, Purpose.CHURN).random(out=drawn[row])
    return (drawn < silent).astype(np.float64)
