"""Draws of wallets and the room in them: against SciPy, brute force, and categories where the truth is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kundenwert.value.kernels.wallets import fill_above, likely_draws
from kundenwert.value.wallet import WalletModel, fit_wallet
from kundenwert.value.wallet_data import WalletData
from kundenwert.value.wallet_room import (
    Wallets,
    attainable_of_wallet,
    room_in_wallets,
    share_mark,
    share_sums,
    wallet_draws,
    wallet_gain,
)
from wallet_world import category, streams

NOBODY = np.zeros(0, dtype=np.int64)


def some_wallets(rows: int = 40, draws: int = 200, seed: int = 2) -> Wallets:
    rng = np.random.default_rng(seed)
    spending = rng.gamma(0.5, 2.0, (rows, draws))
    return Wallets(spending, spending * (1 + rng.gamma(1.0, 3.0, (rows, draws))), NOBODY, np.zeros((0, draws), int))


def all_of(world, data, model=None, seed: int = 1) -> Wallets:
    count, draws = world.rate.shape
    known = np.flatnonzero(data.known)
    model = model or fit_wallet(data.take(known), world.draws[known], world.ones[known])
    drawn = model.coefficients(draws, seed=seed)
    return wallet_draws(model, drawn, data, world.rate, world.mean_spend, world.ones, streams(count, draws, seed))


@pytest.mark.parametrize("bound", [-6.0, -1.0, 0.3, 0.6, 3.0, 12.0, 60.0])
def test_truncated_normals_are_scipys(bound):
    rows, draws, mean, sd = 20, 1000, 1.5, 0.7
    low = np.full((rows, draws), mean + bound * sd)
    found = np.empty_like(low)
    keys = streams(rows, draws).keys
    fill_above(np.uint64(3), keys, np.uint64(11), low, np.full_like(low, mean), np.full_like(low, sd), found)
    assert (found >= low).all()
    truth = stats.truncnorm(bound, np.inf, mean, sd)
    assert stats.kstest(found.ravel(), truth.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(found[:, :-1].ravel(), found[:, 1:].ravel())[0, 1]) < 5 / np.sqrt(found.size)


def test_without_doubt_the_mean_or_the_bound():
    low = np.array([[0.0, 2.0]])
    found = np.empty((1, 2))
    fill_above(np.uint64(1), streams(1, 2).keys, np.uint64(11), low, np.ones((1, 2)), np.zeros((1, 2)), found)
    assert found.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("error", [0.0, 0.4])
def test_draws_are_used_as_often_as_they_are_likely(error):
    rng = np.random.default_rng(5)
    draws, rows = 8, 40_000
    low = np.linspace(-2.0, 1.5, draws)
    alive = rng.uniform(0.1, 1.0, draws)
    mean, sd, stated = 1.0 + 0.6 * low, 0.5, 0.9
    density = stats.norm.pdf(stated, mean, np.hypot(sd, error)) / stats.norm.sf(low, mean, sd)
    if error:
        left = np.hypot(sd, error)
        centre = (mean * error**2 + stated * sd**2) / left**2
        density *= stats.norm.sf(low, centre, sd * error / left)
    else:
        density *= stated >= low
    used = np.empty((rows, draws), dtype=np.int64)
    full = np.ones((rows, 1))
    given = (np.full(rows, stated), False, np.full(rows, error), np.full(rows, 1.0), (0.6, sd, 0.0, -50.0))
    likely_draws(rng.random((rows, draws)), *given, full * low, full * alive, used)
    found = np.array([(alive * (used == j)).sum() for j in range(draws)]) / (rows * alive.sum())
    expected = alive * density / (alive * density).sum()
    np.testing.assert_allclose(found, expected, atol=0.004)
    likelier = density / (alive * density).sum() > 1 / alive.sum()
    assert (used[:, likelier] == np.flatnonzero(likelier)).all(), "what became likelier keeps its place"


def test_stated_with_an_error_is_the_truncated_product():
    """One customer whose spending is certain: model and statement multiply, cut off at spending."""
    draws = 20_000
    model = WalletModel((), 0.0, np.array([1.0, 0.5, np.log(0.6)]), 1e-16 * np.eye(3), 100, 0, 0)
    data = WalletData(np.array([0.4, np.nan]), np.array([0.3, 0.0]), False, pd.DataFrame(index=range(2)))
    one = np.ones((2, draws))
    found = wallet_draws(model, model.coefficients(draws, seed=1), data, 0.5 * one, 2.5 * one, one, streams(2, draws))
    low = np.log(1.25)
    mean = 1.0 + 0.5 * low
    weight = 0.3**2 / (0.3**2 + 0.6**2)
    cases = [(mean * weight + 0.4 * (1 - weight), 0.6 * np.sqrt(weight)), (mean, 0.6)]
    for row, (centre, sd) in enumerate(cases):
        truth = stats.truncnorm((low - centre) / sd, np.inf, centre, sd)
        assert stats.kstest(np.log(found.wallet[row]), truth.cdf).pvalue > 1e-3


def test_no_wallet_is_less_than_what_is_spent_here():
    world = category(600, 200, seed=4, rho=0.7)
    known = np.arange(600) % 2 == 0
    for data in (world.data(known=known), world.data(known=known, error=0.4), world.data(known=known, relative=True)):
        found = all_of(world, data)
        assert (found.wallet >= found.spending).all()
        assert np.isfinite(found.wallet).all()
        assert ((found.share > 0) & (found.share <= 1)).all()
        assert found.known.tolist() == np.flatnonzero(known).tolist()
        untouched = world.rate[~known] * world.mean_spend[~known]
        assert (found.spending[~known] == np.maximum(untouched, 1e-280)).all()


def test_exact_wallets_are_what_they_are():
    world = category(400, 200, seed=9)
    found = all_of(world, world.data())
    inside = found.spending < world.wallet[:, None]
    assert inside.mean() > 0.99
    np.testing.assert_allclose(
        found.wallet[inside], np.broadcast_to(world.wallet[:, None], inside.shape)[inside], rtol=1e-12
    )
    np.testing.assert_array_equal(found.wallet[~inside], found.spending[~inside])


def test_a_share_is_the_wallet_that_it_is_of():
    """Where spending is certain, saying "a quarter" and saying four times the spending is one statement."""
    rng = np.random.default_rng(11)
    count, draws = 300, 50
    spending = np.exp(rng.normal(0, 1, count))
    share = rng.beta(2, 4, count)
    rate = np.repeat(spending[:, None] / 20, draws, axis=1)
    mean_spend, ones = np.full_like(rate, 20.0), np.ones_like(rate)
    frame = pd.DataFrame(index=range(count))
    given = [
        WalletData(np.log(spending / share), np.zeros(count), False, frame),
        WalletData(-np.log(share), np.zeros(count), True, frame),
    ]
    found = []
    for data in given:
        model = fit_wallet(data, np.log(rate * mean_spend), ones)
        coefficients = model.coefficients(draws, seed=2)
        wallets = wallet_draws(model, coefficients, data, rate, mean_spend, ones, streams(count, draws))
        mark = share_mark(share_sums(wallets, ones), 0.8)
        attainable = attainable_of_wallet(draws, seed=2)
        found.append(
            (model.mode, wallet_gain(wallets, mark, attainable, ones, mean_spend, np.full(count, 0.3), np.zeros(count)))
        )
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-4)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-9, atol=1e-12)


def test_gain_is_brute_force():
    wallets = some_wallets(5, 30)
    rng = np.random.default_rng(1)
    mark, attainable = rng.beta(3, 3, 30), rng.beta(2, 4, 30)
    time, zeta = rng.uniform(5, 50, (5, 30)), rng.uniform(5, 40, (5, 30))
    margin, cost = rng.uniform(0.1, 0.5, 5), rng.uniform(0, 6, 5)
    for growth in ("orders", "basket"):
        found = wallet_gain(wallets, mark, attainable, time, zeta, margin, cost, growth=growth)
        for i in range(5):
            for s in range(30):
                here, wallet = wallets.spending[i, s], wallets.wallet[i, s]
                share = here / wallet
                rate = (share + attainable[s] * max(mark[s] - share, 0)) * wallet
                orders = (rate - here) / zeta[i, s] if growth == "orders" else 0.0
                expected = time[i, s] * (margin[i] * (rate - here) - cost[i] * orders)
                assert found[i, s] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_gain_follows_the_draw_that_spending_is_of():
    used = np.array([[2, 2, 0]])
    spending = np.array([[3.0, 3.0, 1.0]])
    wallets = Wallets(spending, np.full((1, 3), 10.0), np.array([0]), used)
    time, zeta = np.array([[7.0, 8.0, 9.0]]), np.array([[20.0, 30.0, 40.0]])
    found = wallet_gain(wallets, np.full(3, 0.5), np.ones(3), time, zeta, np.array([0.4]), np.array([2.0]))
    expected = [9 * 2 * (0.4 - 2 / 40), 9 * 2 * (0.4 - 2 / 40), 7 * 4 * (0.4 - 2 / 20)]
    np.testing.assert_allclose(found[0], expected)


def test_room_is_never_negative_in_expectation_and_may_be_in_a_draw():
    wallets = some_wallets()
    rng = np.random.default_rng(6)
    zeta, alive = rng.gamma(2.0, 5.0, wallets.spending.shape), rng.uniform(0, 1, wallets.spending.shape)
    margin, cost = np.full(40, 0.3), np.linspace(0, 6, 40)
    mark, attainable = np.full(200, 0.6), attainable_of_wallet(200, seed=1)
    gain = wallet_gain(wallets, mark, attainable, np.ones_like(zeta), zeta, margin, cost)
    room, mean = room_in_wallets(gain, alive)
    np.testing.assert_allclose(mean, np.maximum((alive * gain).mean(axis=1), 0.0))
    np.testing.assert_allclose((alive * room).mean(axis=1), mean)
    assert (mean >= 0).all()
    assert 0 < (mean == 0).sum() < 40
    assert (room[mean > 0] < 0).any(), "risk stays"
    clairvoyant = (alive * np.maximum(gain, 0)).mean(axis=1)
    assert clairvoyant.sum() > mean.sum()


def test_nothing_is_to_be_had_where_peers_keep_no_more():
    wallets = some_wallets()
    ones = np.ones_like(wallets.spending)
    given = (np.ones_like(ones), 20 * ones, np.full(40, 0.3), np.zeros(40))
    assert not wallet_gain(wallets, np.zeros(200), np.ones(200), *given).any()
    assert not wallet_gain(wallets, np.ones(200), np.zeros(200), *given).any()


def test_mark_is_the_quantile_of_the_beta_with_these_moments():
    wallets, rng = some_wallets(500, 20), np.random.default_rng(3)
    alive = rng.uniform(0, 1, wallets.share.shape)
    parts = [slice(0, 130), slice(130, 500)]
    sums = sum(
        share_sums(Wallets(wallets.spending[p], wallets.wallet[p], NOBODY, wallets.used), alive[p]) for p in parts
    )
    found = share_mark(sums, 0.8)
    for s in range(20):
        mean = np.average(wallets.share[:, s], weights=alive[:, s])
        variance = np.average((wallets.share[:, s] - mean) ** 2, weights=alive[:, s])
        size = mean * (1 - mean) / variance - 1
        assert found[s] == pytest.approx(stats.beta.ppf(0.8, mean * size, (1 - mean) * size), rel=1e-9)


def test_mark_of_peers_who_are_alike_or_gone():
    assert share_mark(np.array([[3.0], [0.9], [0.27]]), 0.8) == pytest.approx(0.3)
    assert share_mark(np.array([[3.0], [3.0], [3.0]]), 0.8) == pytest.approx(1.0)
    assert share_mark(np.zeros((3, 1)), 0.8) == pytest.approx(0.0)


def test_attainable_share_is_the_assumed_beta():
    drawn = attainable_of_wallet(4000, seed=7)
    assert stats.kstest(drawn, stats.beta(2, 4).cdf).statistic < 1 / 4000
    assert (attainable_of_wallet(4000, seed=7) == drawn).all()


def test_neither_block_nor_order_of_customers_matters():
    world = category(120, 60, seed=10)
    data = world.data(known=np.arange(120) % 3 > 0, error=0.2)
    rows = np.flatnonzero(data.known)
    model = fit_wallet(data.take(rows), world.draws[rows], world.ones[rows])
    drawn, streamed = model.coefficients(60, seed=1), streams(120, 60)

    def of(chosen: np.ndarray) -> Wallets:
        part = type(streamed)(1, streamed.keys[chosen], streamed.lanes[chosen], 60)
        arrays = (world.rate[chosen], world.mean_spend[chosen], world.ones[chosen])
        return wallet_draws(model, drawn, data.take(chosen), *arrays, part)

    whole = of(np.arange(120))
    mixed = np.random.default_rng(2).permutation(120)
    for piece in np.array_split(mixed, 7):
        found = of(piece)
        np.testing.assert_allclose(found.wallet, whole.wallet[piece], rtol=1e-12)
        np.testing.assert_array_equal(found.spending, whole.spending[piece])
    nobody = of(np.flatnonzero(~data.known))
    np.testing.assert_allclose(nobody.wallet, whole.wallet[~data.known], rtol=1e-12)


@pytest.mark.parametrize("asked", [1.0, 0.5, 0.1])
def test_totals_are_true_whether_all_half_or_few_were_asked(asked):
    """With the planted coefficients to the digit, with fitted ones within what their draws say of their uncertainty."""
    count, draws, mark = 4000, 300, 0.35
    world = category(count, draws, seed=22)
    data = world.data(known=np.random.default_rng(1).random(count) < asked)
    true = world.time * 0.1 * np.maximum(mark * world.wallet - world.spending, 0.0)
    rows = np.flatnonzero(data.known)
    fitted = fit_wallet(data.take(rows), world.draws[rows], world.ones[rows])
    planted = replace(fitted, mode=world.truth(fitted), covariance=1e-14 * np.eye(len(fitted.mode)))
    for model in (planted, fitted):
        gain = wallet_gain(
            all_of(world, data, model),
            np.full(draws, mark),
            np.full(draws, 1 / 3),
            world.time_draws,
            world.mean_spend,
            np.full(count, 0.3),
            np.zeros(count),
        )
        mean = room_in_wallets(gain, world.ones)[1]
        noise = (mean - true).std() / np.sqrt(count)
        unsure = gain.mean(axis=0).std() if model is fitted else 0.0
        assert abs(mean.mean() - true.mean()) < 3 * np.hypot(noise, unsure)
    assert np.hypot(noise, unsure) < 0.1 * true.mean()


def test_draws_that_ignored_a_stated_wallet_would_find_room_that_is_not_there():
    world = category(4000, 300, seed=22)
    here = np.maximum(world.rate * world.mean_spend, 1e-280)
    room = [
        np.mean(time * np.maximum(0.35 * np.maximum(world.wallet[:, None], spent) - spent, 0.0))
        for time, spent in ((world.time[:, None], world.spending[:, None]), (world.time_draws, here))
    ]
    wallets = all_of(world, world.data())
    found = np.mean(wallets.follow(world.time_draws) * np.maximum(0.35 * wallets.wallet - wallets.spending, 0.0))
    assert room[1] > 1.2 * room[0]
    assert abs(found / room[0] - 1) < 0.06
