"""Why a listed customer has this label: what it rests on, which label came next, and what would change it."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from kundenwert.names import MIGRATOR
from kundenwert.runs import wording as w

if TYPE_CHECKING:
    from kundenwert.decisions.counterfactuals import Counterfactual
    from kundenwert.decisions.explaining import Alternative, Drivers, Explanation

NOTHING_CHANGES = "No other data that we tried would change the label."
KINDS = ("orders", "silence", "spend")  # what a reader can wait for comes first
_LABELS = re.compile("|".join(w.SEGMENT_NAMES))


def reasons(one: "Explanation") -> list[str]:
    """Drivers, the label that came next, and the nearest change that leads to another label."""
    currency = str(one.currency) if one.currency else None
    return [_rests_on(one.drivers, currency), *_next_best(one), _would_change(one)]


def in_words(text: str) -> str:
    """A sentence about labels with their names for people.

    >>> in_words("2 more orders within 90 days: migrator.")
    '2 more orders within 90 days: undecided.'
    """
    return _LABELS.sub(lambda found: w.SEGMENT_NAMES[found[0]].lower(), text)


def most_probable(probabilities: Mapping[str, float], label: str) -> str:
    """The state that is more probable than that of the label, empty where there is none; nobody has a state undecided.

    >>> most_probable({"below_zero": 0.88, "dormant": 0.09}, "dormant")
    'most probably below zero (9 of 10)'
    """
    state = max(probabilities, key=lambda name: probabilities[name])
    if label not in probabilities or state == label:
        return ""
    return f"most probably {w.SEGMENT_NAMES[state].lower()} ({w.tenths(probabilities[state])})"


def _rests_on(found: "Drivers", currency: str | None) -> str:
    silent = w.plural(found.age - found.last, "week")
    each = "" if found.mean_order is None else f" of {w.money(found.mean_order, currency)} on average"
    known = w.plural(found.age, "week") if round(found.age) else "less than a week"
    since = f", silent for {silent}" if round(found.age - found.last) else ", the last one this week"
    repeat = w.plural(found.orders, "repeat order") if found.orders else "No repeat order"
    alive = w.tenths(found.p_alive)
    return f"{repeat}{each} in {known}{since}; still a customer: {alive}."


def _next_best(one: "Explanation") -> list[str]:
    """The least costly label that was not published, or a state's that is barred although it would cost less."""
    ranked = [other for other in one.alternatives if not (other.label == MIGRATOR and other.reasons)]
    return [_alternative(ranked[0], one.expected_loss)] if ranked else []


def _alternative(other: "Alternative", own: float) -> str:
    name = w.SEGMENT_NAMES[other.label]
    if other.reasons:
        return f"{name} would be nearer, but may not be said: {in_words('; '.join(other.reasons))}."
    return f"Next best: {name.lower()}, {_ratio(other.expected_loss, own)} to be wrong about."


def _ratio(other: float, own: float) -> str:
    """How much dearer than the published label, in words that need no unit of loss."""
    if own <= 0:
        return "dearer"
    more = other / own - 1
    if more < 0.005:
        return "as dear"
    return f"{w.percent(more)} dearer" if more < 1 else f"{w.number(other / own)} times as dear"


def _would_change(one: "Explanation") -> str:
    flips = [found for found in one.counterfactuals if found.label not in (None, one.label)]
    if not flips:
        return NOTHING_CHANGES
    nearest = min(flips, key=_nearness)
    return in_words(nearest.words)


def _nearness(found: "Counterfactual") -> tuple[int, float]:
    return KINDS.index(found.kind), found.size
