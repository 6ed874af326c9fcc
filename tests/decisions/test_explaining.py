"""Explanations: every number is that of the decision, and every claim about other data holds in a run on such data."""

import datetime as dt
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kundenwert.customers.summary import as_summary
from kundenwert.decisions.counterfactuals import LARGER, MOST_ORDERS, MOST_WEEKS, SMALLER
from kundenwert.decisions.hard_events import HardEvents
from kundenwert.decisions.hysteresis import Published, positions_of, recall
from kundenwert.decisions.losses import UNIT_LOSSES
from kundenwert.decisions.one_pass import assess
from kundenwert.errors import UsageError
from kundenwert.inference.frontier_draws import extend
from kundenwert.names import MIGRATOR, SEGMENTS, STATES
from kundenwert.value.levers import Lever
from value_world import COSTS, GG, MBG, known_posterior, simulated_summary

END = dt.date(1997, 9, 30)
FAST = {"newcomers": 200, "draws": 200}
HISTORY = ["customer_id", "cohort", "frequency", "recency", "T", "monetary_value", "spend_days"]
MONEY = ["orders", "first_amount", "gross", "refunds"]
LONG_AGO = np.datetime64("1997-01-01", "D")
CUSTOMERS = 250


class World:
    """A base with its run, and runs on changed data of one of its customers."""

    def __init__(self, columns=(), published=None, thresholds=None, frontier=None, **wanted):
        self.posterior = known_posterior(MBG | GG, family="mbgnbd", spread=0.05, draws=200)
        self.posterior = replace(self.posterior, frontier=frontier)
        made = simulated_summary(CUSTOMERS, MBG | GG, family="mbgnbd").table
        self.frame = made[[*HISTORY, *MONEY]].assign(**dict(columns))
        self.wanted, self.thresholds, self.published = FAST | wanted, thresholds, published
        self.segments = self.run(self.frame, END, thresholds, published, wanted.get("cost_events"))

    def run(self, frame, end, thresholds, published, cost_events=None, priors=None):
        summary = as_summary(frame, time_unit="week", currency="USD", observation_end=end)
        asked = self.wanted | {"cost_events": cost_events, "priors": priors}
        return assess(self.posterior, summary, thresholds=thresholds, published=published, **asked)

    def label_with(self, row, *, orders=0, days=0, spend=1.0):
        """The label of one customer in a run of its own, so many days later or with other amounts."""
        one, found = self.frame.iloc[row].to_dict(), self.segments
        mean = one["monetary_value"] if one["spend_days"] else one["first_amount"]
        before = one["spend_days"] * one["monetary_value"]
        after = spend * before + orders * mean
        if orders:
            one["recency"] = one["T"] + days / 7 * orders / (orders + 1)
        one["T"] += days / 7
        for name in ("frequency", "spend_days", "orders"):
            one[name] += orders
        one["monetary_value"] = after / one["spend_days"] if one["spend_days"] else 0.0
        one["gross"] += after - before
        published = None if self.published is None else Published(*(c[[row]] for c in vars(self.published).values()))
        if days:
            published = recall(np.array([one["customer_id"]], object), found.table.iloc[[row]], np.datetime64(END, "D"))
        costs = self.wanted.get("cost_events")
        again = self.run(
            pd.DataFrame([one]),
            END + dt.timedelta(days=days),
            found.thresholds,
            published,
            None if costs is None else costs.iloc[[row]].reset_index(drop=True),
            found.value.ahead.priors,
        )
        return again.table["segment"].iloc[0]

    def claimed(self, row, one):
        """The label that a run on a counterfactual's data gives, and that on the next smaller change."""
        if one.kind == "orders":
            fewer = self.label_with(row, orders=int(one.size) - 1, days=90) if one.size else None
            return self.label_with(row, orders=int(one.size), days=90), fewer
        if one.kind == "silence":
            before = self.label_with(row, days=7 * (int(one.size) - 1)) if one.size > 1 else None
            return self.label_with(row, days=7 * int(one.size)), before
        factor = one.size / self.frame["monetary_value"].iloc[row]
        grid = np.array([*SMALLER[::-1], 1.0, *LARGER])
        at = np.abs(grid - factor).argmin()
        nearer = grid[at + (1 if factor < 1 else -1)]
        return self.label_with(row, spend=grid[at]), self.label_with(row, spend=nearer)


