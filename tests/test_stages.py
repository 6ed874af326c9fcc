"""Data from the spec to the values of the customers, and what one run hands down to the next."""

import datetime as dt
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kundenwert import pipeline, stages
from kundenwert.decisions.one_pass import assess
from kundenwert.decisions.thresholds import Thresholds
from kundenwert.errors import DataError, UsageError
from kundenwert.frozen import Frozen, hand_down
from kundenwert.inference.frontier_draws import extend
from kundenwert.inputs import Sources, read_data
from kundenwert.names import SEGMENTS
from kundenwert.records import identify
from kundenwert.runs import store
from kundenwert.spec import ModelSpec, load_spec
from value_world import few_customers, known_posterior

SPEC = """
name = "shop"
[data]
source = "orders.csv"
observation_end = "1997-02-28"
[cohorts]
by = "month"
[value]
margin = "column:share"
acquisition_cost = "column:cac"
draws = 50
[inference]
draws = 100
"""
MARGINS = [0.1, 0.4, -0.2]


def _orders() -> pd.DataFrame:
    """Thirty customers in January, an order a fortnight to April; margins and costs go round."""
    who = np.repeat(np.arange(30), 8)
    day = pd.Timestamp("1997-01-01") + pd.to_timedelta(who % 28 + np.tile(np.arange(8) * 14, 30), unit="D")
    share, cac = np.array(MARGINS)[who % 3], 5.0 + who % 2
    orders = {"customer_id": [f"c{i:02d}" for i in who], "date": day, "spend": 10.0 + who, "share": share, "cac": cac}
    return pd.DataFrame(orders)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    _orders().to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "shop.toml").write_text(SPEC)
    return tmp_path


def test_columns_go_from_the_log_to_the_values(shop: Path) -> None:
    spec = load_spec(shop / "shop.toml")
    assert spec.carried_columns == ("share", "cac")
    data = read_data(spec)
    table = data.summary.table
    assert table["share"].tolist() == MARGINS * 10
    value = stages.assess_customers(spec, known_posterior(), data, None, None).value
    np.testing.assert_array_equal(value.economics.margin, table["share"])
    realized = table["share"] * (table["gross"] - table["refunds"]) - table["cac"]
    np.testing.assert_allclose(value.table["realized_value"], realized)
    assert (value.settings.margin, value.settings.acquisition_cost) == (None, None)
    assert value.settings.value_basis == "contribution"
    assert ((value.table["actual_value"] < 0) == (table["share"] < 0)).all()


def test_every_cost_may_be_a_column_of_the_customers(shop: Path) -> None:
    keys = ("cost_per_order", "cost_per_year_active", "cost_per_year_on_file", "return_cost")
    people = _orders()[["customer_id"]].drop_duplicates().reset_index(drop=True)
    costs = {key: np.round(0.5 + i + 0.1 * np.arange(30), 2) for i, key in enumerate(keys)}
    people.assign(**{f"own_{key}": cost for key, cost in costs.items()}).to_csv(shop / "people.csv", index=False)
    stated = "".join(f'{key} = "column:own_{key}"\n' for key in keys)
    more = f'deactivate_after = "1 year"\n{stated}[customers]\nsource = "people.csv"\n[inference]'
    (shop / "shop.toml").write_text(SPEC.replace("[inference]", more))
    data = read_data(load_spec(shop / "shop.toml"))
    found, year = data.economics, 365.25 / 7
    np.testing.assert_allclose(found.order_cost, costs["cost_per_order"])
    np.testing.assert_allclose(found.return_cost, costs["return_cost"])
    np.testing.assert_allclose(year * found.active_cost, costs["cost_per_year_active"])
    np.testing.assert_allclose(year * found.file_cost, costs["cost_per_year_on_file"])
    assert found.deactivation == pytest.approx(year)
    assert data.summary.table["returned_orders"].tolist() == [0] * 30


EVENTS = """customer_id,date,kind,amount
c00,1997-01-20,ticket,4.5
c01,1997-01-20,visit,30
,1997-01-31,advertising,290
,1997-03-31,advertising,1000
"""


