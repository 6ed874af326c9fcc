"""What to do about a customer who costs more than he brings: in order, and what the data say about each step.

The first five steps mend the terms of business. The last one ends it, and is a person's decision, never that of a
program: at most the package says to stop active investment (docs/statistics.md, section Explanations).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from kundenwert.decisions.phrases import NO_AVERAGE, counted, money_words
from kundenwert.decisions.segments import Segments
from kundenwert.errors import UsageError
from kundenwert.names import Flag, State
from kundenwert.units import rate_per_unit
from kundenwert.value.actual import expected_values
from kundenwert.value.economics import RETURNED
from kundenwert.value.outlook import Outlook

REASONS = (Flag.BZ_UNCONFIRMED.value, Flag.FIXABLE_BZ.value)


@dataclass(frozen=True)
class Step:
    """One rung.

    Parameters
    ----------
    key : its name.
    words : what is to be done.
    evidence : what the data say about it.
    value : actual value if it were done and the customer went on as before, in money; None where that is not known.
    """

    key: str
    words: str
    evidence: str
    value: float | None


@dataclass(frozen=True)
class Ladder:
    """The steps for one customer, to be taken in order, each only where those before do not help.

    Parameters
    ----------
    steps : in order.
    exit_value : max(0, -actual value), what the customer is expected to cost: a figure, not a piece of advice.
    automatic : what may be done without a person; None where nothing may.
    """

    steps: tuple[Step, ...]
    exit_value: float | None
    automatic: Flag | None


@dataclass(frozen=True)
class Expectation:
    """What the time ahead of one customer is expected to bring, in money.

    Parameters
    ----------
    value : actual value.
    off_file, not_served : the same without the cost of the record, and without that of time alive.
    orders : expected discounted number of orders.
    """

    value: float
    off_file: float
    not_served: float
    orders: float

    @property
    def exit_value(self) -> float | None:
        """What is saved if the customer leaves; None where no mean exists."""
        return None if np.isnan(self.value) else max(0.0, -self.value)


def needs_repair(row: "pd.Series[Any]") -> bool:
    """Whether a row of the table is labelled below zero, looks so, or would be so but for its potential."""
    return row["segment"] == State.BELOW_ZERO or any(flag in REASONS for flag in row["flags"])


def repair_steps(segments: Segments, at: int) -> Ladder:
    """The ladder of a customer who is below zero or may be.

    Parameters
    ----------
    at : position in the table of a customer labelled `below_zero`, or flagged `bz_unconfirmed` or `fixable_bz`.

    Raises
    ------
    UsageError : a customer with nothing to mend.
    """
    row = segments.table.iloc[at]
    if not needs_repair(row):
        raise UsageError(
            f"customer {row['customer_id']!r} is {row['segment']} and not flagged {' or '.join(REASONS)}: there is "
            "nothing to mend. Ask for customers with the label below_zero or one of these flags."
        )
    ahead = expected_ahead(segments, at)
    below = row["segment"] == State.BELOW_ZERO
    return Ladder(_steps(segments, at, ahead), ahead.exit_value, Flag.STOP_MARKETING if below else None)


def expected_ahead(segments: Segments, at: int) -> Expectation:
    """What one customer is expected to bring, and would without some of the costs: the pass made again for him."""

    def look(outlook: Outlook) -> list[float]:
        ahead = outlook.ahead
        without = [
            ahead,
            replace(ahead, file_cost=np.zeros(1)),
            replace(ahead, active_cost=np.zeros(1)),
            replace(ahead, order_cost=ahead.order_cost + 1.0),
        ]
        return [float(expected_values(outlook.block, one, [outlook.terms])[0, 0]) for one in without]

    passed = segments.context.stream(look, rows=np.array([at]), stage="explanation", threads=1)
    now, off_file, not_served, dearer = next(passed)[2]
    return Expectation(now, off_file, not_served, now - dearer)


def _steps(segments: Segments, at: int, ahead: Expectation) -> tuple[Step, ...]:
    row, currency = segments.table.iloc[at], segments.value.settings.currency
    offer, unit = segments.value.ahead, segments.value.settings.time_unit

    def money(value: float) -> str:
        return money_words(value, currency)

    a_year = [float(one[at]) / rate_per_unit(1.0, unit) for one in (offer.file_cost, offer.active_cost)]
    cost, margin = float(offer.order_cost[at]), float(offer.expected_offers[at, 0])
    today = f"{money(ahead.value)} today"
    person = f"P(below zero) {row['p_below_zero']:.2f}, P(dormant) {row['p_dormant']:.2f}"
    return (
        Step("verify", "Check data and how joint costs were shared out.", _largest_cost(segments, at), None),
        Step(
            "remove_waste",
            "Stop mailing: take the record off the costly lists.",
            f"The record costs {money(a_year[0])} a year; without it actual value is {money(ahead.off_file)}, {today}.",
            _known(ahead.off_file),
        ),
        Step("cheaper_channel", "Serve through a cheaper channel.", _channel(ahead, cost, money, today), None),
        Step(
            "terms",
            "Ask for a fee, a minimum order, or change the returns policy.",
            f"{_fee(ahead, money)} {_minimum(cost, margin, money)} {_returned(segments, at)}",
            None,
        ),
        Step(
            "no_active_marketing",
            "Stop active investment: no campaigns, no visits; orders stay welcome.",
            f"Time alive costs {money(a_year[1])} a year; without it actual value is {money(ahead.not_served)}, "
            f"{today}.",
            _known(ahead.not_served),
        ),
        Step(
            "reviewed_exit",
            "Let a person decide whether to end the relationship, after every step above.",
            f"{person}; {_exit(ahead, money)} within {segments.value.settings.horizon}.",
            None,
        ),
    )


def _exit(ahead: Expectation, money: Callable[[float], str]) -> str:
    return NO_AVERAGE if ahead.exit_value is None else f"expected to cost {money(ahead.exit_value)}"


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _largest_cost(segments: Segments, at: int) -> str:
    """Which of the costs so far is the largest."""
    breakdown, currency = segments.value.breakdown, segments.value.settings.currency
    parts = breakdown.table.iloc[at][[*breakdown.parts]].astype(float)
    orders = counted(float(segments.context.summary.table["orders"].iloc[at]), "order")
    if parts.isna().any():
        return f"What came of {orders} so far is not known."
    costs = -parts[parts < 0]
    total = money_words(float(parts.sum()), currency)
    if costs.empty:
        return f"{orders} so far: {total}, at no cost that was given. Look at the costs ahead."
    name = str(costs.idxmax())
    return (
        f"{orders} so far: {total}. The largest of {money_words(float(costs.sum()), currency)} of costs are "
        f"{name}, {money_words(float(costs.max()), currency)}."
    )


def _channel(ahead: Expectation, cost: float, money: Callable[[float], str], today: str) -> str:
    """From which cost of an order on the customer would be worth something."""
    if not ahead.orders > 0 or np.isnan(ahead.value):
        return f"An order costs {money(cost)}; {ahead.orders:.2f} orders are expected: a channel changes little."
    enough = cost + ahead.value / ahead.orders
    if enough < 0:
        return f"An order costs {money(cost)}; even at 0 actual value would be below 0, {today}."
    return f"An order costs {money(cost)}; at {money(enough)} actual value would be 0, {today}."


def _fee(ahead: Expectation, money: Callable[[float], str]) -> str:
    if not ahead.orders > 0 or np.isnan(ahead.value):
        return f"With {ahead.orders:.2f} orders expected a fee brings little."
    fee = max(0.0, -ahead.value / ahead.orders)
    return (
        f"A fee of {money(fee)} an order would bring actual value to 0, if {ahead.orders:.2f} orders come as expected."
    )


def _minimum(cost: float, margin: float, money: Callable[[float], str]) -> str:
    if margin <= 0:
        return f"At a margin of {margin:.0%} no order is large enough."
    return f"At a margin of {margin:.0%} an order covers its cost from {money(cost / margin)} on."


def _returned(segments: Segments, at: int) -> str:
    """How much comes back."""
    summary = segments.context.summary.table.iloc[at]
    if RETURNED in summary and not pd.isna(summary[RETURNED]):
        return f"{float(summary[RETURNED]):.0f} of {counted(float(summary['orders']), 'order')} came back."
    gross, refunds = float(summary["gross"]), float(summary["refunds"])
    if not gross > 0:
        return "How much came back is not known."
    return f"{refunds / gross:.0%} of what was paid came back."
