"""Two nights of a small outdoor shop: what the page says of money, labels and actions is what the run's files hold."""

import datetime as dt
import html
import json
import re
import shutil
from typing import Any

import numpy as np
import pandas as pd
import pytest
from outdoor_world import write_outdoor_shop

from kundenwert.pipeline import retrain
from kundenwert.records import RunResult, redraw
from kundenwert.runs import report_tables as tables

FIRST = dt.date(2025, 6, 30)
GROWTH = ("bigger baskets", "club")  # levers that sell


class Night:
    """A run with its files and its page."""

    def __init__(self, result: RunResult) -> None:
        self.result, self.report = result, result.report
        self.customers = pd.read_parquet(result.path / "customers.parquet")
        self.actions = pd.read_parquet(result.path / "actions.parquet")
        self.potential = pd.read_parquet(result.path / "potential.parquet")
        self.page = (result.path / "report.html").read_text(encoding="utf-8")

    def section(self, n: int) -> str:
        part = re.search(rf'<section [^>]*id="s{n}".*?</section>', self.page, re.S)[0]  # type: ignore[index]
        text = html.unescape(re.sub(r"<[^>]+>", " ", part)).replace("\u00a0", " ")
        return re.sub(r"\s+", " ", text)

    def flagged(self, flag: str) -> pd.DataFrame:
        return self.customers[[flag in flags for flags in self.customers["flags"]]]


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Night, Night]:
    folder = tmp_path_factory.mktemp("outdoor")
    spec = write_outdoor_shop(folder, ("amount = 60.0", "amount = 150.0"))
    return tuple(Night(retrain(spec, as_of=day, runs_dir=folder / "runs")) for day in (FIRST, None))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """The same shop where nothing costs anything, and no budget, no holdout and no limit of contacts were given."""
    changes = (
        ("cost_per_order = 5.5", "cost_per_order = 0.0"),
        ("cost_per_year_on_file = 1.5", "cost_per_year_on_file = 0.0"),
        ("return_cost = 6.5", "return_cost = 0.0"),
        ('ahead = "per_order"', 'ahead = "ignored"'),
        ("amount = 60.0\nholdout = 0.10\ncapacities = {phone = 3}", "holdout = 0.0"),
    )
    folder = tmp_path_factory.mktemp("free")
    return Night(retrain(write_outdoor_shop(folder, *changes), runs_dir=folder / "runs"))


def test_each_label_holds_what_its_customers_are_worth(nights: tuple[Night, Night]) -> None:
    night = nights[1]
    by_label = night.customers.groupby("segment")
    for shown in night.report["segments"]:
        theirs = night.customers[night.customers["segment"] == shown["segment"]]
        assert shown["customers"] == len(theirs)
        assert shown["value"] == pytest.approx(theirs["actual_value"].sum(), rel=1e-4, abs=1e-3)
        assert shown["room"] == pytest.approx(theirs["unrealized_value"].sum(), rel=1e-4, abs=1e-3)
    base = night.report["base"]
    assert base["customers"] == len(night.customers)
    assert int(by_label.size().sum()) + night.report["objected"] == base["customers"]
    assert base["room"] == pytest.approx(night.potential["unrealized_levers"].sum(), rel=1e-4)
    rooms = {one["basis"]: one["room"] for one in night.report["rooms"]}
    assert rooms["peers"] == pytest.approx(night.potential["unrealized_peers"].sum(), rel=1e-4)
    assert rooms["wallet"] == pytest.approx(night.potential["unrealized_wallet"].sum(), rel=1e-4)


