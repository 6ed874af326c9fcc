"""Holds importance sampling against long runs of NUTS, and its draws against independent ones: `agreement.py --help`.

Run with `uv run benchmarks/agreement.py`, for it needs the package itself.
"""

import argparse
import datetime
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import simulated
from contestants.common import SEED
from contestants.kundenwert_common import nuts_draws, posed
from harness.machine import describe_code, describe_machine
from harness.output import REPOSITORY, load, save, show, tell
from harness.tables import NOTHING, markdown
from posteriors import compared, coordinates

import kundenwert as kw
from kundenwert.inference.compression import Part
from kundenwert.inference.protocol import RefusedError

FAMILIES = ("bgnbd", "mbgnbd", "gamma_gamma")
REAL = {"CDNOW sample": "cdnow-sample", "CDNOW master": "cdnow"}
SIZES, DATA_SETS, SEEDS = (50, 200, 1000), 50, 400
REFERENCE = kw.Nuts(draws=20_000, chains=4, tune=1000)
QUICK_REFERENCE = kw.Nuts(draws=2_000, chains=4, tune=300)
CUT = "1997-09-30"
QUANTILES, SPACING = (0.05, 0.5, 0.95), 0.01
FIGURES = {"difference": 0.0, "sd_ratio": 1.0, "below_1": 0.01, "below_99": 0.99}  # and what agreement means
Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Both tables, saved, shown and, where asked, put into README.md."""
    parser = argparse.ArgumentParser(description="Importance sampling against long runs of NUTS.")
    parser.add_argument("--quick", action="store_true", help="two data sets a size, short references, 20 seeds")
    parser.add_argument("--data-sets", type=int, help=f"simulated ones a size and family; default {DATA_SETS}")
    parser.add_argument("--seeds", type=int, help=f"of the second table; default {SEEDS}")
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    parser.add_argument("--table", metavar="FILE", help="only show the tables of an earlier run's JSON file")
    asked = parser.parse_args(arguments)
    if asked.table:
        found = load(asked.table)
    else:
        reference = QUICK_REFERENCE if asked.quick else REFERENCE
        count = asked.data_sets or (2 if asked.quick else DATA_SETS)
        seeds = asked.seeds or (20 if asked.quick else SEEDS)
        found = {
            "date": datetime.date.today().isoformat(),
            "code": describe_code(REPOSITORY),
            "machine": describe_machine(),
            "reference": f"{reference.chains} x {reference.draws // reference.chains:,} draws",
            "seeds": seeds,
            "rows": list(agreement_rows(count, reference)),
            "worth": list(worth_rows(seeds)),
        }
        save(found, "agreement")
    show(report(found), "agreement.py" if asked.write else None)
    return 0


def data_sets(count: int, family: str) -> Iterator[tuple[str, int, kw.CustomerSummary]]:
    """Real and simulated summaries, by the name of their kind and a number."""
    for name, example in REAL.items():
        log, columns = kw.examples.load(example), {"customer": "customer_id", "time": "date", "amount": "spend"}
        yield name, 0, kw.summarize(log, **columns, cohort="all", observation_end=CUT)
    for size, number in product(SIZES, range(count)):
        simulator = "mbgnbd" if family == "mbgnbd" else "bgnbd"
        yield f"{size:,} simulated", number, simulated.one_cohort(size, [SEED, size, number], simulator)


def agreement_rows(count: int, reference: kw.Nuts) -> Iterator[Row]:
    """One row a data set, family and quantity; one without figures where importance sampling refuses."""
    for family in FAMILIES:
        for data, number, summary in data_sets(count, family):
            part = posed(summary, family)
            about = {"data": data, "number": number, "family": family}
            try:
                draws, figures = kw.Importance().sample_part(part, SEED + number)
            except RefusedError as refused:
                yield {**about, "status": "refused", "reason": refused.reason}
                continue
            long = nuts_draws(part, reference, SEED + number)
            about |= {"status": "ok", "pareto_k": float(figures["pareto_k"][0])}
            # equal-weight draws are worth at most their number, whatever the weights before resampling were worth
            effective = min(float(figures["effective"][0]), float(draws[part.family.parameters[0]].size))
            yield from ({**about, **row} for row in _compared(part, draws, effective, long))
            if number == 0:
                tell(f"{family}, {data}: begun")


def _compared(part: Part, draws: Any, effective: float, long: Any) -> Iterator[Row]:
    scale = part.fits[0].scale
    ours, theirs = coordinates(part.family, draws, scale), coordinates(part.family, long, scale)
    for name, values in ours.items():
        yield {"quantity": name, **compared(values.ravel(), effective, theirs[name])}


def worth_rows(seeds: int) -> Iterator[Row]:
    """How many independent draws would scatter as much over seeds, by the mean and quantiles of each parameter."""
    log, columns = kw.examples.load("cdnow-sample"), {"customer": "customer_id", "time": "date", "amount": "spend"}
    summary = kw.summarize(log, **columns, cohort="all", observation_end=CUT)
    for family in ("bgnbd", "gamma_gamma"):
        part, engine = posed(summary, family), kw.Importance()
        runs = [engine.sample_part(part, SEED + seed) for seed in range(seeds)]
        for name in part.family.parameters:
            yield {"family": family, "parameter": name, **worth_over(np.array([d[name].ravel() for d, _ in runs]))}
        tell(f"{family}: {seeds} seeds")


def worth_over(runs: np.ndarray) -> Row:
    """Of (seed, draw): the variance of one independent draw's statistic over the variance found between seeds."""
    found = {"mean": runs.var() / runs.mean(axis=1).var(ddof=1)}
    for p in QUANTILES:
        low, high = np.quantile(runs, [p - SPACING, p + SPACING])
        density = 2 * SPACING / (high - low)
        found[f"{p:.0%}"] = p * (1 - p) / density**2 / np.quantile(runs, p, axis=1).var(ddof=1)
    return {name: float(value) for name, value in found.items()}


