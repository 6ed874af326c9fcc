"""Scoring with a finished run: what is read of it, how cohorts are matched, and the table that is written."""

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from kundenwert.customers import CustomerSummary
from kundenwert.customers.cohorts import map_to_known
from kundenwert.decisions.segments import Segments
from kundenwert.errors import UsageError
from kundenwert.frozen import Frozen
from kundenwert.further import objected
from kundenwert.inference.posterior import Posterior, load_posterior
from kundenwert.inputs import PEERS_ALONE, Data, wallets_of
from kundenwert.names import Flag, Pooling, Verdict
from kundenwert.records import Clock
from kundenwert.runs import store
from kundenwert.runs.report_figures import base_figures, segment_figures
from kundenwert.spec import ModelSpec
from kundenwert.stages import customers_metadata

FORMATS = (".parquet", ".csv")


@dataclass(frozen=True)
class ScoreResult:
    """The outcome of `score`.

    Parameters
    ----------
    name, run, path, verdict : the model, and the id, folder and verdict of the run that was used.
    alias : "champion" where that run is in use, else empty.
    as_of : the last day of the customers' history that counted.
    table : the file that was written.
    figures : what the scored customers add up to: `currency, horizon, basis, base, segments` as in report.json.
    notes : what a reader of the table must know.
    """

    name: str
    run: str
    path: Path
    verdict: Verdict
    alias: str
    as_of: dt.date
    table: Path
    notes: tuple[str, ...]
    seconds: float
    figures: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, repr=False)
class Saved:
    """A finished run, as scoring needs it."""

    path: Path
    spec: ModelSpec
    posterior: Posterior
    frozen: Frozen
    verdict: Verdict
    as_of: dt.date
    cohorts: tuple[str, ...]


def check_out(out: Path) -> None:
    """Refuses a file that could not be written, before any work is done for it.

    Raises
    ------
    UsageError : an ending that is no format, or a folder that does not exist or may not be written to.
    """
    if out.suffix not in FORMATS:
        raise UsageError(f"--out {out} has neither the ending .parquet nor .csv.")
    if out.is_dir():
        raise UsageError(f"--out {out} is a folder. Name a file.")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}. Make it first, or name another.")
    if not os.access(out.parent, os.W_OK):
        raise UsageError(f"--out {out}: the folder {out.parent} may not be written to. Name another.")


def load(folder: Path) -> Saved:
    """A finished run with its spec, posterior and thresholds.

    Raises
    ------
    RunError : a file is missing or broken, or a newer version wrote it.
    """
    manifest = store.load_manifest(folder)
    posterior = load_posterior(folder / "posterior.nc")
    return Saved(
        path=folder,
        spec=ModelSpec.from_mapping(manifest["spec"], where=str(folder / "manifest.json")),
        posterior=posterior,
        frozen=Frozen.of(manifest, folder),
        verdict=Verdict(manifest["verdict"]),
        as_of=dt.date.fromisoformat(manifest["as_of"]),
        cohorts=posterior.cohorts,
    )


def known_cohorts(saved: Saved, data: Data) -> Data:
    """The data with cohorts called as in the run, where a merged cohort of the run holds them.

    Raises
    ------
    RunError : under pooling = "none", cohorts that the run does not know, by name.
    """
    table, parted = data.summary.table, saved.spec.potential.peers != PEERS_ALONE
    mapped = replace(
        data.summary, table=table.assign(cohort=map_to_known(table["cohort"], saved.cohorts, peers=parted))
    )
    if saved.spec.cohorts.pooling is Pooling.NONE:
        saved.posterior.cohort_codes(mapped.cohorts)
    return replace(data, summary=mapped, wallets=wallets_of(saved.spec, mapped))


def scored(saved: Saved, segments: Segments, summary: CustomerSummary, out: Path | None, clock: Clock) -> ScoreResult:
    """Writes the scored customers as Parquet or CSV and says what they add up to.

    Parameters
    ----------
    out : the file, checked by `check_out`; None for `<name>-<as_of>-scored.parquet` in the working directory.
    """
    name, end = saved.spec.name, summary.observation_end
    assert end is not None  # summarize() fills it in from the log
    table = segments.table.copy()
    new = ~table["cohort"].isin(saved.cohorts)
    table["flags"] = [
        [*flags, Flag.NEW_COHORT.value] if is_new else flags for flags, is_new in zip(table["flags"], new, strict=True)
    ]
    path = out or Path(f"{name}-{end}-scored.parquet")
    metadata = customers_metadata(segments.value, summary, saved.posterior)
    _write(path, table, {**metadata, "run": saved.path.name})
    champion = store.get_alias(saved.path.parent.parent, saved.path.parent.name)
    return ScoreResult(
        name=name,
        run=saved.path.name,
        path=saved.path,
        verdict=saved.verdict,
        alias=store.CHAMPION if champion == saved.path.name else "",
        as_of=end,
        table=path,
        notes=(*segments.notes, *_warnings(saved, int(new.sum()))),
        seconds=clock.total,
        figures={
            "currency": metadata["currency"] or None,
            "horizon": metadata["horizon"],
            "basis": metadata["value_basis"],
            "base": base_figures(segments, summary, objected(segments)),
            "segments": segment_figures(segments),
        },
    )


def _write(path: Path, table: pd.DataFrame, metadata: Mapping[str, str]) -> None:
    if path.suffix == ".csv":
        flat = table.assign(flags=[" ".join(flags) for flags in table["flags"]])
        store.replace_file(path, lambda temporary: flat.to_csv(temporary, index=False))
    else:
        store.replace_file(path, lambda temporary: store.write_customers(temporary, table, metadata))


def _warnings(saved: Saved, new: int) -> list[str]:
    texts = []
    if saved.verdict is Verdict.FAIL:
        texts.append("the run has the verdict FAIL: its figures are not for use")
    if new:
        noun = "customer belongs" if new == 1 else "customers belong"
        texts.append(f"{new:,} {noun} to cohorts that are new to the run (flag {Flag.NEW_COHORT.value})")
    return texts