def test_actions_add_up_to_the_files(nights: tuple[Night, Night]) -> None:
    night = nights[1]
    plan, chosen = night.report["plan"], night.actions
    treated = chosen[~chosen["held_out"]]
    assert {one["name"] for one in plan["actions"]} == set(chosen["action"])
    for one in plan["actions"]:
        everybody, mine = (part[part["action"] == one["name"]] for part in (chosen, treated))
        assert (one["customers"], one["held_out"]) == (len(everybody), len(everybody) - len(mine))
        assert one["cost"] == pytest.approx(mine["cost"].sum(), rel=1e-4)
        assert one["gain"]["mean"] == pytest.approx(mine["gain"].sum(), rel=1e-4)
        assert one["labels"] == everybody["segment"].value_counts().to_dict()
    assert plan["gain"]["mean"] == pytest.approx(treated["gain"].sum(), rel=1e-4)
    assert plan["cost"] + plan["withheld"] == pytest.approx(chosen["cost"].sum(), rel=1e-4)
    assert chosen["cost"].sum() <= plan["budget"] == 150.0
    phone = plan["channels"][0]
    assert phone["contacts"] == chosen["action"].str.contains("call").sum() <= phone["limit"] == 3
    planned = {row["segment"]: row["planned"] for row in tables.money_table(night.report)["rows"]}
    for label, own in night.customers.groupby("segment"):
        count = int((own["action"].notna() | own["held_out"]).sum())
        assert planned[label] == (f"{count:,}" if count else "nobody")


def test_the_curve_passes_near_the_plan_and_stays_below_what_all_money_brings(nights: tuple[Night, Night]) -> None:
    night = nights[1]
    points, plan = night.report["charts"]["budget"]["points"], night.report["plan"]
    at = float(np.interp(plan["budget"], points["budget"], points["gain"]))
    assert at >= plan["gain"]["mean"] * (1 - 1e-3), "the curve has no limits of contacts"
    assert at == pytest.approx(plan["gain"]["mean"], rel=0.1)
    assert "Limits of contacts, which the plan keeps to, are not in the line." in night.section(6)


def test_what_actions_rest_on_is_named_lever_by_lever(nights: tuple[Night, Night]) -> None:
    night = nights[1]
    used = {lever for name in set(night.actions["action"]) for lever in name.split(" + ")}
    assert set(night.report["plan"]["untested"]) == used - {"bigger baskets"}
    lines = {key: (words, origin) for key, words, origin in night.report["assumptions"]["lines"]}
    assert lines["levers.bigger baskets"][1] == "given"
    assert "an experiment" in lines["levers.bigger baskets"][0]
    assert lines["levers.call"][0].endswith("declared, not tested.")
    assert lines["levers.club"][1] == "default"
    assert "sceptical" in lines["levers.club"][0]
    for key in ("value.deactivate_after", "potential.wallet"):
        assert lines[key][1] == "given"


def test_no_assumption_speaks_against_a_key_of_the_spec(nights: tuple[Night, Night]) -> None:
    lines = nights[1].report["assumptions"]["lines"]
    given = json.loads((nights[1].result.path / "manifest.json").read_text())["given_keys"]
    for key, _, origin in lines:
        stated = any(one == key or one.startswith(f"{key}.") for one in given)
        assert origin == "given" or not stated, key
    assert len({(key, words) for key, words, _ in lines}) == len(lines)


def test_objected_customers_count_and_are_named_nowhere(nights: tuple[Night, Night]) -> None:
    night = nights[1]
    objected = night.flagged("objected")
    assert len(objected) == night.report["objected"] > 0
    assert objected["segment"].isna().all()
    assert not set(objected["customer_id"]) & set(night.actions["customer_id"])
    assert not any(one in night.page for one in objected["customer_id"])
    known = night.customers["actual_value"].sum()
    assert night.report["base"]["value"] != pytest.approx(known, rel=1e-6), "their value is in the total"


def test_an_open_complaint_sells_nothing_and_is_said(nights: tuple[Night, Night]) -> None:
    night = nights[1]
    complaints = night.flagged("complaint_open")
    assert len(complaints) == night.report["complaints"] > 0
    assert not complaints["action"].astype(str).str.contains("|".join(GROWTH)).any()
    assert not (complaints["segment"] == "below_zero").any()
    assert "an open complaint: nothing is sold to them" in night.section(6)


