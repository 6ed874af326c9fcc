"""Sums of expected values, one a draw, of two bases under each other's parameters and settings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.customers.summary import need_summary
from kundenwert.names import EventAhead, Pooling
from kundenwert.value.actual import sum_values
from kundenwert.value.ahead import Ahead, AheadPriors, look_ahead
from kundenwert.value.block import Block
from kundenwert.value.counters import FloatArray
from kundenwert.value.forward import sum_later_values
from kundenwert.value.individuals import Histories, Population, Progress, histories, population, stream
from kundenwert.value.outlook import Outlook
from kundenwert.value.pricing import Prices
from kundenwert.value.results import Value
from kundenwert.value.settings import Terms
from kundenwert.value.variates import IntArray

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior

type Reduce = Callable[[Block, IntArray], tuple[FloatArray, ...]]

ECONOMICS = ("margin", "order_cost", "return_cost", "active_cost", "file_cost")


@dataclass(frozen=True)
class Snapshot:
    """Customers with parameter draws, and what they bring and cost.

    Parameters
    ----------
    posterior, summary : parameter draws and customers.
    value : estimated from them, or their prices alone: what else a value holds does not matter here.
    """

    posterior: "Posterior"
    summary: "CustomerSummary"
    value: Value | Prices

    def __post_init__(self) -> None:
        need_summary(self.summary)

    @property
    def customers(self) -> Histories:
        """Their histories."""
        return replace(histories(self.posterior, self.summary), gone=self.value.gone)

    @property
    def ids(self) -> pd.Index:
        """(customer,) as text: 7 and "7" are the same customer, as they are to the random streams."""
        return pd.Index([str(one) for one in self.summary.table["customer_id"]])

    @property
    def cohorts(self) -> "pd.Series[str]":
        """(customer,) labels."""
        return self.summary.table["cohort"].astype(str).reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class Matched:
    """Who is in which of two bases, as positions.

    Parameters
    ----------
    then, now : of those in both, in the first base and in the second, in one order.
    left, new : of the others, in the first and in the second.
    """

    then: IntArray
    now: IntArray
    left: IntArray
    new: IntArray

    @classmethod
    def of(cls, before: Snapshot, after: Snapshot) -> "Matched":
        """By the customers' ids."""
        ids, at = before.ids, before.ids.get_indexer(after.ids)
        now = np.flatnonzero(at >= 0)
        left = np.setdiff1d(np.arange(len(ids)), at[now])
        return cls(at[now].astype(np.int64), now, left, np.flatnonzero(at < 0))


@dataclass(frozen=True, eq=False)
class Sums:
    """Expected values of customers together, each (draw,).

    Parameters
    ----------
    kept_before, left : of those in both and of those who left, as the first value has them.
    kept_later : of those in both at the second date, nothing having been seen in between.
    kept_after, new : of those in both and of the new ones, with what was seen up to the second date, but with the
        parameters and settings of the first value.
    model : of all at the second date, with the second parameters and the settings of the first value.
    end : as the second value has them.
    matched : who is who.
    notes : what could not be done so.
    """

    kept_before: FloatArray
    kept_later: FloatArray
    left: FloatArray
    kept_after: FloatArray
    new: FloatArray
    model: FloatArray
    end: FloatArray
    matched: Matched
    notes: tuple[str, ...]


def paired_sums(
    before: Snapshot, after: Snapshot, elapsed: float, draws: int, threads: int | None, progress: Progress | None
) -> Sums:
    """All sums that a change of equity is made of, in up to six passes without futures.

    Parameters
    ----------
    elapsed : time units between the two ends of observation.
    draws : of each posterior.
    threads, progress : of the passes.
    """
    who, terms, now = Matched.of(before, after), before.value.settings.terms, after.value.settings.terms
    people = population(after.posterior, draws, after.value.settings.seed)
    customers = after.customers
    then = _Then.of(before, after, who)
    seen, known = after.value.ahead.priors, before.value.ahead.priors
    # Of what the second value does not count nothing was learned anew.
    priors = AheadPriors(seen.returns or known.returns, seen.events or known.events, seen.paid)
    learned = _ahead_as_then(before, after, who, priors)

    def total(people: Population, customers: Histories, rows: IntArray, reduce: Reduce) -> FloatArray:
        return _total(people, customers, rows, reduce, threads, progress)

    first = population(before.posterior, draws, before.value.settings.seed)
    earlier = before.customers
    kept = total(first, earlier, who.then, _now_and_later(before.value.ahead, terms, elapsed))
    left = total(first, earlier, who.left, _valued((before.value.ahead, terms)))
    first = population(then.posterior, draws, before.value.settings.seed)
    as_then = _valued((_ahead_as_then(before, after, who, known), terms))
    told = replace(customers, cohort=then.cohort)
    strangers = total(people, customers, then.strangers, _valued((learned, terms)))
    everybody = np.arange(len(customers))
    model, end = total(people, customers, everybody, _valued((learned, terms), (after.value.ahead, now)))
    return Sums(
        kept_before=kept[0],
        kept_later=kept[1],
        left=left[0],
        kept_after=total(first, told, who.now, as_then)[0],
        new=total(first, told, then.new, as_then)[0] + strangers[0],
        model=model,
        end=end,
        matched=who,
        notes=then.notes,
    )


