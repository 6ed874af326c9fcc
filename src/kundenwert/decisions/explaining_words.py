"""An explanation in sentences, each with the customer's own numbers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kundenwert.decisions.phrases import NO_AVERAGE, counted, loss_words, money_words

if TYPE_CHECKING:
    from kundenwert.decisions.explaining import Alternative, Drivers, Explanation

LEAST = 0.005  # probabilities below it are not spelled out


def sentences_of(one: "Explanation") -> tuple[str, ...]:
    """What an explanation says, in the order of the questions that a reader has."""
    return (
        f"{one.label}, {one.status}: its expected loss is {loss_words(one.expected_loss)} where a label is withheld "
        f"beyond {loss_words(one.price)}.",
        *_drivers(one),
        _probabilities(one),
        *(_alternative(other) for other in one.alternatives),
        *_standing(one),
        *_waiting(one),
        *(found.words for found in one.counterfactuals),
        *_ladder(one),
    )


def _drivers(one: "Explanation") -> Iterator[str]:
    found, silent = one.drivers, one.drivers.age - one.drivers.last
    spend = "" if found.mean_order is None else f", {_money(one, found.mean_order)} on average"
    repeat = counted(found.orders, "repeat order")
    yield f"{repeat} in {counted(found.age, 'week')}, none for the last {counted(silent, 'week')}{spend}."
    average = NO_AVERAGE if found.actual_value is None else f"{_money(one, found.actual_value)} on average"
    yield (
        f"P(still there) {found.p_alive:.2f}; actual value {average}, {_money(one, found.low)} to "
        f"{_money(one, found.high)} in its interval; room for {_money(one, found.unrealized_value)} more, by "
        f"{found.potential_basis}."
    )
    yield _charged(one, found)
    if found.realized:
        parts = ", ".join(f"{name} {_money(one, money)}" for name, money in found.realized.items() if money)
        yield f"Realized so far {_money(one, sum(found.realized.values()))}{': ' if parts else ''}{parts}."


def _charged(one: "Explanation", found: "Drivers") -> str:
    if found.value_basis == "revenue":
        return f"All money is revenue: no margin was given, so {found.margin:.0%} of what comes in counts, at no cost."
    a_year = [_money(one, cost) for cost in (found.cost_per_year_active, found.cost_per_year_on_file)]
    return (
        f"Of an order {found.margin:.0%} are margin and {_money(one, found.order_cost)} cost; time alive costs "
        f"{a_year[0]} a year and the record {a_year[1]}."
    )


def _probabilities(one: "Explanation") -> str:
    shown = {state: chance for state, chance in one.probabilities.items() if chance >= LEAST}
    ranked = sorted(shown.items(), key=lambda item: -item[1])
    return f"Probabilities: {', '.join(f'{state} {chance:.2f}' for state, chance in ranked)}."


def _alternative(other: "Alternative") -> str:
    less = other.extra < 0
    costs = f"{other.label} would cost {loss_words(abs(other.extra))} {'less' if less else 'more'}"
    return f"{costs}, but is not open: {'; '.join(other.reasons)}." if other.reasons else f"{costs}."


def _standing(one: "Explanation") -> Iterator[str]:
    before = one.standing
    if before is None:
        return
    time = "an unknown time" if before.days is None else counted(before.days, "day")
    if before.by_mark:
        result = "it stays, because what waiting is worth lies too close to the mark"
    elif before.held:
        result = "it stays for that reason alone"
    elif before.label == one.label:
        result = "it stays"
    else:
        result = f"{one.label} takes its place"
    yield (
        f"{before.label} stood for {time}; a label stands for {counted(before.dwell, 'day')} at least, and another one "
        f"must be better by more than {loss_words(before.switching_cost + before.noise)}: {result}."
    )


def _waiting(one: "Explanation") -> Iterator[str]:
    if one.waiting is None or one.waiting_error is None:
        return
    before = one.standing
    moved = (
        "" if before is None or before.mark is None else f", and from {loss_words(before.mark)} on after {before.label}"
    )
    yield (
        f"Waiting for {counted(one.look_ahead, 'week')} is worth {loss_words(one.waiting)}, known to "
        f"{loss_words(one.waiting_error)}; it pays from {loss_words(one.resolvable)} on{moved}."
    )


def _ladder(one: "Explanation") -> Iterator[str]:
    if one.ladder is not None:
        yield from (f"{step.words} {step.evidence}" for step in one.ladder.steps)


def _money(one: "Explanation", value: float) -> str:
    return money_words(value, one.currency)
