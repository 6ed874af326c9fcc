"""One pass over the customers: realized, actual, potential value and churn of each, totals of all by draw."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.names import Flag
from kundenwert.streams import DEFAULT_SEED
from kundenwert.units import DiscountRate, Horizon
from kundenwert.value.actual import expected_orders, expected_values, simulate_value
from kundenwert.value.block import Block
from kundenwert.value.churn import p_silent, simulate_silence
from kundenwert.value.counters import FloatArray
from kundenwert.value.individuals import (
    Histories,
    Population,
    Progress,
    histories,
    population,
    stream,
)
from kundenwert.value.margins import PerCustomer, margins_and_costs
from kundenwert.value.potential import (
    SENSITIVITY,
    Frontier,
    adding_up_scale,
    build_frontier,
    growth_limit,
    share_between_cohorts,
)
from kundenwert.value.realized import realized_values
from kundenwert.value.results import Totals, Value
from kundenwert.value.settings import ValueSettings
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
    margin: PerCustomer = None,
    cost_per_order: float = 0.0,
    cost_per_year_active: float = 0.0,
    cost_per_year_on_file: float = 0.0,
    acquisition_cost: PerCustomer = None,
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
    block: int | None = None,
) -> Value:
    """Realized, actual and potential value, and churn, of every customer.

    Parameters
    ----------
    posterior : parameter draws.
    summary : customers, in the posterior's time unit.
    horizon : how far ahead value counts.
    discount_rate : effective, per year.
    margin : share of spend that is contribution, from -1 to 1: a number, a column of the summary (`column:NAME`), or
        (customer,) numbers. Without one, values are revenue, `value_basis` says so, and costs are refused.
    cost_per_order : money per order, beyond the margin.
    cost_per_year_active, cost_per_year_on_file : money per year, while alive and for the record. Under BG/NBD a
        customer who bought once never dies, so that an active cost manufactures customers below zero.
    acquisition_cost : money per customer, a number, column or (customer,) numbers; part of realized value only.
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
    attainable_scale : the scale of an earlier run, to be used as it is; by default it is derived from these customers.
    block : customers at once; by default as many as stay in the processor's cache.

    Returns
    -------
    Value

    Raises
    ------
    UsageError : settings that cannot be used.
    DataError : customers whose margin or acquisition cost is missing or impossible.
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
    people = population(posterior, draws, seed)
    customers = histories(posterior, summary)
    margins, costs = margins_and_costs(margin, acquisition_cost, summary.table)
    settings = ValueSettings(
        horizon=Horizon.parse(horizon),
        discount_rate=DiscountRate(discount_rate),
        margin=_common(margins),
        value_basis="revenue" if margin is None else "contribution",
        cost_per_order=cost_per_order,
        cost_per_year_active=cost_per_year_active,
        cost_per_year_on_file=cost_per_year_on_file,
        acquisition_cost=None if costs is None else _common(costs),
        churn_horizon=Horizon.parse(churn_horizon),
        frontier=frontier,
        interval=interval,
        draws=people.draws,
        seed=seed,
        time_unit=posterior.time_unit,
        currency=posterior.currency,
        attainable=attainable,
        growth_cap=growth_cap,
        newcomers=newcomers,
    )
    peers = build_frontier(people, customers.cohort, margins, settings, threads=threads, progress=progress)
    columns, totals = _one_pass(people, customers, margins, settings, peers, block, threads, progress)
    peers = _settled(peers, columns, customers.cohort, settings, attainable_scale)
    realized = realized_values(summary.table, margins, settings.cost_per_order, costs)
    table = _table(summary.table, columns, realized, peers)
    return Value(table, settings, totals, peers, margins, _notes(settings, peers, realized, columns))


@dataclass(frozen=True)
class _Reduced:
    """What one block leaves behind: columns of its customers, and sums over them by draw."""

    columns: dict[str, FloatArray]
    value: FloatArray
    orders: FloatArray
    churned: FloatArray


