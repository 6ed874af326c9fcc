"""The value of waiting against closed forms, against posteriors drawn anew after each future, and by its examples."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln
from scipy.stats import gamma, poisson

from kundenwert.decisions.evsi.waiting import RESOLVABLE, LookAhead, values_of_waiting
from kundenwert.decisions.losses import Losses
from kundenwert.decisions.thresholds import REJECTION_FLOOR
from kundenwert.errors import NumericalError, UsageError
from kundenwert.value.actual import Living
from waiting_world import DORMANT, QUARTER, UNIT, Base, Seen, Shop, attainable, known_draws, shop_of

ALL = np.ones((1, 6), dtype=bool)


def keys_of(count, seed=1):
    return np.random.default_rng(seed).integers(0, 2**63, count).astype(np.uint64)


def worth_of(*asked):
    """What waiting is worth, without its error."""
    return values_of_waiting(*asked)[0]


def waiting(shop, seen, *, seed=3, ahead=None, share=None, keys=None):
    """The package's values of some customers, with draws made here."""
    share = attainable(len(shop.theta["p"])) if share is None else share
    known = known_draws(shop, seen, np.random.default_rng(seed), share)
    keys = keys_of(len(seen), seed) if keys is None else keys
    living, silent, bought = known
    allowed = shop.allowed(seen)
    ahead = ahead or LookAhead(QUARTER)
    return worth_of(1, keys, living, shop.theta["p"], silent, bought, Losses(), allowed, ahead)


def many_draws(shop, draws):
    """The same shop where its parameters are known, with more draws."""
    return replace(shop, theta={name: np.full(draws, values[0]) for name, values in shop.theta.items()})


@pytest.fixture(scope="module")
def shop():
    return many_draws(shop_of(size=20_000), 1000)


# ------------------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("horizon", [0.4, 2.0, 9.0])
def test_two_kinds_of_customers_who_never_leave(horizon):
    """Only the rate is unknown: how many orders come says all, and the sum over their number is exact."""
    rates, states, count = np.array([0.2, 1.1]), np.array([[3, 0]], dtype=np.int8), 40
    each = np.ones((count, 2))
    living = Living(np.zeros(count, int), each[:1], rates * each, 1e-12 * each, each)
    codes = np.repeat(states, count, axis=0)
    found = worth_of(
        1, keys_of(count), living, np.full(2, 3.0), codes, codes, Losses(), ALL.repeat(count, 0), LookAhead(horizon)
    )
    joint = poisson.pmf(np.arange(200)[:, None], rates * horizon) / 2
    risk = joint @ UNIT[:, [3, 0]].T
    exact = risk.sum(axis=0).min() - risk.min(axis=1).sum()
    assert abs(found.mean() - exact) < 4 * found.std() / count**0.5 + 1e-3


def test_amounts_alone_tell_the_kinds_apart():
    """Same rate, same dropout; one order shows who spends a hundred times as much, and none shows nothing."""
    each, states = np.ones((1, 2)), np.array([[3, 0]], dtype=np.int8)
    living = Living(np.zeros(1, int), each, 0.3 * each, 0.2 * each, np.array([[100.0, 1.0]]))
    found = worth_of(1, keys_of(1), living, np.full(2, 20.0), states, states, Losses(), ALL, LookAhead(2.0))
    survives = np.exp(-0.3 * 0.2 * 2.0)
    silent, gone = np.exp(-0.6), 1 - survives
    # Who lives and bought is known by kind, who died at the last order only up to the silence after it.
    upper = (survives - silent) * 0.5 + gone
    assert 0.5 * (survives - silent) * 0.5 < found[0] < upper


