"""The likelihoods at what a contestant reports, computed in one way for all: the proof that they fitted the same thing.

Written out once more on purpose: a judge that asked one of the contestants would not be one. Sources: Fader, Hardie,
Lee (2005), "Counting Your Customers" the Easy Way; Fader, Hardie (2013), The Gamma-Gamma Model of Monetary Value.
"""

import csv
from collections import Counter
from collections.abc import Mapping
from math import exp, lgamma, log, log1p, nan
from pathlib import Path

Customer = tuple[float, ...]


def read_customers(path: Path) -> dict[str, Counter[Customer]]:
    """How many customers have each history, by family: (x, t_x, T) of everybody, (x, mean spend) of who has repeats."""
    purchases: Counter[Customer] = Counter()
    spend: Counter[Customer] = Counter()
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            x, zbar = float(row["frequency"]), float(row["monetary_value"])
            purchases[x, float(row["recency"]), float(row["T"])] += 1
            if x > 0 and zbar > 0:
                spend[x, zbar] += 1
    return {"bgnbd": purchases, "gamma_gamma": spend}


def log_likelihood(family: str, theta: Mapping[str, float], customers: Mapping[str, Counter[Customer]]) -> float:
    """At a contestant's estimates (posterior: its means), summed over customers; NaN where the parameters have none."""
    if any(not value > 0 for value in theta.values()):
        return nan
    one = {"bgnbd": bgnbd, "gamma_gamma": gamma_gamma}[family]
    return sum(count * one(theta, *history) for history, count in customers[family].items())


def bgnbd(theta: Mapping[str, float], x: float, t_x: float, T: float) -> float:
    """Log-likelihood of one customer's x repeats, the last at t_x, observed for T."""
    r, alpha, a, b = theta["r"], theta["alpha"], theta["a"], theta["b"]
    purchases = lgamma(r + x) - lgamma(r) + r * log(alpha)
    alive = _log_beta(a, b + x) - _log_beta(a, b) - (r + x) * log(alpha + T)
    if x == 0:
        return purchases + alive
    dead = _log_beta(a + 1, b + x - 1) - _log_beta(a, b) - (r + x) * log(alpha + t_x)
    high, low = max(alive, dead), min(alive, dead)
    return purchases + high + log1p(exp(low - high))


def gamma_gamma(theta: Mapping[str, float], n: float, zbar: float) -> float:
    """Log-likelihood of a mean spend over n orders."""
    p, q, v = theta["p"], theta["q"], theta["v"]
    shape = p * n
    return (
        lgamma(shape + q) - lgamma(shape) - lgamma(q) + q * log(v)
        + (shape - 1) * log(zbar) + shape * log(n) - (shape + q) * log(n * zbar + v)
    )  # fmt: skip


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
