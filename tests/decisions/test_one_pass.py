"""One pass or two: what is decided while customers are valued is what is decided afterwards."""

import datetime as dt
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from kundenwert.customers.summary import as_summary
from kundenwert.decisions.evsi.waiting import LookAhead
from kundenwert.decisions.hard_events import HardEvents
from kundenwert.decisions.hysteresis import Published, recall
from kundenwert.decisions.judging import Rule, Verdicts, judge
from kundenwert.decisions.losses import Losses
from kundenwert.decisions.one_pass import assess
from kundenwert.decisions.segments import concluded, repairs_of, segment
from kundenwert.errors import UsageError
from kundenwert.names import SEGMENTS, STATES, Flag
from kundenwert.value.appraisal import Wanted, appraise
from kundenwert.value.estimate import estimate_value
from kundenwert.value.gathering import Gathered, reduce_expected, reduce_futures
from kundenwert.value.levers import Lever
from value_world import COSTS, GG, MBG, known_posterior, simulated_summary

CUSTOMERS, DRAWS = 220, 120
END = dt.date(1997, 9, 30)
FAST = {"newcomers": 150, "draws": DRAWS}
LEVERS = (
    Lever("back", "reactivation", cost_per_contact=0.2, cost_per_taker=3.0, window="4 weeks"),
    Lever("call", "retention", cost_per_contact=0.5, mean=0.2, sd=0.1),
    Lever("mail", "frequency", cost_per_contact=0.1, mean=0.1, sd=0.1),
    Lever("saving", "cost_to_serve", cost_per_contact=0.1),
)
MODEL_COLUMNS = [
    "p_alive",
    "churn_probability",
    "expected_purchases",
    "actual_value",
    "actual_value_low",
    "actual_value_high",
    "potential_value",
    "unrealized_value",
    "expected_loss",
    "expected_gain",
    *(f"p_{state.value}" for state in STATES),
]


def world(family):
    theta = (MBG | GG,) if family == "mbgnbd" else ()
    posterior = known_posterior(*theta, family=family, spread=0.05, draws=DRAWS)
    made = simulated_summary(CUSTOMERS, *theta, family=family).table
    return posterior, as_summary(made, time_unit="week", currency="USD", observation_end=END)


@pytest.fixture(scope="module", params=["bgnbd peers", "mbgnbd peers", "mbgnbd levers"])
def both(request):
    """Valued first and labelled afterwards; and both at once, once with derived and once with frozen thresholds."""
    family, basis = request.param.split()
    posterior, summary = world(family)
    wanted = COSTS | FAST | ({"levers": LEVERS} if basis == "levers" else {})
    value = estimate_value(posterior, summary, **wanted)
    apart = segment(value, posterior, summary)
    derived = assess(posterior, summary, **wanted)
    frozen = assess(posterior, summary, thresholds=derived.thresholds, **wanted)
    return value, apart, derived, frozen


def test_one_pass_or_two_find_the_same_to_the_last_bit(both):
    value, apart, derived, frozen = both
    assert len(set(apart.table["segment"])) > 3
    for other in (derived, frozen):
        pd.testing.assert_frame_equal(other.table, apart.table, check_exact=True)
        assert other.thresholds == apart.thresholds
        assert other.notes == apart.notes
        pd.testing.assert_frame_equal(other.value.table, value.table, check_exact=True)
        pd.testing.assert_frame_equal(other.value.detail, value.detail, check_exact=True)
        for name in ("probabilities", "squares", "cycle"):
            np.testing.assert_array_equal(getattr(other.verdicts, name), getattr(apart.verdicts, name))
    asked = np.isfinite(frozen.verdicts.waiting)
    assert asked.any()
    np.testing.assert_array_equal(frozen.verdicts.waiting[asked], derived.verdicts.waiting[asked])


