"""The model of wallets: what customers spend in the whole category, given attributes and what they spend here.

    log W ~ Normal(beta' w + rho (max(log(lambda zeta), floor) - centre), sd^2), truncated to W >= lambda zeta

Spending here is not observed, only its posterior draws are. A regression on their mean would overlook the truncation,
one on single draws would find too small a rho. So the likelihood of what a customer states is averaged over the draws,
which is what it is (docs/statistics.md, section Wallets).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kundenwert.errors import DataError, NumericalError, Violation
from kundenwert.value.counters import FloatArray, Purpose
from kundenwert.value.effects import Normal, stratified_draws
from kundenwert.value.variates import IntArray
from kundenwert.value.wallet_data import Regressor, WalletData, design, regressors_of

LEAST_KNOWN = 30  # wallets without which none can be drawn for others
PAIRS = 2_000_000  # of customers and draws in the likelihood at most: a fifth of a second each time
MOST_DRAWS = 1_000
CENTRE, REACH = 0.9, float(np.log(1000.0))  # quantile of log spending, and how far below it spending still tells
SMALLEST = 1e-280  # spending in money per time unit, whose logarithm must exist
PRIOR_SLOPE = Normal(0.0, 1.0)  # an effect of a category, or of a standard deviation of a number, on the log wallet
PRIOR_RHO = Normal(0.5, 1.0)
PRIOR_LOG_SD = Normal(float(np.log(0.7)), 1.0)
_STEPS, _LONGEST, _LEAST_CURVE = 100, 2.0, 1e-6
_FLAT = 1e-8  # squared distance to the top, in standard errors, that counts as none


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Draws of the coefficients, common to all customers.

    Parameters
    ----------
    beta : (1 + regressor, draw) intercept and effects.
    rho : (draw,) by how much the log wallet grows with log spending here.
    sd : (draw,) standard deviation of the log wallet around the line.
    """

    beta: FloatArray
    rho: FloatArray
    sd: FloatArray


@dataclass(frozen=True, eq=False)
class WalletModel:
    """Log wallets as a truncated normal around a line: the mode of its posterior and the curvature there.

    Parameters
    ----------
    regressors : besides the intercept.
    centre : of log spending per time unit, at which the intercept and the effects hold: what one draw in ten exceeds.
    mode : (coefficient,) intercept, effects, rho, log sd.
    covariance : (coefficient, coefficient).
    customers : whose wallets it was fitted to.
    below_spending : of them those whose stated wallet is less than they probably spend here.
    contradicted : of them those whose exact wallet is less than they spend here in every draw: they were left out.
    """

    regressors: tuple[Regressor, ...]
    centre: float
    mode: FloatArray
    covariance: FloatArray
    customers: int
    below_spending: int
    contradicted: int

    @property
    def rho(self) -> float:
        """By how much the log wallet grows with log spending here; 1 where all customers have about the same share."""
        return float(self.mode[-2])

    @property
    def sd(self) -> float:
        """Standard deviation of the log wallet around the line."""
        return float(np.exp(self.mode[-1]))

    @property
    def summary(self) -> pd.DataFrame:
        """Mean and standard error of each coefficient, by name."""
        names = ["intercept", *(regressor.label for regressor in self.regressors), "rho", "log_sd"]
        return pd.DataFrame({"mean": self.mode, "se": np.sqrt(np.diag(self.covariance))}, index=names)

    @property
    def floor(self) -> float:
        """Log spending below which less of it does not make wallets smaller: a thousandth of that at the centre."""
        return self.centre - REACH

    @property
    def line(self) -> tuple[float, float, float, float]:
        """Slope, standard deviation, centre and floor, as compiled code reads them."""
        return self.rho, self.sd, self.centre, self.floor

    def base(self, data: WalletData) -> FloatArray:
        """(customer,) mean log wallet at the centre of log spending, before truncation, at the mode."""
        return np.asarray(design(self.regressors, data.covariates) @ self.mode[:-2])

    def coefficients(self, draws: int, *, seed: int) -> Coefficients:
        """Draws from the normal distribution around the mode, each independent axis stratified.

        Parameters
        ----------
        draws, seed : of the run. Customers change nothing.
        """
        axes = [
            stratified_draws(Normal(0.0, 1.0), draws, seed=seed, name=f"{i}", purpose=Purpose.WALLET_COEFFICIENTS)
            for i in range(len(self.mode))
        ]
        found = self.mode[:, None] + np.linalg.cholesky(self.covariance) @ np.array(axes)
        return Coefficients(found[:-2], found[-2], np.exp(found[-1]))

    def __repr__(self) -> str:
        return f"<WalletModel of {self.customers:,} wallets: rho {self.rho:.2f}, sd {self.sd:.2f}>"


