"""Runs the cases against the contestants and shows what was found: `python benchmarks/run.py --help`.

Standard library only: each contestant runs in a process and an environment of its own, which this makes with uv.
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from harness.cases import (
    CASE_DATASETS,
    CASES,
    CONTESTANTS,
    DATASETS,
    ENVIRONMENTS,
    FITS,
    POINT,
    Contestant,
    contestants_of,
)
from harness.environments import MissingError, make_environment
from harness.judge import log_likelihood, read_customers
from harness.machine import describe_machine, take_snapshot
from harness.output import BENCHMARKS, ENVIRONMENTS_FOLDER, LOG, REPOSITORY, REQUIREMENTS, load, save, show, tell
from harness.processes import Worker, clean_environment
from harness.schedule import Row, run_case
from harness.tables import report


def main(arguments: list[str] | None = None) -> int:
    """The command; 0 where every row is there, 1 where a contestant failed, 2 where the harness could not run."""
    asked = parse(arguments)
    if asked.table:
        found = load(asked.table)
    else:
        try:
            found = run(asked)
        except MissingError as error:
            tell(str(error))
            return 2
        save(found, "benchmark")
    show(report(found), "run.py" if asked.write else None)
    return int(any(row["status"] == "failed" for row in found["rows"]))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options, with what `--quick` means filled in."""
    parser = argparse.ArgumentParser(description="kundenwert beside other packages: same data, same machine, in turns.")
    parser.add_argument("--quick", action="store_true", help="the sample only, one warm repetition")
    parser.add_argument("--case", action="append", choices=CASES, help="repeat for several; default: all")
    parser.add_argument(
        "--dataset", action="append", choices=DATASETS, help="repeat for several; default: all of a case"
    )
    parser.add_argument("--only", action="append", choices=ENVIRONMENTS, help="whose; repeat for several; default: all")
    parser.add_argument("--repetitions", type=int, help="warm ones, after the cold one; default 3, with --quick 1")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds after which one warm turn is enough (60)")
    parser.add_argument(
        "--timeout", type=float, default=300.0, help="seconds that a contestant has for a case and data set (300)"
    )
    parser.add_argument("--python", help="version or path of the Python for all environments; default: 3.13, else 3.12")
    parser.add_argument("--working-tree", action="store_true", help="measure uncommitted code, not the last commit")
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    parser.add_argument("--table", metavar="FILE", help="only show the tables of an earlier run's JSON file")
    asked = parser.parse_args(arguments)
    asked.case = tuple(case for case in CASES if case in (asked.case or CASES))
    asked.dataset = tuple(asked.dataset or (DATASETS[:1] if asked.quick else DATASETS))
    asked.only = tuple(asked.only or ENVIRONMENTS)
    asked.repetitions = asked.repetitions if asked.repetitions is not None else (1 if asked.quick else 3)
    return asked


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """Makes the environments and the input, runs the cases, and judges the fits."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as temporary:
        work = Path(temporary)
        pythons, code = environments(asked, work)
        datasets = [name for name in asked.dataset if any(name in CASE_DATASETS[case] for case in asked.case)]
        facts = write_input(pythons["kundenwert"], work, datasets)
        rows: list[Row] = []
        versions: dict[str, Any] = {}
        for dataset in datasets:
            judge = Judge(work / f"{dataset}-summary.csv")
            for case in asked.case:
                if dataset not in CASE_DATASETS[case]:
                    continue

                def start(one: Contestant, case: str = case, dataset: str = dataset) -> Worker:
                    return start_worker(one, case, dataset, pythons[one.environment], work, asked.timeout)

                contestants = contestants_of(case, dataset, asked.only)
                found, ran_on = run_case(case, dataset, contestants, start, asked.repetitions, asked.patience, tell)
                for one in contestants:
                    versions.setdefault(one.environment, {}).update(ran_on.get(one.name, {}))
                rows += [judge.judged(row) for row in found]
        return {
            "date": datetime.date.today().isoformat(),
            "code": code,
            "machine": describe_machine(),
            "repetitions": asked.repetitions,
            "patience": asked.patience,
            "timeout": asked.timeout,
            "facts": facts,
            "versions": versions,
            "rows": rows,
        }


def environments(asked: argparse.Namespace, work: Path) -> tuple[dict[str, Path], str]:
    """The interpreter of each environment that is needed (ours always is: it writes the input), and whose code ran."""
    code = take_snapshot(REPOSITORY, work / "snapshot", working_tree=asked.working_tree)
    pythons = {}
    for name in dict.fromkeys(("kundenwert", *asked.only)):
        tell(f"environment {name}")
        within = work / "snapshot" if name == "kundenwert" else None
        file = REQUIREMENTS / f"{name}.txt"
        pythons[name] = make_environment(name, ENVIRONMENTS_FOLDER, file, within=within, python=asked.python)
    return pythons, code


def write_input(python: Path, work: Path, datasets: list[str]) -> dict[str, Any]:
    """The logs and the customer summaries as CSV files that all contestants read; what is known about them."""
    environment = clean_environment(work / "compiled" / "input")
    command = [str(python), "-m", "contestants.data", str(work), *datasets]
    subprocess.run(command, cwd=BENCHMARKS, env=environment, check=True)
    facts: dict[str, Any] = json.loads((work / "facts.json").read_text(encoding="utf-8"))
    return facts


def start_worker(one: Contestant, case: str, dataset: str, python: Path, work: Path, timeout: float) -> Worker:
    """A fresh process whose compiled code goes to an empty folder."""
    number = CONTESTANTS.index(one)
    saved = work / "saved" / f"{number}-{dataset}"
    compiled = work / "compiled" / f"{number}-{dataset}-{case}"
    for folder in (saved, compiled, LOG.parent):
        folder.mkdir(parents=True, exist_ok=True)
    options = {
        "transactions": str(work / f"{dataset}-transactions.csv"),
        "summary": str(work / f"{dataset}-summary.csv"),
        "saved": str(saved),
        "method": one.method,
    }
    command = [str(python), str(BENCHMARKS / "worker.py"), one.module, case, json.dumps(options)]
    return Worker(command, timeout, LOG, clean_environment(compiled, one.variables))


class Judge:
    """Adds to a row the log-likelihood at what it found, computed here; the summary is read when first needed."""

    def __init__(self, summary: Path) -> None:
        self._customers = cache(lambda: read_customers(summary))
        self._known: dict[str, float] = {}

    def judged(self, row: Row) -> Row:
        """The row of a fit with the log-likelihood at its estimates, that of a gradient with the one at its point."""
        if row["status"] == "ok" and row["case"] in ("gradient", *FITS):
            theta = POINT if row["case"] == "gradient" else row["result"]["estimates"]
            family = "gamma_gamma" if row["case"] == "fit_gamma_gamma" else "bgnbd"
            key = json.dumps([family, theta])
            if key not in self._known:
                self._known[key] = log_likelihood(family, theta, self._customers())
            row["result"]["log_likelihood"] = self._known[key]
        return row


if __name__ == "__main__":
    sys.exit(main())
