"""Counter-based random streams, one per customer and purpose: blocks, threads and row order change nothing.

The key of a stream is (seed, 64-bit hash of the id as text); one word of its counter is the purpose, so the streams of
one customer can never run into each other. The generator is in `value/kernels/words.py`.
"""

from collections.abc import Iterable
from enum import IntEnum, unique

import numpy as np
import numpy.typing as npt

from kundenwert.errors import UsageError
from kundenwert.streams import text_key

FloatArray = npt.NDArray[np.float64]
KeyArray = npt.NDArray[np.uint64]

SEED_LIMIT = 2**64
LANE_BITS = 16


@unique
class Purpose(IntEnum):
    """What a stream is drawn for; a number, once given, is never given to anything else.

    From 1 the streams of one customer (from 20 of a history that has not happened yet), from 101 those of customers
    still to come, from 201 draws that all customers share, keyed by the name of what is drawn.
    """

    RATE = 1
    DROPOUT = 2
    SPEND = 3
    PREDICTIVE = 4
    CHURN = 5
    ARRIVALS = 6
    AMOUNTS = 7
    DEAD_DROPOUT = 8
    RETURN_SHARE = 9
    WALLET = 11
    HISTORY_DRAW = 20
    HISTORY_ARRIVALS = 22
    HISTORY_AMOUNTS = 23
    FRONTIER_RATE = 101
    FRONTIER_DROPOUT = 102
    FRONTIER_SPEND = 103
    ATTAINABLE = 104
    NEWCOMER_ALIVE = 106
    NEWCOMER_ARRIVALS = 107
    NEWCOMER_AMOUNTS = 108
    EFFECT = 201
    TAKE_UP = 202
    SIDE_EFFECT = 203
    COST_RISE = 204
    WALLET_ATTAINABLE = 205
    WALLET_COEFFICIENTS = 206


def text_keys(names: Iterable[object]) -> KeyArray:
    """A 64-bit key for each name, taken from its text.

    Parameters
    ----------
    names : ids of any type; 7 and "7" are the same customer.

    Returns
    -------
    (name,) uint64

    Examples
    --------
    >>> bool(text_keys([7])[0] == text_keys(["7"])[0])
    True
    """
    texts = list(names)
    return np.fromiter((text_key(name) for name in texts), dtype=np.uint64, count=len(texts))


def check_seed(seed: int) -> int:
    """The seed itself, or a `UsageError` where it is not a whole number in [0, 2**64)."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= int(seed) < SEED_LIMIT:
        raise UsageError(f"seed {seed!r} must be a whole number from 0 to 2**64 - 1.")
    return int(seed)


def generator(seed: int, key: np.uint64, purpose: Purpose) -> np.random.Generator:
    """A NumPy generator of a stream of its own, for the few draws that are not made in compiled code.

    Examples
    --------
    >>> key = text_keys(["C17"])[0]
    >>> generator(1, key, Purpose.ATTAINABLE).random() == generator(1, key, Purpose.ATTAINABLE).random()
    True
    """
    words = np.array([seed, key], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(counter=np.array([0, 0, 0, purpose], dtype=np.uint64), key=words))
