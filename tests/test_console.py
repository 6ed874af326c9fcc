"""Signals, exit codes and progress of the command line, in processes of their own."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kundenwert import console
from kundenwert.errors import LockedError, RunError, UsageError

SAVING = """
import sys, time
from pathlib import Path
from kundenwert import console
from kundenwert.runs import store

def slow(path):
    path.write_text("half")
    print("writing", flush=True)
    time.sleep(60)

def command():
    with store.locked(Path("runs"), "shop"):
        quick = {file: (lambda path: path.write_text("{}")) for file in store.FILES}
        store.save_run(Path("runs"), "shop", "1997-09-30-0123abcd", {**quick, "report.html": slow})

sys.exit(console.exit_code_of(command))
"""

STAGES = """
from kundenwert.console import StageLog
with StageLog() as progress:
    progress("read orders.csv")
    progress("fit 3 cohorts, 4 chains")
    progress("fit purchases", 0.5)
    progress("save")
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupted_save_leaves_nothing(tmp_path: Path, number: signal.Signals, code: int) -> None:
    pipe = subprocess.PIPE
    # Under nohup tests ignore SIGHUP, and so would the process.
    heard = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", heard + SAVING], cwd=tmp_path, stdout=pipe, stderr=pipe, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err == f"interrupted by {number.name}; a run that was not finished is not stored.\n"
    assert os.listdir(tmp_path / "runs" / "shop") == [".lock"]


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError("a"), 2), (RunError("a"), 3), (LockedError("a"), 75)],
)
def test_errors_made_on_purpose_become_message_and_exit_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise error

    assert console.exit_code_of(fails) == code
    assert capsys.readouterr() == ("", "a\n")


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        console.exit_code_of(lambda: 1 / 0)


def test_signal_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in console.SIGNALS]
    with console.interruptible():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in console.SIGNALS] == before


def test_progress_without_a_terminal_is_one_line_a_stage(tmp_path: Path) -> None:
    err = subprocess.run([sys.executable, "-c", STAGES], capture_output=True, text=True, check=True).stderr
    assert [re.sub(r"\d", "0", line) for line in err.splitlines()] == [
        "00:00:00 read orders.csv",
        "00:00:00 fit 0 cohorts, 0 chains",
        "00:00:00 save",
    ]


def test_progress_with_a_terminal_shows_elapsed_time_and_a_bar() -> None:
    reader, writer = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    subprocess.run([sys.executable, "-c", STAGES], stderr=writer, check=True, env=environment)
    os.close(writer)
    shown = os.read(reader, 100_000).decode()
    os.close(reader)
    assert re.search(r"\d\.\d s  fit 3 cohorts, 4 chains", shown)
    assert "fit purchases" in shown
    assert "50%" in shown


def test_results_are_one_line_of_strict_json(capsys: pytest.CaptureFixture[str]) -> None:
    console.answer(True, {"seconds": 1.5, "total": float("nan"), "path": Path("a/b")}, str)
    assert capsys.readouterr().out == '{"seconds": 1.5, "total": null, "path": "a/b"}\n'
