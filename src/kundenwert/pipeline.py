"""START HERE: the jobs of the command line, one call a stage."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

from kundenwert import records, scoring, stages
from kundenwert.frozen import hand_down
from kundenwert.inputs import Data, Sources, read_data
from kundenwert.names import Verdict
from kundenwert.records import Clock, RunResult, Validation
from kundenwert.runs import renderer, store
from kundenwert.scoring import ScoreResult
from kundenwert.spec import ModelSpec, load_spec
from kundenwert.stages import Progress


def retrain(
    spec_path: str | Path,
    *,
    as_of: dt.date | None = None,
    runs_dir: Path = Path("runs"),
    force: bool = False,
    recalibrate: bool = False,
    progress: Progress | None = None,
) -> RunResult:
    """From a spec to a run folder: read, fit, check, value, segment, report, and the champion's alias.

    Nothing is written before the data contract holds; the run folder appears whole or not at all.

    Parameters
    ----------
    spec_path : a models/*.toml file.
    as_of : the day to look back from, in place of the spec's `data.observation_end`.
    runs_dir : where runs are kept; the run becomes `runs_dir/<name>/<as_of>-<hash>`.
    force : make the run again though a finished one of this spec and these data is there, and replace it. Thresholds in
        use are kept, unless this run derived them.
    recalibrate : derive thresholds, frontier, price and losses anew over these customers, in place of those of the run
        in use; a finished run of this spec and these data is replaced.
    progress : called with a text at each stage, and with a text and a share from 0 to 1 within one.

    Returns
    -------
    RunResult : `status` says whether the run is new. A run with the verdict FAIL is kept, but is not champion.

    Raises
    ------
    SpecError, DataError : the spec or the data are wrong (exit code 3).
    RunError : the champion, which the run is compared with, cannot be read (exit code 3).
    LockedError : another process retrains this model (exit code 75).
    """
    clock = Clock(progress)
    spec = load_spec(spec_path)
    clock.stage("read", f"read {spec.data.source}")
    data = read_data(spec, as_of)
    run, identity = records.identify(spec, data)
    with store.locked(runs_dir, spec.name):
        if not (force or recalibrate) and (folder := store.finished_run(runs_dir, spec.name, run)):
            return records.same(folder, runs_dir, clock)
        with renderer.standing_by():
            made = (spec, data, run, identity, runs_dir, clock, progress)
            return _make_run(*made, replace=force or recalibrate, recalibrate=recalibrate)


def _make_run(
    spec: ModelSpec,
    data: Data,
    run: str,
    identity: Mapping[str, str],
    runs_dir: Path,
    clock: Clock,
    progress: Progress | None,
    *,
    replace: bool,
    recalibrate: bool,
) -> RunResult:
    """The stages of a retraining whose data are read, under the lock."""
    champion = stages.champion_of(runs_dir, spec.name)
    why = stages.why_no_champion(runs_dir, spec.name)
    frozen, choice = hand_down(champion, spec, run, recalibrate=recalibrate, without=why)
    clock.stage("fit", f"fit {len(data.summary.cohorts)} cohorts, {spec.cohorts.pooling.value} pooling")
    posterior = stages.fit_posterior(spec, data.summary, progress)
    posterior = stages.with_frontier(posterior, None if frozen is None else frozen.frontier, spec.value.draws)
    clock.stage("check", "check the posterior and the holdout")
    checks, tracking = stages.judge(spec, posterior, data, progress)
    clock.stage("value", f"value and segment {len(data.summary.table):,} customers")
    segments = stages.assess_customers(spec, posterior, data, frozen, progress)
    if frozen is None:
        segments = segments.derived(data.as_of, run)
    clock.stage("actions", "actions")
    segments, actions = stages.act(spec, segments)
    clock.stage("report", "report")
    choices = (choice, *posterior.choices)
    source = None if frozen is None else frozen.source
    found = records.Found(spec, data, posterior, checks, tracking, segments, actions, source, choices)
    folder = records.save(found, run, identity, champion, runs_dir, clock, replace=replace)
    if checks.verdict is not Verdict.FAIL:
        store.set_alias(runs_dir, spec.name, store.CHAMPION, run)
    return records.finished(folder, runs_dir, clock)


def validate(spec_path: str | Path, *, progress: Progress | None = None) -> Validation:
    """Checks a spec and the data contract of its source; fits nothing, writes nothing.

    Parameters
    ----------
    spec_path : a models/*.toml file.
    progress : called with a text when reading begins.

    Returns
    -------
    Validation : what was found: the as-of day, customers, repeat orders, cohorts, counts of the contract.

    Raises
    ------
    SpecError, DataError : the spec or the data are wrong, all mistakes in one message (exit code 3).
    """
    spec = load_spec(spec_path)
    if progress is not None:
        progress(f"read {spec.data.source}")
    return records.validated(spec, read_data(spec))


def score(
    run: str | Path,
    data: str,
    *,
    customers: str | None = None,
    events: str | None = None,
    as_of: dt.date | None = None,
    out: Path | None = None,
    runs_dir: Path = Path("runs"),
    progress: Progress | None = None,
) -> ScoreResult:
    """Values and segments customers with a saved run. Imports neither PyMC nor a plotting library.

    Parameters
    ----------
    run : a run's folder, or `name@champion`.
    data : the full history of the customers to score, a source as in a spec's `data.source`; it is read with the
        other `[data]` keys of the run. A relative path starts from the working directory.
    customers, events : their other tables, where the run's spec has `[customers]` or `[events]`.
    as_of : the day to look back from; by default the run's.
    out : the .parquet or .csv file to write; by default `<name>-<as_of>-scored.parquet` in the working directory.
    runs_dir : where `name@champion` is looked up.
    progress : called with a text at each stage, and with a text and a share from 0 to 1 within one.

    Returns
    -------
    ScoreResult : the file that was written, what its customers add up to, and which run was used.

    Raises
    ------
    UsageError : `out` cannot be written; said before any work (exit code 2).
    RunError : there is no such run, or pooling is "none" and cohorts are unknown to it (exit code 3).
    DataError : the data are wrong (exit code 3).
    """
    if out is not None:
        scoring.check_out(out)
    clock = Clock(progress)
    saved = scoring.load(store.resolve(run, runs_dir))
    clock.stage("read", f"read {data}")
    sources = Sources(data, customers, events)
    read = read_data(saved.spec, as_of or saved.as_of, sources=sources, min_customers=0)
    scorable = scoring.known_cohorts(saved, read)
    posterior = saved.posterior.with_cohorts(scorable.summary.cohorts)
    clock.stage("value", f"value and segment {len(scorable.summary.table):,} customers")
    segments = stages.assess_customers(saved.spec, posterior, scorable, saved.frozen, progress)
    segments, _ = stages.act(saved.spec, segments, budgeted=False)
    return scoring.scored(saved, segments, scorable.summary, out, clock)


def report(run: str | Path, *, runs_dir: Path = Path("runs")) -> Path:
    """Draws report.html of a saved run again from its report.json.

    Parameters
    ----------
    run : a run's folder, or `name@champion`.
    runs_dir : where `name@champion` is looked up.

    Returns
    -------
    Path : of report.html, absolute.

    Raises
    ------
    RunError : there is no such run, or another version wrote its report (exit code 3).
    """
    return records.redraw(store.resolve(run, runs_dir))
