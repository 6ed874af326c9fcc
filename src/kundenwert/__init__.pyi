"""The public names, in the order of a pipeline; `__init__.py` imports each when it is first used."""

from .customers import examples
from .customers.attributes import Attributes, read_attributes, with_attributes
from .customers.events import CostEvents, events_of, read_events, sum_events
from .customers.holdout import Holdout, hold_out, split
from .customers.ledgers import Ledger, ledger
from .customers.sources import read
from .customers.summary import CustomerSummary, as_summary, summarize
from .decisions.holdout_cells import Cells, draw_cells, held_out_of, thompson_draw
from .decisions.knapsack import Allocation, BudgetCurve, allocate, budget_points
from .decisions.losses import Losses
from .decisions.segments import Segments, segment
from .decisions.thresholds import Thresholds
from .errors import DataError, KundenwertError, SpecError, UsageError
from .inference.checks import check
from .inference.engines import Nuts
from .inference.findings import Checks
from .inference.fitting import build_model, fit
from .inference.gibbs import Gibbs
from .inference.importance import Importance
from .inference.point_estimates import maximum_likelihood
from .inference.posterior import Posterior, load_posterior
from .inference.predictive import Tracking, posterior_predictive, prior_predictive, track
from .pipeline import retrain, score, validate
from .runs import plots
from .simulate import simulate_customers
from .sources_cited import cite
from .spec import load_spec
from .units import DiscountRate, Horizon, TimeUnit
from .value.acquisition import new_customer_value
from .value.breakdown import RealizedBreakdown, realized_breakdown
from .value.dead_or_silent import ChurnFigures, churn_figures, watch_list_date
from .value.economics import Economics, resolve_economics
from .value.estimate import estimate_value
from .value.labelled import predictive_quantiles
from .value.quantities import (
    churn_probability,
    expected_purchases,
    expected_purchases_new,
    expected_spend,
    p_alive,
    purchase_distribution,
)
from .value.results import Value
from .value.returns import ReturnShares, return_shares

__all__ = [
    "examples",
    "read",
    "summarize",
    "as_summary",
    "CustomerSummary",
    "read_events",
    "CostEvents",
    "events_of",
    "sum_events",
    "read_attributes",
    "Attributes",
    "with_attributes",
    "ledger",
    "Ledger",
    "split",
    "hold_out",
    "Holdout",
    "fit",
    "build_model",
    "Gibbs",
    "Importance",
    "Nuts",
    "Posterior",
    "load_posterior",
    "maximum_likelihood",
    "check",
    "Checks",
    "track",
    "Tracking",
    "prior_predictive",
    "posterior_predictive",
    "p_alive",
    "churn_probability",
    "churn_figures",
    "ChurnFigures",
    "watch_list_date",
    "expected_purchases",
    "purchase_distribution",
    "expected_purchases_new",
    "expected_spend",
    "resolve_economics",
    "Economics",
    "realized_breakdown",
    "RealizedBreakdown",
    "return_shares",
    "ReturnShares",
    "estimate_value",
    "Value",
    "new_customer_value",
    "predictive_quantiles",
    "segment",
    "Segments",
    "Thresholds",
    "Losses",
    "allocate",
    "Allocation",
    "budget_points",
    "BudgetCurve",
    "draw_cells",
    "Cells",
    "held_out_of",
    "thompson_draw",
    "plots",
    "retrain",
    "score",
    "validate",
    "simulate_customers",
    "load_spec",
    "cite",
    "Horizon",
    "DiscountRate",
    "TimeUnit",
    "KundenwertError",
    "DataError",
    "SpecError",
    "UsageError",
]
