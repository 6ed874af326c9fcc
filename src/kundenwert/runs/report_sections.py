"""What value and decisions add to a report where they know it: what changed, actions, payback, assumptions."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kundenwert.errors import UsageError
from kundenwert.runs import plan_words
from kundenwert.runs import wording as w
from kundenwert.runs.plots.bridge import equity_bridge_data, estimate_json
from kundenwert.runs.plots.budget import budget_curve_data
from kundenwert.runs.plots.flows import segment_flows_data
from kundenwert.runs.plots.payback import payback_curve_data
from kundenwert.runs.plots.style import Record, json_number
from kundenwert.runs.report_actions import ActionPlan, BreakEven, Objected, Payback, RoomOfBasis
from kundenwert.runs.report_change import EquityBridge, LabelFlows
from kundenwert.runs.report_realized import Realized, realized_record
from kundenwert.value.assumptions import Assumption

if TYPE_CHECKING:
    from kundenwert.value.settings import ValueSettings

SAME_TOTAL = 1e-3


@dataclass(frozen=True)
class Further:
    """Parts of a report that not every run has; without one, the page is as it would be without that question.

    Parameters
    ----------
    bridge : from the value of the run that was in use before this one to its value now.
    flows : labels then and now, of the same two runs.
    plan : who gets which action.
    payback : when customers pay back what it cost to win them.
    break_even : the most that winning a customer may cost, by cohort in time order.
    rooms : all room together by each basis of potential that was computed; exactly one is used.
    assumed : what the figures rest on, of `assumptions_of`.
    objected : customers who objected to profiling.
    recalibrated : what to say where this run's thresholds were derived anew though an earlier run had some, else empty.
    realized : what customers have brought so far; None where the log does not say it.
    beyond_wallet : customers of whom actions promise more than the wallet leaves room for.

    Raises
    ------
    UsageError : rooms of which not exactly one is used.
    """

    bridge: EquityBridge | None = None
    flows: LabelFlows | None = None
    plan: ActionPlan | None = None
    payback: Payback | None = None
    break_even: Sequence[BreakEven] = ()
    rooms: Sequence[RoomOfBasis] = ()
    assumed: Sequence[Assumption] = ()
    objected: Objected | None = None
    recalibrated: str = ""
    realized: Realized | None = None
    beyond_wallet: int = 0

    def __post_init__(self) -> None:
        if self.rooms and sum(room.used for room in self.rooms) != 1:
            raise UsageError("of the bases of potential exactly one is used.")

    @property
    def used(self) -> RoomOfBasis | None:
        """The basis that potential rests on, None where only peers were looked at."""
        return next((room for room in self.rooms if room.used), None)


def further_charts(further: Further, settings: "ValueSettings", *, show_ids: bool) -> Record:
    """The data of the charts that this run has beyond those of every run."""
    currency = str(settings.currency) if settings.currency else None
    terms: dict[str, Any] = {"currency": currency, "horizon": str(settings.horizon), "basis": settings.value_basis}
    charts: Record = {}
    if further.bridge is not None:
        charts["bridge"] = equity_bridge_data(further.bridge, **terms, interval=settings.interval)
    if further.flows is not None:
        charts["flows"] = segment_flows_data(further.flows, **terms, show_ids=show_ids)
    if further.plan is not None and further.plan.curve is not None:
        charts["budget"] = budget_curve_data(
            further.plan.curve,
            budget=further.plan.budget,
            **terms,
            interval=settings.interval,
            assumed=any(action.assumed for action in further.plan.actions),
        )
    if further.payback is not None:
        charts["payback"] = payback_curve_data(further.payback, horizon=terms["horizon"])
    return charts


def further_records(further: Further, currency: str | None) -> Record:
    """Everything of `Further` that is text or a table; None or empty where the run does not have it."""
    return {
        "plan": None if further.plan is None else _plan(further.plan, currency),
        "break_even": [_break_even(one) for one in further.break_even],
        "rooms": [
            {"basis": room.basis.value, "words": room.words, "room": json_number(room.room), "used": room.used}
            for room in further.rooms
        ],
        "objected": 0 if further.objected is None else further.objected.customers,
        "recalibrated": further.recalibrated,
        "realized": None if further.realized is None else realized_record(further.realized),
        "beyond_wallet": further.beyond_wallet,
    }


def check_change(further: Further, base: Record, previous: Mapping[str, Any] | None) -> None:
    """Refuses a change that is not the one from the run before to the figures of this page.

    Raises
    ------
    UsageError : there is no run before, or it is of another day, or the change ends at another value.
    """
    since = {part.since for part in (further.bridge, further.flows) if part is not None}
    then = None if previous is None else dt.date.fromisoformat(previous["as_of"])
    if since - {then}:
        raise UsageError(f"the change is one since {min(since - {then})}, the run before is of {then}.")
    if further.bridge is None:
        return
    end, value = further.bridge.end.mean, float(base["value"])
    if abs(end - value) > SAME_TOTAL * max(abs(end), abs(value), 1.0):
        raise UsageError(f"the change ends at {end:,.2f}, but the base is worth {value:,.2f}: one page, one value.")


def assumption_lines(assumed: Sequence[Assumption]) -> list[list[str]]:
    """Key, words and origin of each thing that the figures rest on."""
    return [[one.key, w.typeset(one.words), one.origin] for one in assumed]


def _plan(plan: ActionPlan, currency: str | None) -> Record:
    record: dict[str, Any] = {
        "actions": [
            {
                "name": w.short_id(action.name, 40),
                "customers": action.customers,
                "cost": json_number(action.cost),
                "gain": estimate_json(action.gain),
                "chance": json_number(action.chance, 4),
                "held_out": action.held_out,
                "assumed": action.assumed,
                "labels": {str(label): int(n) for label, n in action.labels.items() if n},
            }
            for action in plan.actions
        ],
        "cost": json_number(plan.cost),
        "gain": estimate_json(plan.gain),
        "loss_chance": json_number(plan.loss_chance, 4),
        "budget": None if plan.budget is None else json_number(plan.budget),
        "shadow_price": None if plan.shadow_price is None else json_number(plan.shadow_price),
        "enough": None if plan.curve is None else json_number(plan.curve.enough),
        "withheld": json_number(plan.withheld),
        "untested": [w.short_id(name, 40) for name in plan.untested],
        "channels": [
            {"name": w.short_id(one.name, 40), "contacts": one.contacts, "limit": one.limit, "price": one.price}
            for one in plan.channels
        ],
    }
    return {**record, "answer": plan_words.answer(record, currency), "rests_on": plan_words.rests_on(record)}


def _break_even(one: BreakEven) -> Record:
    return {
        "cohort": w.short_id(one.cohort, 24),
        "value": estimate_json(one.value),
        "cautious": json_number(one.cautious),
        "cost": None if one.cost is None else json_number(one.cost),
    }
