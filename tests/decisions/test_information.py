"""What better knowledge is worth: bounds, closed forms, and whole trials simulated with the truth planted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kundenwert.decisions.hard_events import HardEvents
from kundenwert.decisions.information import value_of_information
from kundenwert.decisions.one_pass import assess
from kundenwert.decisions.segments import segment
from kundenwert.decisions.trial_errors import errors_of_one
from kundenwert.errors import UsageError
from kundenwert.families.identity import annuity
from kundenwert.value.ahead import Ahead
from kundenwert.value.counters import Purpose
from kundenwert.value.effects import Measurement, Normal, update
from kundenwert.value.estimate import estimate_value
from kundenwert.value.lever_trials import Trial, standard_error
from kundenwert.value.levers import Lever, draw_effects, lever_effects
from kundenwert.value.settings import Terms
from value_world import COSTS, GG, MBG, follow, known_posterior, simulated_summary

CUSTOMERS, DRAWS, WINDOW = 300, 400, 26.0
FAST = {"newcomers": 20, "draws": DRAWS}
CALL = Lever("call", "retention", cost_per_contact=1.5, mean=0.2, sd=0.1)
LARGER = Lever("larger", "spend", cost_per_contact=0.6, mean=0.02, sd=0.04)
MAIL = Lever("mail", "frequency", cost_per_contact=0.3, eligible="frequency >= 1")
SAVING = Lever("saving", "cost_to_serve", cost_per_contact=0.1)
BACK = Lever("back", "reactivation", cost_per_contact=0.05)
LEVERS = (CALL, LARGER, MAIL, SAVING, BACK)
TRIALS = [Trial("larger"), Trial("back"), Trial("saving", sd=0.5), Trial("mail"), Trial("call", sd=2.0)]


def world(draws=DRAWS, customers=CUSTOMERS):
    posterior = known_posterior(MBG | GG, family="mbgnbd", spread=0.05, draws=draws)
    return posterior, simulated_summary(customers, MBG | GG, family="mbgnbd")


@pytest.fixture(scope="module")
def segments():
    return assess(*world(), **COSTS, **FAST, levers=LEVERS)


@pytest.fixture(scope="module")
def found(segments):
    return value_of_information(segments, trials=TRIALS, cost_per_answer=0.1)


def exact(found, lever):
    return found.table.loc[found.table["about"] == f"{lever}: effect", "value"].item()


def test_no_trial_beats_knowing_the_effect_and_no_effect_beats_knowing_everything(segments, found):
    everything = found.table.loc[found.table["question"] == "everything", "value"].item()
    assert everything == pytest.approx(segments.value.levers.perfect.sum())
    known = found.table.loc[found.table["question"] == "exact number"]
    plan = segments.value.levers.plan
    assert len(known) == len(plan.parameters) == 6
    for parameter, value in zip(plan.parameters, segments.value.levers.answered, strict=True):
        about = f"{parameter.lever}: {parameter.purpose.name.lower().replace('_', ' ')}"
        assert known.loc[known["about"] == about, "value"].item() == pytest.approx(value)
    for lever, rows in found.trials.groupby("lever"):
        assert len(rows) == 12
        assert rows["value"].is_monotonic_increasing
        assert (rows["value"] >= -1e-9).all()
        assert rows["value"].iloc[-1] <= exact(found, lever) * (1 + 1e-9) <= everything
    assert (found.customers["alive"] >= -1e-12).all()
    assert (found.customers["alive"] <= found.customers["perfect"] + 1e-12).all()
    np.testing.assert_allclose(found.customers["perfect"], segments.value.levers.perfect, rtol=1e-12)


def test_endless_trials_are_worth_as_much_as_the_effect(segments):
    endless = [
        replace(one, sizes=(300 if one.lever != "mail" else 50,), sd=1e-9) for one in TRIALS if one.lever != "back"
    ]
    found = value_of_information(segments, trials=endless)
    for lever, value in found.trials.set_index("lever")["value"].items():
        assert value == pytest.approx(exact(found, lever), rel=1e-3)
    useless = [replace(one, sd=1e6) for one in endless]
    nothing = value_of_information(segments, trials=useless).trials["value"]
    assert (nothing.abs() < 1e-3).all()


def test_prices(segments, found):
    trials, table = found.trials, found.table
    sizes = trials["customers"].where(trials["lever"] == "back", trials["customers"] // 2)
    each = trials["lever"].map({lever.name: lever.cost_per_contact for lever in LEVERS})
    np.testing.assert_allclose(trials["cost"], sizes * each)
    np.testing.assert_allclose(trials["net"], trials["value"] - trials["cost"])
    np.testing.assert_allclose(trials["per_euro"], trials["value"] / trials["cost"])
    for lever, rows in trials.groupby("lever"):
        best = table[(table["question"] == "trial") & (table["about"] == lever)]
        assert best["net"].item() == rows["net"].max()
    asked = found.customers["alive"] > 0.1
    asking = table[table["question"] == "still a customer"].iloc[0]
    assert 0 < asked.sum() < CUSTOMERS
    assert asking["customers"] == asked.sum()
    assert asking["value"] == pytest.approx(found.customers["alive"][asked].sum())
    assert asking["cost"] == pytest.approx(0.1 * asked.sum())
    priced = table["per_euro"].notna()
    assert table.loc[priced, "per_euro"].is_monotonic_decreasing
    assert priced[: priced.sum()].all()
    free = value_of_information(segments).table
    assert free["cost"].isna().all()
    assert free["value"].is_monotonic_decreasing
    mail = trials[trials["lever"] == "mail"]["customers"].max()
    assert mail == (segments.context.summary.table["frequency"] >= 1).sum()


def test_the_best_is_named_only_where_it_is_worth_its_price(found):
    def told(*rows):
        columns = ["question", "about", "customers", "value", "cost", "net", "per_euro"]
        return repr(replace(found, table=pd.DataFrame(rows, columns=columns)))

    dear = ("trial", "call", 100, 2e-13, 62.5, -62.5, 3e-15)
    good = ("trial", "larger", 100, 60.0, 40.0, 20.0, 1.5)
    free = ("still a customer", "each customer", 300, 5.0, np.nan, np.nan, np.nan)
    assert told(dear) == "<Information: 1 questions about 300 customers, none is worth its price>"
    assert told(good, dear, free).endswith("300 customers, best per euro: trial, larger>")
    assert told(dear, good).endswith(", best per euro: trial, larger>")
    assert told(free) == "<Information: 1 questions about 300 customers>"


def test_threads_change_nothing(segments, found):
    for threads in (1, 3):
        again = value_of_information(segments, trials=TRIALS, cost_per_answer=0.1, threads=threads)
        for name in ("table", "trials", "customers"):
            pd.testing.assert_frame_equal(getattr(again, name), getattr(found, name), check_exact=True)


def shares(segments):
    """(customer, draw) chance of being alive, and what a living customer spends, as contribution: by NumPy alone."""
    terms = segments.value.settings.terms
    alive, worth = np.empty((2, len(segments.table), segments.context.people.draws))

    def look(outlook):
        block = outlook.block
        time = annuity(terms.discount + block.rate * block.dropout, terms.horizon)
        return block.p_alive, time * block.rate * block.mean_spend * outlook.ahead.margin[:, None]

    for rows, _, (chance, spent) in segments.context.stream(look, stage="all"):
        alive[rows], worth[rows] = chance, spent
    return alive, worth


def test_asking_who_is_alive_is_worth_what_it_saves():
    segments = assess(*world(), **COSTS, **FAST, levers=[LARGER])
    found = value_of_information(segments).customers["alive"]
    alive, worth = shares(segments)
    effect = draw_effects(LARGER, DRAWS, segments.value.settings.seed).effect
    gain, cost = np.expm1(effect) * worth, 0.6
    living, gone = (alive * (gain - cost)).mean(axis=1), -cost * (1 - alive).mean(axis=1)
    expected = np.maximum(living, 0.0) - np.maximum(living + gone, 0.0)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert (expected > 0.01).any()
    assert (expected == 0).any()


@pytest.mark.parametrize("size", [40, 300])
def test_a_trial_is_worth_what_whole_trials_with_the_truth_planted_bring(size, tell_figure):
    """Truth drawn, trial made, effect updated, packages chosen anew, what they truly bring added up."""
    segments = assess(*world(2000), **COSTS, newcomers=20, draws=2000, levers=[LARGER])
    alive, worth = shares(segments)
    brings, cost, prior = (alive * worth).mean(axis=1), 0.6, Normal(0.02, 0.04)
    sd = 0.4
    se = standard_error(sd, size)

    def expected_gain(effect):
        return np.expm1(effect.mean + effect.sd**2 / 2) * brings - cost

    today = expected_gain(prior) > 0
    rng = np.random.default_rng(4)
    added = np.empty(20_000)
    for trial, truth in enumerate(0.02 + 0.04 * rng.standard_normal(len(added))):
        outcome = Measurement(truth + se * rng.standard_normal(), se)
        then = expected_gain(update(prior, [outcome])) > 0
        added[trial] = ((then * 1.0 - today) * (np.expm1(truth) * brings - cost)).sum()
    found = value_of_information(segments, trials=[Trial("larger", sizes=(size,), sd=sd)])
    error = added.std() / len(added) ** 0.5
    assert added.mean() > 8 * error
    claim = f"value of a trial of {size} against 20,000 whole trials with the truth planted"
    value = found.trials["value"].item()
    tell_figure(claim, f"{value:.3f} (stated)", f"{added.mean():.3f} (error {error:.3f})")
    outcomes = 0.02 + np.hypot(0.04, se) * stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    after = [np.maximum(expected_gain(update(prior, [Measurement(y, se)])), 0.0).sum() for y in outcomes]
    exact = np.mean(after) - np.maximum(expected_gain(prior), 0.0).sum()
    assert added.mean() == pytest.approx(exact, abs=4 * error)
    assert found.trials["se"].item() == pytest.approx(se)
    assert found.trials["value"].item() == pytest.approx(exact, rel=0.02)


def observed(segments, rng, *, window=WINDOW, weaker=0.0):
    """(customer,) orders and spend of one life each within the window, and what was expected of them."""
    people, draws = segments.context.people, segments.context.people.draws
    terms = Terms(horizon=window, churn_horizon=window, discount=0.0)
    truth, expected = np.empty((len(segments.table), 4)), np.empty((len(segments.table), 2))
    drawn, chance = rng.integers(0, draws, len(truth)), rng.random(len(truth))

    def look(outlook):
        block, at = outlook.block, np.arange(len(outlook.rows))
        time = annuity(block.rate * block.dropout, window)
        orders = block.p_alive * block.rate * time
        means = np.column_stack([orders.mean(axis=1), (orders * block.mean_spend).mean(axis=1)])
        s = drawn[outlook.rows]
        living = block.p_alive[at, s] > chance[outlook.rows]
        return np.column_stack([living, block.rate[at, s], block.dropout[at, s], block.spend_rate[at, s]]), means

    for rows, _, (found, means) in segments.context.stream(look, stage="truth"):
        truth[rows], expected[rows] = found, means
    alive, rate, dropout, spend_rate = truth[:, 0] > 0, *truth[:, 1:].T
    nothing = np.zeros(len(truth))
    spent = Ahead(nothing + 1.0, nothing, nothing, nothing)
    shape = float(people.theta["p"][0, 0])
    lives = follow(alive, rate, dropout * (1.0 - weaker), shape, spend_rate, spent, terms, rng)
    return lives.orders, lives.value, expected


def test_the_error_of_a_trial_is_that_of_lives_that_were_followed():
    """Orders and spend about what was expected of each customer; and how orders respond to a weaker hazard."""
    posterior = known_posterior(MBG | GG | {"q": 8.0, "v": 40.0}, family="mbgnbd", draws=150)
    summary = simulated_summary(2000, MBG | GG, family="mbgnbd")
    levers = [Lever("mail", "frequency"), Lever("larger", "spend"), Lever("call", "retention", mean=0.5, sd=0.1)]
    segments = assess(posterior, summary, margin=0.3, newcomers=5, draws=150, levers=levers)
    everybody, repeats = np.arange(2000), 30
    stated = [errors_of_one(segments.context, lever, "26 weeks", everybody, None) for lever in levers]
    orders, spent, response = np.empty((repeats, 3)), np.empty((repeats, 2)), np.empty(repeats)
    for k in range(repeats):
        number, money, expected = observed(segments, np.random.default_rng(k))
        orders[k] = np.square(number - expected[:, 0]).sum(), number.sum(), expected[:, 0].sum()
        spent[k] = np.square(money - expected[:, 1]).sum(), money.sum()
        longer = observed(segments, np.random.default_rng(k), weaker=0.5)[0]  # of the same customers
        response[k] = np.log(longer.sum() / number.sum())
    squares, total, forecast = orders.mean(axis=0)
    assert total == pytest.approx(forecast, rel=0.03)
    assert stated[0] == pytest.approx((squares * 2000) ** 0.5 / forecast, rel=0.05)
    squares, total = spent.mean(axis=0)
    assert stated[1] == pytest.approx((squares * 2000) ** 0.5 / total, rel=0.08)
    error = response.std() / repeats**0.5
    assert response.mean() > 8 * error
    assert stated[0] * 0.5 / stated[2] == pytest.approx(response.mean(), abs=4 * error)


def test_trials_of_levers_are_measured_by_the_effect_they_have(segments):
    lever, about = replace(LARGER, name="twice"), np.arange(CUSTOMERS)
    by_spend = errors_of_one(segments.context, lever, "26 weeks", about, None)
    by_orders = errors_of_one(segments.context, MAIL, "26 weeks", about, None)
    assert by_spend > by_orders
    assert lever_effects(CALL)[Purpose.EFFECT].mean == pytest.approx(0.2)
    assert errors_of_one(segments.context, CALL, "26 weeks", about, None) > by_orders
    found = value_of_information(segments, trials=[Trial("mail", sizes=(40,), window="1 year")]).trials
    who = np.flatnonzero(segments.context.summary.table["frequency"] >= 1)
    one = errors_of_one(segments.context, MAIL, "1 year", who, None)
    assert found["se"].item() == pytest.approx(standard_error(one, 40))


def test_there_is_nothing_to_learn_about_who_gets_nothing(segments):
    posterior, summary = world()
    objected, none = np.zeros((2, CUSTOMERS), dtype=bool)
    objected[::3] = True
    value = estimate_value(posterior, summary, **COSTS, **FAST, levers=LEVERS)
    events = HardEvents(objected, none, none)
    late = segment(value, posterior, summary, events=events)
    customers = value_of_information(late).customers
    assert (customers.loc[objected, ["perfect", "alive"]] == 0).all(axis=None)
    before = value_of_information(segments).customers
    pd.testing.assert_frame_equal(customers[~objected], before[~objected])


@pytest.mark.parametrize(
    ("trial", "words"),
    [
        (Trial("cal"), "no such lever.*call"),
        (Trial("known"), "known for certain"),
        (Trial("nobody"), "only 0 customers"),
        (Trial("saving"), "State sd"),
        (Trial("call", sizes=(10, 100_000)), "only 60 may get it"),
    ],
)
def test_trials_that_cannot_be_made(trial, words):
    fee = Lever("known", "cost_to_serve", fee_per_order=0.5)
    levers = [CALL, SAVING, fee, Lever("nobody", "spend", eligible="frequency >= 9999")]
    segments = assess(*world(20, 60), **COSTS, newcomers=5, draws=20, levers=levers)
    with pytest.raises(UsageError, match=words):
        value_of_information(segments, trials=[trial])


def test_what_nobody_is_expected_to_do_cannot_be_watched(segments):
    lost = segments.table["p_alive"].argmin()
    with pytest.raises(UsageError, match="Watch for longer"):
        errors_of_one(segments.context, MAIL, "1 day", np.array([lost]), None)


def test_needs_levers_and_a_price():
    segments = assess(*world(20, 60), **COSTS, newcomers=5, draws=20)
    with pytest.raises(UsageError, match="no levers"):
        value_of_information(segments)
    with pytest.raises(UsageError, match="cost_per_answer"):
        value_of_information(segments, cost_per_answer=-1.0)


def test_short_text(found):
    assert repr(found).startswith("<Information: 13 questions about 300 customers, best per euro: ")
