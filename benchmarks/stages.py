"""Measures each stage of a retraining of CDNOW, and the first command of the README: `stages.py --help`."""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.commands import timed_command
from harness.environments import MissingError, make_environment
from harness.machine import describe_machine, take_snapshot
from harness.output import BENCHMARKS, ENVIRONMENTS_FOLDER, LOG, REPOSITORY, REQUIREMENTS, load, save, show, tell
from harness.processes import FailedError, TimeLimitError, Worker, clean_environment
from harness.tables import markdown, significant, version_list

MODELS = {"sample": "cdnow-sample.toml", "master": "cdnow.toml"}
Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """The command; 0 where every row is there, 1 where something failed, 2 where the harness could not run."""
    parser = argparse.ArgumentParser(description="What each stage of a retraining takes, cold and warm.")
    parser.add_argument("--quick", action="store_true", help="the sample only")
    parser.add_argument("--no-command", action="store_true", help="the stages, without the whole command")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds for each process (600)")
    parser.add_argument("--python", help="version or path of the Python; default: 3.13, else 3.12")
    parser.add_argument("--working-tree", action="store_true", help="measure uncommitted code, not the last commit")
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    parser.add_argument("--table", metavar="FILE", help="only show the tables of an earlier run's JSON file")
    asked = parser.parse_args(arguments)
    if asked.table:
        found = load(asked.table)
    else:
        try:
            found = measure(asked)
        except MissingError as error:
            tell(str(error))
            return 2
        save(found, "stages")
    show(report(found), "stages.py" if asked.write else None)
    return int(any(row["status"] != "ok" for row in found["rows"]))


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """All rows."""
    LOG.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as temporary:
        work = Path(temporary)
        code = take_snapshot(REPOSITORY, work / "snapshot", working_tree=asked.working_tree)
        tell("environment kundenwert")
        file, within = REQUIREMENTS / "kundenwert.txt", work / "snapshot"
        python = make_environment("kundenwert", ENVIRONMENTS_FOLDER, file, within=within, python=asked.python)
        rows: list[Row] = []
        versions: dict[str, Any] = {}
        for dataset in list(MODELS)[: 1 if asked.quick else 2]:
            found, versions = stage_rows(dataset, python, work, asked.timeout)
            rows += found
        if not asked.no_command:
            rows += command_rows(MODELS["sample" if asked.quick else "master"], work, asked.timeout)
        return {
            "date": datetime.date.today().isoformat(),
            "code": code,
            "machine": describe_machine(),
            "versions": {"kundenwert": versions},
            "rows": rows,
        }


def stage_rows(dataset: str, python: Path, work: Path, timeout: float) -> tuple[list[Row], dict[str, Any]]:
    """One row a stage and state; the stages are those that the pipeline announces."""
    compiled = work / "compiled" / dataset
    compiled.mkdir(parents=True)
    options = {"spec": str(work / "snapshot" / "models" / MODELS[dataset]), "runs": str(work / "runs" / dataset)}
    command = [str(python), str(BENCHMARKS / "worker.py"), "pipeline_stages", "retrain", json.dumps(options)]
    worker = Worker(command, timeout, LOG, clean_environment(compiled))
    rows: list[Row] = []
    versions: dict[str, Any] = {}
    try:
        ready = worker.answer()
        versions = {"python": ready["python"], **ready["versions"]}
        for state in ("cold", "warm"):
            result = worker.ask("repeat")["result"]
            about = {"dataset": dataset, "state": state, "verdict": result["verdict"], "status": "ok"}
            rows += [{**about, **stage} for stage in result["stages"]]
            for stage in result["stages"]:
                tell(f"{dataset}, {state}: {stage['stage']} {stage['wall_seconds']:.2f} s")
    except (TimeLimitError, FailedError) as error:
        status = "timeout" if isinstance(error, TimeLimitError) else f"failed: {error}"
        rows.append({"dataset": dataset, "state": "cold" if not rows else "warm", "stage": "all", "status": status})
    finally:
        worker.close()
    return rows, versions


