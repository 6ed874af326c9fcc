"""Why customer equity is not what it was: the change between two values in parts that add up.

Every part is a difference of two sums over the same draws, so that its interval is that of the difference
(docs/statistics.md, section Change of equity).
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.units import Currency, Horizon
from kundenwert.value.counters import FloatArray
from kundenwert.value.equity import Amount
from kundenwert.value.individuals import Progress
from kundenwert.value.paired import Snapshot, Sums, paired_sums

PARTS = ("new", "orders", "time", "model", "settings", "left")
ROUNDING = 1e-11  # of what is added up


@dataclass(frozen=True, repr=False, eq=False)
class EquityChange:
    """From the expected value of the base then to its expected value now.

    Parameters
    ----------
    since, until : the last days that the two values saw.
    start, end : the base's expected value then and now.
    parts : by key of `PARTS`, in this order, in money and signed; their means add up to `change.mean`.
    change : end less start, with the interval of the paired difference.
    customers : how many are `new`, have `left`, and are in `both`; `orders`, repeat orders that those in both have made
        in between.
    draws : (draw,) of each part.
    interval : mass of the intervals.
    horizon, currency : of the value now.
    notes : what a reader must know.
    """

    since: dt.date
    until: dt.date
    start: Amount
    parts: Mapping[str, Amount]
    end: Amount
    change: Amount
    customers: Mapping[str, int]
    draws: Mapping[str, FloatArray]
    interval: float
    horizon: Horizon
    currency: Currency | None
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """`part, mean, low, high, noise` from start to end; start and end are no noise, whatever their interval."""
        named = {"start": self.start, **self.parts, "change": self.change, "end": self.end}
        rows = [
            {"part": name, **vars(one), "noise": name not in ("start", "end") and one.noise}
            for name, one in named.items()
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        shown = {name: one for name, one in self.parts.items() if not one.nothing}
        parts = [f"{name} {one.mean:+,.0f}{' (noise)' if one.noise else ''}" for name, one in shown.items()]
        money, ends = f" {self.currency}" if self.currency else "", (self.start.mean, self.end.mean)
        told = f"{ends[0]:,.0f} on {self.since} to {ends[1]:,.0f}{money} on {self.until}"
        return f"<Equity from {told}: {', '.join(parts) or 'nothing changed'}>"

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return f"<p>{escape(repr(self)[1:-1])}</p><ul>{notes}</ul>{self.table.to_html(index=False)}"


def equity_change(
    before: Snapshot,
    after: Snapshot,
    *,
    draws: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> EquityChange:
    """What has changed the expected value of the base between two values, part by part.

    Parameters
    ----------
    before, after : the two values with their posteriors and summaries; the second summary sees more of the same log.
    draws : of each posterior, paired in their order; by default as many as both values have.
    threads, progress : as in `estimate_value`; no result depends on them.

    Returns
    -------
    EquityChange, whose parts are, one after the other:

        - `new` : customers whom the value before did not know, under its parameters. A cohort that its posterior
          does not know either is drawn from what cohorts have in common; where they have nothing in common, its
          customers come in under the parameters of today, and `notes` says so.
        - `orders` : orders made and not made, of customers in both: their value with what was seen in between, less
          what was to be expected of it. Under the model its mean over possible worlds is 0.
        - `time` : the same customers later, without anything seen in between: some are expected to have left, what was
          to come up to today has come or not, and the horizon has moved on.
        - `model` : the same customers under the parameters of today, and what is expected of returns and cost events.
        - `settings` : margin, costs, horizon and discounting as they are today. Who is new is charged until here what
          all customers were charged then, or what he is charged today where they differed.
        - `left` : customers who are not in the log any more, with the value that they had.

    Raises
    ------
    UsageError : time units or currencies differ, refunds are counted differently, or the first value is the later one.

    Notes
    -----
    docs/statistics.md, section Change of equity. Draws of two posteriors are independent: `model` is as uncertain as
    both of them together. Customers without a mean spend are left out, as in every expected total.

    Examples
    --------
    >>> value = kw.estimate_value(posterior, summary, horizon="1 year", margin=0.3, draws=50)
    >>> now = Snapshot(posterior, summary, value)
    >>> change = equity_change(now, now)
    >>> change.end.mean == change.start.mean, {part.mean for part in change.parts.values()}
    (True, {0.0})
    """
    _comparable(before, after)
    common = min(before.value.settings.draws, after.value.settings.draws)
    elapsed = (_end_of(after) - _end_of(before)).days / after.value.settings.time_unit.days
    count = common if draws is None else min(draws, common)
    found = paired_sums(before, after, elapsed, count, threads, progress)
    interval = after.value.settings.interval
    start, end = found.kept_before + found.left, found.end
    parts = _parts(found, float(np.abs(start).max() + np.abs(end).max()))
    both = found.matched
    then, now = (one.summary.table["frequency"].to_numpy(np.float64) for one in (before, after))
    return EquityChange(
        since=_end_of(before),
        until=_end_of(after),
        start=Amount.of(start, interval),
        parts={name: Amount.of(part, interval) for name, part in parts.items()},
        end=Amount.of(end, interval),
        change=Amount.of(np.sum([*parts.values()], axis=0), interval),
        customers={
            "both": len(both.then),
            "new": len(both.new),
            "left": len(both.left),
            "orders": int((now[both.now] - then[both.then]).sum()),
        },
        draws=parts,
        interval=interval,
        horizon=after.value.settings.horizon,
        currency=after.value.settings.currency,
        notes=found.notes,
    )


def _parts(found: Sums, size: float) -> dict[str, FloatArray]:
    """(draw,) of each part; what is rounding alone is nothing.

    Parameters
    ----------
    size : of what is added up.
    """
    parts = {
        "new": found.new,
        "orders": found.kept_after - found.kept_later,
        "time": found.kept_later - found.kept_before,
        "model": found.model - found.kept_after - found.new,
        "settings": found.end - found.model,
        "left": -found.left,
    }
    return {name: parts[name] if np.abs(parts[name]).max() > ROUNDING * size else parts[name] * 0.0 for name in PARTS}


def _comparable(before: Snapshot, after: Snapshot) -> None:
    """Refuses what no sum of money could be taken of."""
    then, now = before.value.settings, after.value.settings
    if then.time_unit != now.time_unit:
        raise UsageError(
            f"the value before counts in {then.time_unit.value}s, the one after in {now.time_unit.value}s. Summarize "
            "and fit both with one time_unit."
        )
    if then.currency != now.currency:
        raise UsageError(f"the value before is in {then.currency}, the one after in {now.currency}: no sum of both.")
    if then.returns != now.returns:
        raise UsageError(
            f"refunds are {then.returns.value} before and {now.returns.value} after: amounts mean something else, and "
            "parameters of one do not fit customers of the other. Estimate both values with one returns=."
        )
    if _end_of(after) < _end_of(before):
        raise UsageError(
            f"the value before was observed until {_end_of(before)}, the one after until {_end_of(after)}. Swap them."
        )


def _end_of(one: Snapshot) -> dt.date:
    if one.summary.observation_end is None:
        raise UsageError("how much time has passed is counted to observation_end, which a summary lacks. Set it.")
    return one.summary.observation_end
