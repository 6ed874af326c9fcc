"""Runs the command line as a scheduler does: a process of its own, no terminal, no input."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BASE = (sys.executable, "-W", "error", "-m", "kundenwert")


@dataclass(frozen=True)
class Outcome:
    """What a process said and how it ended."""

    code: int
    out: str
    err: str


def start(arguments: Sequence[str | Path], folder: Path) -> subprocess.Popen[str]:
    """Start the command line in a folder."""
    environment = {**os.environ, "COLUMNS": "80"}
    pipe = subprocess.PIPE
    command = [*BASE, *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
    )


def run(*arguments: str | Path, folder: Path) -> Outcome:
    """Run the command line in a folder and wait for its end."""
    process = start(arguments, folder)
    out, err = process.communicate(timeout=300)
    return Outcome(process.returncode, out, err)
