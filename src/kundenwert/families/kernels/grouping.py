"""Equal rows counted by hashing: one pass over the customers, where sorting them takes tens."""

from typing import Any

import numpy as np
from numba import njit

from kundenwert.families.arithmetic import FloatArray, IntArray
from kundenwert.families.kernels import blocks
from kundenwert.families.kernels.scalar import bits_of, float_of
from kundenwert.threads import thread_count

_ROWS_A_THREAD = 1 << 17  # fewer are counted before another thread has begun
_SLOTS = 1 << 10  # of a new table; always a power of two
_BLOCK = 256  # rows whose slots are looked up together, so that their waits for memory overlap
_MIXER = np.uint64(0x9E3779B97F4A7C15)


def counted(
    codes: IntArray, first: FloatArray, second: FloatArray, third: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray, IntArray]:
    """Distinct rows of a code and three numbers, in no particular order, and how often each occurs.

    Parameters
    ----------
    codes, first, second, third : (row,) each, contiguous; `codes` and `third` may be empty, which stands for zeros.
        Zeros are equal whatever their sign, and NaN equals itself.

    Returns
    -------
    The four columns of the distinct rows, and their counts, (distinct,) each.
    """
    size = first.size
    threads = 1 if size < 2 * _ROWS_A_THREAD else min(thread_count(), size // _ROWS_A_THREAD)
    edges = ((np.arange(threads + 1) * size) // threads).tolist()
    once = np.empty(0, dtype=np.int64)

    def piece(i: int, j: int) -> Any:
        return _distinct(*(_locked(column[i:j]) for column in (codes, first, second, third, once)))

    pieces = blocks.in_threads(piece, edges)
    if threads > 1:
        pieces = [_distinct(*(_locked(np.concatenate(parts)) for parts in zip(*pieces, strict=True)))]
    code, one, two, three, counts = pieces[0]
    return code, one, two, three, counts


def _locked(column: Any) -> Any:
    """The column as one that cannot be written to: numba compiles for each mixture of those and others."""
    view = column.view()
    view.flags.writeable = False
    return view


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _distinct(codes: IntArray, first: FloatArray, second: FloatArray, third: FloatArray, weights: IntArray) -> Any:
    """Open addressing: a slot holds a row's code, three numbers and count, no count if it is free."""
    size, found = first.size, 0
    table = np.zeros((_SLOTS, 5), dtype=np.int64)
    slots, rows = np.empty(_BLOCK, dtype=np.int64), np.zeros((_BLOCK, 4), dtype=np.int64)
    waiting = 0
    for begin in range(0, size, _BLOCK):
        many = min(_BLOCK, size - begin)
        if 3 * (found + many) > 2 * table.shape[0]:
            table = _doubled(table)
        for i in range(many):
            row = begin + i
            if codes.size > 0:
                rows[i, 0] = codes[row]
            rows[i, 1], rows[i, 2] = bits_of(first[row] + 0.0), bits_of(second[row] + 0.0)
            if third.size > 0:
                rows[i, 3] = bits_of(third[row] + 0.0)
            slots[i] = _slot(rows[i, 0], rows[i, 1], rows[i, 2], rows[i, 3], table.shape[0])
        for i in range(many):
            waiting += table[slots[i], 4]
        for i in range(many):
            slot = slots[i]
            while table[slot, 4] != 0 and not (
                table[slot, 0] == rows[i, 0]
                and table[slot, 1] == rows[i, 1]
                and table[slot, 2] == rows[i, 2]
                and table[slot, 3] == rows[i, 3]
            ):
                slot = (slot + 1) & (table.shape[0] - 1)
            if table[slot, 4] == 0:
                found += 1
                table[slot, :4] = rows[i]
            table[slot, 4] += weights[begin + i] if weights.size > 0 else 1
    return _filled(table, found, waiting)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _slot(code: int, first: int, second: int, third: int, size: int) -> int:
    """Where the search for a row begins in a table of `size` slots."""
    hashed = np.uint64(code) * _MIXER
    for bits in (first, second, third):
        hashed = (hashed ^ (hashed >> np.uint64(32)) ^ np.uint64(bits)) * _MIXER
    return int(hashed >> np.uint64(32)) & (size - 1)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _doubled(table: Any) -> Any:
    """The same rows in twice the slots."""
    larger = np.zeros((2 * table.shape[0], 5), dtype=np.int64)
    for old in range(table.shape[0]):
        if table[old, 4] != 0:
            slot = _slot(table[old, 0], table[old, 1], table[old, 2], table[old, 3], larger.shape[0])
            while larger[slot, 4] != 0:
                slot = (slot + 1) & (larger.shape[0] - 1)
            larger[slot] = table[old]
    return larger


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _filled(table: Any, found: int, waiting: int) -> Any:
    """The rows of a table, column by column."""
    code, counts = np.empty(found, dtype=np.int64), np.empty(found, dtype=np.int64)
    first, second, third = np.empty(found), np.empty(found), np.empty(found)
    at = 0
    for slot in range(table.shape[0]):
        if table[slot, 4] != 0:
            code[at], counts[at] = table[slot, 0], table[slot, 4]
            first[at], second[at], third[at] = (
                float_of(table[slot, 1]),
                float_of(table[slot, 2]),
                float_of(table[slot, 3]),
            )
            at += 1
    return code, first, second, third, counts
