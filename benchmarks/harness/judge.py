"""The likelihoods at what a contestant reports, computed in one way for all: the proof that they fitted the same thing.

Written out once more on purpose: a judge that asked one of the contestants would not be one. Sources: Fader, Hardie,
Lee (2005), "Counting Your Customers" the Easy Way; Fader, Hardie (2013), The Gamma-Gamma Model of Monetary Value.
"""

import csv
from collections.abc import Mapping, Sequence
from math import exp, lgamma, log, log1p, nan
from pathlib import Path

Customer = tuple[float, float, float, float]


def read_customers(path: Path) -> list[Customer]:
    """Frequency, recency, T and mean spend of every customer."""
    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        return [
            (float(row["frequency"]), float(row["recency"]), float(row["T"]), float(row["monetary_value"]))
            for row in rows
        ]


def log_likelihood(case: str, theta: Mapping[str, float], customers: Sequence[Customer]) -> float:
    """At a contestant's estimates (posterior: its means), summed over customers; NaN where the parameters have none."""
    if any(not value > 0 for value in theta.values()):
        return nan
    if case == "fit_bgnbd":
        return sum(bgnbd(theta, x, t_x, T) for x, t_x, T, _ in customers)
    return sum(gamma_gamma(theta, x, zbar) for x, _, _, zbar in customers if x > 0 and zbar > 0)


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
