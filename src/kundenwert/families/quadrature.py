"""Means over a beta-distributed dropout probability, to full relative accuracy for every a, b > 0.

The textbook forms of these means are Gauss hypergeometric functions, which double-precision libraries return wrong,
or as NaN, in corners that real bases reach (many purchases, long horizons, parameters that differ by an integer). The
integrals over the dropout probability p themselves have positive, smooth, single-peaked integrands in logit p, where
the trapezoid rule converges exponentially. Where it is cheaper, `kernels.purchases` adds up over purchases instead.
Source: docs/statistics.md, Population forms.
"""

from collections.abc import Callable

import numpy as np
from scipy import special

from kundenwert.errors import NumericalError
from kundenwert.families.arithmetic import FloatArray, IntArray, log_beta

_TAIL = 42.0  # the integrand is followed until it has dropped by exp(-42) from its peak
_TINY = 1e-200  # below it p is indistinguishable from 0 in every factor but p**a
_TOLERANCE = 1e-10  # of two successive sums; convergence is exponential, so the finer one is then exact to rounding
_FIRST_NODES = 48
_MOST_NODES = 3072
_BLOCK = 2048
_BISECTIONS = 26
_STEP = 0.02
_WIDEST = 2.0

_LEGENDRE_NODES, _LEGENDRE_WEIGHTS = np.polynomial.legendre.leggauss(48)

type _Function = Callable[[FloatArray, FloatArray], FloatArray]


