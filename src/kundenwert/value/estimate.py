"""Realized, actual, potential value and churn of each customer, and totals of all by draw, in one pass."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

from kundenwert.names import Discounting, EventAhead, Flag, Returns
from kundenwert.streams import DEFAULT_SEED
from kundenwert.units import Horizon
from kundenwert.value.actual import expected_orders, expected_values, simulate_value, sum_values
from kundenwert.value.ahead import AheadPriors
from kundenwert.value.appraisal import Appraisal, appraise
from kundenwert.value.breakdown import realized_breakdown
from kundenwert.value.churn import p_silent, simulate_silence
from kundenwert.value.counters import FloatArray
from kundenwert.value.individuals import Progress
from kundenwert.value.margins import PerCustomer
from kundenwert.value.outlook import Outlook
from kundenwert.value.potential import SENSITIVITY, Frontier, adding_up_scale, growth_limit, share_between_cohorts
from kundenwert.value.results import Totals, Value
from kundenwert.value.room import Room
from kundenwert.value.variates import IntArray

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior


def estimate_value(
    posterior: "Posterior",
    summary: "CustomerSummary",
    *,
    horizon: Horizon | str = "3 years",
    discount_rate: float = 0.10,
    discounting: Discounting | str = Discounting.CONTINUOUS,
    margin: PerCustomer = None,
    cost_per_order: PerCustomer = 0.0,
    return_cost: PerCustomer = 0.0,
    cost_per_year_active: PerCustomer = 0.0,
    cost_per_year_on_file: PerCustomer = 0.0,
    deactivate_after: Horizon | str | None = None,
    acquisition_cost: PerCustomer = None,
    returns: Returns | str = Returns.NETTED,
    cost_events: pd.DataFrame | None = None,
    events_ahead: EventAhead | str = EventAhead.PER_ORDER,
    churn_horizon: Horizon | str = "26 weeks",
    frontier: float = 0.80,
    interval: float = 0.90,
    draws: int = 1000,
    seed: int = DEFAULT_SEED,
    threads: int | None = None,
    progress: Progress | None = None,
    attainable: tuple[float, float] = (2.0, 6.0),
    growth_cap: float = 0.20,
    newcomers: int = 2000,
    attainable_scale: float | None = None,
    priors: AheadPriors | None = None,
    block: int | None = None,
) -> Value:
    """Realized, actual and potential value, and churn, of every customer.

    Parameters
    ----------
    posterior : parameter draws.
    summary : customers, in the posterior's time unit.
    horizon : how far ahead value counts.
    discount_rate : effective, per year.
    discounting : "continuous", each payment at its own moment, or "discrete", at the end of the month it falls into.
    margin : share of spend that is contribution, from -1 to 1: a number, a column of the summary (`column:NAME`), or
        (customer,) numbers. Without one, values are revenue, `value_basis` says so, and costs are refused.
    cost_per_order : money per order, beyond the margin; a number, a column or (customer,) numbers, as all costs.
    return_cost : money per returned order, beyond the refund; takes the column `returned_orders`.
    cost_per_year_active, cost_per_year_on_file : money per year, while alive and for the record. Under BG/NBD a
        customer who bought once never dies, so that an active cost manufactures customers below zero.
    deactivate_after : a record without a purchase for so long is dropped, and costs no more. None: it is kept.
    acquisition_cost : money per customer; part of realized value only.
    returns : "netted" where amounts of the summary are after refunds, "modelled" where they are before them and each
        customer's share of returns comes off the forecast.
    cost_events : what tickets, visits, dunning have cost each customer so far, as `sum_events` returns it.
    events_ahead : "per_order" expects each order to come to cost what the customer's orders have cost in events so
        far, shrunk to the cohort's; "ignored" charges the past alone.
    churn_horizon : churn is "no purchase within this time".
    frontier : quantile of new living customers that potential is measured against.
    interval : mass of the predictive interval of actual value.
    draws : parameter draws used for each customer.
    seed : of the individual draws; with a customer's id it decides them, whatever else is in the summary.
    threads : of the pass; no result depends on it.
    progress : called with a stage and the share of it that is done.
    attainable : Beta prior of the share of the gap to the frontier that can be closed: a judgement.
    growth_cap : all unrealized value together, as a share of positive actual value, per year of horizon.
    newcomers : new customers simulated per cohort and draw for the frontier.
    priors : of returns and events, of an earlier run; by default they are fitted to these customers.
    attainable_scale : the scale of an earlier run, to be used as it is; by default it is derived from these customers.
    block : customers at once; by default as many as stay in the processor's cache.

    Returns
    -------
    Value

    Raises
    ------
    UsageError : settings that cannot be used.
    DataError : customers whose margin or costs are missing or impossible, or whose returns are not known.
    RunError : a cohort that the posterior does not know.

    Notes
    -----
    docs/statistics.md, sections Actual value and Potential value.

    Examples
    --------
    >>> value = kw.estimate_value(posterior, summary, horizon="1 year", margin=0.3, draws=100)
    >>> bool((value.table["potential_value"] >= value.table["actual_value"]).all())
    True
    """
    appraisal = appraise(
        posterior,
        summary,
        margin=margin,
        cost_per_order=cost_per_order,
        return_cost=return_cost,
        cost_per_year_active=cost_per_year_active,
        cost_per_year_on_file=cost_per_year_on_file,
        deactivate_after=deactivate_after,
        acquisition_cost=acquisition_cost,
        returns=returns,
        cost_events=cost_events,
        events_ahead=events_ahead,
        priors=priors,
        horizon=horizon,
        discount_rate=discount_rate,
        discounting=discounting,
        churn_horizon=churn_horizon,
        frontier=frontier,
        interval=interval,
        draws=draws,
        seed=seed,
        attainable=attainable,
        growth_cap=growth_cap,
        newcomers=newcomers,
        threads=threads,
        progress=progress,
    )
    gathered = Gathered.of(appraisal)

    def reduce(outlook: Outlook) -> tuple[Expected, Simulated]:
        return reduce_expected(outlook, appraisal), reduce_futures(outlook, appraisal)

    passed = appraisal.stream(reduce, stage="value", block=block, threads=threads, progress=progress)
    for rows, cohort, (expected, simulated) in passed:
        gathered.add_expected(rows, cohort, expected)
        gathered.add_simulated(rows, cohort, simulated)
    return gathered.value(appraisal, attainable_scale)


@dataclass(frozen=True)
class Expected:
    """What is expected of one block's customers.

    Parameters
    ----------
    columns : name -> (row,).
    value : (draw,) expected value of all of them given the parameters of a draw.
    room : unrealized value before the attainable scale.
    """

    columns: dict[str, FloatArray]
    value: FloatArray
    room: Room


def reduce_expected(outlook: Outlook, appraisal: Appraisal) -> Expected:
    """The expected values of one block."""
    block, peers, terms = outlook.block, appraisal.peers, outlook.terms
    which, proven = block.purchases.which, ~block.structurally_alive
    gaps = peers.mean_gaps(outlook)
    columns = {
        "p_alive": block.alive_share.mean(axis=1)[which],
        "expected_purchases": expected_orders(block, terms),
        "actual_value": expected_values(block, outlook.ahead, [terms])[:, 0],
        "structural_alive": (~proven).astype(np.float64),
        "gap": gaps[peers.quantile][0],
    }
    columns |= {f"room_{quantile}": proven * room for quantile, (_, room) in gaps.items()}
    room = peers.room(outlook, columns[f"room_{peers.quantile}"])
    return Expected(columns, sum_values(outlook), room)


@dataclass(frozen=True)
class Simulated:
    """One future of one block's customers in each draw.

    Parameters
    ----------
    columns : name -> (row,).
    value : (row, draw) discounted value.
    orders, churned : (draw,) orders within the horizon, and customers without one within the churn horizon.
    """

    columns: dict[str, FloatArray]
    value: FloatArray
    orders: FloatArray
    churned: FloatArray


def reduce_futures(outlook: Outlook, appraisal: Appraisal) -> Simulated:
    """The simulated futures of one block."""
    settings, block = appraisal.settings, outlook.block
    future = simulate_value(outlook)
    silent = p_silent(block, outlook.terms.churn_horizon)
    tail = (1.0 - settings.interval) / 2
    low, high = np.quantile(future.value, [tail, 1.0 - tail], axis=1)
    columns = {
        "churn_probability": silent.mean(axis=1)[block.purchases.which],
        "actual_value_low": low,
        "actual_value_high": high,
    }
    return Simulated(columns, future.value, future.orders.sum(axis=0), simulate_silence(block, silent))


@dataclass
class Gathered:
    """What the blocks of a pass leave behind, put together.

    Parameters
    ----------
    columns : name -> (customer,).
    by_cohort, expected : (draw, cohort) simulated and expected value.
    orders, churned : (draw,).
    """

    by_cohort: FloatArray
    expected: FloatArray
    orders: FloatArray
    churned: FloatArray
    customers: int
    columns: dict[str, FloatArray] = field(default_factory=dict)

    @classmethod
    def of(cls, appraisal: Appraisal) -> Self:
        """Nothing yet."""
        draws, cohorts = appraisal.people.draws, len(appraisal.people.cohorts)
        sums = (np.zeros((draws, cohorts)), np.zeros((draws, cohorts)), np.zeros(draws), np.zeros(draws))
        return cls(*sums, len(appraisal.customers))

    def add_expected(self, rows: IntArray, cohort: int, found: Expected) -> None:
        """The next block, of these customers."""
        self._keep(rows, found.columns)
        self.expected[:, cohort] += found.value

    def add_simulated(self, rows: IntArray, cohort: int, found: Simulated) -> None:
        """The next block, of these customers."""
        self._keep(rows, found.columns)
        self.by_cohort[:, cohort] += found.value.sum(axis=0)
        self.orders += found.orders
        self.churned += found.churned

    def _keep(self, rows: IntArray, columns: dict[str, FloatArray]) -> None:
        for name, values in columns.items():
            self.columns.setdefault(name, np.empty(self.customers))[rows] = values

    def room(self, appraisal: Appraisal) -> FloatArray:
        """(customer,) unrealized value before the attainable scale."""
        return self.columns[f"room_{appraisal.peers.quantile}"]

    def settled(self, appraisal: Appraisal, scale: float | None) -> Frontier:
        """The frontier with all that is known only once every customer has been seen.

        Parameters
        ----------
        scale : of unrealized value; None where it is that of these customers.
        """
        peers, columns = appraisal.peers, self.columns
        limit = growth_limit(columns["actual_value"], appraisal.settings)
        room = self.room(appraisal)
        return replace(
            peers,
            limit=limit,
            attainable_scale=adding_up_scale(limit, float(room.sum())) if scale is None else scale,
            potential_identified=share_between_cohorts(room, appraisal.customers.cohort),
            sensitivity={quantile: float(columns[f"room_{quantile}"].sum()) for quantile in SENSITIVITY},
        )

    def value(self, appraisal: Appraisal, scale: float | None) -> Value:
        """The result, with a given scale of unrealized value or with that of these customers."""
        economics, summary = appraisal.economics, appraisal.summary
        peers = self.settled(appraisal, scale)
        breakdown = realized_breakdown(summary, economics, appraisal.cost_events)
        realized = breakdown.table["realized_value"].to_numpy()
        table = _table(summary.table, self.columns, realized, peers)
        totals = Totals(self.by_cohort.sum(axis=1), self.by_cohort, self.orders, self.churned, self.expected)
        notes = _notes(appraisal, peers, realized, self.columns)
        room = self.room(appraisal)
        given = (peers, economics, appraisal.ahead, breakdown, room, appraisal.cost_events, notes)
        return Value(table, appraisal.settings, totals, *given)


def _table(
    summary: pd.DataFrame, columns: dict[str, FloatArray], realized: FloatArray, peers: Frontier
) -> pd.DataFrame:
    room, gap = columns[f"room_{peers.quantile}"], columns["gap"]
    unrealized = peers.attainable_scale * room
    proven = columns["structural_alive"] == 0
    typical = peers.attainable_scale * peers.attainable.mean() * proven
    table = pd.DataFrame({"customer_id": summary["customer_id"].array, "cohort": summary["cohort"].array})
    table["realized_value"] = realized
    for name in (
        "p_alive",
        "churn_probability",
        "expected_purchases",
        "actual_value",
        "actual_value_low",
        "actual_value_high",
    ):
        table[name] = columns[name]
    table["potential_value"] = columns["actual_value"] + unrealized
    table["unrealized_value"] = unrealized
    table["potential_basis"] = peers.basis.value
    table["gap"] = gap
    table["attainable_share"] = np.divide(unrealized, gap, out=np.asarray(typical), where=gap > 0)
    flags: list[list[str]] = [[] for _ in range(len(table))]
    marks = {
        Flag.STRUCTURAL_ALIVE: ~proven,
        Flag.UNPROVEN: ~proven,
        Flag.NO_REPEAT_SPEND: summary["spend_days"].to_numpy() == 0,
        Flag.NO_MEAN_SPEND: np.isnan(columns["actual_value"]),
        Flag.EARLY_REFUND: summary["early_refund"].to_numpy(dtype=bool),
    }
    for flag, mask in marks.items():
        for row in np.flatnonzero(mask):
            flags[row].append(flag.value)
    table["flags"] = flags
    return table


def _notes(
    appraisal: Appraisal, peers: Frontier, realized: FloatArray, columns: dict[str, FloatArray]
) -> tuple[str, ...]:
    notes = []
    if appraisal.settings.value_basis == "revenue":
        notes.append("Values are revenue: no margin was given.")
    if np.isnan(realized).any():
        notes.append("Realized value is unknown where the summary lacks gross, refunds or orders.")
    if unproven := int(columns["structural_alive"].sum()):
        notes.append(
            f"{unproven:,} customers bought once and are alive by construction of the model: no potential is credited. "
            "MBG/NBD can tell who has gone among them."
        )
        if appraisal.economics.active_cost[columns["structural_alive"] > 0].any():
            notes.append(
                "Their cost per active year runs to the horizon, since the model never lets them go: it puts customers "
                "below zero who may have left long ago. Use MBG/NBD, or state the cost per order."
            )
    if missing := int(np.isnan(columns["actual_value"]).sum()):
        notes.append(f"{missing:,} customers have no mean spend on some draw: their actual value is not a number.")
    if peers.warning:
        notes.append(peers.warning)
    return tuple(notes)
