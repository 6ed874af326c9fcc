"""The public names, in the order of a pipeline; `__init__.py` imports each when it is first used."""

from .customers import examples
from .customers.attributes import Attributes, read_attributes, with_attributes
from .customers.events import CostEvents, events_of, read_events, sum_events
from .customers.holdout import Holdout, hold_out, split
from .customers.joint_costs import share_joint_costs
from .customers.ledgers import Ledger, ledger
from .customers.peers import with_peers
from .customers.sources import read
from .customers.summary import CustomerSummary, as_summary, summarize
from .decisions.actions import Plan, plan_actions, with_actions
from .decisions.explaining import Explanation
from .decisions.hard_events import HardEvents, read_hard_events
from .decisions.holdout_cells import Cells, draw_cells, held_out_of, thompson_draw
from .decisions.hysteresis import Published, recall
from .decisions.information import Information, value_of_information
from .decisions.knapsack import Allocation, BudgetCurve, allocate, budget_points
from .decisions.losses import Losses
from .decisions.one_pass import assess
from .decisions.segments import Segments, segment
from .decisions.thresholds import Thresholds
from .decisions.wallet_questions import value_of_wallets
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
from .runs.report_change import LabelFlows, label_flows
from .simulate import simulate_customers
from .sources_cited import cite
from .spec import load_spec
from .units import DiscountRate, Horizon, TimeUnit
from .value.acquisition import new_customer_offers, new_customer_value
from .value.assumptions import Assumption, assumptions_of
from .value.attainable import measured_closure, organic_closure
from .value.break_even import break_even_acquisition_cost
from .value.breakdown import RealizedBreakdown, realized_breakdown
from .value.bridge import EquityChange, equity_change
from .value.dead_or_silent import ChurnFigures, churn_figures, watch_list_date
from .value.economics import Economics, resolve_economics
from .value.effects import Counts, Measurement
from .value.equity import Equity, customer_equity
from .value.estimate import estimate_value
from .value.explained_room import explain_room
from .value.labelled import predictive_quantiles, value_draws
from .value.lever_findings import experiments_line, lever_after, measured_ratio
from .value.lever_trials import Trial
from .value.levers import Lever, lever_effects, lever_of, levers_of
from .value.paired import Snapshot
from .value.payback_times import Payback, payback
from .value.provision import refund_provision
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
from .value.wallet_data import WalletData, read_wallets

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
    "share_joint_costs",
    "read_attributes",
    "Attributes",
    "with_attributes",
    "with_peers",
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
    "refund_provision",
    "RealizedBreakdown",
    "return_shares",
    "ReturnShares",
    "read_wallets",
    "WalletData",
    "Lever",
    "lever_of",
    "lever_effects",
    "levers_of",
    "Counts",
    "Measurement",
    "estimate_value",
    "Value",
    "value_draws",
    "explain_room",
    "assumptions_of",
    "Assumption",
    "organic_closure",
    "measured_closure",
    "payback",
    "Payback",
    "customer_equity",
    "Equity",
    "equity_change",
    "EquityChange",
    "Snapshot",
    "new_customer_value",
    "new_customer_offers",
    "break_even_acquisition_cost",
    "predictive_quantiles",
    "segment",
    "Segments",
    "assess",
    "Explanation",
    "recall",
    "Published",
    "read_hard_events",
    "HardEvents",
    "label_flows",
    "LabelFlows",
    "Thresholds",
    "Losses",
    "plan_actions",
    "value_of_information",
    "Information",
    "value_of_wallets",
    "Trial",
    "measured_ratio",
    "lever_after",
    "experiments_line",
    "Plan",
    "with_actions",
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
