"""The machine, in as few words as a reader needs, and the code that is measured."""

import os
import shutil
import subprocess
from pathlib import Path


def describe_machine() -> str:
    """Cores and memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{len(os.sched_getaffinity(0))} cores, {round(memory / 2**30)} GB"


def take_snapshot(repository: Path, to: Path, *, working_tree: bool) -> str:
    """Copies the code to a folder of its own, so that edits during a run change nothing; says which code it is.

    The last commit, or the working tree with what is not committed yet.
    """
    to.mkdir(parents=True)
    commit = _git(repository, "rev-parse", "--short", "HEAD").decode().strip()
    if not working_tree:
        archive = _git(repository, "archive", "--format=tar", "HEAD")
        subprocess.run(["tar", "-x", "-C", str(to)], input=archive, check=True)
        return f"commit {commit}"
    listed = _git(repository, "ls-files", "-z", "--cached", "--others", "--exclude-standard").decode()
    for name in listed.rstrip("\0").split("\0"):
        if (repository / name).is_file():  # a deleted file is still listed
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, to / name)
    return f"working tree on commit {commit}"


def describe_code(repository: Path) -> str:
    """Which code a program runs that takes no snapshot."""
    commit = _git(repository, "rev-parse", "--short", "HEAD").decode().strip()
    changed = _git(repository, "status", "--porcelain", "--untracked-files=no", "src").strip()
    return f"working tree on commit {commit}" if changed else f"commit {commit}"


def _git(repository: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=repository, check=True, capture_output=True).stdout
