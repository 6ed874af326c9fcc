"""Partial pooling by Gibbs sampling, its times and its agreement with long joint runs of NUTS: `pooling.py --help`.

Run with `uv run benchmarks/pooling.py`, for it needs the package itself.
"""

import argparse
import datetime
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import simulated
from contestants.common import SEED
from contestants.kundenwert_common import posed
from harness.machine import describe_code, describe_machine
from harness.measure import measured
from harness.output import REPOSITORY, load, save, show, tell
from harness.tables import NOTHING, markdown, significant
from posteriors import compared, coordinates, worth

import kundenwert as kw
from kundenwert.families import get_family
from kundenwert.inference.protocol import RefusedError
from kundenwert.names import Pooling

FAMILIES = {"bgnbd": "purchase", "gamma_gamma": "spend"}
REFERENCE = kw.Nuts(draws=8_000, chains=4, tune=1000)
# Cohorts of 50 leave what differs between cohorts open: a funnel, through which only small steps lead.
CAREFUL_REFERENCE = kw.Nuts(draws=40_000, chains=4, tune=2000, target_accept=0.995)
QUICK_REFERENCE = kw.Nuts(draws=800, chains=4, tune=300)
REPETITIONS = 3
MOST_TRIES, AGREEING_RHAT = 2, 1.02
Row = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """A base: cohorts, customers in each, how many cohorts have no repeat purchase, and the NUTS that can follow."""

    cohorts: int
    customers: int
    silent: int = 0
    reference: kw.Nuts | None = REFERENCE

    @property
    def name(self) -> str:
        """As asked for."""
        return f"{self.cohorts}x{self.customers}"


SIZES = (
    Size(24, 10_000),
    Size(120, 10_000, reference=None),
    Size(120, 1000),
    Size(24, 50, 3, CAREFUL_REFERENCE),
    Size(120, 50, 3, CAREFUL_REFERENCE),
)
QUICK_SIZES = (Size(6, 50, 1, QUICK_REFERENCE), Size(6, 200, reference=None))


def main(arguments: list[str] | None = None) -> int:
    """Both tables, saved, shown and, where asked, put into README.md."""
    parser = argparse.ArgumentParser(description="Partial pooling: times of Gibbs, and its agreement with NUTS.")
    parser.add_argument("--quick", action="store_true", help="six small cohorts, a short reference")
    parser.add_argument("--size", action="append", choices=[size.name for size in SIZES], help="default: all")
    parser.add_argument("--reference", action="store_true", help="a reference for every size, however long it takes")
    parser.add_argument("--no-reference", action="store_true", help="times only")
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    parser.add_argument("--table", metavar="FILE", help="only show the tables of an earlier run's JSON file")
    asked = parser.parse_args(arguments)
    if asked.table:
        found = load(asked.table)
    else:
        sizes = [size for size in (QUICK_SIZES if asked.quick else SIZES) if size.name in (asked.size or [size.name])]
        found = {
            "date": datetime.date.today().isoformat(),
            "code": describe_code(REPOSITORY),
            "machine": describe_machine(),
            "sizes": [],
        }
        compile_everything()
        for size in sizes:
            reference = size.reference or (REFERENCE if asked.reference else None)
            found["sizes"].append(size_row(size, None if asked.no_reference else reference))
        save(found, "pooling")
    show(report(found), "pooling.py" if asked.write else None)
    return 0


def compile_everything() -> None:
    """A first small fit, so that no compilation is in the times."""
    kw.fit(simulated.cohort_base(3, 50, SEED), pooling="partial", engine=kw.Gibbs(draws=64))


def size_row(size: Size, reference: kw.Nuts | None) -> Row:
    """Everything about one size."""
    summary = simulated.cohort_base(size.cohorts, size.customers, SEED, size.silent)
    row: Row = {"size": size.name, "cohorts": size.cohorts, "customers": size.customers, "silent": size.silent}
    runs = []
    for _ in range(REPETITIONS):
        try:
            posterior, usage = measured(lambda: kw.fit(summary, pooling="partial", engine=kw.Gibbs()))
        except RefusedError as refused:
            tell(f"{size.name}: refused, {refused.reason}")
            return row | {"gibbs": [], "refused": refused.reason}
        runs.append(usage.to_dict())
        tell(f"{size.name}: Gibbs {usage.wall_seconds:.2f} s")
    row |= {
        "gibbs": runs,
        "draws": posterior.n_draws,
        "families": {name: chain_figures(posterior, name) for name in FAMILIES},
    }
    for name in FAMILIES:
        _, usage = measured(lambda name=name: posed(summary, name, Pooling.PARTIAL))
        row["families"][name]["compress_seconds"] = usage.wall_seconds
    if reference is not None:
        long, usage, tries = agreeing(summary, reference)
        row |= {"tries": tries, "reference": f"{reference.chains} x {reference.draws // reference.chains:,}"}
        row["reference_rhat"] = max(chain_figures(long, name)["largest_rhat"] for name in FAMILIES)
        tell(f"{size.name}: NUTS {usage.wall_seconds:.0f} s")
        row["nuts"] = usage.to_dict()
        row["divergences"] = {
            name: int(long.sample_stats[f"{role}_diverging"].sum()) for name, role in FAMILIES.items()
        }
        row["compared"] = [one for name in FAMILIES for one in cohort_rows(posterior, long, name)]
    return row


