"""The stages' harness: what opens and closes a stage, commands that end, fail or hang, and the tables."""

import os
import sys

import harness.output
import pytest
import run
import stages
from contestants.pipeline_stages import Stages
from harness.commands import timed_command

import kundenwert.inputs


def test_a_stage_ends_where_the_next_begins():
    found = Stages()
    found.progress("read example:cdnow")
    assert found.opened_by(lambda x, *, y: x + y, "summarize")(1, y=2) == 3
    found.progress("fit 3 cohorts, partial pooling")
    found.progress("fit purchase", 0.5)
    found.open(None)
    assert [one["stage"] for one in found.found] == ["read", "summarize", "fit"]
    assert all(one["wall_seconds"] >= 0 and one["peak_rss_mib"] > 1 for one in found.found)


def test_the_pipeline_still_has_the_seam_that_is_measured():
    assert callable(kundenwert.inputs.summarize)


@pytest.mark.parametrize(
    ("script", "limit", "status"),
    [
        ("print('done')", 60.0, "ok"),
        ("raise SystemExit(4)", 60.0, "ok"),
        ("raise SystemExit(3)", 60.0, "failed: exit code 3"),
        ("import time; time.sleep(600)", 0.5, "timeout"),
    ],
)
def test_commands(tmp_path, script, limit, status):
    row = timed_command([sys.executable, "-c", script], tmp_path, dict(os.environ), limit, tmp_path / "log")
    assert row["status"] == status


def test_a_command_is_measured_with_its_children(tmp_path):
    child = "x = bytearray(120_000_000); sum(range(2_000_000))"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    row = timed_command([sys.executable, "-c", script], tmp_path, dict(os.environ), 60.0, tmp_path / "log")
    assert row["peak_rss_mib"] > 110
    assert row["cpu_seconds"] > 0.01


def stage(name, state, wall, peak):
    figures = {"wall_seconds": wall, "cpu_seconds": wall, "peak_rss_mib": peak, "load": 1.0}
    return {"dataset": "sample", "stage": name, "state": state, "status": "ok", **figures}


def test_stages_add_up_and_peaks_do_not():
    rows = [stage("read", "cold", 1.0, 300.0), stage("fit", "cold", 2.0, 500.0), stage("read", "warm", 0.5, 510.0)]
    last = stages.stage_table(rows).splitlines()[-1]
    assert last == "| all | 3.00 | 0.500 | 3.00 | 0.500 | 500 | 510 |"


def test_a_report_of_stages():
    command = {"model": "cdnow.toml", "command": "first run", "line": "uv run it", "status": "ok", "exit_code": 0}
    rows = [stage("read", "cold", 1.0, 300.0), {**command, "wall_seconds": 3.0, "cpu_seconds": 2.0, "peak_rss_mib": 9}]
    about = {"date": "2026-01-02", "code": "commit abc", "machine": "2 cores, 24 GB", "versions": {"kundenwert": {}}}
    text = stages.report({**about, "rows": rows})
    assert "**sample**, `models/cdnow-sample.toml`" in text
    assert "| first run: `uv run it` | 3.00 | 2.00 | 9.00 | 0 |" in text


def test_quick_means_the_sample_and_one_repetition():
    asked = run.parse(["--quick"])
    assert (asked.dataset, asked.repetitions, asked.case) == (("sample",), 1, run.CASES)
    asked = run.parse(["--case", "score", "--case", "summarize", "--dataset", "master", "--repetitions", "0"])
    assert (asked.case, asked.dataset, asked.repetitions) == (("summarize", "score"), ("master",), 0)


def test_rows_are_saved_and_shown_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(harness.output, "RESULTS", tmp_path)
    found = {"date": "2026-01-02", "rows": [], "versions": {}}
    path = harness.output.save(found, "benchmark")
    assert harness.output.load(path) == found
    assert run.main(["--table", str(tmp_path / "benchmark-latest.json")]) == 0
    assert "2026-01-02: nothing ran" in capsys.readouterr().out


def test_the_readme_has_a_place_for_all_tables():
    page = harness.output.README.read_text(encoding="utf-8")
    for name in ("run.py", "stages.py", "pooling.py", "agreement.py", "ten_million.py"):
        assert page.count(f"<!-- {name}: begin -->") == page.count(f"<!-- {name}: end -->") == 1
