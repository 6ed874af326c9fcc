"""What to do with each customer: packages of levers under a budget, or the standard ones, and who is held out.

Packages are chosen by their gain on odd draws and reported by that on even ones (docs/statistics.md, section Actions).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.decisions.derived_losses import position_of
from kundenwert.decisions.holdout_cells import HELD_OUT_SHARE, Cells, held_out_of, thompson_draw
from kundenwert.decisions.knapsack import Allocation, BudgetCurve, allocate, budget_points
from kundenwert.decisions.losses import FloatArray, IntArray
from kundenwert.decisions.segments import Segments
from kundenwert.decisions.standard_packages import packages_by_label
from kundenwert.errors import UsageError
from kundenwert.names import Customize, LeverOn, State
from kundenwert.value.lever_basis import JUDGED, LeverBasis, PackageGains, refused_levers
from kundenwert.value.lever_gains import gains_by_draw, reach
from kundenwert.value.outlook import Outlook
from kundenwert.value.packages import packages_open

POINTS = 25  # of a budget curve
DIALOGUE = (State.MOST_VALUABLE.value, State.SUPER_GROWTH.value)  # who is asked, as long as nobody knows their needs


@dataclass(frozen=True, eq=False)
class Plan:
    """Who gets what, what it costs and brings, and from whom it is withheld to learn what it brings.

    Parameters
    ----------
    table : one row a customer for whom an action was chosen: `customer_id, segment, action, customize, cost, gain,
        chance, shortfall, held_out, propensity`; money, expected; `gain` is net of cost, `shortfall` the mean of the
        5 % worst; `customize` is how customers are treated differently (Gilmore and Pine 1997), as the levers state or,
        as long as nobody knows their needs, by label.
    names : of the actions, packages of levers.
    by_draw : (action, draw) gain of the treated together given each draw of parameters and effects, in money.
    assumed : (action,) whether a lever of it rests on what was declared alone.
    budget : that was given; None where labels' standard packages were taken.
    allocation, curve : of the budget, and of others; None without one.
    notes : what a reader must know.
    """

    table: pd.DataFrame
    names: tuple[str, ...]
    by_draw: FloatArray
    assumed: tuple[bool, ...]
    budget: float | None = None
    allocation: Allocation | None = None
    curve: BudgetCurve | None = None
    notes: tuple[str, ...] = ()

    @property
    def treated(self) -> pd.DataFrame:
        """The rows of those who get their action."""
        return self.table[~self.table["held_out"]]

    def __repr__(self) -> str:
        spent, gain = self.treated["cost"].sum(), self.treated["gain"].sum()
        return (
            f"<Plan for {len(self.table):,} customers, {int(self.table['held_out'].sum()):,} held out: expected cost "
            f"{spent:,.0f}, expected gain net of it {gain:,.0f}>"
        )


def plan_actions(
    segments: Segments,
    *,
    budget: float | None = None,
    capacities: Mapping[str, int] | None = None,
    holdout: float = HELD_OUT_SHARE,
    packages: Mapping[str, Sequence[str] | None] | None = None,
    explore: str | None = None,
    threads: int | None = None,
) -> Plan:
    """Chooses at most one package of levers for each customer, and holds some customers out at random.

    With a budget it is spent where it brings most. Without one each label gets its standard package, where that is
    open to the customer and expected to pay.

    Parameters
    ----------
    segments : with levers.
    budget : money, expected costs of all who are chosen together; the held out cost nothing.
    capacities : by channel, how many contacts it can make.
    holdout : share of customers from whom each lever is withheld, keyed by its name and their ids: the same in every
        run, and in whatever package it comes. Of a package of two levers a little less than twice as many are.
    packages : standard packages of labels, as `[segments.packages]` states them; by default they follow from the
        kinds of levers.
    explore : name of a batch of decisions, such as its date: packages are then chosen by one draw of all effects,
        another one for each batch, instead of by their means, so that levers are tried as often as they may be the
        best (Thompson 1933). What is reported stays what is expected.
    threads : of the passes over the customers; no result depends on it.

    Returns
    -------
    Plan

    Raises
    ------
    UsageError : no levers, capacities without a budget, or as `allocate` and `held_out_of`.

    Notes
    -----
    docs/statistics.md, section Actions.
    """
    gains = open_gains(segments)
    ids, notes = segments.table["customer_id"].to_numpy(dtype=object), []
    known = gains.chosen_on if explore is None else _under_one_draw(segments, gains, explore, threads)
    names, choose = gains.names[1:], np.where(np.isfinite(known), known, 0.0)[:, 1:]
    cost = np.where(choose > 0, gains.cost[:, 1:], 0.0)
    allocation = curve = None
    if budget is None and capacities:
        raise UsageError("capacities of channels need a budget: without one each label gets its standard package.")
    if budget is None:
        action = _standard(segments, gains, choose, packages)
    else:
        channel, blocked = _channels(gains, capacities)
        choose = np.where(blocked, 0.0, choose)
        if blocked.any():
            told = ", ".join(name for name, no in zip(names, blocked, strict=True) if no)
            notes.append(f"Packages that need contacts of two limited channels were left out: {told}.")
        keys = segments.context.customers.keys
        allocation = allocate(cost, choose, budget, capacities=capacities, channel=channel, keys=keys)
        action, reported = allocation.action, np.where(choose > 0, gains.gain[:, 1:], 0.0)
        curve = _curve(cost, choose, reported, budget)
    cells = _cells(gains, ids, action, holdout, segments.value.settings.seed)
    by_draw = _by_draw(segments, gains, np.where(cells.held_out, 0, action + 1), threads)
    levers = gains.plan.packages.levers
    assumed = tuple(any(levers[i].assumed for i in one) for one in gains.plan.packages.members[1:])
    table = _table(segments, gains, action, cells)
    return Plan(table, names, by_draw, assumed, budget, allocation, curve, tuple(notes))


def open_gains(segments: Segments) -> PackageGains:
    """What packages gain with those who may get them: of who objected or is gone, or complains, values may not know.

    In customers below zero nothing is invested: they get levers on the cost to serve alone.

    Raises
    ------
    UsageError : no levers.
    """
    gains, events = segments.value.levers, segments.verdicts.rule.events
    if gains is None:
        raise UsageError("there are no levers, so there is nothing to plan. Declare some: levers=[Lever(...)].")
    packages, nobody = gains.plan.packages, np.zeros(len(gains.usable), dtype=bool)
    facts = (nobody, nobody) if events is None else (events.any, events.complaint)
    below = (segments.table["segment"] == State.BELOW_ZERO.value).to_numpy()
    invests = np.array([lever.on is not LeverOn.COST_TO_SERVE for lever in packages.levers], dtype=bool)
    refused = refused_levers(packages.levers, *facts) | (below[:, None] & invests)
    usable = gains.usable & packages_open(packages, ~refused)
    return replace(gains, usable=usable, chosen_on=np.where(usable, gains.chosen_on, 0.0))


def with_actions(segments: Segments, plan: Plan) -> Segments:
    """Segments whose table says what is done: action and expected gain, who is held out, and with what propensity.

    Who is held out has no action there, for lists are made from that column; what is withheld says the plan's table.
    """
    table = segments.table.copy()
    chosen = plan.table.set_index("customer_id").reindex(table["customer_id"])
    treated = chosen["held_out"].eq(False)
    table["action"] = chosen["action"].astype(object).where(treated, None).to_numpy()
    table["expected_gain"] = chosen["gain"].where(treated).to_numpy()
    table["held_out"] = chosen["held_out"].eq(True).to_numpy()
    table["propensity"] = chosen["propensity"].to_numpy()
    return replace(segments, table=table)


def _standard(
    segments: Segments,
    gains: PackageGains,
    choose: FloatArray,
    packages: Mapping[str, Sequence[str] | None] | None,
) -> IntArray:
    """(customer,) number of the label's standard package, -1 where it is not open or not expected to pay."""
    known = gains.plan.packages
    action = np.full(len(segments.table), -1)
    labels = segments.table["segment"].to_numpy(dtype=object)
    for label, package in packages_by_label(known.levers, packages).items():
        position = position_of(known, package)
        pays = gains.usable[:, position] & (choose[:, position - 1] > 0)
        action[(labels == label) & pays & (position > 0)] = position - 1
    return action