def _one_pass(
    people: Population,
    customers: Histories,
    margins: FloatArray,
    settings: ValueSettings,
    peers: Frontier,
    block_size: int | None,
    threads: int | None,
    progress: Progress | None,
) -> tuple[dict[str, FloatArray], Totals]:
    def reduce(block: Block) -> _Reduced:
        return _reduce(block, margins[block.rows, None], settings, peers)

    columns: dict[str, FloatArray] = {}
    by_cohort = np.zeros((people.draws, len(people.cohorts)))
    orders, churned = np.zeros(people.draws), np.zeros(people.draws)
    passed = stream(people, customers, reduce, stage="value", block=block_size, threads=threads, progress=progress)
    for rows, cohort, found in passed:
        for name, values in found.columns.items():
            columns.setdefault(name, np.empty(len(customers)))[rows] = values
        by_cohort[:, cohort] += found.value
        orders += found.orders
        churned += found.churned
    return columns, Totals(by_cohort.sum(axis=1), by_cohort, orders, churned)


def _reduce(block: Block, margin: FloatArray, settings: ValueSettings, peers: Frontier) -> _Reduced:
    terms, which = settings.terms, block.purchases.which
    future = simulate_value(block, margin, terms)
    silent = p_silent(block, terms.churn_horizon)
    tail = (1.0 - settings.interval) / 2
    low, high = np.quantile(future.value, [tail, 1.0 - tail], axis=1)
    gaps = peers.mean_gaps(block, margin[:, 0], terms)
    columns = {
        "p_alive": block.alive_share.mean(axis=1)[which],
        "churn_probability": silent.mean(axis=1)[which],
        "expected_purchases": expected_orders(block, terms),
        "actual_value": expected_values(block, margin, [terms])[:, 0],
        "actual_value_low": low,
        "actual_value_high": high,
        "structural_alive": block.structurally_alive.astype(np.float64),
        "gap": gaps[peers.quantile][0],
    }
    columns |= {f"room_{quantile}": ~block.structurally_alive * room for quantile, (_, room) in gaps.items()}
    return _Reduced(columns, future.value.sum(axis=0), future.orders.sum(axis=0), simulate_silence(block, silent))


def _settled(
    peers: Frontier, columns: Mapping[str, FloatArray], cohort: IntArray, settings: ValueSettings, scale: float | None
) -> Frontier:
    """The frontier with all that is known only once every customer has been seen."""
    limit = growth_limit(columns["actual_value"], settings)
    room = columns[f"room_{peers.quantile}"]
    return replace(
        peers,
        limit=limit,
        attainable_scale=adding_up_scale(limit, float(room.sum())) if scale is None else scale,
        potential_identified=share_between_cohorts(room, cohort),
        sensitivity={quantile: float(columns[f"room_{quantile}"].sum()) for quantile in SENSITIVITY},
    )


def _table(
    summary: pd.DataFrame, columns: Mapping[str, FloatArray], realized: FloatArray, peers: Frontier
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
    settings: ValueSettings, peers: Frontier, realized: FloatArray, columns: Mapping[str, FloatArray]
) -> tuple[str, ...]:
    notes = []
    if settings.value_basis == "revenue":
        notes.append("Values are revenue: no margin was given.")
    if np.isnan(realized).any():
        notes.append("Realized value is unknown where the summary lacks gross, refunds or orders.")
    if unproven := int(columns["structural_alive"].sum()):
        notes.append(
            f"{unproven:,} customers bought once and are alive by construction of the model: no potential is credited. "
            "MBG/NBD can tell who has gone among them."
        )
    if missing := int(np.isnan(columns["actual_value"]).sum()):
        notes.append(f"{missing:,} customers have no mean spend on some draw: their actual value is not a number.")
    if peers.warning:
        notes.append(peers.warning)
    return tuple(notes)


def _common(values: FloatArray) -> float | None:
    """The one number of all customers, or None where they differ (or there are none)."""
    return float(values[0]) if len(values) and (values == values[0]).all() else None
