"""What it takes to value and label 100,000 customers: passes, time by part, memory. `decisions.py --help`.

Run with `uv run benchmarks/decisions.py`, for it needs the package itself.
"""

import argparse
import datetime
import sys
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import simulated
from contestants.common import SEED
from harness.machine import describe_code, describe_machine
from harness.measure import measured
from harness.output import REPOSITORY, load, save, show, tell
from harness.parts import Part, Parts
from harness.tables import markdown, significant

import kundenwert as kw
from kundenwert.decisions import judging, one_pass
from kundenwert.decisions.one_pass import assess
from kundenwert.value import appraisal, gathering
from kundenwert.value.block import Block
from kundenwert.value.lever_basis import LeverBasis
from kundenwert.value.levers import Lever
from kundenwert.value.outlook import Outlook
from kundenwert.value.potential import Frontier

CUSTOMERS, DRAWS, REPETITIONS = 100_000, 1000, 3
MOST_SECONDS, MOST_MIB = 60.0, 2048.0  # what a pass with frozen thresholds may take on two cores
COSTS = {"margin": 0.35, "cost_per_order": 4.0, "cost_per_year_active": 1.0, "cost_per_year_on_file": 0.5}
LEVERS = (
    Lever("win-back mail", "reactivation", cost_per_contact=0.6, cost_per_taker=3.0, window="4 weeks"),
    Lever("call", "retention", cost_per_contact=1.5),
    Lever("newsletter", "frequency", cost_per_contact=0.3),
    Lever("self-service", "cost_to_serve", cost_per_contact=0.1),
)
FAMILIES = ("mbgnbd", "bgnbd")
NO_PASS = {"peers' frontier"}  # what reports progress and goes over no customer
REST = "the rest"
WATCHED: tuple[Part, ...] = (
    ("frontier of peers, once", appraisal, ["build_frontier"]),
    ("individual draws", Block, ["individual", "alive_share", "rate", "dropout", "spend_rate", "mean_spend"]),
    ("individual draws", Block, ["expected_spend"]),
    ("living value of each draw", Outlook, ["worth", "owed_alive", "owed_gone", "actual"]),
    ("expected values", gathering, ["expected_orders", "expected_values", "sum_values"]),
    ("gaps to the frontier", Frontier, ["mean_gaps", "room"]),
    ("gains of levers", LeverBasis, ["gains"]),
    ("futures", gathering, ["simulate_value"]),
    ("silence", gathering, ["p_silent", "simulate_silence"]),
    ("intervals", one_pass, ["reduce_futures"]),
    ("states", judging, ["states_of"]),
    ("what waiting is worth", judging, ["values_of_waiting"]),
    ("labels", one_pass, ["judge"]),
)
Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """The tables, saved, shown and, where asked, put into README.md."""
    parser = argparse.ArgumentParser(description="Value and labels of many customers: time by part, passes, memory.")
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--quick", action="store_true", help="5,000 customers, once")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help=f"of each row ({REPETITIONS})")
    parser.add_argument("--family", action="append", choices=FAMILIES, help="default: both")
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    parser.add_argument("--table", metavar="FILE", help="only show the tables of an earlier run's JSON file")
    asked = parser.parse_args(arguments)
    if asked.table:
        found = load(asked.table)
    else:
        customers, repetitions = (5000, 1) if asked.quick else (asked.customers, asked.repetitions)
        found = {
            "date": datetime.date.today().isoformat(),
            "code": describe_code(REPOSITORY),
            "machine": describe_machine(),
            "customers": customers,
            "draws": DRAWS,
            "repetitions": repetitions,
            "rows": [row for family in asked.family or FAMILIES for row in rows_of(family, customers, repetitions)],
        }
        save(found, "decisions")
    show(report(found), "decisions.py" if asked.write else None)
    return 0


def rows_of(family: str, customers: int, repetitions: int) -> list[Row]:
    """Without and with levers: thresholds derived, then frozen, then by part."""
    few, many = (simulated.one_cohort(count, SEED, family) for count in (500, customers))
    tell(f"{family}: fit {customers:,} customers")
    posterior = kw.fit(many, purchase=family, pooling="complete")
    rows = []
    for levers in ((), LEVERS):
        wanted = {**COSTS, "levers": levers, "draws": DRAWS}
        # A first small base, so that no compilation is in the times.
        thresholds = assess(posterior, few, **wanted).thresholds
        assess(posterior, few, thresholds=thresholds, **wanted)
        thresholds = None
        for name in ("derived", "frozen"):
            row, thresholds = whole(posterior, many, thresholds, repetitions, wanted)
            rows.append({"family": family, "levers": len(levers), "thresholds": name, **row})
        rows[-1]["parts"] = seconds_by_part(posterior, many, {**wanted, "thresholds": thresholds})
    return rows


