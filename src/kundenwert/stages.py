"""The stages of a retraining with a spec's choices filled in: what `pipeline` calls, one function a stage."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.customers import CustomerSummary
from kundenwert.decisions.actions import Plan, plan_actions, with_actions
from kundenwert.decisions.hysteresis import Published, recall
from kundenwert.decisions.one_pass import assess
from kundenwert.decisions.segments import Segments
from kundenwert.decisions.standard_packages import packages_by_label
from kundenwert.decisions.thresholds import Thresholds
from kundenwert.errors import KundenwertError
from kundenwert.inference.frontier_draws import FrontierDraws, extend
from kundenwert.inference.posterior import load_posterior
from kundenwert.inputs import Data, read_data
from kundenwert.names import CUSTOMER_COLUMNS, FORMAT_VERSION, EventAhead, Flag
from kundenwert.runs import store
from kundenwert.spec import ModelSpec
from kundenwert.spec_actions import BY_LEVERS
from kundenwert.value.ahead import AheadPriors
from kundenwert.value.bridge import EquityChange, equity_change
from kundenwert.value.effects import Measurement
from kundenwert.value.levers import Lever
from kundenwert.value.paired import Snapshot
from kundenwert.value.payback_times import Payback
from kundenwert.value.pricing import Asked, price_customers
from kundenwert.value.results import Value
from kundenwert.value.wallet_basis import WalletLevels

if TYPE_CHECKING:
    from kundenwert.inference.findings import Checks
    from kundenwert.inference.posterior import Posterior
    from kundenwert.inference.predictive import Tracking

Progress = Callable[..., None]
REPLICATES = 200
WALLETS = "wallets.json"  # in a run's folder, where potential value took wallets in

# What one unit of actual and of unrealized value means. The churn horizon, the interval and numbers of draws move no
# customer's value, and the acquisition cost is in realized value alone.
MEANING = (
    "value.horizon",
    "value.discount_rate",
    "value.discounting",
    "value.margin",
    "value.cost_per_order",
    "value.cost_per_year_active",
    "value.cost_per_year_on_file",
    "value.deactivate_after",
    "value.returns",
    "value.return_cost",
    "events.ahead",
    "potential",
    "levers",
    "purchase",
    "spend",
    "segments.losses",
    "segments.packages",
    "data.currency",
    "data.time_unit",
)


@dataclass(frozen=True)
class Frozen:
    """What an earlier run hands down, so that nothing moves but the customers.

    Parameters
    ----------
    thresholds : marks in money, the price, the scale.
    priors : of returns and events.
    frontier : the draws that the peers' frontier rests on; None where the run is older than these.
    wallets : what wallets are held against; None where the run had none.
    before, as_of : the customers' table of that run, and its last day: labels that stand.
    """

    thresholds: Thresholds
    priors: AheadPriors
    frontier: FrontierDraws | None
    wallets: WalletLevels | None
    before: pd.DataFrame
    as_of: np.datetime64

    @classmethod
    def of(cls, manifest: Mapping[str, Any], folder: Path) -> "Frozen":
        """What a finished run hands down.

        Raises
        ------
        RunError : a file is missing or broken.
        """
        return cls(
            Thresholds.from_dict(manifest["thresholds"]),
            AheadPriors.from_dict(manifest.get("ahead_priors", {})),
            load_posterior(folder / "posterior.nc").frontier,
            WalletLevels.from_dict(store.read_json(folder / WALLETS)) if (folder / WALLETS).exists() else None,
            store.read_customers(folder / "customers.parquet")[0],
            np.datetime64(manifest["as_of"], "D"),
        )

    def published(self, summary: CustomerSummary) -> Published:
        """The labels that stand on these customers."""
        return recall(summary.table["customer_id"].to_numpy(dtype=object), self.before, self.as_of)


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


def with_frontier(posterior: "Posterior", frozen: FrontierDraws | None, draws: int) -> "Posterior":
    """The posterior with the draws that the peers' frontier rests on: frozen ones, and those of cohorts new to them."""
    return replace(posterior, frontier=extend(frozen, posterior, draws))


