"""The stages of a retraining with a spec's choices filled in: what `pipeline` calls, one function a stage."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kundenwert.customers import CustomerSummary, Holdout, Transactions, hold_out, read, summarize
from kundenwert.decisions.segments import Segments, segment
from kundenwert.decisions.thresholds import Thresholds
from kundenwert.names import FORMAT_VERSION
from kundenwert.runs import store
from kundenwert.spec import ModelSpec
from kundenwert.spec_values import number_or_zero
from kundenwert.value.economics import resolve_economics
from kundenwert.value.estimate import estimate_value
from kundenwert.value.results import Value

if TYPE_CHECKING:
    from kundenwert.inference.findings import Checks
    from kundenwert.inference.posterior import Posterior
    from kundenwert.inference.predictive import Tracking

Progress = Callable[..., None]
REPLICATES = 200

# What one unit of actual and of unrealized value means. The churn horizon, the interval and numbers of draws move no
# customer's value, and the acquisition cost is in realized value alone.
MEANING = (
    "value.horizon",
    "value.discount_rate",
    "value.margin",
    "value.cost_per_order",
    "value.cost_per_year_active",
    "value.cost_per_year_on_file",
    "potential",
    "purchase",
    "spend",
    "segments.losses",
    "data.currency",
)


@dataclass(frozen=True, repr=False)
class Data:
    """What a spec's source says up to its as-of day, and what came after it."""

    transactions: Transactions
    summary: CustomerSummary
    holdout: Holdout

    @property
    def as_of(self) -> dt.date:
        """The last day that counts."""
        end = self.summary.observation_end
        assert end is not None  # summarize() fills it in from the log
        return end


def read_data(spec: ModelSpec, source: str | None = None, as_of: dt.date | None = None, **cohorts: Any) -> Data:
    """Reads, checks and summarizes the log of a spec, or another source under the spec's keys.

    Raises
    ------
    DataError : the data contract is broken, margins or acquisition costs included; nothing has been written.
    """
    data = spec.data
    transactions = read(
        source or data.source,
        customer=data.customer,
        time=data.time,
        amount=data.amount,
        currency=data.currency,
        timezone=data.timezone,
        base_dir=None if source else spec.base_dir,
        cohort=spec.cohorts.by,
        carry=spec.carried_columns,
    )
    summary = summarize(
        transactions,
        cohort=spec.cohorts.by,
        observation_end=as_of or data.observation_end,
        time_unit=data.time_unit,
        **{"min_customers": spec.min_customers, **cohorts},
    )
    # Found here, not after the fit that the values wait for.
    resolve_economics(
        summary.table,
        margin=spec.value.margin,
        acquisition_cost=spec.value.acquisition_cost,
        time_unit=spec.data.time_unit,
    )
    return Data(transactions, summary, hold_out(transactions, summary))


def fit_posterior(spec: ModelSpec, summary: CustomerSummary, progress: Progress | None) -> "Posterior":
    """Stage `fit`: parameter draws by cohort. Imports PyMC."""
    from kundenwert.inference.fitting import fit

    return fit(
        summary,
        purchase=spec.purchase.family,
        spend=spec.spend.family,
        pooling=spec.cohorts.pooling,
        engine=spec.inference.engine,
        draws=spec.inference.draws,
        seed=spec.inference.seed,
        purchase_priors=spec.purchase.priors.model_dump(exclude_none=True),
        spend_priors=spec.spend.priors.model_dump(exclude_none=True),
        progress=progress,
    )


def judge(
    spec: ModelSpec, posterior: "Posterior", data: Data, progress: Progress | None
) -> tuple["Checks", "Tracking"]:
    """Stage `check`: the findings, and the replicates that the holdout is held against."""
    from kundenwert.inference.checks import check
    from kundenwert.inference.predictive import track

    tracking = track(
        posterior, data.summary, data.holdout, replicates=REPLICATES, seed=spec.inference.seed, progress=progress
    )
    checks = check(
        posterior,
        data.summary,
        horizon=spec.value.horizon,
        tracking=tracking,
        max_rhat=spec.gate.max_rhat,
        min_ess=spec.gate.min_ess,
        max_bias=spec.gate.max_bias,
    )
    return checks, tracking


