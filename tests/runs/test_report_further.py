"""What the page says of a change, of actions, payback and assumptions is what the records hold."""

import dataclasses
import datetime as dt
import functools
import html
import json
import re
from typing import Any

import further_world as fw
import pytest
from report_world import world

from kundenwert.errors import UsageError
from kundenwert.runs import terminal
from kundenwert.runs import wording as w
from kundenwert.runs.report import render_report
from kundenwert.runs.report_data import build_report
from kundenwert.runs.report_sections import Further

LIMIT = 300_000
SENTENCE = "Thresholds were derived anew: levers changed since then. A changed label may be a changed mark."


@functools.cache
def before() -> dict[str, Any]:
    return {**build_report(**world(300)), "as_of": fw.SINCE.isoformat(), "run_id": "1997-09-23-77aa01bc"}


def parts() -> tuple[dict[str, Any], float, float]:
    """A world, its value and its room."""
    made = world(300, seed=8)
    table = made["segments"].table
    return made, float(table["actual_value"].sum()), float(table["unrealized_value"].sum())


def report_with(previous: bool = True, change: dict[str, Any] | None = None, **further: Any) -> dict[str, Any]:
    """With nothing that was held out, so that there are fewer charts to draw."""
    made, end, _ = parts()
    made |= {"tracking": None, "holdout": None, "cohort_values": None}
    given = {"bridge": fw.bridge(end), "flows": fw.flows(), **further} if previous else further
    return build_report(
        **{**made, "previous": before() if previous else None, "further": Further(**given), **(change or {})}
    )


@functools.cache
def plain() -> tuple[dict[str, Any], str]:
    report = report_with(previous=False)
    return report, render_report(report)


@functools.cache
def full() -> dict[str, Any]:
    made, end, room = parts()
    return build_report(**{**made, "previous": before(), "further": fw.further(end, room, recalibrated=SENTENCE)})


@functools.cache
def page() -> str:
    return render_report(full())


def text_of(source: str) -> str:
    body = re.sub(r"<style>.*?</style>", "", source, flags=re.S)
    text = html.unescape(re.sub(r"<[^>]+>", " ", body)).replace("\u00a0", " ")
    return re.sub(r"\s+", " ", text)


def section(source: str, n: int) -> str:
    return text_of(re.search(rf'<section [^>]*id="s{n}".*?</section>', source, re.S)[0])  # type: ignore[index]


def test_it_stays_strict_json_of_a_limited_size() -> None:
    assert json.loads(json.dumps(full(), allow_nan=False)) == full()
    assert len(json.dumps(full())) < LIMIT
    assert len(page().encode()) < 2_000_000
    assert sum(len(json.dumps(full()["charts"][name])) for name in ("bridge", "flows", "budget", "payback")) < 20_000


def test_nothing_further_is_the_page_as_it_was() -> None:
    report, source = plain()
    assert set(report["charts"]) & {"bridge", "flows", "budget", "payback"} == set()
    for absent in (
        "Who changed label?",
        "What does a larger budget bring?",
        "pay back",
        "objected",
        "rest on beside",
    ):
        assert absent not in text_of(source).split("Words and record")[0], absent
    assert "No actions declared in the spec, so no recommendation." in section(source, 6)


def test_a_report_of_the_first_version_is_still_drawn() -> None:
    new = {"plan", "break_even", "rooms", "objected", "complaints", "recalibrated"}
    report, source = plain()
    old = {key: value for key, value in report.items() if key not in new} | {"report_version": 1}
    old["said"] = {key: value for key, value in old["said"].items() if key != "since"}
    old["assumptions"] = {key: value for key, value in old["assumptions"].items() if key != "lines"}
    assert render_report(old) == source
    assert terminal.summary_lines(old, path="r", seconds=1.0) == terminal.summary_lines(report, path="r", seconds=1.0)


def test_the_bridge_says_the_record() -> None:
    told = section(page(), 3)
    assert "The base is worth USD 3,000 less than on 23 Sep 1997. The largest part: time passed, − 4,000." in told
    for name, figure, apart in (
        ("New customers", "USD 900 700 to 1,100 yes 10 customers won", ""),
        ("Orders made and not made", "USD 200 −300 to 650 noise 212 orders came, 205 were expected", "+ 200, noise"),
        ("Time passed", "USD −4,000 −4,200 to −3,800 yes", "− 4,000"),
        ("Model learned anew", "USD −100 −400 to 200 noise", "− 100, noise"),
        ("Settings changed", "USD 0 0 to 0 nothing", ""),
    ):
        assert f"{name} {figure}" in told
        assert apart in told
    bars = full()["charts"]["bridge"]
    assert [p["key"] for p in bars["parts"]] == ["new", "orders", "time", "model", "settings"]
    assert sum(p["mean"] for p in bars["parts"]) == bars["change"]["mean"] == -3000
    assert [p["noise"] for p in bars["parts"]] == [False, True, False, True, True]


