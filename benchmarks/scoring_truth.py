"""What `scoring_accuracy.py` and its tests compare with: predictions in arithmetic of 36 digits, by mpmath.

Each integral has two forms by two algorithms. `by_time` are the textbook hypergeometric functions, with a discount the
integral of one over time: milliseconds, but mpmath does not always converge. `by_dropout` is the integral over the
dropout probability, by adaptive Gauss-Legendre panels: up to seconds, and always there. The first is the truth where
it converges within a bounded effort and the second elsewhere; `scoring_accuracy.py` holds them against each other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import mpmath as mp
from mpmath.calculus.quadrature import GaussLegendre

DIGITS = 36
_AGREED = mp.mpf(10) ** -17  # of the rules of 24 and 48 nodes, relative: the finer one then has all its digits
_RULE = GaussLegendre(mp.mp)
_GAVE_UP = (ValueError, mp.libmp.NoConvergence)


@dataclass(frozen=True)
class Case:
    """One customer, one parameter vector and one question, all of them exact doubles; times in one unit."""

    r: float
    alpha: float
    a: float
    b: float
    x: int
    t_x: float
    T: float
    horizon: float
    discount: float
    n: int  # of the purchase distributions
    first_kill: int

    def alive(self) -> tuple[mp.mpf, mp.mpf, mp.mpf, mp.mpf]:
        """Gamma shape and rate, beta shapes, of the customer while alive."""
        mp_r, alpha, a, b = (mp.mpf(v) for v in (self.r, self.alpha, self.a, self.b))
        return mp_r + self.x, alpha + mp.mpf(self.T), a, b + self.x + self.first_kill


def survival(case: Case) -> mp.mpf:
    """P(alive at T + horizon), of a customer who is alive at T: `2F1(k, a; a+b; -y)`."""
    with mp.workdps(DIGITS):
        k, beta, a, b = case.alive()
        y = mp.mpf(case.horizon) / beta
        try:
            return _hypergeometric(k, a, a + b, -y)
        except _GAVE_UP:
            return _beta_mean(lambda p: mp.exp(-k * mp.log1p(p * y)), a, b, (k + 1) * y)


def expected_purchases_alive(case: Case) -> mp.mpf:
    """Expected purchases of a customer who is alive."""
    found = by_time(case)
    return by_dropout(case) if found is None else found


def expected_purchases(case: Case) -> mp.mpf:
    """Expected purchases, whether the customer is alive or not."""
    with mp.workdps(DIGITS):
        return p_alive(case) * expected_purchases_alive(case)


def p_alive(case: Case) -> mp.mpf:
    with mp.workdps(DIGITS):
        return 1 / (1 + _odds_dead(case))


def p_no_purchase(case: Case) -> mp.mpf:
    with mp.workdps(DIGITS):
        k, beta, _, _ = case.alive()
        odds = _odds_dead(case)
        return (odds + (beta / (beta + mp.mpf(case.horizon))) ** k) / (1 + odds)


def purchase_distribution(case: Case) -> mp.mpf:
    """P(n purchases within the horizon), given the history."""
    with mp.workdps(DIGITS):
        odds = _odds_dead(case)
        return ((odds if case.n == 0 else 0) + _count(*case.alive(), case, 0)) / (1 + odds)


def purchase_distribution_new(case: Case) -> mp.mpf:
    """P(n purchases within the horizon) of a customer not yet seen."""
    with mp.workdps(DIGITS):
        parameters = (mp.mpf(v) for v in (case.r, case.alpha, case.a, case.b))
        return _count(*parameters, case, case.first_kill)


def by_time(case: Case) -> mp.mpf | None:
    """Expected purchases of a customer who is alive, by hypergeometric functions; None where mpmath gives up.

    Without a discount `(a+b-1)/(a-1) (1 - 2F1(k, a-1; a+b-1; -y))`, a step of 1e-60 aside of its poles at a = 1 and
    a + b = 1. With one `k int_0^y exp(-d t) 2F1(k+1, a; a+b; -t) dt`, by panels in log(1 + (k+1) t).
    """
    try:
        return _over_time(case) if case.discount else _closed(case)
    except _GAVE_UP:
        return None


def by_dropout(case: Case) -> mp.mpf:
    """Expected purchases of a customer who is alive.

    Given the dropout probability p the integral over time is closed: `(1 - z^-k)/p` with `z = 1 + p y`, and discounted
    `(k/p) e^c int_1^z e^(-c u) u^(-k-1) du` with `c = d/p`.
    """
    with mp.workdps(DIGITS):
        k, beta, a, b = case.alive()
        y, d = mp.mpf(case.horizon) / beta, mp.mpf(case.discount) * beta
        at_zero = -k * mp.expm1(-d * y) / d if d else k * y
        reach = min(y, 100 / d) if d else y

        def inner(p: mp.mpf) -> mp.mpf:
            if p * (k + 1) * reach < mp.mpf(10) ** (6 - DIGITS):  # what is left out is smaller than that
                return at_zero
            if not d:
                return -mp.expm1(-k * mp.log1p(p * y)) / p
            return k / p * _exponential_integral(k, d / p, p * reach)

        return _beta_mean(inner, a, b, (k + 1) * reach)


def apart(found: mp.mpf | float, exact: mp.mpf) -> float:
    """The relative difference, in all digits."""
    with mp.workdps(DIGITS):
        return float(abs(mp.mpf(found) / exact - 1))


def _closed(case: Case) -> mp.mpf:
    with mp.workdps(DIGITS):
        k, beta, a, b = case.alive()
        y = mp.mpf(case.horizon) / beta
        # 1 - 2F1 cancels where little is bought, where dropout is rare and next to the poles
        lost = -mp.log10(min(1, k * y * a / b) / 2) - mp.log10(min(1, abs(a - 1)) or 1)
    with mp.workdps(DIGITS + 240 + 2 * int(lost)):
        y, aside = mp.mpf(case.horizon) / beta, mp.mpf(10) ** -60
        a = a + aside if a == 1 else a
        b = b + 2 * aside if a + b == 1 else b
        return (a + b - 1) / (a - 1) * (1 - _hypergeometric(k, a - 1, a + b - 1, -y))


def _over_time(case: Case) -> mp.mpf:
    with mp.workdps(DIGITS):
        k, beta, a, b = case.alive()
        y, d = mp.mpf(case.horizon) / beta, mp.mpf(case.discount) * beta
        end = mp.log1p((k + 1) * min(y, 100 / d))  # beyond it the discount factor is below exp(-100)

        def f(v: mp.mpf) -> mp.mpf:
            t = mp.expm1(v) / (k + 1)
            return mp.exp(v - d * t) * _hypergeometric(k + 1, a, a + b, -t)

        return k / (k + 1) * _integral(f, mp.linspace(0, end, int(end) + 2))


def _hypergeometric(a: mp.mpf, b: mp.mpf, c: mp.mpf, z: mp.mpf) -> mp.mpf:
    """`2F1`, where mpmath finds the same at two precisions: next to its poles it can be wrong without a word."""
    if c > 3_000 and z < -0.5:  # mpmath would add up alternating terms of thousands of digits, for minutes
        raise mp.libmp.NoConvergence
    found = mp.hyp2f1(a, b, c, z, maxterms=3_000, maxprec=2_000)
    with mp.extradps(15):
        again = mp.hyp2f1(a, b, c, z, maxterms=3_000, maxprec=2_000)
    if abs(found - again) > _AGREED**1.5 * abs(again):
        raise mp.libmp.NoConvergence
    return found


def _exponential_integral(k: mp.mpf, c: mp.mpf, reach: mp.mpf) -> mp.mpf:
    """`e^c int_1^z e^(-c u) u^(-k-1) du`, z = 1 + reach.

    By nodes where the integrand hardly falls; else by a power series where c u < 4, and a continued fraction above.
    """
    z = 1 + reach
    if c * reach + (k + 1) * mp.log(z) < 4:
        return _panel(lambda u: mp.exp(-c * u - (k + 1) * mp.log1p(u)), mp.mpf(0), reach, 5)
    turn = min(max(4 / c, 1), z)
    total = mp.mpf(0)
    if turn > 1:
        log_turn, factor, j = mp.log(turn), mp.exp(c), 0
        while True:
            step = log_turn if j == k else mp.expm1((j - k) * log_turn) / (j - k)
            total += factor * step
            j += 1
            factor *= -c / j
            if j > 4 and abs(factor) * max(turn ** (j - k), 1) * log_turn < mp.eps * abs(total):
                break
    if turn < z:
        total += turn**-k * mp.exp(c * (1 - turn)) * _fraction(k + 1, c * turn)
        total -= z**-k * mp.exp(-c * reach) * _fraction(k + 1, c * z)
    return total


def _fraction(n: mp.mpf, x: mp.mpf) -> mp.mpf:
    """`e^x E_n(x)` for x >= 4, the generalized exponential integral, by Lentz's continued fraction."""
    b = x + n
    c, d = mp.inf, 1 / b
    h, i = d, 1
    while True:
        a = -i * (n - 1 + i)
        b += 2
        d = 1 / (a * d + b)
        c = b + a / c
        h *= c * d
        if abs(c * d - 1) < mp.eps:
            return h
        i += 1


