"""What a run says on stdout: twelve lines for a person at a terminal, one ASCII line for a mail subject.

Everything comes from the same report as the page and through the same formatting, so the numbers are equal. The order
of the lines is fixed, and a line with nothing to say is kept, so that eyes and `diff` find it.
"""

import datetime
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kundenwert.runs import wording as w

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 80
LABEL = 10
SUBJECT = 110
type Line = tuple[str, str]


def summary_lines(report: Mapping[str, Any], *, path: str, seconds: float, width: int = WIDTH) -> list[str]:
    """The lines for a person: twelve, or six where the run failed.

    None is wider than `width` but the path's; on less than 80 columns lines are broken at words, so there are more.

    Parameters
    ----------
    report : what `build_report` returned, or `report.json`.
    path : of report.html; it is never broken.
    seconds : the run took.
    width : columns of the terminal.
    """
    lines = _failed(report, path) if report["verdict"] == "FAIL" else _passed(report, path, seconds)
    fitted = [line for label, text in lines for line in _fit(label, text, width)]
    return [*_lines(_opening(report), width, 6), *fitted]


def print_summary(report: Mapping[str, Any], *, path: str, seconds: float, console: "Console") -> None:
    """Writes the summary: with a terminal bold and coloured verdict, without one the subject and then plain ASCII."""
    if not console.is_terminal:
        console.file.write(f"{first_line(report, seconds=seconds)}\n")
        for line in summary_lines(report, path=path, seconds=seconds)[1:]:
            console.file.write(f"{w.plain(line)}\n")
        return
    from rich.text import Text

    color = {"PASS": "green", "REVIEW": "yellow", "FAIL": "red"}[report["verdict"]]
    for k, line in enumerate(summary_lines(report, path=path, seconds=seconds, width=console.width)):
        text = Text(line, no_wrap=True, overflow="ignore")
        if k == 0:
            text.stylize(f"bold {color}", 0, len(report["verdict"]))
        console.print(text, soft_wrap=True, highlight=False)


def first_line(report: Mapping[str, Any], *, seconds: float) -> str:
    """The mail subject: verdict, model, day, the facts; ASCII and at most 110 characters."""
    head = f"{report['verdict']} {_name(report)} {report['as_of']}"
    total = _total(report)
    off = f"holdout {_off(total)}" if total else "no holdout"
    if report["verdict"] == "FAIL":
        stays = f"champion stays {report['champion']['as_of']}" if report["champion"] else "no champion"
        fact = _cause(report, next((f for f in report["checks"]["findings"] if f["verdict"] == "FAIL"), None))
        tail = f", {stays} | see report.html"
        return _clip(f"{head}: {fact}", tail)
    change = report["change"]
    base = f"base {report['currency'] + ' ' if report['currency'] else ''}{w.thousands(report['base']['value'])}"
    if change:
        noise = ", noise" if change["noise"] else ""
        sign = "" if change["gap"] < 0 else "+"
        gap = f"{sign}{w.thousands(change['gap'])}{noise}" if change["gap"] else "unchanged"
        base += f" ({gap}), {max(change['new'], 0):,} new"
    else:
        base += ", first run"
    labels = f"{w.percent(report['base']['undecided']['share'])} undecided"
    if change and change.get("relabelled") is not None:
        anew = " (recalibrated)" if report.get("recalibrated") else ""
        labels = f"{w.percent(change['relabelled'])} relabelled{anew}"
    return _clip(f"{head}: {base}, {labels}, {off}", f" | {seconds:.1f} s")


def busy_line(name: str, as_of: datetime.date, *, since: str, pid: int | None = None) -> str:
    """Another run holds the lock.

    >>> busy_line("shop", datetime.date(2026, 11, 21), since="02:14", pid=4711)
    'BUSY shop 2026-11-21: another run holds the lock since 02:14 (pid 4711)'
    """
    who = f" (pid {pid})" if pid is not None else ""
    return _clip(f"BUSY {w.plain(name)} {as_of.isoformat()}: another run holds the lock since {since}{who}", "")


def same_line(name: str, as_of: datetime.date, *, champion: datetime.date | str | None, failed: bool = False) -> str:
    """This spec and these data have a finished run already.

    Parameters
    ----------
    champion : the as-of day of the run in use, None where there is none.
    failed : whether the verdict of the run that is there is FAIL.

    >>> same_line("shop", datetime.date(2026, 11, 21), champion="2026-11-21")
    'SAME shop 2026-11-21: nothing new, champion 2026-11-21 stays'
    >>> same_line("shop", datetime.date(2026, 11, 21), champion=None, failed=True)
    'SAME shop 2026-11-21: nothing new, the run FAILED and is not in use, no champion'
    """
    state = ", the run FAILED and is not in use" if failed else ""
    stays = f", champion {champion} stays" if champion else ", no champion"
    return _clip(f"SAME {w.plain(name)} {as_of.isoformat()}: nothing new", f"{state}{stays}")


