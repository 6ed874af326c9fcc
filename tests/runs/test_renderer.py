"""Charts drawn in another process: their order, pipes that are full both ways, and a renderer that stops."""

import subprocess
import sys

import pytest

from kundenwert.errors import RunError
from kundenwert.runs import renderer

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.1.0.json"


def points(count: int, title: str) -> dict[str, object]:
    return {
        "$schema": SCHEMA,
        "title": title,
        "data": {"values": [{"x": i, "y": i % 7} for i in range(count)]},
        "mark": "point",
        "encoding": {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}},
    }


def test_charts_come_back_in_their_order_though_they_fill_the_pipes() -> None:
    found = renderer.draw_all(points(3000, f"chart {k}") for k in range(3))
    assert [f"chart {k}" in svg for k, svg in enumerate(found)] == [True] * 3
    assert all(svg.startswith("<svg") and len(svg) > 100_000 for svg in found)


def test_no_charts_are_no_pictures() -> None:
    assert renderer.draw_all([]) == []


def test_a_chart_that_cannot_be_made_is_that_charts_error() -> None:
    def charts():
        yield points(2, "fine")
        raise ValueError("no such column")

    with pytest.raises(ValueError, match="no such column"):
        renderer.draw_all(charts())


@pytest.mark.parametrize("size", [1, 200_000])
def test_a_renderer_that_stops_is_said(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Another program in its place, which reads nothing and exits."""

    class Gone(subprocess.Popen):
        def __init__(self, _: object, **pipes: object) -> None:
            super().__init__([sys.executable, "-c", "raise SystemExit(3)"], **pipes)

    monkeypatch.setattr(renderer.subprocess, "Popen", Gone)
    with pytest.raises(RunError, match="exit code 3"):
        renderer.draw_all(points(size, "lost") for _ in range(3))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[str]]:
    """Every renderer that was started, in order; the real ones."""
    seen: list[subprocess.Popen[str]] = []

    class Seen(subprocess.Popen):
        def __init__(self, *arguments: object, **pipes: object) -> None:
            super().__init__(*arguments, **pipes)
            seen.append(self)

    monkeypatch.setattr(renderer.subprocess, "Popen", Seen)
    return seen


def test_the_renderer_that_stands_by_draws(started: list[subprocess.Popen[str]]) -> None:
    with renderer.standing_by():
        assert len(started) == 1
        (first,) = renderer.draw_all([points(3, "first")])
        assert len(started) == 1
        (second,) = renderer.draw_all([points(3, "second")])
    assert "first" in first
    assert "second" in second
    assert [process.returncode for process in started] == [0, 0]


def test_a_renderer_that_nobody_needed_is_stopped(started: list[subprocess.Popen[str]]) -> None:
    with pytest.raises(ValueError, match="no fit"), renderer.standing_by():
        raise ValueError("no fit")
    assert started[0].returncode is not None
    assert len(renderer.draw_all([points(3, "later")])) == 1
    assert len(started) == 2
