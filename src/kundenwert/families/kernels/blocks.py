"""What the kernels share: where cohorts begin in a table, how many points go together, and threads."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from kundenwert.families.arithmetic import FloatArray, IntArray
from kundenwert.threads import thread_count

_CACHED = 1 << 16  # floats of a table over points: half a megabyte stays in the processor's second cache
_FEWEST, _MOST = 16, 64  # points in one block
_WORTH_A_THREAD = 1 << 20  # row evaluations, about a millisecond
_DERIVATIVES = 8  # one point with derivatives costs about that many without


def starts(cohort: IntArray, n_cohorts: int) -> IntArray:
    """Where each cohort begins in a table sorted by cohort, (cohort + 1,)."""
    return np.searchsorted(cohort, np.arange(n_cohorts + 1)).astype(np.int64)


def packed(numbers: Sequence[Any], indices: Sequence[Any]) -> dict[str, np.ndarray]:
    """All columns of a likelihood in two arrays: what a compiled model spends on one more array is half a second.

    Indices are unsigned: a signed one is checked for being negative, and a loop with that check in it stays scalar.
    """
    return {
        "numbers": np.concatenate([np.asarray(column, dtype=np.float64) for column in numbers]),
        "indices": np.concatenate([np.asarray(column, dtype=np.uint32) for column in indices]),
    }


def lanes(rows: int, points: int) -> int:
    """How many points are evaluated side by side: as many as keep a table of `rows` by points in cache."""
    return max(1, min(points, max(_FEWEST, min(_MOST, _CACHED // max(rows, 1)))))


def evaluate(kernel: Callable[..., None], data: Any, theta: FloatArray, costs: IntArray, block: int) -> FloatArray:
    """Runs a kernel over (cohort, parameter, point) in as many threads as the work is worth; (cohort, point)."""
    theta = np.ascontiguousarray(theta, dtype=np.float64)
    cohorts, _, points = theta.shape
    out = np.empty((cohorts, points))
    threads = _threads_for(int(costs.sum()) * points)
    if threads == 1:
        kernel(data, theta, 0, cohorts, out, block)
        return out
    if points >= threads * block:
        edges = (np.arange(threads + 1) * points) // threads

        def piece(first: int, last: int) -> FloatArray:
            result = np.empty((cohorts, last - first))
            kernel(data, np.ascontiguousarray(theta[..., first:last]), 0, cohorts, result, block)
            return result

        return np.concatenate(in_threads(piece, edges.tolist()), axis=1)
    _over_cohorts(lambda i, j: kernel(data, theta, i, j, out, block), costs, threads)
    return out


def evaluate_many(kernel: Callable[..., None], data: Any, points: FloatArray, costs: IntArray, sums: int) -> FloatArray:
    """Runs a kernel that makes several sums at each of a cohort's points; (cohort, sum, point)."""
    cohorts, count = points.shape
    out = np.empty((cohorts, sums, count))
    threads = _threads_for(int(costs.sum()) * count)
    _over_cohorts(lambda i, j: kernel(data, points, i, j, out), costs, threads)
    return out


def _over_cohorts(work: Callable[[int, int], None], costs: IntArray, threads: int) -> None:
    """Calls `work(first, last)` for consecutive ranges of cohorts that cost about the same."""
    if threads == 1:
        work(0, costs.size)
        return
    share = np.searchsorted(np.cumsum(costs), np.arange(1, threads) * costs.sum() / threads, side="left") + 1
    in_threads(work, np.concatenate([[0], np.minimum(share, costs.size), [costs.size]]).tolist())


def in_threads[T](work: Callable[[int, int], T], edges: list[int]) -> list[T]:
    """`work(first, last)` between neighbouring edges, each in a thread of its own where there is more than one."""
    if len(edges) == 2:
        return [work(*edges)]
    return list(_pool().map(work, edges[:-1], edges[1:]))


def differentiate(
    kernel: Callable[..., None], data: Any, theta: FloatArray, costs: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Runs a kernel of derivatives over (cohort, parameter): value, gradient and Hessian a cohort."""
    theta = np.ascontiguousarray(theta, dtype=np.float64)
    cohorts, parameters = theta.shape
    value, gradient = np.empty(cohorts), np.empty((cohorts, parameters))
    hessian = np.empty((cohorts, parameters, parameters))
    threads = _threads_for(_DERIVATIVES * int(costs.sum()))
    _over_cohorts(lambda i, j: kernel(data, theta, i, j, value, gradient, hessian), costs, threads)
    return value, gradient, hessian


def _threads_for(evaluations: int) -> int:
    """How many threads share that many row evaluations."""
    return min(thread_count(), evaluations // _WORTH_A_THREAD + 1)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count())


if hasattr(os, "register_at_fork"):  # a forked process has the pool, and none of its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