def test_events_and_joint_costs_go_into_realized_value_and_the_ledger(shop: Path) -> None:
    (shop / "events.csv").write_text(EVENTS)
    table = '[events]\nsource = "events.csv"\nallocation = "per_order"\n'
    (shop / "shop.toml").write_text(SPEC + table)
    spec = load_spec(shop / "shop.toml")
    assert spec.not_used == ()
    data = read_data(spec)
    assert data.costs is not None
    # By the end of January customers have made one to three orders.
    bought = _orders().query("date <= '1997-01-31'").groupby("customer_id").size()
    np.testing.assert_allclose(data.costs["joint_advertising"], 290 * bought / bought.sum(), rtol=1e-11)
    assert data.costs[["ticket", "visit"]].to_numpy()[:2].tolist() == [[4.5, 0.0], [0.0, 30.0]]
    assert data.summary.counts["joint_costs"] == data.summary.counts["events_cut"] == 1
    np.testing.assert_array_equal(data.ledger.sums().events, data.costs)
    note = "joint costs of 290.00 (advertising) are shared among customers per order"
    assert pipeline.validate(shop / "shop.toml").notes[-1] == note
    value = stages.assess_customers(spec, known_posterior(), data, None, None).value
    parts = value.breakdown
    before, after = parts.realized_before_allocation, parts.table["realized_value"]
    np.testing.assert_allclose(before - after, data.costs["joint_advertising"], rtol=1e-11)
    np.testing.assert_array_equal(value.table["realized_value"], after)

    (shop / "shop.toml").write_text(SPEC + table.replace('allocation = "per_order"\n', ""))
    with pytest.raises(DataError, match=r"2 rows: the customer is missing\. Name the customer, or say by what"):
        pipeline.validate(shop / "shop.toml")


def test_another_cost_event_is_another_run(shop: Path) -> None:
    (shop / "events.csv").write_text(EVENTS)
    (shop / "shop.toml").write_text(SPEC + '[events]\nsource = "events.csv"\nallocation = "per_order"\n')
    spec = load_spec(shop / "shop.toml")
    before = identify(spec, read_data(spec))[0]
    (shop / "events.csv").write_text(EVENTS.replace("290", "291"))
    assert identify(spec, read_data(spec))[0] != before


def test_other_sources_must_give_every_table_of_the_spec(shop: Path) -> None:
    (shop / "events.csv").write_text(EVENTS)
    people = '[customers]\nsource = "people.csv"\n'
    (shop / "shop.toml").write_text(f'{SPEC}{people}[events]\nsource = "events.csv"\nallocation = "per_order"\n')
    _orders()[["customer_id"]].drop_duplicates().assign(channel="web").to_csv(shop / "people.csv", index=False)
    spec, log = load_spec(shop / "shop.toml"), str(shop / "orders.csv")
    with pytest.raises(UsageError, match=r"so these customers need it, too: name it with --customers, --events\.$"):
        read_data(spec, sources=Sources(log))
    with pytest.raises(UsageError, match=r"name it with --events\.$"):
        read_data(spec, sources=Sources(log, customers=str(shop / "people.csv")))
    given = read_data(spec, sources=Sources(log, str(shop / "people.csv"), str(shop / "events.csv")))
    pd.testing.assert_frame_equal(given.summary.table, read_data(spec).summary.table)


def test_another_margin_is_another_run(shop: Path) -> None:
    spec = load_spec(shop / "shop.toml")
    before = identify(spec, read_data(spec))[0]
    _orders().assign(share=0.25).to_csv(shop / "orders.csv", index=False)
    assert identify(spec, read_data(spec))[0] != before


def test_validate_names_every_missing_column_at_once(shop: Path) -> None:
    _orders().rename(columns={"spend": "spent", "share": "shares"}).to_csv(shop / "orders.csv", index=False)
    with pytest.raises(DataError) as caught:
        pipeline.validate(shop / "shop.toml")
    assert [v.rule for v in caught.value.violations] == ["column 'spend' is missing", "column 'share' is missing"]
    assert "Did you mean 'shares'?" in str(caught.value)


MISSPELT = """
[value]
margin = "column:mrgin"
acquisition_cost = "column:cast"
cost_per_order = "column:mrgin"
[customers]
source = "people.csv"
objection = "objectd"
removed = "dead"
[events]
source = "tickets.csv"
kind = "knd"
[potential]
wallet = "column:walet"
peers = ["cohort", "channel", "chanel"]
"""


