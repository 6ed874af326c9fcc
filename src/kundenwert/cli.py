"""The command line: commands only. What they do is in `pipeline` and `runs`, how they speak in `console`."""

import datetime
import os
from pathlib import Path
from typing import Annotated

import typer

from kundenwert import console
from kundenwert.names import Verdict

RUN_FAILED = 4

app = typer.Typer(
    name="kundenwert",
    help="Probabilistic customer lifetime value: posterior CLV, churn probability and IDIC segments.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
runs_app = typer.Typer(help="The stored runs of a model.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(runs_app, name="runs")


def _date(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date. Write it as 1997-09-30.") from None


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        console.result(f"kundenwert {version('kundenwert')}")
        raise typer.Exit


Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="A models/*.toml file.", show_default=False)]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or NAME@champion.", show_default=False)]
RunsDir = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Where runs are kept.")]
AsOf = Annotated[
    datetime.date | None,
    typer.Option("--as-of", metavar="DATE", parser=_date, help="The day to look back from.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
RUNS = Path("runs")


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Options of every command."""


@app.command()
def validate(spec: Spec, json: Json = False) -> None:
    """Check a spec and its data; nothing is fitted."""
    from kundenwert import answers, pipeline

    with console.StageLog() as progress:
        outcome = pipeline.validate(spec, progress=progress)
    console.answer(json, outcome, answers.validation)


AGAIN = "Make the run again though nothing is new. Thresholds are kept, unless this run derived them."
Force = Annotated[bool, typer.Option("--force", help=AGAIN)]


@app.command()
def retrain(spec: Spec, as_of: AsOf = None, runs: RunsDir = RUNS, force: Force = False, json: Json = False) -> None:
    """Fit, check, value, segment and report: the main job."""
    _retrain(spec, as_of, runs, json, force=force)


@app.command()
def recalibrate(spec: Spec, as_of: AsOf = None, runs: RunsDir = RUNS, json: Json = False) -> None:
    """Retrain and derive anew what is otherwise frozen: thresholds, the peers' frontier, losses in money."""
    _retrain(spec, as_of, runs, json, recalibrate=True)


def _retrain(
    spec: Path, as_of: datetime.date | None, runs: Path, json: bool, *, force: bool = False, recalibrate: bool = False
) -> None:
    from kundenwert import answers, pipeline
    from kundenwert.runs.lock import HeldElsewhereError
    from kundenwert.spec import load_spec

    wanted = {"force": force, "recalibrate": recalibrate}
    try:
        with console.StageLog() as progress:
            outcome = pipeline.retrain(spec, as_of=as_of, runs_dir=runs, **wanted, progress=progress)
    except HeldElsewhereError as held:
        line = answers.busy_line(load_spec(spec).name, as_of, held)
        console.answer(json, {"status": "busy", "message": line}, lambda _: line)
        raise
    if json:
        console.answer(json, answers.retrained_object(outcome), str)
    else:
        answers.print_retrained(outcome)
    if outcome.status == "new" and outcome.verdict is Verdict.FAIL:
        raise typer.Exit(RUN_FAILED)


@app.command()
def score(
    run: Run,
    data: Annotated[str, typer.Option("--data", metavar="SOURCE", help="The full history of the customers to score.")],
    customers: Annotated[
        str | None, typer.Option("--customers", metavar="SOURCE", help="Their attributes, where the run has them.")
    ] = None,
    events: Annotated[
        str | None, typer.Option("--events", metavar="SOURCE", help="Their cost events, where the run has them.")
    ] = None,
    as_of: AsOf = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="A .parquet or .csv file to write.")] = None,
    runs: RunsDir = RUNS,
    json: Json = False,
) -> None:
    """Value and segment customers with a saved run; nothing is fitted."""
    from kundenwert import answers, pipeline

    with console.StageLog() as progress:
        tables = {"customers": customers, "events": events}
        outcome = pipeline.score(run, data, **tables, as_of=as_of, out=out, runs_dir=runs, progress=progress)
    if json:
        console.answer(json, answers.scored_object(outcome), str)
    else:
        console.result(answers.scored(outcome))


@app.command()
def report(
    run: Run,
    runs: RunsDir = RUNS,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    json: Json = False,
) -> None:
    """Draw a run's report again."""
    from kundenwert import pipeline

    path = pipeline.report(run, runs_dir=runs)
    console.answer(json, {"run": path.parent, "id": path.parent.name, "report": path}, lambda _: str(path))
    if show:
        typer.launch(path.as_uri())


@runs_app.command("list")
def runs_list(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model's name.", show_default=False)],
    runs: RunsDir = RUNS,
    json: Json = False,
) -> None:
    """The finished runs of a model, the newest first."""
    from kundenwert import answers
    from kundenwert.runs import store

    found = store.list_runs(runs, name)
    listed = {"name": name, "runs": [answers.run_object(info) for info in found]}
    console.answer(json, listed, lambda _: answers.run_list(found))


@runs_app.command("promote")
def runs_promote(run: Run, runs: RunsDir = RUNS, json: Json = False) -> None:
    """Make a run the champion of its model."""
    from kundenwert import answers
    from kundenwert.runs import store

    info = store.promote(run, runs)
    console.answer(json, answers.run_object(info), lambda _: f"{info.run} is champion of {info.name}")


def main() -> int:
    """Run the command line and return its exit code."""
    # Matrices here are 4 x 4, and threads that wait for the next one burnt a tenth of the processor time of a fit of
    # many cohorts. NumPy reads this when it is loaded; a program that imports the library decides for itself.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return console.exit_code_of(lambda: app(prog_name="kundenwert"))
