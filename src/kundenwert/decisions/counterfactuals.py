"""What would have to be different for another label: the pass that decides, made again on changed data of one customer.

Nothing is extrapolated. Each change is a history that the customer could have; all of them go through the pass that
labelled the customer, with the same random streams, frozen thresholds and the label that stands
(docs/statistics.md, section Explanations).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.decisions.hard_events import HardEvents
from kundenwert.decisions.hysteresis import NOTHING, Memory, Published
from kundenwert.decisions.judging import Rule, Verdicts
from kundenwert.decisions.losses import FloatArray, IntArray
from kundenwert.decisions.phrases import counted, money_words
from kundenwert.decisions.segments import Segments, draws_of, judged, repairs_of
from kundenwert.errors import NumericalError
from kundenwert.names import EventAhead, PotentialBasis
from kundenwert.units import Currency, Horizon, TimeUnit
from kundenwert.value.ahead import Ahead, look_ahead
from kundenwert.value.appraisal import Appraisal
from kundenwert.value.economics import Economics
from kundenwert.value.gathering import reduce_expected, reduce_futures
from kundenwert.value.individuals import Histories
from kundenwert.value.lever_basis import LeverBasis, basis_of_levers
from kundenwert.value.outlook import Outlook
from kundenwert.value.potential import Frontier, build_frontier

MOST_ORDERS = 20
WITHIN = Horizon(90.0, "day")
MOST_WEEKS = 104
DWELL = Horizon(4.0, "week")  # of a label that no earlier one stood before, as `assess` has it
SMALLER = np.arange(95, 0, -5) / 100  # factors on the mean order
LARGER = np.concatenate([np.arange(105, 200, 5), np.arange(200, 1001, 25)]) / 100
_HISTORY = ("frequency", "recency", "T", "spend_days", "monetary_value")
Kind = Literal["orders", "silence", "spend"]


@dataclass(frozen=True)
class Counterfactual:
    """A change of one customer's data, and what it does to the label.

    Parameters
    ----------
    kind : "orders" more of them within 90 days, "silence" without an order from now on, "spend" of repeat orders.
    size : number of orders, weeks, or the mean order in money; where nothing changes the label, how far was looked.
    label : the label then; that of today where the change is what it takes to keep it; None where nothing changes it.
    words : the same as a sentence.
    """

    kind: Kind
    size: float
    label: str | None
    words: str


@dataclass(frozen=True, eq=False)
class Variations:
    """Histories that one customer could have, (variation,) each; the first one is what happened.

    Parameters
    ----------
    kind : what is changed; empty in the first one.
    orders : more of them, spread evenly over the time that goes by.
    days : that go by.
    spend : factor on the mean of repeat orders so far.
    amount : of one more order, in money.
    """

    kind: npt.NDArray[np.object_]
    orders: FloatArray
    days: FloatArray
    spend: FloatArray
    amount: float

    @classmethod
    def of(cls, amount: float, *, resized: bool) -> "Variations":
        """Every change that is tried; other amounts of repeat orders only where there are any."""
        changes = [("", 0.0, 0.0, 1.0)]
        changes += [("orders", float(count), WITHIN.days, 1.0) for count in range(MOST_ORDERS + 1)]
        changes += [("silence", 0.0, 7.0 * week, 1.0) for week in range(1, MOST_WEEKS + 1)]
        if resized:
            changes += [("spend", 0.0, 0.0, float(factor)) for factor in (*SMALLER, *LARGER)]
        kind, *numbers = zip(*changes, strict=True)
        orders, days, factor = (np.array(column, dtype=np.float64) for column in numbers)
        return cls(np.array(kind, dtype=object), orders, days, factor, amount)

    def __len__(self) -> int:
        return len(self.orders)

    def table(self, row: "pd.Series[Any]", unit: TimeUnit) -> pd.DataFrame:
        """(variation,) the customer's row of the summary with each change."""
        more, n, mean = self.orders, float(row["spend_days"]), float(row["monetary_value"])
        paid = n + more * (self.amount > 0)
        spent = self.spend * n * (mean if n else 0.0) + more * self.amount
        at = self.days * more / (more + 1.0)
        found = pd.DataFrame([row] * len(self)).reset_index(drop=True)
        found["frequency"] = float(row["frequency"]) + more
        found["recency"] = np.where(more > 0, row["T"] + at / unit.days, row["recency"])
        found["T"] = row["T"] + self.days / unit.days
        found["spend_days"] = paid
        found["monetary_value"] = np.divide(spent, paid, out=np.zeros(len(self)), where=paid > 0)
        found["orders"] = float(row["orders"]) + more
        found["gross"] = float(row["gross"]) + spent - n * (mean if n else 0.0)
        return found


