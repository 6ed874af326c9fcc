"""Expected purchases and survival against 30-digit arithmetic, on ordinary and on hard cases.

The truth is the integral over the dropout probability (and over time, where discounted) by mpmath's tanh-sinh rule,
or, away from its pole at a = 1, the textbook form with a hypergeometric function at 60 digits.
"""

import mpmath as mp
import numpy as np
import pytest

from kundenwert.errors import NumericalError
from kundenwert.families import BGNBD, MBGNBD
from kundenwert.families.quadrature import mean_power, mean_purchases

CDNOW = (0.243, 4.414, 0.793, 2.426)
ORDINARY_AND_HARD = [  # r, alpha, a, b; x, T; horizon
    (CDNOW, 2, 38.86, 39.0),
    ((0.243, 4.414, 1.0, 2.426), 2, 38.86, 39.0),
    ((0.243, 4.414, 1 + 1e-9, 2.426), 2, 38.86, 39.0),
    ((0.243, 4.414, 0.3, 0.7), 0, 38.86, 39.0),
    (CDNOW, 400, 38.86, 5200.0),
    (CDNOW, 0, 0.0, 520.0),
    ((0.243, 1e-3, 0.793, 1e5), 300, 1.0, 520.0),
    ((0.243, 1e-3, 0.793, 1e5), 300, 1.0, 5200.0),
    ((20.0, 1e4, 0.8, 1e5), 3, 520.0, 1e-3),
    ((0.6, 4.0, 0.5, 900.0), 150, 52.0, 500.0),
    ((200.0, 1e-3, 0.8, 2.0), 0, 0.0, 520.0),
    ((0.8, 1e-3, 0.8, 1e-2), 0, 0.0, 5200.0),
    ((5.0, 4.0, 40.0, 60.0), 3, 10.0, 156.0),
    ((0.05, 4.0, 0.02, 0.5), 1, 10.0, 156.0),
]


def textbook(k, y, a, b):
    """`(a+b-1)/(a-1) (1 - 2F1(k, a-1; a+b-1; -y))`; near a = 1 through the integral below."""
    with mp.workdps(60):
        k, y, a, b = (mp.mpf(v) for v in (k, y, a, b))
        return (a + b - 1) / (a - 1) * (1 - mp.hyp2f1(k, a - 1, a + b - 1, -y, maxterms=10**6))


def integral(inner, a, b, y):
    """E[inner(p)], p ~ Beta(a, b), in logit p, by mpmath."""
    with mp.workdps(30):
        a, b = mp.mpf(a), mp.mpf(b)

        def f(logit):
            p, q = 1 / (1 + mp.exp(-logit)), 1 / (1 + mp.exp(logit))
            return mp.exp(a * mp.log(p) + b * mp.log(q)) * inner(p)

        knots = sorted({mp.log(a / b) + j for j in (-4, 0, 4)} | {-mp.log1p(y) + j for j in (-8, 0, 4)} | {mp.mpf(0)})
        low, high = knots[0] - 80 / a - 10, knots[-1] + 80 / b + 10
        grid = [low, *[low + (knots[0] - low) * j / 8 for j in range(1, 8)], *knots, high]
        return mp.quad(f, grid) / mp.beta(a, b)


def alive(family, theta, x, T):
    r, alpha, a, b = theta
    return r + x, alpha + T, a, b + x + family.first_kill


@pytest.mark.parametrize("family", [BGNBD, MBGNBD])
@pytest.mark.parametrize(("theta", "x", "T", "horizon"), ORDINARY_AND_HARD)
def test_expected_purchases(family, theta, x, T, horizon):
    k, beta, a, b = alive(family, theta, x, T)
    y = mp.mpf(horizon) / mp.mpf(beta)
    if abs(a - 1) > 1e-3:
        truth = textbook(k, y, a, b)
    else:
        truth = integral(lambda p: -mp.expm1(-k * mp.log1p(p * y)) / p, a, b, y)
    got = mean_purchases(*(np.array([float(v)]) for v in (k, y, 0.0, a, b)))[0]
    assert abs(got / truth - 1) < 1e-12
    named = dict(zip(("r", "alpha", "a", "b"), theta, strict=True))
    weighted = family.expected_purchases(named, x, min(T, 0.9 * T), T, horizon)
    assert weighted == pytest.approx(float(truth) * float(family.p_alive(named, x, min(T, 0.9 * T), T)), rel=1e-12)


@pytest.mark.parametrize(("theta", "x", "T", "horizon"), ORDINARY_AND_HARD)
@pytest.mark.parametrize("discount", [1e-9, 0.002, 0.05])
def test_discounted_purchases(theta, x, T, horizon, discount):
    """`k int exp(-d t) E[(1 + p t)^(-k-1)] dt`, the expectation by the finite sum that is checked below."""
    k, beta, a, b = alive(BGNBD, theta, x, T)
    y, d = horizon / beta, discount * beta
    # Gauss-Legendre in log(1 + t) over panels that are graded towards 0, where large k makes the integrand steep.
    edges = np.log1p(y) * np.unique(np.concatenate([2.0 ** -np.arange(6.0, 25.0), np.linspace(0, 1, 65)]))
    nodes, weights = np.polynomial.legendre.leggauss(24)
    v = (edges[:-1, None] + np.diff(edges)[:, None] * (1 + nodes) / 2).ravel()
    w = (np.diff(edges)[:, None] * weights / 2).ravel()
    full = np.ones(v.size)
    inner = mean_power((k + 1) * full, np.expm1(v), a * full, b * full)
    truth = k * (w * np.exp(v - d * np.expm1(v)) * inner).sum()
    got = mean_purchases(*(np.array([value]) for value in (k, y, d, a, b)))[0]
    assert got == pytest.approx(truth, rel=1e-12)


@pytest.mark.parametrize(("theta", "x", "T", "t"), ORDINARY_AND_HARD)
def test_survival(theta, x, T, t):
    k, beta, a, b = alive(BGNBD, theta, x, T)
    with mp.workdps(60):
        truth = mp.hyp2f1(mp.mpf(k), mp.mpf(a), mp.mpf(a) + mp.mpf(b), -mp.mpf(t) / mp.mpf(beta), maxterms=10**6)
    named = dict(zip(("r", "alpha", "a", "b"), theta, strict=True))
    assert abs(float(BGNBD.survival(named, x, T, t)) / truth - 1) < 1e-12


def test_blocks_change_nothing():
    rng = np.random.default_rng(2)
    k, y, a, b = rng.uniform(0.1, 30, (4, 5000))
    whole = mean_purchases(k, y, 0 * y, a, b)
    assert whole[4990:] == pytest.approx(
        mean_purchases(k[4990:], y[4990:], 0 * y[4990:], a[4990:], b[4990:]), rel=1e-14
    )


def test_a_row_that_is_not_a_number_is_loud():
    one = np.ones(1)
    with pytest.raises(NumericalError, match="did not converge"):
        mean_power(one, np.nan * one, one, one)
    with pytest.raises(NumericalError, match="did not converge"):
        BGNBD.expected_purchases({"r": 0.2, "alpha": 4.0, "a": 0.8, "b": 2.4}, 2, 3.0, 9.0, np.nan)
