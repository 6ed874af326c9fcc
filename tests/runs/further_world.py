"""What value and decisions hand to the report, by hand: small numbers that add up and can be checked by eye."""

import datetime as dt
from typing import Any

import numpy as np

from kundenwert.names import PotentialBasis
from kundenwert.runs.report_actions import (
    ActionLine,
    ActionPlan,
    BreakEven,
    BudgetPoints,
    Objected,
    Payback,
    RoomOfBasis,
)
from kundenwert.runs.report_change import EquityBridge, Estimate, LabelFlows, Mover
from kundenwert.runs.report_realized import Realized
from kundenwert.runs.report_sections import Further
from kundenwert.value.assumptions import Assumption

SINCE = dt.date(1997, 9, 23)

# Labels then in the order of ROWS (new last), labels now in the order of COLUMNS (left last).
COUNTS = (
    (90, 3, 0, 2, 0, 1, 4, 0),
    (2, 30, 1, 0, 0, 0, 2, 0),
    (0, 4, 120, 6, 0, 3, 7, 1),
    (1, 0, 5, 60, 0, 8, 3, 0),
    (0, 0, 0, 0, 0, 0, 0, 0),
    (0, 0, 1, 1, 0, 100, 2, 0),
    (5, 0, 6, 2, 0, 4, 20, 0),
    (0, 0, 7, 1, 0, 0, 2, 0),
)
BOTH, RELABELLED, NEW = 493, 73, 10


def bridge(value: float = 10_000.0, **changed: Any) -> EquityBridge:
    """From 3,000 less than it was: new +900, orders +200 (noise), time -4,000, model -100 (noise), settings 0."""
    parts = {
        "new": Estimate(900.0, 700.0, 1100.0),
        "orders": Estimate(200.0, -300.0, 650.0),
        "time": Estimate(-4000.0, -4200.0, -3800.0),
        "model": Estimate(-100.0, -400.0, 200.0),
        "settings": Estimate(0.0, 0.0, 0.0),
    }
    made: dict[str, Any] = {
        "since": SINCE,
        "start": Estimate(value + 3000.0, value + 2000.0, value + 4000.0),
        "parts": parts,
        "end": Estimate(value, value - 900.0, value + 1000.0),
        "change": Estimate(-3000.0, -3700.0, -2350.0),
        "details": {"new": "10 customers won", "orders": "212 orders came, 205 were expected"},
    }
    return EquityBridge(**{**made, **changed})


def flows(**changed: Any) -> LabelFlows:
    """500 customers then of whom 7 left, 10 new; 73 of those in both runs changed label."""
    counts = np.array(COUNTS)
    made: dict[str, Any] = {
        "since": SINCE,
        "counts": counts,
        "money": counts * np.array([80.0, 90.0, 8.0, 5.0, -2.0, 1.0, 15.0, 6.0])[:, None],
        "movers": (
            Mover("00017", "most_valuable", "dormant", 840.0, 12.5, "no order for 20 weeks"),
            Mover("<script>alert(1)</script>", "most_growable", "super_growth", 31.0, 260.0, "3 orders since 23 Sep"),
        ),
        "flicker": 0.02,
    }
    return LabelFlows(**{**made, **changed})


def plan(**changed: Any) -> ActionPlan:
    """Two actions for 900 of a budget of 1,000, net gain 1,500; one of them has met an experiment."""
    made: dict[str, Any] = {
        "actions": (
            ActionLine("win-back mail", 1200, 600.0, Estimate(900.0, -100.0, 2100.0), 0.91, held_out=120),
            ActionLine("free shipping", 300, 300.0, Estimate(600.0, 250.0, 980.0), 0.98, held_out=30, assumed=False),
        ),
        "gain": Estimate(1500.0, 300.0, 2900.0),
        "loss_chance": 0.04,
        "budget": 1000.0,
        "shadow_price": 0.4,
        "curve": points(),
    }
    return ActionPlan(**{**made, **changed})


def points() -> BudgetPoints:
    """Net gain 1,800 (1 - e^(-b / 600)) up to its end at 2,400, where another euro brings nothing."""
    budget = np.linspace(0.0, 3000.0, 41)
    gain = 1800.0 * -np.expm1(-np.minimum(budget, 2400.0) / 600.0)
    price = np.where(budget < 2400.0, 3.0 * np.exp(-budget / 600.0), 0.0)
    return BudgetPoints(budget, gain, 0.3 * gain - 0.05 * budget, 1.8 * gain, price, enough=2400.0)


def payback(**changed: Any) -> Payback:
    """Of 400 customers 7 of 10 pay back in three years, half after 39 weeks; 2 of 10 are gone before."""
    weeks = np.linspace(0.0, 156.0, 27)
    rise = -np.expm1(-weeks / 32.0)
    made: dict[str, Any] = {
        "customers": 400,
        "paid_back": 90,
        "weeks": weeks,
        "chance": 0.7 * rise / rise[-1],
        "gone": 0.2,
        "open": 0.1,
        "median": -32.0 * float(np.log1p(-rise[-1] * 0.5 / 0.7)),
    }
    return Payback(**{**made, **changed})


def break_even() -> tuple[BreakEven, ...]:
    """Three cohorts: one that costs too much, one that is a risk, one that is fine."""
    return tuple(
        BreakEven(cohort, Estimate(value, value - 6.0, value + 6.0), value - 3.0, cost=cost)
        for cohort, value, cost in (("1997-01", 42.0, 30.0), ("1997-02", 35.0, 34.0), ("1997-03", 28.0, 31.0))
    )


def rooms(base: float) -> tuple[RoomOfBasis, ...]:
    """Peers in use, and two others beside them."""
    return (
        RoomOfBasis(PotentialBasis.PEERS, "peers' frontier .80, a quarter of the gap", base, used=True),
        RoomOfBasis(PotentialBasis.WALLET, "half of what is spent elsewhere, asked of 300 customers", 8000.0),
        RoomOfBasis(PotentialBasis.LEVERS, "three declared actions", 1500.0),
    )


ASSUMED = (
    Assumption("value.margin", "All money is revenue: no margin was given.", "absent"),
    Assumption("value.returns", "Refunds are taken off the amounts that customers paid.", "default"),
    Assumption("potential.attainable", "Customers are taken to close 25 % of the distance.", "given"),
)


REALIZED = Realized(
    {
        "gross_margin": 9000.0,
        "refunds": -700.0,
        "event_ticket": -300.0,
        "order_costs": 0.0,
        "joint_advertising": -900.0,
    },
    7100.0,
    provision=55.0,
    days=30,
)


def further(end: float, room: float, **changed: Any) -> Further:
    """Everything at once, for a base of this value and this room."""
    made: dict[str, Any] = {
        "bridge": bridge(end),
        "flows": flows(),
        "plan": plan(),
        "payback": payback(),
        "break_even": break_even(),
        "rooms": rooms(room),
        "assumed": ASSUMED,
        "realized": REALIZED,
        "beyond_wallet": 7,
    }
    return Further(**{**made, **changed})


def objected(parts: dict[str, Any], customers: int) -> Objected:
    """The first customers of a world object: what the model says of them leaves the table, the total keeps it."""
    table = parts["segments"].table
    gone = table.index[:customers]
    value = float(table.loc[gone, "actual_value"].sum())
    for column in table.columns.drop(["customer_id", "cohort", "frequency", "recency", "T", "monetary_value"]):
        if table[column].dtype.kind == "f":
            table.loc[gone, column] = np.nan
        elif column in ("segment", "status"):
            table.loc[gone, column] = None
    return Objected(customers, value)