@pytest.mark.parametrize("state_if_silent", [0, 3, 2])
@pytest.mark.parametrize("rate", [0.2, 2.0])
def test_whoever_may_have_gone_shows_it_by_silence(rate, state_if_silent):
    """One kind, alive or gone: P(gone | silent) has a closed form, and after an order nothing is left to learn."""
    share, horizon, one = 0.6, 3.0, np.ones((1, 1))
    silent = np.full((1, 1), state_if_silent, dtype=np.int8)
    living = Living(np.zeros(1, int), share * one, rate * one, 1e-12 * one, one)
    found = worth_of(
        1, keys_of(1), living, np.ones(1), silent, np.zeros((1, 1), np.int8), Losses(), ALL, LookAhead(horizon)
    )
    quiet = np.array([share * np.exp(-rate * horizon), 1 - share])
    risk = np.array([UNIT[:, [state_if_silent, DORMANT]] @ quiet, UNIT[:, 0] * share * -np.expm1(-rate * horizon)])
    np.testing.assert_allclose(found[0], risk.sum(axis=0).min() - risk.min(axis=1).sum(), rtol=1e-9, atol=1e-12)


def few_kinds(kinds, silent, bought, allowed, horizon, futures, rng):
    """`min_d mean rho - mean min_d rho` where a customer is one of a few kinds: the posterior is a sum over kinds."""
    alive, rate, dropout, nu, shape = kinds
    size = len(rate)
    risks, least = np.empty((futures, 6)), np.empty(futures)
    for j in range(futures):
        s = rng.integers(size)
        times, living = [0.0], rng.random() < alive[s]
        while living and (following := times[-1] + rng.exponential(1 / rate[s])) < horizon:
            times.append(following)
            living = rng.random() >= dropout[s]
        k = len(times) - 1
        stays = alive * rate**k * (1 - dropout) ** k * np.exp(-rate * horizon)
        leaves = 1 - alive
        if k:
            leaves = alive * rate**k * (1 - dropout) ** (k - 1) * dropout * np.exp(-rate * times[-1])
            spent = rng.gamma(shape[s], 1 / nu[s], k).sum()
            money = gamma.logpdf(spent, k * shape, scale=1 / nu)
            stays, leaves = (one * np.exp(money - money.max()) for one in (stays, leaves))
        chances = np.append(np.bincount(bought if k else silent, stays, DORMANT), leaves.sum())
        risks[j] = UNIT @ chances / chances.sum()
        least[j] = risks[j][allowed | (np.arange(6) == DORMANT) & (k > 0)].min()
    decided = np.where(allowed, risks.mean(axis=0), np.inf).argmin()
    regret = risks[:, decided] - least
    return regret.mean(), regret.std() / futures**0.5


@pytest.mark.parametrize("told_by", ["everything", "dropout", "regular amounts", "chance of being alive"])
@pytest.mark.parametrize("seed", range(3))
def test_a_few_kinds_of_customers(seed, told_by):
    """Kinds differ in all that is drawn, or in one thing alone; amounts may differ in how much they vary only."""
    rng = np.random.default_rng(seed)
    size = 4

    def varied(name, values, otherwise):
        return values if told_by in ("everything", name) else np.full(size, otherwise)

    rate = varied("rate", rng.gamma(2, 0.5, size), 1.2)
    dropout = varied("dropout", np.array([0.02, 0.7, 0.2, 0.05]), 0.1)
    alive = varied("chance of being alive", np.array([0.95, 0.1, 0.6, 0.3]), 0.8)
    shape = varied("regular amounts", np.array([1.0, 40.0, 3.0, 90.0]), 5.0)
    nu = shape / (rng.gamma(3, 10, size) if told_by == "everything" else 30.0)
    silent, bought = rng.permuted(np.tile(np.arange(DORMANT), (2, 1)), axis=1)[:, :size]
    allowed = np.array([True, True, False, True, False, False])
    exact, error = few_kinds((alive, rate, dropout, nu, shape), silent, bought, allowed, 4.0, 4000, rng)
    living = Living(np.zeros(1, int), alive[None], rate[None], dropout[None], nu[None])
    codes = (silent[None].astype(np.int8), bought[None].astype(np.int8))
    ahead = LookAhead(4.0, histories=20_000)
    found = worth_of(1, keys_of(1), living, shape, *codes, Losses(), allowed[None], ahead)[0]
    assert abs(found - exact) < 4 * error + 0.002


# ------------------------------------------------------------------------------------- posteriors drawn anew


