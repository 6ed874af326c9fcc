"""The command line without a fit: usage, specs, data, the registry, exit codes, start-up."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from command_line import Outcome, run

from kundenwert.names import FORMAT_VERSION
from kundenwert.runs import store

RUN = "1997-09-30-0123abcd"
LATER = "1997-10-31-0123abcd"
SPEC = 'name = "shop"\n[data]\nsource = "orders.csv"\n'
ORDERS = "customer_id,date,spend\n" + "".join(
    f"c{i},2024-01-{1 + i % 28:02d},10.5\nc{i},2024-02-{1 + i % 28:02d},{5 + i % 7}\n" for i in range(60)
)


def in_shop(folder: Path, *arguments: str, spec: str = SPEC, orders: str | None = ORDERS) -> Outcome:
    (folder / "shop.toml").write_text(spec, encoding="utf-8")
    if orders is not None:
        (folder / "orders.csv").write_text(orders, encoding="utf-8")
    return run(*arguments, folder=folder)


def stored(folder: Path, run_id: str, verdict: str) -> None:
    manifest = {"format_version": FORMAT_VERSION, "verdict": verdict, "created": "1997-10-01T02:00:00+00:00"}
    texts = {file: (lambda path: path.write_text("page")) for file in store.FILES}
    writers = {**texts, "manifest.json": lambda path: store.write_json(path, manifest)}
    store.save_run(folder / "runs", "shop", run_id, writers)


# ---------------------------------------------------------------- usage


def test_help_lists_the_commands_of_this_version(tmp_path: Path) -> None:
    outcome = run("--help", folder=tmp_path)
    assert outcome.code == 0
    listed = [line.split()[0] for line in outcome.out.partition("Commands:\n")[2].splitlines() if line.strip()]
    assert listed == ["validate", "retrain", "recalibrate", "score", "report", "runs"]
    assert outcome.err == ""


def test_version_is_the_packages(tmp_path: Path) -> None:
    outcome = run("--version", folder=tmp_path)
    assert (outcome.code, outcome.out) == (0, f"kundenwert {version('kundenwert')}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["retrain"], "Missing argument 'SPEC'"),
        (["retrain", "shop.toml", "--as-of", "soon"], "'soon' is not a date. Write it as 1997-09-30."),
        (["retrian", "shop.toml"], "No such command 'retrian'"),
        (["runs", "list", "shop", "--forse"], "No such option: --forse"),
    ],
)
def test_usage_errors_exit_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    outcome = run(*arguments, folder=tmp_path)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.out == ""
    assert outcome.err.isascii()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("nodir/x.parquet", "--out nodir/x.parquet: there is no folder nodir. Make it first, or name another."),
        ("x.txt", "--out x.txt has neither the ending .parquet nor .csv."),
        ("folder.csv", "--out folder.csv is a folder. Name a file."),
    ],
)
def test_a_table_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path, out: str, message: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    outcome = run("score", "no@champion", "--data", "no.csv", "--out", out, folder=tmp_path)  # neither run nor data
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"{message}\n")


def test_help_is_quick_and_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = "pymc pytensor nutpie arviz numba pandas pyarrow duckdb altair xarray scipy numpy pydantic"
    program = (
        "import sys\nfrom kundenwert.cli import app\n"
        "try:\n    app(['--help'], prog_name='kundenwert')\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print('imported:', [m for m in '{heavy}'.split() if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    assert out.splitlines()[-1] == "imported: []"


@pytest.mark.parametrize(("given", "used"), [(None, "1"), ("3", "3")])
def test_one_thread_for_small_matrices_unless_told_otherwise(tmp_path: Path, given: str | None, used: str) -> None:
    name = "OPENBLAS_NUM_THREADS"
    program = (
        "import os, sys\nfrom kundenwert.cli import main\n"
        f"assert 'numpy' not in sys.modules and os.environ.get('{name}') == {given!r}\n"
        "sys.argv = ['kundenwert', '--version']\n"
        f"try:\n    main()\nexcept SystemExit:\n    print(os.environ['{name}'])"
    )
    environment = {key: value for key, value in os.environ.items() if key != name} | ({name: given} if given else {})
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    ).stdout
    assert out.splitlines()[-1] == used


# ---------------------------------------------------------------- specs and data


@pytest.mark.parametrize("command", ["validate", "retrain"])
def test_mistakes_in_the_spec_exit_3_with_the_message_alone(tmp_path: Path, command: str) -> None:
    outcome = in_shop(tmp_path, command, "shop.toml", spec=SPEC + "[value]\nhorizn = '3 years'\nmargin = 30\n")
    assert outcome.code == 3
    assert outcome.out == ""
    assert outcome.err == (
        "shop.toml: 2 mistakes\n"
        "  - value.margin: a margin of 30 is not a share of revenue in (0, 1]. Write 0.30 for 30 %.\n"
        "  - value.horizn: this key is not known. Did you mean 'horizon'?\n"
    )
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("spec", "orders", "message"),
    [
        (SPEC.replace("orders.csv", "ordres.csv"), ORDERS, "ordres.csv"),
        (SPEC, ORDERS.replace("spend", "amount"), "spend"),
        (SPEC, None, "orders.csv"),
        (SPEC, ORDERS.replace("2024-01-05", "yesterday"), "first:"),
    ],
)
@pytest.mark.parametrize("command", ["validate", "retrain"])
def test_wrong_data_exits_3(tmp_path: Path, command: str, spec: str, orders: str | None, message: str) -> None:
    outcome = in_shop(tmp_path, command, "shop.toml", spec=spec, orders=orders)
    assert outcome.code == 3
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


def test_a_missing_spec_exits_3(tmp_path: Path) -> None:
    outcome = in_shop(tmp_path, "validate", "shpo.toml")
    assert outcome.code == 3
    assert outcome.err == "shpo.toml: 1 mistake\n  - there is no such file. Did you mean 'shop.toml'?\n"


def test_an_engine_that_does_not_fit_the_pooling_exits_3(tmp_path: Path) -> None:
    outcome = in_shop(tmp_path, "validate", "shop.toml", spec=SPEC + "[inference]\nengine = 'importance'\n")
    assert outcome.code == 3
    assert "'importance' fits cohorts one by one, and cohorts.pooling = 'partial' joins them." in outcome.err


def test_draws_too_few_to_judge_are_a_mistake_in_the_spec(tmp_path: Path) -> None:
    outcome = in_shop(tmp_path, "retrain", "shop.toml", spec=SPEC + "[inference]\ndraws = 8\nseed = -1\n")
    assert outcome.code == 3
    assert outcome.err == (
        "shop.toml: 2 mistakes\n"
        "  - inference.draws: 8 draws over all chains are too few to judge. Write 16 at least, 1000 or more for use.\n"
        "  - inference.seed: -1 is not possible: it must be at least 0.\n"
    )
    assert not (tmp_path / "runs").exists()


def test_validate_says_what_was_found(tmp_path: Path) -> None:
    outcome = in_shop(tmp_path, "validate", "shop.toml")
    assert outcome.code == 0
    assert "60" in outcome.out
    assert not (tmp_path / "runs").exists()
    facts = json.loads(in_shop(tmp_path, "validate", "shop.toml", "--json").out)
    assert facts["name"] == "shop"
    assert facts["as_of"] == "2024-02-28"


# ---------------------------------------------------------------- the registry


def test_a_held_lock_exits_75_and_says_busy(tmp_path: Path) -> None:
    with store.locked(tmp_path / "runs", "shop"):
        outcome = in_shop(tmp_path, "retrain", "shop.toml", "--as-of", "2024-02-20")
    assert outcome.code == 75
    assert outcome.out.startswith("BUSY shop 2024-02-20: another run holds the lock since ")
    assert len(outcome.out.splitlines()) == 1
    assert store.list_runs(tmp_path / "runs", "shop") == []


def test_runs_are_listed_and_promoted(tmp_path: Path) -> None:
    stored(tmp_path, RUN, "PASS")
    stored(tmp_path, LATER, "FAIL")
    promoted = run("runs", "promote", f"runs/shop/{RUN}", folder=tmp_path)
    assert (promoted.code, promoted.out) == (0, f"{RUN} is champion of shop\n")
    listed = run("runs", "list", "shop", folder=tmp_path)
    assert listed.out.splitlines() == [
        "run                  verdict  alias",
        f"{LATER}  FAIL",
        f"{RUN}  PASS     champion",
    ]
    found = json.loads(run("runs", "list", "shop", "--json", folder=tmp_path).out)
    assert [r["run"] for r in found["runs"]] == [str(tmp_path / "runs" / "shop" / each) for each in (LATER, RUN)]
    assert [(r["id"], r["as_of"], r["verdict"], r["aliases"]) for r in found["runs"]] == [
        (LATER, "1997-10-31", "FAIL", []),
        (RUN, "1997-09-30", "PASS", ["champion"]),
    ]
    refused = run("runs", "promote", f"runs/shop/{LATER}", folder=tmp_path)
    assert (refused.code, refused.out) == (3, "")
    assert "has the verdict FAIL" in refused.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "list", "shop"],
        ["runs", "promote", "shop@champion"],
        ["report", "shop@champion"],
        ["score", "shop@champion", "--data", "orders.csv"],
    ],
)
def test_runs_that_are_not_there_exit_3(tmp_path: Path, arguments: list[str]) -> None:
    outcome = run(*arguments, folder=tmp_path)
    assert outcome.code == 3
    assert "no run of 'shop' is stored there" in outcome.err
    assert outcome.out == ""
