"""Plots: what the data functions count, what the charts may contain, and what happens at the edges."""

import dataclasses
import functools
import json
import re
from typing import Any

import numpy as np
import pytest
from report_world import world

import kundenwert as kw
from kundenwert.errors import UsageError
from kundenwert.runs import plots
from kundenwert.runs.plots.churn import churn_by_money_data, churn_calibration_data
from kundenwert.runs.plots.cohorts import cohort_values_data
from kundenwert.runs.plots.exposing import exposure_data
from kundenwert.runs.plots.predictive import conditional_expectation_data, frequency_data, tracking_data
from kundenwert.runs.plots.sampler import convergence_data
from kundenwert.runs.plots.style import DARK, LIGHT, colors
from kundenwert.runs.plots.value_map import map_data
from kundenwert.runs.svg import render_svgs

W = world(1500)
TRACKED = {"tracking": W["tracking"], "summary": W["summary"], "holdout": W["holdout"]}


@functools.cache
def every_chart(theme: Any, **options: Any) -> dict[str, Any]:
    sizes = [500, 500, 500]
    return {
        "map": plots.actual_vs_potential(W["segments"], theme, **options),
        "tracking": plots.tracking(W["tracking"], theme, **options),
        "frequency": plots.frequency(W["tracking"], theme, **options),
        "conditional": plots.conditional_expectation(**TRACKED, theme=theme, **options),
        "calibration": plots.churn_calibration(**TRACKED, theme=theme, **options),
        "churn": plots.churn_by_money(W["segments"], theme, **options),
        "cohorts": plots.cohort_values(W["cohort_values"], W["summary"].cohorts, sizes, theme, **options),
        "convergence": plots.convergence(W["posterior"], theme, **options),
        "exposure": plots.exposure(W["summary"], theme, **options),
    }


def test_every_public_plot_is_a_valid_chart_with_its_reading_help() -> None:
    for name, chart in every_chart("light").items():
        spec = chart.to_dict()
        assert spec["title"]["text"].endswith("?"), name
        assert len(spec["title"]["subtitle"]) >= 2, name
        rows = sum(len(values) for values in spec["datasets"].values())
        assert rows < 3000, name
    assert set(plots.__all__) >= {"actual_vs_potential", "tracking", "exposure"}


def test_without_help_the_page_says_it() -> None:
    for name, chart in every_chart("dark", help=False).items():
        spec = chart.to_dict()
        assert "title" not in spec, name
        assert DARK["page"] in json.dumps(spec["config"]), name


@pytest.mark.parametrize(
    "name", ["map", "tracking", "frequency", "conditional", "calibration", "churn", "cohorts", "convergence"]
)
def test_the_page_decides_every_colour_of_its_charts(name: str) -> None:
    (svg,) = render_svgs([(every_chart("css", help=False)[name], 'finding with "quotes" & <tags>')])
    assert not re.search(r"(?:fill|stroke)=\"(?!none|transparent|var\(--)[^\"]+\"", svg), (
        "a colour that dark mode cannot reach"
    )
    assert svg.startswith('<svg role="img" aria-label="finding with &quot;quotes&quot; &amp; &lt;tags&gt;"')
    assert svg.count("role=") == 1
    assert svg.count("aria-") == 1
    assert "xmlns" not in svg
    assert not re.search(r"\d\.\d{3,}", re.sub(r">[^<]*<", "><", svg)), "two decimals are enough on a screen"


def test_themes() -> None:
    assert set(colors("light")) == set(colors("dark")) == set(colors("css")) == set(LIGHT)
    with pytest.raises(UsageError, match="Did you mean 'dark'"):
        colors("drak")  # type: ignore[arg-type]


def test_the_map_counts_every_customer_and_every_dollar() -> None:
    data, table = map_data(W["segments"]), W["segments"].table
    cells = data["cells"]
    assert sum(cells["n"]) == len(table)
    assert sum(cells["once"]) == (table["frequency"] == 0).sum()
    assert sum(cells["undecided"]) == (table["status"] == "undecided").sum()
    assert sum(cells["money"]) == pytest.approx(table["actual_value"].sum(), rel=1e-3)
    assert sum(data["strip"]["money"]) == pytest.approx(table["actual_value"].sum(), rel=1e-3)