def _odds_dead(case: Case) -> mp.mpf:
    """Odds that the customer has dropped out by T."""
    chances = case.x + case.first_kill
    if chances == 0:
        return mp.mpf(0)
    ratio = (mp.mpf(case.alpha) + mp.mpf(case.T)) / (mp.mpf(case.alpha) + mp.mpf(case.t_x))
    return mp.mpf(case.a) / (mp.mpf(case.b) + chances - 1) * ratio ** (mp.mpf(case.r) + case.x)


def _count(k: mp.mpf, beta: mp.mpf, a: mp.mpf, b: mp.mpf, case: Case, first_kill: int) -> mp.mpf:
    """P(n purchases) of a customer who is alive, or who may drop out at the first purchase."""
    n, t = case.n, mp.mpf(case.horizon)
    u = t / (beta + t)
    chances = n + first_kill
    count = mp.rf(k, n) / mp.factorial(n) * (1 - u) ** k * u**n
    found = mp.rf(b, chances) / mp.rf(a + b, chances) * count
    if chances == 0:
        return found
    reached = mp.betainc(n, k, 0, u, regularized=True) if n else mp.mpf(1)
    return found + mp.rf(b, chances - 1) / mp.rf(a + b, chances) * a * reached


def _beta_mean(inner: Callable[[mp.mpf], mp.mpf], a: mp.mpf, b: mp.mpf, y: mp.mpf) -> mp.mpf:
    """`E[inner(p)]`, p ~ Beta(a, b), in logit p: panels that grow away from the places where something happens."""

    def f(logit: mp.mpf) -> mp.mpf:
        p, q = 1 / (1 + mp.exp(-logit)), 1 / (1 + mp.exp(logit))
        return mp.exp(a * mp.log(p) + b * mp.log(q)) * inner(p)

    places = sorted({mp.log(a / b), -mp.log1p(y), mp.mpf(0)})
    low, high = places[0] - 85 / a - 10, places[-1] + 85 / b + 10
    knots = {low, high, *places}
    for place in places:
        step = mp.mpf(1) / 4
        while place - step > low or place + step < high:
            knots |= {v for v in (place - step, place + step) if low < v < high}
            step *= 2
    return _integral(f, sorted(knots)) / mp.beta(a, b)


