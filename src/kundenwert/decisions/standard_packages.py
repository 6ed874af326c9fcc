"""What is done to the customers of a label as a rule, as levers: the treatment whose gain a label stands for.

| label           | treatment                                                                   |
|-----------------|-----------------------------------------------------------------------------|
| most_valuable   | retain, and a status that binds                                             |
| super_growth    | retain, and grow                                                            |
| most_growable   | grow                                                                        |
| low_maintenance | serve at less cost                                                          |
| below_zero      | repair: serve at less cost, then a fee                                      |
| dormant         | nothing, unless an experiment has shown how many come back                  |
| migrator        | the cheapest thing that a customer can answer                               |

A label without a lever that fits gets none (docs/statistics.md, section Segments).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from kundenwert.errors import UsageError, did_you_mean
from kundenwert.names import MIGRATOR, SEGMENTS, LeverOn, State
from kundenwert.spec_actions import MAX_PACKAGE

if TYPE_CHECKING:
    from kundenwert.value.levers import Lever

_GROWTH = (LeverOn.FREQUENCY, LeverOn.SPEND)
_ANSWERED = (*_GROWTH, LeverOn.REACTIVATION)


def packages_by_label(
    levers: Sequence["Lever"],
    stated: Mapping[str, Sequence[str] | None] | None = None,
    gains: Mapping[str, float] | None = None,
) -> dict[str, tuple["Lever", ...]]:
    """The standard treatment of each label.

    Parameters
    ----------
    levers : that are declared; of several of a kind the first one counts.
    stated : label -> names of levers, as in `[segments.packages]`; None leaves it to the kinds of levers, and an empty
        list is nothing at all.
    gains : lever -> mean net gain per customer, where it is known: the best of a kind then comes first. A lever that
        is not named gains nothing.

    Returns
    -------
    dict
        One entry per `names.SEGMENTS`, of at most two levers.

    Raises
    ------
    UsageError : an unknown label or lever, one twice, or more than two.

    Examples
    --------
    >>> from kundenwert.value.levers import Lever
    >>> found = packages_by_label([Lever("call", "retention"), Lever("mail", "spend")], {"dormant": ["mail"]})
    >>> {label: [lever.name for lever in package] for label, package in found.items() if package}
    {'most_valuable': ['call'], 'super_growth': ['call', 'mail'], 'most_growable': ['mail'], 'dormant': ['mail'], \
'migrator': ['mail']}
    """
    ranked = list(levers) if gains is None else sorted(levers, key=lambda one: -gains.get(one.name, 0.0))
    packages = dict.fromkeys(SEGMENTS, ()) | _by_kind(ranked)
    for label, names in (stated or {}).items():
        if label not in SEGMENTS:
            raise UsageError(f"{label!r} is no label.{did_you_mean(label, SEGMENTS)} Labels are {', '.join(SEGMENTS)}.")
        if names is not None:
            packages[label] = _named(label, names, levers)
    return packages


def contact_cost(lever: "Lever") -> float:
    """Expected cost of reaching one customer with a lever, in money, that of takers included.

    Takers of a reactivation depend on the customer and are left out.
    """
    share = 0.0 if lever.take_up is None else lever.take_up[0]
    return lever.cost_per_contact + share * lever.cost_per_taker


def cheapest_contact(levers: Iterable["Lever"]) -> float | None:
    """The least of `contact_cost`; None without levers."""
    return min((contact_cost(lever) for lever in levers), default=None)


def _by_kind(levers: Sequence["Lever"]) -> dict[str, tuple["Lever", ...]]:
    retain = _first(levers, LeverOn.RETENTION)
    status = _first(levers, LeverOn.VIP)
    grow = _first(levers, *_GROWTH)
    savings = [one for one in levers if one.on is LeverOn.COST_TO_SERVE and not one.fee_per_order]
    fees = [one for one in levers if one.on is LeverOn.COST_TO_SERVE and one.fee_per_order]
    # Untried, a reactivation of all who seem to have gone spends money on a guess: a small randomised cell comes first.
    tried = [one for one in levers if not one.assumed]
    answered = [one for one in levers if one.on in _ANSWERED]
    return {
        State.MOST_VALUABLE: (*retain, *status),
        State.SUPER_GROWTH: (*(retain or status), *grow),
        State.MOST_GROWABLE: grow,
        State.LOW_MAINTENANCE: tuple(savings[:1]),
        State.BELOW_ZERO: (*savings[:1], *fees[:1]),
        State.DORMANT: _first(tried, LeverOn.REACTIVATION),
        MIGRATOR: (min(answered, key=contact_cost),) if answered else (),
    }


def _first(levers: Sequence["Lever"], *kinds: LeverOn) -> tuple["Lever", ...]:
    return next(((one,) for one in levers if one.on in kinds), ())


def _named(label: str, names: Sequence[str], levers: Sequence["Lever"]) -> tuple["Lever", ...]:
    by_name = {lever.name: lever for lever in levers}
    for name in names:
        if name not in by_name:
            known = f" Known: {', '.join(by_name)}." if by_name else " None is declared."
            hint = did_you_mean(name, by_name) or known
            raise UsageError(f"the package of {label} names the lever {name!r}, which is not declared.{hint}")
    if len(set(names)) < len(names) or len(names) > MAX_PACKAGE:
        raise UsageError(f"the package of {label} needs at most {MAX_PACKAGE} levers, each once: {', '.join(names)}.")
    return tuple(by_name[name] for name in names)