def test_the_first_screen_says_what_changed() -> None:
    first = text_of(page()[: page().index('<nav aria-label="Sections">')])
    assert "Since 23 Sep 1997 (USD): new customers + 900 · orders made and not made + 200, noise" in first
    assert "15 % of customers changed label." in first
    assert full()["tiles"][0]["change"].replace("\u00a0", " ") == "− 3,000 vs 23 Sep"
    assert full()["change"]["new"] == fw.NEW


def test_a_change_within_noise_is_called_noise() -> None:
    _, end, _ = parts()
    noisy = fw.bridge(
        end,
        start=fw.Estimate(end - 100.0, end - 900.0, end + 900.0),
        parts={"orders": fw.Estimate(100.0, -50.0, 260.0)},
        change=fw.Estimate(100.0, -50.0, 260.0),
        details={},
    )
    report = report_with(bridge=noisy)
    assert "which is noise: no part of the change can be told apart from chance." in report["said"]["change"]
    assert report["tiles"][0]["change"].endswith(": noise")
    assert "(noise), 15" in "\n".join(terminal.summary_lines(report, path="r", seconds=1.0))


def test_the_matrix_adds_up() -> None:
    data = full()["charts"]["flows"]
    assert (data["both"], data["relabelled"]) == (fw.BOTH, fw.RELABELLED)
    rows = {row[0]: row[1:] for row in data["numbers"]["rows"]}
    for row in rows.values():
        counts = [int(cell.replace(",", "")) for cell in row]
        assert sum(counts[:-1]) == counts[-1]
    assert sum(int(row[-1]) for name, row in rows.items() if name != "New") == fw.BOTH + 1
    assert int(rows["New"][-1]) == fw.NEW
    told = section(page(), 3)
    assert "85 of 100 customers kept their label; 2 of 100 would change by chance alone." in told
    moved = sum(n * m for row, m in zip(fw.COUNTS, (80, 90, 8, 5, -2, 1, 15), strict=False) for n in row[:-1])
    moved -= sum(fw.COUNTS[k][k] * m for k, m in enumerate((80, 90, 8, 5, -2, 1, 15)))
    assert f"73 customers changed, together worth {w.money(moved, 'USD')} now.".replace("\u00a0", " ") in told


def test_movers_are_named_with_their_reason_and_stay_text() -> None:
    told = section(page(), 3)
    assert "00017 Most valuable Dormant USD 840 USD 12 no order for 20 weeks" in told
    assert "<script>alert(1)</script> Most growable Super growth USD 31 USD 260 3 orders since 23 Sep" in told
    assert "<script" not in page().lower()
    hidden = section(render_report(report_with(change={"customer_ids": "hide"})), 3)
    assert "00017" not in hidden
    assert "customer 1 Most valuable Dormant" in hidden


def test_thresholds_made_anew_are_said_wherever_labels_are_compared() -> None:
    assert SENTENCE in section(page(), 3)
    assert "recalibrated" in "\n".join(terminal.summary_lines(full(), path="r", seconds=1.0))
    assert "15 % relabelled (recalibrated)" in terminal.first_line(full(), seconds=1.0).replace("\u00a0", " ")
    assert "recalibrated" not in terminal.first_line(report_with(), seconds=1.0)


def test_the_plan_says_the_record() -> None:
    told = section(page(), 6)
    assert "USD 900 on 1,350 customers is expected to return USD 1,500 on top of what it costs" in told
    assert "chance of a loss: 1 of 20. Of the budget of USD 1,000, USD 100 is left." in told
    assert "One more dollar would bring 0.40, and none pays after USD 2,400." in told
    assert "win-back mail 1,200 120 (10 %) USD 600 USD 900 −100 to 2,100 9 of 10 assumed effects" in told
    assert "free shipping 300 30 (10 %) USD 300 USD 600 250 to 980 over 9 of 10 an experiment" in told
    assert "Rests on assumed effects: no experiment has tested what win-back mail brings." in told
    assert 'class="resting"' in page()
    assert "After USD 2,400 another dollar no longer pays; the budget is USD 1,000." in told
    data = full()["charts"]["budget"]
    assert data["points"]["gain"] == pytest.approx(fw.points().gain.tolist(), rel=1e-4)
    assert data["points"]["budget"] == pytest.approx(fw.points().budget.tolist())