def _opening(report: Mapping[str, Any]) -> str:
    head = f"{report['verdict']}  {_name(report)}  as of {report['as_of']}"
    if report["verdict"] == "FAIL":
        champion = report["champion"]
        stays = f"champion stays {champion['run_id']}" if champion else "no champion"
        return f"{head}  not in use; {stays}"
    new = " (new)" if report["champion"] is None else ""
    return f"{head}  run {report['run_id']} is champion{new}"


def _passed(report: Mapping[str, Any], path: str, seconds: float) -> list[Line]:
    b, currency = report["base"], report["currency"]
    sure = w.nine_in_ten(report["interval"])
    basis = f"margin {w.percent(report['margin'])}" if report["margin"] not in (None, 1) else report["basis"]
    segments, more = _segments(report)
    refunds = report["assumptions"]["counts"].get("refunds", 0)
    return [
        (
            "Data",
            f"{w.plural(b['customers'], 'customer')}, {w.count(b['once'])} bought once; "
            f"{w.plural(b['repeat_orders'], 'repeat order')}; {w.plural(refunds, 'refund')}",
        ),
        ("Model", _model(report)),
        ("Checks", _checks(report)),
        ("Holdout", _holdout(report)),
        (
            "Value",
            f"{w.money(b['value'], currency)} over {report['horizon']} "
            f"({sure}: {w.amount(b['low'])}-{w.amount(b['high'])}), {basis}",
        ),
        ("Could be", _could_be(report)),
        ("Segments", segments),
        ("", more),
        ("Changed", _changed(report)),
        ("Next", _next(report)),
        ("Report", f"{path}   ({seconds:.1f} s)"),
    ]


def _failed(report: Mapping[str, Any], path: str) -> list[Line]:
    failure = report["headline"]["failure"]
    first = next((f for f in report["checks"]["findings"] if f["verdict"] == "FAIL"), None)
    return [
        ("What", _cause(report, first)),
        ("Why", failure["why"]),
        ("Next", (first["next_step"] if first else "") or failure["next"]),
        ("Holdout", _holdout(report)),
        ("Report", path),
    ]


def _model(report: Mapping[str, Any]) -> str:
    record, n = report["record"], report["base"]["cohorts"]
    purchase, spend = (w.FAMILY_NAMES.get(name, name) for name in record["families"])
    return f"{purchase} + {spend}, {w.plural(n, 'cohort')}, {record['pooling']} pooling, {record['engine']}"


def _checks(report: Mapping[str, Any]) -> str:
    sampler = report["charts"]["convergence"]
    text = f"{report['checks']['passed']} of {len(report['checks']['findings'])}"
    if sampler.get("pareto_k") is not None:  # a report.json of an earlier version does not have it
        tail = w.diagnostic("pareto_k", sampler["pareto_k"])
        return f"{text}; Pareto k {tail}, ESS {w.rough(sampler['ess'])}, independent draws"
    if sampler["rhat"] is None:
        return f"{text}; one chain, {w.plural(sampler['divergences'], 'divergence')}"
    divergences = w.plural(sampler["divergences"], "divergence")
    return f"{text}; R-hat {w.diagnostic('rhat', sampler['rhat'])}, ESS {w.rough(sampler['ess'])}, {divergences}"


def _total(report: Mapping[str, Any]) -> Mapping[str, Any] | None:
    tracking = report["charts"].get("tracking")
    return tracking["total"] if tracking else None


def _holdout(report: Mapping[str, Any]) -> str:
    total = _total(report)
    if total is None:
        return "none: nothing after the as-of date, so nothing tests these figures"
    return (
        f"expected {w.count(total['expected'])} repeat orders in {w.plural(total['weeks'], 'week')}, "
        f"{w.count(total['came'])} came: {w.too_few(total['expected'], total['came'])}"
    )


def _off(total: Mapping[str, Any]) -> str:
    """How far the forecast was off, signed: "-14 %"."""
    if not total["came"]:
        return "nothing came"
    off = total["expected"] / total["came"] - 1
    return f"{'+' if off >= 0.005 else ''}{w.percent(round(off, 2))}"


