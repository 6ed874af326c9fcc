"""The page in headless Chromium: it asks for nothing, runs nothing, and shows its first screen."""

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest

from kundenwert.runs.report import write_report
from kundenwert.runs.report_data import build_report

pytestmark = pytest.mark.browser
CHATTER = {  # asked now and then by the browser itself
    "accounts.google.com",
    "android.clients.google.com",
    "clients2.google.com",
    "content-autofill.googleapis.com",
    "optimizationguide-pa.googleapis.com",
    "redirector.gvt1.com",
}
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-domain-reliability",
    "--disable-features=NetworkTimeServiceQuerying,OptimizationHints,MediaRouter,Translate",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def _world() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "report_world", Path(__file__).parents[1] / "runs" / "report_world.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=["PASS", "FAIL"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    ids = ["<script>document.title='run'</script>", "x" * 200, "\u202eאבג", '"><img src=https://example.org/a.png>']
    parts = _world().world(600, ids=ids, verdict=request.param)
    table = parts["segments"].table
    table.loc[table.index[:4], ["actual_value", "churn_probability"]] = [90_000.0, 0.7]
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(build_report(**parts), path)
    return path


def chromium(tmp_path: Path, page: Path, *flags: str) -> str:
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert binary is not None, "install Debian's chromium to run the tests marked `browser`"
    command = [binary, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def hosts(tmp_path: Path, page: Path) -> set[str]:
    """The hosts that Chromium asked while it showed a page, out of its network log; files and data are no host."""
    log = tmp_path / f"{page.stem}.json"
    chromium(tmp_path, page, f"--log-net-log={log}", "--virtual-time-budget=2000", "--dump-dom")
    events = json.loads(log.read_text())["events"]
    params = [event["params"] for event in events if isinstance(event.get("params"), dict)]
    addresses = [urlsplit(str(each["url"])) for each in params if "url" in each]
    return {address.hostname for address in addresses if address.hostname and address.scheme.startswith("http")}


def test_it_asks_for_nothing(page: Path, tmp_path: Path) -> None:
    """Chromium asks its maker for this and that by itself, so an empty page is what ours is held against."""
    empty, asking = tmp_path / "empty.html", tmp_path / "asking.html"
    empty.write_text("<!doctype html><title>empty</title>")
    asking.write_text('<!doctype html><title>asks</title><img src="https://example.org/a.png">')
    own = hosts(tmp_path, empty)
    assert "example.org" in hosts(tmp_path, asking) - own, "the log would show a request"
    assert hosts(tmp_path, page) - own - CHATTER == set()


def test_it_runs_nothing(page: Path, tmp_path: Path) -> None:
    dom = chromium(tmp_path, page, "--dump-dom")
    assert "<script" not in dom
    assert "<title>run</title>" not in dom
    assert "<img" not in dom
    assert dom.count("<h1>") == 1


@pytest.mark.parametrize("window", ["1280,800", "390,844"])
def test_it_can_be_seen(page: Path, tmp_path: Path, window: str) -> None:
    picture = tmp_path / "page.png"
    chromium(tmp_path, page, f"--window-size={window}", f"--screenshot={picture}")
    assert picture.stat().st_size > 20_000


def test_it_prints(page: Path, tmp_path: Path) -> None:
    paper = tmp_path / "page.pdf"
    chromium(tmp_path, page, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    assert paper.read_bytes().startswith(b"%PDF")
    assert paper.stat().st_size < 2_000_000
