"""`kundenwert retrain` and what follows it, on a small simulated shop, as a scheduler runs it."""

import datetime
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import Outcome, run, start
from shop_world import CUSTOMERS, champion, write_shop

from kundenwert.cli import main
from kundenwert.names import CUSTOMER_COLUMNS
from kundenwert.runs import store


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
    assert {file.name for file in path.iterdir()} == {*store.FILES, "potential.parquet", "realized.parquet"}
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


def test_potential_by_peers_alone_has_its_intervals_too(shop: tuple[Path, Outcome]) -> None:
    detail = pd.read_parquet(champion(shop[0]) / "potential.parquet")
    table, _ = store.read_customers(champion(shop[0]) / "customers.parquet")
    assert detail["customer_id"].tolist() == table["customer_id"].tolist()
    np.testing.assert_array_equal(detail["unrealized_peers"], table["unrealized_value"])
    assert detail[["unrealized_wallet", "unrealized_levers"]].isna().all(axis=None)
    assert (detail["gap"] >= detail["unrealized_peers"]).all()
    assert detail["attainable"].between(0, 1).all()
    for name, value in (("unrealized", table["unrealized_value"]), ("potential", table["potential_value"])):
        low, high = detail[f"{name}_low"], detail[f"{name}_high"]
        assert (low <= high).all()
        assert (low < high).any()
        assert low.mean() < value.mean() < high.mean()


def test_the_manifest_says_which_engine_was_chosen_and_why(shop: tuple[Path, Outcome]) -> None:
    folder, _ = shop
    manifest = store.load_manifest(champion(folder))
    assert manifest["engine"] in {"gibbs", "importance"}
    assert any(choice.startswith(f"engine auto chose {manifest['engine']}: ") for choice in manifest["choices"])


RETRAIN = """
import sys
from pathlib import Path
from kundenwert import pipeline

pipeline.retrain("shop.toml")
heavy = "pymc pytensor nutpie arviz arviz_plots matplotlib plotly bokeh"
print([name for name in heavy.split() if name in sys.modules])
"""


def test_a_retraining_that_needs_no_pymc_does_not_import_it(tmp_path: Path) -> None:
    write_shop(tmp_path)
    program = [sys.executable, "-W", "error", "-c", RETRAIN]
    outcome = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert outcome.stdout.splitlines()[-1] == "[]"


def test_the_same_again_has_nothing_to_do(shop: tuple[Path, Outcome]) -> None:
    folder, _ = shop
    before = champion(folder)
    again = run("retrain", "shop.toml", folder=folder)
    assert again.code == 0
    assert again.out.startswith("SAME shop 2024-12-31: nothing new, champion 2024-12-31 stays")
    assert champion(folder) == before
    told = json.loads(run("retrain", "shop.toml", "--json", folder=folder).out)
    assert (told["run"], told["id"], told["alias"]) == (str(before), before.name, "champion")
    assert (told["status"], told["totals"]["customers"]) == ("same", CUSTOMERS)
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


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    """Read the process's log up to a line that holds a text."""
    assert process.stderr is not None
    assert any(text in line for line in process.stderr)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_fit_stores_nothing(tmp_path: Path, number: signal.Signals, code: int) -> None:
    write_shop(tmp_path)
    process = start(["retrain", "shop.toml"], tmp_path)
    wait_for(process, " fit")
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert out == ""
    assert f"interrupted by {number.name}" in err
    assert store.list_runs(tmp_path / "runs", "shop") == []
    assert store.get_alias(tmp_path / "runs", "shop") is None


def test_a_killed_retraining_leaves_nothing_and_meanwhile_others_are_busy(tmp_path: Path) -> None:
    write_shop(tmp_path)
    first = start(["retrain", "shop.toml"], tmp_path)
    try:
        wait_for(first, " fit")
        second = run("retrain", "shop.toml", "--json", folder=tmp_path)
    finally:
        first.kill()
    first.communicate(timeout=60)
    assert first.returncode == -signal.SIGKILL
    assert second.code == 75
    told = json.loads(second.out)
    assert (told["status"], f"(pid {first.pid})" in told["message"]) == ("busy", True)
    assert store.list_runs(tmp_path / "runs", "shop") == []
    assert store.get_alias(tmp_path / "runs", "shop") is None
    with store.locked(tmp_path / "runs", "shop"):  # free again, though its holder could not give it back
        pass


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
    with pytest.raises(SystemExit) as end:  # it is not fitted again, and nobody may take that for success
        main()
    assert end.value.code == 0
    again = capsys.readouterr().out
    assert again == ("SAME shop 2024-12-31: nothing new, the run FAILED and is not in use, champion 2024-12-31 stays\n")
