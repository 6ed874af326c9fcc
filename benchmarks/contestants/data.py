"""Writes the input that all contestants read, with kundenwert: the logs, the customer summaries, what really came.

python -m contestants.data FOLDER
"""

import json
import sys
from pathlib import Path

import kundenwert as kw
from contestants.common import OBSERVATION_END

EXAMPLES = {"sample": "cdnow-sample", "master": "cdnow"}
COLUMNS = ["customer_id", "frequency", "recency", "T", "monetary_value"]


def write(folder: Path) -> None:
    """Two CSV files a data set, and facts.json."""
    facts = {}
    for name, example in EXAMPLES.items():
        log = kw.examples.load(example)
        log[["customer_id", "date", "spend"]].to_csv(folder / f"{name}-transactions.csv", index=False)
        columns = {"customer": "customer_id", "time": "date", "amount": "spend"}
        summary, holdout = kw.split(log, OBSERVATION_END, **columns, cohort="all", time_unit="week")
        summary.table[COLUMNS].to_csv(folder / f"{name}-summary.csv", index=False)
        facts[name] = {
            "orders": len(log),
            "customers": len(summary.table),
            "holdout_purchases": int(holdout.table["purchases"].sum()),
        }
    (folder / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
