"""What changed between two runs, in the shapes that report and plots take: the value's parts, and who changed label."""

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.names import SEGMENTS
from kundenwert.runs import wording as w
from kundenwert.units import TimeUnit

if TYPE_CHECKING:
    from kundenwert.value.counters import FloatArray

NEW, LEFT = "new", "left"
ROWS: tuple[str, ...] = (*SEGMENTS, NEW)
COLUMNS: tuple[str, ...] = (*SEGMENTS, LEFT)
PARTS = {
    "new": "New customers",
    "orders": "Orders made and not made",
    "time": "Time passed",
    "model": "Model learned anew",
    "settings": "Settings changed",
    "left": "Customers who left",
}
LONGEST = 10
MOVED = "marks derived anew"
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Estimate:
    """A mean with the interval that states how sure it is, in money.

    Raises
    ------
    UsageError : a number that is not finite, or ends in the wrong order.
    """

    mean: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.mean, self.low, self.high))):
            raise UsageError(f"{self} holds a number that is not finite. Leave out what cannot be computed.")
        if self.low > self.high:
            raise UsageError(f"{self}: `low` is above `high`.")

    @property
    def noise(self) -> bool:
        """Whether it cannot be told apart from nothing: its interval holds 0."""
        return self.low <= 0 <= self.high

    @property
    def nothing(self) -> bool:
        """Whether it is 0 by construction, which is less than noise."""
        return self.mean == self.low == self.high == 0


@dataclass(frozen=True)
class EquityBridge:
    """From the value of the base then to its value now, in parts that add up.

    Parameters
    ----------
    since : the last day that the run before saw.
    start, end : the base's expected value then and now.
    parts : by key of `PARTS`, any of them, in money and signed; each interval is that of the paired difference.
    change : all parts together, with the interval of the paired difference.
    details : by key of `PARTS`, what stands behind a part, in a few words: "640 customers won".

    Raises
    ------
    UsageError : an unknown key, or parts that do not add up.
    """

    since: datetime.date
    start: Estimate
    parts: Mapping[str, Estimate]
    end: Estimate
    change: Estimate
    details: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted({*self.parts, *self.details} - set(PARTS))
        if unknown:
            raise UsageError(f"{w.listed(unknown)}: no such part of a change. There are {w.listed(list(PARTS))}.")
        size = max(abs(self.start.mean), abs(self.end.mean), *(abs(p.mean) for p in self.parts.values()), 1.0)
        total = math.fsum(p.mean for p in self.parts.values())
        gap = self.end.mean - self.start.mean
        if max(abs(total - gap), abs(self.change.mean - gap)) > TOLERANCE * size:
            raise UsageError(
                f"the parts add up to {total:,.2f} and the change is {self.change.mean:,.2f}, but the value went from "
                f"{self.start.mean:,.2f} to {self.end.mean:,.2f}. Parts of one change must add up to it."
            )

    @property
    def ordered(self) -> list[tuple[str, Estimate]]:
        """The parts in their fixed order."""
        return [(key, self.parts[key]) for key in PARTS if key in self.parts]


@dataclass(frozen=True)
class Mover:
    """A customer in both runs whose label changed, with his value then and now, and why, in words."""

    customer_id: object
    before: str
    after: str
    value_before: float
    value_after: float
    why: str


@dataclass(frozen=True)
class LabelFlows:
    """Who had which label then, and has which now.

    Parameters
    ----------
    since : the last day that the run before saw.
    counts : (row, column) customers; rows are labels then and `new`, columns are labels now and `left`.
    money : (row, column) their value now; of those who left, their value then.
    movers : the largest changes of value among those whose label changed, largest first, at most ten.
    flicker : share of customers whose label would have changed by chance alone; None where nobody computed it.

    Raises
    ------
    UsageError : another shape, counts below 0, or somebody who is new and has left.
    """

    since: datetime.date
    counts: np.ndarray
    money: "FloatArray"
    movers: tuple[Mover, ...] = ()
    flicker: float | None = None

    def __post_init__(self) -> None:
        shape = (len(ROWS), len(COLUMNS))
        if np.shape(self.counts) != shape or np.shape(self.money) != shape:
            raise UsageError(f"counts and money of labels are {shape}, rows {ROWS}, columns {COLUMNS}.")
        if np.min(self.counts) < 0 or self.counts[-1, -1]:
            raise UsageError("counts of labels are at least 0, and nobody is new and has left.")
        if self.flicker is not None and not 0 <= self.flicker <= 1:
            raise UsageError(f"flicker is {self.flicker}. It is a share between 0 and 1.")

    @property
    def both(self) -> int:
        """Customers in both runs."""
        return int(self.counts[:-1, :-1].sum())

    @property
    def relabelled(self) -> int:
        """Customers in both runs whose label changed."""
        return self.both - int(np.trace(self.counts[:-1, :-1]))

    @property
    def share(self) -> float:
        """Relabelled, of those in both runs."""
        return self.relabelled / self.both if self.both else 0.0

    @property
    def money_moved(self) -> float:
        """Value now of those whose label changed."""
        return float(self.money[:-1, :-1].sum() - np.trace(self.money[:-1, :-1]))


