"""A large simulated base: its summary written to Parquet, and fitted in a process that does nothing else.

python -m contestants.large_base write PARQUET CUSTOMERS
python -m contestants.large_base fit PARQUET ROWS
"""

import json
import sys
from pathlib import Path
from typing import Any

from harness.measure import Meter, measured

COLUMNS = ("cohort", "frequency", "recency", "T", "monetary_value", "spend_days")


def write(path: Path, customers: int) -> None:
    """A summary of one cohort, a chunk at a time, so that no machine has to hold it twice."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq
    import simulated

    from contestants.common import SEED

    written, writer = 0, None
    for chunk in simulated.one_base(customers, SEED):
        ids = [f"{i:08d}" for i in range(written, written + len(chunk))]
        cohort = pd.Categorical(["all"] * len(chunk))
        table = pa.Table.from_pandas(
            chunk.assign(customer_id=ids, cohort=cohort, spend_days=chunk["frequency"]), preserve_index=False
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
        written += len(chunk)
    if writer is not None:
        writer.close()


def fit(path: Path) -> list[dict[str, Any]]:
    """From the Parquet columns that fitting reads to two posteriors; a row for each step, the import included."""
    meter, steps = Meter(), []
    import pandas as pd

    import kundenwert as kw
    from contestants.common import SEED
    from contestants.kundenwert_common import posed
    from kundenwert.units import TimeUnit

    steps.append({"step": "import", **meter.stop().to_dict()})
    table, usage = measured(lambda: pd.read_parquet(path, columns=list(COLUMNS)))
    steps.append({"step": "read", **usage.to_dict(), "customers": len(table)})
    summary = kw.CustomerSummary(table, TimeUnit.WEEK, None, None)
    for family in ("bgnbd", "gamma_gamma"):
        part, usage = measured(lambda family=family: posed(summary, family))
        rows = max(len(column) for column in part.fits[0].rows.values())
        steps.append({"step": f"{family}: compress", **usage.to_dict(), "rows": rows})
        (draws, figures), usage = measured(lambda part=part: kw.Importance().sample_part(part, SEED))
        found = {
            "effective": float(figures["effective"][0]),
            "pareto_k": float(figures["pareto_k"][0]),
            "estimates": {name: float(draws[name].mean()) for name in part.family.parameters},
            "sd": {name: float(draws[name].std()) for name in part.family.parameters},
        }
        steps.append({"step": f"{family}: sample", **usage.to_dict(), **found})
    return steps


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        Path(sys.argv[3]).write_text(json.dumps(fit(Path(sys.argv[2]))))
