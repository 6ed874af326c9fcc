"""Section 6 by hand: who gets what, what is held out, what limits it, what has been tested; and the ceilings' table."""

import dataclasses
import html
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import further_world as fw
import pytest
from report_world import world

from kundenwert.errors import UsageError
from kundenwert.runs import report_tables as tables
from kundenwert.runs import report_words as words
from kundenwert.runs.report import render_report
from kundenwert.runs.report_actions import BreakEven, ChannelUse
from kundenwert.runs.report_change import Estimate
from kundenwert.runs.report_data import build_report
from kundenwert.runs.report_sections import Further
from kundenwert.spec import ModelSpec
from kundenwert.spec_settings import settings_shown

SHOP = Path(__file__).parents[2] / "models" / "shop.toml"
MAIL = {"dormant": 900, "migrator": 200, "low_maintenance": 60, "most_growable": 30, "most_valuable": 10}


def plan(**changed: Any) -> Any:
    """The plan of `further_world` with everything that a budget, a channel and a holdout bring along."""
    mail, shipping = fw.plan().actions
    made = {
        "actions": (
            dataclasses.replace(mail, labels=MAIL),
            dataclasses.replace(shipping, labels={"most_valuable": 300}),
        ),
        "withheld": 100.0,
        "untested": ("win-back mail",),
        "channels": (ChannelUse("phone", 30, 30, 0.74), ChannelUse("mail", 1200, 5000, 0.0)),
    }
    return fw.plan(**{**made, **changed})


def report(**further: Any) -> dict[str, Any]:
    bare = {"tracking": None, "holdout": None, "cohort_values": None, "quantiles_for": None}
    return build_report(**{**world(200, seed=8), **bare, "further": Further(**further)})


def section(source: str, n: int) -> str:
    part = re.search(rf'<section [^>]*id="s{n}".*?</section>', source, re.S)[0]  # type: ignore[index]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", part)).replace("\u00a0", " "))


def test_money_of_the_held_out_is_said_and_not_called_left() -> None:
    told = section(render_report(report(plan=plan())), 6)
    assert "Of the budget of USD 1,000, USD 100 is not spent on the 150 customers held out." in told
    assert "is left" not in told
    some_left = report(plan=plan(withheld=60.0))["plan"]["answer"].replace("\u00a0", " ")
    assert "USD 60 is not spent on the 150 customers held out and USD 40 is left." in some_left
    with pytest.raises(UsageError, match=r"cost 1,200\.00, the budget is 1,000\.00"):
        plan(withheld=300.0)


def test_channels_with_a_limit_say_how_full_they_are() -> None:
    told = section(render_report(report(plan=plan())), 6)
    assert "30 of the 30 possible contacts by phone are planned; one more would bring USD 0.74." in told
    assert "1,200 of the 5,000 possible contacts by mail are planned." in told
    free = fw.points()
    assert "Limits of contacts" not in report(plan=plan(curve=free))["charts"]["budget"]["help"]
    aside = dataclasses.replace(free, limits_aside=True)
    assert "Limits of contacts" in report(plan=plan(curve=aside))["charts"]["budget"]["help"]


def test_who_gets_an_action_stands_beside_its_name_and_beside_the_labels() -> None:
    made = report(plan=plan())
    told = section(render_report(made), 6)
    assert "win-back mail 900 dormant, 200 undecided, 60 low maintenance, 40 others 1,200 120 (10 %)" in told
    rows = {row["segment"]: row["planned"] for row in tables.money_table(made)["rows"]}
    assert (rows["most_valuable"], rows["low_maintenance"]) == ("310", "60")
    first = section(render_report(made), 1)
    assert "In the plan" in first
    assert tables.EXCEPTIONS in first
    assert "In the plan" not in section(render_report(report()), 1)
    with pytest.raises(UsageError, match="its labels hold 3 of 1200"):
        dataclasses.replace(fw.plan().actions[0], labels={"dormant": 3})


def test_the_largest_gain_comes_first() -> None:
    shown = tables.actions_table(report(plan=plan(actions=plan().actions[::-1])))
    assert [row["name"] for row in shown] == ["win-back mail", "free shipping"]


def test_levers_that_no_experiment_has_tested_are_named_one_by_one() -> None:
    told = report(plan=plan(untested=("call", "win-back mail", "club")))["plan"]["rests_on"]
    assert told.endswith("no experiment has tested what call, win-back mail or club brings.")


def test_many_ceilings_are_folded_and_few_are_not() -> None:
    def ceilings(n: int) -> tuple[BreakEven, ...]:
        return tuple(BreakEven(f"{k}", Estimate(40.0 + k, 30.0, 200.0), 30.0, 12.5) for k in range(n))

    many, few = (render_report(report(break_even=ceilings(n))) for n in (120, 12))
    folded = "<details><summary>What winning a customer may cost"
    assert folded in many
    assert folded not in few
    assert "the latest 24 of 120" in section(many, 4)
    assert "USD 51 30 to 200 USD 30 USD 12" in section(few, 4)
    assert "It cost on average" in section(few, 4)


