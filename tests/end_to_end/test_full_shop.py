"""Two nights, a recalibration and a scoring of a shop whose spec has every table: what is kept, and what each adds."""

import datetime
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import Outcome
from shop_world import ADVERTISING, CUSTOMERS, write_full_shop

from kundenwert import pipeline
from kundenwert.cli import main
from kundenwert.errors import UsageError
from kundenwert.inputs import read_data
from kundenwert.names import CUSTOMER_COLUMNS, EXTRA_COLUMNS
from kundenwert.records import RunResult
from kundenwert.runs import store, terminal
from kundenwert.spec import load_spec

NIGHTS = (datetime.date(2024, 12, 31), datetime.date(2025, 1, 31))
OPTIONAL = {"realized.parquet", "actions.parquet", "wallets.json"}
PROFILE = [name for name in CUSTOMER_COLUMNS[7:27] if name != "potential_basis"]  # p_alive to expected_gain


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult, RunResult]:
    """The folder, and the runs of two nights a month apart."""
    folder = tmp_path_factory.mktemp("full")
    write_full_shop(folder)
    first, second = (pipeline.retrain(folder / "shop.toml", as_of=night, runs_dir=folder / "runs") for night in NIGHTS)
    return folder, first, second


@pytest.fixture
def folder(nights: tuple[Path, RunResult, RunResult], tmp_path: Path) -> Path:
    """A copy of the folder after both nights."""
    shutil.copytree(nights[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


def customers_of(outcome: RunResult) -> pd.DataFrame:
    return store.read_customers(outcome.path / "customers.parquet")[0]


def objected(table: pd.DataFrame) -> "pd.Series[bool]":
    return table["customer_id"].astype(int) % 10 == 3


def test_files_are_there_exactly_where_something_is_declared(
    nights: tuple[Path, RunResult, RunResult], shop: tuple[Path, Outcome]
) -> None:
    _, *runs = nights
    for outcome in runs:
        assert (outcome.status, outcome.alias) == ("new", "champion") if outcome is runs[1] else ("new", "")
        assert {path.name for path in outcome.path.iterdir()} == {*store.FILES, "potential.parquet", *OPTIONAL}
        assert tuple(customers_of(outcome).columns) == (*CUSTOMER_COLUMNS, *EXTRA_COLUMNS)
    plain = store.resolve("shop@champion", shop[0] / "runs")
    # It has no levers, wallets or events, and it states a margin.
    assert {path.name for path in plain.iterdir()} == {*store.FILES, "potential.parquet", "realized.parquet"}
    assert store.load_manifest(runs[0].path)["not_used"] == []


def test_realized_value_is_less_by_exactly_the_joint_costs(nights: tuple[Path, RunResult, RunResult]) -> None:
    folder, first, _ = nights
    spec = load_spec(folder / "shop.toml")
    assert spec.events is not None
    data = read_data(spec, NIGHTS[0])
    assert data.costs is not None
    assert data.costs["joint_advertising"].sum() == pytest.approx(12 * ADVERTISING, abs=0.005)
    table, found = data.summary.table, customers_of(first)
    own = 0.4 * (table["gross"] - table["refunds"]) - 2.5 * table["orders"] - data.costs["ticket"] - 20.0
    np.testing.assert_allclose(found["realized_value"], own - data.costs["joint_advertising"], atol=1e-9)
    note = "joint costs of 4,800.00 EUR (advertising) are shared among customers per order"
    assert note in store.load_manifest(first.path)["choices"]
    report = store.read_json(first.path / "report.json")
    assert report["realized"]["total"] == pytest.approx(found["realized_value"].sum(), rel=1e-4)
    assert report["realized"]["parts"]["joint_advertising"] == pytest.approx(-12 * ADVERTISING, rel=1e-4)
    told = {key: words for key, words, _ in report["assumptions"]["lines"]}
    assert "shared among customers by the orders that they made" in told["events.allocation"]


def test_a_second_night_holds_on_to_thresholds_and_labels(nights: tuple[Path, RunResult, RunResult]) -> None:
    _, first, second = nights
    before, now = store.load_manifest(first.path), store.load_manifest(second.path)
    assert now["thresholds"] == before["thresholds"]
    assert (now["thresholds"]["derived_on"], now["thresholds"]["derived_by"]) == ("2024-12-31", first.run)
    assert f"thresholds were taken over from {first.run}, and with them what peers reach" in now["choices"]
    assert now["losses"] == before["losses"]
    then, table = customers_of(first), customers_of(second)
    both = then.merge(table, on="customer_id", suffixes=("_then", ""))
    labelled = both[~objected(both)]
    stays = labelled["segment"] == labelled["segment_then"]
    assert (labelled.loc[stays, "label_since"] == pd.Timestamp("2024-12-31")).all()
    assert (labelled.loc[~stays, "label_since"] == pd.Timestamp("2025-01-31")).all()
    assert 0 < (~stays).sum() < 0.3 * len(both)
    held = labelled["flags"].map(lambda flags: "held" in flags)
    assert held.any()
    assert stays[held].all()


def test_a_recalibration_derives_anew(folder: Path, nights: tuple[Path, RunResult, RunResult]) -> None:
    _, first, second = nights
    again = pipeline.retrain(folder / "shop.toml", as_of=NIGHTS[1], runs_dir=folder / "runs", recalibrate=True)
    assert (again.run, again.status, again.alias) == (second.run, "new", "champion")
    before, now = store.load_manifest(second.path), store.load_manifest(again.path)
    assert (now["thresholds"]["derived_on"], now["thresholds"]["derived_by"]) == ("2025-01-31", second.run)
    assert now["thresholds"]["version"] != before["thresholds"]["version"]
    assert f"thresholds were derived anew: recalibrated after {second.run}" in now["choices"]
    assert (customers_of(again)["label_since"].dropna() == pd.Timestamp("2025-01-31")).all()
    assert again.report["champion"]["run_id"] == second.run
    assert first.run != second.run


def test_expected_costs_of_events_are_those_of_tonight(nights: tuple[Path, RunResult, RunResult]) -> None:
    """A cohort's mean is what its tickets cost so far per order, on the night itself."""
    folder, *runs = nights
    means = []
    for night, outcome in zip(NIGHTS, runs, strict=True):
        orders = pd.read_csv(folder / "orders.csv", dtype={"customer_id": str}, parse_dates=["date"])
        events = pd.read_csv(folder / "events.csv", dtype={"customer_id": str}, parse_dates=["date"])
        cohort = orders.groupby("customer_id")["date"].min().dt.strftime("%Y-%m")
        so_far = orders[orders["date"] <= pd.Timestamp(night)].drop_duplicates(["customer_id", "date"])
        tickets = events[(events["date"] <= pd.Timestamp(night)) & events["customer_id"].notna()]
        cost = tickets["amount"].groupby(tickets["customer_id"].map(cohort)).sum()
        expected = cost / so_far["customer_id"].map(cohort).value_counts().sort_index()
        learned = store.load_manifest(outcome.path)["ahead_priors"]["events"]
        assert learned["cohorts"] == expected.index.tolist()
        np.testing.assert_allclose(learned["mean"][:-1], expected, rtol=1e-9)
        means.append(learned["mean"])
    assert means[0] != means[1]


def test_a_run_made_again_is_the_same_run_with_the_labels_that_stood_before_it(
    folder: Path, nights: tuple[Path, RunResult, RunResult]
) -> None:
    _, first, second = nights
    again = pipeline.retrain(folder / "shop.toml", as_of=NIGHTS[1], runs_dir=folder / "runs", force=True)
    assert (again.run, again.status, again.alias) == (second.run, "new", "champion")
    before, now = store.load_manifest(second.path), store.load_manifest(again.path)
    assert now["created"] != before["created"]
    assert (now["thresholds"], now["losses"]) == (before["thresholds"], before["losses"])
    assert (now["taken_over_from"], before["taken_over_from"]) == (first.run, first.run)
    pd.testing.assert_frame_equal(customers_of(again), customers_of(second))
    assert again.report["recalibrated"] == ""

    shutil.rmtree(folder / "runs" / "shop" / first.run)
    alone = pipeline.retrain(folder / "shop.toml", as_of=NIGHTS[1], runs_dir=folder / "runs", force=True)
    assert store.load_manifest(alone.path)["thresholds"] == before["thresholds"]
    table = customers_of(alone)
    assert not table["flags"].map(lambda flags: "held" in flags).any()
    assert (table["label_since"].dropna() == pd.Timestamp("2025-01-31")).all()


def _reasons(outcome: RunResult) -> list[str]:
    return [one["why"] for one in outcome.report["charts"]["flows"]["movers"]]


def test_an_experiment_is_read_without_moving_a_mark_or_forgetting_a_label(
    folder: Path, nights: tuple[Path, RunResult, RunResult]
) -> None:
    _, _, second = nights
    text = (folder / "shop.toml").read_text(encoding="utf-8")
    trial = 'name = "call"\nexperiments = [{n = 400, mean = 0.06, se = 0.05}]\n'
    (folder / "shop.toml").write_text(text.replace('name = "call"\n', trial), encoding="utf-8")
    again = pipeline.retrain(folder / "shop.toml", as_of=NIGHTS[1], runs_dir=folder / "runs")
    before, now = store.load_manifest(second.path), store.load_manifest(again.path)
    assert again.run != second.run
    assert now["thresholds"] == before["thresholds"]
    assert now["taken_over_from"] == second.run
    assert any(one.endswith("what experiments said since of call") for one in now["choices"])
    assert again.report["recalibrated"] == ""
    told = {one["key"]: one["words"] for one in now["assumptions"]}
    assert "an experiment left" in told["levers.call"]
    assert (customers_of(again)["label_since"].dropna() == pd.Timestamp("2024-12-31")).any()
    assert not any("no order for" in why for why in _reasons(again))


def test_marks_that_are_derived_anew_without_being_asked_for_are_said(
    folder: Path, nights: tuple[Path, RunResult, RunResult]
) -> None:
    _, _, second = nights
    text = (folder / "shop.toml").read_text(encoding="utf-8")
    (folder / "shop.toml").write_text(
        text.replace("cost_per_contact = 1.5", "cost_per_contact = 0.1"), encoding="utf-8"
    )
    again = pipeline.retrain(folder / "shop.toml", as_of=NIGHTS[1], runs_dir=folder / "runs")
    manifest = store.load_manifest(again.path)
    assert manifest["thresholds"]["derived_by"] == again.run
    sentence = f"Thresholds were derived anew: levers changed since {second.run}. A changed label may be a changed mark"
    assert again.report["recalibrated"].startswith(sentence)
    assert sentence in (again.path / "report.html").read_text(encoding="utf-8")
    assert _reasons(again)
    assert set(_reasons(again)) == {"marks derived anew"}
    lines = terminal.summary_lines(again.report, path="report.html", seconds=1.0)
    assert any(line.startswith("Changed") and "recalibrated" in line for line in lines)


def test_who_objected_is_in_every_total_and_in_no_list(folder: Path, nights: tuple[Path, RunResult, RunResult]) -> None:
    _, _, run = nights
    table = customers_of(run)
    gone = objected(table)
    assert gone.sum() == CUSTOMERS // 10
    assert table.loc[gone, [*PROFILE, "payback_probability", "payback_time", "label_since"]].isna().all(axis=None)
    assert table.loc[gone, "flags"].map(list).tolist() == [["objected"]] * gone.sum()
    assert table.loc[gone, "realized_value"].notna().all()
    assert not table.loc[~gone, "segment"].isna().any()
    named = set(table.loc[gone, "customer_id"])
    assert not named & set(pd.read_parquet(run.path / "actions.parquet")["customer_id"])
    detail = pd.read_parquet(run.path / "potential.parquet").set_index("customer_id")
    assert detail.loc[list(named)].isna().all(axis=None)
    # The same customers with the same run, had nobody objected: only then do the figures of all stand in the table.
    people = pd.read_csv(folder / "customers.csv", dtype={"customer_id": str})
    people.assign(objected=False).to_csv(folder / "consenting.csv", index=False)
    sources = {"customers": str(folder / "consenting.csv"), "events": str(folder / "events.csv")}
    orders, out = str(folder / "orders.csv"), folder / "scored.parquet"
    pipeline.score("shop@champion", orders, **sources, out=out, runs_dir=folder / "runs")
    everybody = store.read_customers(out)[0]
    np.testing.assert_allclose(everybody.loc[~gone, "actual_value"], table.loc[~gone, "actual_value"], rtol=1e-9)
    assert everybody["actual_value"].notna().all()
    assert everybody.loc[gone, "actual_value"].sum() > 0
    report = store.read_json(run.path / "report.json")
    assert report["base"]["customers"] == CUSTOMERS
    assert report["base"]["value"] == pytest.approx(everybody["actual_value"].sum(), rel=1e-4)


def test_the_budget_is_kept_and_some_are_held_out(nights: tuple[Path, RunResult, RunResult]) -> None:
    _, _, run = nights
    plan, table = pd.read_parquet(run.path / "actions.parquet"), customers_of(run).set_index("customer_id")
    treated = plan[~plan["held_out"]]
    assert 0 < treated["cost"].sum() <= 150.0
    assert treated["action"].str.contains("call").sum() <= 60
    assert 0.02 < plan["held_out"].mean() < 0.25
    chosen = table.loc[plan["customer_id"]]
    assert chosen["held_out"].tolist() == plan["held_out"].tolist()
    given = (~plan["held_out"]).to_numpy()
    assert chosen["action"][given].tolist() == treated["action"].tolist()
    assert chosen["action"][~given].isna().all()  # nobody who makes a list of them gets them
    assert table["held_out"].sum() == plan["held_out"].sum()
    out_of_reach = table["flags"].map(lambda flags: "objected" in flags)
    assert table.loc[out_of_reach, "action"].isna().all()


def test_scoring_needs_every_table_of_the_spec(folder: Path) -> None:
    orders, out = str(folder / "orders.csv"), folder / "scored.parquet"
    with pytest.raises(UsageError, match=r"name it with --customers, --events\.$") as caught:
        pipeline.score("shop@champion", orders, out=out, runs_dir=folder / "runs")
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match=r"name it with --events\.$"):
        pipeline.score("shop@champion", orders, customers="customers.csv", out=out, runs_dir=folder / "runs")
    assert not out.exists()


def test_scoring_the_same_again_gives_the_same_table_but_plans_nothing(
    folder: Path, nights: tuple[Path, RunResult, RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A budget is for the whole base: it says nothing of customers who are scored besides."""
    monkeypatch.chdir(folder)
    tables = ["--customers", "customers.csv", "--events", "events.csv"]
    command = ["kundenwert", "score", "shop@champion", "--data", "orders.csv", *tables, "--out", "s.parquet"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    scored, stored = store.read_customers(folder / "s.parquet")[0], customers_of(nights[2])
    plans = ["action", "expected_gain", "held_out", "propensity"]
    assert scored[["action", "expected_gain"]].isna().all(axis=None)
    kept = [name for name in stored.columns if name not in plans]
    pd.testing.assert_frame_equal(scored[kept], stored[kept], rtol=1e-9)