def command_rows(model: str, work: Path, timeout: float) -> list[Row]:
    """The README's first command in a fresh copy: uv makes the environment, then the first run, then others.

    Packages come from uv's cache, so that the network is not part of the figures.
    """
    copy = work / "clone"
    subprocess.run(["cp", "-r", str(work / "snapshot"), str(copy)], check=True)
    environment = {**clean_environment(work / "compiled" / "command"), "COLUMNS": "100"}
    retrain = ["uv", "run", "kundenwert", "retrain", f"models/{model}"]
    steps = {
        "uv sync": ["uv", "sync", "--quiet"],
        "first run": retrain,
        "again, forced": [*retrain, "--force"],
        "again, forced, without uv": [".venv/bin/kundenwert", *retrain[3:], "--force"],
        "again, nothing new": retrain,
    }
    rows = []
    for name, command in steps.items():
        row = timed_command(command, copy, environment, timeout, LOG)
        tell(f"{model}: {name}: {row['status']}, {row['wall_seconds']:.1f} s")
        rows.append({"model": model, "command": name, "line": " ".join(command), **row})
        if row["status"] != "ok":
            break
    return rows


def report(found: Mapping[str, Any]) -> str:
    """Everything that was found, as Markdown."""
    loads = [row["load"] for row in found["rows"] if "load" in row]
    parts = [
        f"{found['date']}, {found['code']}, {found['machine']}. Load of the machine while it ran: "
        f"{min(loads, default=0):.1f} to {max(loads, default=0):.1f}."
    ]
    for dataset in MODELS:
        rows = [row for row in found["rows"] if row.get("dataset") == dataset]
        if rows:
            parts.append(f"**{dataset}**, `models/{MODELS[dataset]}`\n\n{stage_table(rows)}")
    commands = [row for row in found["rows"] if "command" in row]
    if commands:
        parts.append(f"**The command**, `models/{commands[0]['model']}`\n\n{command_table(commands)}")
    return "\n\n".join([*parts, version_list(found["versions"])])


def stage_table(rows: Sequence[Row]) -> str:
    """Stages by state, and their sum."""
    by = {(row["stage"], row["state"]): row for row in rows}
    names = list(dict.fromkeys(row["stage"] for row in rows))
    figures = [("wall_seconds", state) for state in ("cold", "warm")]
    figures += [("cpu_seconds", "cold"), ("cpu_seconds", "warm"), ("peak_rss_mib", "cold"), ("peak_rss_mib", "warm")]

    def cell(name: str, figure: str, state: str) -> str:
        row = by.get((name, state), {})
        return significant(row.get(figure)) if row.get("status", "ok") == "ok" else row["status"]

    def total(figure: str, state: str) -> str:
        values = [row[figure] for row in rows if row["state"] == state and figure in row]
        combined = max if figure == "peak_rss_mib" else sum
        return significant(combined(values)) if values else "-"

    lines = [[name, *(cell(name, *figure) for figure in figures)] for name in names]
    lines.append(["all", *(total(*figure) for figure in figures)])
    header = ["stage", "cold s", "warm s", "CPU s, cold", "CPU s, warm", "peak MiB, cold", "peak MiB, warm"]
    return markdown(header, lines)


def command_table(rows: Sequence[Row]) -> str:
    """The steps of the command."""
    lines = [
        [
            f"{row['command']}: `{row['line']}`",
            *(significant(row[name]) for name in ("wall_seconds", "cpu_seconds", "peak_rss_mib")),
            str(row["exit_code"]) if row["status"] == "ok" else row["status"],
        ]
        for row in rows
    ]
    return markdown(["step", "s", "CPU s", "peak MiB", "exit code"], lines)


if __name__ == "__main__":
    sys.exit(main())