def test_ceilings_stand_beside_what_winning_has_cost(nights: tuple[Night, Night]) -> None:
    night = nights[1]
    table = pd.read_csv(night.result.path.parents[2] / "shop" / "customers.csv")
    cohorts = night.customers.set_index("customer_id")["cohort"]
    paid = table.groupby(table["customer_id"].map(cohorts))["acquisition_cost"].mean()
    assert {one["cohort"] for one in night.report["break_even"]} == set(paid.index)
    for one in night.report["break_even"]:
        assert one["cost"] == pytest.approx(paid[one["cohort"]], rel=1e-4)
        assert one["value"]["low"] <= one["cautious"] <= one["value"]["mean"]


def test_ten_customers_are_explained_by_the_pass_that_labelled_them(nights: tuple[Night, Night]) -> None:
    for night in nights:
        rows = [row for entry in night.report["people"] for row in entry["rows"]]
        told = {row["id"]: row["reasons"] for row in rows if row["reasons"]}
        assert 1 <= len(told) <= 10
        history = night.customers.set_index("customer_id")["frequency"]
        for customer_id, sentences in told.items():
            orders = int(history[customer_id])
            assert sentences[0].startswith(f"{orders} repeat order" if orders else "No repeat order")
            assert len(sentences) <= 3
            assert not re.search(r"most_|below_zero|migrator|low_maintenance", " ".join(sentences))


def test_the_first_night_has_nothing_to_compare_with_and_the_second_adds_up(nights: tuple[Night, Night]) -> None:
    first, second = nights
    assert "First run, nothing to compare with." in first.section(3)
    bridge, flows = second.report["charts"]["bridge"], second.report["charts"]["flows"]
    assert sum(part["mean"] for part in bridge["parts"]) == pytest.approx(second.report["change"]["gap"], abs=1.0)
    then = first.customers.set_index("customer_id")["segment"].dropna()
    now = second.customers.set_index("customer_id")["segment"].dropna()
    both = then.index.intersection(now.index)
    assert flows["both"] == len(both)
    assert flows["relabelled"] == int((then[both] != now[both]).sum())


def test_a_page_of_limited_size_without_a_bare_number(nights: tuple[Night, Night]) -> None:
    for night in nights:
        stored = (night.result.path / "report.json").read_text(encoding="utf-8")
        assert json.loads(stored, parse_constant=pytest.fail) == json.loads(json.dumps(night.report, allow_nan=False))
        assert len(stored) < 300_000
        assert len(night.page.encode()) < 600_000
        text = " ".join(night.section(n) for n in range(1, 10))
        assert not re.search(r"\b(nan|NaN|None|inf|Infinity|undefined)\b|\d[eE][+-]\d|−0 ", text)
        redraw(night.result.path)
        assert (night.result.path / "report.html").read_text(encoding="utf-8") == night.page


def test_where_nothing_costs_anything_nobody_is_below_zero(free: Night) -> None:
    assert not (free.customers["segment"] == "below_zero").any()
    assert "Nobody can be below zero here: no costs to come are counted." in free.section(1)
    assert float(free.customers["actual_value"].min()) >= 0.0


def test_levers_without_a_budget_and_without_a_holdout(free: Night) -> None:
    told = free.section(6)
    assert "No budget was given, so customers do not compete for money" in told
    assert "What does a larger budget bring?" not in told
    assert "possible contacts" not in told
    assert not free.actions["held_out"].any()
    assert all(one["held_out"] == 0 for one in free.report["plan"]["actions"])
    plan: dict[str, Any] = free.report["plan"]
    assert plan["withheld"] == 0


def test_a_recalibrated_run_says_so_where_labels_are_compared(
    nights: tuple[Night, Night], tmp_path_factory: pytest.TempPathFactory
) -> None:
    runs = nights[1].result.path.parents[1]
    copied = tmp_path_factory.mktemp("again") / "runs"
    shutil.copytree(runs, copied)
    (copied / "shop" / "aliases.json").write_text(json.dumps({"champion": nights[0].result.run}), encoding="utf-8")
    again = Night(retrain(runs.parent / "shop.toml", runs_dir=copied, recalibrate=True))
    assert f"recalibrated after {nights[0].result.run}" in again.section(3)
    assert "recalibrated" not in nights[1].section(3)