def before_all(label):
    return Published(np.full(CUSTOMERS, SEGMENTS.index(label)), np.full(CUSTOMERS, LONG_AGO))


@pytest.fixture(scope="module")
def first():
    return World(**COSTS)


@pytest.fixture(scope="module")
def second(first):
    """A run after one that found everybody to be undecided."""
    return World(thresholds=first.segments.thresholds, published=before_all(MIGRATOR), **COSTS)


def levers_tickets_and_returns(first):
    """Levers with conditions on what orders change, tickets that each order is expected to bring, returns modelled."""
    rng = np.random.default_rng(5)
    tickets = pd.DataFrame({"ticket": rng.gamma(0.5, 8.0, CUSTOMERS)})
    back = np.minimum(first.frame["gross"] * rng.beta(1, 6, CUSTOMERS), first.frame["gross"])
    levers = [
        Lever("letter", "frequency", mean=0.3, sd=0.05, cost_per_contact=0.5, eligible="frequency >= 2"),
        Lever("shop desk", "cost_to_serve", eligible="churn_probability < 0.9"),
    ]
    money = {"margin": 0.35, "cost_per_order": 3.0, "cost_per_year_on_file": 1.0}
    given = {"cost_events": tickets, "returns": "modelled", "levers": levers}
    return {"columns": {"refunds": back}} | given | money


@pytest.fixture(scope="module")
def third(first):
    return World(**levers_tickets_and_returns(first))


@pytest.fixture(scope="module")
def fourth(first):
    """The same, but held against peers as another posterior knew them."""
    peers = extend(None, known_posterior(MBG | GG | {"q": 4.5}, family="mbgnbd", spread=0.05, draws=200), 200)
    return World(**levers_tickets_and_returns(first), frontier=peers)


def some_of_each(world, count=2):
    labels = world.segments.table["segment"].to_numpy(dtype=object)
    return [int(row) for label in dict.fromkeys(labels) for row in np.flatnonzero(labels == label)[:count]]


@pytest.mark.parametrize("name", ["first", "second", "third"])
def test_other_data_give_the_label_that_was_claimed(name, request):
    """Each claim is put to a run on changed data of the customer, and so is the next smaller change."""
    world, kinds = request.getfixturevalue(name), set()
    for row in some_of_each(world):
        table = world.segments.table.iloc[row]
        for one in world.segments.explain(table["customer_id"]).counterfactuals:
            kinds.add((one.kind, one.label is None, one.label == table["segment"]))
            if one.label is None:
                continue
            label, nearer = world.claimed(row, one)
            assert label == one.label, one
            assert nearer != one.label, one
            assert label == table["segment"] or one.size > 0 or one.kind == "orders"
    assert {("orders", False, False), ("silence", False, False), ("spend", False, False)} <= kinds


def test_peers_of_an_earlier_posterior_are_kept(third, fourth):
    """Levels for other costs of an order cannot be made for them; silence changes no cost, and its claims hold."""
    assert (third.segments.value.frontier.levels[0.8] != fourth.segments.value.frontier.levels[0.8]).all()
    claims = 0
    for row in some_of_each(fourth):
        for one in fourth.segments.explain(fourth.frame["customer_id"].iloc[row]).counterfactuals:
            if one.kind == "silence" and one.label is not None:
                assert fourth.claimed(row, one)[0] == one.label
                claims += 1
    assert claims > 2


def test_where_nothing_is_claimed_nothing_changes(first):
    asked = set()
    for row in some_of_each(first, 4):
        label = first.segments.table["segment"].iloc[row]
        for one in first.segments.explain(first.segments.table["customer_id"].iloc[row]).counterfactuals:
            if one.label is not None or one.kind in asked:
                continue
            asked.add(one.kind)
            mean = first.frame["monetary_value"].iloc[row]
            tried = {
                "orders": [{"orders": k, "days": 90} for k in (0, 1, 7, MOST_ORDERS)],
                "silence": [{"days": 7 * week} for week in (1, 30, MOST_WEEKS)],
                "spend": [{"spend": 1 + share * (one.size / max(mean, 1e-9) - 1)} for share in (0.5, 1.0)],
            }
            assert {first.label_with(row, **change) for change in tried[one.kind]} == {label}
    assert {"silence", "spend"} <= asked


