"""Workers as processes: the protocol, what becomes of a worker that hangs or dies, and one real contestant."""

import json
import os
import sys
import time

import pytest
from harness.output import BENCHMARKS
from harness.processes import FailedError, TimeLimitError, Worker, clean_environment

READY = 'import sys, time, json; say = lambda **m: print(json.dumps(m), flush=True); say(event="ready")\n'


@pytest.fixture
def start(tmp_path):
    started = []

    def begin(script, limit=30.0):
        worker = Worker([sys.executable, "-c", READY + script], limit, tmp_path / "log", dict(os.environ))
        started.append(worker)
        return worker

    yield begin
    for worker in started:
        worker.close()


def test_each_request_is_answered(start):
    worker = start("for line in sys.stdin: say(event='repetition', heard=line.strip())")
    assert worker.answer() == {"event": "ready"}
    assert [worker.ask(word)["heard"] for word in ("one", "two")] == ["one", "two"]
    assert worker.left < 30.0


def test_a_long_answer_arrives_whole(start):
    worker = start("say(event='repetition', long='x' * 300_000)")
    worker.answer()
    assert len(worker.answer()["long"]) == 300_000


def test_a_worker_out_of_time_is_killed_with_its_children(start, tmp_path):
    alive = tmp_path / "alive"
    child = f"import time\nwhile True:\n    open({str(alive)!r}, 'w').write(str(time.time()))\n    time.sleep(0.02)"
    worker = start(f"import subprocess\nsubprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(600)", 3.0)
    worker.answer()
    with pytest.raises(TimeLimitError):
        worker.ask("repeat")
    assert alive.exists()
    time.sleep(0.2)
    last = alive.stat().st_mtime_ns
    time.sleep(0.3)
    assert alive.stat().st_mtime_ns == last


def test_a_worker_that_dies_has_failed(start):
    worker = start("sys.exit(7)")
    worker.answer()
    with pytest.raises(FailedError, match="exit code 7"):
        worker.ask("repeat")


def test_a_worker_says_why_it_failed(start):
    worker = start("say(event='failed', error='ValueError: no')")
    worker.answer()
    with pytest.raises(FailedError, match="ValueError: no"):
        worker.answer()


def test_environment_decides_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    found = clean_environment(tmp_path)
    assert "PYTHONDONTWRITEBYTECODE" not in found
    assert "PYTHONPATH" not in found
    assert found["PYTENSOR_FLAGS"] == f"base_compiledir={tmp_path}"


SUMMARY = """customer_id,frequency,recency,T,monetary_value
1,0,0.0,39.0,0.0
2,0,0.0,39.0,0.0
3,1,9.0,38.0,20.0
4,2,30.0,39.0,35.0
5,5,25.0,39.0,12.0
6,3,38.0,39.0,50.0
"""


def test_a_real_contestant_in_a_real_worker(tmp_path):
    """What the library prints does not disturb the protocol, and the result says what was computed."""
    (tmp_path / "summary.csv").write_text(SUMMARY)
    options = json.dumps({"summary": str(tmp_path / "summary.csv"), "saved": str(tmp_path)})
    command = [sys.executable, str(BENCHMARKS / "worker.py"), "kundenwert_ml", "fit_bgnbd", options]
    worker = Worker(command, 60.0, tmp_path / "log", clean_environment(tmp_path / "compiled"))
    try:
        assert "kundenwert" in worker.answer()["versions"]
        row = worker.ask("repeat")
        assert set(row["result"]["estimates"]) == {"r", "alpha", "a", "b"}
        assert row["peak_rss_mib"] > 10
        assert row["cpu_seconds"] > 0
    finally:
        worker.close()


def test_a_contestant_that_does_not_exist_fails(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "worker.py"), "nobody", "fit_bgnbd", "{}"]
    worker = Worker(command, 60.0, tmp_path / "log", clean_environment(tmp_path / "compiled"))
    with pytest.raises(FailedError, match=r"contestants\.nobody"):
        worker.answer()
    assert "Traceback" in (tmp_path / "log").read_text()