@dataclass(frozen=True, eq=False)
class _Then:
    """The customers of the second base as the first posterior knows them.

    Parameters
    ----------
    posterior : the first one, with the cohorts that it could be given.
    cohort : (customer,) positions on its axis: who is in both stays in the cohort of then, even where groups were
        merged in another way since. 0 for strangers.
    new, strangers : rows of the new customers, of cohorts that it can say something about and of the others.
    notes : who the strangers are.
    """

    posterior: "Posterior"
    cohort: IntArray
    new: IntArray
    strangers: IntArray
    notes: tuple[str, ...]

    @classmethod
    def of(cls, before: Snapshot, after: Snapshot, who: Matched) -> "_Then":
        labels = after.cohorts.to_numpy(dtype=object).copy()
        labels[who.now] = before.cohorts.to_numpy(dtype=object)[who.then]
        posterior, notes = before.posterior, tuple[str, ...]()
        if posterior.pooling is not Pooling.NONE:  # which knows nothing about a cohort without data
            posterior = posterior.with_cohorts(labels[who.new])
        known = np.isin(labels[who.new], posterior.cohorts)
        new, strangers = who.new[known], who.new[~known]
        if len(strangers):
            names = ", ".join(sorted(set(labels[strangers]))[:5])
            notes = (
                f"{len(strangers):,} new customers are of cohorts that the model before knew nothing about ({names}): "
                "they come in as the model of today sees them.",
            )
            labels[strangers] = posterior.cohorts[0]
        return cls(posterior, posterior.cohort_codes(labels), new, strangers, notes)


def _ahead_as_then(before: Snapshot, after: Snapshot, who: Matched, priors: AheadPriors) -> Ahead:
    """What orders of the second base's customers bring and cost by the settings of the first value.

    Who is new is charged the number that all customers had then, and his own of today where they had no common one.

    Parameters
    ----------
    priors : of returns and cost events; each customer's own are those seen up to the second date.
    """
    settings, old = before.value.settings, before.value.economics
    carried = {}
    for name in ECONOMICS:
        then, found = getattr(old, name), getattr(after.value.economics, name).copy()
        found[who.now] = then[who.then]
        if len(then) and (then == then[0]).all():
            found[who.new] = then[0]
        carried[name] = found
    economics = replace(after.value.economics, **carried, value_basis=old.value_basis)
    events, seen = None, before.value.cost_events
    if settings.events_ahead is EventAhead.PER_ORDER and seen is not None:
        events = after.value.cost_events
        if events is None:  # nobody records events any more: those of then are all that there is
            events = pd.DataFrame(0.0, index=after.summary.table.index, columns=seen.columns)
            events.iloc[who.now] = seen.iloc[who.then].to_numpy()
    return look_ahead(economics, after.summary, returns=settings.returns, events=events, priors=priors)


def _valued(*cases: tuple[Ahead, Terms]) -> Reduce:
    """Sums of one block under several economics, by draw."""

    def reduce(block: Block, rows: IntArray) -> tuple[FloatArray, ...]:
        return tuple(sum_values(Outlook(block, rows, ahead.take(rows), terms)) for ahead, terms in cases)

    return reduce


def _now_and_later(ahead: Ahead, terms: Terms, elapsed: float) -> Reduce:
    """Sums of one block today and, without new data, at a later date."""

    def reduce(block: Block, rows: IntArray) -> tuple[FloatArray, ...]:
        outlook = Outlook(block, rows, ahead.take(rows), terms)
        now = sum_values(outlook)
        return now, sum_later_values(outlook, elapsed) if elapsed > 0 else now

    return reduce


def _total(
    people: Population,
    customers: Histories,
    rows: IntArray,
    reduce: Reduce,
    threads: int | None,
    progress: Progress | None,
) -> FloatArray:
    """(case, draw) sums over some of the customers."""

    def work(block: Block) -> FloatArray:
        return np.stack(reduce(block, rows[block.rows]))

    found = np.zeros((2, people.draws))
    passed = stream(people, customers.take(rows), work, stage="change of equity", threads=threads, progress=progress)
    for _, _, one in passed:
        found[: len(one)] += one
    return found