def asked_of(spec: ModelSpec, costs: pd.DataFrame | None, priors: AheadPriors | None) -> Asked:
    """What a spec asks of an estimate of value, apart from what potential rests on.

    Parameters
    ----------
    costs : (customer,) what cost events add up to by kind.
    priors : of returns and events, of an earlier run.
    """
    wanted = spec.value
    return Asked(
        horizon=wanted.horizon,
        discount_rate=wanted.discount_rate,
        discounting=wanted.discounting,
        margin=wanted.margin,
        cost_per_order=wanted.cost_per_order,
        return_cost=wanted.return_cost,
        cost_per_year_active=wanted.cost_per_year_active,
        cost_per_year_on_file=wanted.cost_per_year_on_file,
        deactivate_after=wanted.deactivate_after,
        acquisition_cost=wanted.acquisition_cost,
        returns=wanted.returns,
        cost_events=costs,
        events_ahead=EventAhead.IGNORED if spec.events is None else spec.events.ahead,
        priors=priors,
        churn_horizon=spec.churn.horizon,
        frontier=spec.potential.frontier,
        attainable=spec.potential.attainable,
        growth_cap=spec.potential.growth_cap,
        experiments=_findings(spec),
        frequency_lever=spec.potential.frequency_lever,
        interval=wanted.interval,
        draws=wanted.draws,
        seed=spec.inference.seed,
    )


def assess_customers(
    spec: ModelSpec, posterior: "Posterior", data: Data, frozen: Frozen | None, progress: Progress | None
) -> Segments:
    """Stage `value`: money and a label for every customer, with thresholds derived here or frozen by an earlier run."""
    actions = spec.segments
    found = assess(
        posterior,
        data.summary,
        thresholds=None if frozen is None else frozen.thresholds,
        losses=BY_LEVERS if actions.losses == BY_LEVERS else actions.loss_matrix,
        packages=actions.packages.model_dump(),
        published=None if frozen is None else frozen.published(data.summary),
        switching_cost=actions.switching_cost,
        dwell=actions.dwell,
        look_ahead=actions.look_ahead,
        resolvable=actions.resolvable,
        events=data.facts,
        basis=spec.potential.basis,
        levers=data.levers,
        declared=_declared(spec, data.levers),
        wallets=data.wallets,
        wallet_levels=None if frozen is None else frozen.wallets,
        ledger=None if data.economics.acquisition_cost is None else data.ledger,
        progress=progress,
        **asked_of(spec, data.costs, None if frozen is None else frozen.priors),
    )
    # Frozen thresholds keep the day and the run that they were derived on, too.
    return found if frozen is None else replace(found, thresholds=frozen.thresholds)


def change_since(
    champion: Mapping[str, Any], spec: ModelSpec, data: Data, posterior: "Posterior", segments: Segments
) -> EquityChange | None:
    """Why the base is worth more or less than in the run in use, part by part.

    The log is read again as that run saw it: orders that were booked or corrected since then are those of today.

    Returns
    -------
    None where the two cannot be compared: another time unit, currency or way to count refunds, a later day, or tables
    of then that cannot be read any more.
    """
    then = ModelSpec.from_mapping(champion["spec"], base_dir=spec.base_dir)
    meaning = [(one.data.time_unit, one.data.currency, one.value.returns) for one in (then, spec)]
    day = dt.date.fromisoformat(champion["as_of"])
    if meaning[0] != meaning[1] or day > data.as_of:
        return None
    try:
        before = read_data(then, day)
    except KundenwertError:  # a table or a column was renamed since: what changed cannot be said, all else can
        return None
    draws = load_posterior(champion["path"] / "posterior.nc")
    priors = AheadPriors.from_dict(champion.get("ahead_priors", {}))
    prices = price_customers(draws, before.summary, **asked_of(then, before.costs, priors))
    if before.facts is not None:
        prices = replace(prices, gone=before.facts.removed)
    now = Snapshot(posterior, data.summary, segments.value)
    return equity_change(Snapshot(draws, before.summary, prices), now)


