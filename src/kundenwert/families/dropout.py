"""BG/NBD and MBG/NBD: Poisson purchases with gamma rates, and a geometric dropout with beta probabilities.

The two differ in one thing, whether the first purchase can already be the last, and share every formula through
`first_kill`. Sources: Fader, Hardie and Lee (2005) for BG/NBD; Batislam, Denizel and Filiztekin (2007) and Hoppe and
Wagner (2007) for MBG/NBD; docs/statistics.md, Model, Individual posterior, Population forms.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import special

from kundenwert.families import predictions, sufficient
from kundenwert.families.arithmetic import FloatArray, IntArray, log_rising, softplus
from kundenwert.families.protocol import CompiledLikelihood, Individual, NormalPrior, Rows, Theta
from kundenwert.families.simulation import purchase_times
from kundenwert.names import FamilyName


@dataclass(frozen=True)
class GeometricDropout:
    """A purchase family: BG/NBD or MBG/NBD.

    Parameters
    ----------
    name : the family's name in specs and runs.
    first_kill : 1 where the customer may drop out at the first purchase (MBG/NBD), 0 where only repeat purchases can
        be the last (BG/NBD, in which everybody without a repeat is alive by construction).
    """

    name: FamilyName
    first_kill: int
    parameters: ClassVar[tuple[str, ...]] = ("r", "alpha", "a", "b")
    coordinates: ClassVar[tuple[str, ...]] = ("log_r", "log_alpha_over_T", "logit_phi", "log_kappa")
    default_priors: ClassVar[Mapping[str, NormalPrior]] = MappingProxyType(
        {
            "log_r": NormalPrior(float(np.log(0.5)), 1.5),
            "log_alpha_over_T": NormalPrior(float(np.log(0.3)), 1.5),
            "logit_phi": NormalPrior(-1.0, 1.5),
            "log_kappa": NormalPrior(float(np.log(3.0)), 1.5),
        }
    )

    def constrain(self, u: Mapping[str, Any], scale: Any, xp: Any = np) -> dict[str, Any]:
        """Parameters from unconstrained coordinates, `scale` being the median age: phi = a/(a+b), kappa = a+b."""
        phi, kappa = u["logit_phi"], u["log_kappa"]
        return {
            "r": xp.exp(u["log_r"]),
            "alpha": scale * xp.exp(u["log_alpha_over_T"]),
            # log sigmoid(phi) = -softplus(-phi): no digit is lost where a is far smaller or larger than b
            "a": xp.exp(kappa - softplus(-phi, xp)),
            "b": xp.exp(kappa - softplus(phi, xp)),
        }

    def unconstrain(self, theta: Theta, scale: npt.ArrayLike) -> dict[str, FloatArray]:
        """The inverse of `constrain`."""
        log_a, log_b = np.log(theta["a"]), np.log(theta["b"])
        return {
            "log_r": np.log(theta["r"]),
            "log_alpha_over_T": np.asarray(np.log(theta["alpha"]) - np.log(scale)),
            "logit_phi": np.asarray(log_a - log_b),
            "log_kappa": np.logaddexp(log_a, log_b),
        }

    def log_likelihood(self, theta: Theta, x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike) -> FloatArray:
        """Log-likelihood of each customer, without gamma functions and without cancellation.

        Parameters
        ----------
        theta : r, alpha, a, b, scalars or arrays.
        x, t_x, T : repeat purchases, recency and age in the time unit of alpha; broadcast with theta.
        """
        r, alpha, a, b = (np.asarray(theta[k], dtype=np.float64) for k in self.parameters)
        x, T = np.asarray(x, dtype=np.float64), np.asarray(T, dtype=np.float64)
        chances = x + self.first_kill
        purchases = log_rising(r, x) - r * np.log1p(T / alpha) - x * np.log(alpha + T)
        stayed = log_rising(b, chances) - log_rising(a + b, chances)
        return np.asarray(purchases + stayed + np.logaddexp(0.0, self.log_odds_dead(theta, x, t_x, T)))

    def compress(
        self, x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike, cohort: npt.ArrayLike, n_cohorts: int
    ) -> Rows:
        """Sufficient rows of the customers' histories; see `sufficient.compress_histories`."""
        return sufficient.compress_histories(x, t_x, T, cohort, n_cohorts, self.first_kill)

    def compressed_log_likelihood(self, theta: Mapping[str, Any], rows: Mapping[str, Any], xp: Any = np) -> Any:
        """Total log-likelihood behind the rows, theta being (cohort,) vectors, under numpy or pytensor.tensor."""
        return sufficient.compressed_log_likelihood(theta, rows, xp)

    def compiled(self, rows: Mapping[str, Any], n_cohorts: int) -> CompiledLikelihood:
        """The same likelihood as compiled code."""
        from kundenwert.families.kernels.dropout import DropoutLikelihood

        return DropoutLikelihood(rows, n_cohorts)

    def log_odds_dead(self, theta: Theta, x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike) -> FloatArray:
        """Log odds that the customer has dropped out by T; -inf in BG/NBD at x = 0."""
        r, alpha, a, b = (np.asarray(theta[k], dtype=np.float64) for k in self.parameters)
        x, t_x, T = (np.asarray(v, dtype=np.float64) for v in (x, t_x, T))
        chances = x + self.first_kill
        survived = b + np.maximum(chances - 1.0, 0.0)
        odds = np.log(a) - np.log(survived) + (r + x) * np.log1p((T - t_x) / (alpha + t_x))
        return np.where(chances > 0, odds, -np.inf)

    def p_alive(self, theta: Theta, x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike) -> FloatArray:
        """Probability that the customer is alive at T, given the history; 1 in BG/NBD at x = 0.

        >>> from kundenwert.families import BGNBD
        >>> theta = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
        >>> BGNBD.p_alive(theta, [0, 2], [0, 30.43], 38.86).round(6).tolist()
        [1.0, 0.726579]
        """
        return np.asarray(special.expit(-self.log_odds_dead(theta, x, t_x, T)))

    def individual(self, theta: Theta, x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike) -> Individual:
        """The exact posterior of each customer's rate and dropout probability, given parameters."""
        p_alive = self.p_alive(theta, x, t_x, T)
        r, alpha, a, b = (np.asarray(theta[k], dtype=np.float64) for k in self.parameters)
        x, t_x, T = (np.asarray(v, dtype=np.float64) for v in (x, t_x, T))
        chances = x + self.first_kill

        def full(value: FloatArray) -> FloatArray:
            return np.broadcast_to(value, p_alive.shape)

        return Individual(
            p_alive=p_alive,
            rate_shape=full(r + x),
            rate_alive=full(alpha + T),
            rate_dead=full(alpha + t_x),
            dropout_alive=(full(a), full(b + chances)),
            dropout_dead=(full(a + 1.0), full(b + np.maximum(chances - 1.0, 0.0))),
        )

    def expected_purchases(
        self,
        theta: Theta,
        x: npt.ArrayLike,
        t_x: npt.ArrayLike,
        T: npt.ArrayLike,
        horizon: npt.ArrayLike,
        discount: npt.ArrayLike = 0.0,
    ) -> FloatArray:
        """Purchases expected in (T, T + horizon], given the history, whether the customer is alive or not.

        Parameters
        ----------
        theta : r, alpha, a, b, scalars or arrays; every a, b > 0.
        x, t_x, T : the history, in the time unit of alpha; broadcast with theta.
        horizon : length of the future, same unit, finite.
        discount : continuous discount rate per time unit; a purchase at T + t counts exp(-discount t).

        >>> from kundenwert.families import BGNBD
        >>> theta = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
        >>> round(float(BGNBD.expected_purchases(theta, 2, 30.43, 38.86, 39)), 6)
        1.226028
        """
        k, beta, a, b = self._alive(theta, x, T)
        alive = predictions.expected_purchases(k, beta, a, b, horizon, discount)
        return np.asarray(self.p_alive(theta, x, t_x, T) * alive)

    def p_no_purchase(
        self, theta: Theta, x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike, horizon: npt.ArrayLike
    ) -> FloatArray:
        """Probability of no purchase in (T, T + horizon], given the history: dead already, or alive and silent.

        Both parts are positive and added; one minus the chance of a purchase has no digits where it is near zero.
        """
        k, beta, _, _ = self._alive(theta, x, T)
        odds_dead = self.log_odds_dead(theta, x, t_x, T)
        silent = np.exp(-k * np.log1p(np.divide(horizon, beta)))
        return np.asarray(special.expit(odds_dead) + special.expit(-odds_dead) * silent)

    def survival(self, theta: Theta, x: npt.ArrayLike, T: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray:
        """Probability of being alive at T + t, for a customer with x repeats who is alive at T."""
        k, beta, a, b = self._alive(theta, x, T)
        return predictions.survival(k, beta, a, b, t)

    def expected_purchases_new(self, theta: Theta, t: npt.ArrayLike) -> FloatArray:
        """Repeat purchases expected from a new customer in the time t after the first purchase.

        >>> from kundenwert.families import BGNBD
        >>> theta = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
        >>> BGNBD.expected_purchases_new(theta, [13, 52]).round(5).tolist()
        [0.53444, 1.44605]
        """
        return self.expected_purchases(theta, 0, 0.0, 0.0, t)

    def purchase_distribution_new(self, theta: Theta, n: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray:
        """Probability that a new customer makes n repeat purchases in the time t after the first one."""
        r, alpha, a, b = (theta[k] for k in self.parameters)
        return predictions.purchase_distribution(r, alpha, a, b, n, t, self.first_kill)

    def purchase_distribution(
        self,
        theta: Theta,
        n: npt.ArrayLike,
        x: npt.ArrayLike,
        t_x: npt.ArrayLike,
        T: npt.ArrayLike,
        horizon: npt.ArrayLike,
    ) -> FloatArray:
        """Probability of n purchases in (T, T + horizon], given the history."""
        odds_dead = self.log_odds_dead(theta, x, t_x, T)
        alive = predictions.purchase_distribution(*self._alive(theta, x, T), n, horizon, first_kill=0)
        return np.asarray(special.expit(odds_dead) * (np.asarray(n) == 0) + special.expit(-odds_dead) * alive)

    def simulate(self, theta: Theta, T: npt.ArrayLike, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Repeat purchases and recency of new customers, each observed for T after the first purchase.

        Parameters
        ----------
        theta : r, alpha, a, b, scalars or one value a customer.
        T : (customer,) age, in the time unit of alpha.

        Returns
        -------
        x : repeat purchases, int64.
        t_x : time of the last one, 0 where there is none.
        """
        who, when = self.simulate_times(theta, T, rng)
        x = np.bincount(who, minlength=np.size(T))
        t_x = np.zeros(np.shape(T))
        np.maximum.at(t_x, who, when)
        return x, t_x

    def simulate_times(self, theta: Theta, T: npt.ArrayLike, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Every repeat purchase of new customers: who made it, and when after the first purchase.

        Parameters as for `simulate`; returns (purchase,) arrays, see `simulation.purchase_times`.
        """
        rate, dropout = self.simulate_individuals(theta, np.shape(T), rng)
        if self.first_kill:
            rate = np.where(rng.random(rate.shape) < dropout, 0.0, rate)
        return purchase_times(rate, dropout, np.asarray(T, dtype=np.float64), rng)

    def simulate_individuals(
        self, theta: Theta, shape: tuple[int, ...], rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """Rate and dropout of new customers; the first purchase is still to be survived under MBG/NBD."""
        r, alpha, a, b = (np.broadcast_to(np.asarray(theta[k], dtype=np.float64), shape) for k in self.parameters)
        return rng.gamma(r) / alpha, rng.beta(a, b)

    def _alive(
        self, theta: Theta, x: npt.ArrayLike, T: npt.ArrayLike
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Gamma shape and rate, and beta shapes, of a customer who is alive at T."""
        r, alpha, a, b = (np.asarray(theta[k], dtype=np.float64) for k in self.parameters)
        x, T = np.asarray(x, dtype=np.float64), np.asarray(T, dtype=np.float64)
        return r + x, alpha + T, a, b + x + self.first_kill
