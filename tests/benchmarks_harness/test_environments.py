"""How the harness finds a Python and the code to measure; a small script stands in for uv where it must be absent."""

import subprocess

import pytest
from harness.environments import MissingError, find_python, make_environment
from harness.machine import describe_machine, take_snapshot


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_what_uv_finds_is_taken(tmp_path):
    executable(tmp_path / "bin" / "uv", 'case "$*" in *3.12) echo /there/python3.12 ;; *) exit 2 ;; esac')
    found = find_python(("3.13", "3.12"), {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)})
    assert found == "/there/python3.12"


def test_else_what_pyenv_has(tmp_path):
    executable(tmp_path / "bin" / "uv", "exit 2")
    interpreter = executable(tmp_path / "pyenv" / "versions" / "3.12.1" / "bin" / "python3", "")
    executable(tmp_path / "pyenv" / "versions" / "3.11.7" / "bin" / "python3", "")
    found = find_python(("3.13", "3.12"), {"PATH": str(tmp_path / "bin"), "PYENV_ROOT": str(tmp_path / "pyenv")})
    assert found == str(interpreter)


def test_else_uv_may_download_one(tmp_path):
    executable(tmp_path / "bin" / "uv", "exit 2")
    assert find_python(("3.13", "3.12"), {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}) == "3.13"


def test_without_uv_it_says_how_to_install_it(tmp_path):
    with pytest.raises(MissingError, match="pip install uv"):
        find_python(("3.13",), {"PATH": str(tmp_path)})


def test_without_python_it_says_what_to_do(tmp_path, monkeypatch):
    executable(tmp_path / "bin" / "uv", "echo 'error: no interpreter' >&2; exit 2")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    requirements = tmp_path / "peer.txt"
    requirements.write_text("peer==1.0\n")
    with pytest.raises(MissingError, match=r"no interpreter(.|\n)*Python 3\.13 or 3\.12(.|\n)*--python"):
        make_environment("peer", tmp_path / "envs", requirements, within=None, python="3.13")


def test_an_environment_is_made_once(tmp_path, monkeypatch):
    log = tmp_path / "log"
    made = 'if [ "$1" = venv ]; then for last; do :; done; mkdir -p "$last/bin"; : > "$last/bin/python"; fi'
    executable(tmp_path / "bin" / "uv", f'echo "$*" >> {log}\n{made}')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    requirements = tmp_path / "peer.txt"
    requirements.write_text("peer==1.0\n")

    def make(within=None):
        make_environment("peer", tmp_path / "envs", requirements, within=within, python="3.13")
        return log.read_text().splitlines()

    assert [line.split()[0] for line in make()] == ["venv", "pip"]
    assert len(make()) == 2
    requirements.write_text("peer==2.0\n")
    assert len(make()) == 4
    # Our own code may have changed although the requirements have not: it is installed anew, into the same environment.
    assert [line.split()[0] for line in make(within=tmp_path)[4:]] == ["pip"]
    assert "--reinstall-package kundenwert" in log.read_text()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()

    def git(*arguments):
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)

    (folder / "code.py").write_text("committed")
    (folder / "gone.py").write_text("committed")
    (folder / ".gitignore").write_text("ignored\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    (folder / "code.py").write_text("edited")
    (folder / "new.py").write_text("new")
    (folder / "ignored").write_text("ignored")
    (folder / "gone.py").unlink()
    return folder


def test_a_snapshot_is_the_last_commit(repository, tmp_path):
    label = take_snapshot(repository, tmp_path / "copy", working_tree=False)
    assert label.startswith("commit ")
    assert (tmp_path / "copy" / "code.py").read_text() == "committed"
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"code.py", "gone.py", ".gitignore"}


def test_a_snapshot_of_the_working_tree(repository, tmp_path):
    label = take_snapshot(repository, tmp_path / "copy", working_tree=True)
    assert label.startswith("working tree on commit ")
    assert (tmp_path / "copy" / "code.py").read_text() == "edited"
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"code.py", "new.py", ".gitignore"}


def test_the_machine_is_cores_and_memory():
    cores, memory = describe_machine().split(", ")
    assert int(cores.removesuffix(" cores")) >= 1
    assert int(memory.removesuffix(" GB")) >= 1