def _findings(spec: ModelSpec) -> list[Measurement]:
    """What trials found of the attainable share; a spec holds estimates alone."""
    trials = spec.potential.experiments
    return [Measurement(one.mean, one.se, one.n) for one in trials if one.mean is not None and one.se is not None]


def _declared(spec: ModelSpec, levers: Sequence[Lever]) -> list[list[str]]:
    """Levers that labels are treated with together, whatever their kinds."""
    packages = packages_by_label(levers, spec.segments.packages.model_dump()) if levers else {}
    return [[lever.name for lever in package] for package in packages.values() if package]


@dataclass(frozen=True, repr=False)
class Actions:
    """What the stage after the labels found.

    Parameters
    ----------
    plan : who gets what; None without levers.
    payback : when customers pay back; None where it is not known what acquiring them cost.
    """

    plan: Plan | None = None
    payback: Payback | None = None


def act(spec: ModelSpec, segments: Segments, *, budgeted: bool = True) -> tuple[Segments, Actions]:
    """Stage `actions`: who gets what, and when customers pay back; both as columns of the customers, too.

    Parameters
    ----------
    budgeted : whether these customers are all whom the spec's budget is for; otherwise a budget says nothing of them.
    """
    plan, paid = None, segments.value.payback
    if segments.value.levers is not None and (budgeted or spec.budget.amount is None):
        plan = _plan(spec, segments)
        segments = with_actions(segments, plan)
    if paid is not None:
        segments = with_payback(segments, paid)
    return segments, Actions(plan, paid)


def with_payback(segments: Segments, paid: Payback) -> Segments:
    """Segments whose table says whether and when customers pay back; nothing of those who objected."""
    table, found = segments.table.copy(), paid.table
    known = table["segment"].notna().to_numpy()
    for place, name in enumerate(("payback_probability", "payback_time"), start=len(CUSTOMER_COLUMNS)):
        table.insert(place, name, np.where(known, found[name], np.nan))
    back = found["paid_back"].to_numpy(dtype=bool) & known
    flags = [[*f, Flag.PAID_BACK.value] if done else f for f, done in zip(table["flags"], back, strict=True)]
    table["flags"] = flags
    return replace(segments, table=table)


def _plan(spec: ModelSpec, segments: Segments) -> Plan:
    budget = spec.budget
    return plan_actions(
        segments,
        budget=budget.amount,
        capacities=budget.capacities or None,
        holdout=budget.holdout,
        packages=spec.segments.packages.model_dump(),
    )


def hand_down(
    champion: Mapping[str, Any] | None, spec: ModelSpec, run: str, *, recalibrate: bool
) -> tuple[Frozen | None, str]:
    """What the champion hands down where it still means the same, and a sentence that says what was done.

    Thresholds in money are frozen so that labels do not move with them; after a change of what money means they are
    marks on another scale and are derived anew.

    Parameters
    ----------
    champion : the manifest of the run in use with its folder under `path`, or None.
    spec : of the run that is being made.
    run : its id. Under `--force` it may be the champion's own: a run hands nothing down to itself.
    recalibrate : whether everything was asked to be derived anew.

    Returns
    -------
    What is frozen, or None where it is to be derived; and what the manifest says about it.
    """
    if champion is None:
        return None, "thresholds were derived over the base: first run"
    if recalibrate:
        return None, f"thresholds were derived anew: recalibrated after {champion['run']}"
    if champion["run"] == run:
        return None, f"thresholds were derived anew: --force makes {run} again, whose thresholds they were"
    before, now = champion["spec"], spec.to_dict()
    changed = [key for key in MEANING if _entry(before, key) != _entry(now, key)]
    if changed:
        return None, f"thresholds were derived anew: {', '.join(changed)} changed since {champion['run']}"
    return Frozen.of(champion, champion["path"]), f"thresholds were taken over from {champion['run']}"


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
