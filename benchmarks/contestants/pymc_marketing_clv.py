"""pymc-marketing with its own priors and defaults, by MCMC or MAP. Also its summary.

PyMC samples with nutpie where that is installed, so that the environment decides which sampler its default is.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import pandas as pd
from pymc_marketing.clv import BetaGeoModel, GammaGammaModel, rfm_summary

from contestants.common import (
    MONTHLY_DISCOUNT,
    MONTHS,
    OBSERVATION_END,
    SCORING_DRAWS,
    SEED,
    WEEKS,
    Prepared,
    describe_draws,
    describe_scores,
    describe_summary,
    read_log,
    read_summary,
    saved,
    timed_steps,
    with_spend,
)

VERSIONED = ("pymc-marketing", "pymc", "pytensor", "numba", "numpy", "pandas") + ("nutpie",) * bool(find_spec("nutpie"))
PARAMETERS = {"fit_bgnbd": ("r", "alpha", "a", "b"), "fit_gamma_gamma": ("p", "q", "v")}
MODELS = {"fit_bgnbd": BetaGeoModel, "fit_gamma_gamma": GammaGammaModel}


def prepare(case: str, options: Mapping[str, str]) -> Prepared:
    """The work of a case and how its result is described."""
    if case == "summarize":
        return prepare_summary(options)
    table = read_summary(options)
    if case == "score":
        return prepare_score(table, options)

    def describe(model: Any) -> dict[str, Any]:
        model.save(str(saved(options, case)))
        draws = {name: model.fit_result[name].to_numpy() for name in PARAMETERS[case]}
        if options["method"] == "map":
            return {"estimates": {name: float(values.item()) for name, values in draws.items()}}
        return describe_draws(draws)

    return lambda: fit(case, table, options["method"]), describe


def fit(case: str, table: pd.DataFrame, method: str) -> Any:
    """A model fitted with everything at its default."""
    model = MODELS[case]()
    model.fit(table if case == "fit_bgnbd" else with_spend(table), method=method, random_seed=SEED, progressbar=False)
    return model


def prepare_summary(options: Mapping[str, str]) -> Prepared:
    """From a pandas log to the summary in weeks of seven days."""
    log = read_log(options)
    settings = {"observation_period_end": OBSERVATION_END, "time_unit": "D", "time_scaler": 7}
    return lambda: rfm_summary(log, "customer_id", "date", "spend", **settings), describe_summary


def prepare_score(table: pd.DataFrame, options: Mapping[str, str]) -> Prepared:
    """The four quantities, with the fits that the other cases saved where there are any, and thinned draws."""
    purchases, spend = (_thinned(_fitted(case, table, options)) for case in MODELS)
    future = {"future_t": MONTHS, "discount_rate": MONTHLY_DISCOUNT, "time_unit": "W"}

    def work() -> Any:
        return timed_steps(
            {
                "purchases": lambda: _mean(purchases.expected_purchases(table, future_t=WEEKS)),
                "p_alive": lambda: _mean(purchases.expected_probability_alive(table)),
                "spend": lambda: _mean(spend.expected_customer_spend(table)),
                "value": lambda: _mean(spend.expected_customer_lifetime_value(purchases, table, **future)),
            }
        )

    return work, describe_scores


def _fitted(case: str, table: pd.DataFrame, options: Mapping[str, str]) -> Any:
    path = saved(options, case)
    return MODELS[case].load(str(path)) if path.exists() else fit(case, table, options["method"])


def _thinned(model: Any) -> Any:
    draws = model.fit_result.sizes["chain"] * model.fit_result.sizes["draw"]
    return model.thin_fit_result(draws // SCORING_DRAWS) if draws > SCORING_DRAWS else model


def _mean(quantity: Any) -> Any:
    return quantity.mean(("chain", "draw"))