def _cells(gains: PackageGains, ids: npt.NDArray[np.object_], action: IntArray, share: float, seed: int) -> Cells:
    """Who is held out of what was chosen: of a package, whoever is held out of one of its levers."""
    levers, held_out, propensity = gains.plan.packages.levers, np.zeros(len(ids), dtype=bool), np.zeros(len(ids))
    for number, members in enumerate(gains.plan.packages.members[1:]):
        rows = np.flatnonzero(action == number)
        propensity[rows] = (1.0 - share) ** len(members)
        for lever in members:
            held_out[rows] |= held_out_of(levers[lever].name, ids[rows], share=share, seed=seed)
    return Cells(held_out, propensity)


def _under_one_draw(segments: Segments, gains: PackageGains, batch: str, threads: int | None) -> FloatArray:
    """(customer, package) mean gains if all effects were what one draw of them says."""
    plan, settings = gains.plan, segments.value.settings
    drawn = thompson_draw(plan.draws, batch, seed=settings.seed)
    fixed = LeverBasis(plan.at(drawn), gains.usable)
    found = np.zeros(gains.chosen_on.shape)
    for rows, _, one in segments.context.stream(fixed.gains, stage="explore", threads=threads):
        found[rows] = one.chosen_on
    return found


def _customize(gains: PackageGains, package: IntArray, labels: "pd.Series[str]") -> list[str]:
    """How customers are treated differently: as a lever of the package states, else by label."""
    levers = gains.plan.packages.levers
    stated = [
        next((levers[i].customize for i in one if levers[i].customize is not None), None)
        for one in gains.plan.packages.members
    ]
    return [
        (stated[p] or (Customize.COLLABORATIVE if label in DIALOGUE else Customize.ADAPTIVE)).value
        for p, label in zip(package.tolist(), labels, strict=True)
    ]


