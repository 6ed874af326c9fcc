"""`report.json`: strict JSON, sizes that know no N, sums that add up, and the comparison with the run before."""

import json
from typing import Any

import numpy as np
import pytest
from report_world import world

from kundenwert.errors import UsageError
from kundenwert.runs.report_data import build_report

LIMIT = 300_000


def report_of(n: int = 800, change: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return build_report(**{**world(n, **options), **(change or {})})


def size_of(report: dict[str, Any]) -> int:
    return len(json.dumps(report, allow_nan=False))


def test_it_is_strict_json_and_survives_the_disk() -> None:
    report = report_of()
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_its_size_knows_no_number_of_customers() -> None:
    small, large = size_of(report_of(2000)), size_of(report_of(20_000))
    assert large < LIMIT
    assert large - small < 30_000, "cells fill up, and nothing else grows"


@pytest.mark.parametrize("options", [{"cohorts": 120}, {"draws": 4000}, {"scale": 1e6, "costs": True}])
def test_its_size_has_a_limit(options: dict[str, Any]) -> None:
    assert size_of(report_of(3000, **options)) < LIMIT


def test_segments_add_up_to_the_base() -> None:
    report = report_of(costs=True)
    segments, base = report["segments"], report["base"]
    assert [s["segment"] for s in segments][-1] == "migrator"
    for key in ("customers", "once"):
        assert sum(s[key] for s in segments) == base[key]
    for key in ("value", "room"):
        assert sum(s[key] for s in segments) == pytest.approx(base[key], rel=1e-4)
    assert base["low"] < base["high"]
    assert len(base["draws"]) == 400


def test_at_most_thirty_customers_appear_and_ids_can_be_hidden() -> None:
    shown, hidden = report_of(), report_of(change={"customer_ids": "hide"})
    assert sum(len(entry["rows"]) for entry in shown["people"]) <= 30
    assert all(len(row["quantiles"]) == 20 for entry in shown["people"] for row in entry["rows"])
    assert {row["id"][:9] for entry in hidden["people"] for row in entry["rows"]} == {"customer "}
    with pytest.raises(UsageError, match="'show' or 'hide'"):
        report_of(change={"customer_ids": "maybe"})


def test_the_lists_hold_whom_they_say() -> None:
    world_ = world(800)
    risk, room, undecided = build_report(**world_)["people"]
    table = world_["segments"].table
    assert [r["actual"] for r in risk["rows"]] == sorted((r["actual"] for r in risk["rows"]), reverse=True)
    assert all(r["again"] <= 0.4 + 1e-9 for r in risk["rows"])
    assert all(r["orders"] > 1 for r in room["rows"])
    assert {r["segment"] for r in undecided["rows"]} == {"migrator"}
    assert undecided["total"] == (table["status"] == "undecided").sum()


def test_noise_is_called_noise() -> None:
    before = report_of()
    base = before["base"]
    near = {**before, "base": {**base, "value": base["value"] + 0.1 * (base["high"] - base["low"])}}
    again = report_of(change={"previous": near})
    assert again["change"]["noise"]
    assert "which is noise" in again["said"]["change"]
    assert again["champion"]["run_id"] == before["run_id"]
    far = {**before, "base": {**before["base"], "value": before["base"]["value"] * 0.5, "customers": 700}}
    moved = report_of(change={"previous": far})
    assert not moved["change"]["noise"]
    assert moved["change"]["new"] == 100
    assert "more than on" in moved["said"]["change"]


def test_one_verdict() -> None:
    for verdict, in_use in (("PASS", True), ("REVIEW", True), ("FAIL", False)):
        report = report_of(300, verdict=verdict)
        assert report["verdict"] == report["checks"]["verdict"] == verdict
        assert report["in_use"] is in_use
        assert report["headline"]["lead"].startswith(verdict)


def test_infinite_thresholds_and_missing_means_become_null() -> None:
    infinite = report_of(300, infinite_thresholds=True)
    assert infinite["charts"]["map"]["thresholds"]["valuable"] is None
    parts = world(300)
    parts["segments"].table.loc[parts["segments"].table.index[:4], "actual_value"] = np.nan
    report = build_report(**parts)
    assert report["base"]["no_mean"] == 4
    json.dumps(report, allow_nan=False)


def test_undefined_new_customers_are_left_out() -> None:
    report = report_of(300, change={"cohort_values": np.full((400, 3), np.nan)})
    assert "cohorts" not in report["charts"]


def test_settings_are_text_with_their_origin() -> None:
    settings = {
        "value.acquisition_cost": {"value": None, "origin": "default"},
        "value.margin": {"value": 0.3, "origin": "given"},
    }
    rows = report_of(300, change={"settings": settings})["assumptions"]["settings"]
    assert rows == [["value.acquisition_cost", "not given", "default"], ["value.margin", "0.3", "given"]]
