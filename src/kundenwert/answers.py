"""What the commands answer, as text for people; the numbers come ready from `records`."""

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kundenwert.console import result, table
from kundenwert.names import Verdict
from kundenwert.runs import wording as w

if TYPE_CHECKING:
    from kundenwert.records import RunResult, Validation
    from kundenwert.runs.lock import HeldElsewhereError
    from kundenwert.runs.store import RunInfo
    from kundenwert.scoring import ScoreResult

NAMED_COHORTS = 6


def _facts(rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:{width}}{text}" for name, text in rows)


def validation(outcome: "Validation") -> str:
    """What `validate` found: the facts that a wrong column or a wrong day would show in."""
    days = outcome.holdout_days
    held_out = f"{days} days after that day are held out" if days else "nothing lies after that day"
    rows = [
        ("Spec", f"{outcome.name} is valid"),
        ("Source", outcome.source),
        ("As of", f"{outcome.as_of}; {held_out}"),
        ("Data", f"{w.plural(outcome.customers, 'customer')}, {w.plural(outcome.repeat_orders, 'repeat order')}"),
        ("Cohorts", _cohorts(outcome.cohorts)),
        ("Counts", ", ".join(f"{name.replace('_', ' ')} {w.count(n)}" for name, n in outcome.counts.items() if n)),
        ("Notes", _notes(outcome.notes)),
        ("Not used", ", ".join(outcome.not_used) or "none"),
    ]
    return _facts(rows)


def _notes(texts: tuple[str, ...]) -> str:
    return "; ".join(text.removesuffix(".") for text in texts) or "none"


def _cohorts(labels: tuple[str, ...]) -> str:
    shown = ", ".join(labels) if len(labels) <= NAMED_COHORTS else f"{labels[0]} to {labels[-1]}"
    return f"{len(labels)}: {shown}"


def scored(outcome: "ScoreResult") -> str:
    """What `score` wrote and what it adds up to."""
    figures = outcome.figures
    base, currency = figures["base"], figures["currency"]
    filled = sorted((part for part in figures["segments"] if part["customers"]), key=lambda part: -part["customers"])
    labels = [f"{part['segment'].replace('_', ' ')} {w.count(part['customers'])}" for part in filled]
    customers = w.plural(base["customers"], "customer")
    rows = [
        ("Scored", f"{customers} of {outcome.name} as of {outcome.as_of}"),
        ("Run", f"{outcome.run}   ({', '.join(filter(None, (outcome.verdict.value, outcome.alias)))})"),
        ("Value", f"{w.money(base['value'], currency)}; could be + {w.money(base['room'], currency)}"),
        ("Segments", ", ".join(labels)),
        ("Notes", _notes(outcome.notes)),
        ("Table", f"{outcome.table}   ({outcome.seconds:.1f} s)"),
    ]
    return _facts(rows)


def retrained_object(outcome: "RunResult") -> dict[str, Any]:
    """What `retrain --json` prints: which run, its verdict and alias, and the totals of its base."""
    state = {"status": outcome.status, "champion": outcome.champion}
    return {**_run_used(outcome), **state, "totals": _totals(outcome.report)}


def scored_object(outcome: "ScoreResult") -> dict[str, Any]:
    """What `score --json` prints: the run that was used, with the same keys, and the totals of the scored customers."""
    written = {"as_of": outcome.as_of, "table": outcome.table.resolve(), "notes": outcome.notes}
    return {**_run_used(outcome), **written, "totals": _totals(outcome.figures)}


def _run_used(outcome: "RunResult | ScoreResult") -> dict[str, Any]:
    """`run` is the folder and `id` its name, wherever an answer names a run."""
    return {
        "name": outcome.name,
        "run": outcome.path.resolve(),
        "id": outcome.run,
        "verdict": outcome.verdict,
        "alias": outcome.alias or None,
        "seconds": round(outcome.seconds, 3),
    }


def _totals(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Totals out of report.json, or out of what `score` found under the same keys."""
    base = figures["base"]
    return {
        "currency": figures["currency"],
        "horizon": figures["horizon"],
        "value_basis": figures["basis"],
        "customers": base["customers"],
        "actual_value": base["value"],
        "actual_value_low": base["low"],
        "actual_value_high": base["high"],
        "unrealized_value": base["room"],
        "segments": {part["segment"]: part["customers"] for part in figures["segments"]},
    }


def print_retrained(outcome: "RunResult") -> None:
    """Writes what `retrain` did: the summary of a new run, one line where there was nothing to do."""
    from rich.console import Console

    from kundenwert.runs import terminal

    if outcome.status == "same":
        result(_nothing_new(outcome))
        return
    page = str(outcome.path / "report.html")
    terminal.print_summary(outcome.report, path=page, seconds=outcome.seconds, console=Console())


def _nothing_new(outcome: "RunResult") -> str:
    from kundenwert.runs import terminal

    day = dt.date.fromisoformat(outcome.report["as_of"])
    champion = None if outcome.champion is None else outcome.champion[: len("2026-11-21")]
    return terminal.same_line(outcome.name, day, champion=champion, failed=outcome.verdict is Verdict.FAIL)


def busy_line(name: str, as_of: dt.date | None, held: "HeldElsewhereError") -> str:
    """The line of a retraining that found the lock held, dated today where no day was asked for."""
    from kundenwert.runs import terminal

    return terminal.busy_line(name, as_of or dt.date.today(), since=held.since, pid=held.pid)


def run_object(info: "RunInfo") -> dict[str, Any]:
    """A stored run as `runs list --json` and `runs promote --json` print it."""
    return {
        "name": info.name,
        "run": info.path.resolve(),
        "id": info.run,
        "as_of": info.as_of,
        "verdict": info.verdict,
        "created": info.created,
        "aliases": info.aliases,
    }


def run_list(found: "list[RunInfo]") -> str:
    """The table of `runs list`."""
    rows = [(info.run, info.verdict.value, ", ".join(info.aliases)) for info in found]
    return table(("run", "verdict", "alias"), rows)