def test_totals_are_those_of_the_base_in_parts(both):
    value, apart, derived, frozen = both
    size = np.abs(value.totals.base).max()
    for other in (apart, derived, frozen):
        assert set(other.totals_by_segment) == set(SEGMENTS)
        together = sum(other.totals_by_segment.values()) + other.objected_total
        np.testing.assert_allclose(together, value.totals.base, atol=1e-9 * size)
        assert not other.objected_total.any()
        for label, total in other.totals_by_segment.items():
            np.testing.assert_allclose(total, apart.totals_by_segment[label], atol=1e-9 * size)
            assert total.any() == (other.table["segment"] == label).any()
    for other in (derived, frozen):
        for name in vars(value.totals):
            np.testing.assert_allclose(getattr(other.value.totals, name), getattr(value.totals, name), rtol=1e-9)


def test_levers_say_the_same_in_either_way(both):
    value, _, derived, frozen = both
    if value.levers is None:
        assert derived.value.levers is None
        return
    for other in (derived, frozen):
        for name in ("usable", "chosen_on", "gain", "chance", "shortfall", "cost", "perfect"):
            np.testing.assert_array_equal(getattr(other.value.levers, name), getattr(value.levers, name))
        np.testing.assert_allclose(other.value.levers.answered, value.levers.answered, rtol=1e-9)


def test_losses_in_money_are_the_same_in_either_way():
    posterior, summary = world("mbgnbd")
    wanted = COSTS | FAST | {"levers": LEVERS}
    value = estimate_value(posterior, summary, **wanted)
    packages = {"dormant": ["back"], "low_maintenance": []}
    for more in ({}, {"packages": packages}):
        apart = segment(value, posterior, summary, losses="levers", **more)
        at_once = assess(posterior, summary, losses="levers", **more, **wanted)
        pd.testing.assert_frame_equal(apart.table, at_once.table, check_exact=True)
        assert apart.losses == at_once.losses == apart.thresholds.losses
        assert apart.thresholds == at_once.thresholds
        again = segment(value, posterior, summary, thresholds=apart.thresholds, losses="levers")
        assert again.losses == apart.losses
    assert apart.losses != segment(value, posterior, summary, losses="levers").losses != Losses()


def test_losses_that_are_none_are_refused():
    posterior, summary = world("bgnbd")
    value = estimate_value(posterior, summary, **COSTS, **FAST)
    with pytest.raises(UsageError, match="follow from what levers gain, and there are none"):
        segment(value, posterior, summary, losses="levers")
    for decide in (partial(segment, value), partial(assess, **COSTS, **FAST)):
        with pytest.raises(UsageError, match=r"or 'levers' for those .* not 'lever'"):
            decide(posterior=posterior, summary=summary, losses="lever")


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing(threads):
    posterior, summary = world("mbgnbd")
    wanted = COSTS | FAST | {"levers": LEVERS}
    one = assess(posterior, summary, **wanted, threads=1)
    other = assess(posterior, summary, **wanted, threads=threads)
    pd.testing.assert_frame_equal(other.table, one.table, check_exact=True)
    for label, total in one.totals_by_segment.items():
        np.testing.assert_array_equal(other.totals_by_segment[label], total)


@pytest.mark.parametrize("block", [1, 37])
def test_the_size_of_blocks_changes_sums_in_their_last_digits_alone(block):
    posterior, summary = world("mbgnbd")
    wanted = Wanted(**COSTS, **FAST, levers=LEVERS)
    whole = assess(posterior, summary, **wanted)
    frozen = whole.thresholds
    appraisal = appraise(posterior, summary, **wanted)
    rule = Rule(
        frozen.marks,
        frozen.attainable_scale,
        whole.losses,
        frozen.rejection_price,
        LookAhead(365.25 / 4 / 7),
        repairs_of(appraisal),
    )
    gathered, verdicts = Gathered.of(appraisal), Verdicts.of(rule, CUSTOMERS, DRAWS)

    def decide(outlook):
        expected, simulated = reduce_expected(outlook, appraisal), reduce_futures(outlook, appraisal)
        return expected, simulated, judge(outlook, expected.room, simulated.value, rule, appraisal)

    for rows, cohort, (expected, simulated, found) in appraisal.stream(decide, stage="all", block=block):
        gathered.add_expected(rows, cohort, expected)
        gathered.add_simulated(rows, cohort, simulated)
        verdicts.add(rows, found)
    again = concluded(gathered.value(appraisal, frozen.attainable_scale), appraisal, verdicts)
    pd.testing.assert_frame_equal(again.table, whole.table, check_exact=True)
    size = np.abs(whole.value.totals.base).max()
    for label, total in whole.totals_by_segment.items():
        np.testing.assert_allclose(again.totals_by_segment[label], total, atol=1e-9 * size)