def test_no_cell_of_the_map_straddles_a_threshold() -> None:
    segments = W["segments"]
    s = map_data(segments)["scales"]
    marks = segments.thresholds
    for mark, c, zero, width in (
        (marks.valuable, s["cx"], s["x0"], s["wx"]),
        (marks.growable, s["cy"], s["y0"], s["wy"]),
    ):
        steps = (np.arcsinh(mark / c) - zero) / width
        assert steps == pytest.approx(round(steps), abs=1e-9)


def test_maps_of_two_nights_lie_on_each_other() -> None:
    first = map_data(W["segments"])["scales"]
    table = W["segments"].table.assign(
        actual_value=W["segments"].table["actual_value"] * 0.5,
        unrealized_value=W["segments"].table["unrealized_value"] * 0.5,
    )
    later = type(W["segments"])(**{**vars(W["segments"]), "table": table})
    assert map_data(later, frame=first)["scales"] == first


def test_the_open_column_names_the_largest_customers() -> None:
    table = W["segments"].table.copy()
    rich = world(4000)["segments"]
    rich.table.loc[rich.table.index[0], "actual_value"] = 1e6
    data = map_data(rich)
    assert data["open"] == {"above": data["scales"]["right"], "customers": data["open"]["customers"], "largest": 1e6}
    assert max(data["cells"]["x"]) == data["scales"]["columns"]
    assert len(table) == 1500


@pytest.mark.parametrize(
    "change", [{"infinite_thresholds": True}, {"all_zero_room": True}, {"costs": True}, {"currency": None}]
)
def test_the_map_of_a_degenerate_base(change: dict[str, Any]) -> None:
    segments = world(300, **change)["segments"]
    data = map_data(segments)
    json.dumps(data, allow_nan=False)
    (svg,) = render_svgs([(plots.actual_vs_potential(segments, "css", help=False), data["label"])])
    assert "NaN" not in svg
    assert "Infinity" not in svg
    assert ("None" in svg) is False


def test_a_customer_without_a_mean_has_no_place_on_the_map() -> None:
    segments = world(300)["segments"]
    segments.table.loc[segments.table.index[:3], "actual_value"] = np.nan
    assert sum(map_data(segments)["cells"]["n"]) == 297


def test_highlighting() -> None:
    ids = W["segments"].table["customer_id"].tolist()
    spec = plots.actual_vs_potential(W["segments"], highlight=ids[:2]).to_dict()
    assert ids[0] in json.dumps(spec)
    with pytest.raises(UsageError, match="at most 5"):
        plots.actual_vs_potential(W["segments"], highlight=ids[:6])
    with pytest.raises(UsageError, match="is not in the table"):
        plots.actual_vs_potential(W["segments"], highlight=["nobody"])


def test_tracking_says_expected_and_came() -> None:
    total = tracking_data(W["tracking"])["total"]
    assert total["came"] == W["holdout"].table["purchases"].sum()
    assert total["expected"] == pytest.approx(W["tracking"].holdout_expected.sum(), rel=1e-5)
    assert plots.tracking(W["tracking"], cumulative=True).to_dict()


def test_tracking_without_a_holdout_promises_nothing() -> None:
    bare = world(300, holdout_weeks=0)["tracking"]
    data = tracking_data(bare)
    assert data["total"] is None
    assert "No week was held out" in data["answer"]
    assert "model saw data" not in json.dumps(plots.tracking(bare).to_dict())


def test_frequency_bars_hang_from_the_curve() -> None:
    data = frequency_data(W["tracking"])
    assert sum(data["observed"]) == 1500
    assert plots.frequency(W["tracking"], kind="bars").to_dict()


def test_conditional_expectation_groups_customers_by_their_past() -> None:
    past, silence = conditional_expectation_data(**TRACKED)["panels"]
    bought = W["holdout"].table["purchases"]
    once = (W["summary"].table["frequency"] == 0).to_numpy()
    assert past["observed"][0] == pytest.approx(bought[once].mean(), rel=1e-3)
    assert past["observed_low"][0] <= past["observed"][0] <= past["observed_high"][0]
    assert sum(past["size"]) == sum(silence["size"]) == 1500


def test_calibration_keeps_one_time_buyers_apart() -> None:
    data = churn_calibration_data(**TRACKED)
    groups = {p["group"] for p in data["points"]}
    assert groups == {"bought again", "bought once"}
    assert sum(p["customers"] for p in data["points"]) == 1500
    assert sum(p["group"] == "bought once" for p in data["points"]) <= 5
    assert all(p["low"] <= p["happened"] <= p["high"] for p in data["points"])