def used_draws(customers: int, draws: int) -> IntArray:
    """Which parameter draws a fit to so many customers uses: evenly spread, fewer where there are many customers."""
    count = int(min(draws, MOST_DRAWS, max(PAIRS // max(customers, 1), 1)))
    return np.arange(count) * draws // count


def log_spending(rate: FloatArray, mean_spend: FloatArray) -> FloatArray:
    """(customer, draw) logarithm of what living customers spend here per time unit."""
    return np.asarray(np.log(np.maximum(rate * mean_spend, SMALLEST)))


def fit_wallet(data: WalletData, spending: FloatArray, p_alive: FloatArray) -> WalletModel:
    """Fit the model of wallets to customers whose wallet is known.

    Parameters
    ----------
    data : of these customers only, see `survey_rows`.
    spending : (customer, draw) posterior draws of log spending here while alive, see `log_spending`, `used_draws`.
    p_alive : (customer, draw) probability of being alive under each.

    Returns
    -------
    WalletModel

    Raises
    ------
    DataError : fewer than 30 wallets.
    NumericalError : the posterior of the coefficients has no top that can be found.

    Notes
    -----
    Priors are weak: effects Normal(0, 1), rho Normal(0.5, 1), log sd Normal(log 0.7, 1), the intercept is free. Inside
    and outside spending are nearly uncorrelated in Du, Kamakura and Mela (2007), so rho is not taken for 1. A customer
    counts with the probability of being alive. Coefficients are drawn from the normal distribution at the mode.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> here = rng.normal(0.0, 1.0, 500)
    >>> wallet = 3.0 + 0.4 * here + 0.3 * rng.standard_normal(500)
    >>> data = WalletData(wallet, np.zeros(500), False, pd.DataFrame(index=range(500)))
    >>> model = fit_wallet(data, here[:, None], np.ones((500, 1)))
    >>> round(model.rho, 1), round(model.sd, 1)
    (0.4, 0.3)
    """
    below = (data.stated[:, None] < spending) & (not data.relative)
    chance = p_alive.sum(axis=1)
    possible = (data.error > 0) | ~below.all(axis=1)
    usable = possible & (chance > 0)
    if usable.sum() < LEAST_KNOWN:
        rule = f"only {int(usable.sum())} wallets are known that the orders do not contradict"
        remedy = f"Wallets of others are drawn from {LEAST_KNOWN} at least. Ask more customers, or leave wallets out."
        raise DataError("customer summary", [Violation(rule, remedy=remedy)])
    rows = np.flatnonzero(usable)
    posterior = _Posterior.of(data.take(rows), spending[rows], p_alive[rows])
    mode, curvature = _top(posterior)
    likely_below = (p_alive * below).sum(axis=1) > 0.5 * chance
    return WalletModel(
        regressors=posterior.regressors,
        centre=posterior.centre,
        mode=mode,
        covariance=np.linalg.inv(curvature),
        customers=len(rows),
        below_spending=int(likely_below.sum()),
        contradicted=int((~possible).sum()),
    )


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Log posterior of the coefficients, negative, with slope and curvature: what is minimised."""

    data: WalletData
    regressors: tuple[Regressor, ...]
    columns: FloatArray
    centre: float
    spending: FloatArray
    p_alive: FloatArray

    @classmethod
    def of(cls, data: WalletData, spending: FloatArray, p_alive: FloatArray) -> "_Posterior":
        regressors = regressors_of(data)
        columns, centre = design(regressors, data.covariates), float(np.quantile(spending, CENTRE))
        return cls(data, regressors, columns, centre, np.ascontiguousarray(spending), np.ascontiguousarray(p_alive))

    @property
    def start(self) -> FloatArray:
        """Somewhere to begin: no effects, the intercept at the mean of what is stated."""
        here = np.median(self.spending, axis=1) if self.data.relative else 0.0
        found = np.zeros(self.columns.shape[1] + 2)
        found[0] = np.mean(self.data.stated + here)
        found[-2:] = PRIOR_RHO.mean, PRIOR_LOG_SD.mean
        return found

    @property
    def prior(self) -> tuple[FloatArray, FloatArray]:
        """(coefficient,) means and precisions; the intercept is free."""
        effects = [PRIOR_SLOPE] * len(self.regressors)
        given = [*effects, PRIOR_RHO, PRIOR_LOG_SD]
        return np.array([0.0, *(p.mean for p in given)]), np.array([0.0, *(p.sd**-2 for p in given)])

    def at(self, found: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Value, slope and curvature."""
        from kundenwert.value.kernels.wallets import TERMS, survey_terms

        terms = np.empty((len(self.data), TERMS))
        survey_terms(
            self.data.stated,
            self.data.relative,
            self.data.error,
            self.columns @ found[:-2],
            (float(found[-2]), float(np.exp(found[-1])), self.centre, self.centre - REACH),
            self.spending,
            self.p_alive,
            terms,
        )
        value, base, rho, log_sd, bb, br, bs, rr, rs, ss = terms.T
        x, (mean, precision) = self.columns, self.prior
        off = found - mean
        slope = np.array([*(base @ x), rho.sum(), log_sd.sum()]) - precision * off
        edge = np.column_stack([br @ x, bs @ x])
        corner = np.array([[rr.sum(), rs.sum()], [rs.sum(), ss.sum()]])
        curvature = np.block([[(x * bb[:, None]).T @ x, edge], [edge.T, corner]]) - np.diag(precision)
        return float(0.5 * off @ (precision * off) - value.sum()), -slope, -curvature


def _top(posterior: _Posterior) -> tuple[FloatArray, FloatArray]:
    """The mode and the curvature there: Newton steps that go down along every axis, halved until they do."""
    found = posterior.start
    value, slope, curvature = posterior.at(found)
    for _ in range(_STEPS):
        curves, axes = np.linalg.eigh(curvature)
        step = -axes @ ((axes.T @ slope) / np.maximum(np.abs(curves), _LEAST_CURVE))
        fall = float(-slope @ step)
        if fall < _FLAT and curves[0] > 0:
            return found, curvature
        size = min(1.0, _LONGEST / float(np.abs(step).max()))
        trial = posterior.at(found + size * step)
        while not trial[0] < value and size > _FLAT:
            size /= 2
            trial = posterior.at(found + size * step)
        found, (value, slope, curvature) = found + size * step, trial
    raise NumericalError(
        f"the model of wallets did not settle in {_STEPS} steps. Look for wallets in another unit than money per year, "
        "and for two attributes that say the same."
    )
