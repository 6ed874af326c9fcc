"""Customers and posteriors with known parameters, for the tests of value and decisions."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kundenwert.customers.summary import CustomerSummary, as_summary
from kundenwert.families import get_family
from kundenwert.inference.posterior import Posterior
from kundenwert.names import Pooling
from kundenwert.units import Currency, TimeUnit

BG = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
MBG = {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}
GG = {"p": 6.25, "q": 3.74, "v": 15.44}
COSTS = {"margin": 0.35, "cost_per_order": 4.0, "cost_per_year_active": 2.0, "cost_per_year_on_file": 1.0}


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
