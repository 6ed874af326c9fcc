"""Gamma, beta and uniform variates by the row, each row from a stream of its own; drawn in compiled code."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kundenwert.value.counters import LANE_BITS, FloatArray, KeyArray, Purpose

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """The streams of some rows, and how long the rows are.

    Parameters
    ----------
    seed : common to all.
    keys : (row,) hashes of the customers' ids or of a cohort's name.
    lanes : (row,) which of the streams of one key and purpose: 0 for customers.
    length : of a row.

    Examples
    --------
    >>> keys = np.array([7, 8], dtype=np.uint64)
    >>> rows = Rows(1, keys, np.zeros(2, dtype=np.uint64), 1000)
    >>> rate = rows.gammas(Purpose.RATE, np.full((1, 1), 3.0), np.full((1, 1), 2.0), np.zeros(2, dtype=np.int64))
    >>> rate.shape, rate.mean().round(1).item()
    ((2, 1000), 1.5)
    """

    seed: int
    keys: KeyArray
    lanes: KeyArray
    length: int

    def gammas(self, purpose: Purpose, shape: FloatArray, rate: FloatArray, which: IntArray) -> FloatArray:
        """(row, length) gammas.

        Parameters
        ----------
        shape, rate : broadcast to (history, length).
        which : (row,) the history of each row.
        """
        from kundenwert.value.kernels.draws import fill_gammas

        drawn = np.empty((len(self.keys), self.length))
        fill_gammas(*self._streams(purpose), self._full(shape), self._full(rate), which, drawn)
        return drawn

    def betas(self, purpose: Purpose, first: FloatArray, second: FloatArray, which: IntArray) -> FloatArray:
        """(row, length) betas, arguments as in `gammas`."""
        from kundenwert.value.kernels.draws import fill_betas

        drawn = np.empty((len(self.keys), self.length))
        fill_betas(*self._streams(purpose), self._full(first), self._full(second), which, drawn)
        return drawn

    def units(self, purpose: Purpose) -> FloatArray:
        """(row, length) uniform numbers in (0, 1)."""
        from kundenwert.value.kernels.draws import fill_units

        drawn = np.empty((len(self.keys), self.length))
        fill_units(*self._streams(purpose), drawn)
        return drawn

    def _full(self, values: FloatArray) -> FloatArray:
        return read_only(values, np.broadcast_shapes(values.shape, (1, self.length)))

    def _streams(self, purpose: Purpose) -> tuple[np.uint64, KeyArray, KeyArray]:
        return np.uint64(self.seed), self.keys, np.uint64(purpose) + (self.lanes << np.uint64(LANE_BITS))


def read_only(values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """An array in full, contiguous and not writable, whatever a family returns: compiled code has one form of input.

    Copied only where it must be; broadcasting alone makes a view that may not be written to.
    """
    full = np.ascontiguousarray(np.broadcast_to(values, shape), dtype=np.float64).view()
    full.flags.writeable = False
    return full
