"""Columns of the log from the spec to the values of the customers, and thresholds from one run to the next."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kundenwert import pipeline, stages
from kundenwert.decisions.thresholds import Thresholds
from kundenwert.errors import DataError
from kundenwert.records import identify
from kundenwert.spec import ModelSpec, load_spec
from value_world import known_posterior

SPEC = """
name = "shop"
[data]
source = "orders.csv"
observation_end = "1997-02-28"
[cohorts]
by = "month"
[value]
margin = "column:share"
acquisition_cost = "column:cac"
draws = 50
[inference]
draws = 100
"""
MARGINS = [0.1, 0.4, -0.2]


def _orders() -> pd.DataFrame:
    """Thirty customers in January, an order a fortnight to April; margins and costs go round."""
    who = np.repeat(np.arange(30), 8)
    day = pd.Timestamp("1997-01-01") + pd.to_timedelta(who % 28 + np.tile(np.arange(8) * 14, 30), unit="D")
    share, cac = np.array(MARGINS)[who % 3], 5.0 + who % 2
    orders = {"customer_id": [f"c{i:02d}" for i in who], "date": day, "spend": 10.0 + who, "share": share, "cac": cac}
    return pd.DataFrame(orders)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    _orders().to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "shop.toml").write_text(SPEC)
    return tmp_path


def test_columns_go_from_the_log_to_the_values(shop: Path) -> None:
    spec = load_spec(shop / "shop.toml")
    assert spec.carried_columns == ("share", "cac")
    summary = stages.read_data(spec).summary
    table = summary.table
    assert table["share"].tolist() == MARGINS * 10
    value = stages.value_customers(spec, known_posterior(), summary, None, None)
    np.testing.assert_array_equal(value.margin, table["share"])
    realized = table["share"] * (table["gross"] - table["refunds"]) - table["cac"]
    np.testing.assert_allclose(value.table["realized_value"], realized)
    assert (value.settings.margin, value.settings.acquisition_cost) == (None, None)
    assert value.settings.value_basis == "contribution"
    assert ((value.table["actual_value"] < 0) == (table["share"] < 0)).all()


def test_another_margin_is_another_run(shop: Path) -> None:
    spec = load_spec(shop / "shop.toml")
    before = identify(spec, stages.read_data(spec))[0]
    _orders().assign(share=0.25).to_csv(shop / "orders.csv", index=False)
    assert identify(spec, stages.read_data(spec))[0] != before


def test_validate_names_every_missing_column_at_once(shop: Path) -> None:
    _orders().rename(columns={"spend": "spent", "share": "shares"}).to_csv(shop / "orders.csv", index=False)
    with pytest.raises(DataError) as caught:
        pipeline.validate(shop / "shop.toml")
    assert [v.rule for v in caught.value.violations] == ["column 'spend' is missing", "column 'share' is missing"]
    assert "Did you mean 'shares'?" in str(caught.value)


def test_validate_finds_impossible_margins_and_costs_before_any_fit(shop: Path) -> None:
    orders = _orders()
    orders.assign(share=orders["share"] * 100, cac=-orders["cac"]).to_csv(shop / "orders.csv", index=False)
    with pytest.raises(DataError) as caught:
        pipeline.validate(shop / "shop.toml")
    text = str(caught.value)
    assert "30 customers: margin (column 'share') lies outside -1 to 1 (first: c00, c01, c02, c03, c04, ...)." in text
    assert "30 customers: acquisition_cost (column 'cac') is negative" in text


def test_one_column_may_serve_twice(shop: Path) -> None:
    (shop / "shop.toml").write_text(SPEC.replace("column:cac", "column:share"))
    orders = _orders().assign(share=0.5)
    orders.drop(columns="cac").to_csv(shop / "orders.csv", index=False)
    assert pipeline.validate(shop / "shop.toml").customers == 30


# ---------------------------------------------------------------- thresholds

MARKS = Thresholds(valuable=50.0, growable=10.0, below_zero=1.0, rejection_price=0.35, attainable_scale=1.0)
BEFORE, NOW = "2024-12-31-0123abcd", "2025-01-31-0123abcd"
PRIORS = {"priors": {"log_r": {"mean": 0.0, "sd": 1.0}}}


def _spec(**tables: Any) -> ModelSpec:
    """A spec with a margin of 0.5, which costs need, and what a test changes."""
    value = {"margin": 0.5, **tables.pop("value", {})}
    return ModelSpec.from_mapping({"name": "shop", "data": {"source": "orders.csv"}, "value": value, **tables})


CHAMPION = {"run": BEFORE, "spec": _spec().to_dict(), "thresholds": MARKS.to_dict()}


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"data": {"source": "elsewhere.csv", "observation_end": "2025-01-31"}},
        {"value": {"interval": 0.5, "draws": 100, "acquisition_cost": 3.0}},
        {"churn": {"horizon": "1 year"}},
        {"inference": {"draws": 2000, "seed": 1}},
        {"segments": {"switching_cost": 0.2}},
        {"report": {"title": "Shop"}, "gate": {"min_ess": 100}},
    ],
)
def test_thresholds_are_taken_over_while_money_means_the_same(tables: dict[str, Any]) -> None:
    frozen, choice = stages.frozen_thresholds(CHAMPION, _spec(**tables), NOW)
    assert frozen == MARKS
    assert choice == f"thresholds were taken over from {BEFORE}"


@pytest.mark.parametrize(
    ("tables", "changed"),
    [
        ({"value": {"horizon": "2 years"}}, "value.horizon"),
        ({"value": {"discount_rate": 0.05}}, "value.discount_rate"),
        ({"value": {"margin": 0.3}}, "value.margin"),
        ({"value": {"cost_per_order": 1.0, "interval": 0.5}}, "value.cost_per_order"),
        ({"value": {"cost_per_year_active": 1.0}}, "value.cost_per_year_active"),
        ({"value": {"cost_per_year_on_file": 1.0}}, "value.cost_per_year_on_file"),
        ({"potential": {"frontier": 0.7}}, "potential"),
        ({"potential": {"basis": "peers"}}, "potential"),
        ({"purchase": {"family": "mbgnbd"}}, "purchase"),
        ({"purchase": PRIORS}, "purchase"),
        ({"spend": {"priors": {"log_p": {"mean": 0.0, "sd": 1.0}}}}, "spend"),
        ({"segments": {"losses": [[float(i != j) for j in range(6)] for i in range(6)]}}, "segments.losses"),
        ({"data": {"source": "orders.csv", "currency": "EUR"}}, "data.currency"),
        ({"value": {"horizon": "2 years", "margin": 0.3}}, "value.horizon, value.margin"),
    ],
)
def test_thresholds_are_derived_anew_once_money_means_something_else(tables: dict[str, Any], changed: str) -> None:
    frozen, choice = stages.frozen_thresholds(CHAMPION, _spec(**tables), NOW)
    assert frozen is None
    assert choice == f"thresholds were derived anew: {changed} changed since {BEFORE}"


def test_a_run_takes_no_thresholds_over_from_itself() -> None:
    frozen, choice = stages.frozen_thresholds(CHAMPION, _spec(), BEFORE)
    assert frozen is None
    assert choice == f"thresholds were derived anew: --force makes {BEFORE} again, whose thresholds they were"
    assert stages.frozen_thresholds(None, _spec(), NOW) == (None, "thresholds were derived over the base: first run")
