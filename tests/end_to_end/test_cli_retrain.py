"""`kundenwert retrain` and what follows it, on a small simulated shop, as a scheduler runs it."""

import datetime
import json
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import Outcome, run, start

from kundenwert.cli import main
from kundenwert.names import CUSTOMER_COLUMNS
from kundenwert.runs import store

CUSTOMERS = 600
OBSERVATION_END = datetime.date(2024, 12, 31)
SPEC = f"""
name = "shop"
[data]
source = "orders.csv"
currency = "EUR"
observation_end = {OBSERVATION_END}
[cohorts]
by = "all"
pooling = "complete"
[value]
margin = 0.3
draws = 100
"""


def write_shop(folder: Path, rate_after: float = 1.0) -> None:
    """Orders of customers who came in 2024; `rate_after` multiplies how often they buy after the observation's end."""
    rng = np.random.default_rng(11)
    rows: list[tuple[str, datetime.date, float]] = []
    for i in range(CUSTOMERS):
        first = datetime.date(2024, 1, 1) + datetime.timedelta(days=int(rng.integers(0, 90)))
        rate, dropout, scale = rng.gamma(1.2, 1 / 60), rng.beta(1.0, 5.0), 60 / rng.gamma(4, 1)
        day, elapsed = first, 0.0
        while day < OBSERVATION_END + datetime.timedelta(days=182):
            rows.append((f"{i:04d}", day, round(rng.gamma(6, scale / 6) + 0.01, 2)))
            if rng.random() < dropout:
                break
            elapsed += rng.exponential(1 / (rate * (rate_after if day > OBSERVATION_END else 1.0)))
            day = first + datetime.timedelta(days=int(elapsed))
    orders = pd.DataFrame(rows, columns=["customer_id", "date", "spend"])
    orders.to_csv(folder / "orders.csv", index=False)
    (folder / "shop.toml").write_text(SPEC, encoding="utf-8")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder)
    return folder, run("retrain", "shop.toml", folder=folder)


def champion(folder: Path) -> Path:
    return store.resolve("shop@champion", folder / "runs")


def test_a_first_run_becomes_champion(shop: tuple[Path, Outcome]) -> None:
    folder, outcome = shop
    assert outcome.code == 0, outcome.err
    subject = outcome.out.splitlines()[0]
    assert subject.split(maxsplit=1)[0] in {"PASS", "REVIEW"}
    assert subject.isascii()
    assert len(subject) <= 110
    assert "shop 2024-12-31" in subject
    path = champion(folder)
    assert path.name.startswith("2024-12-31-")
    assert {file.name for file in path.iterdir()} == set(store.FILES)
    assert str(Path("runs/shop") / path.name / "report.html") in outcome.out


def test_the_log_has_one_stamped_line_a_stage(shop: tuple[Path, Outcome]) -> None:
    _, outcome = shop
    stamps = [line[:8] for line in outcome.err.splitlines()]
    assert len(stamps) >= 4
    for stamp in stamps:
        datetime.time.fromisoformat(stamp)
    assert outcome.err.isascii()


def test_the_folder_keeps_what_the_spec_said(shop: tuple[Path, Outcome]) -> None:
    folder, _ = shop
    manifest = store.load_manifest(champion(folder))
    assert manifest["spec"]["data"]["observation_end"] == "2024-12-31"
    assert manifest["not_used"] == []
    assert manifest["verdict"] in {"PASS", "REVIEW"}
    table, metadata = store.read_customers(champion(folder) / "customers.parquet")
    assert tuple(table.columns[: len(CUSTOMER_COLUMNS)]) == CUSTOMER_COLUMNS
    assert len(table) == CUSTOMERS
    assert table["customer_id"].iloc[0] == "0000"
    assert (metadata["currency"], metadata["time_unit"], metadata["value_basis"]) == ("EUR", "week", "contribution")


def test_the_same_again_has_nothing_to_do(shop: tuple[Path, Outcome]) -> None:
    folder, _ = shop
    before = champion(folder)
    again = run("retrain", "shop.toml", folder=folder)
    assert again.code == 0
    assert again.out.startswith("SAME shop 2024-12-31: nothing new, champion 2024-12-31 stays")
    assert champion(folder) == before
    told = json.loads(run("retrain", "shop.toml", "--json", folder=folder).out)
    assert (told["id"], told["alias"]) == (before.name, "champion")
    assert told["verdict"] in {"PASS", "REVIEW"}
    assert {"run", "id", "verdict", "alias", "seconds", "totals"} <= set(told)


def test_the_report_can_be_drawn_again(shop: tuple[Path, Outcome]) -> None:
    folder, _ = shop
    page = champion(folder) / "report.html"
    page.write_text("lost")
    outcome = run("report", "shop@champion", folder=folder)
    assert outcome.code == 0, outcome.err
    assert page.read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")
    assert Path(folder, outcome.out.strip()).resolve() == page


def test_scoring_the_same_data_gives_the_same_table(shop: tuple[Path, Outcome]) -> None:
    folder, _ = shop
    outcome = run("score", "shop@champion", "--data", "orders.csv", "--out", "scored.parquet", folder=folder)
    assert outcome.code == 0, outcome.err
    scored, _ = store.read_customers(folder / "scored.parquet")
    stored, _ = store.read_customers(champion(folder) / "customers.parquet")
    pd.testing.assert_frame_equal(scored, stored, rtol=1e-9)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_fit_stores_nothing(tmp_path: Path, number: signal.Signals, code: int) -> None:
    write_shop(tmp_path)
    process = start(["retrain", "shop.toml"], tmp_path)
    assert process.stderr is not None
    for line in process.stderr:
        if " fit" in line:
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert out == ""
    assert f"interrupted by {number.name}" in err
    assert store.list_runs(tmp_path / "runs", "shop") == []
    assert store.get_alias(tmp_path / "runs", "shop") is None


def test_a_run_that_fails_is_kept_and_the_champion_stays(
    shop: tuple[Path, Outcome],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, _ = shop
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    before = champion(tmp_path)
    write_shop(tmp_path, rate_after=6.0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["kundenwert", "retrain", "shop.toml"])
    with pytest.raises(SystemExit) as end:  # in this process, where another test may have compiled the model already
        main()
    assert end.value.code == 4
    subject = capsys.readouterr().out.splitlines()[0]
    assert subject.startswith("FAIL shop 2024-12-31: holdout -")
    assert "champion stays 2024-12-31" in subject
    verdicts = {info.run: info.verdict.value for info in store.list_runs(tmp_path / "runs", "shop")}
    assert len(verdicts) == 2
    assert sorted(verdicts.values())[0] == "FAIL"
    assert champion(tmp_path) == before