def find_counterfactuals(segments: Segments, row: int) -> tuple[Counterfactual, ...]:
    """What would change the label of the customer in one row of the table, and what would not.

    Raises
    ------
    NumericalError : the pass made again does not give the label that was published.
    """
    customer = segments.context.summary.table.iloc[row]
    amount = usual_amount(segments.context.summary.table, row)
    resized = bool(customer["spend_days"] > 0)
    tried = Variations.of(amount, resized=resized)
    labels = relabelled(segments, row, tried)
    before = str(segments.decision.labels[row])
    if labels[0] != before:
        raise NumericalError(
            f"customer {customer['customer_id']}: the pass made again gives {labels[0]!r} where {before!r} was "
            "published. Nothing can be said of other data before that is cleared up."
        )
    currency = segments.value.settings.currency

    def of(kind: Kind) -> list[str]:
        return [labels[at] for at in np.flatnonzero(tried.kind == kind)]

    each = f" of {money_words(amount, currency)}" if amount > 0 else ""
    found = [*_more_orders(before, of("orders"), each), *_silence(before, of("silence"))]
    if resized:
        found += _other_amounts(before, of("spend"), float(customer["monetary_value"]), currency)
    return tuple(found)


def usual_amount(table: pd.DataFrame, row: int) -> float:
    """What an order of a customer usually brings, in money.

    The mean of the repeat orders, else the first order, else what repeat buyers of the cohort spend; 0 where nobody in
    the cohort has bought again.
    """
    customer = table.iloc[row]
    if customer["spend_days"] > 0:
        return float(customer["monetary_value"])
    if customer["first_amount"] > 0:
        return float(customer["first_amount"])
    peers = table[(table["cohort"] == customer["cohort"]) & (table["spend_days"] > 0)]
    return float(peers["monetary_value"].mean()) if len(peers) else 0.0


def relabelled(segments: Segments, row: int, tried: Variations) -> list[str]:
    """The label of each variation of one customer."""
    rule = _rule(segments, row, tried)
    appraisal = _varied(segments.context, row, tried, rule)
    rule = replace(rule, repairs_evaluated=repairs_of(appraisal))
    verdicts = Verdicts.of(rule, len(tried), appraisal.people.draws)
    for rows, found in judged(appraisal, rule, 1, None):
        verdicts.add(rows, found)
    return [str(label) for label in verdicts.decision(appraisal.customers.T).labels]


def _varied(appraisal: Appraisal, row: int, tried: Variations, rule: Rule) -> Appraisal:
    """The same customer with every history: the same id, and so the same random streams."""
    settings, same = appraisal.settings, np.full(len(tried), row)
    summary = replace(
        appraisal.summary, table=tried.table(appraisal.summary.table.iloc[row], appraisal.summary.time_unit)
    )
    economics = _repeated(appraisal.economics, same)
    costs = None if appraisal.cost_events is None else appraisal.cost_events.iloc[same]
    expected = costs if settings.events_ahead is EventAhead.PER_ORDER else None
    ahead = look_ahead(economics, summary, returns=settings.returns, events=expected, priors=appraisal.ahead.priors)
    known, table = appraisal.customers.take(same), summary.table
    x, t_x, T, n, mean = (table[name].to_numpy() for name in _HISTORY)
    ahead, peers = _held_against(appraisal, replace(ahead, uniform=appraisal.ahead.uniform), same)
    found = replace(
        appraisal,
        customers=Histories(known.ids, known.keys, known.cohort, x, t_x, T, n, n * mean),
        summary=summary,
        economics=economics,
        ahead=ahead,
        cost_events=costs,
        peers=peers,
    )
    return found if found.levers is None else replace(found, levers=_levers(found, found.levers, rule))


def _held_against(appraisal: Appraisal, ahead: Ahead, same: IntArray) -> tuple[Ahead, Frontier]:
    """What orders to come bring and cost, and the frontier with the levels for it.

    A level depends on no customer, so that those for other costs are made as they would be in a run. Only where the
    frontier was handed down from an earlier posterior they cannot be, and an order then costs what it costs today.
    """
    today, cohort = appraisal.ahead.take(same), appraisal.customers.cohort[same]
    if (ahead.expected_offers == today.expected_offers).all():
        return ahead, appraisal.peers
    peers = build_frontier(appraisal.people, cohort, ahead, appraisal.settings, threads=1)
    asked = (appraisal.peers.quantile, int(cohort[0]), today.take(np.zeros(1, dtype=np.int64)))
    alike = np.array_equal(peers.level(*asked), appraisal.peers.level(*asked))
    return (ahead, peers) if alike else (today, appraisal.peers)


def _levers(appraisal: Appraisal, basis: LeverBasis, rule: Rule) -> LeverBasis:
    """Who may get which lever, asked again: conditions are on what a history has changed."""
    bare = replace(appraisal, levers=None, basis=PotentialBasis.PEERS)
    figures = pd.DataFrame(np.nan, index=range(len(bare.customers)), columns=["p_alive", "churn_probability"])

    def look(outlook: Outlook) -> dict[str, FloatArray]:
        return reduce_expected(outlook, bare).columns | reduce_futures(outlook, bare).columns

    for rows, _, columns in bare.stream(look, stage="levers", threads=1):
        for name in figures:
            figures.loc[rows, name] = columns[str(name)]
    packages, events = basis.packages, rule.events
    return basis_of_levers(
        packages.levers,
        bare.summary,
        bare.settings,
        figures,
        frequency=bare.settings.frequency_lever,
        declared=packages.names,
        objected=None if events is None else events.any,
        complaint=None if events is None else events.complaint,
    )


