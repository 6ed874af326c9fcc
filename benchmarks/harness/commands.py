"""A whole command, measured from outside with all that it starts."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.measure import RSS_UNIT, cpu_seconds
from harness.processes import kill_group


def timed_command(
    command: Sequence[str], within: Path, environment: Mapping[str, str], timeout: float, log_file: Path
) -> dict[str, Any]:
    """What a command took, with all that it started; exit code 4 (fitted, verdict FAIL) is an outcome too."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=within,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        alarm = threading.Timer(timeout, kill_group, [process.pid])
        alarm.start()
        _, status, usage = os.wait4(process.pid, 0)  # its usage is that of all that it started and waited for
        alarm.cancel()
    code = process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "status": "ok" if code in (0, 4) else "timeout" if code == -signal.SIGKILL else f"failed: exit code {code}",
        "exit_code": code,
        "wall_seconds": round(time.perf_counter() - wall, 3),
        "cpu_seconds": round(cpu_seconds() - cpu, 3),
        "peak_rss_mib": round(usage.ru_maxrss * RSS_UNIT / 2**20, 1),
        "load": os.getloadavg()[0],
    }
