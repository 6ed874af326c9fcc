"""The run store: `runs/<name>/<as_of>-<hash8>/` folders that appear whole or not at all, and aliases beside them.

Everything that other programs rely on is here: what a finished run is, how one is found, which one is champion. A run
is written to a hidden folder beside its place, flushed to the disk, and renamed; a name with a leading dot is no run.
No alias ever points to a run with the verdict FAIL.
"""

import datetime
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kundenwert.errors import RunError, did_you_mean
from kundenwert.names import FORMAT_VERSION, Verdict
from kundenwert.runs.artifacts import (
    PARTIAL,
    column_unit,
    flush_to_disk,
    jsonable,
    read_customers,
    read_json,
    replace_file,
    write_customers,
    write_json,
)
from kundenwert.runs.identity import data_fingerprint, run_id
from kundenwert.runs.lock import hold

__all__ = [
    "CHAMPION",
    "FILES",
    "RunInfo",
    "column_unit",
    "data_fingerprint",
    "finished_run",
    "get_alias",
    "jsonable",
    "list_runs",
    "load_manifest",
    "locked",
    "promote",
    "read_aliases",
    "read_customers",
    "read_json",
    "replace_file",
    "resolve",
    "run_id",
    "save_run",
    "set_alias",
    "write_customers",
    "write_json",
]

MANIFEST = "manifest.json"
FILES = (MANIFEST, "posterior.nc", "customers.parquet", "checks.json", "report.json", "report.html")
ALIASES = "aliases.json"
CHAMPION = "champion"
_REPLACED = ".replaced-"
_RUN_ID = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{8}")


@dataclass(frozen=True)
class RunInfo:
    """One finished run, as a list shows it."""

    name: str
    run: str
    path: Path
    as_of: datetime.date
    verdict: Verdict
    created: str
    aliases: tuple[str, ...]


@contextmanager
def locked(runs_dir: Path, name: str) -> Iterator[None]:
    """Hold the lock of a model's runs, and clear away what killed processes left.

    Raises
    ------
    LockedError : another process writes this model's runs.
    """
    folder = runs_dir / name
    with hold(folder):
        _clear_leftovers(folder)
        yield


