"""A quartic in place of a log density whose evaluations are dear, where it fits.

From about 1,500 customers on the log posterior is mostly a quartic to a hundredth of a nat wherever it matters: a few
hundred evaluations then do the work of thousands. Whether it fits is measured against true evaluations at points that
it was not made from. Source: docs/statistics.md, Fast posteriors.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt

from kundenwert.families.arithmetic import FloatArray
from kundenwert.inference.density import DEAR, Density, Modes

DEGREE = 4
RADIUS = 5.0  # in posterior standard deviations; beyond it the true density is asked
POINTS_A_TERM = 4
HELD_OUT = 200
MAX_RESIDUAL = 0.01  # nats, root mean square: to first order, what share of a standard deviation a mean may move by
MAX_SINGLE = 0.05  # nats, within three standard deviations


@dataclass(frozen=True)
class Surrogate:
    """A quartic around a mode, with the true density beyond its reach.

    Parameters
    ----------
    density : the truth.
    centre, whiten : the mode, and the factor that turns coordinates around it into standard deviations.
    coefficients : (term,)
    residual : root mean square against the truth at points that the fit has not seen, in nats.
    evaluations : of the truth that it took to make and to test it.
    """

    density: Density
    centre: FloatArray
    whiten: FloatArray
    coefficients: FloatArray
    residual: float
    evaluations: int

    def values(self, u: FloatArray) -> FloatArray:
        """Log densities, (1, coordinate, point) -> (1, point)."""
        out, far = self.coefficients @ _terms(self._white(u)), self.beyond(u)
        if far.any():
            out[far] = self.density.values(u[:, :, far])[0]
        return np.asarray(out[None])

    def beyond(self, u: FloatArray) -> npt.NDArray[np.bool_]:
        """Which points the quartic does not reach, (point,)."""
        white = self._white(u)
        return np.asarray((white * white).sum(axis=0) > RADIUS**2)

    def _white(self, u: FloatArray) -> FloatArray:
        return np.asarray(self.whiten @ (u[0] - self.centre[:, None]))


def quartic(density: Density, peak: Modes, rng: np.random.Generator) -> Surrogate | None:
    """A quartic that passes its test, or None where it does not or would not pay."""
    if density.cost < DEAR or not peak.found.all():
        return None
    whiten = np.linalg.cholesky(peak.precision[0]).T
    size = len(whiten)
    count = POINTS_A_TERM * len(_exponents(size))
    # as many points at every distance: fitted to where the posterior has its mass a quartic runs off outside
    direction = rng.standard_normal((size, count + HELD_OUT))
    direction /= np.sqrt((direction * direction).sum(axis=0))
    radius = np.concatenate([RADIUS * rng.random(count), np.sqrt(rng.chisquare(size, HELD_OUT))])
    white = direction * radius
    u = peak.u[0][:, None] + np.linalg.solve(whiten, white)
    truth = density.values(u[None])[0]
    if not np.isfinite(truth).all():
        return None
    terms = _terms(white)
    weight = np.exp(-0.125 * radius[:count] ** 2) + 0.02
    coefficients = _least_squares(terms[:, :count] * weight, truth[:count] * weight)
    wrong = truth[count:] - coefficients @ terms[:, count:]
    wrong -= wrong.mean()
    close = np.abs(wrong[radius[count:] < 3.0]).max()
    residual = float(np.sqrt((wrong * wrong).mean()))
    if residual > MAX_RESIDUAL or close > MAX_SINGLE:
        return None
    return Surrogate(density, peak.u[0], whiten, coefficients, residual, truth.size)


def _least_squares(terms: FloatArray, values: FloatArray) -> FloatArray:
    """Coefficients of (term, point) that come nearest to (point,), by normal equations refined once.

    The plain solver calls its linear algebra library a thousand times, each time waking threads that, where another
    process has the processor, are a hundred times as long in coming as the work takes.
    """
    normal = terms @ terms.T
    found = np.linalg.solve(normal, terms @ values)
    return np.asarray(found + np.linalg.solve(normal, terms @ (values - found @ terms)))


def _exponents(size: int) -> list[tuple[int, ...]]:
    return [some for degree in range(DEGREE + 1) for some in combinations_with_replacement(range(size), degree)]


def _terms(white: FloatArray) -> FloatArray:
    """Every monomial up to the fourth degree, (term, point)."""
    made: dict[tuple[int, ...], FloatArray] = {(): np.ones(white.shape[1])}
    for some in _exponents(len(white))[1:]:
        made[some] = made[some[:-1]] * white[some[-1]]
    return np.stack(list(made.values()))
