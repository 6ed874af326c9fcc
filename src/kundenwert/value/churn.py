"""Churn: the probability of no purchase within a horizon, because only that can be verified afterwards.

`1 - p_alive` is not a churn rate: under BG/NBD it is 0 for everybody who bought once
(docs/statistics.md, section Churn).
"""

import numpy as np

from kundenwert.value.block import Block
from kundenwert.value.counters import FloatArray, Purpose
from kundenwert.value.variates import read_only


def p_silent(block: Block, horizon: float) -> FloatArray:
    """(history, draw) probability of no purchase within the horizon, in time units."""
    x, t_x, T = block.purchases.columns
    silent = block.people.purchase.p_no_purchase(block.theta, x, t_x, T, horizon)
    found = block.purchases.full(silent, block.people.draws)
    return found if block.gone is None else read_only(np.where(block.gone[:, None], 1.0, found), found.shape)


def simulate_silence(block: Block, silent: FloatArray) -> FloatArray:
    """(draw,) how many customers of the block stay silent, one simulated future each.

    Parameters
    ----------
    silent : what `p_silent` returned.
    """
    return (block.streams.units(Purpose.CHURN) < silent[block.purchases.which]).sum(axis=0, dtype=np.float64)
