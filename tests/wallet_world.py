"""Customers with planted wallets, for the tests of the model of wallets."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from kundenwert.value.counters import text_keys
from kundenwert.value.variates import Rows
from kundenwert.value.wallet import CENTRE, REACH, log_spending
from kundenwert.value.wallet_data import WalletData

ALPHA, GG = 4.414, (6.25, 3.74, 15.44)
EFFECTS = {"north": 0.0, "south": 0.5, "west": -0.3}
PER_SIZE = 0.25


@dataclass(frozen=True)
class Category:
    """What is true, and the posterior draws that an analyst has who knows the population."""

    spending: np.ndarray
    wallet: np.ndarray
    time: np.ndarray
    rate: np.ndarray
    mean_spend: np.ndarray
    time_draws: np.ndarray
    covariates: pd.DataFrame
    centre: float
    rho: float
    sd: float

    def data(self, *, error: float = 0.0, relative: bool = False, known: np.ndarray | None = None) -> WalletData:
        noise = error * np.random.default_rng(99).standard_normal(len(self.wallet))
        stated = np.log(self.wallet) - np.log(self.spending) if relative else np.log(self.wallet) + noise
        if known is not None:
            stated = np.where(known, stated, np.nan)
        return WalletData(stated, np.full(len(stated), error), relative, self.covariates)

    @property
    def draws(self) -> np.ndarray:
        return log_spending(self.rate, self.mean_spend)

    @property
    def ones(self) -> np.ndarray:
        return np.ones_like(self.rate)

    def truth(self, model) -> np.ndarray:
        """Planted coefficients in the order and the units of a fitted model."""
        levels = {regressor.level for regressor in model.regressors}
        (reference,) = EFFECTS.keys() - levels
        (size,) = [regressor for regressor in model.regressors if regressor.level is None]
        effects = [PER_SIZE * r.scale if r is size else EFFECTS[r.level] - EFFECTS[reference] for r in model.regressors]
        intercept = 1.0 + EFFECTS[reference] + PER_SIZE * size.centre + self.rho * (model.centre - self.centre)
        return np.array([intercept, *effects, self.rho, np.log(self.sd)])


def category(count: int, draws: int, *, seed: int, rho: float = 0.4, sd: float = 0.5, shape: float = 0.243) -> Category:
    """Customers like CDNOW's: gamma rates of this shape, 27 to 39 weeks of orders, spend per order by Gamma-Gamma."""
    rng = np.random.default_rng(seed)
    p, q, v = GG
    rate, nu = rng.gamma(shape, 1 / ALPHA, count), rng.gamma(q, 1 / v, count)
    dropout, horizon = rng.beta(0.8, 2.4, count), 156.0
    T = rng.uniform(27, 39, count)
    x = rng.poisson(rate * T)
    spent = np.where(x > 0, rng.gamma(np.maximum(p * x, 1e-9)) / nu, 0.0)
    drawn = rng.gamma((shape + x)[:, None], 1 / (ALPHA + T)[:, None], (count, draws))
    mean_spend = p / (rng.gamma((q + p * x)[:, None], 1, (count, draws)) / (v + spent)[:, None])
    spending = np.maximum(rate * p / nu, 1e-280)
    covariates = pd.DataFrame(
        {"region": rng.choice(list(EFFECTS), count), "size": rng.normal(3.0, 2.0, count)}, index=range(count)
    )
    low = np.log(spending)
    centre = float(np.quantile(log_spending(drawn, mean_spend), CENTRE))
    mean = 1.0 + covariates["region"].map(EFFECTS).to_numpy(dtype=float) + PER_SIZE * covariates["size"].to_numpy()
    mean = mean + rho * (np.maximum(low, centre - REACH) - centre)
    wallet = np.exp(stats.truncnorm.rvs((low - mean) / sd, np.inf, mean, sd, random_state=rng))
    return Category(
        spending,
        np.maximum(wallet, spending),
        _time(rate * dropout, horizon),
        drawn,
        mean_spend,
        _time(drawn * rng.beta(0.8, 2.4, (count, draws)), horizon),
        covariates,
        centre,
        rho,
        sd,
    )


def streams(count: int, draws: int, seed: int = 1) -> Rows:
    keys = text_keys(f"C{i}" for i in range(count))
    return Rows(seed, keys, np.zeros_like(keys), draws)


def _time(hazard: np.ndarray, horizon: float) -> np.ndarray:
    kappa = hazard + np.log(1.1) / 52.18
    return -np.expm1(-kappa * horizon) / kappa
