"""Fits ten million simulated customers in a process that does nothing else: `ten_million.py --help`."""

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
from harness.processes import clean_environment
from harness.tables import NOTHING, markdown, significant

Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """The command; 0 where every process ended well, 1 where one did not, 2 where the harness could not run."""
    parser = argparse.ArgumentParser(description="From a customer summary in Parquet to posteriors, in new processes.")
    parser.add_argument("--customers", type=int, default=10_000_000)
    parser.add_argument("--quick", action="store_true", help="200,000 customers")
    parser.add_argument("--processes", type=int, default=4, help="one after another, the first with nothing compiled")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for each process (300)")
    parser.add_argument("--python", help="version or path of the Python; default: 3.13, else 3.12")
    parser.add_argument("--working-tree", action="store_true", help="measure uncommitted code, not the last commit")
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    parser.add_argument("--table", metavar="FILE", help="only show the tables of an earlier run's JSON file")
    asked = parser.parse_args(arguments)
    asked.customers = 200_000 if asked.quick else asked.customers
    if asked.table:
        found = load(asked.table)
    else:
        try:
            found = measure(asked)
        except MissingError as error:
            tell(str(error))
            return 2
        save(found, "ten-million")
    show(report(found), "ten_million.py" if asked.write else None)
    return int(any(row["status"] != "ok" for row in found["processes"]))


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Every process as a row, with its steps."""
    LOG.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as temporary:
        work = Path(temporary)
        code = take_snapshot(REPOSITORY, work / "snapshot", working_tree=asked.working_tree)
        file, within = REQUIREMENTS / "kundenwert.txt", work / "snapshot"
        python = make_environment("kundenwert", ENVIRONMENTS_FOLDER, file, within=within, python=asked.python)
        environment = clean_environment(work / "compiled")
        (work / "compiled").mkdir()
        module = [str(python), "-m", "contestants.large_base"]
        tell(f"simulate {asked.customers:,} customers")
        summary = work / "summary.parquet"
        subprocess.run(
            [*module, "write", str(summary), str(asked.customers)], cwd=BENCHMARKS, env=environment, check=True
        )
        processes = []
        for number in range(asked.processes):
            steps = work / f"steps-{number}.json"
            command = [*module, "fit", str(summary), str(steps)]
            row = timed_command(command, BENCHMARKS, environment, asked.timeout, LOG)
            state = "cold" if number == 0 else "warm"
            known = json.loads(steps.read_text()) if row["status"] == "ok" else []
            processes.append({"process": number, "state": state, **row, "steps": known})
            tell(f"process {number}, {state}: {row['status']}, {row['wall_seconds']:.2f} s, {row['peak_rss_mib']} MiB")
        return {
            "date": datetime.date.today().isoformat(),
            "code": code,
            "machine": describe_machine(),
            "customers": asked.customers,
            "summary_mib": round(summary.stat().st_size / 2**20, 1),
            "processes": processes,
        }


def report(found: Mapping[str, Any]) -> str:
    """The cold process beside the median of the others, step by step."""
    cold = [row for row in found["processes"] if row["state"] == "cold"]
    warm = sorted((row for row in found["processes"] if row["state"] == "warm"), key=lambda row: row["wall_seconds"])
    middle = warm[(len(warm) - 1) // 2 :][:1]
    loads = [row["load"] for row in found["processes"]]
    about = (
        f"{found['date']}, {found['code']}, {found['machine']}. {found['customers']:,} customers, a Parquet file of "
        f"{found['summary_mib']:,} MiB. Warm: the median of {len(warm)} new processes that find compiled code. Load of "
        f"the machine while it ran: {min(loads):.1f} to {max(loads):.1f}."
    )
    return f"{about}\n\n{step_table(cold, middle)}"


def step_table(cold: Sequence[Row], warm: Sequence[Row]) -> str:
    """Steps by state, then the whole process as seen from outside."""
    by = {"cold": cold, "warm": warm}
    names = list(dict.fromkeys(step["step"] for row in (*cold, *warm) for step in row["steps"]))

    def figure(state: str, name: str, key: str) -> str:
        found = [step[key] for row in by[state] for step in row["steps"] if step["step"] == name]
        return significant(found[0]) if found else NOTHING

    lines = []
    for name in names:
        step = next(s for row in (*warm, *cold) for s in row["steps"] if s["step"] == name)
        keys = ("wall_seconds", "cpu_seconds", "peak_rss_mib")
        lines.append([name, figure("cold", name, keys[0]), *(figure("warm", name, key) for key in keys), _told(step)])
    whole = [[significant(row[key]) if row["status"] == "ok" else row["status"] for row in rows] or [NOTHING]
             for key, rows in (("wall_seconds", cold), ("wall_seconds", warm), ("cpu_seconds", warm),
                               ("peak_rss_mib", warm))]  # fmt: skip
    lines.append(["the whole process", *(cell[0] for cell in whole), ""])
    return markdown(["step", "cold s", "warm s", "CPU s, warm", "peak MiB, warm", "found"], lines)


def _told(step: Mapping[str, Any]) -> str:
    if "customers" in step:
        return f"{step['customers']:,} customers"
    if "rows" in step:
        return f"{step['rows']:,} rows in the longest table"
    if "estimates" in step:
        means = ", ".join(f"{name} {value:.5g} ({step['sd'][name]:.1g})" for name, value in step["estimates"].items())
        return f"{means}; worth {step['effective']:,.0f} draws, k {step['pareto_k']:.2f}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