def test_names_of_all_tables_are_held_against_them_at_once(shop: Path) -> None:
    """A margin may be in the log or of customers, so both are searched; no table hides what is wrong with the next."""
    people = {"customer_id": ["c00"], "margin": 0.3, "objected": True, "dead": False, "wallet": 90.0, "channel": "web"}
    pd.DataFrame(people).to_csv(shop / "people.csv", index=False)
    tickets = {"customer_id": ["c00"], "date": "1997-01-03", "kind": "call", "amount": 2.0}
    pd.DataFrame(tickets).to_csv(shop / "tickets.csv", index=False)
    text = SPEC.split("[cohorts]")[0] + MISSPELT
    (shop / "wrong.toml").write_text(text.replace('source = "orders.csv"', 'source = "orders.csv"\namount = "spent"'))
    with pytest.raises(DataError) as caught:
        pipeline.validate(shop / "wrong.toml")
    log, known = "customer_id, date, spend, share, cac", "customer_id, margin, objected, dead, wallet, channel"
    both = f"[data] has: {log}; [customers] has: {known}."
    assert str(caught.value).splitlines() == [
        "orders.csv, people.csv, tickets.csv: 7 rules of the data contract broken",
        f"  - column 'spent' is missing. data.amount names it. Did you mean 'spend'? [data] has: {log}.",
        "  - column 'knd' is missing. events.kind names it. Did you mean 'kind'? "
        "[events] has: customer_id, date, kind, amount.",
        f"  - column 'mrgin' is missing. value.margin and value.cost_per_order name it. Did you mean 'margin'? {both}",
        f"  - column 'cast' is missing. value.acquisition_cost names it. {both}",
        "  - column 'objectd' is missing. customers.objection names it. "
        f"Did you mean 'objected'? [customers] has: {known}.",
        f"  - column 'walet' is missing. potential.wallet names it. Did you mean 'wallet'? [customers] has: {known}.",
        f"  - column 'chanel' is missing. potential.peers names it. Did you mean 'channel'? [customers] has: {known}.",
    ]


def test_columns_that_customers_or_the_log_have_are_found(shop: Path) -> None:
    """A margin of customers, a cost of the log, and peers by what the log carries: nothing is called missing."""
    ids = [f"c{i:02d}" for i in range(30)]
    pd.DataFrame({"who": ids, "margin": 0.3, "objected": False}).to_csv(shop / "people.csv", index=False)
    customers = '[customers]\nsource = "people.csv"\ncustomer = "who"\nobjection = "objected"\n'
    text = SPEC.replace("column:share", "column:margin") + customers + '[potential]\npeers = ["cohort", "cac"]\n'
    (shop / "right.toml").write_text(text)
    data = read_data(load_spec(shop / "right.toml"))
    assert (data.economics.margin == 0.3).all()
    assert data.summary.cohorts == ("1997-01 x 5", "1997-01 x 6")
    (shop / "wrong.toml").write_text(text.replace("column:margin", "column:who"))
    with pytest.raises(DataError, match=r"column 'who' is missing\. value\.margin names it\."):
        read_data(load_spec(shop / "wrong.toml"))


def test_validate_finds_impossible_margins_and_costs_before_any_fit(shop: Path) -> None:
    orders = _orders()
    orders.assign(share=orders["share"] * 100, cac=-orders["cac"]).to_csv(shop / "orders.csv", index=False)
    with pytest.raises(DataError) as caught:
        pipeline.validate(shop / "shop.toml")
    text = str(caught.value)
    assert "30 customers: margin (column 'share') lies outside -1 to 1 (first: c00, c01, c02, c03, c04, ...)." in text
    assert "30 customers: acquisition_cost (column 'cac') is negative" in text


def test_one_column_may_serve_twice(shop: Path) -> None:
    (shop / "shop.toml").write_text(SPEC.replace("column:cac", "column:share"))
    orders = _orders().assign(share=0.5)
    orders.drop(columns="cac").to_csv(shop / "orders.csv", index=False)
    assert pipeline.validate(shop / "shop.toml").customers == 30


# ---------------------------------------------------------------- what is handed down

MARKS = Thresholds(valuable=50.0, growable=10.0, below_zero=1.0, rejection_price=0.35, attainable_scale=1.0)
BEFORE, NOW = "2024-12-31-0123abcd", "2025-01-31-0123abcd"
PRIORS = {"priors": {"log_r": {"mean": 0.0, "sd": 1.0}}}


