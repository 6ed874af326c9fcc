"""Choosing among packages: what is reported of the choice, what more knowledge adds, and who truly gains."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from kundenwert.errors import UsageError
from kundenwert.families.identity import annuity
from kundenwert.units import TimeUnit
from kundenwert.value.counters import Purpose
from kundenwert.value.lever_gains import Reached, gains_by_state, package_gains
from kundenwert.value.lever_plan import plan_levers
from kundenwert.value.lever_questions import Parameter, Question
from kundenwert.value.levers import EffectDraws, Lever, draw_effects
from kundenwert.value.packages import feasible_packages, packages_open
from kundenwert.value.settings import Terms

TERMS = Terms(horizon=104.0, churn_horizon=26.0, discount=0.002)
OFFER = (0.35, 4.0, 0.05, 0.02)
FOUR = (
    Lever("back", "reactivation", cost_per_contact=0.2, cost_per_taker=3.0, window="4 weeks"),
    Lever("call", "retention", cost_per_contact=1.5, duration="52 weeks"),
    Lever("mail", "frequency", cost_per_contact=0.3),
    Lever("fee", "cost_to_serve", fee_per_order=0.5, mean=0.1, sd=0.05, cost_per_taker=1.0, take_up=(0.3, 0.1)),
)


def people(rows, draws, packages, seed=1, **fixed):
    """Customers who differ, each with an own posterior of rate, dropout, spend and life."""
    rng = np.random.default_rng(seed)
    x, age = rng.integers(0, 8, rows), rng.uniform(27, 39, rows)
    recency = age * rng.random(rows)
    size = (rows, draws)
    drawn = {
        "p_alive": rng.beta(3.0, 2.0, size),
        "rate": rng.gamma(0.5 + x[:, None], 1 / (6 + age[:, None]), size),
        "dropout": rng.beta(0.9, 2.6 + x[:, None], size),
        "mean_spend": 6.25 / rng.gamma(10, 1 / 45, size),
        "past_dropout": rng.beta(1.9, 1.6 + x[:, None], size),
    }
    return Reached(
        usable=packages_open(packages, rng.random((rows, len(packages.levers))) < 0.8),
        which=np.arange(rows),
        offers=np.tile(OFFER, (rows, 1)),
        owed_gone=rng.uniform(0, 0.5, rows),
        slower=np.repeat((6 + age) / (6 + recency), draws).reshape(size),
        **(drawn | {name: np.broadcast_to(values, size) for name, values in fixed.items()}),
    )


def drawn(levers, draws, terms=TERMS, seed=1):
    effects = [draw_effects(lever, draws, seed) for lever in levers]
    return plan_levers(feasible_packages(levers), effects, terms, TimeUnit.WEEK)


def upsell_world(rows, draws, gains, costs, seed):
    """Levers on spend alone, whose gain is `share * gains[lever] - costs[lever]` with a known share of each draw."""
    levers = [Lever(f"lever {k}", "spend", cost_per_contact=cost) for k, cost in enumerate(costs)]
    none = np.zeros(draws)
    effects = [EffectDraws(np.log1p(gain), none, none, None) for gain in gains]
    plan = plan_levers(feasible_packages(levers), effects, TERMS, TimeUnit.WEEK)
    reached = people(rows, draws, plan.packages, seed)
    reached = replace(reached, usable=np.ones_like(reached.usable))
    time = annuity(TERMS.discount + reached.rate * reached.dropout, TERMS.horizon)
    return plan, reached, time * reached.rate * OFFER[0] * reached.mean_spend


def permuted(values, rng):
    """Ascending values in random order, of each two neighbours one on an even and one on an odd draw."""
    pairs = rng.permuted(rng.permutation(np.asarray(values, dtype=np.float64).reshape(-1, 2)), axis=1)
    return pairs.ravel()


def test_all_figures_are_those_of_plain_arrays():
    """A world with a closed form, by NumPy: means on odd and even draws, chances, worst gains, perfect knowledge."""
    rng, draws = np.random.default_rng(4), 200
    grid = stats.norm.ppf((np.arange(draws) + 0.5) / draws)
    gains = [permuted(0.05 + 0.05 * grid, rng), permuted(0.02 + 0.1 * grid, rng), permuted(0.01 * grid, rng)]
    costs = [0.8, 0.1, 0.0]
    plan, reached, share = upsell_world(60, draws, gains, costs, seed=5)
    found = package_gains(plan, reached)
    alive = reached.p_alive
    living = np.stack([share * 0.0, *(share * gain - cost for gain, cost in zip(gains, costs, strict=True))], axis=1)
    gone = np.broadcast_to(-np.array([0.0, *costs])[None, :, None], living.shape)
    mixed = alive[:, None] * living + (1 - alive[:, None]) * gone
    np.testing.assert_allclose(found.chosen_on, mixed[:, :, 1::2].mean(axis=2), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.gain, mixed[:, :, ::2].mean(axis=2), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found.best, mixed[:, :, 1::2].mean(axis=2).argmax(axis=1))
    np.testing.assert_allclose(found.room, living[np.arange(60), found.best], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(found.unrealized, found.gain[np.arange(60), found.best])
    np.testing.assert_allclose(found.cost, np.tile([0.0, *costs], (60, 1)), rtol=1e-12)
    both = np.concatenate([living[:, :, ::2], gone[:, :, ::2]], axis=2)
    weights = np.concatenate([alive[:, ::2], 1 - alive[:, ::2]], axis=1)
    chance = np.where(both > 0, weights[:, None], 0.0).sum(axis=2) / (draws / 2)
    np.testing.assert_allclose(found.chance, chance, rtol=1e-12)
    for row, p in np.ndindex(60, 4):
        order = np.argsort(both[row, p])
        held = np.diff(np.minimum(np.cumsum(weights[row, order]), 0.05 * draws / 2), prepend=0.0)
        assert found.shortfall[row, p] == pytest.approx(held @ both[row, p, order] / (0.05 * draws / 2), rel=1e-9)
    clairvoyant = (alive * living.max(axis=1) + (1 - alive) * gone.max(axis=1)).mean(axis=1)
    committed = mixed.mean(axis=2).max(axis=1)
    np.testing.assert_allclose(found.perfect, clairvoyant - committed, rtol=1e-9)
    assert (found.perfect > 0).all()


def test_chosen_and_judged_on_the_same_draws_useless_levers_seem_to_gain():
    """Fifteen levers whose expected gain is exactly 0; who chooses among them finds nothing, and should say so."""
    draws, rows, rng = 200, 400, np.random.default_rng(8)
    grid = 0.1 * stats.norm.ppf((np.arange(draws) + 0.5) / draws)
    plan, reached, _ = upsell_world(rows, draws, [permuted(grid, rng) for _ in range(15)], np.zeros(15), seed=9)
    found = package_gains(plan, reached)
    naive = found.gain.max(axis=1)
    error = found.unrealized.std() / rows**0.5
    assert abs(found.unrealized.mean()) < 4 * error
    assert naive.mean() > found.unrealized.mean() + 8 * error


def test_potential_is_no_less_than_actual_value_in_expectation():
    """Costly levers that cannot help: nothing is the best package, and what is reported is 0 but for noise."""
    plan = drawn([Lever(lever.name, lever.on, cost_per_contact=500.0) for lever in FOUR], 400)
    found = package_gains(plan, people(300, 400, plan.packages))
    assert (found.gain.min() < -450, found.gain.max()) == (True, 0.0)
    for figures in (found.best, found.unrealized, found.room):
        assert (figures == 0).all()
    plan = drawn(FOUR, 400)
    found = package_gains(plan, people(300, 400, plan.packages))
    error = found.unrealized.std() / 300**0.5
    assert found.unrealized.mean() > 4 * error
    assert len(np.unique(found.best)) > 3


def test_the_better_of_two_planted_effects_is_found():
    rng, draws = np.random.default_rng(2), 400
    weak, strong = permuted(np.linspace(0.0, 0.1, draws), rng), permuted(np.linspace(0.1, 0.3, draws), rng)
    plan, reached, share = upsell_world(100, draws, [weak, strong], [0.0, 0.3], seed=3)
    found = package_gains(plan, reached)
    truth = 0.6 * share.mean(axis=1)[:, None] * [0.05, 0.2] - [0.0, 0.3]
    clear = abs(truth[:, 0] - truth[:, 1]) > 0.3
    assert clear.sum() > 40
    np.testing.assert_array_equal(found.best[clear], 1 + truth.argmax(axis=1)[clear])


@pytest.mark.parametrize("ahead", [-1.0, -0.3, 0.0, 0.4])
def test_what_an_answer_adds_is_the_normal_loss(ahead):
    """One lever of a normal gain: learning it is worth `sd (phi(d) + d Phi(d)) - max(mean, 0)`, the rest is noise."""
    draws, rng = 2000, np.random.default_rng(6)
    grid = stats.norm.ppf((np.arange(draws) + 0.5) / draws)
    plan, reached, share = upsell_world(8, draws, [permuted(0.2 + 0.02 * grid, rng)], [0.0], seed=7)
    weight = (reached.p_alive * share).mean(axis=1)
    mean, sd = ahead * 0.02 * weight, 0.02 * weight
    plan = replace(plan, cost_alive=plan.cost_alive.copy(), cost_gone=plan.cost_gone.copy())
    for row in range(8):
        plan.cost_alive[1] = plan.cost_gone[1] = 0.2 * weight[row] - mean[row]
        one = replace(
            reached, **{name: getattr(reached, name)[row : row + 1] for name in vars(reached) if name != "which"}
        )
        found = package_gains(plan, replace(one, which=np.zeros(1, dtype=np.int64)))
        loss = sd[row] * (stats.norm.pdf(ahead) + ahead * stats.norm.cdf(ahead))
        noise = (reached.p_alive * share)[row].std() * 0.2 / draws**0.5
        assert found.answered[0, 0] == pytest.approx(loss - max(mean[row], 0.0), abs=0.01 * sd[row] + 2 * noise)


def test_an_answer_is_worth_no_more_than_knowing_everything():
    plan = drawn(FOUR, 600)
    found = package_gains(plan, people(200, 600, plan.packages))
    assert [one.purpose for one in plan.parameters if one.lever == "fee"] == [
        Purpose.EFFECT,
        Purpose.SIDE_EFFECT,
        Purpose.TAKE_UP,
    ]
    assert (found.answered > -1e-12).all()
    assert (found.answered.sum(axis=0) < found.perfect.sum()).all()
    assert (found.answered <= found.perfect[:, None] + 1e-12).all()


def test_a_vague_answer_is_worth_less_and_an_empty_one_nothing():
    plan = drawn(FOUR, 600)
    reached = people(100, 600, plan.packages)
    about = plan.parameters.index(Parameter("fee", Purpose.SIDE_EFFECT))
    sharp = plan.questions[about]
    asked = [sharp, Question(about, 0.5 * sharp.points), Question(about, 0.0 * sharp.points[:3])]
    full, half, none = package_gains(plan, reached, asked).answered.sum(axis=0)
    assert full > half > 0
    assert none == pytest.approx(0.0, abs=1e-10)
    assert full == pytest.approx(package_gains(plan, reached).answered[:, about].sum(), rel=1e-9)


@pytest.mark.parametrize("period", [0.0, 365.25 / 12 / 7, 10.0])
@pytest.mark.parametrize("deactivation", [np.inf, 13.0, 200.0])
def test_effects_that_end_are_the_integral_of_what_flows(period, deactivation):
    """Money and records over time, by quadrature: no annuity, no stretch, no regime."""
    terms = replace(TERMS, period=period, deactivation=deactivation)
    levers = (Lever("a", "retention", duration="30 weeks"), Lever("b", "spend", duration="55 weeks"))
    plan = plan_levers(
        feasible_packages(levers),
        [EffectDraws(np.full(2, effect), np.zeros(2), np.zeros(2), None) for effect in (0.4, 0.3)],
        terms,
        TimeUnit.WEEK,
    )
    reached = people(1, 2, plan.packages, p_alive=1.0, rate=0.3, dropout=0.1, mean_spend=40.0)
    reached = replace(reached, usable=np.ones((1, 4), dtype=bool))

    def survival(time, weaker):
        return np.exp(-0.03 * (time - weaker * min(time, 30.0)))

    def factor(time):
        return np.exp(-terms.discount * (time if period == 0 else np.ceil(time / period) * period))

    def value(weaker, larger):
        def flow(time):
            order = OFFER[0] * 40.0 * (np.exp(larger) if time < 55 else 1.0) - OFFER[1]
            kept = 1.0 if time < deactivation else survival(time - deactivation, weaker)
            return factor(time) * (survival(time, weaker) * (0.3 * order - OFFER[2]) - OFFER[3] * kept)

        steps = {0.0, 104.0, 30.0, 55.0, deactivation, deactivation + 30.0, *(np.arange(1, 150) * (period or 1e9))}
        edges = sorted(step for step in steps if step <= 104.0)
        return sum(quad(flow, low, high, epsabs=1e-12)[0] for low, high in pairwise(edges))

    expected = [value(weaker, larger) - value(0.0, 0.0) for weaker, larger in [(0, 0), (0.4, 0), (0, 0.3), (0.4, 0.3)]]
    np.testing.assert_allclose(package_gains(plan, reached).gain[0], expected, rtol=1e-9, atol=1e-9)


def test_blocks_and_the_order_of_customers_change_nothing():
    plan = drawn(FOUR, 100, replace(TERMS, deactivation=26.0))
    reached = people(40, 100, plan.packages)
    whole = package_gains(plan, reached)
    order = np.random.default_rng(1).permutation(40)
    for rows in np.array_split(order, 3):
        part = package_gains(plan, rows_of(reached, rows))
        for name, values in vars(part).items():
            np.testing.assert_array_equal(values, getattr(whole, name)[rows], err_msg=name)


def rows_of(reached, rows):
    """Some rows; histories stay, as in a block whose customers share them."""
    kept = ("which", "usable", "rate", "dropout", "mean_spend", "offers", "owed_gone", "past_dropout")
    return replace(reached, **{name: getattr(reached, name)[rows] for name in kept})


def test_what_a_customer_may_not_get_is_never_chosen():
    plan = drawn(FOUR, 100)
    reached = people(100, 100, plan.packages)
    found = package_gains(plan, reached)
    assert reached.usable[np.arange(100), found.best].all()
    for figures in (found.chosen_on, found.gain, found.cost, found.chance, found.shortfall):
        assert (figures[~reached.usable] == 0).all()
        assert (figures[:, 0] == 0).all()
    closed = replace(reached, usable=reached.usable & (np.arange(len(plan.packages)) == 0))
    none = package_gains(plan, closed)
    for figures in (none.best, none.room, none.perfect, none.answered):
        assert (figures == 0).all()


def test_gains_by_true_state_add_up():
    """Weighted with the chances of the states, gains of a package come back to its mean gain over all draws."""
    plan = drawn(FOUR, 100)
    reached = people(50, 100, plan.packages)
    found = package_gains(plan, reached)
    codes = np.random.default_rng(5).integers(0, 3, (50, 100))
    sums, number = gains_by_state(plan, reached, codes, 4)
    np.testing.assert_allclose(sums.sum(axis=1), 0.5 * (found.gain + found.chosen_on).sum(axis=0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(number.sum(), 50.0)
    np.testing.assert_allclose(number[3], (1 - reached.p_alive).mean(axis=1).sum())
    even = np.where(np.arange(100) % 2 == 0, codes, -1)
    np.testing.assert_allclose(gains_by_state(plan, reached, even, 4)[0].sum(axis=1), found.gain.sum(axis=0), atol=1e-9)
    only = np.zeros_like(codes)
    dormant = gains_by_state(plan, reached, only, 2)[0][:, 1]
    living = gains_by_state(plan, replace(reached, p_alive=np.ones((50, 100))), only, 2)[0]
    assert (living[:, 1] == 0).all()
    gone = gains_by_state(plan, replace(reached, p_alive=np.zeros((50, 100))), only, 2)[0]
    assert (gone[:, 0] == 0).all()
    assert dormant[plan.packages.position(["call"])] < 0 < living[plan.packages.position(["mail"]), 0]


def test_values_that_are_no_numbers_stay_none_and_choose_nothing():
    plan = drawn(FOUR, 100)
    reached = people(3, 100, plan.packages)
    reached.mean_spend[1, 7] = np.nan
    found = package_gains(plan, reached)
    assert np.isnan(found.unrealized).tolist() == [False, True, False]
    assert np.isnan(found.room).any(axis=1).tolist() == [False, True, False]


def test_levers_need_as_many_draws_as_customers():
    plan = drawn(FOUR, 100)
    with pytest.raises(UsageError, match="Draw effects as often as customers"):
        package_gains(plan, people(3, 50, plan.packages))
    with pytest.raises(UsageError, match="two or more"):
        drawn(FOUR, 1)
    with pytest.raises(UsageError, match="not 3 with 10 draws"):
        plan_levers(plan.packages, [draw_effects(lever, 10, 1) for lever in FOUR[:3]], TERMS, TimeUnit.WEEK)
