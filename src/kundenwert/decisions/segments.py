"""Segments: the probability of each of six states, and the label that costs least to be wrong about.

A label is a decision, not a fact: it minimises expected loss under the customer's posterior, and where even the best
one would be too dear the customer is `migrator`, that is undecided (docs/statistics.md, section Segments).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.decisions.losses import FloatArray, Losses
from kundenwert.decisions.rule import BoolArray, Decision, allowed_labels, decide
from kundenwert.decisions.states import state_posterior, totals_by_label
from kundenwert.decisions.thresholds import Marks, Thresholds, derive_marks
from kundenwert.errors import NumericalError, UsageError
from kundenwert.names import CUSTOMER_COLUMNS, SEGMENTS, STATES, Flag, Status
from kundenwert.value.individuals import Histories, Population, Progress, histories, population
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
    notes : what a reader must know about the whole.
    """

    table: pd.DataFrame
    thresholds: Thresholds
    losses: Losses
    value: Value
    totals_by_segment: dict[str, FloatArray]
    below_zero_possible: bool
    notes: tuple[str, ...] = ()

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
    threads, progress : as in `estimate_value`.

    Returns
    -------
    Segments

    Raises
    ------
    UsageError : value, posterior and summary do not belong together.
    NumericalError : a value that is not finite, with the customers' ids.

    Notes
    -----
    A customer flagged `no_mean_spend` has no expected value and no say in the thresholds, but draws like everybody
    else, and is labelled from them.

    Examples
    --------
    >>> value = kw.estimate_value(posterior, summary, horizon="1 year", margin=0.3, draws=100)
    >>> labels = kw.segment(value, posterior, summary).table["segment"]
    >>> bool(labels.isin(["most_valuable", "low_maintenance", "migrator"]).any())
    True
    """
    matrix = Losses.resolve(losses)
    people = population(posterior, value.settings.draws, value.settings.seed)
    customers = histories(posterior, summary)
    _same_customers(value, customers, people)
    _refuse_non_finite(value)
    if thresholds is None:
        marks = derive_marks(*(value.table[name].to_numpy() for name in ("actual_value", "unrealized_value")))
        scale = value.frontier.attainable_scale
    else:
        marks = Marks(thresholds.valuable, thresholds.growable, thresholds.below_zero)
        scale = thresholds.attainable_scale
    states = state_posterior(people, customers, value, marks, scale, threads=threads, progress=progress)
    if scale != value.frontier.attainable_scale:
        value = _rescaled(value, states.room, scale)
    price = thresholds.rejection_price if rejection_price is None and thresholds is not None else rejection_price
    allowed = allowed_labels(states.probabilities, customers.T, states.cycle)
    decision = decide(states.probabilities, allowed, matrix, price)
    frozen = Thresholds(marks.valuable, marks.growable, marks.below_zero, decision.price, scale)
    totals = totals_by_label(people, customers, value, decision.labels, threads=threads, progress=progress)
    possible = value.settings.has_costs or bool((value.margin < 0).any())
    table = _table(value, summary.table, states.probabilities, decision, frozen)
    return Segments(table, frozen, matrix, value, totals, possible, _notes(value, frozen, decision, possible))


def _table(
    value: Value, summary: pd.DataFrame, probabilities: FloatArray, decision: Decision, frozen: Thresholds
) -> pd.DataFrame:
    table = value.table.copy()
    for name in ("frequency", "recency", "T", "monetary_value"):
        table[name] = summary[name].to_numpy()
    for state, chance in zip(STATES, probabilities.T, strict=True):
        table[f"p_{state.value}"] = chance
    table["segment"] = decision.labels
    table["status"] = np.where(decision.undecided, Status.UNDECIDED.value, Status.DECIDED.value)
    table["expected_loss"] = decision.risk
    table["action"] = None
    table["expected_gain"] = np.nan
    actual, unrealized = table["actual_value"].to_numpy(), table["unrealized_value"].to_numpy()
    fixable = (actual < -frozen.below_zero) & (actual + unrealized > 0)
    table["flags"] = list(_flags(table["flags"], fixable, decision.unconfirmed))
    return table[list(CUSTOMER_COLUMNS)]


def _flags(before: pd.Series, fixable: BoolArray, unconfirmed: BoolArray) -> Iterator[list[str]]:
    for flags, can_be_fixed, not_confirmed in zip(before, fixable, unconfirmed, strict=True):
        more = [Flag.FIXABLE_BZ.value] * bool(can_be_fixed) + [Flag.BZ_UNCONFIRMED.value] * bool(not_confirmed)
        yield [*flags, *more]


def _notes(value: Value, frozen: Thresholds, decision: Decision, possible: bool) -> tuple[str, ...]:
    notes = list(value.notes)
    if not possible:
        notes.append("Nobody can be below zero here: no costs were given.")
    if np.isinf(frozen.valuable):
        notes.append("Nobody can be valuable here: no customer has positive actual value.")
    if np.isinf(frozen.growable):
        notes.append("Nobody can be growable here: there is no unrealized value.")
    if waiting := int(decision.unconfirmed.sum()):
        notes.append(f"{waiting:,} customers look below zero, but too little is known to label them so.")
    return tuple(notes)


def _rescaled(value: Value, room: FloatArray, scale: float) -> Value:
    """The value with the scale of frozen thresholds, where it was estimated with another one."""
    table = value.table.copy()
    table["unrealized_value"] = scale * room
    table["potential_value"] = table["actual_value"] + table["unrealized_value"]
    table["attainable_share"] = np.divide(scale * room, table["gap"], out=np.zeros(len(table)), where=table["gap"] > 0)
    return replace(value, table=table, frontier=replace(value.frontier, attainable_scale=scale))


def _same_customers(value: Value, customers: Histories, people: Population) -> None:
    known = value.table["customer_id"].to_numpy(dtype=object)
    if len(known) != len(customers) or not (known == customers.ids).all():
        raise UsageError(
            "value and summary do not hold the same customers in the same order. Segment with the summary that the "
            "value was estimated from."
        )
    if value.frontier.attainable.shape != (people.draws,):
        raise UsageError(f"the value has {value.settings.draws:,} draws, the posterior only {people.draws:,}.")


def _refuse_non_finite(value: Value) -> None:
    flagged = value.table["flags"].map(lambda flags: Flag.NO_MEAN_SPEND.value in flags).to_numpy(dtype=bool)
    actual = np.isfinite(value.table["actual_value"].to_numpy()) | flagged
    bad = ~(actual & np.isfinite(value.table["unrealized_value"].to_numpy()))
    if bad.any():
        ids = ", ".join(map(str, value.table["customer_id"].to_numpy()[bad][:5]))
        raise NumericalError(f"{int(bad.sum()):,} customers have a value that is not finite (first: {ids}).")
