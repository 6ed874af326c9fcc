"""Levers: what may be declared, what is believed of them, whom they are open to."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kundenwert.errors import SpecError
from kundenwert.names import Customize, Journey, LeverOn
from kundenwert.spec import ModelSpec
from kundenwert.units import Horizon, TimeUnit
from kundenwert.value.counters import Purpose
from kundenwert.value.effects import Beta, Counts, Exponential, Fixed, HalfNormal, Measurement, Normal
from kundenwert.value.eligibility import EligibilityError
from kundenwert.value.journey import journey_phases
from kundenwert.value.levers import Lever, draw_effects, lever_effects, lever_of, lever_priors, levers_of, open_to

FULL = {
    "name": "win-back voucher",
    "effect": {"on": "reactivation", "mean": 0.03, "sd": 0.02},
    "experiments": [{"n": 800, "successes": 31}, {"n": 5000, "mean": 0.04, "se": 0.01}],
    "cost_per_contact": 0.6,
    "cost_per_taker": 5,
    "window": "4 weeks",
    "channel": "mail",
    "customize": "adaptive",
    "journey": ["reactivation", "purchase"],
    "eligible": "frequency >= 1 and country in ['DE', 'AT']",
}


@pytest.mark.parametrize(
    ("on", "reference"),
    [
        ("reactivation", stats.beta(1, 30)),
        ("retention", stats.beta(1, 19)),
        ("frequency", stats.norm(0.03, 0.03)),
        ("spend", stats.norm(0.02, 0.03)),
        ("cost_to_serve", stats.beta(2, 8)),
        ("vip", stats.beta(1, 19)),
    ],
)
def test_defaults_are_sceptical(on, reference):
    lever = Lever("a", on)
    np.testing.assert_allclose(
        np.sort(draw_effects(lever, 200, seed=1).effect), reference.ppf((np.arange(200) + 0.5) / 200), rtol=1e-8
    )
    assert lever.assumed


def test_what_takes_from_customers_drives_some_away():
    beliefs = lever_priors(Lever("fee", "cost_to_serve", fee_per_order=2.0))
    assert beliefs == {Purpose.EFFECT: Fixed(0.0), Purpose.SIDE_EFFECT: Exponential(0.10)}
    saving = lever_priors(Lever("fee", "cost_to_serve", fee_per_order=2.0, mean=0.2, sd=0.1, side_effect=0.3))
    assert saving == {Purpose.EFFECT: Beta.of_moments(0.2, 0.1), Purpose.SIDE_EFFECT: Exponential(0.3)}
    assert lever_priors(Lever("gold", "vip"))[Purpose.COST_RISE] == HalfNormal(0.10)


def test_every_key_of_a_spec_arrives():
    lever = lever_of(FULL)
    assert (lever.name, lever.on, lever.mean, lever.sd) == ("win-back voucher", LeverOn.REACTIVATION, 0.03, 0.02)
    assert lever.experiments == (Counts(31, 800), Measurement(0.04, 0.01, 5000))
    assert (lever.cost_per_contact, lever.cost_per_taker, lever.window) == (0.6, 5.0, Horizon(4.0, "week"))
    assert (lever.channel, lever.customize) == ("mail", Customize.ADAPTIVE)
    assert lever.journey == (Journey.PURCHASE, Journey.REACTIVATION)
    assert str(lever.eligible) == 'frequency >= 1 and country in ["DE", "AT"]'
    assert not lever.assumed


def test_a_spec_mappings_and_keywords_give_the_same_lever():
    mapping = {
        "name": "club",
        "effect": {"on": "frequency"},
        "cost_per_taker": 1.0,
        "take_up": {"mean": 0.2, "sd": 0.1},
        "duration": "1 year",
    }
    more = {"value": {"margin": 0.4}, "levers": [FULL, mapping]}
    spec = ModelSpec.from_mapping({"name": "shop", "data": {"source": "orders.csv"}, **more})
    keywords = Lever("club", LeverOn.FREQUENCY, cost_per_taker=1, take_up=(0.2, 0.1), duration=Horizon(1.0, "year"))
    assert levers_of(spec) == levers_of([FULL, mapping]) == (lever_of(FULL), keywords)
    assert replace(lever_of(FULL), cost_per_contact=0.6) == lever_of(FULL)
    assert replace(keywords, duration="2 years").duration == Horizon(2.0, "year")


def test_experiments_change_the_effect_alone():
    lever = Lever("card", "vip", mean=0.05, sd=0.03, experiments=[{"n": 900, "mean": 0.10, "se": 0.01}])
    before, after = lever_priors(lever), lever_effects(lever)
    assert after[Purpose.COST_RISE] == before[Purpose.COST_RISE]
    assert before[Purpose.EFFECT].mean == pytest.approx(0.05)
    assert 0.05 < after[Purpose.EFFECT].mean < 0.10
    tested = Lever("mail", "frequency", experiments=[Measurement(0.09, 0.03, 400)])
    assert lever_effects(tested)[Purpose.EFFECT].mean == pytest.approx(0.06)
    assert Lever("m", "frequency", mean=0.5, sd=0.1).assumed


# -- refused


@pytest.mark.parametrize(
    ("keys", "mistake"),
    [
        ({"on": "retention", "mean": 0.1}, "effect.sd: mean and sd belong together."),
        ({"on": "retention", "mean": 0.1, "sd": 0.31}, "effect.sd: sd = 0.31 is too wide for a share with mean = 0.1"),
        ({"on": "vip", "mean": 0.001, "sd": 0.0316}, "effect: shape a = "),
        ({"on": "spend", "mean": 3.0, "sd": 1.0}, "effect: mean = 3, sd = 1 is the logarithm of a factor. Write 0.03"),
        ({"on": "frequncy"}, "effect.on: 'frequncy' is not known. Did you mean 'frequency'?"),
        ({"on": "vip", "duration": "3 eons"}, "duration: horizon unit 'eon' is not known."),
        ({"on": "vip", "cost_per_contact": -1.0}, "cost_per_contact: -1.0 is not possible: it must be at least 0."),
        ({"on": "vip", "side_effect": 0.1}, "side_effect: only effect.on = 'cost_to_serve' has one"),
        ({"on": "cost_to_serve", "side_effect": 0.0}, "side_effect: 0.0 is not possible: it must be above 0."),
        ({"on": "cost_to_serve", "side_effect": 10.0}, "side_effect: 10 is the mean rise of the hazard, at most 1."),
        ({"on": "vip", "window": "4 weeks"}, "window: only a reactivation offer has one, and this lever is on vip."),
        ({"on": "reactivation", "duration": "4 weeks"}, "duration: who comes back has come back"),
        ({"on": "reactivation", "cost_per_taker": 5}, "window: cost_per_taker falls due for active customers"),
        ({"on": "reactivation", "take_up": (0.1, 0.05)}, "take_up: takers of a reactivation follow"),
        ({"on": "vip", "cost_per_taker": 5}, "take_up: cost_per_taker needs the share who take the offer."),
        ({"on": "vip", "take_up": (0.1, 0.05)}, "take_up: it sets the cost of takers, which is 0"),
        ({"on": "vip", "take_up": (0.1, 0.4), "cost_per_taker": 1}, "take_up.sd: sd = 0.4 is too wide"),
        ({"on": "vip", "take_up": (0.001, 0.0316), "cost_per_taker": 1}, "take_up: shape a = "),
        (
            {"on": "vip", "experiments": [{"n": 9, "successes": 3}]},
            "experiments: only those who come back can be counted",
        ),
        ({"on": "vip", "experiments": [{"n": 9, "mean": -1, "se": 0.1}]}, "experiments: the measured -1 lies 10.0"),
        (
            {"on": "vip", "journey": ["advocacy", "awareness", "consideration"]},
            "journey: no customer is in such a phase. Name one of purchase, ",
        ),
        (
            {"on": "cost_to_serve", "fee_per_order": 1, "experiments": [{"n": 9, "mean": 0.1, "se": 0.1}]},
            "experiments: a measured mean cannot change Fixed(mean=0.0). State mean and sd",
        ),
        ({"on": "vip", "eligible": "T = 3"}, "eligible: one of ==, !=, <, <=, >, >=, in is expected, not '='."),
        ({"on": "vip", "customize": "cosy"}, "customize: 'cosy' is not known."),
    ],
)
def test_one_mistake_is_said_once(keys, mistake):
    with pytest.raises(SpecError) as caught:
        Lever("mail", **keys)
    (found,) = caught.value.mistakes
    assert mistake in found
    assert str(caught.value).startswith("lever 'mail': 1 mistake\n")


def test_no_mistake_hides_another():
    with pytest.raises(SpecError) as caught:
        levers_of(
            [
                {
                    "name": "a",
                    "effect": {"on": "reactivation", "mean": 3},
                    "duration": "3 weeks",
                    "eligible": "T > 2 or x",
                },
                {"name": "a", "effekt": {"on": "vip"}, "cost_per_contct": 1},
            ]
        )
    assert [mistake.split(": ")[0] for mistake in caught.value.mistakes] == [
        "levers[1].effect.sd",
        "levers[1].duration",
        "levers[1].eligible",
        "levers[2].effect",
        "levers[2].effekt",
        "levers[2].cost_per_contct",
        "levers",
    ]
    assert "\n    T > 2 or x\n          ^\n" in str(caught.value)


THINGS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["4 weeks", "vip", "reactivation", "cost_to_serve", "T > 3", "purchase", "advocacy"]),
    st.lists(st.integers(0, 1), max_size=2),
    st.lists(st.sampled_from(["purchase", "advocacy"]), max_size=2),
    st.dictionaries(st.sampled_from(["mean", "sd", "on", "n"]), st.one_of(st.floats(0, 1), st.just("vip")), max_size=3),
    st.lists(st.fixed_dictionaries({"n": st.integers(0, 9), "successes": st.integers(0, 9)}), max_size=2),
    st.lists(st.fixed_dictionaries({"n": st.just(9), "mean": st.floats(-2, 2), "se": st.floats(0, 1)}), max_size=2),
)
EFFECTS = st.fixed_dictionaries({"on": st.sampled_from(LeverOn)}, optional={"mean": THINGS, "sd": THINGS})


@given(st.dictionaries(st.sampled_from([*FULL, "take_up", "side_effect", "fee_per_order", "x"]), THINGS), EFFECTS)
def test_whatever_is_declared_is_a_lever_or_a_list_of_mistakes(mapping, effect):
    for stated in (mapping, {"name": "a", **mapping, "effect": effect}):
        try:
            lever = lever_of(stated)
        except SpecError:
            continue
        drawn = draw_effects(lever, 20, seed=1)
        assert np.isfinite(drawn.effect).all()
        assert (drawn.side_effect >= 0).all()
        assert replace(lever, name=lever.name) == lever


def test_a_condition_may_be_as_long_as_an_expression_can_be():
    """It is written out longer than it was typed, and must not be refused when the lever is copied."""
    text = "and ".join(["T>1"] * 280)
    lever = Lever("a", "vip", eligible=text)
    assert len(str(lever.eligible)) > 2000 > len(text)
    assert (
        replace(lever, cost_per_contact=1.0).eligible
        == lever.eligible
        == lever_of({"name": "a", "effect": {"on": "vip"}, "eligible": text}).eligible
    )


# -- draws


def test_draws_are_the_same_whatever_the_other_levers():
    first = {"name": "a", "effect": {"on": "vip"}}
    second = {"name": "b", "effect": {"on": "vip"}}
    alone = draw_effects(levers_of([second])[0], 500, seed=3)
    beside = [draw_effects(lever, 500, seed=3) for lever in levers_of([first, second])]
    np.testing.assert_array_equal(alone.effect, beside[1].effect)
    np.testing.assert_array_equal(alone.cost_rise, beside[1].cost_rise)
    assert abs(np.corrcoef(beside[0].effect, beside[1].effect)[0, 1]) < 0.2
    assert abs(np.corrcoef(alone.effect, alone.cost_rise)[0, 1]) < 0.2


def test_what_a_lever_does_not_do_is_zero():
    drawn = draw_effects(Lever("a", "spend"), 10, seed=3)
    assert (drawn.side_effect.tolist(), drawn.cost_rise.tolist(), drawn.take_up) == ([0.0] * 10, [0.0] * 10, None)
    taken = draw_effects(Lever("a", "spend", cost_per_taker=2, take_up=(0.2, 0.1)), 1000, seed=3).take_up
    assert (taken.mean(), taken.std()) == pytest.approx((0.2, 0.1), rel=0.01)
    saved = draw_effects(Lever("a", "cost_to_serve", fee_per_order=1.0), 1000, seed=3)
    assert not saved.effect.any()
    assert saved.side_effect.mean() == pytest.approx(0.10, rel=0.01)


def test_a_normal_prior_is_taken_as_stated():
    assert lever_priors(Lever("a", "spend", mean=-0.1, sd=0.2))[Purpose.EFFECT] == Normal(-0.1, 0.2)


# -- open to whom

PEOPLE = pd.DataFrame(
    {
        "frequency": [0, 0, 4, 4],
        "T": [5.0, 50.0, 50.0, 50.0],
        "churn_probability": [0.9, 0.9, 0.2, None],
        "country": ["DE", "DE", "FR", "DE"],
    }
)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, [True, True, True, True]),
        ({"eligible": "country == 'DE'"}, [True, True, False, True]),
        ({"journey": ["reactivation", "purchase"]}, [True, True, False, False]),
        ({"journey": ["reactivation", "retention"], "eligible": "country == 'DE'"}, [False, True, False, False]),
    ],
)
def test_levers_are_open_where_condition_and_phase_allow(keys, expected):
    phases = journey_phases(PEOPLE, TimeUnit.WEEK)
    assert open_to(Lever("a", "vip", **keys), PEOPLE, phases).tolist() == expected


def test_a_condition_on_a_column_that_is_not_there_is_refused():
    with pytest.raises(EligibilityError, match="Nearest: country"):
        open_to(Lever("a", "vip", eligible="contry == 'DE'"), PEOPLE, journey_phases(PEOPLE, TimeUnit.WEEK))