def test_a_claim_holds_among_all_customers_too(first):
    """The others of the base are in the run as well, and nothing about the one customer depends on them."""
    found, kept = first.segments, first.published
    labels = found.table["segment"].to_numpy(dtype=object)
    row = int(np.flatnonzero((labels == "most_growable") & (first.frame["frequency"] > 0).to_numpy())[0])
    claim = next(
        one
        for one in found.explain(first.frame["customer_id"].iloc[row]).counterfactuals
        if one.kind == "spend" and one.label is not None
    )
    changed = first.frame.copy()
    delta = (claim.size - changed.loc[row, "monetary_value"]) * changed.loc[row, "spend_days"]
    changed.loc[row, "monetary_value"] = claim.size
    changed.loc[row, "gross"] += delta
    again = first.run(changed, END, found.thresholds, kept).table["segment"].to_numpy(dtype=object)
    assert again[row] == claim.label != labels[row]
    np.testing.assert_array_equal(np.delete(again, row), np.delete(labels, row))


def test_numbers_are_those_of_the_table(first):
    table, frame = first.segments.table, first.frame
    for row in some_of_each(first):
        one, seen = first.segments.explain(table["customer_id"].iloc[row]), table.iloc[row]
        assert (one.customer_id, one.label, one.status) == (seen["customer_id"], seen["segment"], seen["status"])
        assert one.probabilities == {state.value: seen[f"p_{state.value}"] for state in STATES}
        assert one.expected_loss == seen["expected_loss"]
        assert (one.drivers.p_alive, one.drivers.actual_value) == (seen["p_alive"], seen["actual_value"])
        assert (one.drivers.low, one.drivers.high) == (seen["actual_value_low"], seen["actual_value_high"])
        assert one.drivers.unrealized_value == seen["unrealized_value"]
        assert (one.drivers.orders, one.drivers.age) == (seen["frequency"], seen["T"])
        assert one.drivers.mean_order == (seen["monetary_value"] if frame["spend_days"].iloc[row] else None)
        np.testing.assert_allclose(sum(one.drivers.realized.values()), seen["realized_value"], rtol=1e-12)
        np.testing.assert_allclose(one.drivers.cost_per_year_active, COSTS["cost_per_year_active"], rtol=1e-12)
        assert one.drivers.order_cost == COSTS["cost_per_order"]
        assert one.standing is None


def test_extra_losses_are_differences_in_risk(first, second):
    for world in (first, second):
        price = world.segments.thresholds.rejection_price
        for row in some_of_each(world):
            one = world.segments.explain(world.segments.table["customer_id"].iloc[row])
            chances = np.array([one.probabilities[state.value] for state in STATES])
            risk = {state.value: float(np.array(UNIT_LOSSES[k]) @ chances) for k, state in enumerate(STATES)}
            risk[MIGRATOR] = price
            assert {other.label for other in one.alternatives} == set(SEGMENTS) - {one.label}
            for other in one.alternatives:
                np.testing.assert_allclose(other.expected_loss, risk[other.label], rtol=1e-9)
                np.testing.assert_allclose(other.extra, risk[other.label] - risk[one.label], atol=1e-7)
                assert other.reasons or other.extra >= -1e-7, "what costs less and may be said, would have been said"


def test_below_zero_is_closed_for_each_reason_that_applies(first):
    """Hand-made: the preconditions are read off the customer's own row."""
    found, orders = first.segments, first.frame["frequency"].to_numpy()
    reasons = set()
    for row in np.flatnonzero(orders == 0)[:10]:
        one = found.explain(found.table["customer_id"].iloc[row])
        said = " ".join(next(other.reasons for other in one.alternatives if other.label == "below_zero"))
        share = one.probabilities["below_zero"] / (1 - one.probabilities["dormant"])
        assert ("if still there" in said) == (share < 0.9)
        assert ("takes to come" in said) == (first.frame["T"].iloc[row] < found.verdicts.cycle[row])
        assert "0 levers" in said
        reasons.add(said)
    assert len(reasons) > 1


