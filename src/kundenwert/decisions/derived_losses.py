"""The loss matrix in money, derived from a part of the base: what labels' standard treatments gain, by true state."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from kundenwert.decisions.losses import FloatArray, Losses
from kundenwert.decisions.losses_in_money import LossesInMoney, derive_losses, mean_gains
from kundenwert.decisions.standard_packages import packages_by_label
from kundenwert.decisions.states import states_of
from kundenwert.decisions.thresholds import Marks, Thresholds
from kundenwert.errors import UsageError
from kundenwert.names import STATES
from kundenwert.value.appraisal import Appraisal
from kundenwert.value.gathering import reduce_expected
from kundenwert.value.lever_gains import gains_by_state, reach
from kundenwert.value.levers import Lever
from kundenwert.value.outlook import Outlook
from kundenwert.value.packages import Packages

LOOKED_AT = 5000  # customers that a matrix of means is taken over, chosen by their ids


def losses_by_levers(
    appraisal: Appraisal,
    marks: Marks,
    scale: float,
    packages: Mapping[str, Sequence[str] | None] | None = None,
    *,
    threads: int | None = None,
) -> LossesInMoney:
    """What wrong labels cost, from what their standard packages gain with customers of each true state.

    Parameters
    ----------
    marks, scale : of the states.
    packages : of labels, as `[segments.packages]` states them.

    Raises
    ------
    UsageError : no levers, or levers that tell no two labels apart.
    """
    basis = appraisal.levers
    if basis is None:
        raise UsageError("losses = 'levers' follow from what levers gain, and there are none. Declare some.")
    rows = np.sort(np.argsort(appraisal.customers.keys, kind="stable")[:LOOKED_AT])

    def reduce(outlook: Outlook) -> tuple[FloatArray, FloatArray]:
        room = reduce_expected(outlook, appraisal).room
        found = states_of(outlook, room, room.scaled_by(scale), marks)
        codes = np.full(outlook.block.shape, -1, dtype=np.int64)
        codes[:, room.draws] = found.codes
        return gains_by_state(basis.plan, reach(outlook, basis.plan, basis.usable[outlook.rows]), codes, len(STATES))

    sums, people = np.zeros((len(basis.packages), len(STATES))), np.zeros(len(STATES))
    for _, _, (gained, counted) in appraisal.stream(reduce, rows=rows, stage="losses", threads=threads):
        sums += gained
        people += counted
    standard = packages_by_label(basis.packages.levers, packages)
    treatments = [position_of(basis.packages, standard[state.value]) for state in STATES]
    return derive_losses(mean_gains(sums[treatments], people), people)


def resolve_losses(
    given: Losses | npt.ArrayLike | Literal["levers"] | None,
    thresholds: Thresholds | None,
    appraisal: Appraisal,
    marks: Marks,
    scale: float,
    packages: Mapping[str, Sequence[str] | None] | None,
    *,
    threads: int | None = None,
) -> tuple[Losses, bool]:
    """The matrix that decides, and whether it follows from levers.

    Those that were derived together with the thresholds stay, where nothing else is stated.

    Raises
    ------
    UsageError : no losses, or "levers" without levers.
    """
    frozen = None if thresholds is None else thresholds.losses
    if not (isinstance(given, str) and given == "levers"):
        return Losses.resolve(frozen if given is None else given), given is None and frozen is not None
    return frozen or losses_by_levers(appraisal, marks, scale, packages, threads=threads).losses, True


def position_of(packages: Packages, treatment: Sequence[Lever]) -> int:
    """The position of a treatment; of its first lever alone where the two together are no package."""
    names = [lever.name for lever in treatment]
    together = {frozenset(one): place for place, one in enumerate(packages.names)}
    return together.get(frozenset(names), packages.position(names[:1]))
