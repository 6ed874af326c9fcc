"""Why one customer has this label: what it rests on, what else might have been said, and what would change it.

A customer may ask how other data would have changed the result (CJEU C-203/22), so the answer comes from the pass that
labelled him and not from a story about it (docs/statistics.md, section Explanations).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from kundenwert.decisions.counterfactuals import Counterfactual, find_counterfactuals
from kundenwert.decisions.explaining_words import sentences_of
from kundenwert.decisions.hysteresis import NOTHING, STANDARD_ERRORS, standard_errors
from kundenwert.decisions.ladder import Ladder, needs_repair, repair_steps
from kundenwert.decisions.losses import FloatArray, risks
from kundenwert.decisions.phrases import counted, loss_words
from kundenwert.decisions.rule import BELOW_ZERO, BELOW_ZERO_CERTAINTY, DORMANT, allowed_labels
from kundenwert.decisions.segments import Segments
from kundenwert.errors import UsageError
from kundenwert.names import MIGRATOR, SEGMENTS, STATES
from kundenwert.units import Currency, rate_per_unit

SURE = 0.95  # of being below zero, in place of a customer's own probabilities: no precondition fails on it


@dataclass(frozen=True)
class Drivers:
    """What the label rests on. Money in the currency of the explanation, times in weeks.

    Parameters
    ----------
    orders : repeat orders, x.
    last, age : from the first order to the last one and to the end of observation, t_x and T.
    paid_days, mean_order : repeat days with positive spend, and their mean; None without one.
    value_basis : "revenue" where no margin was given, and so no cost.
    margin, order_cost, cost_per_year_active, cost_per_year_on_file : what forecasts charge.
    realized : what the customer has brought so far by its parts; empty where it is not known.
    p_alive : probability.
    actual_value, low, high : expected, and its predictive interval; expected is None where no mean exists.
    unrealized_value, potential_basis : what could come on top, and what that rests on.
    """

    orders: int
    last: float
    age: float
    paid_days: int
    mean_order: float | None
    value_basis: str
    margin: float
    order_cost: float
    cost_per_year_active: float
    cost_per_year_on_file: float
    realized: Mapping[str, float]
    p_alive: float
    actual_value: float | None
    low: float
    high: float
    unrealized_value: float
    potential_basis: str


@dataclass(frozen=True)
class Alternative:
    """A label that was not published.

    Parameters
    ----------
    label : one of `names.SEGMENTS`.
    expected_loss : of publishing it, in units of loss.
    extra : how much more than that of the published label; negative where it would have cost less.
    reasons : why it may not be published, or does not stand; empty where it only costs more.
    """

    label: str
    expected_loss: float
    extra: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """The label that stood before.

    Parameters
    ----------
    label : what was published.
    days : for how long, None where that is not known.
    dwell : days that a label stands at least.
    switching_cost, noise : what another label must be better by, and what draws cannot tell apart, in units of loss.
    mark : what waiting would have to be worth for this to change, of which draws cannot tell all, in units of loss:
        more against a label that stays, less where one stays withheld. None where that was not asked, or it changed.
    held, by_mark : whether the label stays only because of these; because of the mark alone.
    """

    label: str
    days: int | None
    dwell: float
    switching_cost: float
    noise: float
    mark: float | None
    held: bool
    by_mark: bool


@dataclass(frozen=True, repr=False)
class Explanation:
    """One label with everything that it follows from.

    Parameters
    ----------
    customer_id : as in the summary.
    label, status : what is published, and how firm it is.
    flags : what a reader must know.
    expected_loss, price : of the label, and that from which on labels are withheld, in units of loss.
    waiting, waiting_error : what seeing the customer's next time would be worth, in units of loss, and its Monte Carlo
        standard error; None where it was not asked, because a label is not too dear.
    look_ahead : weeks of that time. resolvable : worth from which on one waits.
    probabilities : state -> probability.
    drivers : what it rests on.
    alternatives : all other labels, the least costly first.
    standing : the label that stood before; None where none did.
    counterfactuals : what other data would have led to, each found by making the pass again.
    ladder : what to do about a customer who is below zero or may be; else None.
    currency : of all money.
    """

    customer_id: object
    label: str
    status: str
    flags: tuple[str, ...]
    expected_loss: float
    price: float
    waiting: float | None
    waiting_error: float | None
    look_ahead: float
    resolvable: float
    probabilities: Mapping[str, float]
    drivers: Drivers
    alternatives: tuple[Alternative, ...]
    standing: Standing | None
    counterfactuals: tuple[Counterfactual, ...]
    ladder: Ladder | None
    currency: Currency | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with the sentences."""
        found = asdict(self) | {"currency": str(self.currency) if self.currency else None}
        return {name: _plain(value) for name, value in found.items()} | {"sentences": [*self.sentences]}

    @property
    def sentences(self) -> tuple[str, ...]:
        """The same in words."""
        return sentences_of(self)

    def __repr__(self) -> str:
        return f"<Explanation of {self.customer_id!r}: {self.label}, {self.status}>"

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.sentences)
        return f"<p>Customer {escape(str(self.customer_id))}: {escape(self.label)}</p><ul>{lines}</ul>"


