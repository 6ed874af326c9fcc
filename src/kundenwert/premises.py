"""What a run's figures rest on: the inputs that nobody gave, and the judgements that somebody did."""

from dataclasses import replace

from kundenwert.inputs import Data
from kundenwert.names import LeverOn, PotentialBasis
from kundenwert.spec import ModelSpec
from kundenwert.value.assumptions import Assumption, assumptions_of
from kundenwert.value.counters import Purpose
from kundenwert.value.levers import Lever, lever_effects
from kundenwert.value.results import Value

CHANGES = {
    LeverOn.REACTIVATION: "bring back {} of the customers who are gone",
    LeverOn.RETENTION: "lower the chance that a customer leaves after an order by {}",
    LeverOn.FREQUENCY: "raise how often customers order by {}",
    LeverOn.SPEND: "raise what customers spend per order by {}",
    LeverOn.COST_TO_SERVE: "lower what orders cost by {}",
    LeverOn.VIP: "lower the chance that a customer leaves after an order by {}",
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
    effect = lever_effects(lever)[Purpose.EFFECT]
    size = f"{100 * effect.mean:.2g} %, give or take {100 * effect.sd:.2g} points"
    what = f"{lever.name[:1].upper()}{lever.name[1:]} is taken to {CHANGES[lever.on].format(size)}"
    many = len(lever.experiments)
    if many:
        learned = "an experiment" if many == 1 else f"{many} experiments"
        return Assumption(f"levers.{lever.name}", f"{what}: what {learned} left of what was believed before.", "given")
    if lever.mean is not None:
        return Assumption(f"levers.{lever.name}", f"{what}: declared, not tested.", "given")
    sceptical = "a sceptical belief of ours, until an experiment says more"
    return Assumption(f"levers.{lever.name}", f"{what}: {sceptical}.", "default")
