"""The page: one file, no script, no request, and every state in words."""

import functools
import html
import itertools
import re
from typing import Any

import pytest
from report_world import world

from kundenwert.errors import RunError
from kundenwert.runs.report import css_text, render_report, write_report
from kundenwert.runs.report_data import build_report

HOSTILE = [
    "<script>alert(1)</script>",
    "x" * 200,
    "👩‍🚀🎉",
    "\u202eevil אבג",
    "</svg><script>1</script>",
    '"><img src=x>',
]
STATES: dict[str, dict[str, Any]] = {
    "pass": {},
    "review": {"verdict": "REVIEW"},
    "fail": {"verdict": "FAIL"},
    "no_holdout": {"holdout_weeks": 0, "costs": True},
    "one_cohort": {"cohorts": 1, "all_zero_room": True},
    "many_cohorts": {"cohorts": 120},
    "infinite": {"infinite_thresholds": True, "currency": None},
    "tiny": {"n": 20},
    "rich": {"scale": 1e5},
}


@functools.cache
def report(state: str) -> dict[str, Any]:
    return build_report(**world(**{"n": 500, **STATES[state]}))


@functools.cache
def page(state: str) -> str:
    return render_report(report(state))


def text_of(source: str) -> str:
    """What a reader sees, without tags, styles and charts' geometry."""
    body = re.sub(r"<style>.*?</style>", "", source, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


@pytest.mark.parametrize("state", STATES)
def test_nothing_is_loaded_and_nothing_runs(state: str) -> None:
    source = page(state)
    for forbidden in ("http://", "https://", "src=", "url(", "@import", "<script", "javascript:", "<iframe", "onload"):
        assert forbidden not in source.lower(), forbidden
    assert "xmlns" not in source
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in source
    assert len(source.encode()) < 2_000_000


@pytest.mark.parametrize("state", STATES)
def test_no_raw_number_reaches_a_reader(state: str) -> None:
    text = text_of(page(state))
    assert not re.search(r"\b(nan|NaN|None|inf|Infinity|undefined)\b", text)
    assert not re.search(r"\d[eE][+-]\d", text)
    assert "\u22120 " not in text
    assert "-0 " not in text
    assert not re.search(r"\b(p_alive|actual_value|unrealized_value)\b", text.split("Words and record")[0])
    for word in ("certain,", "guaranteed", "significant", "HDI", "sigma", " CI ", "±", "impossible"):
        assert word not in text


@pytest.mark.parametrize("state", STATES)
def test_a_screen_reader_finds_its_way(state: str) -> None:
    source = page(state)
    assert source.count("<h1>") == 1
    levels = [int(level) for level in re.findall(r"<h([1-6])", source)]
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    for svg in re.findall(r"<svg[^>]*>", source):
        assert 'role="img"' in svg
        assert len(re.search(r'aria-label="([^"]*)"', svg)[1]) > 20  # type: ignore[index]
    assert re.search(r'<html lang="en">', source)
    anchors, targets = set(re.findall(r'href="#([^"]+)"', source)), set(re.findall(r'id="([^"]+)"', source))
    assert anchors <= targets


def test_each_chart_has_question_answer_help_and_numbers() -> None:
    source = page("pass")
    for data in report("pass")["charts"].values():
        for part in ("question", "answer", "help"):
            assert html.escape(data[part], quote=False).replace("'", "&#39;") in source
        assert data["numbers"]["rows"]
    assert source.count("<summary>The numbers</summary>") == len(report("pass")["charts"])


def test_the_first_screen_says_the_four_numbers_and_a_weakness() -> None:
    source = page("pass")
    first = text_of(source[: source.index('<nav aria-label="Sections">')])
    assert "PASS, one thing to know." in first
    for tile in report("pass")["tiles"]:
        assert tile["figure"].replace("\u00a0", " ") in first.replace("\u00a0", " ")
    assert "First run, nothing to compare with." in first
    assert source.count('class="tile assumed"') == 1
    assert "assumption" in first


def test_a_fail_changes_the_page() -> None:
    source = page("fail")
    above, below = source.split('<details class="failed">')
    failed = report("fail")
    assert re.search(r"<title>FAIL ·", source)
    for tile in failed["tiles"]:
        assert tile["range"] not in html.unescape(above), "figures of a failed run leave the first screen"
    for word in ("What", "Why", "Next", "In use", "No figures are in use yet."):
        assert word in above
    assert "not in use" in below
    assert r"\00004e" not in source
    assert "NOT IN USE" in source.split("</style>")[0]


def test_a_fail_with_a_champion_shows_the_champions_figures_dated() -> None:
    before = report("pass")
    failed = build_report(**{**world(500, verdict="FAIL", scale=3.0), "previous": before})
    above = html.unescape(render_report(failed).split('<details class="failed">')[0])
    for tile in before["tiles"]:
        assert tile["figure"] in above
    assert "(30\u00a0Sep)" in above
    assert failed["tiles"][0]["figure"] not in above


def test_review_says_which_figure_moves_and_where() -> None:
    text = text_of(page("review"))
    assert "REVIEW, one thing to know before you use the figures." in text
    assert "For the figures: values are more likely too low than too high." in text


def test_states_without_something_are_one_sentence() -> None:
    text = text_of(page("no_holdout"))
    assert "No weeks were held out" in text
    assert "Nothing was held out" in text
    assert "No actions declared in the spec, so no recommendation." in text
    assert "Right of the line the model knew nothing" not in text
    assert "Nobody can be below zero here" in text_of(page("pass"))
    assert "No customer is credited with room" in text_of(page("one_cohort"))
    bare = build_report(
        **{**world(300), "tracking": None, "holdout": None, "cohort_values": None, "quantiles_for": None}
    )
    without = text_of(render_report(bare))
    assert "there is nothing to track" in without
    assert "No value of new customers" in without


@pytest.mark.parametrize(
    ("finding", "question"),
    [
        ("importance weights have a light tail (Pareto k)", "Did the sampler arrive?"),
        ("chains agree (R-hat)", "Did the sampler arrive?"),
        ("repeat orders after the cut", "Did the orders come that it promised?"),
    ],
)
def test_a_failure_shows_where_it_happens(finding: str, question: str) -> None:
    made = report("fail")
    findings = [{**made["checks"]["findings"][0], "name": finding}, *made["checks"]["findings"][1:]]
    source = render_report({**made, "checks": {**made["checks"], "findings": findings}})
    first = source.split('<section class="first">')[1].split("</section>")[0]
    assert question in text_of(first)


def test_the_next_run_says_what_changed() -> None:
    second = render_report(build_report(**{**world(500, seed=8), "previous": report("pass")}))
    text = text_of(second)
    assert "First run" not in text
    assert "vs 30 Sep" in text.replace("\u00a0", " ") or "noise" in text
    assert "Customers on 30 Sep 1997" in text.replace("\u00a0", " ")


def test_hostile_names_stay_text() -> None:
    parts = world(400, ids=HOSTILE)
    table = parts["segments"].table
    table.loc[table.index[:6], ["actual_value", "churn_probability"]] = [90_000.0, 0.7]
    hostile = "</title></style><script>alert(1)</script>"
    source = render_report(build_report(**{**parts, "title": hostile, "name": hostile, "run_id": 'a"b</style>'}))
    assert "<script" not in source.lower()
    assert "<img" not in source
    assert source.count("</style>") == 1
    assert source.count("</title>") == 1 + source.count("<title>") - 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in source
    assert "x" * 200 not in source


def test_a_title_cannot_leave_its_css_rule() -> None:
    assert css_text('a";}</style>') == '"a\\000022\\00003b\\00007d\\00003c\\00002fstyle\\00003e"'


def test_report_needs_nothing_but_its_numbers(tmp_path: Any) -> None:
    path = tmp_path / "report.html"
    write_report(report("pass"), path)
    assert path.read_text(encoding="utf-8") == page("pass")
    with pytest.raises(RunError, match="version 99"):
        render_report({**report("pass"), "report_version": 99})
