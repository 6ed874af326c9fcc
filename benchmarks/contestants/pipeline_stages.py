"""`kundenwert.retrain` in one process, each stage measured: the first time cold, then warm."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.measure import Meter

import kundenwert.inputs
from contestants.common import Prepared
from kundenwert import pipeline

VERSIONED = ("kundenwert", "pymc", "nutpie", "pytensor", "numba", "numpy", "scipy", "pandas", "narwhals", "duckdb")


class Stages:
    """Opens a stage, and with it closes the one before."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        self._open: tuple[str, Meter] | None = None

    def open(self, name: str | None) -> None:
        """Begins a stage; None only closes."""
        if self._open is not None:
            stage, meter = self._open
            self.found.append({"stage": stage, **meter.stop().to_dict()})
        self._open = None if name is None else (name, Meter())

    def progress(self, text: str, *share: float) -> None:
        """The pipeline announces a stage with a text that begins with its name, and shares of a stage with a number."""
        if not share:
            self.open(text.split()[0])

    def opened_by(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """The function, after it has opened a stage: splits `read`, which the pipeline announces as one."""

        def wrapped(*positional: Any, **named: Any) -> Any:
            self.open(name)
            return function(*positional, **named)

        return wrapped


def prepare(_: str, options: Mapping[str, str]) -> Prepared:
    """The whole retraining of a spec, into a folder that is emptied before every repetition."""
    runs, summarize = Path(options["runs"]), kundenwert.inputs.summarize

    def work() -> dict[str, Any]:
        shutil.rmtree(runs, ignore_errors=True)
        stages = Stages()
        kundenwert.inputs.summarize = stages.opened_by(summarize, "summarize")
        result = pipeline.retrain(options["spec"], runs_dir=runs, progress=stages.progress)
        stages.open(None)
        return {"stages": stages.found, "verdict": result.verdict.value, "run": result.run}

    return work, lambda result: result
