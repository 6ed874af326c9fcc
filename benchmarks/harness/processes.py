"""A worker as the driver sees it: started, asked with a time limit, killed with all its children."""

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

# Left over from the environment that the driver runs in, these would decide what a worker imports or compiles.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "PYTENSOR_FLAGS")


class TimeLimitError(Exception):
    """A worker used up its time."""


class FailedError(Exception):
    """A worker said that its contestant raised, or died without a word."""


def clean_environment(compile_folder: Path, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a worker: compiled code goes to a folder of its own, empty at the start of a cold run."""
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    compiled = {"PYTENSOR_FLAGS": f"base_compiledir={compile_folder}", "NUMBA_CACHE_DIR": str(compile_folder)}
    return {**inherited, **compiled, **(variables or {})}


def kill_group(leader: int) -> None:
    """Ends a process that leads a group, and everything in the group."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


class Worker:
    """A process that answers each request with one JSON line.

    Parameters
    ----------
    command : what to start.
    limit : seconds that it may take over all requests together, the start included.
    log : file that its standard error is appended to.
    """

    def __init__(self, command: Sequence[str], limit: float, log: Path, environment: Mapping[str, str]) -> None:
        self.left = limit
        self._buffer = b""
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(environment),
                start_new_session=True,  # its own process group, so that samplers' children are killed with it
            )

    def answer(self) -> dict[str, Any]:
        """The next message.

        Raises
        ------
        TimeLimitError : the worker's time is used up; it has been killed.
        FailedError : the contestant raised; the log says more.
        """
        begin = time.monotonic()
        try:
            line = self._line(begin + self.left)
        finally:
            self.left -= time.monotonic() - begin
        message: dict[str, Any] = json.loads(line)
        if message["event"] == "failed":
            self.close()
            raise FailedError(message["error"])
        return message

    def ask(self, request: str) -> dict[str, Any]:
        """Sends a request and waits for its answer; raises as `answer` does."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has died: the missing answer says so
            self._process.stdin.write(request.encode() + b"\n")
            self._process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        """Ends the process and everything that it started."""
        kill_group(self._process.pid)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _line(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            waited, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            if not waited:
                self.close()
                raise TimeLimitError
            chunk = os.read(pipe, 65536)
            if not chunk:
                self.close()
                raise FailedError(f"the worker ended with exit code {self._process.returncode} and said nothing")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line
