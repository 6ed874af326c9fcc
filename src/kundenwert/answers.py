"""What the commands answer, as text for people; the numbers come ready from `records`."""

import datetime as dt
from typing import TYPE_CHECKING, Any

from kundenwert.console import result, table
from kundenwert.runs import wording as w

if TYPE_CHECKING:
    from kundenwert.records import RunResult, ScoreResult, Validation
    from kundenwert.runs.lock import HeldElsewhereError
    from kundenwert.runs.store import RunInfo

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
        ("Notes", "; ".join(outcome.notes) or "none"),
        ("Not used", ", ".join(outcome.not_used) or "none"),
    ]
    return _facts(rows)


def _cohorts(labels: tuple[str, ...]) -> str:
    shown = ", ".join(labels) if len(labels) <= NAMED_COHORTS else f"{labels[0]} to {labels[-1]}"
    return f"{len(labels)}: {shown}"


def scored(outcome: "ScoreResult") -> str:
    """What `score` wrote and what it adds up to."""
    money = {name: w.money(total, outcome.currency or None) for name, total in outcome.totals.items()}
    labels = [f"{name.replace('_', ' ')} {w.count(n)}" for name, n in outcome.segments.items()]
    rows = [
        ("Scored", f"{w.plural(outcome.customers, 'customer')} of {outcome.name} as of {outcome.as_of}"),
        ("Run", outcome.run),
        ("Value", f"{money['actual_value']}; could be + {money['unrealized_value']}"),
        ("Segments", ", ".join(labels)),
        ("Notes", "; ".join(outcome.notes) or "none"),
        ("Table", f"{outcome.path}   ({outcome.seconds:.1f} s)"),
    ]
    return _facts(rows)


def retrained_object(outcome: "RunResult") -> dict[str, Any]:
    """What `retrain --json` prints: which run, its verdict and alias, and the totals of its base."""
    base, segments = outcome.report["base"], outcome.report["segments"]
    return {
        "name": outcome.name,
        "run": outcome.path,
        "id": outcome.run,
        "status": outcome.status,
        "verdict": outcome.verdict,
        "alias": outcome.alias or None,
        "champion": outcome.champion,
        "seconds": round(outcome.seconds, 3),
        "totals": {
            "currency": outcome.report["currency"],
            "horizon": outcome.report["horizon"],
            "value_basis": outcome.report["basis"],
            "customers": base["customers"],
            "actual_value": base["value"],
            "actual_value_low": base["low"],
            "actual_value_high": base["high"],
            "unrealized_value": base["room"],
            "segments": {part["segment"]: part["customers"] for part in segments},
        },
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
    if outcome.champion is None:
        return f"SAME {outcome.name} {day}: nothing new, no champion"
    return terminal.same_line(outcome.name, day, champion=outcome.champion[: len("2026-11-21")])


def busy_line(name: str, as_of: dt.date | None, held: "HeldElsewhereError") -> str:
    """The line of a retraining that found the lock held, dated today where no day was asked for."""
    from kundenwert.runs import terminal

    return terminal.busy_line(name, as_of or dt.date.today(), since=held.since, pid=held.pid)


def run_list(found: "list[RunInfo]") -> str:
    """The table of `runs list`."""
    rows = [(info.run, info.verdict.value, ", ".join(info.aliases)) for info in found]
    return table(("run", "verdict", "alias"), rows)
