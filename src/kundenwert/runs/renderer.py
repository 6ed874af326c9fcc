"""Vega-Lite to SVG in a process of its own: the renderer starts up, and draws a chart, while the next one is built.

It holds Python's lock for as long as it works, so that a thread would gain nothing. Charts go over as lines of JSON
and come back the same way, in the same order.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, Any

from kundenwert.errors import RunError

_WAITING: list[subprocess.Popen[str]] = []


@contextmanager
def standing_by() -> Iterator[None]:
    """Starts the renderer now, for the `draw_all` that comes in this context: it takes a third of a second to wake."""
    process = _started()
    _WAITING.append(process)
    try:
        yield
    finally:
        if process in _WAITING:
            _WAITING.remove(process)
            process.kill()
            process.communicate()


def draw_all(charts: Iterable[dict[str, Any]]) -> list[str]:
    """SVG of some charts; each is drawn while `charts` makes the next.

    Parameters
    ----------
    charts : Vega-Lite specifications, each with its `$schema`.

    Raises
    ------
    RunError : the renderer stopped; what it said has gone to the standard error output.
    """
    process = _WAITING.pop() if _WAITING else _started()
    with process, ThreadPoolExecutor(1) as reader:
        assert process.stdin is not None  # both are pipes
        assert process.stdout is not None
        answers = reader.submit(process.stdout.readlines)  # in a thread: two full pipes would wait for each other
        sent = 0
        try:
            for chart in charts:
                process.stdin.write(json.dumps(chart) + "\n")
                process.stdin.flush()
                sent += 1
        except BrokenPipeError:
            sent += 1
        finally:
            _close(process.stdin)
        drawn = [str(json.loads(line)) for line in answers.result()]
    if len(drawn) < sent:
        raise RunError(f"the renderer of charts stopped with exit code {process.returncode}. Is vl-convert installed?")
    return drawn


def _started() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kundenwert.runs.renderer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that an interrupt from the keyboard reaches it as the end of its input, quietly
    )


def _close(pipe: IO[str]) -> None:
    """Closing flushes, and there may be nobody left to read."""
    try:
        pipe.close()
    except BrokenPipeError:
        return


def serve(lines: Iterable[str], out: IO[str]) -> None:
    """What the other process does: a line of `out` for each line."""
    import vl_convert

    vl_convert.vegalite_to_svg({"mark": "point"})  # the first chart takes ten times as long as any other
    for line in lines:
        chart = json.loads(line)
        version = chart["$schema"].rpartition("/v")[2].removesuffix(".json")  # https://.../schema/vega-lite/v6.1.0.json
        major, minor = version.split(".")[:2]
        out.write(json.dumps(vl_convert.vegalite_to_svg(chart, vl_version=f"{major}.{minor}")) + "\n")
        out.flush()


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