def test_labels_that_stand_are_held_and_say_since_when():
    posterior, summary = world("mbgnbd")
    wanted = COSTS | FAST
    first = assess(posterior, summary, **wanted)
    earlier = first.table.copy()
    rng = np.random.default_rng(2)
    changed = rng.random(CUSTOMERS) < 0.5
    earlier.loc[changed, "segment"] = rng.choice(["low_maintenance", "most_valuable"], changed.sum())
    earlier["label_since"] = np.datetime64("1997-03-01", "D")
    published = recall(summary.table["customer_id"].to_numpy(dtype=object), earlier, np.datetime64("1997-06-30", "D"))
    given = {"thresholds": first.thresholds, "published": published, "switching_cost": 0.2}
    one = assess(posterior, summary, **given, **wanted)
    two = segment(first.value, posterior, summary, **given)
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)
    held = np.array([Flag.HELD in flags for flags in one.table["flags"]])
    kept = (one.table["segment"] == earlier["segment"]).to_numpy()
    differs = (one.table["segment"] != first.table["segment"]).to_numpy()
    assert held.sum() > 10
    assert (held == differs).all()
    assert kept[held].all()
    assert (~kept).sum() > 10
    since = pd.to_datetime(one.table["label_since"]).to_numpy().astype("datetime64[D]")
    assert (since[kept] == np.datetime64("1997-03-01")).all()
    assert (since[~kept] == np.datetime64(END)).all()
    for label in SEGMENTS:
        np.testing.assert_allclose(one.totals_by_segment[label], two.totals_by_segment[label], atol=1e-8)
    for_ever = assess(posterior, summary, **given | {"switching_cost": np.inf}, **wanted).table["segment"]
    may_stay = (first.verdicts.probabilities[:, -1] > 0) & (earlier["segment"] != "below_zero")
    assert (for_ever == earlier["segment"])[may_stay].all()


def nobody():
    return np.zeros(CUSTOMERS, dtype=bool)


@pytest.fixture(scope="module")
def with_events():
    posterior, summary = world("mbgnbd")
    terms = {"margin": 0.2, "cost_per_order": 6.0, "cost_per_year_active": 4.0} | FAST
    without = assess(posterior, summary, levers=LEVERS, **terms)
    objected, removed, complaint = nobody(), nobody(), nobody()
    objected[::5], removed[1::11] = True, True
    complaint[2::7] = complaint[np.flatnonzero(without.table["segment"] == "below_zero")[::2]] = True
    events = HardEvents(objected, removed, complaint)
    return events, without, assess(posterior, summary, levers=LEVERS, events=events, **terms)


def test_who_objected_is_in_the_total_and_in_no_list(with_events):
    events, without, found = with_events
    gone = found.table[events.objected]
    assert gone[MODEL_COLUMNS].isna().all(axis=None)
    for name in ("segment", "status", "action"):
        assert gone[name].isna().all()
    assert all(flags == [Flag.OBJECTED.value] for flags in gone["flags"])
    assert gone["realized_value"].equals(without.table["realized_value"][events.objected])
    assert gone["label_since"].isna().all()
    rest = found.table[~events.objected]
    assert rest[["p_alive", "actual_value", "segment"]].notna().all(axis=None)
    assert not any(Flag.OBJECTED in flags for flags in rest["flags"])
    only_gone = HardEvents(nobody(), events.removed, nobody())
    terms = {"margin": 0.2, "cost_per_order": 6.0, "cost_per_year_active": 4.0} | FAST
    same = assess(*world("mbgnbd"), levers=LEVERS, events=only_gone, **terms)
    np.testing.assert_array_equal(found.value.totals.base, same.value.totals.base)
    size = np.abs(found.value.totals.base).max()
    assert found.objected_total.any()
    together = sum(found.totals_by_segment.values()) + found.objected_total
    np.testing.assert_allclose(together, found.value.totals.base, atol=1e-9 * size)
    assert any("44 customers objected" in note for note in found.notes)


