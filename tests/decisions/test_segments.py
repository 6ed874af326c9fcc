"""Labels: what they rest on, when they are withheld, and what must not change them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kundenwert.decisions.evsi.waiting import RESOLVABLE, LookAhead
from kundenwert.decisions.judging import Rule
from kundenwert.decisions.losses import Losses, risks
from kundenwert.decisions.rule import decide
from kundenwert.decisions.segments import appraised, segment
from kundenwert.decisions.states import label_codes
from kundenwert.decisions.thresholds import Marks, Thresholds
from kundenwert.errors import NumericalError, UsageError
from kundenwert.names import CUSTOMER_COLUMNS, MIGRATOR, SEGMENTS, STATES, Flag, State
from kundenwert.units import TimeUnit
from kundenwert.value.actual import simulate_value
from kundenwert.value.estimate import estimate_value
from kundenwert.value.individuals import histories, population, stream
from value_world import (
    ACTIVE_COST,
    BG,
    COSTS,
    FILE_COST,
    GG,
    MBG,
    few_customers,
    known_posterior,
    simulated_summary,
    summary_of,
)

P = [f"p_{state.value}" for state in STATES]
FAST = {"newcomers": 300, "draws": 300}


@pytest.fixture(scope="module")
def world():
    posterior = known_posterior(MBG | GG, family="mbgnbd", spread=0.05, draws=300)
    summary = simulated_summary(400, MBG | GG, family="mbgnbd")
    return posterior, summary, estimate_value(posterior, summary, **COSTS, **FAST)


@pytest.fixture(scope="module")
def segments(world):
    posterior, summary, value = world
    return segment(value, posterior, summary)


def test_columns_are_the_contract(world, segments):
    table = segments.table
    assert tuple(table.columns) == CUSTOMER_COLUMNS
    assert set(table["segment"]) <= set(SEGMENTS)
    assert ((table["segment"] == MIGRATOR) == (table["status"] == "undecided")).all()
    assert table["action"].isna().all()
    assert table["expected_gain"].isna().all()
    assert table["customer_id"].tolist() == world[1].table["customer_id"].tolist()
    np.testing.assert_allclose(table[P].sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(table["p_dormant"], 1 - table["p_alive"], atol=1e-12)


def test_probabilities_agree_with_a_direct_count(world, segments):
    """Alive or gone is drawn here instead of weighted: another estimate of the same probabilities."""
    posterior, summary, value = world
    marks, terms = segments.thresholds, value.settings.terms
    people, customers = population(posterior, 300, value.settings.seed), histories(posterior, summary)
    rng = np.random.default_rng(1)
    owed = FILE_COST * -np.expm1(-terms.discount * terms.horizon) / terms.discount
    counted = np.zeros((len(customers), 6))

    def direct(block):
        kappa = terms.discount + block.rate * block.dropout
        time = -np.expm1(-kappa * terms.horizon) / kappa
        worth = time * (block.rate * (0.35 * block.mean_spend - 4.0) - ACTIVE_COST)
        level = value.frontier.level(0.8, block.cohort, value.ahead.take(block.rows))
        room = np.maximum(level - worth, 0)
        return worth - owed, marks.attainable_scale * value.frontier.attainable * room, block.p_alive

    for rows, _, (actual, unrealized, p_alive) in stream(people, customers, direct, threads=1):
        alive = rng.random(p_alive.shape) < p_alive
        for i, row in enumerate(rows):
            for a, u, z in zip(actual[i], unrealized[i], alive[i], strict=True):
                if not z:
                    state = State.DORMANT
                elif a < -marks.below_zero and a + u <= 0:
                    state = State.BELOW_ZERO
                elif a >= marks.valuable:
                    state = State.SUPER_GROWTH if u >= marks.growable else State.MOST_VALUABLE
                else:
                    state = State.MOST_GROWABLE if u >= marks.growable else State.LOW_MAINTENANCE
                counted[row, STATES.index(state)] += 1 / 300
    stated = segments.table[P].to_numpy()
    error = np.sqrt(stated * (1 - stated) / 300)
    assert np.all(np.abs(counted - stated) <= 5 * error + 1e-9)


def test_the_published_label_has_the_least_risk_of_those_allowed(segments):
    table = segments.table
    probabilities = table[P].to_numpy()
    risk = risks(probabilities, Losses())
    price, waiting = segments.thresholds.rejection_price, segments.verdicts.waiting
    status = table["status"].to_numpy()
    order = [state.value for state in STATES]
    assert (probabilities[:, order.index("dormant")] > 0).all()
    risk[:, order.index("below_zero")] = np.inf
    least = risk.min(axis=1)
    published = status != "undecided"
    chosen = np.array([order.index(label) for label in table.loc[published, "segment"]])
    np.testing.assert_allclose(table.loc[published, "expected_loss"], risk[published, chosen])
    np.testing.assert_allclose(table.loc[published, "expected_loss"], least[published])
    assert (least[status == "decided"] <= price).all()
    assert (least[status != "decided"] > price).all()
    assert (waiting[status == "undecided"] >= RESOLVABLE).all()
    assert (waiting[status == "borderline"] < RESOLVABLE).all()
    assert (table.loc[~published, "expected_loss"] == price).all()
    assert {"decided", "borderline", "undecided"} == set(status)


def test_a_derived_price_lies_on_the_grid_and_at_what_four_in_five_do_not_exceed(segments):
    risk = risks(segments.table[P].to_numpy(), Losses())
    risk[:, [state.value for state in STATES].index("below_zero")] = np.inf
    prices = segments.verdicts.rule.prices
    limit = max(0.35, np.quantile(risk.min(axis=1), 0.8, method="higher"))
    price = segments.thresholds.rejection_price
    assert price in prices
    assert limit * (1 - 1e-12) <= price < limit + np.diff(prices).max()


def test_totals_are_kept_under_the_price_from_which_on_a_label_is_published():
    """Expected losses that are prices of the grid themselves, and their neighbours in the last digits."""
    losses = Losses.resolve(1 - np.eye(6))
    rule = Rule(Marks(1.0, 1.0, 0.0), 1.0, losses, None, LookAhead(13.0, 0.0), np.zeros(0, dtype=bool))
    prices = rule.prices[(rule.prices < 0.49)][::7]
    least = np.concatenate([prices, np.nextafter(prices, 0), np.nextafter(prices, 1), prices + 1e-7])
    probabilities = np.zeros((len(least), 6))
    probabilities[:, 0], probabilities[:, 3] = 1 - least, least
    from_on = rule.published_from(risks(probabilities, losses)[:, 0])
    for position, price in enumerate(rule.prices):
        found = decide(probabilities, np.ones_like(probabilities, dtype=bool), losses, price)
        np.testing.assert_array_equal(found.undecided, from_on > position)


def test_one_label_in_five_at_most_is_withheld_where_many_may_not_be_published():
    """An active cost and BG/NBD: over half of the base looks below zero, and nobody of them has proof of life."""
    posterior, summary = known_posterior(spread=0.05, draws=150), simulated_summary(3000)
    terms = {"margin": 0.1, "cost_per_order": 1.0, "cost_per_year_active": 2.60}
    value = estimate_value(posterior, summary, **terms, draws=150, newcomers=100)
    found = segment(value, posterior, summary)
    unconfirmed = np.array([Flag.BZ_UNCONFIRMED in flags for flags in found.table["flags"]])
    assert unconfirmed.mean() > 0.5
    assert 0.1 < (found.table["status"] != "decided").mean() <= 0.2
    undecided = found.table["segment"] == MIGRATOR
    assert undecided.equals(found.table["status"] == "undecided")
    always = segment(value, posterior, summary, resolvable=0.0).table["segment"] == MIGRATOR
    assert (always | ~undecided).all()
    assert 0.1 < always.mean() <= 0.2
    never = segment(value, posterior, summary, resolvable=np.inf).table
    assert (never["segment"] != MIGRATOR).all()
    assert (never["status"] == "borderline").equals(always)


def test_totals_by_segment_add_up_to_the_base(world, segments):
    assert tuple(segments.totals_by_segment) == SEGMENTS
    total = sum(segments.totals_by_segment.values())
    np.testing.assert_allclose(total, world[2].totals.base, rtol=1e-12)
    for label, draws in segments.totals_by_segment.items():
        chosen = segments.table["segment"] == label
        expected = segments.table.loc[chosen, "actual_value"].sum()
        assert expected == pytest.approx(draws.mean(), abs=4.5 * draws.std() / 300**0.5 + 1e-9)


def test_without_costs_nobody_can_be_below_zero(world):
    posterior, summary, _ = world
    free = segment(estimate_value(posterior, summary, margin=0.3, **FAST), posterior, summary)
    assert not free.below_zero_possible
    assert (free.table["p_below_zero"] == 0).all()
    assert "Nobody can be below zero here: no costs to come are counted." in free.notes


def test_the_cycle_is_one_over_the_expected_rate():
    posterior, summary = known_posterior(spread=0.05, draws=40), few_customers()
    value = estimate_value(posterior, summary, newcomers=5)
    customers = histories(posterior, summary)
    found = segment(value, posterior, summary).verdicts
    theta = posterior.draws
    exact = (theta["alpha"][0, :, 0] + customers.T[:, None]) / (theta["r"][0, :, 0] + customers.x[:, None])
    np.testing.assert_allclose(found.cycle, exact.mean(axis=1), rtol=1e-12)


def test_inputs_are_not_touched(world, segments):
    posterior, summary, value = world
    before = summary.table.copy(), value.table.copy(), {name: draws.copy() for name, draws in posterior.draws.items()}
    marks, losses = segments.thresholds, np.array(Losses().matrix)
    kept = losses.copy()
    segment(value, posterior, summary, thresholds=marks, losses=losses)
    segment(value, posterior, summary, thresholds=replace(marks, attainable_scale=0.1, version=""))
    pd.testing.assert_frame_equal(summary.table, before[0])
    pd.testing.assert_frame_equal(value.table, before[1])
    for name, draws in before[2].items():
        np.testing.assert_array_equal(posterior.draws[name], draws)
    np.testing.assert_array_equal(losses, kept)


def test_rows_keep_their_order_and_values_their_ids_where_ids_are_not_sorted(world, segments):
    posterior, summary, _ = world
    shuffled = replace(summary, table=summary.table.sample(frac=1, random_state=5).reset_index(drop=True))
    assert not shuffled.table["customer_id"].is_monotonic_increasing
    found = segment(estimate_value(posterior, shuffled, **COSTS, **FAST), posterior, shuffled)
    assert found.table["customer_id"].tolist() == shuffled.table["customer_id"].tolist()
    sorted_back = found.table.sort_values("customer_id", ignore_index=True)
    pd.testing.assert_frame_equal(sorted_back, segments.table, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("unit", ["month", "year"])
def test_labels_do_not_depend_on_the_time_unit(unit):
    theta, per_week = MBG | GG, 7.0 / TimeUnit(unit).days
    tables = []
    for alpha, name, days in ((1.0, "week", 7.0), (per_week, unit, TimeUnit(unit).days)):
        posterior = known_posterior(theta | {"alpha": alpha * theta["alpha"]}, family="mbgnbd", unit=name)
        summary = few_customers(unit_days=days)
        tables.append(segment(estimate_value(posterior, summary, **COSTS, newcomers=100), posterior, summary).table)
    pd.testing.assert_frame_equal(*(one.drop(columns=["recency", "T"]) for one in tables), rtol=1e-9, atol=1e-9)


def test_frozen_thresholds_are_used_as_they_are(world, segments):
    posterior, summary, value = world
    again = segment(value, posterior, summary, thresholds=segments.thresholds)
    assert again.thresholds == segments.thresholds
    pd.testing.assert_frame_equal(again.table, segments.table)
    few = summary_of(summary.table.iloc[:40])
    scale = segments.thresholds.attainable_scale
    part = segment(
        estimate_value(posterior, few, **COSTS, **FAST, attainable_scale=scale),
        posterior,
        few,
        thresholds=segments.thresholds,
    )
    pd.testing.assert_frame_equal(part.table, segments.table.iloc[:40], rtol=1e-12)


def test_another_scale_in_frozen_thresholds_rescales_unrealized_value(world, segments):
    posterior, summary, value = world
    numbers = {k: v for k, v in segments.thresholds.to_dict().items() if k != "version"}
    half = Thresholds(**numbers | {"attainable_scale": 0.5 * value.frontier.attainable_scale})
    found = segment(value, posterior, summary, thresholds=half)
    np.testing.assert_allclose(
        found.table["unrealized_value"], 0.5 * segments.table["unrealized_value"], rtol=1e-10, atol=1e-12
    )
    np.testing.assert_allclose(
        found.table["potential_value"], found.table["actual_value"] + found.table["unrealized_value"]
    )
    assert found.value.frontier.attainable_scale == half.attainable_scale


def test_threads_change_nothing(world, segments):
    posterior, summary, _ = world
    one = segment(world[2], posterior, summary, threads=1)
    pd.testing.assert_frame_equal(one.table, segments.table)
    three = segment(world[2], posterior, summary, threads=3)
    pd.testing.assert_frame_equal(three.table, segments.table)


def test_fixable_customers_are_named(world, segments):
    table = segments.table
    mark = segments.thresholds.below_zero
    fixable = (table["actual_value"] < -mark) & (table["potential_value"] > 0)
    assert [Flag.FIXABLE_BZ in flags for flags in table["flags"]] == fixable.tolist()


def test_labels_follow_the_marks_at_their_edges():
    marks = Marks(valuable=50.0, growable=10.0, below_zero=1.0)
    actual = np.array([50.0, 50.0, 49.9, 49.9, -1.0, -1.1, -1.1, -1.1])
    unrealized = np.array([9.9, 10.0, 10.0, 9.9, 0.0, 1.1, 1.2, 20.0])
    expected = [
        State.MOST_VALUABLE,
        State.SUPER_GROWTH,
        State.MOST_GROWABLE,
        State.LOW_MAINTENANCE,
        State.LOW_MAINTENANCE,
        State.BELOW_ZERO,
        State.LOW_MAINTENANCE,
        State.MOST_GROWABLE,
    ]
    assert [STATES[code] for code in label_codes(actual, unrealized, marks)] == expected


def test_customers_without_mean_spend_are_labelled_from_their_draws():
    posterior, summary = known_posterior(BG | GG | {"q": 0.9}, draws=200), few_customers()
    found = segment(estimate_value(posterior, summary, **FAST), posterior, summary)
    assert found.table["actual_value"].isna().sum() == 2
    assert found.table[P].notna().all(axis=None)


def test_values_that_are_not_finite_are_refused_by_name(world):
    posterior, summary, value = world
    table = value.table.copy()
    table.loc[3, "actual_value"] = np.inf
    with pytest.raises(NumericalError, match=table["customer_id"][3]):
        segment(replace(value, table=table), posterior, summary)


def test_things_that_do_not_belong_together_are_refused(world):
    posterior, summary, value = world
    with pytest.raises(UsageError, match="same customers"):
        segment(value, posterior, summary_of(summary.table.iloc[1:]))
    with pytest.raises(UsageError, match="draws"):
        segment(value, known_posterior(MBG | GG, family="mbgnbd", draws=20), summary)


def test_short_texts(segments):
    assert repr(segments).startswith("<Segments of 400 customers, thresholds ")
    assert "<table" in segments._repr_html_()


def test_a_base_of_one_label_brings_what_the_base_brings():
    posterior, summary = known_posterior(draws=60), summary_of(few_customers().table.iloc[:2])
    value = estimate_value(posterior, summary, draws=60, newcomers=20)
    everybody = Thresholds(valuable=-1e9, growable=1e9, below_zero=0.0, rejection_price=9.0, attainable_scale=1.0)
    found = segment(value, posterior, summary, thresholds=everybody)
    assert set(found.table["segment"]) == {"most_valuable"}
    np.testing.assert_array_equal(found.totals_by_segment["most_valuable"], value.totals.base)


def test_totals_by_segment_are_those_of_the_futures_that_made_the_base(world, segments):
    """With a price that was derived sums are kept by label and price: here each is added up from the futures."""
    posterior, summary, value = world
    labels = segments.table["segment"].to_numpy()
    assert len(set(labels)) > 2
    direct = {label: 0.0 for label in SEGMENTS}
    for rows, _, future in appraised(value, posterior, summary).stream(simulate_value, stage="futures"):
        for label in set(labels[rows]):
            direct[label] += future.value[labels[rows] == label].sum(axis=0)
    for label, total in segments.totals_by_segment.items():
        np.testing.assert_allclose(total, direct[label], atol=1e-9 * np.abs(value.totals.base).max())