def test_levers_without_a_budget() -> None:
    plan = fw.plan(budget=None, shadow_price=None, curve=None)
    told = section(render_report(report_with(previous=False, plan=plan)), 6)
    assert "No budget was given, so customers do not compete for money" in told
    assert "USD 900 on 1,350 customers" in told
    assert "What does a larger budget bring?" not in told
    curve = report_with(previous=False, plan=fw.plan(budget=None, shadow_price=None))["charts"]["budget"]
    assert curve["answer"].replace("\u00a0", " ") == "After USD 2,400 another dollar no longer pays."


def test_a_plan_for_nobody_and_one_that_needs_no_more() -> None:
    nobody = fw.plan(actions=(), gain=fw.Estimate(0.0, 0.0, 0.0), loss_chance=0.0, curve=None)
    told = section(render_report(report_with(previous=False, plan=nobody)), 6)
    assert "No action is expected to bring more than it costs, so nobody gets one." in told
    tested = [dataclasses.replace(a, assumed=False) for a in fw.plan().actions]
    source = render_report(report_with(previous=False, plan=fw.plan(actions=tested, shadow_price=0.0)))
    assert "Another dollar no longer pays." in section(source, 6)
    assert 'class="resting"' not in source
    assert "assumed effects" not in section(source, 6)


def test_payback_and_what_winning_a_customer_may_cost() -> None:
    told = section(page(), 4)
    assert "90 customers paid back already. Of the 400 customers who have not yet brought back" in told
    assert "half pay it back within 39 weeks, 7 of 10 within 3 years" in told
    assert "3 of 10 do not: 2 of 10 because they are gone before and 1 of 10 because that is too short." in told
    assert "1997-01 USD 42 36 to 48 USD 39 USD 30 1997-02 USD 35 29 to 41 USD 32 USD 34: a risk" in told
    assert "1997-03 USD 28 22 to 34 USD 25 USD 31: too much" in told
    late = fw.payback(chance=fw.payback().chance * 0.4 / 0.7, gone=0.6, open=0.0, median=None, paid_back=0)
    without = report_with(previous=False, payback=late)["charts"]["payback"]["answer"]
    assert "half" not in without
    assert without.endswith("win them, 4 of 10 within 3 years; 6 of 10 do not, because they are gone before.")


def test_bases_stand_side_by_side() -> None:
    told = section(page(), 2)
    assert "spent elsewhere USD 8,000 and declared actions USD 1,500" in told
    assert "(used here)" in told
    made, _, room = parts()
    wallet = [dataclasses.replace(one, used=one.basis == "wallet") for one in fw.rooms(room)]
    report = build_report(**{**made, "further": Further(rooms=wallet)})
    assert report["tiles"][1]["range"] == "assumption: half of what is spent elsewhere, asked of 300 customers"
    assert not report["potential"]["mirrors"]
    assert not any("peers' frontier" in line for line in report["assumptions"]["loud"])
    line = next(x for x in terminal.summary_lines(full(), path="r", seconds=1.0) if x.startswith("Could be"))
    assert line.endswith("by peers (assumption); 8,000 by wallet, 1,500 by levers")


def test_what_was_brought_so_far_is_counted_part_by_part() -> None:
    told = section(page(), 1)
    assert "Margin on what they paid USD 9,000 Refunds USD −700 Events: ticket USD −300" in told
    shared = "Shares of joint costs: advertising USD −900 Together USD 7,100"
    assert f"before joint costs are shared out USD 8,000 {shared}" in told
    assert "last 30 days USD 55 may still come back" in told
    assert "Costs of orders" not in told  # a part of nothing
    with pytest.raises(UsageError, match="add up to 7,100"):
        dataclasses.replace(fw.REALIZED, total=7000.0)


def test_actions_that_promise_more_than_is_spent_elsewhere_are_named() -> None:
    assert "For 7 customers the actions promise more than the wallet leaves room for" in section(page(), 2)


def test_assumptions_are_listed_with_their_origin() -> None:
    told = section(page(), 9)
    for one, origin in zip(fw.ASSUMED, ("not given", "our default", "given, still a judgement"), strict=True):
        assert f"{one.key} {one.words} {origin}" in told


def test_who_objected_is_in_the_total_and_in_no_list() -> None:
    made, end, _ = parts()
    ids = made["segments"].table["customer_id"].tolist()[:12]
    away = fw.objected(made, 12)
    report = build_report(**{**made, "previous": before(), "further": Further(bridge=fw.bridge(end), objected=away)})
    assert report["base"]["value"] == pytest.approx(end, rel=1e-5)
    assert report["base"]["customers"] == 300
    assert report["base"]["no_mean"] == 0
    assert sum(s["customers"] for s in report["segments"]) == 288
    assert sum(report["charts"]["map"]["cells"]["n"]) == 288
    assert sum(bar["customers"] for bar in report["charts"]["churn"]["bars"]) == 288
    assert not {row["id"] for entry in report["people"] for row in entry["rows"]} & set(ids)
    source = render_report(report)
    for n in (1, 2):
        assert "12 customers objected: in the total, in no list." in section(source, n)


