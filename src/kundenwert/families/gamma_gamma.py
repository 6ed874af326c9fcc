"""Gamma-Gamma: gamma spend an order day, with gamma rates over customers (Fader and Hardie 2013).

Amounts are positive paid amounts; `n` is the number of order days behind the mean `zbar`, and the same n enters the
likelihood and the individual posterior. Source: docs/statistics.md, Model, Individual posterior.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from kundenwert.errors import UsageError
from kundenwert.families.arithmetic import FloatArray, gammaln, group_rows, log_beta, narrow, total_by
from kundenwert.families.distinct import distinct_customers
from kundenwert.families.protocol import CompiledLikelihood, NormalPrior, Rows, Theta
from kundenwert.names import FamilyName


@dataclass(frozen=True)
class GammaGamma:
    """The spend family: Z | nu ~ Gamma(p, rate nu), nu ~ Gamma(q, rate v), mean spend p / nu."""

    name: FamilyName = FamilyName.GAMMA_GAMMA
    parameters: ClassVar[tuple[str, ...]] = ("p", "q", "v")
    coordinates: ClassVar[tuple[str, ...]] = ("log_p", "log_q_minus_1", "log_mean_over_z")
    default_priors: ClassVar[Mapping[str, NormalPrior]] = MappingProxyType(
        {
            "log_p": NormalPrior(float(np.log(4.0)), 1.0),
            "log_q_minus_1": NormalPrior(float(np.log(2.0)), 1.0),
            "log_mean_over_z": NormalPrior(0.0, 1.0),
        }
    )

    def constrain(self, u: Mapping[str, Any], scale: Any, xp: Any = np) -> dict[str, Any]:
        """Parameters from unconstrained coordinates, `scale` being the median spend: mean = p v / (q - 1), q > 1."""
        return {
            "p": xp.exp(u["log_p"]),
            "q": 1.0 + xp.exp(u["log_q_minus_1"]),
            "v": scale * xp.exp(u["log_mean_over_z"] + u["log_q_minus_1"] - u["log_p"]),
        }

    def unconstrain(self, theta: Theta, scale: npt.ArrayLike) -> dict[str, FloatArray]:
        """The inverse of `constrain`; a `UsageError` where q <= 1, for there the population mean does not exist."""
        p, q, v = (np.asarray(theta[k], dtype=np.float64) for k in self.parameters)
        if not np.all(q > 1):
            raise UsageError(
                f"Gamma-Gamma has no population mean at q = {np.min(q):g} <= 1, so these parameters have no "
                "unconstrained coordinates. Use parameters with q > 1."
            )
        log_p, log_q = np.log(p), np.log(q - 1.0)
        return {
            "log_p": log_p,
            "log_q_minus_1": log_q,
            "log_mean_over_z": np.asarray(log_p + np.log(v) - log_q - np.log(scale)),
        }

    def log_likelihood(self, theta: Theta, n: npt.ArrayLike, zbar: npt.ArrayLike) -> FloatArray:
        """Log-likelihood of each customer's mean spend; 0 at n = 0, where `zbar` is not read.

        Parameters
        ----------
        theta : p, q, v, scalars or arrays; q > 0 suffices here.
        n : order days with a positive amount.
        zbar : mean amount of those days, in the currency of v.
        """
        p, q, v = (np.asarray(theta[k], dtype=np.float64) for k in self.parameters)
        n = np.asarray(n, dtype=np.float64)
        days, mean = np.where(n > 0, n, 1.0), np.where(n > 0, zbar, 1.0)
        spend = days * mean
        value = -log_beta(p * days, q) - q * np.log1p(spend / v) - p * days * np.log1p(v / spend) - np.log(mean)
        return np.where(n > 0, value, 0.0)

    def compress(self, n: npt.ArrayLike, zbar: npt.ArrayLike, cohort: npt.ArrayLike, n_cohorts: int) -> Rows:
        """Sufficient rows of the customers' spend, over all cohorts; customers with n = 0 drop out.

        Parameters
        ----------
        n, zbar : (customer,) order days and mean amount.
        cohort : (customer,) index of the cohort, in 0 .. n_cohorts - 1.
        n_cohorts : length of the parameter vectors that the rows will meet.

        Returns
        -------
        Three tables as one mapping: `beta*` customers by (cohort, n), `spend*` customers by (cohort, n, spend), and
        `total*` sums by cohort. Indices are int64.
        """
        (days, zbar), cohort, customers = distinct_customers(
            "spend histories (by position)", _impossible, cohort, n_cohorts, n, zbar
        )
        some = days > 0
        most = int(days.max(initial=0.0)) + 1
        (own, count, spend), same = group_rows(
            narrow(cohort[some], n_cohorts), narrow(days[some], most), days[some] * zbar[some]
        )
        (beta_own, beta_count), beta = group_rows(own, count)
        spend_cohort, spend_n = own.astype(np.int64), count.astype(np.float64)
        spend_customers = total_by(same, own.size, customers[some])
        # Sums run over rows in the order of their content, so that the order of the customers moves no digit.
        sums = [
            total_by(spend_cohort, n_cohorts, spend_customers * each)
            for each in (spend_n, spend_n * np.log(spend), np.log(spend / spend_n))
        ]
        return {
            "beta_cohort": beta_own.astype(np.int64),
            "beta_n": beta_count.astype(np.float64),
            "beta_customers": total_by(beta, beta_own.size, spend_customers),
            "spend_cohort": spend_cohort,
            "spend_n": spend_n,
            "spend": spend,
            "spend_customers": spend_customers,
            "total_n": sums[0],
            "total_n_log_spend": sums[1],
            "total_log_mean": sums[2],
        }

    def compressed_log_likelihood(self, theta: Mapping[str, Any], rows: Mapping[str, Any], xp: Any = np) -> Any:
        """Total log-likelihood behind the rows, theta being (cohort,) vectors, under numpy or pytensor.tensor."""
        p, q, v = theta["p"], theta["q"], theta["v"]
        cohort = rows["beta_cohort"]
        shape, q_row = p[cohort] * rows["beta_n"], q[cohort]
        log_beta = gammaln(shape, xp) + gammaln(q, xp)[cohort] - gammaln(shape + q_row, xp)
        total = -(rows["beta_customers"] * log_beta).sum() - rows["total_log_mean"].sum()
        total = total + (p * (rows["total_n_log_spend"] - rows["total_n"] * xp.log(v))).sum()

        cohort = rows["spend_cohort"]
        weight = rows["spend_customers"] * (q[cohort] + p[cohort] * rows["spend_n"])
        return total - (weight * xp.log1p(rows["spend"] / v[cohort])).sum()

    def compiled(self, rows: Mapping[str, Any], n_cohorts: int) -> CompiledLikelihood:
        """The same likelihood as compiled code."""
        from kundenwert.families.kernels.gamma_gamma import GammaGammaLikelihood

        return GammaGammaLikelihood(rows, n_cohorts)

    def individual(self, theta: Theta, n: npt.ArrayLike, spend: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Shape and rate of the gamma posterior of each customer's nu: q + p n and v + spend.

        Parameters
        ----------
        n, spend : order days and the sum of their amounts; at n = 0 `spend` is not read.
        """
        p, q, v = (np.asarray(theta[k], dtype=np.float64) for k in self.parameters)
        n = np.asarray(n, dtype=np.float64)
        shape, rate = np.broadcast_arrays(q + p * n, v + np.where(n > 0, spend, 0.0))
        return shape, rate

    def expected_spend(self, theta: Theta, n: npt.ArrayLike, spend: npt.ArrayLike) -> FloatArray:
        """Mean amount of a customer's order day given the history, p (v + spend) / (p n + q - 1).

        NaN where p n + q <= 1: there the mean does not exist. With n = 0 this is the population mean, for q > 1.

        >>> theta = {"p": 6.25, "q": 3.74, "v": 15.44}
        >>> GAMMA_GAMMA.expected_spend(theta, [0, 2], [0.0, 44.71]).round(2).tolist()
        [35.22, 24.67]
        """
        shape, rate = self.individual(theta, n, spend)
        exists = shape > 1.0
        mean = np.asarray(theta["p"], dtype=np.float64) * rate / np.where(exists, shape - 1.0, 1.0)
        return np.where(exists, mean, np.nan)

    def simulate(self, theta: Theta, n: npt.ArrayLike, rng: np.random.Generator) -> FloatArray:
        """Mean spend of new customers with n order days each; NaN at n = 0."""
        p, q, v = (np.asarray(theta[k], dtype=np.float64) for k in self.parameters)
        p, q, v, n = np.broadcast_arrays(p, q, v, np.asarray(n, dtype=np.float64))
        nu = rng.gamma(q) / v
        days = np.where(n > 0, n, 1.0)
        return np.where(n > 0, rng.gamma(p * days) / (nu * days), np.nan)


def _impossible(n: FloatArray, zbar: FloatArray) -> dict[str, npt.NDArray[np.bool_]]:
    return {
        "the number of order days is not a whole number >= 0": ~((n >= 0) & (n == np.floor(n))),
        "the mean spend is not positive and finite": (n > 0) & ~((zbar > 0) & np.isfinite(zbar)),
    }


GAMMA_GAMMA: Final = GammaGamma()
