"""What the parts of a piece of work take, each counted without the parts inside it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, wraps
from typing import Any

Part = tuple[str, Any, Sequence[str]]  # what the part is called, the module or class, and its functions or properties


class Parts:
    """Seconds by part: where one part calls another the clock of the first one stands still.

    Parameters
    ----------
    clock : CPU time of the process by default, so that the work must do one thing at a time.
    """

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self._clock, self._last = clock, clock()
        self._open: list[str] = []

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Counts what is done here for a part."""
        self._charge()
        self._open.append(name)
        self.calls[name] = self.calls.get(name, 0) + 1
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, counted for a part."""

        @wraps(function)
        def counted(*positional: Any, **named: Any) -> Any:
            with self.inside(name):
                return function(*positional, **named)

        return counted

    @contextmanager
    def watching(self, parts: Sequence[Part]) -> Iterator[None]:
        """Has functions, methods and cached properties counted wherever they are called from, and lets go of them."""
        kept = [(owner, each, vars(owner)[each]) for _, owner, members in parts for each in members]
        try:
            for name, owner, members in parts:
                for each in members:
                    setattr(owner, each, self._counted(name, each, vars(owner)[each]))
            yield
        finally:
            for owner, each, before in kept:
                setattr(owner, each, before)

    def _counted(self, name: str, member: str, found: Any) -> Any:
        if not isinstance(found, cached_property):
            return self.timed(name, found)
        again = cached_property(self.timed(name, found.func))
        again.__set_name__(None, member)
        return again

    def _charge(self) -> None:
        now = self._clock()
        if self._open:
            self.seconds[self._open[-1]] = self.seconds.get(self._open[-1], 0.0) + now - self._last
        self._last = now
