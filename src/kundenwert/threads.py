"""Work spread over threads: for compiled code and NumPy, which let other threads run."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from kundenwert.errors import UsageError

THREADS_LIMIT = 8


def thread_count(threads: int | None = None) -> int:
    """How many threads a pass uses: what was asked for, or what the machine has, at most eight."""
    if threads is None:
        return max(1, min(os.cpu_count() or 1, THREADS_LIMIT))
    if threads < 1:
        raise UsageError(f"threads must be at least 1, not {threads!r}.")
    return threads


def ordered_map[Item, Result](
    work: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[tuple[Item, Result]]:
    """Maps over threads, yields in the order of the items, and keeps few results in flight."""
    if threads == 1:
        for item in items:
            yield item, work(item)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[Item, Future[Result]]] = deque()
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > 4 * threads:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
