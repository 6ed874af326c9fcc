"""What a customer may truly be: the probability of each state, draw by draw.

States are about living customers' actual and unrealized value; whoever has gone is dormant
(docs/statistics.md, section Segments).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kundenwert.decisions.losses import FloatArray, IntArray
from kundenwert.decisions.thresholds import Marks
from kundenwert.names import STATES
from kundenwert.value.outlook import Outlook
from kundenwert.value.room import Room

CodeArray = np.ndarray[Any, np.dtype[np.int8]]


@dataclass(frozen=True)
class BlockStates:
    """What the draws say of the customers of one block.

    Parameters
    ----------
    codes : (row, draw) state given alive, as a position in `names.STATES`.
    p_alive : (history, draw) of the same draws.
    probabilities : (row, state), rows add up to 1; NaN where a draw of value is not finite.
    squares : (row, living state) means of the squares of what probabilities are the means of.
    cycle : (row,) expected time between a living customer's orders, in time units.
    """

    codes: CodeArray
    p_alive: FloatArray
    probabilities: FloatArray
    squares: FloatArray
    cycle: FloatArray


def label_codes(actual: FloatArray, unrealized: FloatArray, marks: Marks) -> IntArray:
    """The state of living customers, as a position in `names.STATES`, elementwise.

    Parameters
    ----------
    actual, unrealized : money, of one shape.

    Examples
    --------
    >>> marks = Marks(valuable=50.0, growable=10.0, below_zero=1.0)
    >>> [STATES[k].value for k in label_codes(np.array([60.0, 20.0, -5.0]), np.array([0.0, 12.0, 3.0]), marks)]
    ['most_valuable', 'most_growable', 'below_zero']
    """
    given = [np.atleast_2d(np.array(one, dtype=np.float64)) for one in np.broadcast_arrays(actual, unrealized)]
    found = codes_of_living(given[0], given[1], 1.0, marks)
    return found.astype(np.int64).reshape(np.broadcast_shapes(np.shape(actual), np.shape(unrealized)))


def codes_of_living(actual: FloatArray, unrealized: FloatArray, scale: float, marks: Marks) -> CodeArray:
    """(row, draw) the same in small numbers, with unrealized value to be scaled; -1 where a value is not finite."""
    from kundenwert.decisions.kernels import codes_of

    found = np.empty(actual.shape, dtype=np.int8)
    codes_of(np.ascontiguousarray(actual), np.ascontiguousarray(unrealized), scale, marks.array, found)
    return found


def states_of(outlook: Outlook, room: Room, scale: float, marks: Marks) -> BlockStates:
    """Each draw's state given alive, weighted by its probability of being alive.

    Parameters
    ----------
    room : unrealized value of the block's customers.
    scale : of unrealized value.
    """
    from kundenwert.decisions.kernels import tally

    block = outlook.block
    p_alive = np.ascontiguousarray(block.alive_share[:, room.draws])
    codes = codes_of_living(outlook.actual[:, room.draws], room.given_alive, scale, marks)
    chances, squares = np.empty((len(codes), len(STATES))), np.empty((len(codes), len(STATES)))
    tally(block.purchases.which, p_alive, codes, chances, squares)
    # One over the expected rate: the mean of 1/rate does not exist for customers without a repeat purchase.
    one = block.individual
    cycle = block.purchases.full(one.rate_alive / one.rate_shape, block.shape[1]).mean(axis=1)
    return BlockStates(codes, p_alive, chances, squares[:, :-1], cycle[block.purchases.which])


def not_finite(found: BlockStates) -> npt.NDArray[np.bool_]:
    """(row,) where a draw of value is not finite."""
    return np.asarray(np.isnan(found.probabilities).any(axis=1))