def test_a_complaint_closes_below_zero():
    nobody, first_one = np.zeros(CUSTOMERS, bool), np.arange(CUSTOMERS) == 0
    world = World(**COSTS, events=HardEvents(nobody, nobody, first_one))
    ids = world.frame["customer_id"]
    said = [dict((o.label, o.reasons) for o in world.segments.explain(ids[k]).alternatives) for k in (0, 1)]
    assert "1 complaint is open" in said[0]["below_zero"]
    assert "1 complaint is open" not in said[1]["below_zero"]


def test_what_memory_holds_is_said(second):
    by_mark = second.segments.decision.held & (second.segments.verdicts.waiting < 0.05)
    held = np.flatnonzero(second.segments.decision.held & ~by_mark)
    assert len(held)
    assert by_mark.any()
    for row in [*held[:5], *np.flatnonzero(by_mark)[:5]]:
        one = second.segments.explain(second.frame["customer_id"].iloc[row])
        assert one.standing.held
        assert one.standing.label == one.label == MIGRATOR
        assert one.standing.days == (np.datetime64(END, "D") - LONG_AGO) / np.timedelta64(1, "D")
        np.testing.assert_allclose(one.standing.mark, 0.05 - 2 * one.waiting_error)
        if by_mark[row]:
            assert one.standing.mark <= one.waiting < one.resolvable == 0.05
            assert any("lies too close to the mark" in sentence for sentence in one.sentences)
            continue
        least = one.alternatives[0] if one.alternatives[0].label != "below_zero" else one.alternatives[1]
        assert least.extra < 0
        assert -least.extra <= one.standing.switching_cost + one.standing.noise
        assert any("stays for that reason alone" in sentence for sentence in one.sentences)


def test_a_label_near_the_mark_of_waiting_is_not_withheld(first):
    chances = first.segments.verdicts.probabilities
    best = (chances @ np.array(UNIT_LOSSES).T)[:, [0, 1, 2, 4]].argmin(axis=1)
    labels = Published(np.array([0, 1, 2, 4])[best], np.full(CUSTOMERS, LONG_AGO))
    world = World(thresholds=first.segments.thresholds, published=labels, switching_cost=0.0, **COSTS)
    waiting, held = world.segments.verdicts.waiting, world.segments.decision.held
    rows = np.flatnonzero(held & (waiting >= 0.05))
    said = 0
    for row in rows[:20]:
        one = world.segments.explain(world.frame["customer_id"].iloc[row])
        assert one.label == one.standing.label != MIGRATOR
        if one.waiting < one.standing.mark:
            reasons = next(other.reasons for other in one.alternatives if other.label == MIGRATOR)
            assert reasons == (f"waiting for 13.0 weeks is worth {one.waiting:.3f}, less than {one.standing.mark:.3f}",)
            said += 1
    assert said


