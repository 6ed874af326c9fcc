"""kundenwert by maximum likelihood: point estimates, and the families' formulas at them. Also its summary."""

from collections.abc import Mapping
from typing import Any

import numpy as np

import kundenwert as kw
from contestants.common import (
    ANNUAL_DISCOUNT,
    MONTHS,
    OBSERVATION_END,
    WEEKS,
    Prepared,
    describe_scores,
    describe_summary,
    read_log,
    read_summary,
    timed_steps,
)
from kundenwert.families import get_family

VERSIONED = ("kundenwert", "numpy", "scipy", "pandas", "narwhals")


def prepare(case: str, options: Mapping[str, str]) -> Prepared:
    """The work of a case and how its result is described."""
    if case == "summarize":
        return prepare_summary(options)
    summary = kw.as_summary(read_summary(options), time_unit="week")
    if case == "score":
        return prepare_score(summary)
    family = case.removeprefix("fit_")
    return lambda: kw.maximum_likelihood(summary, family), describe


def describe(found: Any) -> dict[str, Any]:
    """Estimates, and the log-likelihood that the fit itself reports."""
    return {"estimates": dict(found.estimates), "reported_log_likelihood": found.log_likelihood}


def prepare_summary(options: Mapping[str, str]) -> Prepared:
    """From a pandas log to the summary; the whole data contract is checked on the way."""
    log = read_log(options)
    columns = {"customer": "customer_id", "time": "date", "amount": "spend"}

    def work() -> Any:
        return kw.summarize(log, **columns, cohort="all", observation_end=OBSERVATION_END, time_unit="week").table

    return work, describe_summary


def prepare_score(summary: kw.CustomerSummary) -> Prepared:
    """The four quantities by the families' formulas at the estimates, fitted here, untimed."""
    families = {name: get_family(name) for name in ("bgnbd", "gamma_gamma")}
    estimates = {name: kw.maximum_likelihood(summary, name).estimates for name in families}
    purchase, theta = families["bgnbd"], estimates["bgnbd"]
    spend, phi = families["gamma_gamma"], estimates["gamma_gamma"]
    table = summary.table
    x, t_x, T, zbar = (table[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T", "monetary_value"))
    n = np.where(zbar > 0, x, 0.0)
    month = kw.Horizon.parse(f"{MONTHS} months").in_units(summary.time_unit)
    discount = kw.DiscountRate(ANNUAL_DISCOUNT).continuous(summary.time_unit)

    def value() -> Any:
        orders = purchase.expected_purchases(theta, x, t_x, T, month, discount)
        return orders * spend.expected_spend(phi, n, n * zbar)

    def work() -> Any:
        return timed_steps(
            {
                "purchases": lambda: purchase.expected_purchases(theta, x, t_x, T, float(WEEKS)),
                "p_alive": lambda: purchase.p_alive(theta, x, t_x, T),
                "spend": lambda: spend.expected_spend(phi, n, n * zbar),
                "value": value,
            }
        )

    return work, describe_scores