def _integral(f: Callable[[mp.mpf], mp.mpf], knots: list[mp.mpf]) -> mp.mpf:
    """By Gauss-Legendre panels of 48 nodes, halved where 24 nodes see anything else.

    `mp.quad` stops on an extrapolated error, and now and then that stopped it eleven digits in.
    """

    def panel(low: mp.mpf, high: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
        rough, good = (_panel(f, low, high, degree) for degree in (4, 5))
        return good, abs(good - rough)

    todo = list(pairwise(knots))
    parts = [panel(*ends) for ends in todo]
    size = sum(abs(value) for value, _ in parts)
    total = mp.mpf(0)
    while todo:
        low, high = todo.pop()
        value, error = parts.pop()
        if error <= _AGREED * size:
            total += value
            continue
        middle = (low + high) / 2
        halves = [(low, middle), (middle, high)]
        todo += halves
        parts += [panel(*ends) for ends in halves]
    return total


def _panel(f: Callable[[mp.mpf], mp.mpf], low: mp.mpf, high: mp.mpf, degree: int) -> mp.mpf:
    middle, half = (low + high) / 2, (high - low) / 2
    nodes = _RULE.get_nodes(-1, 1, degree, mp.mp.prec)
    return half * mp.fdot((w, f(middle + half * x)) for x, w in nodes)