@pytest.mark.parametrize("switching_cost", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("label", ["most_valuable", "low_maintenance", MIGRATOR])
def test_what_is_said_of_memory_and_waiting_is_what_decided(first, label, switching_cost):
    stood = Published(np.full(CUSTOMERS, SEGMENTS.index(label)), np.full(CUSTOMERS, LONG_AGO))
    world = World(thresholds=first.segments.thresholds, published=stood, switching_cost=switching_cost, **COSTS)
    verdicts, decision = world.segments.verdicts, world.segments.decision
    held = decision.held
    for row in np.flatnonzero(~np.isnan(verdicts.waiting) | held)[:60]:
        one = world.segments.explain(world.frame["customer_id"].iloc[row])
        words = " ".join(one.sentences)
        standing, needed = one.standing, one.standing.switching_cost + one.standing.noise
        assert ("on after" in words) == (one.label == label and one.waiting is not None)
        for other in one.alternatives:
            if held[row] and any("must be better by" in reason for reason in other.reasons):
                assert -other.extra <= needed + 1e-9
            if other.label == MIGRATOR and other.reasons and "less than" in other.reasons[0]:
                mark = one.resolvable if standing.mark is None else standing.mark
                assert one.waiting < mark
        withheld = next((other for other in one.alternatives if other.label == MIGRATOR), None)
        if standing.by_mark and withheld is not None:
            assert one.resolvable <= one.waiting < standing.mark
            assert -withheld.extra > switching_cost
        elif standing.by_mark:
            assert standing.mark <= one.waiting < one.resolvable
        assert ("too close to the mark" in words) == standing.by_mark <= held[row]


def test_a_young_label_is_held_for_its_dwell(first):
    young = Published(np.full(CUSTOMERS, SEGMENTS.index("dormant")), np.full(CUSTOMERS, np.datetime64("1997-09-20")))
    world = World(thresholds=first.segments.thresholds, published=young, switching_cost=0.0, **COSTS)
    row = int(np.flatnonzero(first.segments.table["segment"] == "most_valuable")[0])
    one = world.segments.explain(world.frame["customer_id"].iloc[row])
    assert one.label == "dormant"
    reasons = {other.label: other.reasons for other in one.alternatives}
    assert reasons["most_valuable"] == ("a label stands for 28 days, and dormant for 10 so far",)
    weeks = {found.label: found.size for found in one.counterfactuals if found.kind == "silence"}
    assert min(weeks.values()) >= 3, "three weeks of eighteen days that are left"


def test_every_sentence_has_numbers_and_none_insults(first, second, third):
    wrong = re.compile(
        r"\b(fir(e|ed|ing)|drop\w*|dismiss\w*|kick\w*|get rid|bad|worthless|churn rate)\b", re.IGNORECASE
    )
    for world in (first, second, third):
        for row in some_of_each(world, 6):
            one = world.segments.explain(world.segments.table["customer_id"].iloc[row])
            for sentence in one.sentences:
                assert re.search(r"\d", sentence), sentence
                assert not wrong.search(sentence), sentence
                assert not re.search(r"\bnan\b", sentence), sentence
            page = one._repr_html_()
            assert one.label in page
            assert page.count("<li>") == len(one.sentences)


def test_revenue_is_not_called_margin():
    world = World()
    said = world.segments.explain(world.frame["customer_id"].iloc[0]).sentences
    assert any(sentence.startswith("All money is revenue") for sentence in said)
    assert not any("are margin" in sentence for sentence in said)


def test_ids_are_escaped(first):
    frame = first.frame.assign(customer_id=[f"<b>{i}</b>" for i in range(CUSTOMERS)])
    found = first.run(frame, END, None, None)
    assert "<b>" not in found.explain("<b>3</b>")._repr_html_()


def test_an_explanation_survives_json(first):
    one = first.segments.explain(first.frame["customer_id"].iloc[0])
    back = json.loads(json.dumps(one.to_dict(), allow_nan=False))
    assert back["label"] == one.label
    assert back["probabilities"] == one.probabilities
    assert back["counterfactuals"][0]["words"] == one.counterfactuals[0].words
    assert back["sentences"] == list(one.sentences)
    assert back["currency"] == "USD"


def test_a_stranger_is_refused_with_a_hint(first):
    with pytest.raises(UsageError, match=r"no customer 'nobody'.*'C00000'"):
        first.segments.explain("nobody")
    numbered = first.run(first.frame.assign(customer_id=range(CUSTOMERS)), END, None, None)
    with pytest.raises(UsageError, match="7 is one: ids keep the type"):
        numbered.explain("7")
    assert numbered.explain(7).customer_id == 7


def test_who_objected_has_no_profile():
    objected = np.arange(CUSTOMERS) == 4
    nobody = np.zeros(CUSTOMERS, bool)
    world = World(**COSTS, events=HardEvents(objected, nobody, nobody))
    with pytest.raises(UsageError, match="objected to profiling: no profile exists"):
        world.segments.explain(world.frame["customer_id"].iloc[4])
    assert world.segments.four_classes.loc[4, ["class", "tag"]].isna().all()
    assert world.segments.four_classes["class"].notna().sum() == CUSTOMERS - 1


def test_a_pass_that_gives_another_label_is_not_explained(first):
    wrong = first.segments.decision.positions.copy()
    wrong[0] = (wrong[0] + 1) % len(SEGMENTS)
    tampered = replace(first.segments, decision=replace(first.segments.decision, positions=wrong))
    with pytest.raises(ArithmeticError, match="the pass made again gives"):
        tampered.explain(first.frame["customer_id"].iloc[0])


def test_without_a_day_nothing_is_remembered(first):
    found = first.run(first.frame, None, None, None)
    one = found.explain(first.frame["customer_id"].iloc[0])
    assert one.standing is None
    assert positions_of(np.array([one.label], object))[0] >= 0
    assert {claim.kind for claim in one.counterfactuals} >= {"orders", "silence"}