def label_flows(
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    since: datetime.date,
    time_unit: TimeUnit = TimeUnit.WEEK,
    flicker: float | None = None,
    marks_moved: bool = False,
) -> LabelFlows:
    """Labels of two runs side by side, from their tables of customers.

    Who has no label, because he objected, counts as not there: he is in neither run's labels.

    Parameters
    ----------
    before, after : with `customer_id`, `segment`, `actual_value`, `frequency`, `recency` and `T`, as
        `customers.parquet` has them.
    since : the last day that the run before saw.
    time_unit : of `recency` and `T`.
    flicker : see `LabelFlows`.
    marks_moved : whether the marks between labels were derived anew in between, which reasons then say.
    """
    columns = ["customer_id", "segment", "actual_value", "frequency", "recency", "T"]
    then, now = (table.loc[table["segment"].notna(), columns] for table in (before, after))
    joined = then.merge(now, on="customer_id", how="outer", suffixes=("_then", "_now"), validate="one_to_one")
    row = pd.Index(ROWS).get_indexer(pd.Index(joined["segment_then"].fillna(NEW)))
    column = pd.Index(COLUMNS).get_indexer(pd.Index(joined["segment_now"].fillna(LEFT)))
    if (row < 0).any() or (column < 0).any():
        raise UsageError(f"a label is none of {w.listed(SEGMENTS)}.")
    worth = joined["actual_value_now"].where(joined["segment_now"].notna(), joined["actual_value_then"]).fillna(0.0)
    counts, money = np.zeros((len(ROWS), len(COLUMNS)), dtype=np.int64), np.zeros((len(ROWS), len(COLUMNS)))
    np.add.at(counts, (row, column), 1)
    np.add.at(money, (row, column), worth.to_numpy(float))
    moved = joined[joined["segment_then"].notna() & joined["segment_now"].notna() & (row != column)]
    return LabelFlows(since, counts, money, _movers(moved, since, time_unit, marks_moved), flicker)


def _movers(moved: pd.DataFrame, since: datetime.date, time_unit: TimeUnit, marks_moved: bool) -> tuple[Mover, ...]:
    """The largest changes of value, equal ones in the order of ids, so that row order decides nothing."""
    size = (moved["actual_value_now"] - moved["actual_value_then"]).abs()
    known = moved.assign(size=size, name=moved["customer_id"].astype(str))[size.notna()]
    largest = known.sort_values(["size", "name"], ascending=[False, True]).head(LONGEST)
    return tuple(
        Mover(
            customer_id=one["customer_id"],
            before=str(one["segment_then"]),
            after=str(one["segment_now"]),
            value_before=float(one["actual_value_then"]),
            value_after=float(one["actual_value_now"]),
            why=_why(one, since, time_unit, marks_moved),
        )
        for one in largest.to_dict("records")
    )


def _why(one: Mapping[Any, Any], since: datetime.date, time_unit: TimeUnit, marks_moved: bool) -> str:
    """In words; on a log of the same day nobody has been silent for longer than he was then."""
    told = [MOVED] if marks_moved else []
    orders = round(one["frequency_now"] - one["frequency_then"])
    if orders > 0:
        told.append(f"{w.plural(orders, 'order')} since {w.day_month(since)}")
    elif one["T_now"] < one["T_then"]:
        told.append("seen from an earlier day")
    elif orders < 0:
        told.append("orders were taken out of the log")
    elif one["T_now"] > one["T_then"]:
        told.append(f"no order for {w.plural((one['T_now'] - one['recency_now']) * time_unit.days / 7, 'week')}")
    return "; ".join(told) or "the model or settings changed, no order came"