def explained(segments: Segments, customer_id: object) -> Explanation:
    """Why a customer has this label and not another one.

    Raises
    ------
    UsageError : no such customer, or one who objected, of whom there is no profile.
    """
    at = position_of(segments, customer_id)
    row, verdicts = segments.table.iloc[at], segments.verdicts
    look_ahead, week = verdicts.rule.look_ahead, segments.value.settings.time_unit.days / 7.0
    waiting, error = _known(verdicts.waiting[at]), _known(verdicts.waiting_error[at])
    return Explanation(
        customer_id=_plain(row["customer_id"]),
        label=str(row["segment"]),
        status=str(row["status"]),
        flags=tuple(row["flags"]),
        expected_loss=float(segments.decision.risk[at]),
        price=segments.decision.price,
        waiting=waiting,
        waiting_error=error,
        look_ahead=look_ahead.horizon * week,
        resolvable=look_ahead.resolvable,
        probabilities={state.value: float(row[f"p_{state.value}"]) for state in STATES},
        drivers=_drivers(segments, at),
        alternatives=_alternatives(segments, at),
        standing=_standing(segments, at),
        counterfactuals=find_counterfactuals(segments, at),
        ladder=repair_steps(segments, at) if needs_repair(row) else None,
        currency=segments.value.settings.currency,
    )


def position_of(segments: Segments, customer_id: object) -> int:
    """The position of a customer in the table.

    Raises
    ------
    UsageError : no such customer, or one who objected.
    """
    ids = segments.table["customer_id"].to_numpy(dtype=object)
    found = np.flatnonzero(ids == customer_id)
    if not len(found):
        alike = [one for one in ids if str(one) == str(customer_id)]
        hint = (
            f"{alike[0]!r} is one: ids keep the type that they were read with."
            if alike
            else (f"Ids are as in the table, {', '.join(repr(one) for one in ids[:3])} and so on.")
        )
        raise UsageError(f"there is no customer {customer_id!r}. {hint}")
    at = int(found[0])
    events = segments.verdicts.rule.events
    if events is not None and events.objected[at]:
        raise UsageError(
            f"customer {customer_id!r} objected to profiling: no profile exists, so there is nothing to explain. The "
            "customer counts in every total, and what was bought so far stands in the table."
        )
    return at


def _drivers(segments: Segments, at: int) -> Drivers:
    row, value = segments.table.iloc[at], segments.value
    summary, offer = segments.context.summary.table.iloc[at], value.ahead
    unit, breakdown = value.settings.time_unit, value.breakdown
    week, year = unit.days / 7.0, rate_per_unit(1.0, unit)
    parts = breakdown.table.iloc[at][[*breakdown.parts]].astype(float)
    paid = int(summary["spend_days"])
    return Drivers(
        orders=int(summary["frequency"]),
        last=float(summary["recency"]) * week,
        age=float(summary["T"]) * week,
        paid_days=paid,
        mean_order=float(summary["monetary_value"]) if paid else None,
        value_basis=value.settings.value_basis,
        margin=float(offer.expected_offers[at, 0]),
        order_cost=float(offer.order_cost[at]),
        cost_per_year_active=float(offer.active_cost[at]) / year,
        cost_per_year_on_file=float(offer.file_cost[at]) / year,
        realized={} if parts.isna().any() else {str(name): float(money) for name, money in parts.items()},
        p_alive=float(row["p_alive"]),
        actual_value=None if pd.isna(row["actual_value"]) else float(row["actual_value"]),
        low=float(row["actual_value_low"]),
        high=float(row["actual_value_high"]),
        unrealized_value=float(row["unrealized_value"]),
        potential_basis=str(row["potential_basis"]),
    )


def _alternatives(segments: Segments, at: int) -> tuple[Alternative, ...]:
    """Every other label, the least costly first."""
    risk, chosen = _risk(segments, at), str(segments.decision.labels[at])
    own = float(segments.decision.risk[at])
    standing = _standing(segments, at)
    closed = _closed(segments, at, None if standing is None else standing.mark)
    found = []
    for label, cost in zip(SEGMENTS, risk.tolist(), strict=True):
        reasons = closed.get(label, ())
        if not reasons and standing is not None and standing.held and cost < own:
            reasons = (_held_up(standing),)
        if label != chosen:
            found.append(Alternative(label, cost, cost - own, reasons))
    return tuple(sorted(found, key=lambda one: one.expected_loss))


