"""START HERE: the jobs of the command line, one call a stage."""

import datetime as dt
from pathlib import Path

from kundenwert import records, stages
from kundenwert.names import Verdict
from kundenwert.records import Clock, RunResult, ScoreResult, Validation
from kundenwert.runs import store
from kundenwert.spec import load_spec
from kundenwert.stages import Progress


def retrain(
    spec_path: str | Path,
    *,
    as_of: dt.date | None = None,
    runs_dir: Path = Path("runs"),
    force: bool = False,
    progress: Progress | None = None,
) -> RunResult:
    """From a spec to a run folder: read, fit, check, value, segment, report, and the champion's alias.

    Nothing is written before the data contract holds; the run folder appears whole or not at all.

    Raises
    ------
    SpecError, DataError : the spec or the data are wrong (exit code 3).
    LockedError : another process retrains this model (exit code 75).
    """
    clock = Clock(progress)
    spec = load_spec(spec_path)
    clock.stage("read", f"read {spec.data.source}")
    data = stages.read_data(spec, as_of=as_of)
    run, identity = records.identify(spec, data)
    with store.locked(runs_dir, spec.name):
        if not force and (folder := store.finished_run(runs_dir, spec.name, run)):
            return records.same(folder, runs_dir, clock)
        champion = stages.champion_of(runs_dir, spec.name)
        thresholds, choice = stages.frozen_thresholds(champion, spec)
        clock.stage("fit", f"fit {len(data.summary.cohorts)} cohorts, {spec.cohorts.pooling.value} pooling")
        posterior = stages.fit_posterior(spec, data.summary, progress)
        clock.stage("check", "check the posterior and the holdout")
        checks, tracking = stages.judge(spec, posterior, data, progress)
        clock.stage("value", f"value {len(data.summary.table):,} customers")
        value = stages.value_customers(spec, posterior, data.summary, thresholds, progress)
        clock.stage("segment", "segment")
        segments = stages.segment_customers(spec, value, posterior, data.summary, thresholds, progress)
        clock.stage("report", "report")
        found = records.Found(spec, data, posterior, checks, tracking, segments, (choice, *posterior.choices))
        folder = records.save(found, run, identity, champion, runs_dir, clock, replace=force)
        if checks.verdict is not Verdict.FAIL:
            store.set_alias(runs_dir, spec.name, store.CHAMPION, run)
        return records.finished(folder, runs_dir, clock)


def validate(spec_path: str | Path, *, progress: Progress | None = None) -> Validation:
    """Checks a spec and the data contract of its source; fits nothing, writes nothing."""
    spec = load_spec(spec_path)
    if progress is not None:
        progress(f"read {spec.data.source}")
    return records.validated(spec, stages.read_data(spec))


def score(
    run: str | Path,
    data: str,
    *,
    as_of: dt.date | None = None,
    out: Path | None = None,
    runs_dir: Path = Path("runs"),
    progress: Progress | None = None,
) -> ScoreResult:
    """Values and segments customers with a saved run. Imports neither PyMC nor a plotting library."""
    clock = Clock(progress)
    saved = records.load(store.resolve(run, runs_dir))
    clock.stage("read", f"read {data}")
    summary = records.known_cohorts(saved, stages.read_data(saved.spec, data, as_of or saved.as_of, min_customers=0))
    posterior = saved.posterior.with_cohorts(summary.cohorts)
    clock.stage("value", f"value {len(summary.table):,} customers")
    value = stages.value_customers(saved.spec, posterior, summary, saved.thresholds, progress)
    clock.stage("segment", "segment")
    segments = stages.segment_customers(saved.spec, value, posterior, summary, saved.thresholds, progress)
    return records.scored(saved, segments, summary, out, clock)


def report(run: str | Path, *, runs_dir: Path = Path("runs")) -> Path:
    """Draws report.html of a saved run again from its report.json."""
    return records.redraw(store.resolve(run, runs_dir))