def log_likelihood(shop, seen):
    """(draw,) of one customer's history, the integrals over rate, dropout and spend rate written out."""
    t, x, kills = shop.theta, seen.x[0], int(shop.first_kills)

    def log_beta(a, b):
        return gammaln(a) + gammaln(b) - gammaln(a + b)

    rates = gammaln(t["r"] + x) - gammaln(t["r"]) + t["r"] * np.log(t["alpha"])
    lives = log_beta(t["a"], t["b"] + x + kills) - (t["r"] + x) * np.log(t["alpha"] + seen.T[0])
    dies = log_beta(t["a"] + 1, t["b"] + x - 1 + kills) - (t["r"] + x) * np.log(t["alpha"] + seen.t_x[0])
    either = np.logaddexp(lives, dies) if x > 0 or kills else lives
    n, spend = seen.n[0], seen.spend[0]
    money = t["q"] * np.log(t["v"]) - gammaln(t["q"])
    money = money + gammaln(t["q"] + t["p"] * n) - (t["q"] + t["p"] * n) * np.log(t["v"] + spend)
    if n > 0:
        money = money + t["p"] * n * np.log(spend) - gammaln(t["p"] * n)
    return rates + either - log_beta(t["a"], t["b"]) + money


def redrawn(shop, seen, share, futures, rng):
    """`min_d mean rho - mean min_d rho` with a fresh posterior after each future, and its standard error."""
    size = len(share)
    before = log_likelihood(shop, seen)
    alive = shop.p_alive(seen)[0]
    allowed = shop.allowed(seen)[0]
    risks, least = np.empty((futures, 6)), np.empty(futures)
    for j in range(futures):
        s = rng.integers(size)
        one = replace(shop, theta={name: values[s : s + 1] for name, values in shop.theta.items()})
        rate, dropout, nu = (drawn.item() for drawn in one.draws(seen, rng))
        count, last, clock, living = 0, 0.0, 0.0, rng.random() < alive[s]
        while living:
            clock += rng.exponential(1 / rate)
            if clock > QUARTER:
                break
            count, last = count + 1, clock
            living = rng.random() >= dropout
        after = seen.after(count, last, rng.gamma(shop.theta["p"][s] * count) / nu if count else 0.0, QUARTER)
        weight = np.exp((change := log_likelihood(shop, after) - before) - change.max())
        weight /= weight.sum()
        lives = weight * shop.p_alive(after)[0]
        worth = shop.worth(*(drawn[0] for drawn in shop.draws(after, rng)), shop.theta["p"])
        states = shop.states(worth, share, shop.proven(after)[0])
        chances = np.append(np.bincount(states, lives, minlength=DORMANT), 1 - lives.sum())
        risks[j] = UNIT @ chances
        least[j] = risks[j][allowed | (np.arange(6) == DORMANT) & (count > 0)].min()
    decided = np.where(allowed, risks.mean(axis=0), np.inf).argmin()
    regret = risks[:, decided] - least
    return regret.mean(), regret.std() / futures**0.5


CASES = {
    "new": (0, 0, 4, 0, 0),
    "just came": (0, 0, 0, 0, 0),
    "one order": (1, 5, 10, 1, 30),
    "silent": (3, 10, 30, 3, 120),
    "heavy": (45, 38, 39, 45, 700),
}


@pytest.mark.parametrize("first_kills", [False, True], ids=["bgnbd", "mbgnbd"])
@pytest.mark.parametrize("case", CASES)
def test_reweighted_draws_agree_with_posteriors_drawn_anew(case, first_kills):
    """Parameters are uncertain, too; both ways know of a draw what the other knows."""
    shop = shop_of(first_kills=first_kills, draws=1000, spread=0.15)
    seen, share = Seen.one(*CASES[case]), attainable(1000)
    exact, error = redrawn(shop, seen, share, 1000, np.random.default_rng(5))
    repeated = Seen(*(column.repeat(25) for column in vars(seen).values()))
    found = waiting(shop, repeated, share=share)
    assert abs(found.mean() - exact) < 4 * np.hypot(error, found.std() / 5) + 0.005


# ------------------------------------------------------------------------------------------------- examples


