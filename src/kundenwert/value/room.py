"""Unrealized value of the customers of a block, by whichever basis it rests on."""

from dataclasses import dataclass

from kundenwert.names import PotentialBasis
from kundenwert.value.counters import FloatArray


@dataclass(frozen=True, eq=False)
class Room:
    """How much more the customers of a block could be worth.

    Parameters
    ----------
    basis : what it rests on.
    given_alive : (row, draw) money, of living customers, in the draws that `draws` picks.
    draws : which of the block's draws these are: all, or the half that did not choose what is done.
    mean : (row,) expected money, whether alive or gone.
    given_order : (row, draw) the same as `given_alive` where an order comes, which proves life; None where it changes
        nothing.
    given_gone : (row, draw) money, of customers who have gone; None where there is none.
    """

    basis: PotentialBasis
    given_alive: FloatArray
    draws: slice
    mean: FloatArray
    given_order: FloatArray | None = None
    given_gone: FloatArray | None = None

    def scaled_by(self, scale: float) -> float:
        """What unrealized value is scaled by: the cap on its total is one on the distance to peers."""
        return scale if self.basis is PotentialBasis.PEERS else 1.0