def report(found: dict[str, Any]) -> str:
    """Both tables, with what they are about."""
    about = (
        f"{found['date']}, {found['code']}, {found['machine']}. Against NUTS with {found['reference']}. ± are standard "
        "errors: over data sets, and where there is but one, those that Monte Carlo error predicts. Furthest off: of "
        "all quantities and figures the one that is the most of its predicted errors from agreement."
    )
    error = (2 / (found["seeds"] - 1)) ** 0.5
    worth = (
        "**Worth of 4,000 draws on the CDNOW sample**: as many independent draws have the variance that statistics "
        f"had over {found['seeds']} seeds. Each figure has a standard error of {error:.0%}."
    )
    return f"{about}\n\n{agreement_table(found['rows'])}\n\n{worth}\n\n{worth_table(found['worth'])}"


def agreement_table(rows: Sequence[Row]) -> str:
    """One line a kind of data and family: averages over quantities, and the quantity furthest off."""
    header = ["data, family", "data sets", "refused", "largest k", "mean difference, sd", "its size", "predicted"]
    header += ["sd ratio", "below NUTS's 1 %", "below its 99 %", "furthest off"]
    kinds = dict.fromkeys((row["family"], row["data"]) for row in rows)
    return markdown(header, [_line(f, d, [r for r in rows if (r["family"], r["data"]) == (f, d)]) for f, d in kinds])


def _line(family: str, data: str, rows: Sequence[Row]) -> list[str]:
    good = [row for row in rows if row["status"] == "ok"]
    numbers = {row["number"] for row in good}
    cells = [f"{data}, {family}", str(len({row["number"] for row in rows})), str(len(rows) - len(good))]
    if not good:
        return [*cells, *[NOTHING] * 8]
    size = np.mean([abs(row["difference"]) for row in good])
    predicted = np.mean([row["difference_error"] for row in good]) * (2 / np.pi) ** 0.5
    means = {name: averaged(good, name, len(numbers)) for name in FIGURES}
    return [
        *cells,
        f"{max(row['pareto_k'] for row in good):.2f}",
        "{:+.4f} ± {:.4f}".format(*means["difference"]),
        f"{size:.4f}",
        f"{predicted:.4f}",
        "{:.4f} ± {:.4f}".format(*means["sd_ratio"]),
        *("{:.3%} ± {:.3%}".format(*means[name]) for name in ("below_1", "below_99")),
        furthest(good),
    ]


def averaged(rows: Sequence[Row], figure: str, data_sets: int) -> tuple[float, float]:
    """A figure's mean over all rows, and its standard error: quantities of one data set are no independent evidence."""
    by_set = [[row[figure] for row in rows if row["number"] == n] for n in dict.fromkeys(row["number"] for row in rows)]
    means = np.array([np.mean(values) for values in by_set])
    if data_sets > 1:
        return float(means.mean()), float(means.std(ddof=1) / data_sets**0.5)
    return float(means.mean()), float(np.mean([row[f"{figure}_error"] for row in rows]))


def furthest(rows: Sequence[Row]) -> str:
    """The quantity and the figure that lie the most of their predicted standard errors from agreement."""
    candidates = []
    for quantity, (figure, target) in product(dict.fromkeys(row["quantity"] for row in rows), FIGURES.items()):
        own = [row for row in rows if row["quantity"] == quantity]
        mean = float(np.mean([row[figure] for row in own]))
        error = float(np.linalg.norm([row[f"{figure}_error"] for row in own])) / len(own)
        candidates.append(((mean - target) / error, f"{quantity}, {figure.replace('_', ' ')} {mean:.4f}"))
    off, text = max(candidates, key=lambda one: abs(one[0]))
    return f"{text}: {off:+.1f} errors, of {len(candidates)}"


def worth_table(rows: Sequence[Row]) -> str:
    """One line a parameter."""
    names = ["mean", *(f"{p:.0%}" for p in QUANTILES)]
    lines = [[f"{row['family']}, {row['parameter']}", *(f"{row[name]:,.0f}" for name in names)] for row in rows]
    return markdown(["", "mean", *(f"{p:.0%} quantile" for p in QUANTILES)], lines)


if __name__ == "__main__":
    sys.exit(main())