def page_of(spec: ModelSpec) -> str:
    """The page of a spec, in its basis and with its settings; only the numbers are of another base."""
    parts = {**world(200, seed=8), "tracking": None, "holdout": None, "cohort_values": None, "quantiles_for": None}
    settings = parts["segments"].value.settings
    settings.value_basis = spec.value_basis
    settings.margin = spec.value.margin if isinstance(spec.value.margin, float) else None
    return render_report(build_report(**{**parts, "settings": settings_shown(spec)}))


def pasted(spec: str, page: str) -> str:
    """The spec with what section 6 shows, each piece where its sentence says."""
    six = re.search(r'id="s6".*?</section>', page, re.S)[0]  # type: ignore[index]
    for told, lines in re.findall(r'<p class="help">(.*?)</p><pre>(.*?)</pre>', six, re.S):
        if "under [value], which the spec has" in told:
            spec = spec.replace("[value]\n", f"[value]\n{html.unescape(lines)}")
        else:
            spec = f"{spec}\n{html.unescape(lines)}"
    return spec


BARE = 'name = "mine"\n[data]\nsource = "orders.csv"\n'


@pytest.mark.parametrize(
    ("text", "margin"),
    [
        (BARE, 0.30),
        (f'{BARE}[value]\nhorizon = "5 years"\n', 0.30),
        (f"{BARE}[value]\ndraws = 200\n[potential]\nfrontier = 0.7\n", 0.30),
        (f"{BARE}[value]\nmargin = 0.45\n", 0.45),
        (SHOP.read_text(encoding="utf-8").split("[[levers]]")[0], "column:margin"),
    ],
    ids=["nothing", "value without a margin", "value in the middle", "margin", "shop"],
)
def test_without_levers_the_lines_shown_make_a_spec_of_that_of_the_page(text: str, margin: float | str) -> None:
    before = ModelSpec.from_mapping(tomllib.loads(text), base_dir=SHOP.parent)
    page = page_of(before)
    told = section(page, 6)
    assert words.NO_ACTIONS in told
    assert ("needs a margin" in told) == (before.value.margin is None)
    after = ModelSpec.from_mapping(tomllib.loads(pasted(text, page)), base_dir=SHOP.parent)
    assert [lever.name for lever in after.levers] == ["win-back mail"]
    assert (after.value.margin, after.value_basis) == (margin, "contribution")
    unchanged = {"levers", "value"}
    assert after.model_dump(exclude=unchanged) == before.model_dump(exclude=unchanged)
    assert after.value.model_dump(exclude={"margin"}) == before.value.model_dump(exclude={"margin"})


def test_a_spec_with_actions_and_no_plan_says_so() -> None:
    made = {**report(), "actions": True}
    assert words.NO_PLAN in section(render_report(made), 6)


def test_complaints_are_said_where_there_are_any() -> None:
    parts = {**world(200, seed=8), "tracking": None, "holdout": None, "cohort_values": None}
    table = parts["segments"].table
    table["flags"] = [["complaint_open"] if k < 3 else [] for k in range(len(table))]
    told = section(render_report(build_report(**parts)), 6)
    assert "3 customers have an open complaint: nothing is sold to them" in told
    assert "complaint" not in section(render_report(report()), 6)


def test_dormant_customers_who_are_probably_still_customers_are_counted() -> None:
    parts = {**world(200, seed=8), "tracking": None, "holdout": None, "cohort_values": None}
    table = parts["segments"].table
    table.loc[table.index[:8], ["segment", "p_alive"]] = ["dormant", 0.9]
    table.loc[table.index[:5], ["p_below_zero", "p_dormant"]] = [0.8, 0.1]
    gone = int(((table["segment"] == "dormant") & (table["p_alive"] > 0.5)).sum())
    told = section(render_report(build_report(**parts)), 1)
    assert f"Of the dormant, {gone} are probably still customers" in told
    assert gone >= 8


def test_one_time_buyers_without_room_are_explained_by_what_room_rests_on() -> None:
    def shelf(basis: str, flags: list[str]) -> str:
        parts = world(200, seed=8)
        table = parts["segments"].table
        once = table["frequency"] == 0
        table["potential_basis"] = basis
        table["flags"] = [flags if one else [] for one in once]
        table.loc[once, ["unrealized_value", "actual_value"]] = [0.0, 3.0]
        made = build_report(**{**parts, "tracking": None, "holdout": None, "cohort_values": None})
        return str(made["charts"]["map"]["shelf"]["why"])

    assert shelf("peers", ["unproven"]) == "too little seen to credit them with room"
    assert shelf("peers", []) == "no room is credited"
    assert shelf("levers", []) == "no declared action pays for them"


def test_the_answer_of_the_map_follows_the_basis() -> None:
    parts = world(300, seed=8)
    parts["segments"].table["potential_basis"] = "levers"
    parts["segments"].value.settings = SimpleNamespace(**vars(parts["segments"].value.settings))
    made = build_report(**{**parts, "tracking": None, "holdout": None, "cohort_values": None})
    assert "or more on top by a declared action" in made["charts"]["map"]["answer"]
    assert "far from their potential" in report()["charts"]["map"]["answer"]
