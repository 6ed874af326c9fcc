"""What a job leaves behind: the run folder's files, and the outcome that the command line prints."""

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kundenwert.decisions.segments import Segments
from kundenwert.frozen import WALLETS
from kundenwert.further import further_of
from kundenwert.inference.posterior import Posterior
from kundenwert.inputs import Data
from kundenwert.names import FORMAT_VERSION, Verdict
from kundenwert.premises import assumed
from kundenwert.runs import store
from kundenwert.runs.report_data import build_report
from kundenwert.runs.report_sections import Further
from kundenwert.spec import ModelSpec
from kundenwert.spec_settings import settings_shown
from kundenwert.stages import Actions, Progress, customers_metadata
from kundenwert.value.acquisition import new_customer_offers, new_customer_value
from kundenwert.value.labelled import predictive_quantiles
from kundenwert.value.what_if import change_settings

if TYPE_CHECKING:
    from kundenwert.inference.findings import Checks
    from kundenwert.inference.predictive import Tracking

VERSIONED = ("kundenwert", "pymc", "nutpie", "pytensor", "numba", "numpy", "scipy", "pandas", "narwhals", "duckdb")


MARKS_MOVED = "A changed label may be a changed mark, and no label that stood was held."


class Clock:
    """Stages with their seconds, told to whoever watches."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._begin = self._last = time.perf_counter()
        self._open: str | None = None
        self.seconds: dict[str, float] = {}

    def stage(self, name: str, text: str) -> None:
        """Closes the open stage and begins one."""
        now = time.perf_counter()
        if self._open is not None:
            self.seconds[self._open] = now - self._last
        self._open, self._last = name, now
        if self._progress is not None:
            self._progress(text)

    @property
    def total(self) -> float:
        """Seconds since the job began."""
        return time.perf_counter() - self._begin


@dataclass(frozen=True)
class RunResult:
    """The outcome of `retrain`.

    Parameters
    ----------
    name, run, path : the model, the run's id, and its folder.
    status : "new" where this call made the run; "same" where a finished run of this spec and these data was there
        already, whatever its verdict and whichever run is champion.
    verdict : of the run, whether it was made now or before.
    alias : "champion" where this run is in use, else empty.
    champion : the id of the run in use now, None where there is none.
    seconds : that this call took.
    report : what report.json holds.
    """

    name: str
    run: str
    path: Path
    status: str
    verdict: Verdict
    alias: str
    champion: str | None
    seconds: float
    report: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Validation:
    """The outcome of `validate`."""

    name: str
    source: str
    as_of: dt.date
    customers: int
    repeat_orders: int
    cohorts: tuple[str, ...]
    holdout_days: int
    counts: Mapping[str, int]
    notes: tuple[str, ...]
    not_used: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Found:
    """Everything that the stages of a retraining found.

    Parameters
    ----------
    taken_over_from : the run that handed thresholds down, None where they were derived.
    choices : what was chosen automatically; the first one is about thresholds.
    """

    spec: ModelSpec
    data: Data
    posterior: Posterior
    checks: "Checks"
    tracking: "Tracking"
    segments: Segments
    actions: Actions
    taken_over_from: str | None
    choices: tuple[str, ...]


def identify(spec: ModelSpec, data: Data) -> tuple[str, dict[str, str]]:
    """The id of the run that this spec and these data make, and the hashes it comes from."""
    events = () if data.events is None else (data.events.table,)
    fingerprint = store.data_fingerprint(data.summary.table, data.holdout.table, *events)
    canonical = spec.canonical(data.as_of)
    hashes = {"spec_hash": spec.spec_hash(data.as_of), "data_fingerprint": fingerprint}
    return store.run_id(canonical, fingerprint, data.as_of), hashes


def save(
    found: Found,
    run: str,
    identity: Mapping[str, str],
    champion: Mapping[str, Any] | None,
    runs_dir: Path,
    clock: Clock,
    *,
    replace: bool,
) -> Path:
    """Writes the run folder: all files, or nothing.

    Parameters
    ----------
    found : what the stages found.
    run, identity : the id, and the hashes behind it.
    champion : the manifest of the run in use, with its folder under `path`, or None.
    replace : put the run in the place of a finished one of the same id.
    """
    from kundenwert.runs.report import write_report

    metadata = customers_metadata(found.segments.value, found.data.summary, found.posterior)
    versions = {name: version(name) for name in VERSIONED}
    choices = (*found.data.summary.notes, *found.choices)
    report = _report(found, run, identity, champion, clock, versions, choices)
    manifest = {
        **metadata,
        "format_version": FORMAT_VERSION,
        "name": found.spec.name,
        "run": run,
        "as_of": found.data.as_of,
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "verdict": found.checks.verdict,
        "spec": found.spec.to_dict(found.data.as_of),
        "given_keys": sorted(found.spec.given_keys),
        **identity,
        "seed": found.spec.inference.seed,
        "engine": found.posterior.engine,
        "versions": versions,
        "seconds": {**clock.seconds, "total": clock.total},
        "choices": choices,
        "not_used": found.spec.not_used,
        "counts": found.data.summary.counts,
        "cohorts": found.data.summary.cohorts,
        "thresholds": found.segments.thresholds.to_dict(),
        "taken_over_from": found.taken_over_from,
        "losses": found.segments.losses.to_dict(),
        "assumptions": [vars(one) for one in assumed(found.spec, found.data, found.segments.value)],
        "ahead_priors": found.segments.value.ahead.priors.to_dict(),
    }
    writers: dict[str, Callable[[Path], None]] = {
        "posterior.nc": found.posterior.save,
        "customers.parquet": lambda path: store.write_customers(path, found.segments.table, metadata),
        "checks.json": lambda path: store.write_json(path, found.checks),
        "report.json": lambda path: store.write_json(path, report),
        "report.html": lambda path: write_report(report, path),
        "manifest.json": lambda path: store.write_json(path, manifest),
        "potential.parquet": lambda path: found.segments.potential.to_parquet(path, index=False),
        **_optional(found),
    }
    return store.save_run(runs_dir, found.spec.name, run, writers, replace=replace)


def _optional(found: Found) -> dict[str, Callable[[Path], None]]:
    """Files that only some runs have: realized value by parts, actions, what wallets are held against."""
    value, plan = found.segments.value, found.actions.plan
    files: dict[str, Callable[[Path], None]] = {}
    if value.settings.value_basis == "contribution":
        files["realized.parquet"] = lambda path: value.breakdown.table.to_parquet(path, index=False)
    if plan is not None:
        files["actions.parquet"] = lambda path: plan.table.to_parquet(path, index=False)
    if (wallets := value.wallets) is not None:
        files[WALLETS] = lambda path: store.write_json(path, wallets.levels.to_dict())
    return files


def _report(
    found: Found,
    run: str,
    identity: Mapping[str, str],
    champion: Mapping[str, Any] | None,
    clock: Clock,
    versions: Mapping[str, str],
    choices: tuple[str, ...],
) -> dict[str, Any]:
    """What report.json holds."""
    spec, data, value = found.spec, found.data, found.segments.value
    offers = new_customer_offers(value, found.posterior.cohorts)
    report = build_report(
        title=spec.title,
        name=spec.name,
        as_of=data.as_of,
        run_id=run,
        summary=data.summary,
        posterior=found.posterior,
        checks=found.checks,
        segments=found.segments,
        tracking=found.tracking,
        holdout=data.holdout,
        settings=settings_shown(spec),
        customer_ids=spec.report.customer_ids,
        cohort_values=new_customer_value(found.posterior, value.settings, offers=offers),
        quantiles_for=_quantiles(found),
        explain_for=found.segments.explain,
        what_if=[vars(one) for one in change_settings(value, found.posterior, data.summary)],
        previous=_compared_with(champion, run, found.checks.verdict),
        actions=bool(spec.levers),
        further=_further(found, champion, run),
        choices=choices,
        timings=clock.seconds,
        versions=versions,
        seed=spec.inference.seed,
        spec_hash=identity["spec_hash"],
        max_rhat=spec.gate.max_rhat,
        min_ess=spec.gate.min_ess,
    )
    return dict(store.jsonable(report))


def _further(found: Found, champion: Mapping[str, Any] | None, run: str) -> Further:
    """What this run shows beyond every run's figures."""
    before = _compared_with(champion, run, found.checks.verdict)
    anew = before is not None and found.taken_over_from is None
    why = found.choices[0]
    told = f"{why[0].upper()}{why[1:]}. {MARKS_MOVED}" if anew else ""
    given = (found.spec, found.data, found.posterior, found.segments, found.actions)
    return further_of(*given, champion if before is not None else None, recalibrated=told)


