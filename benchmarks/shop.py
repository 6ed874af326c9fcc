"""Two nights of models/shop.toml with many times its customers, stage by stage: `shop.py --help`."""

import argparse
import datetime
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from harness.commands import timed_command
from harness.machine import describe_code, describe_machine
from harness.output import LOG, REPOSITORY, load, save, show, tell
from harness.processes import clean_environment
from harness.tables import markdown, significant

COPIES = 34  # of 3,000 customers each
FILES = ("customers", "events", "orders")
NIGHTS = {"thresholds derived": ["--as-of", "2025-11-30"], "thresholds frozen": []}
Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """The table, saved, shown and, where asked, put into README.md; 1 where a night failed."""
    parser = argparse.ArgumentParser(description="Two nights of the shop of models/, with many more customers.")
    parser.add_argument("--copies", type=int, default=COPIES, help=f"of each customer ({COPIES})")
    parser.add_argument("--timeout", type=float, default=1200.0, help="seconds for each night (1200)")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    parser.add_argument("--table", metavar="FILE", help="only show the table of an earlier run's JSON file")
    asked = parser.parse_args(arguments)
    if asked.table:
        found = load(asked.table)
    else:
        found = {
            "date": datetime.date.today().isoformat(),
            "code": describe_code(REPOSITORY),
            "machine": describe_machine(),
            **measure(asked.copies, asked.timeout),
        }
        save(found, "shop")
    show(report(found), "shop.py" if asked.write else None)
    return int(any(row["status"] != "ok" for row in found["rows"]))


def measure(copies: int, timeout: float) -> dict[str, Any]:
    """Both nights, after one of the shop as it is: no compilation is in the times."""
    LOG.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as temporary:
        work, rows = Path(temporary), []
        environment = {**clean_environment(work / "compiled"), "COLUMNS": "100"}
        for count in (1, copies):
            customers = multiply(count, work / str(count))
            for name, options in NIGHTS.items():
                command = [sys.executable, "-m", "kundenwert", "retrain", "shop.toml", "--runs", "runs", *options]
                row = timed_command(command, work / str(count), environment, timeout, LOG)
                tell(f"{customers:,} customers, {name}: {row['status']}, {row['wall_seconds']:.1f} s")
                rows.append({"night": name, **row, "stages": timings(work / str(count) / "runs")})
                if row["status"] != "ok":
                    break
        return {"customers": customers, "rows": rows[-len(NIGHTS) :]}


def multiply(copies: int, folder: Path) -> int:
    """The shop with every customer so many times, and as many times its budget; the number of customers."""
    source = REPOSITORY / "models"
    (folder / "shop").mkdir(parents=True)
    spec = (source / "shop.toml").read_text(encoding="utf-8")
    for old, new in {"amount = 800.0": f"amount = {800.0 * copies}", "phone = 30": f"phone = {30 * copies}"}.items():
        if spec.count(old) != 1:
            raise RuntimeError(f"models/shop.toml has no single line {old!r}: this script must be changed with it")
        spec = spec.replace(old, new)
    (folder / "shop.toml").write_text(spec, encoding="utf-8")
    for name in FILES:
        one = pd.read_csv(source / "shop" / f"{name}.csv", dtype=str, keep_default_na=False)
        many = [one.assign(customer_id=one["customer_id"] + f"-{number}") for number in range(copies)]
        pd.concat(many).to_csv(folder / "shop" / f"{name}.csv", index=False)
    return copies * len(pd.read_csv(source / "shop" / "customers.csv"))


def timings(runs: Path) -> dict[str, float]:
    """Stage -> seconds, of the newest run."""
    reports = sorted(runs.glob("*/*/report.json"), key=lambda path: path.stat().st_mtime)
    return json.loads(reports[-1].read_text(encoding="utf-8"))["record"]["timings"] if reports else {}


def report(found: Mapping[str, Any]) -> str:
    """Stages of both nights."""
    rows = found["rows"]
    loads = [row["load"] for row in rows]
    about = (
        f"{found['date']}, {found['code']}, {found['machine']}. {found['customers']:,} customers. Load of the machine "
        f"while it ran: {min(loads):.1f} to {max(loads):.1f}."
    )
    stages = dict.fromkeys(stage for row in rows for stage in row["stages"])
    lines = [[f"{stage}, s", *(significant(row["stages"].get(stage)) for row in rows)] for stage in stages]
    whole = {"wall_seconds": "the command, s", "cpu_seconds": "the command, CPU s", "peak_rss_mib": "peak MiB"}
    lines += [[words, *(significant(row[name]) for row in rows)] for name, words in whole.items()]
    return f"{about}\n\n{markdown(['', *(row['night'] for row in rows)], lines)}"


if __name__ == "__main__":
    sys.exit(main())
