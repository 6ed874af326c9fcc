"""Whether the data say what the model needs: enough of them, a mean of spend, spend independent of frequency.

Source: docs/statistics.md, sections Model and Predictive checks.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtr

from kundenwert.inference.compression import spend_days
from kundenwert.inference.findings import Finding
from kundenwert.inference.point_estimates import maximum_likelihood
from kundenwert.names import FamilyName, Pooling, Verdict
from kundenwert.units import Horizon

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior

MAX_DEPENDENCE = 0.1
MAX_BELOW_TWO = 0.05
MIN_CUSTOMERS, MIN_REPEATERS = 500, 100


def enough_data(summary: "CustomerSummary", horizon: Horizon | None) -> list[Finding]:
    """Too little to trust euros: few customers, few repeat buyers, or a history short against the horizon."""
    table = summary.table
    customers, repeaters = len(table), int((table["frequency"] > 0).sum())
    history = float(table["T"].max()) * summary.time_unit.days
    short = horizon is not None and history < horizon.days / 6
    causes = []
    if customers < MIN_CUSTOMERS:
        causes.append(f"{customers:,} customers are fewer than {MIN_CUSTOMERS}.")
    if repeaters < MIN_REPEATERS:
        causes.append(f"{repeaters:,} repeat buyers are fewer than {MIN_REPEATERS}.")
    if short:
        causes.append(f"{history / 7:,.0f} weeks of history are less than a sixth of {horizon}.")
    return [
        Finding(
            "enough data",
            Verdict.REVIEW if causes else Verdict.PASS,
            f"{customers:,} customers, {repeaters:,} repeat buyers, {history / 7:,.0f} weeks",
            f"{MIN_CUSTOMERS} customers, {MIN_REPEATERS} repeat buyers, a sixth of the horizon",
            " ".join(causes),
            "Ranks are usable, euros are not: wait for more orders, or shorten the horizon." if causes else "",
            float(customers),
            "all values: too uncertain to budget on" if causes else "",
        )
    ]


def spend_tail(posterior: "Posterior", summary: "CustomerSummary") -> list[Finding]:
    """Whether mean spend exists: the maximum-likelihood q without the constraint q > 1, and P(q < 2).

    Of the base, and of every cohort with parameters of its own and enough repeat buyers; the worst is reported, for
    one cohort of bulk buyers hides in a large base.
    """
    spenders = summary.table[spend_days(summary.table) > 0]
    if spenders.empty:
        return [
            Finding(
                "mean spend exists",
                Verdict.REVIEW,
                "no repeat purchase with a positive amount",
                "some",
                "Nothing is known about spend beyond the prior.",
                "Wait for repeat orders before reading money.",
                affects="all values rest on the prior of spend",
            )
        ]
    groups = [("", spenders)]
    if posterior.pooling is not Pooling.COMPLETE and len(posterior.cohorts) > 1:
        groups += [(f" in cohort {label}", of) for label, of in spenders.groupby("cohort") if len(of) >= MIN_REPEATERS]
    return [max((_tail_of(where, of) for where, of in groups), key=lambda f: list(Verdict).index(f.verdict))]


def _tail_of(where: str, spenders: pd.DataFrame) -> Finding:
    """The finding about one group; without a standard error nothing is known, which is no reason to pass."""
    estimate = maximum_likelihood(spenders, FamilyName.GAMMA_GAMMA)
    q, error = estimate.estimates["q"], estimate.standard_errors["q"]
    known = estimate.converged and np.isfinite(error) and error > 0
    below_two = float(ndtr((2 - q) / error)) if known else float(q < 2)
    few = len(spenders) < MIN_REPEATERS
    if q <= 1 and not few:
        verdict, cause = Verdict.FAIL, "Mean spend does not exist: a few orders dominate whatever is added up."
    elif q <= 1 or below_two > MAX_BELOW_TWO:
        verdict, cause = Verdict.REVIEW, "The variance of spend hardly exists: a few orders dominate the total."
    elif not estimate.converged:
        verdict, cause = Verdict.REVIEW, f"The estimate did not converge: {estimate.message}"
    else:
        verdict, cause = Verdict.PASS, ""
    return Finding(
        "mean spend exists (q, maximum likelihood)",
        verdict,
        f"q = {q:.2f}, chance of q < 2: {below_two:.3f}{where}",
        f"q > 1; chance of q < 2 at most {MAX_BELOW_TWO:g}",
        cause,
        "Look for bulk orders and currency mix-ups; model business customers apart." if cause else "",
        q,
        "all values: a few customers carry them" if cause else "",
    )


def spend_dependence(summary: "CustomerSummary") -> Finding:
    """The model takes spend an order as independent of how often a customer orders: corr(x, mean spend)."""
    table = summary.table
    n = spend_days(table)
    x, spend = table["frequency"].to_numpy(dtype=float)[n > 0], table["monetary_value"].to_numpy(dtype=float)[n > 0]
    if x.size < 3 or np.ptp(x) == 0 or np.ptp(spend) == 0:
        return Finding("spend is independent of frequency", Verdict.PASS, "too few repeat buyers to tell", "-")
    value = float(np.corrcoef(x, spend)[0, 1])
    depends = abs(value) > MAX_DEPENDENCE
    more = "more" if value > 0 else "less"
    return Finding(
        "spend is independent of frequency",
        Verdict.REVIEW if depends else Verdict.PASS,
        f"correlation {value:+.3f} over {x.size:,} repeat buyers",
        f"between -{MAX_DEPENDENCE:g} and {MAX_DEPENDENCE:g}",
        f"Frequent buyers spend {more} an order, which the model does not know." if depends else "",
        "Split the base by what drives it (channel, business customers) with cohorts.by." if depends else "",
        value,
        f"frequent buyers' values are too {'low' if value > 0 else 'high'}" if depends else "",
    )


def proof_of_life(posterior: "Posterior", summary: "CustomerSummary") -> Finding:
    """What share of the base cannot be doubted: BG/NBD takes every one-time buyer as alive."""
    once = float((summary.table["frequency"] == 0).mean())
    structural = posterior.purchase_family == FamilyName.BGNBD
    return Finding(
        "one-time buyers",
        Verdict.PASS,
        f"{once:.0%} of customers bought once",
        "none; a note",
        "BG/NBD takes every one-time buyer as alive, so no potential is credited to them." if structural else "",
        "family = 'mbgnbd' doubts them too." if structural else "",
        once,
        "unrealized value of one-time buyers is 0 by rule" if structural and once > 0 else "",
    )
