"""The canonical text of a spec and its hash: equal for equal choices, and as it was before later keys came."""

import copy
import datetime
import hashlib
import json
from typing import Any

import pytest

from kundenwert.spec import ModelSpec, load_spec
from kundenwert.spec_wording import given_keys
from spec_world import EVERYTHING, FIRST_LEVER, FIRST_TEXT, MODELS, ZERO_ONE, lever, spec_with


def hash_of(tables: dict[str, Any]) -> str:
    """SHA-256 of tables as the canonical text has them."""
    return hashlib.sha256(json.dumps(tables, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def test_a_spec_without_the_later_keys_has_the_hash_it_had_before_them() -> None:
    assert spec_with().spec_hash() == hash_of(FIRST_TEXT)
    assert hash_of(FIRST_TEXT) == "448f68ade1d35f28e19d5b281417988bb5290d67fdd5c1762a39ddb4064f303d"
    mail = {"name": "mail", "effect": {"on": "reactivation", "mean": 0.03, "sd": 0.02}}
    more = {"levers": [{**FIRST_LEVER, **mail}], "budget": {"amount": 5000.0}, "segments": {"losses": ZERO_ONE}}
    tables = {**FIRST_TEXT, **more, "segments": {**more["segments"], "switching_cost": 0.05}}
    assert spec_with(**{**more, "levers": [mail]}).spec_hash() == hash_of(tables)


@pytest.mark.parametrize(
    ("name", "own", "known_hash"),
    [
        (
            "cdnow",
            {
                "data": {"source": "example:cdnow", "currency": "USD", "observation_end": "1997-09-30"},
                "report": {"title": "CDNOW"},
            },
            "187467334bddd265f35dc2f16e2157439515799ee63823addbbab82daefb5f40",
        ),
        (
            "cdnow-sample",
            {
                "data": {"source": "example:cdnow-sample", "currency": "USD", "observation_end": "1997-09-30"},
                "cohorts": {"by": "all", "pooling": "complete"},
                "report": {"title": "CDNOW sample"},
            },
            "9cb8fae2aa9af3563db402335e6f73a58740f5efd7c69471bd3d21710be78d3f",
        ),
    ],
)
def test_the_specs_that_ship_keep_their_hashes(name: str, own: dict[str, Any], known_hash: str) -> None:
    """Else the runs of a schedule that has been going for months would begin anew in other folders."""
    tables = copy.deepcopy({**FIRST_TEXT, "name": name})
    for table, keys in {"value": {"margin": 0.3}, **own}.items():
        tables[table] |= keys
    assert load_spec(MODELS / f"{name}.toml").spec_hash() == hash_of(tables) == known_hash


@pytest.mark.parametrize(
    "tables",
    [
        {"value": {"discounting": "continuous", "returns": "netted", "return_cost": 0}},
        {"potential": {"attainable": [2, 6], "experiments": [], "growth_cap": 0.2, "wallet_covariates": []}},
        {"potential": {"frequency_lever": "fixed_hazard"}},
        {"segments": {"packages": {}, "dwell": "4.0 weeks", "look_ahead": "1 quarter", "resolvable": 0.05}},
        {"budget": {"holdout": 0.1, "capacities": {}}},
    ],
)
def test_a_stated_default_is_no_other_choice(tables: dict[str, Any]) -> None:
    assert spec_with(**tables).canonical() == spec_with().canonical()


def test_every_key_reads_back_from_the_canonical_text() -> None:
    spec = ModelSpec.from_mapping(EVERYTHING)
    assert ModelSpec.from_mapping(json.loads(spec.canonical())).canonical() == spec.canonical()
    assert given_keys(EVERYTHING) - given_keys(spec.to_dict()) == set()


# Keys that mean nothing without another one go with it.
OF_LEVERS = ("segments.packages", "segments.losses", "budget.capacities", "potential.basis")
TOGETHER: dict[str, tuple[str, ...]] = {
    "customers.source": ("customers",),
    "events.source": ("events",),
    "potential.wallet": ("potential.wallet_error", "potential.wallet_covariates"),
    "levers": OF_LEVERS,
    "value.margin": (
        "events",
        "value.cost_per_order",
        "value.cost_per_year_active",
        "value.cost_per_year_on_file",
        "value.acquisition_cost",
        "value.return_cost",
        "levers",
        *OF_LEVERS,
    ),
}


def drop(tables: dict[str, Any], key: str) -> None:
    """Takes a dotted key out."""
    *path, leaf = key.split(".")
    for part in path:
        tables = tables[part]
    del tables[leaf]


@pytest.mark.parametrize(
    "key", sorted(k for k in given_keys(EVERYTHING) - {"name", "data.source"} if ".priors." not in k)
)
def test_every_key_is_part_of_the_hash(key: str) -> None:
    """A spec that leaves one choice to its default is another spec, where there is another choice."""
    tables = copy.deepcopy(EVERYTHING)
    for dropped in TOGETHER.get(key, ()):
        drop(tables, dropped)
    if key.partition(".")[0] in tables:
        drop(tables, key)
    less = ModelSpec.from_mapping(tables)
    assert key not in less.given_keys
    assert (less.spec_hash() == ModelSpec.from_mapping(EVERYTHING).spec_hash()) == (key == "spend.family")


def test_phases_are_a_set_of_names() -> None:
    twice = spec_with(**lever(journey=["reactivation", "retention", "reactivation"]))
    assert twice.canonical() == spec_with(**lever(journey=["retention", "reactivation"])).canonical()


def test_canonical_text_is_equal_for_equal_choices_and_reads_back() -> None:
    terse = spec_with()
    wordy = ModelSpec.from_mapping(
        {
            "value": {"horizon": "3.0 year", "discount_rate": 0.1, "cost_per_order": 0},
            "data": {"source": "orders.csv", "timezone": "UTC"},
            "cohorts": {"min_customers": 0},
            "name": "shop",
        }
    )
    assert terse.canonical() == wordy.canonical()
    assert terse.spec_hash() == wordy.spec_hash()
    assert ModelSpec.from_mapping(wordy.to_dict()).canonical() == terse.canonical()


def test_the_as_of_day_is_part_of_the_canonical_text() -> None:
    day = datetime.date(1997, 9, 30)
    stated = spec_with(data={"source": "orders.csv", "observation_end": "1997-09-30"})
    assert spec_with().canonical(day) == stated.canonical() == stated.canonical(day)
    assert spec_with().spec_hash(day) != spec_with().spec_hash()
    assert stated.canonical(datetime.date(1997, 10, 31)) != stated.canonical()


def test_horizons_keep_every_digit_in_the_canonical_text() -> None:
    spec = spec_with(churn={"horizon": "0.123456789 years"})
    assert ModelSpec.from_mapping(spec.to_dict()).churn.horizon == spec.churn.horizon