def agreeing(summary: kw.CustomerSummary, reference: kw.Nuts) -> tuple[kw.Posterior, Any, int]:
    """A long run whose chains agree: one chain of NUTS that never left a bad start is no reference, and is seen."""
    for attempt in range(MOST_TRIES):
        seed = SEED + attempt
        long, usage = measured(lambda seed=seed: kw.fit(summary, pooling="partial", engine=reference, seed=seed))
        worst = max(chain_figures(long, name)["largest_rhat"] for name in FAMILIES)
        if worst < AGREEING_RHAT:
            break
        tell(f"NUTS, seed {seed}: R-hat {worst:.2f}, its chains disagree")
    return long, usage, attempt + 1


def chain_figures(posterior: kw.Posterior, family: str) -> Row:
    """Acceptance and thinning, the worst R-hat and the least effective draws over parameters and hyperparameters."""
    from arviz_stats.base import array_stats

    role, kind = FAMILIES[family], get_family(family)
    arrays = [posterior.draws[name] for name in kind.parameters]
    arrays += [posterior.hyper[f"{h}_{name}"][..., None] for name in kind.coordinates for h in ("mu", "sd")]
    values = np.moveaxis(np.concatenate(arrays, axis=-1), -1, 0)
    stats = posterior.sample_stats
    known = [name for name in ("acceptance_cohort", "thin") if f"{role}_{name}" in stats]
    return {
        **{name: float(stats[f"{role}_{name}"].min()) for name in known},
        "smallest_ess": float(np.min(array_stats.ess(values, chain_axis=1, draw_axis=2))),
        "largest_rhat": float(np.max(array_stats.rhat(values, chain_axis=1, draw_axis=2))),
    }


def cohort_rows(ours: kw.Posterior, long: kw.Posterior, name: str) -> Iterator[Row]:
    """One row a cohort and unconstrained coordinate."""
    family, scale = get_family(name), ours.scales[FAMILIES[name]]
    both = [coordinates(family, posterior.draws, scale) for posterior in (ours, long)]
    for quantity in family.coordinates:
        for i, cohort in enumerate(ours.cohorts):
            own, reference = (found[quantity][..., i] for found in both)
            yield {
                "family": name,
                "cohort": cohort,
                "quantity": quantity,
                **compared(own, worth(own), reference),
            }


def report(found: Mapping[str, Any]) -> str:
    """Times, and agreement where there is a reference."""
    loads = [run["load"] for row in found["sizes"] for run in row["gibbs"]]
    about = (
        f"{found['date']}, {found['code']}, {found['machine']}. Load of the machine while it ran: "
        f"{min(loads, default=0):.1f} to {max(loads, default=0):.1f}."
    )
    parts = [about, time_table(found["sizes"])]
    held = [row for row in found["sizes"] if "compared" in row]
    return "\n\n".join([*parts, agreement_table(held)] if held else parts)


def time_table(rows: Sequence[Row]) -> str:
    """One line a size: both families from the summary."""
    lines = []
    for row in rows:
        if "refused" in row:
            lines.append([f"{_about(row)}: refused, {row['refused']}", *[NOTHING] * 10])
            continue
        figures = row["families"].values()
        lines.append(
            [
                _about(row),
                *(significant(median(run[name] for run in row["gibbs"])) for name in ("wall_seconds", "cpu_seconds")),
                significant(sum(one["compress_seconds"] for one in figures)),
                f"{min(one['smallest_ess'] for one in figures):,.0f} of {row['draws']:,}",
                f"{max(one['largest_rhat'] for one in figures):.3f}",
                f"{min(one['acceptance_cohort'] for one in figures):.2f}",
                row.get("reference", NOTHING),
                *(
                    significant(row["nuts"][name]) if "nuts" in row else NOTHING
                    for name in ("wall_seconds", "cpu_seconds")
                ),
                f"{row['reference_rhat']:.3f}" if "nuts" in row else NOTHING,
            ]
        )
    header = [
        "",
        "s",
        "CPU s",
        "of it compressing",
        "smallest ESS",
        "R-hat",
        "least acceptance",
        "NUTS, draws",
        "s",
        "CPU s",
        "R-hat",
    ]
    return markdown(header, lines)


def agreement_table(rows: Sequence[Row]) -> str:
    """One line a size and family: cohorts' coordinates against the reference."""
    lines = []
    for row in rows:
        for family in FAMILIES:
            found = [one for one in row["compared"] if one["family"] == family]
            away = np.array([abs(one["difference"]) for one in found])
            error = np.array([one["difference_error"] for one in found])
            ratio = np.array([one["sd_ratio"] for one in found])
            spread = np.array([one["sd_ratio_error"] for one in found])
            lines.append(
                [
                    f"{_about(row)}: {family}",
                    f"{away.max():.3f}",
                    f"{away.mean():.4f}",
                    f"{error.mean() * (2 / np.pi) ** 0.5:.4f}",
                    f"{(away / error).max():.1f} of {len(found)}",
                    f"{ratio.min():.3f} to {ratio.max():.3f}",
                    f"{ratio.mean():.4f}",
                    f"{spread.mean():.4f}",
                    f"{row['divergences'][family]:,}",
                ]
            )
    header = ["", "largest difference, sd", "mean", "mean that Monte Carlo error predicts", "largest, in its errors"]
    header += ["sd ratios", "mean", "Monte Carlo error of one", "divergences of NUTS"]
    return markdown(header, lines)


def _about(row: Row) -> str:
    silent = f", {row['silent']} of them silent" if row["silent"] else ""
    return f"{row['cohorts']} cohorts of {row['customers']:,}{silent}"


if __name__ == "__main__":
    sys.exit(main())
