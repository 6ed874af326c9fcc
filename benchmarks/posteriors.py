"""Draws of one posterior held against draws of another, quantity by quantity."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kundenwert.families.protocol import Family

TAILS = (0.01, 0.99)


def coordinates(family: Family, draws: Mapping[str, np.ndarray], scale: float) -> dict[str, np.ndarray]:
    """What NUTS sees, in which posteriors are near to normal; and for dropout log a and log b.

    Parameters
    ----------
    draws : parameter -> any shape. `logit_phi` among the results is the logit of the mean dropout a / (a + b).
    """
    found = dict(family.unconstrain({name: draws[name] for name in family.parameters}, scale))
    return found | {f"log_{name}": np.log(draws[name]) for name in ("a", "b") if name in family.parameters}


def worth(values: np.ndarray, method: str = "mean", **how: Any) -> float:
    """Independent draws that (chain, draw) values are worth, by their autocorrelation."""
    from arviz_stats.base import array_stats

    return float(array_stats.ess(values, chain_axis=0, draw_axis=1, method=method, **how))


def compared(ours: np.ndarray, effective: float, reference: np.ndarray) -> dict[str, float]:
    """One quantity's draws against (chain, draw) reference ones; `*_error` is what Monte Carlo error predicts.

    Parameters
    ----------
    effective : independent draws that ours are worth.
    """
    sd = reference.std()
    quantiles = np.quantile(reference, TAILS, method="weibull")  # unbiased for independent draws
    found = {
        "difference": float((ours.mean() - reference.mean()) / sd),
        "difference_error": (1 / effective + 1 / worth(reference)) ** 0.5,
        "sd_ratio": float(ours.std() / sd),
        "sd_ratio_error": (0.5 / effective + 0.5 / worth(reference, "sd")) ** 0.5,
    }
    for name, p, quantile in zip(("below_1", "below_99"), TAILS, quantiles, strict=True):
        found[name] = float((ours < quantile).mean())
        # of the reference's quantile, as independent draws that give it
        known = worth(reference, "quantile", prob=p)
        found[f"{name}_error"] = (p * (1 - p) * (1 / effective + 1 / known)) ** 0.5
    return found
