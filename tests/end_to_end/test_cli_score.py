"""`kundenwert score`: later days, new cohorts, formats, the JSON contract, and what must not be imported."""

import dataclasses
import datetime
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import Outcome, run
from shop_world import champion, orders_of

from kundenwert.inference.posterior import load_posterior
from kundenwert.names import CUSTOMER_COLUMNS, Pooling
from kundenwert.runs import store

NEW = 20
KNOWN = 40


@pytest.fixture
def customers(shop: tuple[Path, Outcome], tmp_path: Path) -> Path:
    """A copy of the shop with `mixed.csv`: forty of its customers, and twenty who came in June, unknown to the run."""
    shutil.copytree(shop[0], tmp_path, dirs_exist_ok=True)
    orders = pd.read_csv(tmp_path / "orders.csv", dtype={"customer_id": str})
    old = orders[orders["customer_id"] < f"{KNOWN:04d}"]
    new = orders_of(range(9000, 9000 + NEW), datetime.date(2024, 6, 1), 30)
    pd.concat([old, new]).to_csv(tmp_path / "mixed.csv", index=False)
    return tmp_path


def test_the_same_data_gives_the_same_table(customers: Path) -> None:
    outcome = run("score", "shop@champion", "--data", "orders.csv", "--out", "scored.parquet", folder=customers)
    assert outcome.code == 0, outcome.err
    scored, _ = store.read_customers(customers / "scored.parquet")
    stored, _ = store.read_customers(champion(customers) / "customers.parquet")
    pd.testing.assert_frame_equal(scored, stored, rtol=1e-9)


def test_a_later_day_counts_later_orders(customers: Path) -> None:
    arguments = ("score", "shop@champion", "--data", "orders.csv", "--as-of", "2025-03-31")
    outcome = run(*arguments, folder=customers)
    assert outcome.code == 0, outcome.err
    assert "as of 2025-03-31" in outcome.out
    scored, metadata = store.read_customers(customers / "shop-2025-03-31-scored.parquet")
    stored, _ = store.read_customers(champion(customers) / "customers.parquet")
    assert metadata["observation_end"] == "2025-03-31"
    assert metadata["run"] == champion(customers).name
    np.testing.assert_allclose(scored["T"] - stored["T"], 90 / 7)
    assert (scored["frequency"] >= stored["frequency"]).all()
    assert scored["frequency"].sum() > stored["frequency"].sum()


def test_new_cohorts_are_drawn_and_flagged_and_the_answer_keeps_its_contract(customers: Path) -> None:
    outcome = run("score", "shop@champion", "--data", "mixed.csv", "--out", "t.csv", "--json", folder=customers)
    assert outcome.code == 0, outcome.err
    table = pd.read_csv(customers / "t.csv", dtype={"customer_id": str}, keep_default_na=False)
    assert tuple(table.columns[: len(CUSTOMER_COLUMNS)]) == CUSTOMER_COLUMNS
    flagged = table["flags"].str.split().map(lambda flags: "new_cohort" in flags)
    assert (flagged == (table["cohort"] == "2024-06")).all()
    assert (flagged == (table["customer_id"] >= "9000")).all()
    assert flagged.sum() == NEW
    assert pd.to_numeric(table["actual_value"]).gt(0).all()
    told = json.loads(outcome.out)
    used = champion(customers)
    assert (told["run"], told["id"], told["alias"]) == (str(used), used.name, "champion")
    assert told["verdict"] == store.load_manifest(used)["verdict"]
    assert told["seconds"] > 0
    assert told["table"] == str((customers / "t.csv").resolve())
    assert f"{NEW} customers belong to cohorts that are new to the run (flag new_cohort)" in told["notes"]
    totals = told["totals"]
    assert totals["customers"] == sum(totals["segments"].values()) == KNOWN + NEW
    assert totals["actual_value"] == pytest.approx(pd.to_numeric(table["actual_value"]).sum(), rel=1e-4)
    assert totals["actual_value_low"] < totals["actual_value"] < totals["actual_value_high"]
    retrained = json.loads(run("retrain", "shop.toml", "--json", folder=customers).out)
    assert set(retrained["totals"]) == set(totals)
    shared = ("name", "run", "id", "verdict", "alias")
    assert [retrained[key] for key in shared] == [told[key] for key in shared]


def test_unknown_cohorts_are_all_named_where_cohorts_share_nothing(customers: Path) -> None:
    """The champion with its parameters taken for those of cohorts that were fitted apart."""
    folder = champion(customers)
    posterior = load_posterior(folder / "posterior.nc")
    dataclasses.replace(posterior, pooling=Pooling.NONE, hyper={}).save(folder / "posterior.nc")
    manifest = store.load_manifest(folder)
    manifest["spec"]["cohorts"]["pooling"] = "none"
    store.write_json(folder / "manifest.json", manifest)
    known = run("score", "shop@champion", "--data", "orders.csv", "--out", "t.csv", folder=customers)
    assert known.code == 0, known.err
    months = [f"2024-{month:02d}" for month in range(4, 12)]
    later = [orders_of(range(100 * i, 100 * i + 3), datetime.date(2024, i, 1), 28) for i in range(4, 12)]
    pd.concat(later).to_csv(customers / "later.csv", index=False)
    outcome = run("score", "shop@champion", "--data", "later.csv", "--out", "u.csv", folder=customers)
    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err.splitlines()[-1] == (
        f"8 cohorts are unknown to the posterior: {', '.join(months)}. Under pooling = 'none' nothing is known about "
        "a cohort without data. Retrain with their customers, or with pooling = 'partial'."
    )
    assert not (customers / "u.csv").exists()


def test_scoring_with_a_failed_run_says_so(customers: Path) -> None:
    folder = champion(customers)
    store.write_json(folder / "manifest.json", {**store.load_manifest(folder), "verdict": "FAIL"})
    outcome = run("score", f"runs/shop/{folder.name}", "--data", "mixed.csv", "--out", "t.csv", folder=customers)
    assert outcome.code == 0, outcome.err
    assert "the run has the verdict FAIL: its figures are not for use" in outcome.out


SCORE = """
import sys
from pathlib import Path
from kundenwert import pipeline

pipeline.score("shop@champion", "mixed.csv", out=Path("t.parquet"))
heavy = "pymc pytensor nutpie arviz arviz_base arviz_stats arviz_plots altair vl_convert matplotlib plotly bokeh"
print([name for name in heavy.split() if name in sys.modules])
"""


def test_scoring_imports_neither_pymc_nor_a_plotting_library(customers: Path) -> None:
    program = [sys.executable, "-W", "error", "-c", SCORE]
    outcome = subprocess.run(program, cwd=customers, capture_output=True, text=True, check=True)
    assert outcome.stdout == "[]\n"
    assert (customers / "t.parquet").exists()
