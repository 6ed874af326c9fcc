"""Payback: when customers have brought back what it cost to win them, and who never will.

The past is a ledger, the future a predictive distribution: the first order at which all that a customer has brought
covers the deficit. A future without it ends in one of two ways that are kept apart, the customer has left or the
horizon comes first (docs/statistics.md, section Payback).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.customers.ledgers import Ledger
from kundenwert.units import Horizon, TimeUnit
from kundenwert.value.actual import simulate_value
from kundenwert.value.appraisal import Appraisal, appraised
from kundenwert.value.counters import FloatArray
from kundenwert.value.deficits import Deficits, deficits_of
from kundenwert.value.individuals import Progress
from kundenwert.value.outlook import Outlook
from kundenwert.value.results import Value
from kundenwert.value.variates import IntArray

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior

STEPS = 100
PAYBACK_COLUMNS = ("payback_probability", "payback_time", "p_never", "p_open")


@dataclass(frozen=True, repr=False)
class Payback:
    """When customers have paid back.

    Parameters
    ----------
    table : one row a customer, in the order of the summary; see `payback`.
    curve : `time` from now on in time units; `share`, the expected share of all customers who have paid back by then,
        with those who had done so before; `waiting`, the same of those who had not.
    by_cohort : `cohort`, `time`, `share`, of all customers of the cohort.
    horizon : of the last time.
    time_unit : of times.
    """

    table: pd.DataFrame
    curve: pd.DataFrame
    by_cohort: pd.DataFrame
    horizon: Horizon
    time_unit: TimeUnit

    @property
    def paid_back(self) -> int:
        """Customers who have paid back already."""
        return int(self.table["paid_back"].sum())

    @property
    def waiting(self) -> int:
        """Customers who have not."""
        return len(self.table) - self.paid_back

    @property
    def p_never(self) -> float:
        """Of those who have not: chance to leave before; NaN where all have."""
        return self._of_waiting("p_never")

    @property
    def p_open(self) -> float:
        """Of those who have not: chance still to be a customer at the horizon without having paid back."""
        return self._of_waiting("p_open")

    @property
    def median(self) -> float | None:
        """Time by which half of those who have not yet are expected to have paid back, read off the curve.

        None where fewer than half do within the horizon.
        """
        share = self.curve["waiting"].to_numpy()
        return float(np.interp(0.5, share, self.curve["time"])) if share[-1] >= 0.5 else None

    def _of_waiting(self, column: str) -> float:
        return float(self.table.loc[~self.table["paid_back"], column].mean())

    def __repr__(self) -> str:
        return (
            f"<Payback of {len(self.table):,} customers: {self.paid_back:,} have paid back, "
            f"{self.curve['share'].iloc[-1]:.1%} are expected to within {self.horizon}>"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.table.head().to_html()}"


@dataclass(frozen=True, eq=False)
class BlockPayback:
    """Payback of the customers of one block.

    Parameters
    ----------
    columns : name -> (row,).
    reached : (step + 1,) customers expected to have paid back by each time of the grid.
    """

    columns: dict[str, FloatArray]
    reached: FloatArray


def payback(
    value: Value,
    posterior: "Posterior",
    summary: "CustomerSummary",
    ledger: Ledger,
    *,
    steps: int = STEPS,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Payback:
    """When each customer will have paid back what acquiring him cost, margin less all costs, discounted.

    Parameters
    ----------
    value : estimated with a margin and an acquisition cost, from the same posterior and summary.
    ledger : of the same customers; with the cost events that the value counts.
    steps : of the curve, of equal length up to the value's horizon.
    threads, progress : as in `estimate_value`; no result depends on them.

    Returns
    -------
    Payback, one row a customer:

        - `deficit` : money at the end of observation that is still to be brought back, compounded; negative where the
          customer has brought more.
        - `paid_back`, `paid_back_on` : whether and on which day the cost was first covered; it stays covered, even
          where a later refund opened a deficit again.
        - `payback_probability` : chance to have paid back by the horizon, 1 for who has.
        - `payback_time` : median in time units from now, the first time by which the chance is half; 0 for who has
          paid back, NaN where the chance stays below half.
        - `p_never`, `p_open` : chance to have left before, and to be still there without having paid back. With
          `payback_probability` they add up to 1.
        - `expected_path` : a second opinion in closed form, the median over draws of the time at which a customer who
          ordered as expected, without any chance, would have paid back; file cost aside, discounted at each moment and
          not cut at the horizon. NaN where more than half never would. It knows no bad luck, and is mostly too early.

    Raises
    ------
    UsageError : no margin or no acquisition cost, or a ledger of other customers or without the same costs.

    Notes
    -----
    docs/statistics.md, section Payback. The same streams as in `estimate_value`: the futures are those of its
    predictive interval.

    Examples
    --------
    >>> log = kw.read("example:cdnow-sample", customer="customer_id", time="date", amount="spend", currency="USD")
    >>> value = kw.estimate_value(posterior, summary, horizon="1 year", margin=0.3, acquisition_cost=10.0, draws=50)
    >>> found = payback(value, posterior, summary, kw.ledger(log, summary)).table
    >>> chances = found[["payback_probability", "p_never", "p_open"]].sum(axis=1)
    >>> bool((abs(chances - 1) < 1e-12).all()), int(found["paid_back"].sum())
    (True, 1231)
    """
    appraisal, horizon = appraised(value, posterior, summary), value.settings.terms.horizon
    owed = deficits_of(summary, ledger, value.economics, value.settings.terms.discount, value.cost_events)
    waiting, cohorts = np.flatnonzero(~owed.paid_back), appraisal.people.cohorts
    columns = _settled_columns(len(owed.deficit))
    reached = np.zeros((len(cohorts), steps + 1))

    def reduce(outlook: Outlook) -> BlockPayback:
        missing = owed.missing[outlook.rows]
        futures = simulate_value(outlook, missing)
        found = payback_columns(missing, futures.reached, horizon, steps)
        return BlockPayback(found.columns | {"expected_path": expected_path(outlook, missing)}, found.reached)

    passed = appraisal.stream(reduce, rows=waiting, stage="payback", threads=threads, progress=progress)
    for rows, cohort, found in passed:
        reached[cohort] += found.reached
        for name, values in found.columns.items():
            columns[name][rows] = values
    times = np.linspace(0.0, horizon, steps + 1)
    curves = _curves(times, reached, *_done_and_all(appraisal, owed), cohorts)
    return Payback(_table(appraisal, owed).assign(**columns), *curves, value.settings.horizon, posterior.time_unit)


def gathered_payback(appraisal: Appraisal, columns: Mapping[str, FloatArray], reached: FloatArray) -> Payback:
    """What a pass over all customers found of their payback; without the expected path, which has a pass of its own.

    Parameters
    ----------
    columns : name -> (customer,), those of `payback_columns` among them.
    reached : (cohort, step + 1) customers expected to have paid back by each time, those who had before among them.
    """
    owed, settings = appraisal.owed, appraisal.settings
    assert owed is not None  # nothing is gathered without deficits
    done, counts = _done_and_all(appraisal, owed)
    table = _table(appraisal, owed).assign(**{name: columns[name] for name in PAYBACK_COLUMNS})
    times = np.linspace(0.0, settings.terms.horizon, reached.shape[1])
    curves = _curves(times, reached - done[:, None], done, counts, appraisal.people.cohorts)
    return Payback(table, *curves, settings.horizon, settings.time_unit)


def _done_and_all(appraisal: Appraisal, owed: Deficits) -> tuple[IntArray, IntArray]:
    """(cohort,) customers who have paid back, and all."""
    cohort, size = appraisal.customers.cohort, len(appraisal.people.cohorts)
    return np.bincount(cohort[owed.paid_back], minlength=size), np.bincount(cohort, minlength=size)


def _table(appraisal: Appraisal, owed: Deficits) -> pd.DataFrame:
    table = pd.DataFrame({"customer_id": appraisal.summary.table["customer_id"].array, "deficit": owed.deficit})
    return table.assign(paid_back=owed.paid_back, paid_back_on=owed.paid_on)


def payback_columns(missing: FloatArray, reached: FloatArray, horizon: float, steps: int = STEPS) -> BlockPayback:
    """When the customers of a block will have paid back, from simulated futures.

    Parameters
    ----------
    missing : (row,) what orders to come have to bring, see `Deficits`.
    reached : (row, draw) when they have, of `simulate_value(outlook, missing)`.
    horizon : in time units.
    steps : of the curve.
    """
    draws = reached.shape[1]
    times = np.where(np.isneginf(missing)[:, None], 0.0, reached)
    open_still, never = np.isnan(times).mean(axis=1), np.isposinf(times).mean(axis=1)
    finite = times[np.isfinite(times)]
    steps_to = np.minimum(np.ceil(finite * (steps / horizon)), steps).astype(np.int64)
    times = np.where(np.isnan(times), np.inf, times)
    median = np.partition(times, (draws - 1) // 2, axis=1)[:, (draws - 1) // 2]
    columns = {
        "payback_probability": np.isfinite(times).mean(axis=1),
        "payback_time": np.where(np.isfinite(median), median, np.nan),
        "p_never": never,
        "p_open": open_still,
    }
    return BlockPayback(columns, np.cumsum(np.bincount(steps_to, minlength=steps + 1)) / draws)


def expected_path(outlook: Outlook, missing: FloatArray) -> FloatArray:
    """(row,) median over draws of the time at which expected contributions, without any chance, cover what is missing.

    While alive and discounted, contributions come at `pi exp(-kappa t)` with `kappa = delta + mu`, so that they reach D
    at `-log1p(-D kappa / pi) / kappa`, if ever. A customer who has gone never pays back. NaN where half never do.

    Parameters
    ----------
    missing : (row,) money, above 0.
    """
    block, (margin, order_cost, active_cost, _) = outlook.block, outlook.offers.T[:, :, None]
    pace = block.rate * (margin * block.mean_spend - order_cost) - active_cost
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = np.where(pace > 0, missing[:, None] / pace, np.inf)
        used = plain * (outlook.terms.discount + block.rate * block.dropout)
        bent = np.divide(-np.log1p(-used), used, out=np.ones_like(used), where=used > 0)
        path = np.where(used < 1, plain * bent, np.inf)
    order = np.argsort(path, axis=1)
    mass = np.cumsum(np.take_along_axis(block.p_alive, order, axis=1), axis=1)
    half = np.minimum((mass < 0.5 * block.shape[1]).sum(axis=1), block.shape[1] - 1)
    enough = mass[:, -1] >= 0.5 * block.shape[1]
    middle = np.take_along_axis(path, np.take_along_axis(order, half[:, None], axis=1), axis=1)[:, 0]
    return np.where(enough & np.isfinite(middle), middle, np.nan)


def _settled_columns(count: int) -> dict[str, FloatArray]:
    """Of customers who have paid back; the others are filled in."""
    found = {name: np.zeros(count) for name in ("payback_time", "p_never", "p_open", "expected_path")}
    return {"payback_probability": np.ones(count)} | found


def _curves(
    times: FloatArray, reached: FloatArray, done: IntArray, counts: IntArray, cohorts: tuple[str, ...]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of the base and of each cohort that has customers.

    Parameters
    ----------
    reached : (cohort, step + 1) customers who had not paid back and are expected to have by then.
    done, counts : (cohort,) customers who had, and all.
    """
    waiting = max(int(counts.sum() - done.sum()), 1)
    curve = pd.DataFrame({"time": times})
    curve["share"] = (done.sum() + reached.sum(axis=0)) / max(int(counts.sum()), 1)
    curve["waiting"] = reached.sum(axis=0) / waiting
    held = np.flatnonzero(counts)
    shares = (done[held, None] + reached[held]) / counts[held, None]
    labels = np.repeat(np.array(cohorts, dtype=object)[held], len(times))
    by_cohort = {"cohort": labels, "time": np.tile(times, len(held)), "share": shares.reshape(-1)}
    return curve, pd.DataFrame(by_cohort)
