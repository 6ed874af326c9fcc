"""Every notebook runs in a fresh kernel, and is built as `notebooks/README.md` promises.

What a notebook claims about its numbers it asserts itself; here it is run, and its form is checked.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS = 600  # for one cell, on a machine that is busy with other things; a quiet one needs a minute for a notebook
CHART = "image/svg+xml"
MOST_LINES = 8

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


@cache
def executed(path: Path) -> Any:
    """The notebook with its outputs; a cell that raises fails the test with its traceback. Nothing is written."""
    notebook = read(path)
    resources = {"metadata": {"path": str(FOLDER)}}
    return NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources).execute()


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def charts(notebook: Any) -> Iterator[tuple[Any, Any]]:
    """Each cell that draws, with the cell after it."""
    for cell, after in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        if any(CHART in output.get("data", {}) for output in cell.get("outputs", [])):
            yield cell, after


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS, f"no notebook in {FOLDER}"


@every_notebook
def test_notebook_is_valid_and_holds_no_outputs(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in code(notebook):
        assert cell.outputs == [], f"{path.name}, cell {cell.id}: clear the outputs before committing"
        assert cell.execution_count is None, f"{path.name}, cell {cell.id}"


@every_notebook
def test_cells_are_few_and_short(path: Path) -> None:
    cells = code(read(path))
    assert 10 <= len(cells) <= 14
    for cell in cells:
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert 0 < len(lines) <= MOST_LINES, f"{path.name}, cell {cell.id}: {len(lines)} lines"


@every_notebook
def test_first_cell_draws_offline_and_nothing_touches_the_theme(path: Path) -> None:
    cells = code(read(path))
    assert 'alt.renderers.enable("svg")' in cells[0].source
    assert not [cell.id for cell in cells if "alt.theme" in cell.source]


@every_notebook
def test_what_would_fool_us_and_your_data_are_there(path: Path) -> None:
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    assert "What would fool us" in text
    assert "Your data" in text


@every_notebook
def test_notebook_runs_without_error_or_warning(path: Path) -> None:
    for cell in code(executed(path)):
        said = [output.text for output in cell.outputs if output.output_type == "stream"]
        assert not said, f"{path.name}, cell {cell.id} writes to the console: {said}"


@every_notebook
def test_each_chart_is_read_and_concluded(path: Path) -> None:
    drawn = list(charts(executed(path)))
    assert drawn, f"{path.name} draws nothing"
    for cell, after in drawn:
        assert after is not None, f"{path.name} ends with a chart"
        assert after.cell_type == "markdown", f"{path.name}: nothing explains cell {cell.id}"
        starts = {line.split(" ", 1)[0] for line in after.source.splitlines()}
        assert {"Read:", "So:"} <= starts, f"{path.name}, cell {after.id}: say how to read the chart and what follows"


@every_notebook
def test_last_cell_shows_a_table(path: Path) -> None:
    last = code(executed(path))[-1]
    assert any("<table" in output.get("data", {}).get("text/html", "") for output in last.outputs)
