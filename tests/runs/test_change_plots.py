"""Labels of two tables side by side, and the four plots of change, budget and payback."""

import functools
import itertools
import json
import re
from typing import Any

import further_world as fw
import numpy as np
import pandas as pd
import pytest

from kundenwert.errors import UsageError
from kundenwert.runs import plots
from kundenwert.runs.plots.style import DARK
from kundenwert.runs.report_change import COLUMNS, LEFT, NEW, ROWS, label_flows
from kundenwert.runs.svg import render_svgs
from kundenwert.units import TimeUnit

HEADS = ["customer_id", "segment", "actual_value", "frequency", "recency", "T"]
THEN = [
    ("a", "most_valuable", 100.0, 3, 10.0, 12.0),
    ("b", "most_growable", 10.0, 0, 0.0, 5.0),
    ("c", "dormant", 1.0, 1, 2.0, 30.0),
    ("d", None, np.nan, 1, 2.0, 30.0),
    ("e", "most_valuable", 70.0, 4, 20.0, 21.0),
    ("g", None, np.nan, 0, 0.0, 3.0),
    ("h", "low_maintenance", 4.0, 2, 3.0, 9.0),
]
NOW = [
    ("f", "low_maintenance", 6.0, 0, 0.0, 1.0),
    ("a", "dormant", 5.0, 3, 10.0, 19.0),
    ("b", "super_growth", 60.0, 2, 11.0, 12.0),
    ("c", "dormant", 0.5, 1, 2.0, 37.0),
    ("d", "most_valuable", 40.0, 1, 2.0, 37.0),
    ("g", None, np.nan, 0, 0.0, 10.0),
    ("h", "dormant", 3.0, 1, 3.0, 16.0),
]


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.DataFrame(THEN, columns=HEADS), pd.DataFrame(NOW, columns=HEADS)


def cell(matrix: Any, row: str, column: str) -> float:
    return float(matrix[ROWS.index(row), COLUMNS.index(column)])


def test_labels_of_two_runs_are_counted_by_customer() -> None:
    found = label_flows(*tables(), since=fw.SINCE)
    moved = [("most_valuable", "dormant", 5.0), ("most_growable", "super_growth", 60.0), ("dormant", "dormant", 0.5)]
    moved += [("most_valuable", LEFT, 70.0), (NEW, "low_maintenance", 6.0), (NEW, "most_valuable", 40.0)]
    moved += [("low_maintenance", "dormant", 3.0)]
    for row, column, money in moved:
        assert cell(found.counts, row, column) == 1
        assert cell(found.money, row, column) == money
    assert found.counts.sum() == len(moved)
    assert (found.both, found.relabelled, found.share, found.money_moved) == (4, 3, 0.75, 68.0)


def test_movers_are_the_largest_changes_with_their_reason() -> None:
    movers = label_flows(*tables(), since=fw.SINCE).movers
    assert [m.customer_id for m in movers] == ["a", "b", "h"]
    said = [m.why.replace("\u00a0", " ") for m in movers]
    assert said == ["no order for 9 weeks", "2 orders since 23 Sep", "orders were taken out of the log"]
    days = label_flows(*tables(), since=fw.SINCE, time_unit=TimeUnit.DAY).movers
    assert days[0].why == "no order for 1 week"


def test_marks_that_moved_are_the_first_reason_and_silence_needs_time() -> None:
    def said(now: pd.DataFrame, **how: bool) -> list[str]:
        movers = label_flows(tables()[0], now, since=fw.SINCE, **how).movers
        return [m.why.replace("\u00a0", " ") for m in movers]

    then, now = tables()
    orders = ["2 orders since 23 Sep", "orders were taken out of the log"]
    marks = "marks derived anew"
    assert said(now, marks_moved=True) == [f"{marks}; no order for 9 weeks", *(f"{marks}; {one}" for one in orders)]
    same_day = now.drop(columns=["T", "recency"]).merge(then[["customer_id", "T", "recency"]], on="customer_id")
    assert said(same_day) == ["the model or settings changed, no order came", *orders]
    assert said(same_day, marks_moved=True)[0] == marks


def test_the_order_of_rows_decides_nothing() -> None:
    rng = np.random.default_rng(3)
    n = 400
    made = pd.DataFrame(
        {
            "customer_id": np.arange(n),
            "segment": rng.choice(ROWS[:-1], n),
            "actual_value": rng.integers(0, 5, n).astype(float),
            "frequency": rng.integers(0, 4, n),
            "recency": 1.0,
            "T": 5.0,
        }
    )
    later = made.assign(segment=rng.permutation(made["segment"]), actual_value=made["actual_value"][::-1].to_numpy())
    one = label_flows(made, later, since=fw.SINCE)
    other = label_flows(made.sample(frac=1, random_state=1), later.sample(frac=1, random_state=2), since=fw.SINCE)
    assert (one.counts == other.counts).all()
    assert one.movers == other.movers
    assert len(one.movers) == 10
    assert one.counts.sum(axis=1)[:-1].tolist() == [int((made["segment"] == name).sum()) for name in ROWS[:-1]]


def test_a_label_that_is_none_is_refused() -> None:
    then, now = tables()
    with pytest.raises(UsageError, match="a label is none of"):
        label_flows(then, now.assign(segment="gold"), since=fw.SINCE)


@functools.cache
def every_chart(theme: Any, **options: Any) -> dict[str, Any]:
    return {
        "bridge": plots.equity_bridge(fw.bridge(), theme, currency="EUR", **options),
        "flows": plots.segment_flows(fw.flows(), theme, currency="EUR", **options),
        "payback": plots.payback_curve(fw.payback(), theme, **options),
        "budget": plots.budget_curve(fw.points(), theme, budget=1000.0, currency="EUR", **options),
    }


