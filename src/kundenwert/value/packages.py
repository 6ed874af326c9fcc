"""Packages: which levers may be used on one customer together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from kundenwert.errors import UsageError
from kundenwert.spec_actions import MAX_PACKAGE
from kundenwert.value.eligibility import BoolArray
from kundenwert.value.levers import Lever


@dataclass(frozen=True)
class Packages:
    """What may be done to a customer; doing nothing is the first of it.

    Parameters
    ----------
    levers : as declared.
    members : (package,) positions of each package's levers, fewest first.
    """

    levers: tuple[Lever, ...]
    members: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.members)

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """(package,) names of each package's levers."""
        return tuple(tuple(self.levers[one].name for one in members) for members in self.members)

    def position(self, names: Iterable[str]) -> int:
        """The position of the package of these levers, in whatever order they are named.

        Raises
        ------
        UsageError : no package has them.
        """
        wanted = _positions(self.levers, names)
        if wanted not in self.members:
            raise UsageError(
                f"{' and '.join(self.levers[one].name for one in wanted)} are no package: two levers of one kind are "
                "used together only where that is declared. Pass declared=[...]."
            )
        return self.members.index(wanted)


def feasible_packages(levers: Sequence[Lever], declared: Iterable[Iterable[str]] = ()) -> Packages:
    """Nothing, each lever by itself, and all pairs of levers of different kinds.

    Two levers of one kind, such as two retention offers, want the same customers for the same reason; what each does by
    itself does not say what both do. So they make a package only where somebody declares it.

    Parameters
    ----------
    levers : each with a name of its own.
    declared : names of levers that somebody wants to use together, whatever their kinds; two at most.

    Returns
    -------
    Packages, fewer levers first and in the order of `levers`: whoever takes the first of equals takes the simplest.

    Raises
    ------
    UsageError : levers of one name, names that no lever has, more than two levers together.

    Notes
    -----
    docs/statistics.md, section Levers.

    Examples
    --------
    >>> mail, call = Lever("mail", "reactivation"), Lever("call", "retention")
    >>> feasible_packages([mail, call, Lever("visit", "retention")]).names
    ((), ('mail',), ('call',), ('visit',), ('mail', 'call'), ('mail', 'visit'))
    """
    given = tuple(levers)
    if len({lever.name for lever in given}) < len(given):
        raise UsageError("levers need names of their own: packages, budgets and random streams go by them.")
    pairs = {pair for pair in combinations(range(len(given)), 2) if given[pair[0]].on != given[pair[1]].on}
    stated = {_positions(given, names) for names in declared}
    members = {(), *((one,) for one in range(len(given))), *pairs, *stated}
    return Packages(given, tuple(sorted(members, key=lambda one: (len(one), one))))


def packages_open(packages: Packages, levers_open: npt.ArrayLike) -> BoolArray:
    """To whom each package may be applied: all of its levers must be open to a customer.

    Parameters
    ----------
    levers_open : (customer, lever) from `open_to`.

    Returns
    -------
    (customer, package), the first column True: doing nothing is open to everybody.

    Examples
    --------
    >>> both = feasible_packages([Lever("mail", "reactivation"), Lever("call", "retention")])
    >>> packages_open(both, [[True, False], [True, True]]).tolist()
    [[True, True, False, False], [True, True, True, True]]
    """
    given = np.asarray(levers_open, dtype=bool)
    if given.ndim != 2 or given.shape[1] != len(packages.levers):
        raise UsageError(f"levers_open has the shape {given.shape}, and there are {len(packages.levers)} levers.")
    return np.column_stack([given[:, list(members)].all(axis=1) for members in packages.members])


def _positions(levers: Sequence[Lever], names: Iterable[str]) -> tuple[int, ...]:
    known = {lever.name: position for position, lever in enumerate(levers)}
    wanted = dict.fromkeys(names)
    missing = [name for name in wanted if name not in known]
    if missing:
        raise UsageError(f"no lever is called {', '.join(map(repr, missing))}. Known: {', '.join(known) or 'none'}.")
    if len(wanted) > MAX_PACKAGE:
        raise UsageError(f"{', '.join(wanted)}: a package has at most {MAX_PACKAGE} levers.")
    return tuple(sorted(known[name] for name in wanted))
