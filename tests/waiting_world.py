"""A shop in plain NumPy for the tests of the value of waiting: what is known of a customer, what he is, what he does.

Nothing here is the package's but the marks of a base and the loss matrix: histories, posteriors and states are written
out again, from the definitions.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from kundenwert.decisions.losses import Losses
from kundenwert.decisions.thresholds import derive_marks
from kundenwert.value.actual import Living
from value_world import BG, GG, MBG

YEAR = 365.25 / 7
QUARTER = YEAR / 4
HORIZON, DISCOUNT = 52.0, np.log(1.1) / YEAR
MARGIN, ORDER_COST, FILE_COST = 0.35, 4.0, 0.02
UNIT = Losses().array
DORMANT = 5


@dataclass(frozen=True)
class Seen:
    """Histories, each (customer,): repeat orders, the last one, age, orders with a known amount and their sum."""

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    n: np.ndarray
    spend: np.ndarray

    @classmethod
    def one(cls, *numbers):
        return cls(*(np.array([number], dtype=float) for number in numbers))

    def after(self, count, last, spent, time):
        """What is known when so much time has passed."""
        t_x = np.where(count > 0, self.T + last, self.t_x)
        return Seen(self.x + count, t_x, self.T + time, self.n + count, self.spend + spent)

    def take(self, rows):
        return Seen(*(column[rows] for column in vars(self).values()))

    def __len__(self):
        return len(self.x)


@dataclass(frozen=True)
class Shop:
    """A population with known parameters, (draw,) each, and what its customers are measured against."""

    theta: dict[str, np.ndarray]
    first_kills: bool
    level: float
    marks: tuple[float, float, float] = (np.inf, np.inf, 0.0)

    @property
    def name(self):
        return "mbgnbd" if self.first_kills else "bgnbd"

    def p_alive(self, seen):
        """(customer, draw)"""
        t = self.theta
        x, since, before = (column[:, None] for column in (seen.x, seen.T - seen.t_x, seen.t_x))
        others = t["b"] + x - 1 + self.first_kills
        grown = np.log1p(since / (t["alpha"] + before)) * (t["r"] + x)
        odds = np.log(t["a"] / np.maximum(others, 1e-9)) + grown
        certain = (x == 0) & (not self.first_kills)
        return np.where(certain, 1.0, 1 / (1 + np.exp(odds)))

    def draws(self, seen, rng):
        """Rate, dropout and spend rate of the living, (customer, draw) each."""
        t, kills = self.theta, int(self.first_kills)
        x, T, n, spend = (column[:, None] for column in (seen.x, seen.T, seen.n, seen.spend))
        rate = rng.gamma(t["r"] + x, 1 / (t["alpha"] + T))
        dropout = rng.beta(np.broadcast_to(t["a"], rate.shape), t["b"] + x + kills)
        return rate, dropout, rng.gamma(t["q"] + t["p"] * n, 1 / (t["v"] + spend))

    def worth(self, rate, dropout, nu, shape):
        kappa = DISCOUNT + rate * dropout
        return -np.expm1(-kappa * HORIZON) / kappa * rate * (MARGIN * shape / nu - ORDER_COST)

    def states(self, worth, share, proven):
        """Of living customers; `share` of the gap is attainable, and none where there is no proof of life."""
        actual = worth + FILE_COST * np.expm1(-DISCOUNT * HORIZON) / DISCOUNT
        room = share * np.maximum(self.level - worth, 0) * proven
        valuable, growable_from, below = self.marks
        growable = room >= growable_from
        state = np.where(actual >= valuable, np.where(growable, 1, 0), np.where(growable, 2, 3))
        return np.where((actual < -below) & (actual + room <= 0), 4, state)

    def proven(self, seen):
        return np.ones(len(seen)) if self.first_kills else (seen.x > 0).astype(float)

    def allowed(self, seen):
        doubted = np.full(len(seen), True) if self.first_kills else seen.x > 0
        return np.column_stack([np.ones((len(seen), 4), bool), np.zeros(len(seen), bool), doubted])

    def chances(self, seen, share, rng):
        """(customer, state) posterior, draws made from it alone."""
        rate, dropout, nu = self.draws(seen, rng)
        alive = self.p_alive(seen)
        states = self.states(self.worth(rate, dropout, nu, self.theta["p"]), share, self.proven(seen)[:, None])
        found = [(alive * (states == k)).mean(axis=1) for k in range(DORMANT)]
        return np.column_stack([*found, (1 - alive).mean(axis=1)])


@dataclass(frozen=True)
class Base:
    """Customers whose truth is known, followed order by order until T and for a time after it."""

    count: int
    shop: Shop
    ages: tuple[float, float]
    seed: int
    followed: float = QUARTER

    @cached_property
    def truth(self):
        rng = np.random.default_rng(self.seed)
        t = {name: values[0] for name, values in self.shop.theta.items()}
        T = rng.uniform(*self.ages, self.count)
        rate, dropout = rng.gamma(t["r"], 1 / t["alpha"], self.count), rng.beta(t["a"], t["b"], self.count)
        nu = rng.gamma(t["q"], 1 / t["v"], self.count)
        alive = rng.random(self.count) >= (dropout if self.shop.first_kills else 0)
        sums = np.zeros((2, 3, self.count))  # before T and after: orders, the last one's time, spend
        clock, end = np.zeros(self.count), T + self.followed
        going = alive.copy()
        while going.any():
            who = np.flatnonzero(going)
            clock[who] += rng.exponential(1, len(who)) / rate[who]
            going[who[clock[who] >= end[who]]] = False
            who = who[clock[who] < end[who]]
            when = (clock[who] > T[who]).astype(int)
            sums[when, 0, who] += 1
            sums[when, 1, who] = clock[who] - when * T[who]
            sums[when, 2, who] += rng.gamma(t["p"], 1 / nu[who])
            dies = rng.random(len(who)) < dropout[who]
            alive[who[dies]] = going[who[dies]] = False
        seen = Seen(sums[0, 0], sums[0, 1], T, sums[0, 0], sums[0, 2])
        return seen, tuple(sums[1]), alive, (rate, dropout, nu)


def attainable(count, seed=2):
    return np.random.default_rng(seed).beta(2, 6, count)


@cache
def shop_of(*, first_kills=False, draws=1, spread=0.0, seed=9, size=4000):
    """A shop and its marks; `spread` is the sd of log parameters by draw.

    The marks are those of a base in two halves, the second of which orders 2.5 times as often; the shop is the first.
    """
    rng = np.random.default_rng(seed)
    known = (MBG if first_kills else BG) | GG
    actual, room, levels = [], [], []
    for pace in (1.0, 2.5):
        theta = {name: np.full(1, value / (pace if name == "alpha" else 1)) for name, value in known.items()}
        many = Shop({name: values.repeat(200_000) for name, values in theta.items()}, first_kills, 0.0)
        level = float(np.quantile(many.worth(*many.draws(Seen.one(0, 0, 0, 0, 0), rng), known["p"]), 0.8))
        several = Shop({name: values.repeat(500) for name, values in theta.items()}, first_kills, level)
        seen = Base(size // 2, Shop(theta, first_kills, level), (27, 39), seed).truth[0]
        worth = several.worth(*several.draws(seen, rng), known["p"])
        alive = several.p_alive(seen)
        gap = attainable(500) * np.maximum(level - worth, 0) * several.proven(seen)[:, None]
        actual.append((alive * worth).mean(axis=1) + FILE_COST * np.expm1(-DISCOUNT * HORIZON) / DISCOUNT)
        room.append((alive * gap).mean(axis=1))
        levels.append(level)
    marks = derive_marks(np.concatenate(actual), np.concatenate(room))
    theta = {name: value * np.exp(spread * rng.standard_normal(draws)) for name, value in known.items()}
    return Shop(theta, first_kills, levels[0], (marks.valuable, marks.growable, marks.below_zero))


def known_draws(shop, seen, rng, share):
    """What the package is handed of some customers: the living, and their states without and with an order."""
    rate, dropout, nu = shop.draws(seen, rng)
    worth = shop.worth(rate, dropout, nu, shop.theta["p"])
    living = Living(np.arange(len(seen)), np.ascontiguousarray(shop.p_alive(seen)), rate, dropout, nu)
    silent = shop.states(worth, share, shop.proven(seen)[:, None]).astype(np.int8)
    return living, silent, shop.states(worth, share, 1.0).astype(np.int8)
