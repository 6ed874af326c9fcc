"""Where rows, logs and tables go."""

import datetime
import json
import shutil
import sys
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parents[1]
REPOSITORY, README = BENCHMARKS.parent, BENCHMARKS / "README.md"
RESULTS, LOG = BENCHMARKS / "results", BENCHMARKS / "results" / "workers.log"
ENVIRONMENTS_FOLDER, REQUIREMENTS = BENCHMARKS / ".envs", BENCHMARKS / "requirements"


def tell(text: str) -> None:
    """A line of progress, on standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def save(found: dict[str, Any], name: str) -> Path:
    """Writes a JSON file named by what it is and when, and a copy of it that is always the latest."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    path = RESULTS / f"{name}-{now}.json"
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    shutil.copyfile(path, RESULTS / f"{name}-latest.json")
    tell(f"rows are in {path}")
    return path


def load(path: str | Path) -> dict[str, Any]:
    """What `save` wrote."""
    found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return found


def show(report: str, readme_place: str | None) -> None:
    """The tables on standard output, and into README.md where a place in it is named."""
    sys.stdout.write(f"{report}\n")
    if readme_place is not None:
        put_between_markers(README, readme_place, report)


def put_between_markers(path: Path, name: str, text: str) -> None:
    """Replaces what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`.

    Raises
    ------
    ValueError : the file has not exactly one such place.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    page = path.read_text(encoding="utf-8")
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise ValueError(f"{path} must have one {begin} and after it one {end}.")
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")
