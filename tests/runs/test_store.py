"""The run store: whole runs or none, one writer, strict JSON, typed Parquet, stable ids."""

import datetime
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kundenwert.errors import LockedError, RunError, UsageError
from kundenwert.names import CUSTOMER_COLUMNS, FORMAT_VERSION, Verdict
from kundenwert.runs import store

RUN = "1997-09-30-0123abcd"
LATER = "1997-10-31-0123abcd"
METADATA = {
    "time_unit": "week",
    "currency": "USD",
    "value_basis": "contribution",
    "format_version": "1",
    "kundenwert_version": "0.1.0",
}

Writers = Mapping[str, Callable[[Path], object]]


def writers(verdict: str = "PASS", page: str = "page") -> Writers:
    manifest = {"format_version": FORMAT_VERSION, "verdict": verdict, "created": "1997-10-01T02:00:00+00:00"}
    texts = {file: (lambda path: path.write_text(page)) for file in store.FILES}
    return {**texts, "manifest.json": lambda path: store.write_json(path, manifest)}


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def hidden(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith(".")} - {".lock"}


# ---------------------------------------------------------------- saving and finding


def test_a_saved_run_is_found_by_folder_alias_and_list(tmp_path: Path) -> None:
    with store.locked(tmp_path, "shop"):
        folder = store.save_run(tmp_path, "shop", RUN, writers())
        store.save_run(tmp_path, "shop", LATER, writers("REVIEW"))
        store.set_alias(tmp_path, "shop", "champion", RUN)
    assert folder == tmp_path / "shop" / RUN
    assert store.finished_run(tmp_path, "shop", RUN) == folder
    assert store.resolve(folder) == store.resolve("shop@champion", tmp_path) == folder.resolve()
    runs = store.list_runs(tmp_path, "shop")
    assert [(info.run, info.verdict, info.aliases) for info in runs] == [
        (LATER, Verdict.REVIEW, ()),
        (RUN, Verdict.PASS, ("champion",)),
    ]
    assert runs[1].as_of == datetime.date(1997, 9, 30)
    assert json.loads((tmp_path / "shop" / "aliases.json").read_text()) == {"champion": RUN}
    assert hidden(tmp_path / "shop") == set()


def test_the_same_run_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    store.save_run(tmp_path, "shop", RUN, writers(page="first"))
    with pytest.raises(RunError, match=r"exists already\. Use --force"):
        store.save_run(tmp_path, "shop", RUN, writers(page="second"))
    folder = store.save_run(tmp_path, "shop", RUN, writers(page="third"), replace=True)
    assert (folder / "report.html").read_text() == "third"
    assert visible(tmp_path / "shop") == {RUN}
    assert hidden(tmp_path / "shop") == set()


def test_a_writer_that_fails_leaves_nothing_and_keeps_the_old_run(tmp_path: Path) -> None:
    store.save_run(tmp_path, "shop", RUN, writers(page="first"))

    def fails(path: Path) -> None:
        path.write_text("half")
        raise RuntimeError("disk full")

    for run in (RUN, LATER):
        with pytest.raises(RuntimeError, match="disk full"):
            store.save_run(tmp_path, "shop", run, {**writers(), "report.html": fails}, replace=True)
    assert visible(tmp_path / "shop") == {RUN}
    assert hidden(tmp_path / "shop") == set()
    assert (tmp_path / "shop" / RUN / "report.html").read_text() == "first"


def test_a_run_without_all_its_files_is_refused(tmp_path: Path) -> None:
    incomplete = {file: write for file, write in writers().items() if file != "posterior.nc"}
    with pytest.raises(RunError, match=r"needs its files posterior\.nc"):
        store.save_run(tmp_path, "shop", RUN, incomplete)


def test_an_incomplete_folder_is_no_run(tmp_path: Path) -> None:
    folder = store.save_run(tmp_path, "shop", RUN, writers())
    (folder / "posterior.nc").unlink()
    assert store.finished_run(tmp_path, "shop", RUN) is None
    assert store.list_runs(tmp_path, "shop") == []
    with pytest.raises(RunError, match="is not a finished run"):
        store.resolve(folder)
    with pytest.raises(RunError, match="is no finished run, so it cannot be champion"):
        store.set_alias(tmp_path, "shop", "champion", RUN)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("nowhere", "nowhere is no folder of a run"),
        ("shp@champion", r"no run of 'shp' is stored there\. Did you mean 'shop'\?"),
        ("shop@champoin", r"'shop' has no champoin\. Did you mean 'champion'\?"),
        ("shop@challenger", r"'shop' has no challenger\. Known: champion\."),
    ],
)
def test_runs_that_do_not_exist(tmp_path: Path, run: str, message: str) -> None:
    store.save_run(tmp_path, "shop", RUN, writers())
    store.set_alias(tmp_path, "shop", "champion", RUN)
    with pytest.raises(RunError, match=message):
        store.resolve(run, tmp_path)


