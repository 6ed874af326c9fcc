"""What a pass over the customers computes of each block, and what the blocks come to."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import pandas as pd

from kundenwert.names import Flag, PotentialBasis
from kundenwert.value.actual import expected_orders, expected_values, simulate_value, sum_values
from kundenwert.value.appraisal import Appraisal
from kundenwert.value.bases import beyond_wallet, chosen, side_by_side
from kundenwert.value.breakdown import realized_breakdown
from kundenwert.value.churn import p_silent, simulate_silence
from kundenwert.value.counters import FloatArray
from kundenwert.value.lever_basis import columns_of, gathered_gains, room_of
from kundenwert.value.outlook import Outlook, interval_of
from kundenwert.value.payback_times import STEPS, gathered_payback, payback_columns
from kundenwert.value.potential import SENSITIVITY, Frontier, adding_up_scale, growth_limit, share_between_cohorts
from kundenwert.value.results import Totals, Value
from kundenwert.value.room import Room
from kundenwert.value.variates import IntArray


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
    rooms: dict[PotentialBasis, Callable[[], Room]] = {}
    rooms[PotentialBasis.PEERS] = lambda: peers.room(outlook, columns[f"room_{peers.quantile}"])
    if appraisal.levers is not None:
        gains = appraisal.levers.gains(outlook)
        columns |= columns_of(gains)
        rooms[PotentialBasis.LEVERS] = lambda: room_of(gains)
    if appraisal.wallets is not None:
        in_wallets = appraisal.wallets.room(outlook)
        columns["wallet_room"] = in_wallets.mean
        rooms[PotentialBasis.WALLET] = lambda: in_wallets
    return Expected(columns, sum_values(outlook), rooms[appraisal.basis]())


@dataclass(frozen=True)
class Simulated:
    """One future of one block's customers in each draw.

    Parameters
    ----------
    columns : name -> (row,).
    value : (row, draw) discounted value.
    orders, churned : (draw,) orders within the horizon, and customers without one within the churn horizon.
    reached : (step + 1,) see `payback_columns`; zeros where payback is not asked.
    """

    columns: dict[str, FloatArray]
    value: FloatArray
    orders: FloatArray
    churned: FloatArray
    reached: FloatArray


def reduce_futures(outlook: Outlook, appraisal: Appraisal) -> Simulated:
    """The simulated futures of one block."""
    settings, block = appraisal.settings, outlook.block
    missing = None if appraisal.owed is None else appraisal.owed.missing[outlook.rows]
    future = simulate_value(outlook, missing)
    silent = p_silent(block, outlook.terms.churn_horizon)
    low, high = interval_of(future.value, settings.interval)
    columns = {
        "churn_probability": silent.mean(axis=1)[block.purchases.which],
        "actual_value_low": low,
        "actual_value_high": high,
    }
    reached = np.zeros(STEPS + 1)
    if missing is not None:
        paid = payback_columns(missing, future.reached, outlook.terms.horizon)
        columns, reached = columns | paid.columns, paid.reached
    return Simulated(columns, future.value, future.orders.sum(axis=0), simulate_silence(block, silent), reached)


@dataclass
class Gathered:
    """What the blocks of a pass leave behind, put together.

    Parameters
    ----------
    columns : name -> (customer,).
    by_cohort, expected : (draw, cohort) simulated and expected value.
    orders, churned : (draw,).
    reached : (cohort, step + 1) customers expected to have paid back by each time.
    """

    by_cohort: FloatArray
    expected: FloatArray
    orders: FloatArray
    churned: FloatArray
    reached: FloatArray
    customers: int
    columns: dict[str, FloatArray] = field(default_factory=dict)

    @classmethod
    def of(cls, appraisal: Appraisal) -> Self:
        """Nothing yet."""
        draws, cohorts = appraisal.people.draws, len(appraisal.people.cohorts)
        by_cohort, expected, orders, churned = (
            np.zeros((draws, cohorts)),
            np.zeros((draws, cohorts)),
            *np.zeros((2, draws)),
        )
        reached = np.zeros((cohorts, STEPS + 1))
        return cls(by_cohort, expected, orders, churned, reached, len(appraisal.customers))

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
        self.reached[cohort] += found.reached

    def _keep(self, rows: IntArray, columns: dict[str, FloatArray]) -> None:
        for name, values in columns.items():
            self.columns.setdefault(name, np.empty((self.customers, *values.shape[1:])))[rows] = values

    def room(self, appraisal: Appraisal) -> FloatArray:
        """(customer,) unrealized value before any scale."""
        return self.rooms(appraisal)[appraisal.basis]

    def rooms(self, appraisal: Appraisal) -> dict[PotentialBasis, FloatArray]:
        """Basis -> (customer,) the same by every basis at hand."""
        found = {PotentialBasis.PEERS: self.columns[f"room_{appraisal.peers.quantile}"]}
        if appraisal.levers is not None:
            found[PotentialBasis.LEVERS] = self.columns["lever_room"]
        if appraisal.wallets is not None:
            found[PotentialBasis.WALLET] = self.columns["wallet_room"]
        return found

    def settled(self, appraisal: Appraisal, scale: float | None) -> Frontier:
        """The frontier with all that is known only once every customer has been seen.

        Parameters
        ----------
        scale : of unrealized value; None where it is that of these customers.
        """
        peers, columns = appraisal.peers, self.columns
        limit = growth_limit(columns["actual_value"], appraisal.settings)
        room = self.rooms(appraisal)[PotentialBasis.PEERS]
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
        detail = self.detail(appraisal, peers)
        table = _table(appraisal, self.columns, realized, detail)
        totals = Totals(self.by_cohort.sum(axis=1), self.by_cohort, self.orders, self.churned, self.expected)
        notes = _notes(appraisal, peers, realized, self.columns)
        room = self.rooms(appraisal)[PotentialBasis.PEERS]
        given = (peers, economics, appraisal.ahead, breakdown, room, detail, appraisal.basis)
        levers = None if appraisal.levers is None else gathered_gains(appraisal.levers, self.columns)
        paid = None if appraisal.owed is None else gathered_payback(appraisal, self.columns, self.reached)
        more = (levers, appraisal.wallets, paid, appraisal.customers.gone, appraisal.cost_events)
        return Value(table, appraisal.settings, totals, *given, *more, notes)

    def detail(self, appraisal: Appraisal, peers: Frontier) -> pd.DataFrame:
        """Unrealized value by every basis at hand, that of peers after the cap on its total."""
        rooms, gap = self.rooms(appraisal), self.columns["gap"]
        capped = peers.attainable_scale * rooms[PotentialBasis.PEERS]
        typical = peers.attainable_scale * peers.attainable.mean() * (self.columns["structural_alive"] == 0)
        share = np.divide(capped, gap, out=np.asarray(typical), where=gap > 0)
        found = rooms | {PotentialBasis.PEERS: capped}
        return side_by_side(appraisal.summary.table["customer_id"], found, gap=gap, attainable=share)


def _table(
    appraisal: Appraisal, columns: dict[str, FloatArray], realized: FloatArray, detail: pd.DataFrame
) -> pd.DataFrame:
    summary, basis, wallets = appraisal.summary.table, appraisal.basis, appraisal.wallets
    unrealized = chosen(detail, basis)
    proven = columns["structural_alive"] == 0
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
    table["potential_basis"] = basis.value
    table["gap"] = detail["gap"].to_numpy()
    table["attainable_share"] = detail["attainable"].to_numpy()
    flags: list[list[str]] = [[] for _ in range(len(table))]
    marks = {
        Flag.STRUCTURAL_ALIVE: ~proven,
        Flag.UNPROVEN: ~proven & (basis is PotentialBasis.PEERS),
        Flag.BEYOND_WALLET: beyond_wallet(detail),
        Flag.WALLET_IMPUTED: np.zeros(len(table), bool) if wallets is None else ~wallets.data.known,
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
    peered = appraisal.basis is PotentialBasis.PEERS
    if (unproven := int(columns["structural_alive"].sum())) and peered:
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
    if peers.warning and peered:
        notes.append(peers.warning)
    return tuple(notes)