def _compared_with(champion: Mapping[str, Any] | None, run: str, verdict: Verdict) -> dict[str, Any] | None:
    """The report of the run in use; None where a failed run takes that run's own place, so that nothing is in use."""
    if champion is None or (champion["run"] == run and verdict is Verdict.FAIL):
        return None
    return dict(store.read_json(champion["path"] / "report.json"))


def _quantiles(found: Found) -> Callable[[Any], np.ndarray]:
    return lambda ids: predictive_quantiles(found.segments.value, found.posterior, found.data.summary, ids)


def finished(folder: Path, runs_dir: Path, clock: Clock, status: str = "new") -> RunResult:
    """The outcome of a run that is on disk."""
    manifest = store.load_manifest(folder)
    champion = store.get_alias(runs_dir, folder.parent.name)
    return RunResult(
        name=folder.parent.name,
        run=folder.name,
        path=folder,
        status=status,
        verdict=Verdict(manifest["verdict"]),
        alias=store.CHAMPION if champion == folder.name else "",
        champion=champion,
        seconds=clock.total,
        report=store.read_json(folder / "report.json"),
    )


def same(folder: Path, runs_dir: Path, clock: Clock) -> RunResult:
    """Nothing to do: this spec and these data made a run before.

    A process killed between saving a run and naming it champion left a run that nobody uses: it is named now.
    """
    name, verdict = folder.parent.name, store.load_manifest(folder)["verdict"]
    if verdict != Verdict.FAIL and store.get_alias(runs_dir, name) is None:
        store.set_alias(runs_dir, name, store.CHAMPION, folder.name)
    return finished(folder, runs_dir, clock, status="same")


def validated(spec: ModelSpec, data: Data) -> Validation:
    """What `validate` reports."""
    summary = data.summary
    return Validation(
        name=spec.name,
        source=spec.data.source,
        as_of=data.as_of,
        customers=len(summary.table),
        repeat_orders=int(summary.table["frequency"].sum()),
        cohorts=summary.cohorts,
        holdout_days=data.holdout.days,
        counts=summary.counts,
        notes=summary.notes,
        not_used=spec.not_used,
    )


def redraw(folder: Path) -> Path:
    """report.html of a run, drawn again from its report.json."""
    from kundenwert.runs.report import write_report

    report = store.read_json(folder / "report.json")
    path = folder / "report.html"
    store.replace_file(path, lambda temporary: write_report(report, temporary))
    return path
