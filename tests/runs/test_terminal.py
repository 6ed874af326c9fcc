"""What a run says on stdout: fixed lines, 80 columns, an unbroken path, and the numbers of the report."""

import datetime
import functools
import io
import re
from typing import Any

import pytest
from report_world import world
from rich.console import Console

import kundenwert as kw
from kundenwert.runs import terminal
from kundenwert.runs import wording as w
from kundenwert.runs.plots.sampler import convergence_data
from kundenwert.runs.report_data import build_report

PATH = "runs/cdnow/1997-09-30-3fa9c1d2/report.html"
LABELS = ["Data", "Model", "Checks", "Holdout", "Value", "Could be", "Segments", "", "Changed", "Next", "Report"]


@functools.cache
def report(verdict: str = "PASS", second: bool = False, holdout_weeks: int = 39) -> dict[str, Any]:
    previous = report() if second else None
    return build_report(**{**world(600, verdict=verdict, holdout_weeks=holdout_weeks), "previous": previous})


def lines(width: int = 80, **options: Any) -> list[str]:
    return terminal.summary_lines(report(**options), path=PATH, seconds=9.4, width=width)


@pytest.mark.parametrize("options", [{}, {"verdict": "REVIEW"}, {"second": True}, {"holdout_weeks": 0}])
def test_twelve_lines_in_a_fixed_order(options: dict[str, Any]) -> None:
    said = lines(**options)
    assert [line[:10].strip() for line in said[1:]] == LABELS
    assert max(map(len, said)) <= 80
    assert said[0].startswith(f"{options.get('verdict', 'PASS')}  cdnow  as of 1997-09-30")


@pytest.mark.parametrize("second", [False, True])
def test_a_failure_is_six_lines(second: bool) -> None:
    said = lines(verdict="FAIL", second=second)
    assert [line[:10].strip() for line in said[1:]] == ["What", "Why", "Next", "Holdout", "Report"]
    assert "not in use" in said[0]
    assert ("champion stays 1997-09-30-3fa9c1d2" in said[0]) is second


def test_a_narrow_terminal_keeps_every_word_and_the_path_whole() -> None:
    wide, narrow = lines(), lines(width=60)
    assert " ".join(" ".join(narrow).split()) == " ".join(" ".join(wide).split())
    assert sum(PATH in line for line in narrow) == 1
    assert all(len(line) <= 60 for line in narrow if PATH not in line)


def test_the_numbers_are_the_reports() -> None:
    said = "\n".join(lines())
    tiles = [tile["figure"].replace("\u00a0", " ") for tile in report()["tiles"]]
    assert tiles[0] in said
    assert tiles[1] in said
    assert f"{report()['base']['customers']:,} customers" in said
    assert str(report()["checks"]["passed"]) in said


def test_what_is_said_of_the_sampler_is_what_there_is(sample_posterior: kw.Posterior) -> None:
    """Draws by importance sampling have weights; chains have R-hat and divergences."""
    sampler = convergence_data(sample_posterior)
    weighted = {**report(), "charts": {**report()["charts"], "convergence": sampler}}
    said = terminal.summary_lines(weighted, path=PATH, seconds=9.4)[3]
    tail, worth = w.diagnostic("pareto_k", sampler["pareto_k"]), w.rough(sampler["ess"])
    assert said == f"Checks    2 of 2; Pareto k {tail}, ESS {worth}, independent draws"
    assert re.fullmatch(r"Checks    2 of 2; R-hat \d\.\d{3}, ESS [\d,]+, no divergences", lines()[3])


def test_a_base_that_did_not_move_is_unchanged() -> None:
    said = "\n".join(lines(second=True))
    assert "the base is worth as much as on 30 Sep 1997; no new customers" in said
    assert "(unchanged), 0 new" in terminal.first_line(report(second=True), seconds=9.4)
    assert report(second=True)["tiles"][0]["change"].replace("\u00a0", " ") == "unchanged vs 30 Sep"


@pytest.mark.parametrize(
    "options", [{}, {"verdict": "REVIEW", "second": True}, {"verdict": "FAIL"}, {"verdict": "FAIL", "second": True}]
)
def test_the_subject_of_a_mail(options: dict[str, Any]) -> None:
    subject = terminal.first_line(report(**options), seconds=9.4)
    assert subject.isascii()
    assert len(subject) <= 110
    assert subject.startswith(f"{options.get('verdict', 'PASS')} cdnow 1997-09-30: ")
    assert "\n" not in subject


def test_a_long_name_still_gives_a_subject() -> None:
    named = {**report(), "name": "ünïcode\n" * 40}
    assert len(terminal.first_line(named, seconds=9.4)) <= 110
    assert terminal.first_line(named, seconds=9.4).isascii()


def test_busy_and_same() -> None:
    day = datetime.date(2026, 11, 21)
    assert terminal.busy_line("shop", day, since="02:14").endswith("since 02:14")
    assert terminal.same_line("shop", day, champion=day).startswith("SAME shop 2026-11-21: nothing new")


def printed(is_terminal: bool, width: int, verdict: str = "PASS") -> str:
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=is_terminal, width=width, color_system="standard" if is_terminal else None
    )
    terminal.print_summary(report(verdict=verdict), path=PATH, seconds=9.4, console=console)
    return out.getvalue()


def test_colour_and_bold_only_with_a_terminal() -> None:
    assert "\x1b[" in printed(True, 80).splitlines()[0]
    assert "\x1b[" not in "".join(printed(True, 80).splitlines()[1:])
    plain = printed(False, 80)
    assert "\x1b" not in plain
    assert plain.isascii()
    assert plain.splitlines()[0] == terminal.first_line(report(), seconds=9.4)
    assert len(plain.splitlines()) == 12


def test_a_narrow_console_does_not_break_the_path() -> None:
    assert any(line.rstrip().endswith("report.html   (9.4 s)") for line in printed(True, 40).splitlines())
