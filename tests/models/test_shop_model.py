"""The worked example of a shop: its files are those of its generator, and hold what the README says is planted."""

import datetime as dt
import importlib.util
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.inputs import Data, read_data
from kundenwert.spec import load_spec

MODELS = Path(__file__).parents[2] / "models"
SPEC, FOLDER = MODELS / "shop.toml", MODELS / "shop"
FILES = ("customers.csv", "events.csv", "orders.csv")


@cache
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("shop_make", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def data() -> Data:
    return read_data(load_spec(SPEC))


@cache
def truth() -> pd.DataFrame:
    """(customer,) what the generator knows of each, in the order of the summary."""
    make = generator()
    people = pd.DataFrame(make.make_people(np.random.RandomState(make.SEED))).set_index("id")
    first = pd.Timestamp(make.START) + pd.to_timedelta(people["born"].astype(int), unit="D")
    people["follows"] = [make.truth_of(*one) for one in zip(people["channel"], first.dt.date, strict=True)]
    return people.loc[data().summary.table["customer_id"].tolist()].reset_index()


def table() -> pd.DataFrame:
    return data().summary.table


def test_the_files_are_those_of_the_generator(tmp_path: Path) -> None:
    generator().write(tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name


def test_the_files_are_small() -> None:
    assert sum((FOLDER / name).stat().st_size for name in FILES) < 1_000_000


def test_the_spec_is_valid_and_its_day_is_that_of_the_newest_order() -> None:
    found = kw.validate(SPEC)
    assert found.not_used == ()
    assert (found.customers, found.as_of) == (3_000, generator().END)
    assert found.as_of == dt.date(2025, 12, 31)


def test_a_month_earlier_there_are_orders_to_come() -> None:
    before = read_data(load_spec(SPEC), dt.date(2025, 11, 30))
    assert 2_700 < len(before.summary.table) < 3_000
    assert before.holdout.table["purchases"].sum() > 200


def test_channels_and_regions_are_as_planted() -> None:
    people = table()
    assert people["channel"].value_counts(normalize=True)["web"] == pytest.approx(0.6, abs=0.03)
    for region, share in generator().REGIONS.items():
        assert (people["region"] == region).mean() == pytest.approx(share, abs=0.03)


def test_orders_come_back_as_often_as_planted() -> None:
    people, kind = table(), truth()["kind"] == "returner"
    web = people["channel"] == "web"
    assert kind[web].mean() == pytest.approx(generator().RETURNERS, abs=0.02)
    for who, planted, error in ((kind, 0.6, 0.04), (web & ~kind, 0.08, 0.01), (~web, 0.04, 0.01)):
        wholly, orders = people.loc[who, ["returned_orders", "orders"]].sum()
        # Only what came back wholly is counted as an order; the newest are on their way.
        assert wholly / orders == pytest.approx(generator().WHOLLY * planted, abs=error)


def test_cost_events_are_as_many_as_planted() -> None:
    events, people, who = data().events, table(), truth()["kind"]
    assert events is not None
    assert events.kinds == ("dunning", "ticket", "visit")
    tickets = events.table[events.table["kind"] == "ticket"]
    count = people["customer_id"].map(tickets.groupby("customer_id").size()).fillna(0)
    for kind, planted in generator().TICKETS.items():
        rows = who == kind
        assert count[rows].sum() / people.loc[rows, "orders"].sum() == pytest.approx(planted, rel=0.2)
    assert tickets["amount"].mean() == pytest.approx(np.exp(2.0 + 0.35**2 / 2), rel=0.05)


def test_some_objected_some_complain_few_are_gone() -> None:
    facts = data().facts
    assert facts is not None
    assert 5 <= facts.objected.sum() <= 25
    assert 15 <= facts.complaint.sum() <= 50
    assert 1 <= facts.removed.sum() <= 15


def test_one_in_seven_was_asked_for_the_wallet() -> None:
    stated, planted = table()["wallet"], truth()["wallet"]
    asked = stated.notna()
    assert asked.mean() == pytest.approx(generator().SURVEYED, abs=0.02)
    assert np.log(stated / planted)[asked].std() == pytest.approx(generator().WALLET_ERROR, rel=0.1)


def test_returners_and_the_needy_bring_less_than_they_cost() -> None:
    spec, found, kind = load_spec(SPEC), data(), truth()["kind"]
    parts = kw.realized_breakdown(found.summary, found.economics, found.costs)
    brought = parts.table["realized_value"].groupby(kind).mean()
    assert spec.value.margin == "column:margin"
    assert brought["returner"] < 0 < brought["plain"]
    assert brought["needy"] < 0.5 * brought["plain"]


@pytest.mark.parametrize("group", ["web", "shop", "sale"])
def test_planted_parameters_are_recovered(group: str) -> None:
    """Each lies in the middle 99 of 100 of its posterior; all 21 do in four of five such data sets."""
    chosen = table()[truth()["follows"] == group].assign(cohort="all").reset_index(drop=True)
    posterior = kw.fit(replace(data().summary, table=chosen), purchase="mbgnbd", pooling="complete")
    for name, planted in generator().TRUTH[group].items():
        below = (posterior.draws[name] < planted).mean()
        assert 0.005 < below < 0.995, f"{name}: {below:.3f} of the posterior lies below {planted}"


@pytest.mark.long
def test_the_fit_of_the_spec_finds_the_cohort_that_came_for_a_sale() -> None:
    from kundenwert.stages import fit_posterior

    posterior = fit_posterior(load_spec(SPEC), data().summary, None)
    leave = posterior.draws["a"] / (posterior.draws["a"] + posterior.draws["b"])
    leave = leave.reshape(-1, len(posterior.cohorts))
    sale = leave[:, posterior.cohorts.index("2024Q4 x web")]
    others = [i for i, name in enumerate(posterior.cohorts) if name != "2024Q4 x web"]
    assert np.quantile(sale, 0.05) > np.quantile(leave[:, others], 0.95, axis=0).max()
    planted = {name: theta["a"] / (theta["a"] + theta["b"]) for name, theta in generator().TRUTH.items()}
    assert np.quantile(sale, 0.005) < planted["sale"] < np.quantile(sale, 0.995)
    for i in others:
        low, high = np.quantile(leave[:, i], [0.005, 0.995])
        assert low < planted[posterior.cohorts[i].split(" x ")[1]] < high, posterior.cohorts[i]