def whole(
    posterior: kw.Posterior,
    summary: kw.CustomerSummary,
    thresholds: kw.Thresholds | None,
    repetitions: int,
    wanted: Mapping[str, Any],
) -> tuple[Row, kw.Thresholds]:
    """`assess` as it is called, again and again; and its thresholds."""
    runs, stages = [], set()

    def progress(stage: str, _: float) -> None:
        stages.add(stage)

    for _ in range(repetitions):
        found, usage = measured(lambda: assess(posterior, summary, thresholds=thresholds, progress=progress, **wanted))
        runs.append(usage.to_dict())
        tell(f"{usage.wall_seconds:.1f} s, {usage.cpu_seconds:.1f} s CPU, {usage.peak_rss_mib:.0f} MiB")
    counts = {name: found.table[name].value_counts().to_dict() for name in ("segment", "status")}
    return {"passes": sorted(stages - NO_PASS), **counts, "runs": runs}, found.thresholds


def seconds_by_part(posterior: kw.Posterior, summary: kw.CustomerSummary, wanted: Mapping[str, Any]) -> Row:
    """CPU seconds of each part of one pass on one thread, and of what is none of them."""
    parts = Parts()
    with parts.watching(WATCHED):
        _, usage = measured(lambda: assess(posterior, summary, threads=1, **wanted))
    rest = usage.cpu_seconds - sum(parts.seconds.values())
    return {"seconds": {**parts.seconds, REST: rest}, "usage": usage.to_dict()}


def report(found: Mapping[str, Any]) -> str:
    """Whole passes, what they are held to, and their parts."""
    loads = [run["load"] for row in found["rows"] for run in row["runs"]]
    about = (
        f"{found['date']}, {found['code']}, {found['machine']}. {found['customers']:,} customers, {found['draws']:,} "
        f"draws; the median of {found['repetitions']}. Load of the machine while it ran: {min(loads):.1f} to "
        f"{max(loads):.1f}."
    )
    parts = [about, pass_table(found["rows"])]
    if found["customers"] == CUSTOMERS:
        parts.append(held_to([run for row in found["rows"] if row["thresholds"] == "frozen" for run in row["runs"]]))
    return "\n\n".join([*parts, part_table(found["rows"])])


def held_to(runs: Sequence[Row]) -> str:
    """The slowest pass with frozen thresholds, and the largest, against what they may take."""
    slowest, most = (max(run[name] for run in runs) for name in ("wall_seconds", "peak_rss_mib"))
    held = slowest < MOST_SECONDS and most < MOST_MIB
    return (
        f"A pass with frozen thresholds took at most {significant(slowest)} s and {significant(most)} MiB. It is to "
        f"stay under {MOST_SECONDS:g} s and {MOST_MIB:,.0f} MiB on two cores, and {'does' if held else 'DOES NOT'}."
    )


def pass_table(rows: Sequence[Row]) -> str:
    """One line a family, levers and thresholds."""
    lines = []
    for row in rows:
        wall, cpu = (median(run[name] for run in row["runs"]) for name in ("wall_seconds", "cpu_seconds"))
        customers = sum(row["status"].values())
        lines.append(
            [
                f"{row['family']}, {row['levers'] or 'no'} levers, thresholds {row['thresholds']}",
                str(len(row["passes"])),
                *map(significant, (wall, cpu)),
                significant(max(run["peak_rss_mib"] for run in row["runs"])),
                f"{customers / wall:,.0f}",
                *(f"{row['status'].get(name, 0) / customers:.1%}" for name in ("undecided", "borderline")),
            ]
        )
    header = ["", "passes", "s", "CPU s", "peak MiB", "customers a second", "undecided", "borderline"]
    return markdown(header, lines)


def part_table(rows: Sequence[Row]) -> str:
    """Seconds and shares of the parts of a pass with frozen thresholds on one thread."""
    profiled = [row for row in rows if "parts" in row]
    names = dict.fromkeys([*(name for name, *_ in WATCHED), REST])
    totals = [sum(row["parts"]["seconds"].values()) for row in profiled]

    def cell(row: Row, name: str, total: float) -> str:
        taken = row["parts"]["seconds"].get(name)
        return "-" if taken is None else f"{significant(taken, 2)} ({taken / total:.0%})"

    lines = [[name, *(cell(row, name, total) for row, total in zip(profiled, totals, strict=True))] for name in names]
    lines.append(["all, CPU s on one thread", *map(significant, totals)])
    return markdown(["part", *(f"{row['family']}, {row['levers'] or 'no'} levers" for row in profiled)], lines)


if __name__ == "__main__":
    sys.exit(main())
