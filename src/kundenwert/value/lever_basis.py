"""Potential value by levers: which packages each customer may get, and what they gain, block by block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.names import FrequencyLever, LeverOn, PotentialBasis
from kundenwert.value.counters import FloatArray
from kundenwert.value.eligibility import BoolArray, EligibilityError
from kundenwert.value.journey import journey_phases
from kundenwert.value.lever_gains import LeverGains, package_gains, reach
from kundenwert.value.lever_plan import LeverPlan, plan_levers
from kundenwert.value.levers import Lever, draw_effects, open_to
from kundenwert.value.outlook import Outlook
from kundenwert.value.packages import Packages, feasible_packages, packages_open
from kundenwert.value.room import Room
from kundenwert.value.settings import ValueSettings

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary

JUDGED = slice(0, None, 2)  # the draws that had no part in choosing a package
FIGURES = ("p_alive", "churn_probability")
GROWTH = (LeverOn.FREQUENCY, LeverOn.SPEND)
TABLES = ("chosen_on", "gain", "chance", "shortfall", "cost")


@dataclass(frozen=True, eq=False)
class LeverBasis:
    """What can be done to whom.

    Parameters
    ----------
    plan : packages with drawn effects.
    usable : (customer, package) who may get which.
    """

    plan: LeverPlan
    usable: BoolArray

    @property
    def packages(self) -> Packages:
        """What can be done."""
        return self.plan.packages

    @property
    def repaired(self) -> BoolArray:
        """(customer,) who may get a lever on the cost to serve: below zero is said of nobody else."""
        levers = self.packages.levers
        repairs = [any(levers[i].on is LeverOn.COST_TO_SERVE for i in one) for one in self.packages.members]
        return np.asarray(self.usable[:, repairs].any(axis=1))

    def gains(self, outlook: Outlook) -> LeverGains:
        """What the packages gain with the customers of one block."""
        return package_gains(self.plan, reach(outlook, self.plan, self.usable[outlook.rows]))


@dataclass(frozen=True, eq=False)
class PackageGains:
    """What packages of levers gain with all customers.

    Parameters
    ----------
    plan : packages with drawn effects.
    usable, chosen_on, gain, chance, shortfall, cost : (customer, package), see `LeverGains`.
    perfect : (customer,) what knowing the customer and all effects before choosing would add, in money.
    answered : (parameter,) what knowing each of the plan's parameters would add, over all customers together.
    """

    plan: LeverPlan
    usable: BoolArray
    chosen_on: FloatArray
    gain: FloatArray
    chance: FloatArray
    shortfall: FloatArray
    cost: FloatArray
    perfect: FloatArray
    answered: FloatArray

    @property
    def names(self) -> tuple[str, ...]:
        """(package,) as people read them; doing nothing is the first and has none."""
        return tuple(" + ".join(one) for one in self.plan.packages.names)


def columns_of(gains: LeverGains) -> dict[str, FloatArray]:
    """What a pass keeps of a block: name -> (row, ...)."""
    found = {f"lever_{name}": getattr(gains, name) for name in TABLES}
    return found | {"lever_perfect": gains.perfect, "lever_answered": gains.answered, "lever_room": gains.unrealized}


def gathered_gains(basis: LeverBasis, columns: Mapping[str, FloatArray]) -> PackageGains:
    """What `columns_of` of all blocks comes to."""
    tables = {name: columns[f"lever_{name}"] for name in TABLES}
    answered = np.nansum(columns["lever_answered"], axis=0)
    return PackageGains(basis.plan, basis.usable, **tables, perfect=columns["lever_perfect"], answered=answered)


def room_of(gains: LeverGains) -> Room:
    """Unrealized value by levers: the gain of the package that is best on the other half of the draws."""
    alive, gone = (np.ascontiguousarray(one[:, JUDGED]) for one in (gains.room, gains.room_gone))
    return Room(PotentialBasis.LEVERS, alive, JUDGED, gains.unrealized, given_gone=gone)


def basis_of_levers(
    levers: Sequence[Lever],
    summary: "CustomerSummary",
    settings: ValueSettings,
    figures: pd.DataFrame,
    *,
    frequency: FrequencyLever = FrequencyLever.FIXED_HAZARD,
    declared: Sequence[Sequence[str]] = (),
    objected: BoolArray | None = None,
    complaint: BoolArray | None = None,
) -> LeverBasis:
    """Packages of levers with drawn effects, and who may get them.

    Parameters
    ----------
    levers : each with a name of its own.
    summary : customers with the columns that levers are conditional on.
    settings : horizon, discounting, draws and seed are read.
    figures : (customer,) further columns for conditions, `FIGURES`.
    frequency : what stays as it is while a lever raises the rate of orders.
    declared : names of levers that may be used together though they are of one kind.
    objected : (customer,) who gets nothing at all.
    complaint : (customer,) to whom nothing is sold: no lever on frequency or spend.

    Raises
    ------
    UsageError : a condition that the customers' columns do not answer.
    """
    packages = feasible_packages(levers, declared)
    effects = [draw_effects(lever, settings.draws, settings.seed) for lever in levers]
    plan = plan_levers(packages, effects, settings.terms, settings.time_unit, frequency)
    open_levers = opened(levers, summary, figures)
    nobody = np.zeros(len(open_levers), dtype=bool)
    refused = refused_levers(
        levers, nobody if objected is None else objected, nobody if complaint is None else complaint
    )
    return LeverBasis(plan, packages_open(packages, open_levers & ~refused))


def opened(levers: Sequence[Lever], summary: "CustomerSummary", figures: pd.DataFrame | None = None) -> BoolArray:
    """(customer, lever) whose conditions and phases hold.

    Parameters
    ----------
    figures : (customer,) columns `FIGURES`. Without them all are 0: enough to find out, before anything is fitted,
        whether the conditions can be answered.

    Raises
    ------
    UsageError : a condition that the customers' columns do not answer.
    """
    if figures is None:
        figures = pd.DataFrame(0.0, index=range(len(summary.table)), columns=list(FIGURES))
    table = pd.concat([summary.table.reset_index(drop=True), figures], axis=1)
    phases, found = journey_phases(table, summary.time_unit), np.ones((len(table), len(levers)), dtype=bool)
    for position, lever in enumerate(levers):
        try:
            found[:, position] = open_to(lever, table, phases)
        except EligibilityError as error:
            raise UsageError(f"lever {lever.name!r}: {error}") from None
    return found


def refused_levers(levers: Sequence[Lever], objected: BoolArray, complaint: BoolArray) -> BoolArray:
    """(customer, lever) what may not be done whatever it gains.

    Parameters
    ----------
    objected : (customer,) who gets nothing at all.
    complaint : (customer,) to whom nothing is sold: no lever on frequency or spend.

    Examples
    --------
    >>> levers = [Lever("call", "retention"), Lever("mail", "spend")]
    >>> refused_levers(levers, np.array([True, False, False]), np.array([False, True, False])).tolist()
    [[True, True], [False, True], [False, False]]
    """
    sells = np.array([lever.on in GROWTH for lever in levers], dtype=bool)
    return np.asarray(objected[:, None] | (complaint[:, None] & sells))
