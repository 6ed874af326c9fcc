"""What a report shows beyond every run's figures, filled from what the stages found: plans, payback, bases, changes."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from kundenwert.decisions.actions import Plan
from kundenwert.decisions.segments import Segments
from kundenwert.inference.posterior import Posterior
from kundenwert.inputs import Data
from kundenwert.names import PotentialBasis
from kundenwert.premises import assumed
from kundenwert.runs import store
from kundenwert.runs import wording as w
from kundenwert.runs.report_actions import (
    ActionLine,
    ActionPlan,
    BreakEven,
    ChannelUse,
    Objected,
    RoomOfBasis,
)
from kundenwert.runs.report_change import Estimate, label_flows
from kundenwert.runs.report_realized import Realized
from kundenwert.runs.report_sections import Further
from kundenwert.runs.report_words import potential_words
from kundenwert.runs.shapes import bridge_of, estimate_of, payback_of, points_of
from kundenwert.spec import ModelSpec
from kundenwert.stages import Actions, change_since
from kundenwert.value.acquisition import new_customer_offers
from kundenwert.value.bases import beyond_wallet
from kundenwert.value.break_even import break_even_acquisition_cost
from kundenwert.value.provision import RETURN_DAYS, refund_provision
from kundenwert.value.results import Value


def further_of(
    spec: ModelSpec,
    data: Data,
    posterior: Posterior,
    segments: Segments,
    actions: Actions,
    champion: Mapping[str, Any] | None,
    *,
    recalibrated: str,
) -> Further:
    """The parts of a report that this run has.

    Parameters
    ----------
    champion : the manifest of the run that this one is compared with, or None.
    recalibrated : what to say where thresholds were derived anew since that run, else empty.
    """
    value = segments.value
    flows = bridge = None
    if champion is not None:
        since = dt.date.fromisoformat(champion["as_of"])
        before = store.read_customers(champion["path"] / "customers.parquet")[0]
        unit = value.settings.time_unit
        anew, chance = bool(recalibrated), segments.flicker
        flows = label_flows(before, segments.table, since=since, time_unit=unit, flicker=chance, marks_moved=anew)
        change = change_since(champion, spec, data, posterior, segments)
        bridge = None if change is None else bridge_of(change)
    return Further(
        bridge=bridge,
        flows=flows,
        plan=None if actions.plan is None else plan_record(actions.plan, value, spec.budget.capacities),
        payback=None if actions.payback is None else payback_of(actions.payback),
        break_even=() if value.settings.value_basis == "revenue" else ceilings(value, posterior),
        rooms=rooms(segments),
        assumed=assumed(spec, data, value),
        objected=objected(segments),
        recalibrated=recalibrated,
        realized=realized_so_far(data, value),
        beyond_wallet=int(beyond_wallet(segments.potential).sum()),
    )


def plan_record(plan: Plan, value: Value, capacities: Mapping[str, int]) -> ActionPlan:
    """A plan as the report shows it.

    Parameters
    ----------
    value : with the levers that were planned with.
    capacities : by channel, how many contacts it can make.
    """
    treated, interval, lines = plan.treated, value.settings.interval, []
    for position, name in enumerate(plan.names):
        mine, everybody = treated[treated["action"] == name], plan.table[plan.table["action"] == name]
        if everybody.empty:
            continue
        lines.append(
            ActionLine(
                name=name,
                customers=len(everybody),
                cost=float(mine["cost"].sum()),
                gain=estimate_of(plan.by_draw[position], interval),
                chance=float((plan.by_draw[position] > 0).mean()) if len(mine) else 0.0,
                held_out=int(everybody["held_out"].sum()),
                assumed=plan.assumed[position],
                labels={str(label): int(n) for label, n in everybody["segment"].value_counts().items()},
            )
        )
    total = plan.by_draw.sum(axis=0)
    curve = None
    if plan.curve is not None:
        curve = points_of(plan, interval, limits_aside=bool(capacities))
    return ActionPlan(
        actions=lines,
        gain=estimate_of(total, interval),
        loss_chance=float((total < 0).mean()),
        budget=plan.budget,
        shadow_price=None if plan.allocation is None else plan.allocation.shadow_price,
        curve=curve,
        withheld=float(plan.table["cost"].sum() - treated["cost"].sum()),
        untested=_untested(plan, value),
        channels=_channels(plan, capacities),
    )


def _untested(plan: Plan, value: Value) -> tuple[str, ...]:
    """Levers of the chosen packages that no experiment has tested, in the order of the spec."""
    assert value.levers is not None, "a plan has levers"
    packages = value.levers.plan.packages
    chosen = set(plan.table["action"])
    members = [one for name, one in zip(plan.names, packages.members[1:], strict=True) if name in chosen]
    used = {position for one in members for position in one}
    return tuple(lever.name for k, lever in enumerate(packages.levers) if k in used and lever.assumed)


def _channels(plan: Plan, capacities: Mapping[str, int]) -> tuple[ChannelUse, ...]:
    found = plan.allocation
    if found is None:
        return ()
    return tuple(
        ChannelUse(name, found.contacts.get(name, 0), limit, float(found.contact_prices.get(name, 0.0)))
        for name, limit in capacities.items()
    )


def ceilings(value: Value, posterior: Posterior) -> tuple[BreakEven, ...]:
    """The most that acquiring a customer of each cohort may cost; cohorts without a mean spend are left out."""
    table = break_even_acquisition_cost(posterior, value.settings, new_customer_offers(value, posterior.cohorts))
    known = table[np.isfinite(table[["mean", "low", "high", "cautious_mean"]]).all(axis=1)]
    cost = _won_for(value)
    return tuple(
        BreakEven(
            str(row["cohort"]),
            Estimate(row["mean"], min(row["low"], row["mean"]), max(row["high"], row["mean"])),
            row["cautious_mean"],
            cost.get(str(row["cohort"])),
        )
        for row in known.to_dict("records")
    )


def _won_for(value: Value) -> dict[str, float]:
    """What winning a customer has cost on average, by cohort; nothing where it is not known."""
    cost = value.economics.acquisition_cost
    if cost is None:
        return {}
    by_cohort = pd.Series(cost).groupby(value.table["cohort"].astype(str).to_numpy()).mean()
    return {str(cohort): float(mean) for cohort, mean in by_cohort.items()}


def rooms(segments: Segments) -> tuple[RoomOfBasis, ...]:
    """All room together by each basis at hand, of everybody who did not object."""
    value, detail = segments.value, segments.potential
    peers, (first, second) = value.frontier, value.settings.attainable
    said = {
        PotentialBasis.PEERS: potential_words(peers.quantile, first / (first + second), peers.attainable_scale),
        PotentialBasis.WALLET: ""
        if value.wallets is None
        else f"part of what is spent elsewhere, known of {w.percent(value.wallets.data.known_share)}",
        PotentialBasis.LEVERS: ""
        if value.levers is None
        else f"the best of {w.plural(len(value.levers.plan.packages.levers), 'declared action')}, net of cost",
    }
    found = []
    for basis in PotentialBasis:
        column = detail[f"unrealized_{basis.value}"]
        if column.notna().any():
            found.append(RoomOfBasis(basis, said[basis], float(column.sum()), basis is value.basis))
    return tuple(found)


def realized_so_far(data: Data, value: Value) -> Realized | None:
    """What all customers have brought so far, by parts; None where the log does not hold every part."""
    found = value.breakdown
    parts = {name: float(found.table[name].sum(skipna=False)) for name in found.parts}
    total = float(found.table["realized_value"].sum(skipna=False))
    if not np.isfinite(total):
        return None
    provision = 0.0
    if parts["refunds"]:
        provision = float(refund_provision(data.summary, value.economics, data.ledger).sum())
    return Realized(parts, total, provision, RETURN_DAYS)


def objected(segments: Segments) -> Objected | None:
    """Customers who objected: their number, and their expected value together."""
    events = segments.verdicts.rule.events
    if events is None or not events.objected.any():
        return None
    value = segments.value.table["actual_value"].to_numpy()[events.objected]
    return Objected(int(events.objected.sum()), float(np.nansum(value)))
