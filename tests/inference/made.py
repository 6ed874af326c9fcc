"""Posteriors made by hand, for tests that are about what is done with draws and not about sampling."""

from collections.abc import Mapping

import numpy as np

import kundenwert as kw
from kundenwert.names import Pooling
from kundenwert.simulate import CDNOW_LIKE
from kundenwert.units import TimeUnit


def make_posterior(
    cohorts: tuple[str, ...] = ("all",),
    *,
    theta: Mapping[str, float] = CDNOW_LIKE,
    spread: float = 0.0,
    chains: int = 4,
    draws: int = 250,
    pooling: Pooling = Pooling.COMPLETE,
    purchase: str = "bgnbd",
    seed: int = 1,
) -> kw.Posterior:
    """Draws around `theta`, log-normal with `spread`, independent; hyperparameters where pooling is partial."""
    rng = np.random.default_rng(seed)
    shape = (chains, draws, len(cohorts))
    values = {name: value * np.exp(rng.normal(0.0, spread, shape)) for name, value in theta.items()}
    hyper = {}
    if pooling is Pooling.PARTIAL:
        centres = {
            "log_r": -1.4,
            "log_alpha_over_T": -2.0,
            "logit_phi": -1.1,
            "log_kappa": 1.1,
            "log_p": 1.8,
            "log_q_minus_1": 1.0,
            "log_mean_over_z": 0.3,
        }
        for name, centre in centres.items():
            hyper[f"mu_{name}"] = centre + 0.01 * rng.normal(size=shape[:2])
            hyper[f"sd_{name}"] = 0.1 + 0.01 * rng.random(shape[:2])
    prior = {name: value * np.exp(rng.normal(0.0, 1.5, 1000)) for name, value in theta.items()}
    return kw.Posterior(
        draws=values,
        cohorts=cohorts,
        time_unit=TimeUnit.WEEK,
        currency=None,
        purchase_family=purchase,
        spend_family="gamma_gamma",
        engine="made",
        pooling=pooling,
        seed=seed,
        hyper=hyper,
        sample_stats={"purchase_diverging": np.zeros((chains, draws, 1), dtype=bool)},
        prior=prior,
        scales={"purchase": 33.0, "spend": 26.0},
    )