def test_nothing_is_done_to_who_objected_or_is_gone_and_nothing_sold_to_who_complains(with_events):
    events, _, found = with_events
    gains, packages = found.value.levers, found.value.levers.plan.packages
    sells = np.array([bool({"mail"} & set(names)) for names in packages.names])
    untouched = events.objected | events.removed
    assert not gains.usable[untouched, 1:].any()
    assert gains.usable[:, 0].all()
    assert not gains.usable[events.complaint][:, sells].any()
    others = ~untouched & ~events.complaint
    assert gains.usable[others][:, sells].all()
    assert gains.usable[events.complaint & ~untouched][:, ~sells].all()
    for name in ("chosen_on", "gain", "cost"):
        assert (getattr(gains, name)[~gains.usable] == 0).all()


def test_who_has_died_is_dormant_for_certain_whatever_stood_before(with_events):
    events, without, found = with_events
    gone = events.removed & ~events.objected
    assert (without.table["segment"] != "dormant")[gone].any()
    assert (found.table["segment"][gone] == "dormant").all()
    assert (found.table["p_dormant"][gone] == 1).all()
    assert (found.table["expected_loss"][gone] == 0).all()
    posterior, summary = world("mbgnbd")
    published = Published(np.zeros(CUSTOMERS, dtype=np.int64), np.full(CUSTOMERS, np.datetime64(END)))
    terms = {"margin": 0.2, "cost_per_order": 6.0, "cost_per_year_active": 4.0, "levers": LEVERS} | FAST
    given = {"thresholds": found.thresholds, "events": events, "published": published, "switching_cost": np.inf}
    later = assess(posterior, summary, **given, **terms).table
    assert (later["segment"][gone] == "dormant").all()
    assert (later["segment"][~gone & ~events.objected] == "most_valuable").all()


def test_below_zero_is_said_of_nobody_who_complains(with_events):
    events, without, found = with_events
    below = (found.table["segment"] == "below_zero").to_numpy()
    before = (without.table["segment"] == "below_zero").to_numpy()
    assert below.any()
    assert (before & events.complaint & ~events.objected).any()
    assert not below[events.complaint | events.objected | events.removed].any()
    stopped = np.array([Flag.STOP_MARKETING in flags for flags in found.table["flags"]])
    assert (stopped == below).all()
    open_complaints = np.array([Flag.COMPLAINT_OPEN in flags for flags in found.table["flags"]])
    assert (open_complaints == (events.complaint & ~events.objected)).all()


def test_below_zero_needs_a_lever_on_costs_that_may_be_used_on_the_customer():
    posterior, summary = world("mbgnbd")
    terms = {"margin": 0.2, "cost_per_order": 6.0, "cost_per_year_active": 4.0} | FAST
    everybody = assess(posterior, summary, levers=LEVERS, **terms)
    below = (everybody.table["segment"] == "below_zero").to_numpy()
    assert below.sum() > 5
    for levers in (LEVERS[:3], (*LEVERS[:3], replace(LEVERS[3], eligible="frequency >= 1000"))):
        found = assess(posterior, summary, levers=levers, thresholds=everybody.thresholds, **terms).table
        assert "below_zero" not in set(found["segment"])
        assert any(Flag.BZ_UNCONFIRMED in flags for flags in found["flags"])
    some = replace(LEVERS[3], eligible="frequency >= 1")
    found = assess(posterior, summary, levers=(*LEVERS[:3], some), thresholds=everybody.thresholds, **terms)
    said = (found.table["segment"] == "below_zero").to_numpy()
    assert said.any()
    assert (summary.table["frequency"][said] >= 1).all()
