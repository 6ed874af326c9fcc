"""What the command line shares: progress on stderr, one result on stdout, signals and errors as exit codes."""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from kundenwert.errors import KundenwertError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked the process to stop.

    Not a KeyboardInterrupt: samplers catch that one and hand back the draws they have, and a run of half the draws must
    not be saved.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first signal into `Interrupted`; a second one ends the process at once, which saving survives."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        raise Interrupted(number)

    # A signal that the caller ignores stays ignored: nohup must outlive its terminal.
    former = {n: signal.getsignal(n) for n in SIGNALS if signal.getsignal(n) is not signal.SIG_IGN}
    for number in former:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def exit_code_of(command: Callable[[], object]) -> int:
    """Run a command: 0, or the exit code that its error carries, its message on stderr. A bug keeps its traceback."""
    try:
        with interruptible():
            command()
    except KundenwertError as error:
        say(str(error))
        return error.exit_code
    except Interrupted as stop:
        say(f"interrupted by {stop}; a run that was not finished is not stored.")
        return stop.exit_code
    return 0


def say(text: str) -> None:
    """One message for the log."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def result(text: str) -> None:
    """The one result of a command."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def answer[T](as_json: bool, outcome: T, text: Callable[[T], str]) -> None:
    """The one result of a command: one JSON object on one line, or text for people."""
    from kundenwert.runs.store import jsonable

    if as_json:
        result(json.dumps(jsonable(outcome), allow_nan=False, ensure_ascii=False))
    else:
        result(text(outcome))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns for people, two spaces apart, no frame.

    >>> print(table(("run", "verdict"), [("1997-09-30-0123abcd", "PASS")]))
    run                  verdict
    1997-09-30-0123abcd  PASS
    """
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows))
    return "\n".join(line.rstrip() for line in lines)


class StageLog:
    """Progress as lines on stderr: one a stage, and a passing bar under it where a person watches.

    Call it with a text at the start of a stage, and with a text and a share from 0 to 1 within one. Without a terminal
    lines read `21:02:11 fit 3 cohorts, 4 chains` and shares are left out.
    """

    def __init__(self) -> None:
        self._watched = sys.stderr.isatty()
        self._begin = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._clear()

    def __call__(self, text: str, share: float | None = None) -> None:
        """Report a new stage, or how far the present one is."""
        if share is None:
            self._clear()
            stamp = f"{time.monotonic() - self._begin:6.1f} s " if self._watched else f"{time.strftime('%H:%M:%S')}"
            say(f"{stamp} {text}")
        elif self._watched:
            self._draw(text, share)

    def _draw(self, text: str, share: float) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(text, total=1.0)
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, description=text, completed=share)

    def _clear(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
