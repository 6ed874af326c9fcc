"""One writer per model: a lock that the operating system frees when its process ends, however it ends."""

import datetime
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kundenwert.errors import LockedError

LOCK_FILE = ".lock"


class HeldElsewhereError(LockedError):
    """Another process holds a model's lock: since when, and which (None where it has not written that down yet)."""

    def __init__(self, since: str, pid: int | None) -> None:
        self.since, self.pid = since, pid
        who = f" (pid {pid})" if pid is not None else ""
        super().__init__(f"another run holds the lock since {since}{who}. Wait for its end, then try again.")


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold the lock of a model's folder, or raise at once.

    Parameters
    ----------
    folder : the folder `runs/<name>/`; made where it is missing.

    Raises
    ------
    HeldElsewhereError : another process holds it; the message names the process and since when.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The file stays when the lock is freed: were it deleted, a third process could lock a new one beside a second's.
    with (folder / LOCK_FILE).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _held(file) from None
        try:
            _record(file)
            yield
        finally:
            file.truncate(0)
            fcntl.flock(file, fcntl.LOCK_UN)


def _record(file: IO[str]) -> None:
    file.seek(0)
    file.truncate(0)
    json.dump({"pid": os.getpid(), "since": datetime.datetime.now().astimezone().isoformat(timespec="seconds")}, file)
    file.flush()


def _held(file: IO[str]) -> HeldElsewhereError:
    file.seek(0)
    text = file.read()
    if not text:  # between taking the lock and writing down who has it
        return HeldElsewhereError("just now", None)
    record = json.loads(text)
    since = datetime.datetime.fromisoformat(record["since"]).astimezone()
    today = datetime.datetime.now().astimezone().date()
    return HeldElsewhereError(f"{since:%H:%M}" if since.date() == today else f"{since:%Y-%m-%d %H:%M}", record["pid"])