def test_a_manifest_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    folder = store.save_run(tmp_path, "shop", RUN, writers())
    (folder / "manifest.json").write_text(json.dumps({"format_version": FORMAT_VERSION + 1}))
    with pytest.raises(RunError, match=f"has format {FORMAT_VERSION + 1}; this version reads up to {FORMAT_VERSION}"):
        store.load_manifest(folder)
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(RunError, match="does not say which format"):
        store.load_manifest(folder)


# ---------------------------------------------------------------- killed, locked


SAVE_SLOWLY = """
import sys, time
from pathlib import Path
from kundenwert.runs import store

def slow(path):
    path.write_text("half")
    print("writing", flush=True)
    time.sleep(60)

runs_dir, run = Path(sys.argv[1]), sys.argv[2]
with store.locked(runs_dir, "shop"):
    quick = {file: (lambda path: path.write_text("{}")) for file in store.FILES}
    store.save_run(runs_dir, "shop", run, {**quick, "report.html": slow}, replace=True)
"""


def saving_process(runs_dir: Path, run: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SAVE_SLOWLY, str(runs_dir), run], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def finish(process: subprocess.Popen[str], number: signal.Signals) -> None:
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == -number


def test_a_killed_process_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    finish(saving_process(tmp_path, RUN), signal.SIGKILL)
    folder = tmp_path / "shop"
    assert visible(folder) == set()
    assert len(hidden(folder)) == 1
    assert store.list_runs(tmp_path, "shop") == []
    assert store.finished_run(tmp_path, "shop", RUN) is None
    with store.locked(tmp_path, "shop"):  # the dead process's lock is free, and its half-written folder is cleared
        assert hidden(folder) == set()
        store.save_run(tmp_path, "shop", RUN, writers())
    assert visible(folder) == {RUN}


def test_a_killed_replacement_leaves_the_old_run(tmp_path: Path) -> None:
    folder = store.save_run(tmp_path, "shop", RUN, writers(page="first"))
    finish(saving_process(tmp_path, RUN), signal.SIGKILL)
    assert (folder / "report.html").read_text() == "first"


def test_a_run_moved_away_by_a_killed_replacement_comes_back(tmp_path: Path) -> None:
    folder = store.save_run(tmp_path, "shop", RUN, writers(page="first"))
    folder.rename(folder.with_name(f".replaced-{RUN}"))  # the state between the two renames
    assert store.finished_run(tmp_path, "shop", RUN) is None
    with store.locked(tmp_path, "shop"):
        pass
    assert (folder / "report.html").read_text() == "first"
    assert hidden(folder.parent) == set()


def test_a_second_process_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    before = time.strftime("%H:%M")
    process = saving_process(tmp_path, RUN)
    after = time.strftime("%H:%M")
    try:
        with pytest.raises(LockedError) as caught, store.locked(tmp_path, "shop"):
            pass
        with store.locked(tmp_path, "other"):  # another model is free
            pass
    finally:
        finish(process, signal.SIGKILL)
    expected = {
        f"another run holds the lock since {at} (pid {process.pid}). Wait for its end, then try again."
        for at in (before, after)
    }
    assert str(caught.value) in expected
    assert caught.value.exit_code == 75


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError, match="inside"), store.locked(tmp_path, "shop"):
            raise RuntimeError("inside")


def test_replace_file_keeps_the_old_file_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    store.replace_file(path, lambda p: p.write_text("first"))

    def fails(p: Path) -> None:
        p.write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        store.replace_file(path, fails)
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["report.html"]


# ---------------------------------------------------------------- JSON and Parquet