EXAMPLES = {
    "new": ((0, 0, 4, 1, 35), 0.07, "undecided"),
    "new, silent since": ((0, 0, 39, 1, 35), 0.01, "decided"),
    "one early order": ((1, 5, 10, 1, 35), 0.16, "undecided"),
    "three orders, silent": ((3, 10, 30, 3, 105), 0.29, "undecided"),
    "big first order, silent": ((0, 0, 39, 1, 90), 0.02, "borderline"),
    "six small orders, recent": ((6, 37, 39, 6, 145), 0.01, "borderline"),
    "six orders, silent": ((6, 13, 39, 6, 210), None, "decided"),
}
LEAST = {"new, silent since": 3, "six small orders, recent": 0, "six orders, silent": DORMANT}


@pytest.mark.parametrize("name", EXAMPLES)
def test_customers_worth_waiting_for(shop, name):
    """Customers of an earlier simulation, with its sizes to two digits; an order is the average one but where said."""
    history, size, status = EXAMPLES[name]
    seen = Seen(*(np.full(25, float(number)) for number in history))
    risk = shop.chances(seen.take(slice(1)), attainable(1000), np.random.default_rng(2))[0] @ UNIT.T
    least = np.where(shop.allowed(seen)[0], risk, np.inf)
    found = waiting(shop, seen)
    dear = "undecided" if found.mean() >= RESOLVABLE else "borderline"
    assert (dear if least.min() > REJECTION_FLOOR else "decided") == status
    assert LEAST.get(name, least.argmin()) == least.argmin()
    if size is not None:
        assert abs(found.mean() - size) < 0.05


# ----------------------------------------------------------------------------------------------- properties


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), draws=st.integers(1, 60), horizon=st.floats(0.01, 100))
def test_never_negative_and_never_more_than_certainty_is_worth(seed, draws, horizon):
    rng = np.random.default_rng(seed)
    shape = rng.gamma(2, 3, draws)
    each = (1, draws)
    living = Living(np.zeros(1, int), rng.beta(0.3, 0.3, each), rng.gamma(0.5, 1, each), rng.beta(1, 2, each), None)
    living = replace(living, spend_rate=rng.gamma(1, 1, each))
    silent, bought = rng.integers(0, DORMANT, (2, *each)).astype(np.int8)
    matrix = rng.gamma(1, 1, (6, 6)) * (1 - np.eye(6))
    allowed = rng.random((1, 6)) < 0.5
    allowed[0, rng.integers(6)] = True
    ahead = LookAhead(horizon, histories=2000)
    found = worth_of(seed, keys_of(1), living, shape, silent, bought, Losses(matrix), allowed, ahead)[0]
    alive, rate, dropout = living.share[0], living.rate[0], living.dropout[0]
    quiet, lives = alive * np.exp(-rate * horizon), alive * np.exp(-rate * dropout * horizon)
    states = np.bincount(silent[0], quiet, 6) + np.bincount(bought[0], lives - quiet, 6)
    states[DORMANT] = (1 - lives).sum()
    later = allowed[0] | (np.arange(6) == DORMANT)
    most = (matrix @ states)[allowed[0]].min() - matrix[later].min(axis=0) @ states
    assert found >= 0
    # The futures are a sample: their mean differs from what they are drawn from.
    assert found <= most / draws + 0.05 * matrix.max()
    if allowed[0].sum() == 1 and allowed[0, DORMANT]:
        assert found == 0


def test_a_customer_is_alone(shop):
    """Neither the others nor their order matter, but another seed or another key does."""
    base = Base(60, many_draws(shop, 1), (1, 39), 3).truth[0]
    share = attainable(1000)
    living, silent, bought = known_draws(shop, base, np.random.default_rng(1), share)
    keys, allowed = keys_of(60), shop.allowed(base)

    def of(rows, seed=1, keys=keys):
        some = replace(living, **{k: getattr(living, k)[rows] for k in ("rate", "dropout", "spend_rate", "which")})
        given = (silent[rows], bought[rows], Losses(), allowed[rows], LookAhead(QUARTER))
        return worth_of(seed, keys[rows], some, shop.theta["p"], *given)

    whole, order = of(np.arange(60)), np.random.default_rng(4).permutation(60)
    assert (of(order) == whole[order]).all()
    assert (np.concatenate([of(np.arange(7)), of(np.arange(7, 60))]) == whole).all()
    active = whole > 0.01
    assert active.sum() > 20
    assert (of(np.arange(60), seed=2) != whole)[active].mean() > 0.9
    assert (of(np.arange(60), keys=keys + np.uint64(1)) != whole)[active].mean() > 0.9


