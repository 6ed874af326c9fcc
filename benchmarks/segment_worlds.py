"""Customers with known truth: what they are, what was seen of them, and whether labels say so.

The world is written out here order by order, states from their definition: nothing of it is the package's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from harness.output import tell

import kundenwert as kw
from kundenwert.decisions.losses import least_risk, risks
from kundenwert.decisions.one_pass import assess
from kundenwert.decisions.rule import allowed_labels
from kundenwert.decisions.segments import Segments
from kundenwert.names import STATES

YEAR = 365.25 / 7  # in weeks
MARGIN, ORDER_COST = 0.35, 4.0
DISCOUNT = np.log(1.10) / YEAR
VALUED = {"margin": MARGIN, "cost_per_order": ORDER_COST, "horizon": "1 year", "discount_rate": 0.10}
SPEND = {"p": 6.25, "q": 3.74, "v": 15.44}
THETA = {
    "bgnbd": {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426, **SPEND},
    "mbgnbd": {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614, **SPEND},
}
SPREAD = 0.1  # of log parameters between worlds
WORLDS, CUSTOMERS = 6, 10_000
NEWCOMERS = 400_000
GONE = len(STATES) - 1


class World:
    """Customers followed from their first order on.

    Parameters
    ----------
    family : "mbgnbd" where the first order may be the last one, else "bgnbd".
    theta : parameters a week.
    after : weeks that customers are followed beyond their age.
    """

    def __init__(self, family: str, theta: Mapping[str, float], count: int, seed: int, after: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        self.family, self.theta, self.first_kills = family, theta, family == "mbgnbd"
        self.age = rng.uniform(27, 39, count)
        self.rate = rng.gamma(theta["r"], 1 / theta["alpha"], count)
        self.dropout = rng.beta(theta["a"], theta["b"], count)
        self.nu = rng.gamma(theta["q"], 1 / theta["v"], count)
        self.attainable = rng.beta(2, 6, count)
        self.death = np.where(self.first_kills & (rng.random(count) < self.dropout), 0.0, np.inf)
        orders, clock, who = [], np.zeros(count), np.flatnonzero(self.death > 0)
        while len(who):
            clock[who] += rng.exponential(1, len(who)) / self.rate[who]
            who = who[clock[who] < self.age[who] + after]
            orders.append((who, clock[who], rng.gamma(theta["p"], 1 / self.nu[who])))
            dies = rng.random(len(who)) < self.dropout[who]
            self.death[who[dies]] = clock[who[dies]]
            who = who[~dies]
        self.who, self.when, self.amount = (np.concatenate(column) for column in zip(*orders, strict=True))

    def summary(self, later: float = 0.0, end: str = "1997-09-30") -> kw.CustomerSummary:
        """What is known of them so many weeks later, on a day that is then called so."""
        count, T = len(self.age), self.age + later
        seen = self.when <= T[self.who]
        who, when = self.who[seen], self.when[seen]
        x, t_x = np.bincount(who, minlength=count), np.zeros(count)
        np.maximum.at(t_x, who, when)
        spent = np.bincount(who, weights=self.amount[seen], minlength=count)
        mean = np.divide(spent, x, out=np.zeros(count), where=x > 0)
        ids = [f"{number:07d}" for number in range(count)]
        frame = {"customer_id": ids, "frequency": x, "recency": t_x, "T": T, "monetary_value": mean}
        return kw.as_summary(pd.DataFrame(frame), time_unit="week", observation_end=end)

    def truth(self, thresholds: kw.Thresholds, later: float = 0.0) -> np.ndarray:
        """(customer,) the state that each is in, as a position in `names.STATES`.

        The share of the gap that can be closed, which nobody can observe, is a draw of its prior for each customer.
        """
        worth, now = worth_of(self.rate, self.dropout, self.theta["p"] / self.nu), self.age + later
        again = np.zeros(len(now), dtype=bool)
        again[self.who[self.when <= now[self.who]]] = True
        proven = again | self.first_kills
        gap = np.maximum(frontier(self.family, tuple(sorted(self.theta.items()))) - worth, 0.0)
        room = thresholds.attainable_scale * self.attainable * gap * proven
        valuable, growable = worth >= thresholds.valuable, room >= thresholds.growable
        below = (worth < -thresholds.below_zero) & (worth + room <= 0)
        code = np.select([below, valuable & growable, valuable, growable], [4, 1, 0, 2], 3)
        return np.where(self.death <= now, GONE, code)


def worth_of(rate: np.ndarray, dropout: np.ndarray, spend: np.ndarray) -> np.ndarray:
    """What living customers bring within a year."""
    hazard = DISCOUNT + rate * dropout
    return -np.expm1(-hazard * YEAR) / hazard * rate * (MARGIN * spend - ORDER_COST)


@cache
def frontier(family: str, items: tuple[tuple[str, float], ...]) -> float:
    """What the better fifth of new living customers are worth at least."""
    theta, rng = dict(items), np.random.default_rng(11)
    rate = rng.gamma(theta["r"], 1 / theta["alpha"], NEWCOMERS)
    dropout = rng.beta(theta["a"], theta["b"] + (family == "mbgnbd"), NEWCOMERS)
    spend = theta["p"] * theta["v"] / rng.gamma(theta["q"], 1.0, NEWCOMERS)
    return float(np.quantile(worth_of(rate, dropout, spend), 0.8))


@dataclass(frozen=True, eq=False)
class Known:
    """Labels beside the truth, each (customer, ...) of one world.

    Parameters
    ----------
    stated : (customer, state) probabilities.
    truth : (customer,) states.
    status : (customer,) decided, borderline or undecided.
    label : (customer,) the state that costs least to be taken for, whether or not it is published.
    risk : (customer,) its expected loss.
    likeliest, plugged : (customer,) the most probable state, and that of expected value and room where the customer is
        alive rather than not.
    """

    stated: np.ndarray
    truth: np.ndarray
    status: np.ndarray
    label: np.ndarray
    risk: np.ndarray
    likeliest: np.ndarray
    plugged: np.ndarray


def known(world: World, summary: kw.CustomerSummary, segments: Segments) -> Known:
    """Labels of a world's customers against what they are."""
    verdicts, marks = segments.verdicts, segments.thresholds
    stated, table = verdicts.probabilities, segments.table
    allowed = allowed_labels(stated, summary.table["T"].to_numpy(), verdicts.cycle, repairs_evaluated=False)
    label, risk = least_risk(risks(stated, segments.losses), allowed)
    value, room = table["actual_value"].to_numpy(), table["unrealized_value"].to_numpy()
    valuable, growable = value >= marks.valuable, room >= marks.growable
    plugged = np.select([valuable & growable, valuable, growable], [1, 0, 2], 3)
    return Known(
        stated,
        world.truth(marks),
        table["status"].to_numpy(dtype=str),
        label,
        risk,
        np.where(allowed, stated, -1.0).argmax(axis=1),
        np.where(table["p_alive"].to_numpy() < 0.5, GONE, plugged),
    )


@cache
def study(family: str, worlds: int = WORLDS, customers: int = CUSTOMERS) -> tuple[Known, ...]:
    """Worlds whose parameters differ, each fitted, valued and labelled with thresholds of its own."""
    found = []
    for number in range(worlds):
        tell(f"world {number}, {family}")
        rng = np.random.default_rng([97, number])
        theta = {name: value * np.exp(SPREAD * rng.standard_normal()) for name, value in THETA[family].items()}
        world = World(family, theta, customers, seed=number)
        summary = world.summary()
        posterior = kw.fit(summary, purchase=family, pooling="complete")
        found.append(known(world, summary, assess(posterior, summary, **VALUED)))
    return tuple(found)