def _spec(**tables: Any) -> ModelSpec:
    """A spec with a margin of 0.5, which costs need, and what a test changes."""
    value = {"margin": 0.5, **tables.pop("value", {})}
    return ModelSpec.from_mapping({"name": "shop", "data": {"source": "orders.csv"}, "value": value, **tables})


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The manifest of a run, and in its folder what it hands down besides: the frontier, and labels that stand."""
    folder = tmp_path_factory.mktemp(BEFORE)
    posterior, summary = known_posterior(draws=20), few_customers()
    segments = assess(posterior, summary, margin=0.5, draws=20)
    table = segments.table.assign(label_since=np.datetime64("2024-11-03", "us"))
    table.loc[1:, ["segment", "label_since"]] = None
    replace(posterior, frontier=extend(None, posterior, 20)).save(folder / "posterior.nc")
    metadata = stages.customers_metadata(segments.value, summary, posterior)
    store.write_customers(folder / "customers.parquet", table, metadata)
    spec = _spec().to_dict()
    return {"run": BEFORE, "path": folder, "as_of": "2024-12-31", "spec": spec, "thresholds": MARKS.to_dict()}


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"data": {"source": "elsewhere.csv", "observation_end": "2025-01-31"}},
        {"value": {"interval": 0.5, "draws": 100, "acquisition_cost": 3.0}},
        {"churn": {"horizon": "1 year"}},
        {"inference": {"draws": 2000, "seed": 1}},
        {"segments": {"switching_cost": 0.2}},
        {"report": {"title": "Shop"}, "gate": {"min_ess": 100}},
    ],
)
def test_thresholds_are_taken_over_while_money_means_the_same(champion: dict[str, Any], tables: dict[str, Any]) -> None:
    frozen, choice = hand_down(champion, _spec(**tables), NOW, recalibrate=False)
    assert frozen is not None
    assert frozen.thresholds == MARKS
    assert choice == f"thresholds were taken over from {BEFORE}, and with them what peers reach"


@pytest.mark.parametrize(
    ("tables", "changed"),
    [
        ({"value": {"horizon": "2 years"}}, "value.horizon"),
        ({"value": {"discount_rate": 0.05}}, "value.discount_rate"),
        ({"value": {"margin": 0.3}}, "value.margin"),
        ({"value": {"cost_per_order": 1.0, "interval": 0.5}}, "value.cost_per_order"),
        ({"value": {"cost_per_year_active": 1.0}}, "value.cost_per_year_active"),
        ({"value": {"cost_per_year_on_file": 1.0}}, "value.cost_per_year_on_file"),
        ({"potential": {"frontier": 0.7}}, "potential"),
        ({"potential": {"basis": "peers"}}, "potential"),
        ({"value": {"return_cost": 1.0}}, "value.return_cost"),
        ({"value": {"returns": "modelled"}}, "value.returns"),
        ({"value": {"discounting": "discrete"}}, "value.discounting"),
        ({"value": {"deactivate_after": "1 year"}}, "value.deactivate_after"),
        ({"events": {"source": "e.csv"}}, "events.ahead"),
        ({"levers": [{"name": "call", "effect": {"on": "retention"}}]}, "levers"),
        ({"purchase": {"family": "mbgnbd"}}, "purchase"),
        ({"purchase": PRIORS}, "purchase"),
        ({"spend": {"priors": {"log_p": {"mean": 0.0, "sd": 1.0}}}}, "spend"),
        ({"segments": {"losses": [[float(i != j) for j in range(6)] for i in range(6)]}}, "segments.losses"),
        ({"data": {"source": "orders.csv", "currency": "EUR"}}, "data.currency"),
        ({"value": {"horizon": "2 years", "margin": 0.3}}, "value.horizon, value.margin"),
    ],
)
def test_thresholds_are_derived_anew_once_money_means_something_else(
    champion: dict[str, Any], tables: dict[str, Any], changed: str
) -> None:
    frozen, choice = hand_down(champion, _spec(**tables), NOW, recalibrate=False)
    assert frozen is None
    assert choice == f"thresholds were derived anew: {changed} changed since {BEFORE}"


CALL = {"name": "call", "effect": {"on": "retention", "mean": 0.08, "sd": 0.05}, "cost_per_contact": 2.5}
TRIAL = [{"n": 400, "mean": 0.06, "se": 0.05}]


@pytest.mark.parametrize(
    ("then", "now", "learned"),
    [
        ({"levers": [CALL]}, {"levers": [{**CALL, "experiments": TRIAL}]}, "call"),
        ({"levers": [{**CALL, "experiments": TRIAL}]}, {"levers": [CALL]}, "call"),
        (
            {"potential": {"basis": "peers"}},
            {"potential": {"basis": "peers", "experiments": TRIAL}},
            "the attainable share",
        ),
    ],
)
def test_what_is_learned_of_an_effect_moves_no_mark(
    champion: dict[str, Any], then: dict[str, Any], now: dict[str, Any], learned: str
) -> None:
    known = {**champion, "spec": _spec(**then).to_dict()}
    frozen, choice = hand_down(known, _spec(**now), NOW, recalibrate=False)
    assert frozen is not None
    assert frozen.thresholds == MARKS
    assert choice.endswith(f"; they do not follow what experiments said since of {learned}")
    same, choice = hand_down({**known, "spec": _spec(**now).to_dict()}, _spec(**now), NOW, recalibrate=False)
    assert same is not None
    assert "experiments" not in choice


def test_every_run_names_the_trials_that_its_marks_do_not_follow(champion: dict[str, Any], tmp_path: Path) -> None:
    """Also the second night after a trial, and where that night is made again."""
    old, new = _spec(levers=[CALL]), _spec(levers=[{**CALL, "experiments": TRIAL}])
    known = {**_followed(champion, tmp_path, spec=old.to_dict()), "spec": new.to_dict()}
    for run in (NOW, BEFORE):
        frozen, choice = hand_down(known, new, run, recalibrate=False)
        assert frozen is not None
        assert choice.endswith("; they do not follow what experiments said since of call")


@pytest.mark.parametrize(
    "change", [{"cost_per_contact": 3.0}, {"effect": {"on": "retention", "mean": 0.1, "sd": 0.05}}]
)
def test_another_cost_or_belief_beside_an_experiment_moves_marks(
    champion: dict[str, Any], change: dict[str, Any]
) -> None:
    known = {**champion, "spec": _spec(levers=[CALL]).to_dict()}
    changed = _spec(levers=[{**CALL, **change, "experiments": TRIAL}])
    frozen, choice = hand_down(known, changed, NOW, recalibrate=False)
    assert frozen is None
    assert choice == f"thresholds were derived anew: levers changed since {BEFORE}"


@pytest.mark.parametrize(("run", "derived_by"), [(BEFORE, BEFORE), (BEFORE, None), (NOW, NOW)])
def test_a_run_takes_no_thresholds_over_that_it_derived_itself(
    champion: dict[str, Any], run: str, derived_by: str | None
) -> None:
    known = {**champion, "thresholds": {**MARKS.to_dict(), "derived_by": derived_by}}
    frozen, choice = hand_down(known, _spec(), run, recalibrate=False)
    assert frozen is None
    assert choice == f"thresholds were derived anew: {run} is made again, whose thresholds they were"
    first = (None, "thresholds were derived over the base: first run")
    assert hand_down(None, _spec(), NOW, recalibrate=False) == first
    assert hand_down(None, _spec(), NOW, recalibrate=True) == first
    lost = hand_down(None, _spec(), NOW, recalibrate=False, without="x was in use and is not to be found")
    assert lost == (None, "thresholds were derived over the base: x was in use and is not to be found")


@pytest.mark.parametrize("run", [NOW, BEFORE])
def test_a_recalibration_takes_nothing_over(champion: dict[str, Any], run: str) -> None:
    frozen, choice = hand_down(champion, _spec(), run, recalibrate=True)
    assert frozen is None
    assert choice == f"thresholds were derived anew: recalibrated after {BEFORE}"


FIRST = "2024-11-30-0123abcd"


def _followed(champion: dict[str, Any], runs: Path, **first: Any) -> dict[str, Any]:
    """The champion as a run that took thresholds over from another one, whose only label is "super_growth"."""
    for run in (FIRST, BEFORE):
        shutil.copytree(champion["path"], runs / "shop" / run)
        for name in store.FILES:
            (runs / "shop" / run / name).touch()
    table, metadata = store.read_customers(champion["path"] / "customers.parquet")
    before = table.assign(segment=["super_growth", *[None] * (len(table) - 1)])
    store.write_customers(runs / "shop" / FIRST / "customers.parquet", before, metadata)
    thresholds = {**MARKS.to_dict(), "derived_by": FIRST}
    made = {"run": FIRST, "as_of": "2024-11-30", "verdict": "PASS", "thresholds": thresholds, "format_version": 1}
    made["spec"] = champion["spec"]
    store.write_json(runs / "shop" / FIRST / "manifest.json", made | first)
    return {**champion, "path": runs / "shop" / BEFORE, "thresholds": thresholds, "taken_over_from": FIRST}


def test_a_run_that_is_made_again_follows_the_run_that_it_followed(champion: dict[str, Any], tmp_path: Path) -> None:
    known = _followed(champion, tmp_path)
    frozen, choice = hand_down(known, _spec(), BEFORE, recalibrate=False)
    assert frozen is not None
    assert (frozen.source, frozen.thresholds.derived_by, frozen.priors) == (FIRST, FIRST, None)
    stands = SEGMENTS.index("super_growth")
    assert frozen.published(few_customers()).labels.tolist() == [stands, *[-1] * (len(few_customers().table) - 1)]
    told = f"thresholds were taken over from {FIRST} once more, and with them what peers reach"
    assert choice == f"{told}: --force makes {BEFORE} again"


@pytest.mark.parametrize(
    "first",
    [None, {"verdict": "FAIL"}, {"thresholds": replace(MARKS, valuable=51.0, version="").to_dict()}],
)
def test_without_the_run_that_it_followed_thresholds_stay_and_no_label_stands(
    champion: dict[str, Any], tmp_path: Path, first: dict[str, Any] | None
) -> None:
    known = _followed(champion, tmp_path, **(first or {}))
    if first is None:
        shutil.rmtree(tmp_path / "shop" / FIRST)
    frozen, choice = hand_down(known, _spec(), BEFORE, recalibrate=False)
    assert frozen is not None
    assert (frozen.source, frozen.thresholds) == (BEFORE, replace(MARKS, derived_by=FIRST))
    assert (frozen.published(few_customers()).labels == -1).all()
    assert choice.startswith(f"thresholds of {FIRST} were kept, and what peers reach: --force makes {BEFORE} again.")
    assert choice.endswith("no earlier label was held")


def test_a_run_scores_with_what_it_learned_and_hands_only_marks_down(champion: dict[str, Any]) -> None:
    """Parameters are fitted anew each night, and so is what returns and events are expected to be."""
    learned = {"events": {"cohorts": ["all"], "mean": [2.0, 2.0], "orders": [3.0, 3.0]}}
    known = {**champion, "ahead_priors": learned}
    own = Frozen.of(known, champion["path"]).priors
    assert own is not None
    assert own.to_dict() == learned
    frozen, _ = hand_down(known, _spec(), NOW, recalibrate=False)
    assert frozen is not None
    assert frozen.priors is None


def test_labels_of_a_later_day_did_not_stand_on_an_earlier_one(champion: dict[str, Any]) -> None:
    frozen, _ = hand_down(champion, _spec(), NOW, recalibrate=False)
    assert frozen is not None
    for end, stands in ((dt.date(2024, 12, 31), 1), (dt.date(2024, 12, 30), 0)):
        found = frozen.published(replace(few_customers(), observation_end=end))
        assert (found.labels >= 0).sum() == stands


def test_labels_that_stand_and_the_frontier_come_with_the_thresholds(champion: dict[str, Any]) -> None:
    frozen, _ = hand_down(champion, _spec(), NOW, recalibrate=False)
    assert frozen is not None
    label = frozen.before["segment"][0]
    table = few_customers().table.iloc[[3, 0, 1]].reset_index(drop=True)
    published = frozen.published(replace(few_customers(), table=table))
    assert published.labels.tolist() == [-1, SEGMENTS.index(label), -1]
    assert published.since.astype(str).tolist() == ["NaT", "2024-11-03", "NaT"]
    later = stages.with_frontier(known_posterior(draws=20, spread=0.3), frozen.frontier, 20)
    assert later.frontier is not None
    assert frozen.frontier is not None
    for name, draws in frozen.frontier.theta.items():
        np.testing.assert_array_equal(later.frontier.theta[name], draws)
        assert not np.array_equal(later.draws[name].reshape(20, 1), draws)


def test_a_condition_on_a_column_that_is_not_there_is_refused_before_anything_is_fitted(shop: Path) -> None:
    wrong = '[[levers]]\nname = "mail"\neligible = "frequencie >= 2"\neffect.on = "spend"\n'
    (shop / "wrong.toml").write_text(SPEC + wrong, encoding="utf-8")
    with pytest.raises(UsageError, match=r"(?s)lever 'mail': .*frequencie.*frequency"):
        read_data(load_spec(shop / "wrong.toml"))