def value_customers(
    spec: ModelSpec,
    posterior: "Posterior",
    summary: CustomerSummary,
    thresholds: Thresholds | None,
    progress: Progress | None,
) -> Value:
    """Stage `value`: money per customer."""
    wanted = spec.value
    return estimate_value(
        posterior,
        summary,
        horizon=wanted.horizon,
        discount_rate=wanted.discount_rate,
        margin=wanted.margin,
        cost_per_order=number_or_zero(wanted.cost_per_order),
        cost_per_year_active=number_or_zero(wanted.cost_per_year_active),
        cost_per_year_on_file=number_or_zero(wanted.cost_per_year_on_file),
        acquisition_cost=wanted.acquisition_cost,
        churn_horizon=spec.churn.horizon,
        frontier=spec.potential.frontier,
        interval=wanted.interval,
        draws=wanted.draws,
        seed=spec.inference.seed,
        attainable_scale=None if thresholds is None else thresholds.attainable_scale,
        progress=progress,
    )


def segment_customers(
    spec: ModelSpec,
    value: Value,
    posterior: "Posterior",
    summary: CustomerSummary,
    thresholds: Thresholds | None,
    progress: Progress | None,
) -> Segments:
    """Stage `segment`: a label for every customer, with thresholds derived here or frozen by an earlier run."""
    return segment(
        value, posterior, summary, thresholds=thresholds, losses=spec.segments.loss_matrix, progress=progress
    )


def frozen_thresholds(champion: Mapping[str, Any] | None, spec: ModelSpec, run: str) -> tuple[Thresholds | None, str]:
    """The champion's thresholds where they still mean the same, and a sentence that says what was done.

    Thresholds in money are frozen so that labels do not move with them; after a change of what money means they are
    marks on another scale and are derived anew.

    Parameters
    ----------
    champion : the manifest of the run in use, or None.
    spec : of the run that is being made.
    run : its id. Under `--force` it may be the champion's own: a run hands nothing down to itself.

    Returns
    -------
    Thresholds, or None where they are to be derived; and what the manifest says about it.
    """
    if champion is None:
        return None, "thresholds were derived over the base: first run"
    if champion["run"] == run:
        return None, f"thresholds were derived anew: --force makes {run} again, whose thresholds they were"
    before, now = champion["spec"], spec.to_dict()
    changed = [key for key in MEANING if _entry(before, key) != _entry(now, key)]
    if changed:
        return None, f"thresholds were derived anew: {', '.join(changed)} changed since {champion['run']}"
    return Thresholds.from_dict(champion["thresholds"]), f"thresholds were taken over from {champion['run']}"


def _entry(tables: Any, key: str) -> Any:
    """What a dotted key holds, None where it is absent."""
    for part in key.split("."):
        tables = tables.get(part) if isinstance(tables, Mapping) else None
    return tables


def customers_metadata(value: Value, summary: CustomerSummary, posterior: "Posterior") -> dict[str, str]:
    """What stands beside the columns of customers.parquet."""
    from importlib.metadata import version

    settings = value.settings
    return {
        "time_unit": settings.time_unit.value,
        "currency": str(settings.currency or ""),
        "value_basis": settings.value_basis,
        "horizon": str(settings.horizon),
        "churn_horizon": str(settings.churn_horizon),
        "observation_end": str(summary.observation_end),
        "purchase_family": posterior.purchase_family,
        "format_version": str(FORMAT_VERSION),
        "kundenwert_version": version("kundenwert"),
    }


def champion_of(runs_dir: Path, name: str) -> dict[str, Any] | None:
    """The manifest of the run in use, with its folder under `path`, or None."""
    run = store.get_alias(runs_dir, name)
    folder = None if run is None else store.finished_run(runs_dir, name, run)
    return None if folder is None else {**store.load_manifest(folder), "path": folder}