def test_close_calls_are_made_again_from_more_draws(shop):
    seen = Seen(*(np.full(40, float(number)) for number in CASES["new"]))
    few, many = (waiting(shop, seen, ahead=LookAhead(QUARTER, draws=n, near=0)) for n in (400, 1000))
    both = waiting(shop, seen, ahead=LookAhead(QUARTER))
    close = np.abs(few - 0.05) < 0.02
    assert 0 < close.sum() < 40
    assert (both == np.where(close, many, few)).all()
    assert (waiting(shop, seen, ahead=LookAhead(QUARTER, draws=5000)) == many).all()


def test_more_futures_and_more_draws_mean_less_noise(shop):
    seen = Seen(*(np.full(40, float(number)) for number in CASES["one order"]))
    few = waiting(shop, seen, ahead=LookAhead(QUARTER, histories=30, draws=100, near=0))
    many = waiting(shop, seen, ahead=LookAhead(QUARTER, histories=1000, draws=1000, near=0))
    assert many.std() < few.std() / 2
    assert abs(many.mean() - few.mean()) < 4 * few.std() / 40**0.5 + 0.01


def test_dormant_may_be_said_after_an_order(shop):
    """BG/NBD cannot doubt a customer without repeat orders; one order and silence, and it can."""
    one = np.ones((1, 1))
    states = np.zeros((1, 1), dtype=np.int8)
    living = Living(np.zeros(1, int), one, 5.0 * one, 0.9 * one, one)
    only_valuable = np.arange(6)[None] == 0
    found = worth_of(1, keys_of(1), living, np.ones(1), states, states, Losses(), only_valuable, LookAhead(9.0))[0]
    survives = np.exp(-0.9 * 5.0 * 9.0)
    np.testing.assert_allclose(found, UNIT[0, DORMANT] * (1 - survives), rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"silent": np.full((1, 2), DORMANT, np.int8)}, UsageError, "0 to 4"),
        ({"bought": np.full((1, 2), -1, np.int8)}, UsageError, "0 to 4"),
        ({"allowed": np.zeros((1, 6), bool)}, UsageError, "without any label"),
        ({"bought": np.zeros((1, 3), np.int8)}, UsageError, "one shape"),
        ({"rate": np.array([[1.0, np.inf]])}, NumericalError, "rate"),
        ({"spend_rate": np.array([[1.0, np.nan]])}, NumericalError, "spend_rate"),
    ],
)
def test_what_compiled_code_could_not_survive_is_refused(change, error, words):
    each, states = np.ones((1, 2)), np.zeros((1, 2), np.int8)
    given = {"rate": each, "spend_rate": each, "silent": states, "bought": states, "allowed": ALL} | change
    living = Living(np.zeros(1, int), each, given["rate"], 0.1 * each, given["spend_rate"])
    with pytest.raises(error, match=words):
        worth_of(
            1, keys_of(1), living, np.ones(2), given["silent"], given["bought"], Losses(), given["allowed"],
            LookAhead(1.0),
        )  # fmt: skip


@pytest.mark.parametrize(
    "wrong", [{"horizon": 0.0}, {"horizon": np.inf}, {"resolvable": -0.1}, {"near": np.nan}, {"histories": 0}]
)
def test_looking_ahead_has_sensible_numbers(wrong):
    with pytest.raises(UsageError):
        LookAhead(**({"horizon": 13.0} | wrong))


def test_the_shop_of_these_tests_is_alive_as_the_package_says():
    from kundenwert.families import get_family

    for kills in (False, True):
        shop: Shop = shop_of(first_kills=kills, draws=3, spread=0.2, size=300)
        seen = Base(50, many_draws(shop, 1), (5, 39), 8).truth[0]
        stated = get_family(shop.name).individual(shop.theta, *(c[:, None] for c in (seen.x, seen.t_x, seen.T)))
        np.testing.assert_allclose(np.broadcast_to(stated.p_alive, (50, 3)), shop.p_alive(seen), rtol=1e-9)