def _risk(segments: Segments, at: int) -> FloatArray:
    """(label,) expected loss of each of `names.SEGMENTS`; withholding costs its price."""
    found = risks(segments.verdicts.probabilities[[at]], segments.losses)[0]
    return np.append(found, segments.decision.price)


def _closed(segments: Segments, at: int, mark: float | None) -> dict[str, tuple[str, ...]]:
    """Labels that may not be published on a customer, and why.

    The rule itself is asked about a customer on whom nothing stands in the way but one precondition at a time.

    Parameters
    ----------
    mark : what waiting must be worth, that of customers without a label by default.
    """
    verdicts, rule = segments.verdicts, segments.verdicts.rule
    own, age, cycle = verdicts.probabilities[at], float(segments.context.customers.T[at]), float(verdicts.cycle[at])
    repaired = bool(rule.repairs_evaluated[at])
    complaint = rule.events is not None and bool(rule.events.complaint[at])
    sure = np.zeros(len(STATES))
    sure[BELOW_ZERO], sure[DORMANT] = SURE, 1.0 - SURE
    allowed = allowed_labels(
        np.array([own, sure, sure, sure]),
        np.array([np.inf, age, np.inf, np.inf]),
        np.array([0.0, cycle, 0.0, 0.0]),
        repairs_evaluated=np.array([True, True, repaired, True]),
        complaint=np.array([False, False, False, complaint]),
    )
    week, orders = segments.value.settings.time_unit.days / 7.0, segments.context.customers.x[at]
    reasons = []
    found: dict[str, tuple[str, ...]] = {}
    if not allowed[0, DORMANT]:
        reasons.append(f"P(gone) is 0 by construction after {counted(float(orders), 'repeat order')}")
        found[STATES[DORMANT].value] = tuple(reasons)
    elif not allowed[0, BELOW_ZERO]:
        share = own[BELOW_ZERO] / (1.0 - own[DORMANT])
        reasons.append(f"P(below zero if still there) is {share:.3f}, less than {BELOW_ZERO_CERTAINTY:.1f}")
    if not allowed[1, BELOW_ZERO]:
        known, one = counted(age * week, "week"), counted(cycle * week, "week")
        reasons.append(f"known for {known}, less than the {one} that an order takes to come")
    if not allowed[2, BELOW_ZERO]:
        reasons.append("0 levers on the cost to serve were evaluated")
    if not allowed[3, BELOW_ZERO]:
        reasons.append("1 complaint is open")
    if reasons:
        found[STATES[BELOW_ZERO].value] = tuple(reasons)
    waiting, least = float(verdicts.waiting[at]), rule.mark if mark is None else mark
    if waiting < least:
        time = counted(rule.look_ahead.horizon * week, "week")
        found[MIGRATOR] = (f"waiting for {time} is worth {loss_words(waiting)}, less than {loss_words(least)}",)
    return found


def _standing(segments: Segments, at: int) -> Standing | None:
    """What stood before, and what another label had to be better by."""
    memory = segments.verdicts.rule.memory
    if memory is None or memory.published.labels[at] == NOTHING:
        return None
    verdicts, decision = segments.verdicts, segments.decision
    before, risk = int(memory.published.labels[at]), _risk(segments, at)
    mark = _known(verdicts.rule.marks_of_waiting(np.array([at]), verdicts.waiting_error[[at]])[0])
    closed = _closed(segments, at, mark)
    best = int(np.argmin([np.inf if label in closed else cost for label, cost in zip(SEGMENTS, risk, strict=True)]))
    by_action = np.vstack([segments.losses.array, np.zeros(len(STATES))])  # withholding costs the same on every draw
    difference = (by_action[before] - by_action[best])[None, :]
    chances, squares = (found[[at]] for found in (verdicts.probabilities, verdicts.squares))
    error = standard_errors(difference, chances, squares, memory.draws)
    stood = (memory.now - memory.published.since[at]) / np.timedelta64(1, "D")
    return Standing(
        label=SEGMENTS[before],
        days=None if np.isnan(stood) else round(float(stood)),
        dwell=memory.dwell,
        switching_cost=memory.switching_cost,
        noise=STANDARD_ERRORS * float(error[0]),
        mark=mark if decision.positions[at] == before else None,
        held=bool(decision.held[at]),
        by_mark=bool(verdicts.held_by_mark(segments.context.customers.T, decision.price)[at]),
    )


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def _held_up(standing: Standing) -> str:
    if standing.days is not None and standing.days < standing.dwell:
        return f"a label stands for {standing.dwell:.0f} days, and {standing.label} for {standing.days} so far"
    needed = f"{loss_words(standing.switching_cost)} for the change and {loss_words(standing.noise)} of noise"
    return f"it must be better by {needed}"


def _plain(value: Any) -> Any:
    """The same for JSON: no number that it does not know, no class of NumPy."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