def test_churn_by_money_adds_up() -> None:
    data, table = churn_by_money_data(W["segments"]), W["segments"].table
    assert sum(bar["customers"] for bar in data["bars"]) == len(table)
    assert sum(bar["money"] for bar in data["bars"]) == pytest.approx(table["actual_value"].sum(), rel=1e-4)


def test_many_cohorts_are_the_latest_and_one_row_of_older_ones() -> None:
    names = [f"c{k:03d}" for k in range(120)]
    rng = np.random.default_rng(1)
    draws = rng.normal(40, 1, (50, 120))
    data = cohort_values_data(draws, names, [10] * 120, currency="EUR", horizon="3 years", basis="revenue")
    assert data["cohorts"] == ["96 older", *names[-24:]]
    assert data["mean"][0] == pytest.approx(draws[:, :96].mean(), rel=1e-3)
    assert sum(data["customers"]) == 1200


def test_a_difference_between_cohorts_is_told_from_noise() -> None:
    rng = np.random.default_rng(1)
    near, far = rng.normal([40, 40.1], 1, (400, 2)), rng.normal([40, 80], 1, (400, 2))
    options: dict[str, Any] = {"currency": "EUR", "horizon": "3 years", "basis": "revenue"}
    assert "cannot be told apart" in cohort_values_data(near, ["a", "b"], [1, 1], **options)["answer"]
    assert "sure of a difference" in cohort_values_data(far, ["a", "b"], [1, 1], **options)["answer"]
    paying = cohort_values_data(far, ["a", "b"], [1, 1], acquisition_cost=60.0, **options)
    assert paying["pays_back"] == [0, 1]


def test_exposure_is_a_sample() -> None:
    assert len(exposure_data(W["summary"], customers=20)["first"]) == 20
    with pytest.raises(UsageError, match="between 1 and"):
        exposure_data(W["summary"], customers=5000)


def test_weights_answer_where_there_are_no_chains(sample_posterior: kw.Posterior) -> None:
    data = convergence_data(sample_posterior)
    tails, worth = weights_of(sample_posterior)
    assert data["answer"].startswith("Nothing to see: worst Pareto k ")
    assert data["answer"].endswith("(limit 400), draws are independent.")
    assert data["pareto_k"] == pytest.approx(tails.max(), rel=1e-5)
    assert data["ess"] == pytest.approx(worth.min(), rel=1e-5)
    assert data["rhat"] is None
    assert data["limits"] == {"pareto_k": 0.7, "ess": 400}
    table = data["numbers"]
    assert table["columns"] == ["Cohort", "Worst Pareto k", "Least ESS"]
    assert [row[0] for row in table["rows"]] == ["all"]
    (svg,) = render_svgs([(plots.convergence(sample_posterior, "css", help=False), data["label"])])
    assert "Worst Pareto k (0 is perfect)" in svg


def weights_of(posterior: kw.Posterior) -> tuple[Any, Any]:
    """Pareto k and effective draws, (family, fit)."""
    stats = posterior.sample_stats
    tails, worth = (
        np.array([stats[f"{part}_{name}"] for part in ("purchase", "spend")]) for name in ("pareto_k", "effective")
    )
    return tails, worth


def test_weights_are_shown_by_cohort_where_each_has_its_own(
    monthly_sample: tuple[kw.CustomerSummary, kw.Holdout],
) -> None:
    posterior = kw.fit(monthly_sample[0], pooling="none", engine="importance", draws=1000)
    tails, worth = weights_of(posterior)
    data = convergence_data(posterior)
    rows = data["by_cohort"]
    assert rows["cohort"] == list(posterior.cohorts)
    assert rows["pareto_k"] == pytest.approx(tails.max(axis=0).tolist(), rel=1e-4)
    assert rows["ess"] == pytest.approx(worth.min(axis=0).tolist(), rel=1e-3)
    assert [row[0] for row in data["numbers"]["rows"]] == list(posterior.cohorts)
    strict = convergence_data(posterior, min_ess=1e6)["answer"]
    assert strict.startswith("Look closer: ")
    spoilt = dataclasses.replace(
        posterior, sample_stats={**posterior.sample_stats, "spend_pareto_k": np.array([0.1, 0.8, 0.1])}
    )
    assert convergence_data(spoilt)["answer"].startswith("Look closer: worst Pareto k 0.80 (limit 0.7)")


def test_without_pooling_the_sampler_is_shown_by_cohort() -> None:
    posterior = world(300)["posterior"]
    posterior.hyper = {}
    assert "R-hat" in json.dumps(plots.convergence(posterior).to_dict())
