"""Wall time, CPU time and peak memory of a piece of work, measured inside the process that does it."""

import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_CLEAR = Path("/proc/self/clear_refs")
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS and in KiB elsewhere


@dataclass(frozen=True)
class Usage:
    """What a piece of work took.

    Parameters
    ----------
    wall_seconds : as a clock on the wall shows it.
    cpu_seconds : of this process and its finished children, over all cores.
    peak_rss_mib : most memory that this process held during the work (all that it held, not what the work added).
    peak_children_mib : most memory that a single finished child ever held; 0 without children.
    load : runnable processes on the machine, mean of the last minute: on a quiet machine at most about what this
        harness starts itself.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_rss_mib: float
    peak_children_mib: float
    load: float

    def to_dict(self) -> dict[str, float]:
        """As JSON rows hold it."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


class Meter:
    """Measures from its making to `stop`; may be stopped once."""

    def __init__(self) -> None:
        self.own_peak = forget_peak()
        self._cpu, self._wall = cpu_seconds(), time.perf_counter()

    def stop(self) -> Usage:
        """What was taken since the meter was made."""
        wall, cpu = time.perf_counter() - self._wall, cpu_seconds() - self._cpu
        return Usage(wall, cpu, peak(resource.RUSAGE_SELF), peak(resource.RUSAGE_CHILDREN), os.getloadavg()[0])


def measured(work: Callable[[], Any]) -> tuple[Any, Usage]:
    """The result of some work and what it took."""
    meter = Meter()
    result = work()
    return result, meter.stop()


def cpu_seconds() -> float:
    """User and system time of this process and its finished children so far."""
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak(of: int) -> float:
    """The high-water mark of resident memory, MiB."""
    return resource.getrusage(of).ru_maxrss * RSS_UNIT / 2**20


def forget_peak() -> bool:
    """Sets the high-water mark to the memory held now, where the kernel can (Linux); says whether it did.

    Elsewhere a peak is that of the process so far: still an upper bound for the piece of work.
    """
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True
