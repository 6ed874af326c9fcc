"""Specs for tests: the shortest, one that states every key, and what the canonical text was at first."""

from pathlib import Path
from typing import Any

import pytest

from kundenwert.errors import SpecError
from kundenwert.names import SEGMENTS
from kundenwert.spec import ModelSpec

MODELS = Path(__file__).parents[1] / "models"
LEAST: dict[str, Any] = {"name": "shop", "data": {"source": "orders.csv"}}

ZERO_ONE = [[0.0 if row == column else 1.0 for column in range(6)] for row in range(6)]
PRIOR = {"dist": "normal", "mean": 0.0, "sd": 1.0}

# A spec that states every key there is, each away from its default; a wallet goes without a share, so that is not here.
EVERYTHING: dict[str, Any] = {
    "name": "shop",
    "data": {
        "source": "orders.csv",
        "customer": "who",
        "time": "when",
        "amount": "paid",
        "currency": "EUR",
        "timezone": "Europe/Berlin",
        "observation_end": "2025-12-31",
        "time_unit": "month",
    },
    "customers": {
        "source": "customers.csv",
        "customer": "who",
        "objection": "objected",
        "complaint": "complains",
        "removed": "gone",
    },
    "events": {
        "source": "events.csv",
        "customer": "who",
        "time": "when",
        "kind": "what",
        "amount": "cost",
        "ahead": "ignored",
        "allocation": "per_event",
    },
    "cohorts": {"by": "quarter", "min_customers": 50, "pooling": "complete"},
    "purchase": {
        "family": "mbgnbd",
        "priors": dict.fromkeys(("log_r", "log_alpha_over_T", "logit_phi", "log_kappa"), PRIOR),
    },
    "spend": {
        "family": "gamma_gamma",
        "priors": dict.fromkeys(("log_p", "log_q_minus_1", "log_mean_over_z"), PRIOR),
    },
    "inference": {"engine": "nuts", "draws": 2000, "seed": 7},
    "value": {
        "horizon": "2 years",
        "discount_rate": 0.08,
        "discounting": "discrete",
        "margin": "column:margin",
        "cost_per_order": "column:handling",
        "cost_per_year_active": "column:service",
        "cost_per_year_on_file": "column:mailing",
        "deactivate_after": "18 months",
        "acquisition_cost": "column:cac",
        "returns": "modelled",
        "return_cost": "column:return_cost",
        "interval": 0.8,
        "draws": 500,
    },
    "churn": {"horizon": "13 weeks"},
    "potential": {
        "basis": "levers",
        "peers": ["cohort", "channel"],
        "frontier": 0.7,
        "attainable": [3.0, 5.0],
        "experiments": [{"n": 4000, "mean": 0.12, "se": 0.05}],
        "growth_cap": 0.1,
        "wallet": "column:wallet",
        "wallet_error": 0.2,
        "wallet_covariates": ["region"],
        "frequency_lever": "fixed_p",
    },
    "levers": [
        {
            "name": "win-back mail",
            "effect": {"on": "reactivation", "mean": 0.03, "sd": 0.02},
            "take_up": {"mean": 0.05, "sd": 0.02},
            "experiments": [{"n": 800, "successes": 31}, {"n": 500, "mean": 0.04, "se": 0.01}],
            "cost_per_contact": 0.6,
            "cost_per_taker": 5.0,
            "duration": "26 weeks",
            "window": "2 weeks",
            "channel": "mail",
            "eligible": "frequency >= 1",
            "journey": ["retention", "reactivation"],
            "customize": "cosmetic",
        },
        {"name": "order fee", "effect": {"on": "cost_to_serve"}, "side_effect": 0.05, "fee_per_order": 1.5},
    ],
    "segments": {
        "losses": "levers",
        "switching_cost": 0.1,
        "packages": {**{label: [] for label in SEGMENTS}, "dormant": ["win-back mail"]},
        "dwell": "8 weeks",
        "look_ahead": "26 weeks",
        "resolvable": 0.1,
    },
    "budget": {"amount": 5000.0, "holdout": 0.2, "capacities": {"mail": 4000}},
    "report": {"title": "Shop", "customer_ids": "hide"},
    "gate": {"max_rhat": 1.02, "min_ess": 200.0, "holdout": "39 weeks", "max_bias": 0.3},
}

# All that the canonical text of a spec held before it knew customers, events, returns, wallets and packages.
FIRST_TEXT: dict[str, Any] = {
    "name": "shop",
    "data": {
        "source": "orders.csv",
        "customer": "customer_id",
        "time": "date",
        "amount": "spend",
        "timezone": "UTC",
        "time_unit": "week",
    },
    "cohorts": {"by": "month", "min_customers": 0, "pooling": "partial"},
    "purchase": {"family": "bgnbd", "priors": {}},
    "spend": {"family": "gamma_gamma", "priors": {}},
    "inference": {"engine": "auto", "draws": 4000, "seed": 20260101},
    "value": {
        "horizon": "3 years",
        "discount_rate": 0.1,
        "cost_per_order": 0.0,
        "cost_per_year_active": 0.0,
        "cost_per_year_on_file": 0.0,
        "interval": 0.9,
        "draws": 1000,
    },
    "churn": {"horizon": "26 weeks"},
    "potential": {"basis": "auto", "peers": ["cohort"], "frontier": 0.8},
    "levers": [],
    "segments": {"switching_cost": 0.05},
    "budget": {},
    "report": {"customer_ids": "show"},
    "gate": {"max_rhat": 1.01, "min_ess": 400.0, "holdout": "26 weeks", "max_bias": 0.25},
}
FIRST_LEVER = {"cost_per_contact": 0.0, "cost_per_taker": 0.0}


def spec_with(**tables: Any) -> ModelSpec:
    return ModelSpec.from_mapping({**LEAST, **tables})


def mistakes_of(**tables: Any) -> tuple[str, ...]:
    with pytest.raises(SpecError) as caught:
        spec_with(**tables)
    return caught.value.mistakes


def lever(**keys: Any) -> dict[str, Any]:
    """The table of one lever, on those who left."""
    return {"levers": [{"name": "mail", "effect": {"on": "reactivation"}, **keys}]}