def test_json_is_strict_and_says_what_is_not_a_number(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    value = {
        "nan": math.nan,
        "inf": [math.inf, -math.inf],
        "array": np.array([[1.5, np.nan]]),
        "day": datetime.date(1997, 9, 30),
        "verdict": Verdict.PASS,
        Verdict.FAIL: np.int64(3),
        7: True,
        "text": "größer",
    }
    store.write_json(path, value)
    assert store.read_json(path) == {
        "nan": None,
        "inf": ["Infinity", "-Infinity"],
        "array": [[1.5, None]],
        "day": "1997-09-30",
        "verdict": "PASS",
        "FAIL": 3,
        "7": True,
        "text": "größer",
    }
    with pytest.raises(TypeError, match="set has no place"):
        store.write_json(path, {"a": {1}})


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": ', '{"a": Infinity}'])
def test_json_that_is_not_strict_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(RunError, match="is not strict JSON"):
        store.read_json(path)
    with pytest.raises(RunError, match="is missing"):
        store.read_json(tmp_path / "b.json")


def customers(ids: list[object]) -> pd.DataFrame:
    table = pd.DataFrame({column: np.full(len(ids), 0.5) for column in CUSTOMER_COLUMNS})
    table["customer_id"] = pd.Series(ids)
    table["frequency"] = np.arange(len(ids))
    for column in ("cohort", "potential_basis", "segment", "status"):
        table[column] = "1997-01"
    table["action"] = None
    table["expected_gain"] = None
    table["flags"] = [["unproven"] if i % 2 else [] for i in range(len(ids))]
    return table[list(CUSTOMER_COLUMNS)]


@pytest.mark.parametrize("ids", [["00001", "00002"], [1, 2]])
def test_customers_keep_types_units_and_ids(tmp_path: Path, ids: list[object]) -> None:
    path = tmp_path / "customers.parquet"
    table = customers(ids)
    before = table.copy(deep=True)
    store.write_customers(path, table, METADATA)
    pd.testing.assert_frame_equal(table, before)
    read, metadata = store.read_customers(path)
    assert list(read.columns) == list(CUSTOMER_COLUMNS)
    assert read["customer_id"].tolist() == ids
    assert read["flags"].tolist() == [[], ["unproven"]]
    assert metadata == METADATA
    schema = pq.read_schema(path)
    assert schema.field("flags").type == pa.list_(pa.string())
    assert (schema.field("action").type, schema.field("expected_gain").type) == (pa.string(), pa.float64())
    assert schema.field("frequency").type == pa.int64()
    units = {field.name: field.metadata[b"unit"].decode() for field in schema if field.metadata}
    assert (units["actual_value"], units["T"], units["p_alive"]) == ("USD", "week", "probability")
    labels = {"customer_id", "cohort", "potential_basis", "segment", "status", "action", "flags"}
    assert set(units) == set(CUSTOMER_COLUMNS) - labels


def test_customers_with_columns_out_of_order_are_refused(tmp_path: Path) -> None:
    table = customers(["1"])
    with pytest.raises(UsageError, match="'customer_id' is missing or out of place"):
        store.write_customers(tmp_path / "c", table[table.columns[::-1]], METADATA)
    with pytest.raises(UsageError, match="needs its metadata currency"):
        store.write_customers(tmp_path / "c", table, {k: v for k, v in METADATA.items() if k != "currency"})


def test_customers_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is missing"):
        store.read_customers(tmp_path / "customers.parquet")
    (tmp_path / "customers.parquet").write_text("text")
    with pytest.raises(RunError, match="is not a Parquet file"):
        store.read_customers(tmp_path / "customers.parquet")


# ---------------------------------------------------------------- fingerprint and id


def summary(ids: list[object]) -> pd.DataFrame:
    days = pd.to_datetime(["1997-01-01", "1997-01-02", "1997-01-02"])
    return pd.DataFrame(
        {
            "customer_id": pd.Series(ids),
            "cohort": "1997-01",
            "frequency": [0, 1, 2],
            "recency": [0.0, 3 / 7, 9 / 7],
            "monetary_value": [0.0, 10.1, 31.1 / 2],
            "spend_days": [0, 1, 2],
            "first_day": days.date,
        }
    )


def test_the_fingerprint_knows_what_a_table_says() -> None:
    table = summary(["1", "2", "3"])
    same = store.data_fingerprint(table)
    assert len(same) == 64
    assert store.data_fingerprint(table.iloc[::-1].reset_index(drop=True)) == same
    assert store.data_fingerprint(table[[*table.columns[:1], *table.columns[:0:-1]]]) == same
    assert store.data_fingerprint(summary([1, 2, 3])) == same
    assert store.data_fingerprint(table.assign(first_day=pd.to_datetime(table["first_day"]))) == same
    assert store.data_fingerprint(table.assign(frequency=table["frequency"].astype(float))) == same
    assert store.data_fingerprint(table.assign(monetary_value=table["monetary_value"] * (1 + 1e-15))) == same
    assert store.data_fingerprint(table.assign(recency=-0.0 + table["recency"])) == same


def test_the_fingerprint_sees_every_change() -> None:
    table = summary(["1", "2", "3"])
    others = [
        summary(["1", "2", "4"]),
        summary(["1", "3", "2"]),
        table.assign(frequency=[0, 1, 3]),
        table.assign(monetary_value=[0.0, 10.11, 31.1 / 2]),
        table.assign(cohort=["1997-01", "1997-01", "1997-02"]),
        table.assign(cohort=[None, "1997-01", "1997-01"]),
        table.rename(columns={"recency": "T"}),
        table.iloc[:2],
        table.assign(margin=0.3),
    ]
    prints = {store.data_fingerprint(t) for t in [table, *others]}
    assert len(prints) == len(others) + 1
    assert store.data_fingerprint(table, table) != store.data_fingerprint(table)


def test_the_run_id_depends_on_spec_data_and_day() -> None:
    day = datetime.date(1997, 9, 30)
    base = store.run_id("{}", "a", day)
    assert base.startswith("1997-09-30-")
    assert len(base) == len("1997-09-30-") + 8
    others = {store.run_id('{"a":1}', "a", day), store.run_id("{}", "b", day)}
    assert base not in others
    assert len(others) == 2
