"""Figures that tests measure, for the table of docs/validation.md: `pytest --figures`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from harness.output import put_between_markers
from harness.tables import markdown

PAGE, PLACE = Path(__file__).parent.parent / "docs" / "validation.md", "known-truth"
Found = dict[str, tuple[str, str, str]]
FOUND = pytest.StashKey[Found]()
Tell = Callable[[str, str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--figures", action="store_true", help="put what these tests measure into docs/validation.md")


@pytest.fixture
def tell_figure(request: pytest.FixtureRequest) -> Tell:
    """Takes what is claimed, what it ought to be and what was measured; a later word on a claim replaces an earlier."""
    found = request.config.stash.setdefault(FOUND, {})
    long = " -m long" if request.node.get_closest_marker("long") else ""
    command = f"pytest{long} {request.node.nodeid.partition('::')[0]}"

    def tell(claim: str, ought: str, measured: str) -> None:
        found[claim] = (ought, measured, f"`{command}`")

    return tell


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Nothing where a test failed: each line is held by the test that it names."""
    if not session.config.getoption("--figures") or exitstatus != pytest.ExitCode.OK:
        return
    told = {claim: list(cells) for claim, cells in session.config.stash.get(FOUND, {}).items()}
    rows = {claim: cells for claim, *cells in stored(PAGE.read_text(encoding="utf-8"))}
    if not session.config.option.keyword and not any("::" in one for one in session.config.args):
        commands = {cells[-1] for cells in told.values()}  # whose tests have run in full, so that old claims can go
        rows = {claim: cells for claim, cells in rows.items() if cells[-1] not in commands}
    lines = sorted(([claim, *cells] for claim, cells in (rows | told).items()), key=lambda line: (line[3], line[0]))
    put_between_markers(PAGE, PLACE, markdown(["claim", "ought to be", "measured", "command"], lines))


def stored(page: str) -> list[list[str]]:
    """The rows of the table that is there."""
    table = page.partition(f"<!-- {PLACE}: begin -->")[2].partition(f"<!-- {PLACE}: end -->")[0]
    return [line.strip("| ").split(" | ") for line in table.strip().splitlines()[2:]]
