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


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold the lock of a model's folder, or raise at once.

    Parameters
    ----------
    folder : the folder `runs/<name>/`; made where it is missing.

    Raises
    ------
    LockedError : another process holds it; the message names the process and since when.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The file stays when the lock is freed: were it deleted, a third process could lock a new one beside a second's.
    with (folder / LOCK_FILE).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(f"another run holds the lock {_holder(file)}") from None
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


def _holder(file: IO[str]) -> str:
    """`since 02:14 (pid 4711)`; a holder that has not yet written its record is named as unknown."""
    file.seek(0)
    text = file.read()
    if not text:
        return "(it has only just begun)"
    record = json.loads(text)
    since = datetime.datetime.fromisoformat(record["since"]).astimezone()
    today = datetime.datetime.now().astimezone().date()
    shown = f"{since:%H:%M}" if since.date() == today else f"{since:%Y-%m-%d %H:%M}"
    return f"since {shown} (pid {record['pid']})"
