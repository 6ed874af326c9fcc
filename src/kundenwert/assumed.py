"""What a run's figures rest on: the inputs that nobody gave, and the judgements that somebody did."""

from dataclasses import replace

from kundenwert.inputs import Data
from kundenwert.names import PotentialBasis
from kundenwert.spec import ModelSpec
from kundenwert.value.assumptions import Assumption, assumptions_of
from kundenwert.value.levers import Lever
from kundenwert.value.results import Value

CHANGES = {
    "reactivation": "bring customers back who are gone",
    "retention": "lower the chance that a customer leaves after an order",
    "frequency": "raise how often customers order",
    "spend": "raise what customers spend per order",
    "cost_to_serve": "lower what orders cost",
    "vip": "lower the chance that a customer leaves after an order",
}


def assumed(spec: ModelSpec, data: Data, value: Value) -> tuple[Assumption, ...]:
    """What the figures rest on, in the order in which money is counted, levers and the held out last."""
    general = assumptions_of(
        value.settings,
        value.economics,
        stated=spec.given_keys,
        returns=spec.value.returns,
        **({} if spec.events is None else {"ahead": spec.events.ahead}),
        allocation=spec.events.allocation if spec.events is not None and value.breakdown.joint_parts else None,
        alive_by_construction=int((data.summary.table["frequency"] == 0).sum())
        if spec.purchase.family == "bgnbd"
        else 0,
    )
    found = [_of_peers(one, value.basis) for one in general]
    if spec.value.deactivate_after is not None and value.economics.file_cost.any():
        found.append(Assumption("value.deactivate_after", _deactivation(spec.value.deactivate_after), "given"))
    if value.wallets is not None:
        found.append(Assumption("potential.wallet", _wallets(value.wallets.data.known_share), "given"))
    if value.levers is not None:
        found += [_lever(one) for one in value.levers.plan.packages.levers]
        if spec.budget.holdout > 0 and "budget.holdout" not in spec.given_keys:
            share = f"{100 * spec.budget.holdout:.3g} %"
            found.append(Assumption("budget.holdout", f"{share} of the chosen are left alone, to learn.", "default"))
    return tuple(found)


def _of_peers(one: Assumption, basis: PotentialBasis) -> Assumption:
    """What room by peers rests on, marked so where the figures use another basis."""
    theirs = ("potential.peers", "potential.frontier", "potential.attainable", "potential.growth_cap")
    if basis is PotentialBasis.PEERS or one.key not in theirs:
        return one
    return replace(one, words=f"{one.words} Room by peers alone rests on it, which this run only shows for comparison.")


def _deactivation(after: object) -> str:
    return (
        f"Whoever is gone is taken off file {after} after the last order and costs nothing from then on. A customer "
        "who is only silent stays on file in the forecast: orders may still come."
    )


def _wallets(known: float) -> str:
    return (
        f"What customers spend elsewhere was stated by {100 * known:.3g} % of them. The others' is drawn from those "
        "who are like them."
    )


def _lever(lever: Lever) -> Assumption:
    """What is taken for granted of a lever's effect, and whether an experiment stands behind it."""
    what = f"{lever.name} is taken to {CHANGES[lever.on.value]}"
    key = f"levers.{lever.name}"
    if lever.experiments:
        many = len(lever.experiments)
        told = f"as {'1 experiment' if many == 1 else f'{many} experiments'} found, held against what was believed"
        return Assumption(key, f"{what}, {told} before.", "given")
    if lever.mean is not None:
        size = f"{100 * lever.mean:.3g} %, give or take {100 * (lever.sd or 0.0):.2g} points"
        return Assumption(key, f"{what}, by {size}: declared, not tested.", "given")
    return Assumption(
        key, f"{what}, by little or nothing: a sceptical belief of ours until an experiment says more.", "default"
    )
