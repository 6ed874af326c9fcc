"""Segments: the probability of each of six states, and the label that costs least to be wrong about.

A label is a decision, not a fact: it minimises expected loss under the customer's posterior, and where even the best
one would be too dear and waiting would tell more, the customer is `migrator`, that is undecided
(docs/statistics.md, section Segments).
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.decisions.derived_losses import resolve_losses
from kundenwert.decisions.evsi.waiting import RESOLVABLE, LookAhead
from kundenwert.decisions.hard_events import HardEvents
from kundenwert.decisions.hysteresis import SWITCHING_COST, Memory, Published
from kundenwert.decisions.judging import Judged, Rule, Verdicts, judge
from kundenwert.decisions.losses import FloatArray, Losses
from kundenwert.decisions.published_table import customer_table, notes_on
from kundenwert.decisions.rule import BoolArray, Decision
from kundenwert.decisions.standard_packages import cheapest_contact
from kundenwert.decisions.textbook import textbook_classes
from kundenwert.decisions.thresholds import Thresholds, derive_marks
from kundenwert.errors import NumericalError, UsageError
from kundenwert.names import SEGMENTS, Flag, PotentialBasis
from kundenwert.units import Horizon, TimeUnit
from kundenwert.value.actual import simulate_value
from kundenwert.value.appraisal import Appraisal, appraised
from kundenwert.value.bases import chosen
from kundenwert.value.gathering import reduce_expected
from kundenwert.value.individuals import Progress
from kundenwert.value.lever_basis import JUDGED
from kundenwert.value.outlook import Outlook
from kundenwert.value.results import Value

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.decisions.explaining import Explanation
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
    below_zero_possible : False where no cost ahead is above 0 and no margin is negative.
    decision : what the labels follow from, row by row; also of customers who objected, whose labels are not published.
    verdicts : probabilities, their Monte Carlo error and what waiting is worth, likewise.
    objected_total : (draw,) simulated value of customers who objected: in the total, in no label.
    context : what the pass rested on, for explanations, which make it again for one customer.
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
    context: Appraisal
    notes: tuple[str, ...] = ()

    def derived(self, day: dt.date, run: str) -> "Segments":
        """The same, with thresholds that say when and by which run they were derived."""
        return replace(self, thresholds=replace(self.thresholds, derived_on=day.isoformat(), derived_by=run))

    def explain(self, customer_id: object) -> "Explanation":
        """Why a customer has this label and not another one, and what data would change it.

        Raises
        ------
        UsageError : no such customer, or one who objected, of whom there is no profile.

        Examples
        --------
        >>> value = kw.estimate_value(posterior, summary, horizon="1 year", margin=0.3, draws=100)
        >>> segments = kw.segment(value, posterior, summary)
        >>> chances = segments.explain(summary.table["customer_id"].iloc[0]).probabilities
        >>> round(sum(chances.values()), 9)
        1.0
        """
        from kundenwert.decisions.explaining import explained

        return explained(self, customer_id)

    @property
    def potential(self) -> pd.DataFrame:
        """(customer,) unrealized value by every basis at hand, and predictive intervals of what is used.

        After the columns of `side_by_side`: `unrealized_low`, `unrealized_high`, `potential_low`, `potential_high`. A
        customer who has gone has no room in that future; room itself is as likely as its prior says. Missing of
        customers who objected.
        """
        names = ("unrealized_low", "unrealized_high", "potential_low", "potential_high")
        found = self.value.detail.assign(**dict(zip(names, self.verdicts.intervals.T, strict=True)))
        found.loc[self.table["segment"].isna().to_numpy(), found.columns[1:]] = np.nan
        return found

    @property
    def flicker(self) -> float | None:
        """Share of the labels that stood before that another set of draws would change; None where none stood."""
        return self.verdicts.flicker(self.context.customers.T, self.decision.price)

    @property
    def four_classes(self) -> pd.DataFrame:
        """(customer,) `customer_id`, `class` and `tag` as textbooks have them, see `textbook_classes`."""
        return textbook_classes(self.table)

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
    losses: Losses | npt.ArrayLike | Literal["levers"] | None = None,
    packages: Mapping[str, Sequence[str] | None] | None = None,
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
    losses : (6, 6) loss matrix, rows actions, columns truth, in the order of `names.STATES`; or "levers": what the
        standard treatments of labels gain, derived with the thresholds and frozen with them.
    packages : standard treatments of labels, names of levers, from which losses are derived where they are asked for
        by "levers"; by default they follow from the kinds of levers.
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
    UsageError : value, posterior and summary do not belong together; labels that stand without thresholds; losses by
        levers of a value without them.
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
    _same_removed(value, events)
    if thresholds is None:
        actual, unrealized = (value.table[name].to_numpy() for name in ("actual_value", "unrealized_value"))
        marks, scale = derive_marks(actual, unrealized, **cheapest_of(appraisal)), value.frontier.attainable_scale
    else:
        marks, scale = thresholds.marks, thresholds.attainable_scale
    price = thresholds.rejection_price if rejection_price is None and thresholds is not None else rejection_price
    matrix, in_money = resolve_losses(losses, thresholds, appraisal, marks, scale, packages, threads=threads)
    rule = Rule(
        marks,
        scale,
        matrix,
        price,
        LookAhead(Horizon.parse(look_ahead).in_units(value.settings.time_unit), resolvable),
        repairs_of(appraisal),
        memory_of(published, thresholds, summary, switching_cost, dwell, events, appraisal),
        events,
        in_money=in_money,
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
    losses = rule.losses if rule.in_money else None
    numbers = (marks.valuable, marks.growable, marks.below_zero, decision.price, rule.scale)
    frozen = Thresholds(*numbers, losses=losses)
    margin, *costs = value.ahead.offers.T
    possible = bool((margin < 0).any() or np.any(costs))
    totals, objected = verdicts.totals_by_label(decision.price)
    return Segments(
        table=customer_table(value, appraisal, verdicts, decision, frozen),
        thresholds=frozen,
        losses=rule.losses,
        value=value,
        totals_by_segment=totals,
        below_zero_possible=possible,
        decision=decision,
        verdicts=verdicts,
        objected_total=objected,
        context=appraisal,
        notes=notes_on(value, frozen, decision, possible, rule),
    )


def memory_of(
    published: Published | None,
    thresholds: Thresholds | None,
    summary: "CustomerSummary",
    switching_cost: float,
    dwell: Horizon | str,
    events: HardEvents | None,
    appraisal: Appraisal,
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
    draws = len(range(appraisal.people.draws)[draws_of(appraisal.basis)])
    return Memory(published, now, switching_cost, days, None if events is None else events.any, None, draws)


def draws_of(basis: PotentialBasis) -> slice:
    """Which draws states are counted in: those that had no part in choosing what is done."""
    return JUDGED if basis is PotentialBasis.LEVERS else slice(None)


def repairs_of(appraisal: Appraisal) -> BoolArray:
    """(customer,) for whom a lever on the cost to serve was evaluated."""
    levers = appraisal.levers
    return np.zeros(len(appraisal.customers), dtype=bool) if levers is None else levers.repaired


def cheapest_of(appraisal: Appraisal) -> dict[str, float | None]:
    """What `derive_marks` is told of levers: what they cost at least."""
    levers = appraisal.levers
    return {"cheapest_lever": None if levers is None else cheapest_contact(levers.packages.levers)}


def _same_removed(value: Value, events: HardEvents | None) -> None:
    """Who has died or is to be deleted is worth nothing: labels must not know of them what values do not."""
    if events is None or not events.removed.any():
        return
    if value.gone is None or not (value.gone == events.removed).all():
        raise UsageError(
            f"{int(events.removed.sum()):,} customers have died or are to be deleted, and the value counts them as "
            "customers. Estimate it with gone=events.removed, or use assess."
        )


def rescaled(value: Value, scale: float) -> Value:
    """The value with the scale of frozen thresholds, where it was estimated with another one."""
    table, detail, before = value.table.copy(), value.detail.copy(), value.frontier.attainable_scale
    gap = detail["gap"].to_numpy()
    detail["unrealized_peers"] = scale * value.room
    if before > 0:
        detail["attainable"] *= scale / before
    else:  # a cap of nothing, where nobody is worth anything, leaves nothing to multiply
        detail["attainable"] = np.divide(scale * value.room, gap, out=np.zeros(len(table)), where=gap > 0)
    table["unrealized_value"] = chosen(detail, value.basis)
    table["potential_value"] = table["actual_value"] + table["unrealized_value"]
    table["attainable_share"] = detail["attainable"].to_numpy()
    frontier = replace(value.frontier, attainable_scale=scale)
    return replace(value, table=table, detail=detail, frontier=frontier)


def refuse_non_finite(value: Value) -> None:
    """Values that are not finite, other than those of customers without a mean spend, are an error."""
    flagged = value.table["flags"].map(lambda flags: Flag.NO_MEAN_SPEND.value in flags).to_numpy(dtype=bool)
    actual = np.isfinite(value.table["actual_value"].to_numpy()) | flagged
    bad = ~(actual & np.isfinite(value.table["unrealized_value"].to_numpy()))
    if bad.any():
        ids = ", ".join(map(str, value.table["customer_id"].to_numpy()[bad][:5]))
        raise NumericalError(f"{int(bad.sum()):,} customers have a value that is not finite (first: {ids}).")