def test_every_plot_is_a_valid_chart_with_its_reading_help() -> None:
    for name, chart in every_chart("light").items():
        spec = chart.to_dict()
        assert spec["title"]["text"].endswith("?"), name
        assert len(spec["title"]["subtitle"]) >= 2, name
    for name, chart in every_chart("dark", help=False).items():
        spec = chart.to_dict()
        assert "title" not in spec, name
        assert DARK["page"] in json.dumps(spec["config"]), name


@functools.cache
def drawn() -> dict[str, str]:
    charts = every_chart("css", help=False)
    return dict(zip(charts, render_svgs((chart, f"finding of {name}") for name, chart in charts.items()), strict=True))


@pytest.mark.parametrize("name", ["bridge", "flows", "payback", "budget"])
def test_the_page_decides_every_colour(name: str) -> None:
    svg = drawn()[name]
    assert not re.search(r"(?:fill|stroke)=\"(?!none|transparent|var\(--)[^\"]+\"", svg)
    assert svg.count("role=") == svg.count("aria-") == 1
    assert len(svg) < 30_000
    assert not re.search(r"NaN|Infinity|None|undefined", svg)


def texts(svg: str) -> list[str]:
    return [text.replace("\u00a0", " ") for text in re.findall(r"<text[^>]*>([^<]+)<", svg)]


def test_the_bridge_goes_from_start_to_end_in_its_order() -> None:
    said = texts(drawn()["bridge"])
    order = ["On 23 Sep 1997", "New customers", "Orders made and not made", "Time passed", "Model learned anew"]
    assert [text for text in said if text in order] == order
    assert {"EUR 13,000", "+ 900", "+ 200, noise", "− 4,000", "EUR 10,000 (− 3,000)"} <= set(said)


def bars(spec: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [row for values in spec["datasets"].values() for row in values if "kind" in row]
    return list({row["name"]: row for row in rows}.values())


def test_bars_float_from_where_the_one_above_ends() -> None:
    made = {row["name"]: row for row in bars(plots.equity_bridge(fw.bridge()).to_dict())}
    places = [made[name] for name in ("New customers", "Orders made and not made", "Time passed", "Model learned anew")]
    for earlier, later in itertools.pairwise(places):
        assert later["start"] == pytest.approx(earlier["end"])
    assert made["Now"]["end"] == pytest.approx(places[-1]["end"]) == -3000
    kinds = {name: row["kind"] for name, row in made.items()}
    assert kinds["Orders made and not made"] == kinds["Model learned anew"] == "noise"
    assert kinds["Time passed"] == "part"
    assert kinds["Now"] == "total"


def test_where_nothing_changed_nothing_is_drawn_to_scale() -> None:
    same = fw.Estimate(100.0, 90.0, 110.0)
    still = {"new": fw.Estimate(0.0, 0.0, 0.0)}
    chart = plots.equity_bridge(fw.bridge(100.0, start=same, end=same, parts=still, change=still["new"], details={}))
    assert "nothing changed." in chart.to_dict()["title"]["subtitle"][0]
    (svg,) = render_svgs([(chart, "nothing changed")])
    assert sum(text == "0" for text in texts(svg)) == 2, "one tick, one part"


def test_cells_say_customers_or_money() -> None:
    said = texts(drawn()["flows"])
    assert [text for text in said if text.isdigit()] == [str(n) for row in fw.COUNTS for n in row if n]
    (money,) = render_svgs([(plots.segment_flows(fw.flows(), "css", euros=True, help=False), "money of labels")])
    assert "7.2k" in texts(money), "90 most valuable customers at 80 each"
    nobody = fw.flows(counts=np.zeros((8, 8), dtype=int), money=np.zeros((8, 8)), movers=(), flicker=None)
    assert "nothing to compare" in plots.segment_flows(nobody).to_dict()["title"]["subtitle"][0]


def test_hardly_anybody_changed() -> None:
    counts = np.zeros((8, 8), dtype=int)
    counts[0, 0], counts[0, 1] = 999, 1
    told = plots.segment_flows(fw.flows(counts=counts, money=counts * 1.0, flicker=0.001)).to_dict()["title"]
    assert told["subtitle"][0].startswith("More than 99 of 100 customers kept their label; fewer than 1 of 100 would")
    counts[0, 1] = 0
    told = plots.segment_flows(fw.flows(counts=counts, money=counts * 1.0, flicker=0.0)).to_dict()["title"]
    assert told["subtitle"][0] == "100 of 100 customers kept their label; none would change by chance alone."


def test_the_budget_that_was_given_and_the_last_that_pays_are_marked() -> None:
    assert {"budget EUR 1,000", "pays up to EUR 2,400"} <= set(texts(drawn()["budget"]))
    tested = plots.budget_curve(fw.points(), assumed=False).to_dict()
    assert "strokeDash" not in json.dumps([layer for layer in tested["layer"] if layer["mark"].get("type") == "line"])
    assert "strokeDash" in json.dumps(plots.budget_curve(fw.points()).to_dict()["layer"][2])


def test_payback_says_half_and_never() -> None:
    assert {"half after 39 weeks", "3 of 10 do not within 3 years"} <= set(texts(drawn()["payback"]))
    rise = np.array([0.0, 1.0])
    all_of_them = fw.payback(weeks=[0.0, 9.0], chance=rise, gone=0.0, open=0.0, median=4.5)
    told = plots.payback_curve(all_of_them).to_dict()
    assert "do not within" not in json.dumps(told)
    assert "nan" not in json.dumps(told).lower()