def _channels(
    gains: PackageGains, capacities: Mapping[str, int] | None
) -> tuple[list[str | None], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """(action,) the channel that carries each package, and whether it would need contacts of two limited ones."""
    levers, limited = gains.plan.packages.levers, set(capacities or {})
    carriers, blocked = [], []
    for members in gains.plan.packages.members[1:]:
        used = dict.fromkeys(levers[i].channel for i in members if levers[i].channel is not None)
        scarce = [name for name in used if name in limited]
        carriers.append(next(iter([*scarce, *used]), None))
        blocked.append(len(scarce) > 1)
    return carriers, np.array(blocked, dtype=bool)


def _curve(cost: FloatArray, choose: FloatArray, reported: FloatArray, budget: float) -> BudgetCurve:
    """What budgets from nothing to half as much again as pays would bring; capacities aside."""
    enough = budget_points(cost, choose, [0.0]).enough
    most = 1.2 * max(enough, budget) or 1.0
    budgets = np.unique([*np.linspace(0.0, most, POINTS), budget, min(enough, most)])
    return budget_points(cost, choose, budgets, reported=reported)


def _by_draw(segments: Segments, gains: PackageGains, chosen: IntArray, threads: int | None) -> FloatArray:
    """(action, draw) what is gained, in the draws that had no part in the choice."""
    basis, rows = LeverBasis(gains.plan, gains.usable), np.flatnonzero(chosen > 0)

    def reduce(outlook: Outlook) -> FloatArray:
        reached = reach(outlook, basis.plan, basis.usable[outlook.rows])
        return gains_by_draw(basis.plan, reached, chosen[outlook.rows])[1:, JUDGED]

    total = np.zeros((len(gains.names) - 1, len(range(gains.plan.draws)[JUDGED])))
    if len(rows):
        for _, _, found in segments.context.stream(reduce, rows=rows, stage="actions", threads=threads):
            total += found
    return total


def _table(segments: Segments, gains: PackageGains, action: IntArray, cells: Cells) -> pd.DataFrame:
    rows = np.flatnonzero(action >= 0)
    package = action[rows] + 1
    found = {name: getattr(gains, name)[rows, package] for name in ("cost", "gain", "chance", "shortfall")}
    head = segments.table.iloc[rows][["customer_id", "segment"]].reset_index(drop=True)
    return pd.DataFrame(
        {
            **head,
            "action": np.array(gains.names, dtype=object)[package],
            "customize": _customize(gains, package, head["segment"]),
            **found,
            "held_out": cells.held_out[rows],
            "propensity": cells.propensity[rows],
        }
    )
