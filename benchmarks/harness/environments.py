"""An environment of its own for each contestant, made by uv, with bytecode compiled on installation."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PYTHONS = ("3.13", "3.12")  # tried in this order; all contestants run on both


class MissingError(Exception):
    """Something that the harness needs is not on this machine; the text says what to do."""


def make_environment(name: str, root: Path, requirements: Path, *, within: Path | None, python: str | None) -> Path:
    """The interpreter of an environment, made or brought up to date.

    Parameters
    ----------
    name : of the environment, a folder under `root`.
    requirements : file that is installed; as long as it and the Python asked for stay the same, nothing is done.
    within : folder that paths in the file are relative to: a snapshot of our own code, installed anew every time.
    python : a version or an interpreter's path; None looks for one.

    Raises
    ------
    MissingError : no uv, no suitable Python, or a package that cannot be installed.
    """
    folder, stamp = root / name, root / f"{name}.stamp"
    interpreter = folder / "bin" / "python"
    state = _state(requirements, python)
    if within is None and interpreter.exists() and stamp.exists() and stamp.read_text() == state:
        return interpreter
    if not interpreter.exists() or not stamp.exists() or stamp.read_text() != state:
        stamp.unlink(missing_ok=True)
        wanted = python or find_python()
        _uv(["venv", "--quiet", "--clear", "--python", wanted, str(folder)], f"no environment {name!r} could be made")
    install = ["pip", "install", "--quiet", "--compile-bytecode", "--python", str(interpreter)]
    install += ["--reinstall-package", "kundenwert"] if within else []
    _uv([*install, "--requirements", str(requirements)], f"{requirements.name} could not be installed", within)
    stamp.write_text(state)
    return interpreter


def find_python(versions: tuple[str, ...] = PYTHONS, environment: Mapping[str, str] | None = None) -> str:
    """A Python that the contestants run on: what uv finds, what pyenv has, or a version that uv may download.

    uv sees of pyenv's versions only the one that is switched on, hence the look into its folder.
    """
    environment = os.environ if environment is None else environment
    uv = _find_uv(environment)
    for version in versions:
        asked = [uv, "python", "find", "--no-python-downloads", version]
        found = subprocess.run(asked, capture_output=True, text=True, env=dict(environment), check=False)
        if found.returncode == 0 and found.stdout.strip():
            return found.stdout.strip()
    pyenv = Path(environment.get("PYENV_ROOT", Path(environment.get("HOME", "/")) / ".pyenv"))
    for version in versions:
        for interpreter in sorted(pyenv.glob(f"versions/{version}.*/bin/python3"), reverse=True):
            return str(interpreter)
    return versions[0]


def _find_uv(environment: Mapping[str, str]) -> str:
    uv = shutil.which("uv", path=environment.get("PATH"))
    if uv is None:
        raise MissingError("uv is not on the PATH. Install it with: pip install uv")
    return uv


def _uv(arguments: list[str], failure: str, within: Path | None = None) -> None:
    done = subprocess.run([_find_uv(os.environ), *arguments], cwd=within, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise MissingError(
            f"{failure}: uv {' '.join(arguments[:2])} said\n{last}\n"
            f"The contestants need Python {' or '.join(PYTHONS)}. Where none is found, install one (uv python install "
            "3.13), or name one: --python /path/to/python3.13"
        )


def _state(requirements: Path, python: str | None) -> str:
    """Changes when an environment has to be made again: its requirements (and what they include), or its Python."""
    texts = [file.read_bytes() for file in sorted(requirements.parent.glob("*.txt"))]
    digest = hashlib.sha256(b"\0".join([requirements.name.encode(), (python or "").encode(), *texts]))
    return f"{digest.hexdigest()} {sys.platform}\n"
