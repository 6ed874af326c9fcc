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
from kundenwert.decisions.one_pass import assess
from kundenwert.decisions.segments import Segments
from kundenwert.decisions.standard_packages import packages_by_label
from kundenwert.errors import KundenwertError
from kundenwert.frozen import Frozen
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

if TYPE_CHECKING:
    from kundenwert.inference.findings import Checks
    from kundenwert.inference.posterior import Posterior
    from kundenwert.inference.predictive import Tracking

Progress = Callable[..., None]
REPLICATES = 200


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
    priors : of returns and events; None to learn them from these customers.
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


def why_no_champion(runs_dir: Path, name: str) -> str:
    """Why no run is in use, for the manifest of the run that is made without."""
    if (run := store.get_alias(runs_dir, name)) is not None:
        return f"{run} was in use and is not to be found"
    if store.list_runs(runs_dir, name):
        return "no run is in use, though there are others (promote one to keep its thresholds)"
    return "first run"
