"""Plots: each is a question, its answer computed from the data, and how to read it.

Every public function returns an Altair chart; its data are binned first, so nothing grows with the number of customers.
The report draws the same data with the same functions. Nothing here touches Altair's renderer or theme.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kundenwert.errors import UsageError
from kundenwert.runs.plots.bridge import draw_equity_bridge, equity_bridge_data
from kundenwert.runs.plots.budget import budget_curve_data, draw_budget_curve
from kundenwert.runs.plots.churn import (
    churn_by_money_data,
    churn_calibration_data,
    draw_churn_by_money,
    draw_churn_calibration,
)
from kundenwert.runs.plots.cohorts import cohort_values_data, draw_cohort_values
from kundenwert.runs.plots.exposing import draw_exposure, exposure_data
from kundenwert.runs.plots.flows import draw_segment_flows, segment_flows_data
from kundenwert.runs.plots.map_chart import draw_map
from kundenwert.runs.plots.payback import draw_payback_curve, payback_curve_data
from kundenwert.runs.plots.predictive import conditional_expectation_data, frequency_data, tracking_data
from kundenwert.runs.plots.predictive_charts import draw_conditional_expectation, draw_frequency, draw_tracking
from kundenwert.runs.plots.sampler import convergence_data, draw_convergence
from kundenwert.runs.plots.style import Theme
from kundenwert.runs.plots.value_map import map_data
from kundenwert.runs.report_actions import BudgetPoints, Payback
from kundenwert.runs.report_change import EquityBridge, LabelFlows
from kundenwert.streams import DEFAULT_SEED

if TYPE_CHECKING:
    import altair as alt

    from kundenwert.customers.holdout import Holdout
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.decisions.actions import Plan
    from kundenwert.decisions.segments import Segments
    from kundenwert.inference.posterior import Posterior
    from kundenwert.inference.predictive import Tracking
    from kundenwert.value.bridge import EquityChange
    from kundenwert.value.payback_times import Payback as PaybackTimes

__all__ = [
    "actual_vs_potential",
    "budget_curve",
    "churn_by_money",
    "churn_calibration",
    "cohort_values",
    "conditional_expectation",
    "convergence",
    "equity_bridge",
    "exposure",
    "frequency",
    "payback_curve",
    "segment_flows",
    "tracking",
]


def actual_vs_potential(
    segments: "Segments", theme: Theme = "light", highlight: Sequence[object] | None = None, *, help: bool = True
) -> "alt.TopLevelMixin":
    """The map: what customers bring against the room they have, in cells, with the money on top.

    Parameters
    ----------
    segments : what `segment` returned.
    theme : "light", "dark", or "css" for a page that defines the colours.
    highlight : up to five customer ids to ring.
    help : question, answer, reading help and colour key as part of the picture.
    """
    return draw_map(map_data(segments, highlight=highlight or ()), theme, help=help)


def tracking(
    tracking: "Tracking", theme: Theme = "light", *, cumulative: bool = False, help: bool = True
) -> "alt.TopLevelMixin":
    """Repeat orders by week, expected with a 90 % predictive band, and come; `cumulative` flatters any model."""
    return draw_tracking(tracking_data(tracking), theme, help=help, cumulative=cumulative)


def frequency(
    tracking: "Tracking", theme: Theme = "light", *, kind: str = "hanging", help: bool = True
) -> "alt.TopLevelMixin":
    """Customers by number of repeat orders: a hanging rootogram, or plain bars with `kind="bars"`."""
    return draw_frequency(frequency_data(tracking), theme, help=help, kind=kind)


def conditional_expectation(
    tracking: "Tracking", summary: "CustomerSummary", holdout: "Holdout", theme: Theme = "light", *, help: bool = True
) -> "alt.TopLevelMixin":
    """Mean orders after the cut by what was known before it: orders, and weeks since the last one."""
    return draw_conditional_expectation(conditional_expectation_data(tracking, summary, holdout), theme, help=help)


def churn_calibration(
    tracking: "Tracking", summary: "CustomerSummary", holdout: "Holdout", theme: Theme = "light", *, help: bool = True
) -> "alt.TopLevelMixin":
    """Stated chance of silence against what happened, bought once and bought again apart."""
    return draw_churn_calibration(churn_calibration_data(tracking, summary, holdout), theme, help=help)


def churn_by_money(segments: "Segments", theme: Theme = "light", *, help: bool = True) -> "alt.TopLevelMixin":
    """Customers and their value by the chance of no order within the churn horizon."""
    return draw_churn_by_money(churn_by_money_data(segments), theme, help=help)


def cohort_values(
    values: Any,
    cohorts: Sequence[str],
    sizes: Sequence[int],
    theme: Theme = "light",
    *,
    currency: str | None = None,
    horizon: str = "3 years",
    basis: str = "revenue",
    acquisition_cost: float | None = None,
    help: bool = True,
) -> "alt.TopLevelMixin":
    """What a new customer of each cohort is worth; `values` is (draw, cohort), as `new_customer_value` returns it."""
    data = cohort_values_data(
        values, cohorts, sizes, currency=currency, horizon=horizon, basis=basis, acquisition_cost=acquisition_cost
    )
    return draw_cohort_values(data, theme, help=help)


def convergence(posterior: "Posterior", theme: Theme = "light", *, help: bool = True) -> "alt.TopLevelMixin":
    """How much cohorts differ before and after the data; without pooling, R-hat or Pareto k by cohort."""
    return draw_convergence(convergence_data(posterior), theme, help=help)


def exposure(
    summary: "CustomerSummary",
    theme: Theme = "light",
    *,
    customers: int = 60,
    seed: int = DEFAULT_SEED,
    help: bool = True,
) -> "alt.TopLevelMixin":
    """First order, last order and today of a sample of customers: all that the model sees."""
    return draw_exposure(exposure_data(summary, customers=customers, seed=seed), theme, help=help)


def equity_bridge(
    bridge: "EquityBridge | EquityChange",
    theme: Theme = "light",
    *,
    currency: str | None = None,
    horizon: str = "3 years",
    basis: str = "revenue",
    help: bool = True,
) -> "alt.TopLevelMixin":
    """What the base's value then and now differ by: floating bars with intervals, hollow where a part is noise.

    Parameters
    ----------
    bridge : what `equity_change` returns.
    theme, currency, horizon, basis, help : as in `budget_curve`.
    """
    from kundenwert.runs.shapes import bridge_of

    bridge = bridge if isinstance(bridge, EquityBridge) else bridge_of(bridge)
    data = equity_bridge_data(bridge, currency=currency, horizon=horizon, basis=basis)
    return draw_equity_bridge(data, theme, help=help)


def segment_flows(
    flows: LabelFlows,
    theme: Theme = "light",
    *,
    euros: bool = False,
    currency: str | None = None,
    horizon: str = "3 years",
    basis: str = "revenue",
    help: bool = True,
) -> "alt.TopLevelMixin":
    """Labels then against labels now, with new customers as a row and those who left as a column.

    Parameters
    ----------
    flows : of two tables of customers, as `label_flows` counts them.
    theme : "light", "dark", or "css" for a page that defines the colours.
    euros : the cells say money, not customers.
    currency, horizon, basis : of the value.
    help : question, answer and reading help as part of the picture.
    """
    data = segment_flows_data(flows, currency=currency, horizon=horizon, basis=basis)
    return draw_segment_flows(data, theme, euros=euros, help=help)


def payback_curve(
    payback: "Payback | PaybackTimes", theme: Theme = "light", *, horizon: str = "3 years", help: bool = True
) -> "alt.TopLevelMixin":
    """How many of 10 customers have paid back by when, of those who have not yet.

    Parameters
    ----------
    payback : what `kundenwert.payback` returns; it knows its own horizon.
    theme, help : as in `budget_curve`.

    Raises
    ------
    UsageError : everybody has paid back.
    """
    from kundenwert.runs.shapes import payback_of

    if not isinstance(payback, Payback):
        horizon, found = str(payback.horizon), payback_of(payback)
        if found is None:
            raise UsageError("all customers have paid back: there is nothing to draw.")
        payback = found
    return draw_payback_curve(payback_curve_data(payback, horizon=horizon), theme, help=help)


def budget_curve(
    curve: "BudgetPoints | Plan",
    theme: Theme = "light",
    *,
    budget: float | None = None,
    currency: str | None = None,
    horizon: str = "3 years",
    basis: str = "revenue",
    assumed: bool = True,
    help: bool = True,
) -> "alt.TopLevelMixin":
    """Expected net gain by budget, with the budget that was given and the one after which no euro pays.

    Parameters
    ----------
    curve : a plan with a budget; it says itself what its budget is and whether its effects are tested.
    theme : "light", "dark", or "css" for a page that defines the colours.
    budget : the one that was given.
    currency, horizon, basis : of the gain.
    assumed : draws a dashed line, because some effect has met no experiment.
    help : question, answer and reading help as part of the picture.
    """
    from kundenwert.runs.shapes import points_of

    if not isinstance(curve, BudgetPoints):
        points = points_of(curve, 0.9, limits_aside=bool(curve.allocation and curve.allocation.contact_prices))
        if points is None:
            raise UsageError("a plan without a budget has no curve. Plan with budget=1000.0.")
        budget, assumed, curve = curve.budget, any(curve.assumed), points
    data = budget_curve_data(curve, budget=budget, currency=currency, horizon=horizon, basis=basis, assumed=assumed)
    return draw_budget_curve(data, theme, help=help)
