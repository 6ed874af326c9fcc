"""Later runs of a model: what they take over from the champion, and what `--force` does to it."""

import datetime
import shutil
from pathlib import Path

import pytest
from command_line import Outcome, run
from shop_world import SPEC, champion

from kundenwert import pipeline, stages
from kundenwert.names import Verdict
from kundenwert.records import identify
from kundenwert.runs import store
from kundenwert.spec import load_spec


@pytest.fixture
def copy(shop: tuple[Path, Outcome], tmp_path: Path) -> Path:
    shutil.copytree(shop[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_a_later_run_takes_the_thresholds_over(copy: Path) -> None:
    before = champion(copy)
    first = store.load_manifest(before)
    assert first["choices"][0] == "thresholds were derived over the base: first run"
    outcome = pipeline.retrain(copy / "shop.toml", as_of=datetime.date(2025, 1, 31), runs_dir=copy / "runs")
    assert (outcome.status, outcome.alias, outcome.champion) == ("new", "champion", outcome.run)
    later = store.load_manifest(outcome.path)
    assert later["as_of"] == "2025-01-31"
    assert f"thresholds were taken over from {before.name}, and with them what peers reach" in later["choices"]
    assert (first["taken_over_from"], later["taken_over_from"]) == (None, before.name)
    assert later["thresholds"] == first["thresholds"]
    assert outcome.report["champion"]["run_id"] == before.name
    again = pipeline.retrain(copy / "shop.toml", runs_dir=copy / "runs")  # the first run is there, and no longer in use
    assert (again.status, again.run, again.alias, again.champion) == ("same", before.name, "", outcome.run)


def test_a_champion_that_fails_when_forced_is_champion_no_more(copy: Path) -> None:
    """A champion that was good by the checks of its day, and is not by those of this version."""
    spec_path = copy / "shop.toml"
    spec_path.write_text(SPEC.replace("min_ess = 1\n", "min_ess = 100000\n"), encoding="utf-8")
    spec = load_spec(spec_path)
    run_id, _ = identify(spec, stages.read_data(spec))
    shutil.copytree(champion(copy), copy / "runs" / "shop" / run_id)
    manifest = {**store.load_manifest(champion(copy)), "run": run_id}
    manifest["thresholds"]["derived_by"] = run_id
    store.write_json(copy / "runs" / "shop" / run_id / "manifest.json", manifest)
    store.set_alias(copy / "runs", "shop", "champion", run_id)

    outcome = pipeline.retrain(spec_path, runs_dir=copy / "runs", force=True)
    assert (outcome.run, outcome.status, outcome.verdict) == (run_id, "new", Verdict.FAIL)
    assert (outcome.alias, outcome.champion) == ("", None)
    assert store.get_alias(copy / "runs", "shop") is None
    assert (
        f"thresholds were derived anew: {run_id} is made again, whose thresholds they were"
        in store.load_manifest(outcome.path)["choices"]
    )
    page = (outcome.path / "report.html").read_text(encoding="utf-8")
    assert "Nothing yet: the next run that does not fail becomes champion." in page
    assert "No figures are in use yet." in page

    again = run("retrain", "shop.toml", folder=copy)
    assert again.code == 0, again.err
    assert again.out == "SAME shop 2024-12-31: nothing new, the run FAILED and is not in use, no champion\n"
    scored = run("score", "shop@champion", "--data", "orders.csv", folder=copy)
    assert scored.code == 3
    assert "'shop' has no champion. Promote one of its runs." in scored.err
