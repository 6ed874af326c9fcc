"""Customers and posteriors with known parameters, for the tests of value and decisions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kundenwert.customers.summary import CustomerSummary, as_summary
from kundenwert.families import get_family
from kundenwert.inference.posterior import Posterior
from kundenwert.names import Pooling
from kundenwert.units import Currency, TimeUnit
from kundenwert.value.ahead import Ahead
from kundenwert.value.counters import FloatArray
from kundenwert.value.settings import Terms

BG = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
MBG = {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}
GG = {"p": 6.25, "q": 3.74, "v": 15.44}
COSTS = {"margin": 0.35, "cost_per_order": 4.0, "cost_per_year_active": 2.0, "cost_per_year_on_file": 1.0}
WEEKS = 365.25 / 7  # of a year
ACTIVE_COST, FILE_COST = 2.0 / WEEKS, 1.0 / WEEKS  # of COSTS, a week


def offers_of(
    margin: FloatArray | float,
    order_cost: FloatArray | float = 0.0,
    active_cost: FloatArray | float = 0.0,
    file_cost: FloatArray | float = 0.0,
    *,
    returned: FloatArray | None = None,
    uniform: bool = False,
) -> Ahead:
    """What orders to come bring and cost; numbers or (customer,), costs of time per time unit."""
    each = np.broadcast_arrays(*map(np.atleast_1d, (margin, order_cost, active_cost, file_cost)))
    return Ahead(*(np.array(one, dtype=np.float64) for one in each), returned=returned, uniform=uniform)


def known_posterior(
    *thetas: dict[str, float], draws: int = 400, spread: float = 0.0, family: str = "bgnbd", unit: str = "week"
) -> Posterior:
    """A posterior around given parameters, one mapping a cohort; `spread` is the sd of their logarithms."""
    thetas = thetas or ((BG if family == "bgnbd" else MBG) | GG,)
    rng = np.random.default_rng(7)
    noise = {name: np.exp(spread * rng.standard_normal((1, draws, len(thetas)))) for name in thetas[0]}
    return Posterior(
        draws={name: noise[name] * np.array([theta[name] for theta in thetas]) for name in thetas[0]},
        cohorts=tuple(f"1997-{month:02d}" for month in range(1, len(thetas) + 1)),
        time_unit=TimeUnit(unit),
        currency=Currency("USD"),
        purchase_family=family,
        spend_family="gamma_gamma",
        engine="nuts",
        pooling=Pooling.PARTIAL,
        seed=1,
    )


def simulated_summary(
    count: int, *thetas: dict[str, float], family: str = "bgnbd", seed: int = 3, ids: Sequence[object] | None = None
) -> CustomerSummary:
    """Customers of a known population, observed for 27 to 39 weeks; cohorts in turn."""
    thetas = thetas or ((BG if family == "bgnbd" else MBG) | GG,)
    rng = np.random.default_rng(seed)
    T = rng.uniform(27, 39, count)
    cohort = np.arange(count) % len(thetas)
    theta = {name: np.array([one[name] for one in thetas])[cohort] for name in thetas[0]}
    x, t_x = get_family(family).simulate(theta, T, rng)
    spend = np.nan_to_num(get_family("gamma_gamma").simulate(theta, x, rng))
    first = get_family("gamma_gamma").simulate(theta, np.ones(count), rng)
    return summary_of(
        pd.DataFrame(
            {
                "customer_id": [f"C{i:05d}" for i in range(count)] if ids is None else list(ids),
                "cohort": [f"1997-{c + 1:02d}" for c in cohort],
                "frequency": x,
                "recency": t_x,
                "T": T,
                "monetary_value": spend,
                "first_amount": first,
                "gross": first + x * spend,
                "refunds": 0.0,
            }
        )
    )


def summary_of(frame: pd.DataFrame, unit: str = "week") -> CustomerSummary:
    """A summary in USD."""
    return as_summary(frame, time_unit=unit, currency="USD")


def few_customers(unit_days: float = 7.0) -> CustomerSummary:
    """Eight customers of every kind, times quoted in a unit of so many days."""
    x = np.array([0, 0, 1, 1, 2, 4, 7, 26])
    t_x = np.array([0, 0, 1.71, 35, 30.43, 20, 38, 30.86])
    T = np.array([38.86, 0.0, 38.86, 38.86, 38.86, 38.86, 38.86, 31.0])
    frame = pd.DataFrame(
        {
            "customer_id": [f"K{i}" for i in range(8)],
            "cohort": "1997-01",
            "frequency": x,
            "recency": t_x * 7.0 / unit_days,
            "T": T * 7.0 / unit_days,
            "monetary_value": [0.0, 0.0, 20.0, 50.0, 22.35, 10.0, 80.0, 35.0],
            "gross": 30.0 + x * 30.0,
            "refunds": [0.0, 0, 0, 5, 0, 0, 0, 0],
        }
    )
    return summary_of(frame, {unit.days: unit.value for unit in TimeUnit}[unit_days])


@dataclass(frozen=True)
class Events:
    """Customers who were followed order by order, each array (customer,).

    Parameters
    ----------
    value, owed : discounted contribution less all costs, and the file cost in it.
    orders : number.
    reached : time of the order at which contribution less the costs of time first covered a deficit; infinite where the
        customer left before, NaN where the horizon ended before.
    """

    value: FloatArray
    owed: FloatArray
    orders: FloatArray
    reached: FloatArray


def follow(
    alive: FloatArray,
    rate: FloatArray,
    dropout: FloatArray,
    shape: float,
    spend_rate: FloatArray,
    ahead: Ahead,
    terms: Terms,
    rng: np.random.Generator,
    *,
    silent: FloatArray | float = 0.0,
    returns: tuple[float, float] = (0.0, 0.0),
    deficit: FloatArray | float = np.inf,
) -> Events:
    """Order after order with a coin after each, and every cost when it falls due: nothing of any closed form.

    Parameters
    ----------
    alive, rate, dropout, spend_rate, ahead : (customer,), what each of them is truly like.
    silent : time since the last purchase of those who have gone.
    returns : chance that an order comes back, and what that costs.
    deficit : money that orders to come have to bring.
    """
    count = len(rate)
    clock, value, orders = np.zeros(count), np.zeros(count), np.zeros(count)
    end, reached, going = np.where(alive, np.inf, 0.0), np.full(count, np.inf), np.array(alive, dtype=bool)
    short, deficit = terms.horizon, np.broadcast_to(deficit, count)
    while going.any():
        clock[going] += rng.exponential(1.0, going.sum()) / rate[going]
        going &= clock < short
        who = np.flatnonzero(going)
        brings = ahead.margin[who] * rng.gamma(shape, 1.0 / spend_rate[who]) - ahead.order_cost[who]
        brings -= returns[1] * (rng.random(len(who)) < returns[0])
        value[who] += brings * discount_factors(clock[who], terms)
        orders[who] += 1
        so_far = value[who] - (ahead.active_cost + ahead.file_cost)[who] * paid_for(clock[who], terms)
        now = (so_far >= deficit[who]) & (reached[who] == np.inf)
        reached[who[now]] = clock[who[now]]
        dies = who[rng.random(len(who)) < dropout[who]]
        end[dies] = clock[dies]
        going[dies] = False
    reached[(reached == np.inf) & (end == np.inf)] = np.nan
    kept = np.where(alive, end, -np.broadcast_to(silent, count)) + terms.deactivation
    owed = ahead.file_cost * paid_for(np.clip(kept, 0.0, short), terms)
    value -= ahead.active_cost * paid_for(np.minimum(end, short), terms) + owed
    return Events(value, owed, orders, reached)


def discount_factors(when: FloatArray, terms: Terms) -> FloatArray:
    """Of payments at some times: each at its own moment, or at the end of the period that it falls into."""
    due = np.ceil(when / terms.period) * terms.period if terms.period else when
    return np.exp(-terms.discount * due)


def paid_for(until: FloatArray, terms: Terms) -> FloatArray:
    """What one unit of money per time unit comes to until some times, discounted: period by period where it is so."""
    if not terms.period:
        return until if terms.discount == 0 else -np.expm1(-terms.discount * until) / terms.discount
    starts = np.arange(0.0, terms.horizon, terms.period)
    lengths = np.clip(np.asarray(until)[..., None] - starts, 0.0, terms.period)
    return (lengths * np.exp(-terms.discount * (starts + terms.period))).sum(axis=-1)
