"""Holds predictions given parameters against 36-digit arithmetic on two grids; fills a table of docs/validation.md.

Run with `uv run benchmarks/scoring_accuracy.py --write`; the truths take about a quarter of an hour. The families were
tuned on the first grid. The second has other corners and another generator, and nothing was changed for its sake.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, fields, replace
from typing import Any

import mpmath as mp
import numpy as np
import scoring_truth as truth
from harness.output import REPOSITORY, put_between_markers, save, tell
from scoring_truth import Case

from kundenwert.errors import KundenwertError
from kundenwert.families import BGNBD, MBGNBD

PAGE = REPOSITORY / "docs" / "validation.md"
SMALLEST = 1e-290  # below it a double has few digits, and a relative error says nothing
FAMILIES = (BGNBD, MBGNBD)


@dataclass(frozen=True)
class Grid:
    """Corners, every combination of which may be drawn, and ranges for points drawn log-uniformly."""

    name: str
    seed: int
    generator: Callable[[int], np.random.BitGenerator]
    corners: dict[str, tuple[float, ...]]

    def cases(self, size: int) -> list[Case]:
        """Half of them corners and half anywhere, alternating, the same at every call."""
        rng = np.random.Generator(self.generator(self.seed))
        return [_anywhere(rng) if i % 2 else _at_corners(self.corners, rng) for i in range(size)]


TUNED = Grid(
    "first",
    20261122,
    np.random.PCG64,
    {
        "r": (1e-3, 0.05, 0.243, 1.0, 20.0, 100.0),
        "alpha": (1e-3, 0.1, 4.414, 100.0, 1e4),
        "a": (1e-3, 0.02, 0.5, 0.793, 1 - 1e-3, 1 - 1e-9, 1 - 2**-53, 1.0, 1 + 2**-52, 1 + 1e-9, 1 + 1e-4, 2.0, 50.0),
        "b": (0.0, 1e-3, 0.5, 1.0, 2.426, 100.0, 1e4, 1e5),  # 0: b = 1 - a
        "x": (0, 1, 2, 7, 30, 300, 2000),
        "T": (0.0, 1e-3, 1.0, 38.86, 520.0),
        "recency": (0.0, 0.5, 0.9, 1.0),
        "horizon": (1e-3, 0.1, 1.0, 39.0, 520.0),
        "discount": (1e-9, 1e-4, 0.0018, 0.05, 1.0),
        "n": (0, 1, 2, 5, 40, 500),
    },
)


FRESH = Grid(
    "second",
    7_061_993,
    np.random.Philox,
    {
        "r": (2e-3, 0.1, 0.61, 3.7, 61.0),
        "alpha": (1.3e-3, 0.7, 9.3, 731.0, 9.9e3),
        "a": (
            1.7e-3,
            0.11,
            0.31,
            0.9,
            1 - 1e-5,
            1 - 1e-12,
            1 - 2**-52,
            1.0,
            1 + 2**-51,
            1 + 1e-12,
            1.01,
            3.0,
            17.0,
            49.0,
        ),
        "b": (0.0, 2e-3, 0.11, 2.0, 5.3, 777.0, 3.1e4, 9.7e4),
        "x": (0, 1, 3, 13, 110, 700, 1999),
        "T": (0.0, 3e-3, 7.0, 104.0, 519.0),
        "recency": (0.0, 0.03, 0.7, 0.999, 1.0),
        "horizon": (2e-3, 0.03, 4.0, 104.0, 515.0),
        "discount": (1e-7, 6e-4, 0.011, 0.3),
        "n": (0, 1, 3, 11, 90, 999),
    },
)
GRIDS = (TUNED, FRESH)


def _at_corners(corners: dict[str, tuple[float, ...]], rng: np.random.Generator) -> Case:
    drawn = {name: values[rng.integers(len(values))] for name, values in corners.items()}
    return _case(rng, **drawn)


def _anywhere(rng: np.random.Generator) -> Case:
    """Log-uniform in the whole range; in every fourth case a + b = 1, in every fourth a is next to 1."""

    def between(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    a, b = between(1e-3, 50.0), between(1e-3, 1e5)
    kind = rng.integers(4)
    if kind == 0:
        a, b = between(1e-3, 0.999), 0.0
    elif kind == 1:
        a = 1.0 + float(rng.choice([-1.0, 1.0])) * between(1e-16, 0.1)
    return _case(
        rng,
        r=between(1e-3, 100.0),
        alpha=between(1e-3, 1e4),
        a=a,
        b=b,
        x=int(between(1.0, 2001.0)) - 1,
        T=520.0 * float(rng.random()) ** 3,
        recency=float(rng.random()),
        horizon=between(1e-3, 520.0),
        discount=between(1e-6, 1.0),
        n=int(between(1.0, 1001.0)) - 1,
    )


def _case(rng: np.random.Generator, *, T: float, recency: float, a: float, b: float, x: int, **rest: float) -> Case:
    """A history that exists: no purchases without time, and b where a + b is to be one."""
    T = T if x == 0 else max(T, 1e-3)
    b = b or (1.0 - a if a < 1.0 else 1e-3)
    n = int(rest.pop("n"))
    t_x = recency * T if x else 0.0
    return Case(a=a, b=b, x=x, t_x=t_x, T=T, n=n, first_kill=int(rng.integers(2)), **rest)


@dataclass(frozen=True)
class Quantity:
    """A prediction in double precision, the same in many digits, and how many of its truths are affordable."""

    name: str
    predict: Callable[..., np.ndarray]
    truth: Callable[[Case], mp.mpf]
    share: float = 1.0
    discounted: bool = False


def _history(c: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    return c["x"], c["t_x"], c["T"]


QUANTITIES = (
    Quantity(
        "expected purchases",
        lambda f, th, c: f.expected_purchases(th, *_history(c), c["horizon"]),
        truth.expected_purchases,
    ),
    Quantity(
        "expected purchases, discounted",
        lambda f, th, c: f.expected_purchases(th, *_history(c), c["horizon"], c["discount"]),
        truth.expected_purchases,
        share=0.25,
        discounted=True,
    ),
    Quantity("survival", lambda f, th, c: f.survival(th, c["x"], c["T"], c["horizon"]), truth.survival),
    Quantity("P(alive)", lambda f, th, c: f.p_alive(th, *_history(c)), truth.p_alive),
    Quantity("P(no purchase)", lambda f, th, c: f.p_no_purchase(th, *_history(c), c["horizon"]), truth.p_no_purchase),
    Quantity(
        "P(n purchases)",
        lambda f, th, c: f.purchase_distribution(th, c["n"], *_history(c), c["horizon"]),
        truth.purchase_distribution,
    ),
    Quantity(
        "P(n purchases), new customer",
        lambda f, th, c: f.purchase_distribution_new(th, c["n"], c["horizon"]),
        truth.purchase_distribution_new,
    ),
)


def predicted(quantity: Quantity, cases: list[Case]) -> np.ndarray:
    """In double precision, as the package does it; NaN where it raises."""
    found = np.full(len(cases), np.nan)
    for family in FAMILIES:
        rows = np.array([i for i, case in enumerate(cases) if case.first_kill == family.first_kill], dtype=int)
        table = np.array([astuple(cases[i]) for i in rows], dtype=float).reshape(rows.size, len(fields(Case)))
        columns = dict(zip((f.name for f in fields(Case)), table.T, strict=True))
        try:
            found[rows] = quantity.predict(family, columns, columns)
        except KundenwertError as error:
            if rows.size == 1:
                tell(f"{quantity.name}: {error} at {cases[rows[0]]}")
            else:
                found[rows] = [predicted(quantity, [cases[i]])[0] for i in rows]
    return found


def question(quantity: Quantity, case: Case) -> Case:
    """The case, without its discount where the quantity has none."""
    return case if quantity.discounted else replace(case, discount=0.0)


def compare(grid: str, quantity: Quantity, cases: list[Case], truths: int) -> dict[str, Any]:
    """A row: errors against the truth of the first so many cases, and what no prediction may be, among all."""
    found = predicted(quantity, cases)
    some = range(round(truths * quantity.share))
    exact = [quantity.truth(question(quantity, cases[i])) for i in some]
    kept = [i for i in some if exact[i] > SMALLEST]
    error = np.array([truth.apart(found[i], exact[i]) for i in kept])
    worst = kept[int(np.argmax(np.where(np.isnan(error), np.inf, error)))]
    row = {
        "grid": grid,
        "quantity": quantity.name,
        "cases": len(cases),
        "truths": len(kept),
        "too_small": len(exact) - len(kept),
        "worst": float(error.max()),
        "median": float(np.median(error)),
        "above_1e-9": int((~(error <= 1e-9)).sum()),
        "not_finite": int((~np.isfinite(found)).sum()),
        "negative": int((found < 0).sum()),
        "worst_case": asdict(question(quantity, cases[worst])),
        "worst_found": float(found[worst]),
        "worst_truth": mp.nstr(exact[worst], 30),
    }
    tell(f"{grid} grid, {quantity.name}: worst {row['worst']:.1e}, median {row['median']:.1e}")
    return row


def crosscheck(grid: str, quantity: Quantity, cases: list[Case]) -> dict[str, Any]:
    """How far the two forms of the truth are apart, where both are to be had."""
    pairs = [(truth.by_time(case), case) for case in (question(quantity, case) for case in cases)]
    apart = [truth.apart(found, truth.by_dropout(case)) for found, case in pairs if found is not None]
    row = {"grid": grid, "quantity": quantity.name, "both": len(apart), "apart": max(apart)}
    tell(f"{grid} grid, {quantity.name}: {len(apart)} truths by both forms at most {row['apart']:.1e} apart")
    return row


def table(rows: list[dict[str, Any]], checks: list[dict[str, Any]]) -> str:
    """What `compare` and `crosscheck` found."""
    lines = [
        "| grid | quantity | predictions | not finite | negative | truths | median error | worst error | above 1e-9 |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        lines.append(
            f"| {row['grid']} | {row['quantity']} | {row['cases']:,} | {row['not_finite']} | {row['negative']} "
            f"| {row['truths']:,} | {row['median']:.1e} | {row['worst']:.1e} | {row['above_1e-9']} |"
        )
    lines += ["", "The worst points:", ""]
    for row in rows:
        case = ", ".join(f"{name} {value!r}" for name, value in row["worst_case"].items())
        lines.append(
            f"- {row['grid']}, {row['quantity']}: {case}; {row['worst_found']!r}, exactly {row['worst_truth']}"
        )
    both, apart = sum(row["both"] for row in checks), max(row["apart"] for row in checks)
    return "\n".join([*lines, "", f"Two forms of the truth agree within {apart:.0e} at {both} points."])


def main(arguments: list[str] | None = None) -> int:
    """Print the table, keep the rows as JSON, and put the table into docs/validation.md where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/validation.md")
    parser.add_argument("--cases", type=int, default=10_000, help="of each grid")
    parser.add_argument("--truths", type=int, default=600, help="of a grid and quantity; fewer where they take long")
    parser.add_argument("--checks", type=int, default=10, help="truths of a grid that are computed in both forms")
    parser.add_argument("--grid", choices=[grid.name for grid in GRIDS], help="one grid only")
    options = parser.parse_args(arguments)
    rows, checks = [], []
    for grid in GRIDS:
        if options.grid in (None, grid.name):
            cases = grid.cases(options.cases)
            rows += [compare(grid.name, quantity, cases, options.truths) for quantity in QUANTITIES]
            checks += [crosscheck(grid.name, quantity, cases[: options.checks]) for quantity in QUANTITIES[:2]]
    save({"rows": rows, "checks": checks}, "scoring-accuracy")
    text = table(rows, checks)
    sys.stdout.write(f"{text}\n")
    if options.write:
        put_between_markers(PAGE, "scoring-accuracy", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
