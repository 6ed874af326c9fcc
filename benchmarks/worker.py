"""One contestant and one case in a process of its own: answers requests of the driver, JSON lines in and out.

    python worker.py MODULE CASE OPTIONS

The first line it writes says that it is ready (what its imports and its untimed preparation took, the versions of
what it imported). Then each line `repeat` is answered with one measured repetition, until the input ends. `MODULE` is
a module of `contestants/` with `VERSIONED` and `prepare(case, options)`, which returns the work to be timed and a
function that describes its result.
"""

import importlib
import json
import os
import sys
import traceback
from importlib.metadata import version
from typing import Any, TextIO

from harness.measure import measured


def main(module: str, case: str, options: dict[str, Any]) -> int:
    """Serves one case until the input ends; 1 where the contestant raised."""
    channel = claim_stdout()
    try:
        contestant, importing = measured(lambda: importlib.import_module(f"contestants.{module}"))
        (work, describe), preparing = measured(lambda: contestant.prepare(case, options))
        versions = {name: version(name) for name in contestant.VERSIONED}
        say(
            channel,
            event="ready",
            python=".".join(map(str, sys.version_info[:3])),
            versions=versions,
            import_seconds=importing.wall_seconds,
            prepare_seconds=preparing.wall_seconds,
        )
        for _ in sys.stdin:
            result, usage = measured(work)
            say(channel, event="repetition", **usage.to_dict(), result=describe(result))
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is a row of the table, not the harness's end
        traceback.print_exc()
        say(channel, event="failed", error=f"{type(error).__name__}: {error}"[:500])
        return 1
    return 0


def claim_stdout() -> TextIO:
    """The real standard output, for the protocol; whatever a library prints goes to standard error from now on."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return channel


def say(channel: TextIO, **message: Any) -> None:
    """One JSON line, at once."""
    channel.write(json.dumps(message) + "\n")
    channel.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
