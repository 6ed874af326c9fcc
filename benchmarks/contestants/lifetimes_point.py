"""lifetimes: maximum likelihood (penalizer 0) and scores at the estimates. Also its summary."""

from collections.abc import Mapping
from typing import Any

# Only these two: `lifetimes.datasets` imports pkg_resources, which current setuptools no longer has.
from lifetimes import BetaGeoFitter, GammaGammaFitter
from lifetimes.utils import summary_data_from_transaction_data

from contestants.common import (
    MONTHLY_DISCOUNT,
    MONTHS,
    OBSERVATION_END,
    WEEKS,
    Prepared,
    describe_scores,
    describe_summary,
    read_log,
    read_summary,
    timed_steps,
    with_spend,
)

VERSIONED = ("lifetimes", "autograd", "numpy", "scipy", "pandas")


def prepare(case: str, options: Mapping[str, str]) -> Prepared:
    """The work of a case and how its result is described."""
    if case == "summarize":
        return prepare_summary(options)
    table = read_summary(options)
    if case == "fit_bgnbd":
        return lambda: fit_purchases(table), describe
    if case == "fit_gamma_gamma":
        return lambda: fit_spend(table), describe
    return prepare_score(table)


def fit_purchases(table: Any) -> BetaGeoFitter:
    """BG/NBD."""
    return BetaGeoFitter(penalizer_coef=0.0).fit(table["frequency"], table["recency"], table["T"])


def fit_spend(table: Any) -> GammaGammaFitter:
    """Gamma-Gamma."""
    spenders = with_spend(table)
    return GammaGammaFitter(penalizer_coef=0.0).fit(spenders["frequency"], spenders["monetary_value"])


def describe(fitted: Any) -> dict[str, Any]:
    """Estimates; the fitter's own log-likelihood is that of rescaled data and cannot be compared."""
    return {"estimates": {name: float(value) for name, value in fitted.params_.items()}}


def prepare_summary(options: Mapping[str, str]) -> Prepared:
    """From a pandas log to the summary in weeks of seven days."""
    log = read_log(options)
    settings = {"observation_period_end": OBSERVATION_END, "freq": "D", "freq_multiplier": 7}

    def work() -> Any:
        return summary_data_from_transaction_data(log, "customer_id", "date", "spend", **settings)

    return work, describe_summary


def prepare_score(table: Any) -> Prepared:
    """The four quantities with fitters fitted here, untimed."""
    purchases, spend = fit_purchases(table), fit_spend(table)
    x, t_x, T, zbar = (table[name] for name in ("frequency", "recency", "T", "monetary_value"))
    future = {"time": MONTHS, "discount_rate": MONTHLY_DISCOUNT, "freq": "W"}

    def work() -> Any:
        return timed_steps(
            {
                "purchases": lambda: purchases.conditional_expected_number_of_purchases_up_to_time(WEEKS, x, t_x, T),
                "p_alive": lambda: purchases.conditional_probability_alive(x, t_x, T),
                "spend": lambda: spend.conditional_expected_average_profit(x, zbar),
                "value": lambda: spend.customer_lifetime_value(purchases, x, t_x, T, zbar, **future),
            }
        )

    return work, describe_scores