def mean_power(k: FloatArray, y: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """`E[(1 + p y)^-k]` for p ~ Beta(a, b), elementwise over equally shaped arrays; k > 0, y >= 0.

    >>> one = np.ones(1)
    >>> round(float(mean_power(2 * one, 3 * one, one, one)[0]), 12)  # integral of (1 + 3p)^-2
    0.25
    """

    def log_g(p: FloatArray, rows: FloatArray) -> FloatArray:
        return np.asarray(-rows[0] * np.log1p(p * rows[1]))

    def slope(p: FloatArray, rows: FloatArray) -> FloatArray:
        return np.asarray(-rows[0] * p * rows[1] / (1.0 + p * rows[1]))

    return _in_blocks(log_g, slope, np.stack([k, y, a, b]))


def mean_purchases(k: FloatArray, y: FloatArray, d: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """Expected discounted purchases of a customer who is alive, elementwise over equally shaped arrays.

    With p ~ Beta(a, b) and rate ~ Gamma(k, 1) the customer buys at intensity `rate exp(-rate p t)` for t in (0, y),
    discounted by exp(-d t). Integrating the rate out leaves `k exp(-d t) (1 + p t)^(-k-1)`, and with
    `w = k log1p(p t)` the inner integral is `(1/p) int_0^{k log1p(p y)} exp(-w - d expm1(w/k) / p) dw`: closed where
    d = 0, 48 Gauss-Legendre nodes otherwise.
    """

    def log_g(p: FloatArray, rows: FloatArray) -> FloatArray:
        k, y, d = rows[:3]
        end = k * np.log1p(p * y)
        if not d.any():
            return np.asarray(np.log(-np.expm1(-end) / p))
        with np.errstate(divide="ignore", over="ignore"):
            faded = k * np.log1p(p * (_TAIL / d))  # from here on the discount factor is below exp(-42)
        half = 0.5 * np.minimum(np.minimum(end, _TAIL), faded)
        total = np.zeros(p.shape)
        for node, weight in zip(_LEGENDRE_NODES, _LEGENDRE_WEIGHTS, strict=True):
            w = half * (1.0 + node)
            total += weight * np.exp(-w - d * np.expm1(w / k) / p)
        return np.asarray(np.log(total * half / p))

    def slope(p: FloatArray, rows: FloatArray) -> FloatArray:
        k, y = rows[:2]
        end = k * np.log1p(p * y)
        return np.asarray(-1.0 + k * p * y / (1.0 + p * y) / np.expm1(np.minimum(end, 700.0)))

    positive = ~(y <= 0)  # what is not a number must be refused below
    value = np.zeros(y.shape)
    value[positive] = _in_blocks(log_g, slope, np.stack([v[positive] for v in (k, y, d, a, b)]))
    return value


def _in_blocks(log_g: _Function, slope: _Function, rows: FloatArray) -> FloatArray:
    """`E[g(p)]` for every column of `rows`, whose last two rows are a and b; memory stays bounded."""
    value = np.empty(rows.shape[1])
    for start in range(0, value.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        value[block] = _beta_mean(log_g, slope, rows[:, block])
    return value


def _beta_mean(log_g: _Function, slope: _Function, rows: FloatArray) -> FloatArray:
    """`E[g(p)]`, p ~ Beta(a, b), by the trapezoid rule in s, where logit p = centre + width sinh(s).

    The sinh carries the nodes out along tails as slow as p**0.01. Nodes are doubled until two sums agree.
    """
    centre, width, low, high = _support(slope, rows)
    peak = _log_density(centre, rows) + log_g(_probability(centre), rows)

    def rule(offset: float, some: IntArray) -> FloatArray:
        spacing = (high - low)[some] / count
        s = low[some, None] + (np.arange(count) + offset) * spacing[:, None]
        columns, scale = rows[:, some, None], width[some, None]
        logit = centre[some, None] + scale * np.sinh(s)
        log_f = _log_density(logit, columns) + log_g(_probability(logit), columns)
        return np.asarray((np.exp(log_f - peak[some, None]) * scale * np.cosh(s)).sum(axis=1) * spacing)

    count, todo = _FIRST_NODES, np.arange(centre.size)
    value = rule(0.0, todo)
    while todo.size:
        if count > _MOST_NODES:
            shown = dict(zip(("a", "b"), rows[-2:, todo[0]].tolist(), strict=True))
            raise NumericalError(f"{todo.size} means over the dropout probability did not converge (first: {shown}).")
        finer = 0.5 * (value[todo] + rule(0.5, todo))
        moved = ~(np.abs(finer - value[todo]) <= _TOLERANCE * finer)
        value[todo] = finer
        todo, count = todo[moved], 2 * count
    return np.asarray(value * np.exp(peak - log_beta(rows[-2], rows[-1])))


def _support(slope: _Function, rows: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Centre and width of the integrand's peak in logit p, and where to cut its tails in s."""
    k, y, (a, b) = rows[0], rows[1], rows[-2:]

    def rise(logit: FloatArray) -> FloatArray:
        p = special.expit(logit)
        return np.asarray(special.expit(-logit) * (a + slope(np.maximum(p, _TINY), rows)) - b * p)

    left, right = np.full(a.shape, -400.0), np.full(a.shape, 400.0)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (left + right)
        up = rise(middle) > 0
        left, right = np.where(up, middle, left), np.where(up, right, middle)
    centre = 0.5 * (left + right)
    curvature = (rise(centre - _STEP) - rise(centre + _STEP)) / (2.0 * _STEP)
    width = 1.0 / np.sqrt(np.maximum(curvature, 1.0 / _WIDEST**2))

    # On the far left the integrand falls like p**a, on the far right like (1 - p)**b; near the peak like a normal.
    first = np.minimum(centre, -np.log1p(k * y)) - _TAIL / a - 9.0 * width
    drop = np.logaddexp(0.0, centre) + _TAIL / b
    last = np.maximum(centre, drop + np.log(-np.expm1(-drop))) + 9.0 * width
    return centre, width, np.arcsinh((first - centre) / width), np.arcsinh((last - centre) / width)


def _probability(logit: FloatArray) -> FloatArray:
    return np.maximum(special.expit(logit), _TINY)


def _log_density(logit: FloatArray, rows: FloatArray) -> FloatArray:
    """`a log p + b log(1 - p)`: the beta density in logit p, up to its constant."""
    rest = np.log1p(np.exp(-np.abs(logit)))
    log_p, log_1_p = np.minimum(logit, 0.0) - rest, -np.maximum(logit, 0.0) - rest
    return np.asarray(rows[-2] * log_p + rows[-1] * log_1_p)