def _repeated(economics: Economics, rows: IntArray) -> Economics:
    taken: dict[str, Any] = {
        name: one[rows] if isinstance(one, np.ndarray) else one for name, one in vars(economics).items()
    }
    return Economics(**taken)


def _rule(segments: Segments, row: int, tried: Variations) -> Rule:
    """The rule that labelled the customer, for each of the histories."""
    rule, same = segments.verdicts.rule, np.full(len(tried), row)
    events = rule.events
    if events is not None:
        events = HardEvents(events.objected[same], events.removed[same], events.complaint[same])
    return replace(
        rule,
        price=segments.thresholds.rejection_price,
        memory=_memory(segments, row, tried, events),
        events=events,
    )


def _memory(segments: Segments, row: int, tried: Variations, events: HardEvents | None) -> Memory | None:
    """What stands when a history has come about: today's label where time goes by, else what stood before today.

    Days that go by are taken off the day that a label stands from, so that one day serves as today for all histories.
    """
    memory, day = segments.verdicts.rule.memory, segments.context.summary.observation_end
    if day is None:
        return None
    now = np.datetime64(day, "D")
    later = tried.days > 0
    gone_by = np.round(tried.days).astype(np.int64).astype("timedelta64[D]")
    label, since = NOTHING, np.datetime64("NaT", "D")
    if memory is not None:
        label, since = int(memory.published.labels[row]), memory.published.since[row]
    today = int(segments.decision.positions[row])
    stands = segments.table["label_since"].to_numpy(dtype="datetime64[D]")[row]
    published = Published(
        np.where(later, today, label), np.where(later, stands - gone_by, since).astype("datetime64[D]")
    )
    hard = None if events is None else events.any
    if memory is None:
        draws = len(range(segments.context.people.draws)[draws_of(segments.context.basis)])
        return Memory(published, now, dwell=DWELL.days, hard_event=hard, draws=draws)
    return replace(memory, published=published, hard_event=hard, squares=None)


def _firsts(labels: list[str], known: set[str]) -> Iterator[tuple[int, str]]:
    """The first position of each label that is not known."""
    for position, label in enumerate(labels):
        if label not in known and label not in labels[:position]:
            yield position, label


def _more_orders(before: str, labels: list[str], amount: str) -> Iterator[Counterfactual]:
    """What orders within the time do; `labels` are those of 0 orders and more."""
    time = f"within {WITHIN.days:.0f} days"
    least = labels[0]
    if set(labels) == {before}:
        words = f"No number of orders{amount} up to {MOST_ORDERS} {time} changes the label."
        yield Counterfactual("orders", MOST_ORDERS, None, words)
    elif set(labels) == {least}:
        words = f"With 0 to {MOST_ORDERS} more orders{amount} {time}: {least}."
        yield Counterfactual("orders", 0, least, words)
    elif least != before and before in labels:
        count = labels.index(before)
        words = f"{counted(count, 'more order')}{amount} {time} would keep {before}; 0 orders: {least}."
        yield Counterfactual("orders", count, before, words)
    for count, label in _firsts(labels, {before, least}):
        words = f"{counted(count, 'more order')}{amount} {time}: {label}."
        yield Counterfactual("orders", count, label, words)


def _silence(before: str, labels: list[str]) -> Iterator[Counterfactual]:
    for week, label in _firsts(labels, {before}):
        words = f"{counted(week + 1, 'more week')} without an order: {label}."
        yield Counterfactual("silence", week + 1, label, words)
    if set(labels) == {before}:
        words = f"No silence of up to {MOST_WEEKS} more weeks changes the label."
        yield Counterfactual("silence", MOST_WEEKS, None, words)


def _other_amounts(before: str, labels: list[str], mean: float, currency: Currency | None) -> Iterator[Counterfactual]:
    """What smaller and larger repeat orders would have done."""
    instead = f"instead of {money_words(mean, currency)}"
    for factors, part in ((SMALLER, labels[: len(SMALLER)]), (LARGER, labels[len(SMALLER) :])):
        for position, label in _firsts(part, {before}):
            size = mean * float(factors[position])
            words = f"Repeat orders of {money_words(size, currency)} on average {instead}: {label}."
            yield Counterfactual("spend", size, label, words)
        if set(part) == {before}:
            size, side = mean * float(factors[-1]), "down" if factors[-1] < 1 else "up"
            words = f"No repeat orders {side} to {money_words(size, currency)} on average {instead} change the label."
            yield Counterfactual("spend", size, None, words)
