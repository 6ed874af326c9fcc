"""Every input that nobody gave is named, in words without terms of art, and no other one."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel
from scipy import stats

from kundenwert.names import Allocation, EventAhead, Returns
from kundenwert.spec import ModelSpec
from kundenwert.units import Currency, DiscountRate, Horizon, TimeUnit
from kundenwert.value.assumptions import assumptions_of
from kundenwert.value.economics import Economics, resolve_economics
from kundenwert.value.settings import ValueSettings

SETTINGS = ValueSettings(
    horizon=Horizon(3.0, "year"),
    discount_rate=DiscountRate(0.10),
    margin=1.0,
    value_basis="revenue",
    cost_per_order=0.0,
    cost_per_year_active=0.0,
    cost_per_year_on_file=0.0,
    acquisition_cost=None,
    churn_horizon=Horizon(26.0, "week"),
    frontier=0.8,
    interval=0.9,
    draws=10,
    seed=1,
    time_unit=TimeUnit.WEEK,
    currency=None,
)
WITHOUT_ANY = {
    "data.currency": "absent",
    "value.margin": "absent",
    "value.acquisition_cost": "absent",
    "value.cost_per_order": "default",
    "value.return_cost": "default",
    "value.returns": "default",
    "events": "absent",
    "value.cost_per_year_active": "default",
    "value.cost_per_year_on_file": "default",
    "value.horizon": "default",
    "value.discount_rate": "default",
    "churn.horizon": "default",
    "potential.peers": "default",
    "potential.frontier": "default",
    "potential.attainable": "default",
    "potential.growth_cap": "default",
    "potential.wallet": "absent",
    "levers": "absent",
    "budget.amount": "absent",
    "segments.losses": "default",
    "segments.switching_cost": "default",
    "referrals": "absent",
    "surveys": "absent",
}
STAY_JUDGEMENTS = {"value.returns", "potential.attainable"}


def economics(**given: object) -> Economics:
    table = pd.DataFrame({"customer_id": [1, 2], "returned_orders": [0, 1]})
    return resolve_economics(table, time_unit="week", **given)


def origins(*args: object, **more: object) -> dict[str, str]:
    return {one.key: one.origin for one in assumptions_of(SETTINGS, *args, **more)}


def words(key: str, found: Economics, **more: object) -> str:
    (one,) = [one.words for one in assumptions_of(SETTINGS, found, **more) if one.key == key]
    return one


def test_nothing_given_names_every_input():
    assert origins(economics()) == WITHOUT_ANY


def test_a_currency_of_the_data_is_given_wherever_it_was_found():
    """The log may bring it along, as `column:NAME` or with a library call: then no key of a spec says it."""
    lines = assumptions_of(replace(SETTINGS, currency=Currency("EUR")), economics())
    assert [one.key for one in lines] == [key for key in WITHOUT_ANY if key != "data.currency"]
    assert words("data.currency", economics()).startswith("No currency was given")


def test_no_key_is_invented():
    """Each key leads to a field of the spec, but for the two inputs that no spec has."""
    for key in WITHOUT_ANY.keys() | {"events.ahead", "events.allocation", "value.deactivate_after"}:
        if key in {"referrals", "surveys"}:
            continue
        model: type[BaseModel] = ModelSpec
        for part in key.split("."):
            assert part in model.model_fields, key
            kinds = [model.model_fields[part].annotation, *get_args(model.model_fields[part].annotation)]
            model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), model)


@pytest.mark.parametrize("key", WITHOUT_ANY)
def test_what_is_stated_is_named_no_more_unless_it_stays_a_judgement(key):
    found = origins(economics(), stated=[key])
    if key in STAY_JUDGEMENTS:
        assert found == WITHOUT_ANY | {key: "given"}
    else:
        without = {one: origin for one, origin in WITHOUT_ANY.items() if one != key}
        assert found == without | ({"events.ahead": "default"} if key == "events" else {})


@pytest.mark.parametrize(
    ("cost", "key"),
    [
        ("cost_per_order", "value.cost_per_order"),
        ("return_cost", "value.return_cost"),
        ("cost_per_year_active", "value.cost_per_year_active"),
        ("cost_per_year_on_file", "value.cost_per_year_on_file"),
        ("acquisition_cost", "value.acquisition_cost"),
    ],
)
def test_a_cost_of_one_customer_is_given(cost, key):
    dropped = {"value.margin", key}
    expected = {one: origin for one, origin in WITHOUT_ANY.items() if one not in dropped}
    if key == "value.cost_per_year_on_file":
        expected["value.deactivate_after"] = "absent"
    assert origins(economics(margin=0.3, **{cost: [0.0, 2.0]})) == expected


def test_the_rule_that_drops_records_matters_where_records_cost():
    kept = economics(margin=0.3, cost_per_year_on_file=1.0)
    assert "until the end of 3 years" in words("value.deactivate_after", kept)
    dropped = economics(margin=0.3, cost_per_year_on_file=1.0, deactivate_after="2 years")
    assert "value.deactivate_after" not in origins(dropped)


def test_keys_of_events_count_as_events_and_what_goes_on_stays_a_judgement():
    stated = ["events.source", "events.ahead"]
    found = economics(margin=0.3)
    assert origins(found, stated=stated)["events.ahead"] == "given"
    assert "events" not in origins(found, stated=stated)
    assert "is expected to cause" in words("events.ahead", found, stated=stated)
    assert "not expected to go on" in words("events.ahead", found, stated=stated, ahead=EventAhead.IGNORED)


@pytest.mark.parametrize(
    ("allocation", "by"), [*zip(Allocation, ("the orders", "the service", "what they paid"), strict=True)]
)
def test_who_bears_joint_costs_is_a_judgement_wherever_there_are_some(allocation, by):
    found, stated = economics(margin=0.3), ["events.source", "events.allocation"]
    assert "events.allocation" not in origins(found, stated=stated)
    assert origins(found, stated=stated, allocation=allocation)["events.allocation"] == "given"
    told = words("events.allocation", found, stated=stated, allocation=allocation)
    assert f"are shared among customers by {by}" in told
    assert "not off orders to come" in told
    assert len(told) < 300


def test_a_share_of_wallet_is_a_wallet():
    assert "potential.wallet" not in origins(economics(), stated=["potential.share"])


def test_refunds_are_said_to_be_counted_where_they_are():
    assert words("value.returns", economics()).startswith("Refunds are taken off the amounts")
    assert "less the share of it" in words("value.returns", economics(), returns=Returns.MODELLED)


def test_a_yearly_cost_of_those_who_never_leave_is_told():
    costly = economics(margin=0.3, cost_per_year_active=1.0)
    assert origins(costly, alive_by_construction=1200)["value.cost_per_year_active"] == "given"
    told = words("value.cost_per_year_active", costly, alive_by_construction=1200)
    assert told.startswith("1,200 customers bought once")
    assert "MBG/NBD" in told
    assert "value.cost_per_year_active" not in origins(costly)
    free = economics(margin=0.3)
    assert "MBG/NBD" not in words("value.cost_per_year_active", free, alive_by_construction=1200)


def test_words_hold_the_numbers_of_the_estimate():
    other = replace(
        SETTINGS,
        horizon=Horizon(5.0, "year"),
        discount_rate=DiscountRate(0.25),
        churn_horizon=Horizon(13.0, "week"),
        frontier=0.7,
        growth_cap=0.15,
        attainable=(3.0, 3.0),
    )
    said = {one.key: one.words for one in assumptions_of(other, economics())}
    low, high = np.round(100 * stats.beta(3, 3).ppf([0.05, 0.95]), 1)
    for key, number in {
        "value.horizon": "5 years",
        "value.discount_rate": "25 % a year: 100 in a year count as 80 now",
        "churn.horizon": "13 weeks",
        "potential.frontier": "best 30 %",
        "potential.growth_cap": "15 %",
        "potential.attainable": f"50 % of the distance to that mark (9 in 10: {low} % to {high} %)",
    }.items():
        assert number in said[key]


@pytest.mark.parametrize("margin", [None, 0.3])
def test_revenue_is_called_revenue_and_nothing_is_called_what_it_is_not(margin):
    settings = SETTINGS if margin is None else replace(SETTINGS, margin=margin, value_basis="contribution")
    lines = assumptions_of(settings, economics(margin=margin), stated=["events"])
    text = " ".join(one.words for one in lines).lower()
    assert ("revenue" in text) == (margin is None)
    assert ("margin holds" in text) == (margin is not None)
    for term in ("profit", "contribution", "posterior", "prior", "beta", "lambda", "quantile", "hazard", "nan"):
        assert term not in text.split()
        assert f"{term}." not in text
    for one in lines:
        assert one.words[0].isupper()
        assert one.words.endswith(".")
        assert len(one.words) < 300