def test_a_change_must_be_this_one() -> None:
    _, end, _ = parts()
    with pytest.raises(UsageError, match="must add up"):
        fw.bridge(end, start=fw.Estimate(end, end, end))
    with pytest.raises(UsageError, match="one page, one value"):
        report_with(bridge=fw.bridge(end + 500.0))
    with pytest.raises(UsageError, match="the run before is of 1997-09-23"):
        report_with(flows=fw.flows(since=dt.date(1997, 1, 1)))
    with pytest.raises(UsageError, match="the run before is of None"):
        report_with(change={"previous": None})
    with pytest.raises(UsageError, match="no such part"):
        fw.bridge(end, details={"weather": "rain"})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fw.Estimate(1.0, float("nan"), 2.0), "not finite"),
        (lambda: fw.Estimate(1.0, 3.0, 2.0), "above `high`"),
        (lambda: fw.flows(flicker=1.5), "between 0 and 1"),
        (lambda: fw.flows(counts=fw.flows().counts[:3]), "rows"),
        (lambda: fw.plan(budget=800.0), "the budget is 800.00"),
        (lambda: fw.plan(gain=fw.Estimate(1.0, 0.0, 2.0)), "must add up"),
        (lambda: fw.ActionLine("a", 5, 1.0, fw.Estimate(1.0, 0.0, 2.0), 0.5, held_out=6), "6 held out of 5"),
        (lambda: fw.ActionLine("a", 5, -1.0, fw.Estimate(1.0, 0.0, 2.0), 0.5), "at least 0"),
        (lambda: fw.ActionLine("a", 5, 1.0, fw.Estimate(1.0, 0.0, 2.0), 1.5), "between 0 and 1"),
        (lambda: dataclasses.replace(fw.points(), gain=[1.0]), "as many gains"),
        (lambda: dataclasses.replace(fw.points(), budget=fw.points().budget[::-1]), "must rise"),
        (lambda: fw.payback(gone=0.5), "add up to 1"),
        (lambda: fw.payback(chance=fw.payback().chance[::-1]), "cannot fall"),
        (lambda: fw.payback(weeks=[1.0]), "two weeks"),
        (lambda: fw.payback(median=90.0), "the curve does not"),
        (lambda: Further(rooms=fw.rooms(1.0)[1:]), "exactly one is used"),
    ],
)
def test_records_that_contradict_themselves_are_refused(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_words_that_do_not_belong_on_the_page() -> None:
    text = text_of(page())
    for word in (
        "fire",
        "fired",
        "drop",
        "dropped",
        "lost",
        "missed",
        "significant",
        "nan",
        "None",
        "inf",
        "undefined",
    ):
        assert not re.search(rf"\b{word}\b", text, re.I if word in ("fire", "drop") else 0), word
    assert not re.search(r"\d[eE][+-]\d", text)
    assert "−0 " not in text
    for forbidden in ("http://", "https://", "src=", "url(", "@import", "javascript:"):
        assert forbidden not in page().lower()
    anchors, targets = set(re.findall(r'href="#([^"]+)"', page())), set(re.findall(r'id="([^"]+)"', page()))
    assert anchors <= targets


def test_a_failed_run_keeps_its_change_below_the_fold() -> None:
    made = world(300, seed=8, verdict="FAIL")
    end = float(made["segments"].table["actual_value"].sum())
    further = Further(bridge=fw.bridge(end), flows=fw.flows(), plan=fw.plan())
    source = render_report(build_report(**{**made, "previous": before(), "further": further}))
    above, below = source.split('<details class="failed">')
    assert "Who changed label?" in below
    for hidden in ("Who changed label?", "3,000 less", "win-back mail"):
        assert hidden not in text_of(above)


def test_the_terminal_says_the_same_change() -> None:
    said = terminal.summary_lines(full(), path="runs/shop/report.html", seconds=9.4)
    assert len(said) == 12
    assert max(map(len, said)) <= 80
    changed = next(line for line in said if line.startswith("Changed"))
    assert changed == "Changed   − USD 3,000, recalibrated, 15 % relabelled; new + 900, time − 4k"
    wide = next(x for x in terminal.summary_lines(report_with(), path="r", seconds=1.0) if x.startswith("Changed"))
    assert wide == "Changed   − USD 3,000, 15 % relabelled; new + 900, orders + 200, time − 4k"
    subject = terminal.first_line(full(), seconds=9.4)
    assert subject.isascii()
    assert len(subject) <= 110
    assert "(-3k), 10 new, 15 % relabelled (recalibrated), holdout" in subject