def _clear_leftovers(folder: Path) -> None:
    """Under the lock nobody else writes here, so hidden work is dead work."""
    for path in folder.glob(f"{PARTIAL}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    for path in folder.glob(f"{_REPLACED}*"):
        original = folder / path.name.removeprefix(_REPLACED)
        if original.exists():
            shutil.rmtree(path)
        else:  # killed between moving the old run away and the new one in: the old one is still the run
            path.rename(original)


def save_run(
    runs_dir: Path,
    name: str,
    run: str,
    writers: Mapping[str, Callable[[Path], object]],
    *,
    replace: bool = False,
) -> Path:
    """Write a run's files and let the finished folder appear in one step; call it under `locked`.

    Parameters
    ----------
    runs_dir, name, run : the folder becomes `runs_dir/name/run`.
    writers : one per file of `FILES`, each writes a complete file at the path that it is given.
    replace : put the new run in the place of a finished one of the same id. It takes over the aliases too, unless its
        verdict is FAIL: then they are dropped, and the model has no champion.

    Returns
    -------
    The finished folder.

    Raises
    ------
    RunError : a file is missing, the manifest says no verdict, or the run exists and is not to be replaced.
    """
    lacking = [file for file in FILES if file not in writers]
    if lacking:
        raise RunError(f"a run needs its files {', '.join(lacking)} too.")
    folder = runs_dir / name
    final = folder / run
    if final.exists() and not replace:
        raise RunError(f"{final} exists already. Use --force to make it again.")
    temporary = folder / f"{PARTIAL}{run}-{os.getpid()}"
    temporary.mkdir(parents=True)
    try:
        for file, write in writers.items():
            write(temporary / file)
            flush_to_disk(temporary / file)
        flush_to_disk(temporary)
        if final.exists() and load_manifest(temporary)["verdict"] == Verdict.FAIL:
            _drop_aliases(runs_dir, name, run)  # before the move: killed in between, nobody is champion, and no FAIL is
        _publish(temporary, final)
    except BaseException:  # an interruption too must leave nothing behind
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return final


def _publish(temporary: Path, final: Path) -> None:
    replaced = final.with_name(f"{_REPLACED}{final.name}")
    if final.exists():
        final.rename(replaced)
    try:
        os.replace(temporary, final)
    except BaseException:
        if replaced.exists() and not final.exists():
            replaced.rename(final)
        raise
    flush_to_disk(final.parent)
    if replaced.exists():
        shutil.rmtree(replaced)


def finished_run(runs_dir: Path, name: str, run: str) -> Path | None:
    """The folder of a finished run, or None."""
    folder = runs_dir / name / run
    return folder if _is_finished(folder) else None


def _is_finished(folder: Path) -> bool:
    return bool(_RUN_ID.fullmatch(folder.name)) and all((folder / file).is_file() for file in FILES)


def load_manifest(folder: Path) -> dict[str, Any]:
    """A run's manifest.

    Raises
    ------
    RunError : the folder is no finished run, or a newer version wrote it.
    """
    manifest = read_json(folder / MANIFEST)
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if not isinstance(version, int):
        raise RunError(f"{folder / MANIFEST} does not say which format it has. Retrain the run with --force.")
    if version > FORMAT_VERSION:
        raise RunError(f"{folder} has format {version}; this version reads up to {FORMAT_VERSION}. Update kundenwert.")
    return dict(manifest)


def read_aliases(runs_dir: Path, name: str) -> dict[str, str]:
    """Alias -> run id; empty where no run has one yet."""
    path = runs_dir / name / ALIASES
    return dict(read_json(path)) if path.exists() else {}


def get_alias(runs_dir: Path, name: str, alias: str = CHAMPION) -> str | None:
    """The run id that an alias points to, or None."""
    return read_aliases(runs_dir, name).get(alias)


def set_alias(runs_dir: Path, name: str, alias: str, run: str) -> None:
    """Point an alias to a finished run, in one step; call it under `locked`.

    Raises
    ------
    RunError : there is no such finished run, or its verdict is FAIL.
    """
    folder = finished_run(runs_dir, name, run)
    if folder is None:
        raise RunError(f"{runs_dir / name / run} is no finished run, so it cannot be {alias}.")
    if load_manifest(folder)["verdict"] == Verdict.FAIL:
        raise RunError(f"{run} has the verdict FAIL: its figures are not for use. Promote another run.")
    aliases = {**read_aliases(runs_dir, name), alias: run}
    replace_file(runs_dir / name / ALIASES, lambda path: write_json(path, dict(sorted(aliases.items()))))


def _drop_aliases(runs_dir: Path, name: str, run: str) -> None:
    aliases = read_aliases(runs_dir, name)
    kept = {alias: held for alias, held in aliases.items() if held != run}
    if kept != aliases:
        replace_file(runs_dir / name / ALIASES, lambda path: write_json(path, kept))


def list_runs(runs_dir: Path, name: str) -> list[RunInfo]:
    """A model's finished runs, the newest as-of day first.

    Raises
    ------
    RunError : the model has no folder.
    """
    folder = runs_dir / name
    if not folder.is_dir():
        models = [path.name for path in runs_dir.iterdir() if path.is_dir()] if runs_dir.is_dir() else []
        hint = did_you_mean(name, models) or " Retrain it first, or name its folder with --runs."
        raise RunError(f"{folder} does not exist: no run of '{name}' is stored there.{hint}")
    aliases = read_aliases(runs_dir, name)
    infos = [_info(path, aliases) for path in folder.iterdir() if _is_finished(path)]
    return sorted(infos, key=lambda info: (info.as_of, info.created), reverse=True)


def _info(path: Path, aliases: Mapping[str, str]) -> RunInfo:
    manifest = load_manifest(path)
    return RunInfo(
        name=path.parent.name,
        run=path.name,
        path=path,
        as_of=datetime.date.fromisoformat(path.name[:10]),
        verdict=Verdict(manifest["verdict"]),
        created=str(manifest.get("created", "")),
        aliases=tuple(sorted(alias for alias, run in aliases.items() if run == path.name)),
    )


def resolve(run: str | Path, runs_dir: Path = Path("runs")) -> Path:
    """The folder of a run that a person named.

    Parameters
    ----------
    run : a folder, or `name@alias` such as `cdnow@champion`.
    runs_dir : where `name@alias` is looked up.

    Raises
    ------
    RunError : there is no such run, or it is not finished.
    """
    text = str(run)
    if not Path(run).exists() and "@" in text:
        name, _, alias = text.partition("@")
        return _resolve_alias(runs_dir, name, alias)
    folder = Path(run).resolve()
    if not folder.is_dir():
        raise RunError(f"{text} is no folder of a run. Name one, or write NAME@{CHAMPION}.")
    if not _is_finished(folder):
        raise RunError(f"{text} is not a finished run: it needs {', '.join(FILES)} in a folder <as-of>-<hash>.")
    return folder


def _resolve_alias(runs_dir: Path, name: str, alias: str) -> Path:
    list_runs(runs_dir, name)  # names the nearest model where this one has no folder
    aliases = read_aliases(runs_dir, name)
    if alias not in aliases:
        known = f" Known: {', '.join(sorted(aliases))}." if aliases else " Promote one of its runs."
        raise RunError(f"'{name}' has no {alias}.{did_you_mean(alias, aliases) or known}")
    folder = finished_run(runs_dir, name, aliases[alias])
    if folder is None:
        raise RunError(
            f"'{name}@{alias}' points to {aliases[alias]}, which is missing or incomplete. Promote another run."
        )
    return folder.resolve()


def promote(run: str | Path, runs_dir: Path = Path("runs"), alias: str = CHAMPION) -> RunInfo:
    """Make a run the champion of its model.

    Raises
    ------
    RunError : there is no such run, or its verdict is FAIL.
    LockedError : another process writes this model's runs.
    """
    folder = resolve(run, runs_dir)
    home, name = folder.parent.parent, folder.parent.name
    with locked(home, name):
        set_alias(home, name, alias, folder.name)
    return _info(folder, read_aliases(home, name))
