"""Segments: the probability of each of six states, and the label that costs least to be wrong about.

A label is a decision, not a fact: it minimises expected loss under the customer's posterior, and where even the best
one would be too dear and waiting would tell more, the customer is `migrator`, that is undecided
(docs/statistics.md, section Segments).
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.decisions.evsi.waiting import RESOLVABLE, LookAhead
from kundenwert.decisions.hard_events import HardEvents
from kundenwert.decisions.hysteresis import SWITCHING_COST, Memory, Published
from kundenwert.decisions.judging import Judged, Rule, Verdicts, judge
from kundenwert.decisions.losses import FloatArray, Losses
from kundenwert.decisions.rule import BoolArray, Decision
from kundenwert.decisions.thresholds import Thresholds, derive_marks
from kundenwert.errors import NumericalError, UsageError
from kundenwert.names import CUSTOMER_COLUMNS, SEGMENTS, STATES, Flag, State, Status
from kundenwert.units import Horizon, TimeUnit
from kundenwert.value.actual import simulate_value
from kundenwert.value.appraisal import Appraisal, appraised
from kundenwert.value.estimate import reduce_expected
from kundenwert.value.individuals import Progress
from kundenwert.value.outlook import Outlook
from kundenwert.value.results import Value

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior


@dataclass(frozen=True, repr=False)
class Segments:
    """Labels and their probabilities.

    Parameters
    ----------
    table : `names.CUSTOMER_COLUMNS`, one row a customer, in the order of the summary.
    thresholds : frozen marks; hand them to the next run.
    losses : the matrix that decided.
    value : the values that were labelled, with the scale of `thresholds`.
    totals_by_segment : label -> (draw,) simulated value of its customers, in money.
    below_zero_possible : False where no cost was given and no margin is negative.
    decision : what the labels follow from, row by row; also of customers who objected, whose labels are not published.
    verdicts : probabilities, their Monte Carlo error and what waiting is worth, likewise.
    objected_total : (draw,) simulated value of customers who objected: in the total, in no label.
    notes : what a reader must know about the whole.
    """

    table: pd.DataFrame
    thresholds: Thresholds
    losses: Losses
    value: Value
    totals_by_segment: dict[str, FloatArray]
    below_zero_possible: bool
    decision: Decision
    verdicts: Verdicts
    objected_total: FloatArray
    notes: tuple[str, ...] = ()

    def derived(self, day: dt.date, run: str) -> "Segments":
        """The same, with thresholds that say when and by which run they were derived."""
        return replace(self, thresholds=replace(self.thresholds, derived_on=day.isoformat(), derived_by=run))

    def __repr__(self) -> str:
        counts = self.table["segment"].value_counts()
        shown = ", ".join(f"{name} {counts[name]:,}" for name in SEGMENTS if name in counts)
        return f"<Segments of {len(self.table):,} customers, thresholds {self.thresholds.version}: {shown}>"

    def _repr_html_(self) -> str:
        counts = self.table["segment"].value_counts()
        rows = "".join(
            f"<tr><th scope='row'>{name}</th><td>{counts[name]:,}</td>"
            f"<td>{np.median(self.totals_by_segment[name]):,.0f}</td></tr>"
            for name in SEGMENTS
            if name in counts
        )
        money = f", {self.value.settings.currency}" if self.value.settings.currency else ""
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        head = f"<tr><th>segment</th><th>customers</th><th>actual value together{money}</th></tr>"
        return f"<table>{head}{rows}</table><ul>{notes}</ul>"


def segment(
    value: Value,
    posterior: "Posterior",
    summary: "CustomerSummary",
    *,
    thresholds: Thresholds | None = None,
    losses: Losses | npt.ArrayLike | None = None,
    rejection_price: float | None = None,
    published: Published | None = None,
    switching_cost: float = SWITCHING_COST,
    dwell: Horizon | str = "4 weeks",
    look_ahead: Horizon | str = "1 quarter",
    resolvable: float = RESOLVABLE,
    events: HardEvents | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Segments:
    """Labels each customer by least expected loss, or withholds the label.

    The individual draws are made again from their seeds: what `estimate_value` saw is what is labelled here.

    Parameters
    ----------
    value : from the same posterior and summary.
    thresholds : of an earlier run, used as they are; by default they are derived from these customers.
    losses : (6, 6) loss matrix, rows actions, columns truth, in the order of `names.STATES`.
    rejection_price : expected loss above which a label is withheld; overrides the derived or frozen one.
    published : labels that stand, see `recall`; only with thresholds, for labels of others mean something else.
    switching_cost : in units of loss, what another treatment must be better by.
    dwell : how long a label stands at least.
    look_ahead : how long one would wait before an undecided customer is labelled all the same.
    resolvable : what waiting must be worth, in units of loss, for a label to be withheld.
    events : objections, removals and complaints, see `hard_events`.
    threads, progress : as in `estimate_value`.

    Returns
    -------
    Segments

    Raises
    ------
    UsageError : value, posterior and summary do not belong together; labels that stand without thresholds.
    NumericalError : a value that is not finite, with the customers' ids.

    Notes
    -----
    A customer flagged `no_mean_spend` has no expected value and no say in the thresholds, but draws like everybody
    else, and is labelled from them. Below zero is published only where levers on the cost to serve were evaluated;
    see `assess`.

    Examples
    --------
    >>> value = kw.estimate_value(posterior, summary, horizon="1 year", margin=0.3, draws=100)
    >>> labels = kw.segment(value, posterior, summary).table["segment"]
    >>> bool(labels.isin(["most_valuable", "low_maintenance", "migrator"]).any())
    True
    """
    appraisal = appraised(value, posterior, summary)
    refuse_non_finite(value)
    if thresholds is None:
        marks = derive_marks(*(value.table[name].to_numpy() for name in ("actual_value", "unrealized_value")))
        scale = value.frontier.attainable_scale
    else:
        marks, scale = thresholds.marks, thresholds.attainable_scale
    price = thresholds.rejection_price if rejection_price is None and thresholds is not None else rejection_price
    rule = Rule(
        marks,
        scale,
        losses_of(losses, thresholds),
        price,
        LookAhead(Horizon.parse(look_ahead).in_units(value.settings.time_unit), resolvable),
        memory_of(published, thresholds, summary, switching_cost, dwell, events, appraisal.people.draws),
        repairs_evaluated=np.zeros(len(appraisal.customers), dtype=bool),
        events=events,
    )
    verdicts = Verdicts.of(rule, len(appraisal.customers), appraisal.people.draws)
    for rows, found in judged(appraisal, rule, threads, progress):
        verdicts.add(rows, found)
    if scale != value.frontier.attainable_scale:
        value = rescaled(value, scale)
    return concluded(value, appraisal, verdicts)


def judged(
    appraisal: Appraisal, rule: Rule, threads: int | None, progress: Progress | None
) -> Iterator[tuple[npt.NDArray[np.int64], Judged]]:
    """The pass over the customers that decides."""

    def reduce(outlook: Outlook) -> Judged:
        room = reduce_expected(outlook, appraisal).room
        return judge(outlook, room, simulate_value(outlook).value, rule, appraisal)

    passed = appraisal.stream(reduce, stage="segments", threads=threads, progress=progress)
    return ((rows, found) for rows, _, found in passed)


def concluded(value: Value, appraisal: Appraisal, verdicts: Verdicts) -> Segments:
    """What all the decisions come to.

    Parameters
    ----------
    value : of the customers, with the scale that decided.
    """
    rule = verdicts.rule
    decision = verdicts.decision(appraisal.customers.T)
    marks = rule.marks
    frozen = Thresholds(marks.valuable, marks.growable, marks.below_zero, decision.price, rule.scale)
    possible = value.settings.has_costs or bool((value.ahead.margin < 0).any())
    totals, objected = verdicts.totals_by_label(decision.price)
    return Segments(
        table=_table(value, appraisal, verdicts, decision, frozen),
        thresholds=frozen,
        losses=rule.losses,
        value=value,
        totals_by_segment=totals,
        below_zero_possible=possible,
        decision=decision,
        verdicts=verdicts,
        objected_total=objected,
        notes=_notes(value, frozen, decision, possible, rule),
    )


def memory_of(
    published: Published | None,
    thresholds: Thresholds | None,
    summary: "CustomerSummary",
    switching_cost: float,
    dwell: Horizon | str,
    events: HardEvents | None,
    draws: int,
) -> Memory | None:
    """What was published, and what it takes to publish something else; None where nothing was.

    Raises
    ------
    UsageError : labels without the thresholds that they were given by, or without a day to count from.
    """
    if published is None:
        return None
    if thresholds is None:
        raise UsageError("labels can stand only with the thresholds that they were given by. Pass thresholds=, too.")
    if summary.observation_end is None:
        raise UsageError("how long labels have stood is counted to the summary's observation_end, which it lacks.")
    days = Horizon.parse(dwell).in_units(TimeUnit.DAY)
    now = np.datetime64(summary.observation_end, "D")
    return Memory(published, now, switching_cost, days, None if events is None else events.any, None, draws)


def losses_of(given: Losses | npt.ArrayLike | None, thresholds: Thresholds | None) -> Losses:
    """What is stated, else what was derived together with the thresholds, else the default."""
    frozen = None if thresholds is None else thresholds.losses
    return Losses.resolve(frozen if given is None else given)


PROFILE = (
    "p_alive",
    "churn_probability",
    "expected_purchases",
    "actual_value",
    "actual_value_low",
    "actual_value_high",
    "potential_value",
    "unrealized_value",
    "expected_loss",
    "expected_gain",
)


def _table(
    value: Value, appraisal: Appraisal, verdicts: Verdicts, decision: Decision, frozen: Thresholds
) -> pd.DataFrame:
    table = value.table.copy()
    for name in ("frequency", "recency", "T", "monetary_value"):
        table[name] = appraisal.summary.table[name].to_numpy()
    for state, chance in zip(STATES, verdicts.probabilities.T, strict=True):
        table[f"p_{state.value}"] = chance
    table["segment"] = decision.labels
    firm = np.where(decision.borderline, Status.BORDERLINE.value, Status.DECIDED.value)
    table["status"] = np.where(decision.undecided, Status.UNDECIDED.value, firm).astype(object)
    table["expected_loss"] = decision.risk
    table["action"] = None
    table["expected_gain"] = np.nan
    actual, unrealized = table["actual_value"].to_numpy(), table["unrealized_value"].to_numpy()
    marks = {
        Flag.FIXABLE_BZ: (actual < -frozen.below_zero) & (actual + unrealized > 0),
        Flag.BZ_UNCONFIRMED: decision.unconfirmed,
        Flag.STOP_MARKETING: decision.labels == State.BELOW_ZERO.value,
        Flag.HELD: decision.held,
    }
    events, memory = verdicts.rule.events, verdicts.rule.memory
    if events is not None:
        table = _without_profile(table, events.objected)
        marks = {flag: mask & ~events.objected for flag, mask in marks.items()}
        marks |= {Flag.OBJECTED: events.objected, Flag.COMPLAINT_OPEN: events.complaint & ~events.objected}
    table["flags"] = list(_flags(table["flags"], marks))
    columns = [*CUSTOMER_COLUMNS]
    if memory is not None:
        table["label_since"] = memory.published.since_when(table["segment"].to_numpy(dtype=object), memory.now)
        columns.append("label_since")
    elif appraisal.summary.observation_end is not None:
        labelled = table["segment"].notna().to_numpy()
        day = np.datetime64(appraisal.summary.observation_end, "D")
        table["label_since"] = np.where(labelled, day, np.datetime64("NaT", "D"))
        columns.append("label_since")
    return table[columns]


def _without_profile(table: pd.DataFrame, objected: BoolArray) -> pd.DataFrame:
    """What a model says of customers who objected is not said: only what they brought so far stays."""
    if objected.any():
        table.loc[objected, [*PROFILE, *(f"p_{state.value}" for state in STATES)]] = np.nan
        for name in ("segment", "status"):
            table.loc[objected, name] = None
        table["flags"] = [[] if gone else flags for flags, gone in zip(table["flags"], objected, strict=True)]
    return table


def _flags(before: pd.Series, marks: dict[Flag, BoolArray]) -> Iterator[list[str]]:
    found = [list(flags) for flags in before]
    for flag, mask in marks.items():
        for row in np.flatnonzero(mask):
            found[row].append(flag.value)
    return iter(found)


def _notes(value: Value, frozen: Thresholds, decision: Decision, possible: bool, rule: Rule) -> tuple[str, ...]:
    notes = list(value.notes)
    if not possible:
        notes.append("Nobody can be below zero here: no costs were given.")
    if np.isinf(frozen.valuable):
        notes.append("Nobody can be valuable here: no customer has positive actual value.")
    if np.isinf(frozen.growable):
        notes.append("Nobody can be growable here: there is no unrealized value.")
    if waiting := int(decision.unconfirmed.sum()):
        repaired = rule.repairs_evaluated is None or bool(rule.repairs_evaluated.any())
        notes.append(
            f"{waiting:,} customers look below zero, but too little is known to label them so."
            if repaired
            else f"{waiting:,} customers look below zero. They are not labelled so: what would mend it, a lever on the "
            "cost to serve, has not been evaluated."
        )
    if rule.events is not None and (objected := int(rule.events.objected.sum())):
        notes.append(f"{objected:,} customers objected to profiling: they are in every total and in no list.")
    return tuple(notes)


def rescaled(value: Value, scale: float) -> Value:
    """The value with the scale of frozen thresholds, where it was estimated with another one."""
    table = value.table.copy()
    table["unrealized_value"] = scale * value.room
    table["potential_value"] = table["actual_value"] + table["unrealized_value"]
    share = np.divide(scale * value.room, table["gap"], out=np.zeros(len(table)), where=table["gap"] > 0)
    table["attainable_share"] = share
    return replace(value, table=table, frontier=replace(value.frontier, attainable_scale=scale))


def refuse_non_finite(value: Value) -> None:
    """Values that are not finite, other than those of customers without a mean spend, are an error."""
    flagged = value.table["flags"].map(lambda flags: Flag.NO_MEAN_SPEND.value in flags).to_numpy(dtype=bool)
    actual = np.isfinite(value.table["actual_value"].to_numpy()) | flagged
    bad = ~(actual & np.isfinite(value.table["unrealized_value"].to_numpy()))
    if bad.any():
        ids = ", ".join(map(str, value.table["customer_id"].to_numpy()[bad][:5]))
        raise NumericalError(f"{int(bad.sum()):,} customers have a value that is not finite (first: {ids}).")