def _segments(report: Mapping[str, Any]) -> tuple[str, str]:
    """The segments by money on two lines: the two largest with their share, then the rest."""
    value, room = report["base"]["value"], WIDTH - LABEL
    filled = sorted((s for s in report["segments"] if s["customers"]), key=lambda s: -s["value"])
    parts = [f"{w.SEGMENT_NAMES[s['segment']].lower()} {w.count(s['customers'])}" for s in filled]
    for k, s in enumerate(filled[:2] if value > 0 else []):
        parts[k] += f" = {w.percent(s['value'] / value)}{' of value' if k == 0 else ''}"
    first, rest = parts[:2], parts[2:]
    if len(" | ".join(rest)) > room:
        first = [first[0].removesuffix(" of value"), *first[1:], rest.pop()]
    return " | ".join(first), " | ".join(rest) or "nobody else"


def _could_be(report: Mapping[str, Any]) -> str:
    """The room and what it rests on; where several bases were compared, that of each, the one in use first."""
    room = f"+ {w.money(report['base']['room'], report['currency'])}"
    others = [one for one in report.get("rooms", ()) if not one["used"]]
    if not others:
        return f"{room} (assumption: {report['potential']['words']})"
    used = next(one["basis"] for one in report["rooms"] if one["used"])
    beside = ", ".join(f"{w.amount(one['room'])} by {one['basis']}" for one in others)
    return f"{room} by {used} (assumption); {beside}"


def _changed(report: Mapping[str, Any]) -> str:
    """The change and its largest parts, or the sentence where it was not taken apart."""
    bridge, change = report["charts"].get("bridge"), report["change"]
    if not bridge:
        told = str(report["said"]["change"]).rstrip(".")
        told = told[0].lower() + told[1:]
    else:
        gap = w.signed(w.money(change["gap"], report["currency"])) if change["gap"] else "unchanged"
        told = gap + (" (noise)" if change["gap"] and change["noise"] else "")
    if report.get("recalibrated"):
        told += ", recalibrated"
    if change and change.get("relabelled") is not None:
        told += f", {w.percent(change['relabelled'])} relabelled"
    return told + (_parts(bridge, WIDTH - LABEL - len(told)) if bridge else "")


def _parts(bridge: Mapping[str, Any], room: int) -> str:
    """As many of the largest parts of a change as there is room for, in the order of the report."""
    some = sorted((part for part in bridge["parts"] if part["mean"]), key=lambda part: -abs(part["mean"]))
    for many in range(len(some), 0, -1):
        kept = [part for part in bridge["parts"] if part in some[:many]]
        told = "; " + ", ".join(f"{part['key']} {w.signed(w.thousands(part['mean']))}" for part in kept)
        if len(told) <= room:
            return told
    return ""


def _next(report: Mapping[str, Any]) -> str:
    findings = [f for f in report["checks"]["findings"] if f["verdict"] != "PASS" and f["next_step"]]
    if findings:
        return str(findings[0]["next_step"])
    calls = report["charts"]["churn"]["worth_a_call"]
    if calls:
        return f"{w.count(calls)} valuable customers may stay away: section 8 lists the first ten"
    return "nothing to do: look at section 7 before you spend on anybody"


def _cause(report: Mapping[str, Any], finding: Mapping[str, Any] | None) -> str:
    """What failed, in one phrase; a missed holdout is said by its size."""
    if finding is None:
        return "a check failed"
    total = _total(report)
    fact = f"holdout {_off(total)}" if total and finding["name"].startswith("repeat orders") else ""
    return f"{fact or finding['name'] + ': ' + finding['measured']} (limit: {finding['limit']})"


def _name(report: Mapping[str, Any]) -> str:
    return w.short_id(report["name"], 24)


def _fit(label: str, text: str, width: int) -> list[str]:
    line = f"{label:<{LABEL}}{text}"
    return [line] if label == "Report" else _lines(line, width, LABEL)


def _lines(line: str, width: int, indent: int) -> list[str]:
    """One line, cut at a word, from 80 columns on; broken at words with a hanging indent on less."""
    line = line.replace(w.NBSP, " ").rstrip()
    if len(line) <= width:
        return [line]
    if width >= WIDTH:
        cut = line[: width - 1]
        return [f"{cut[: cut.rindex(' ')] if ' ' in cut[LABEL:] else cut}…"]
    return textwrap.wrap(
        line, max(width, 30), subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )


def _clip(text: str, tail: str) -> str:
    """An ASCII line of at most 110 characters whose tail stays."""
    plain, end = w.plain(text), w.plain(tail)
    room = SUBJECT - len(end)
    return (plain if len(plain) <= room else f"{plain[: room - 3]}...") + end
