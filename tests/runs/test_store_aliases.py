"""Aliases of the run store: they follow a run that is replaced, and never point to one that failed."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kundenwert.errors import RunError
from kundenwert.names import FORMAT_VERSION
from kundenwert.runs import store

RUN = "1997-09-30-0123abcd"
LATER = "1997-10-31-0123abcd"


def writers(verdict: str = "PASS") -> Mapping[str, Callable[[Path], object]]:
    manifest = {"format_version": FORMAT_VERSION, "verdict": verdict, "created": "1997-10-01T02:00:00+00:00"}
    texts = {file: (lambda path: path.write_text("page")) for file in store.FILES}
    return {**texts, "manifest.json": lambda path: store.write_json(path, manifest)}


def test_an_alias_to_a_deleted_run_is_named(tmp_path: Path) -> None:
    folder = store.save_run(tmp_path, "shop", RUN, writers())
    store.set_alias(tmp_path, "shop", "champion", RUN)
    (folder / "manifest.json").unlink()
    with pytest.raises(RunError, match=f"points to {RUN}, which is missing or incomplete"):
        store.resolve("shop@champion", tmp_path)


def test_promote_moves_the_alias_and_refuses_a_failed_run(tmp_path: Path) -> None:
    first = store.save_run(tmp_path, "shop", RUN, writers())
    failed = store.save_run(tmp_path, "shop", LATER, writers("FAIL"))
    assert store.get_alias(tmp_path, "shop") is None
    assert store.promote(first).aliases == ("champion",)
    with pytest.raises(RunError, match="has the verdict FAIL"):
        store.promote(failed)
    assert store.get_alias(tmp_path, "shop") == RUN


@pytest.mark.parametrize(
    ("verdict", "kept"),
    [
        ("PASS", {"challenger": RUN, "champion": RUN, "former": LATER}),
        ("REVIEW", {"challenger": RUN, "champion": RUN, "former": LATER}),
        ("FAIL", {"former": LATER}),
    ],
)
def test_a_run_that_is_replaced_hands_its_aliases_on_unless_the_new_one_failed(
    tmp_path: Path, verdict: str, kept: dict[str, str]
) -> None:
    store.save_run(tmp_path, "shop", RUN, writers())
    store.save_run(tmp_path, "shop", LATER, writers())
    for alias, run in (("champion", RUN), ("challenger", RUN), ("former", LATER)):
        store.set_alias(tmp_path, "shop", alias, run)
    store.save_run(tmp_path, "shop", RUN, writers(verdict), replace=True)
    assert store.read_aliases(tmp_path, "shop") == kept


def test_a_failed_run_takes_no_alias_from_another(tmp_path: Path) -> None:
    store.save_run(tmp_path, "shop", RUN, writers())
    store.set_alias(tmp_path, "shop", "champion", RUN)
    for _ in range(2):
        store.save_run(tmp_path, "shop", LATER, writers("FAIL"), replace=True)
    assert store.get_alias(tmp_path, "shop") == RUN
    with pytest.raises(RunError, match="has the verdict FAIL"):
        store.set_alias(tmp_path, "shop", "champion", LATER)


def test_a_replacement_that_breaks_off_leaves_the_alias(tmp_path: Path) -> None:
    def fails(path: Path) -> None:
        raise RuntimeError("disk full")

    store.save_run(tmp_path, "shop", RUN, writers())
    store.set_alias(tmp_path, "shop", "champion", RUN)
    with pytest.raises(RuntimeError, match="disk full"):
        store.save_run(tmp_path, "shop", RUN, {**writers("FAIL"), "report.html": fails}, replace=True)
    assert store.get_alias(tmp_path, "shop") == RUN
