"""Writes the input that all contestants read, with kundenwert: the logs, the customer summaries, what really came.

python -m contestants.data FOLDER DATASET...
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import simulated
from harness.cases import CUSTOMERS, REAL

import kundenwert as kw
from contestants.common import OBSERVATION_END, SEED

EXAMPLES = {"sample": "cdnow-sample", "master": "cdnow"}
COLUMNS = ["customer_id", "frequency", "recency", "T", "monetary_value"]


def write(folder: Path, datasets: Sequence[str] = REAL) -> None:
    """A summary a data set and of the real ones the log, as CSV files; and facts.json."""
    facts = {name: _real(folder, name) if name in REAL else _simulated(folder, name) for name in datasets}
    (folder / "facts.json").write_text(json.dumps(facts))


def _real(folder: Path, name: str) -> dict[str, Any]:
    log = kw.examples.load(EXAMPLES[name])
    log[["customer_id", "date", "spend"]].to_csv(folder / f"{name}-transactions.csv", index=False)
    columns = {"customer": "customer_id", "time": "date", "amount": "spend"}
    summary, holdout = kw.split(log, OBSERVATION_END, **columns, cohort="all", time_unit="week")
    summary.table[COLUMNS].to_csv(folder / f"{name}-summary.csv", index=False)
    return {
        "orders": len(log),
        "customers": len(summary.table),
        "holdout_purchases": int(holdout.table["purchases"].sum()),
    }


def _simulated(folder: Path, name: str) -> dict[str, Any]:
    table = pd.concat(simulated.one_base(CUSTOMERS[name], SEED), ignore_index=True)
    table["customer_id"] = [f"{i:07d}" for i in range(len(table))]
    table[COLUMNS].to_csv(folder / f"{name}-summary.csv", index=False)
    return {"customers": len(table)}


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2:])
