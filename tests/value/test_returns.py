"""Returns: moments of planted worlds, posteriors against brute quadrature, cohorts that do not see each other."""

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from kundenwert.customers.summary import CustomerSummary
from kundenwert.errors import DataError
from kundenwert.value.returns import (
    ITEMS,
    LEAST_STRENGTH,
    NOTHING_LEARNED,
    BetaShares,
    fit_return_prior,
    money_prior,
    return_shares,
    share_prior,
)
from value_world import summary_of


def bought(
    count: int, seed: int, *, a: float, b: float, price: float = 20.0, cohort: str = "c0", items: int = 1
) -> pd.DataFrame:
    """Customers who return each item of their orders with a share of their own, drawn from Beta(a, b)."""
    rng = np.random.default_rng(seed)
    orders = 1 + rng.negative_binomial(2, 0.3, count)
    share = rng.beta(a, b, count)
    back = rng.binomial(items * orders, share) / items
    return pd.DataFrame(
        {
            "customer_id": [f"{cohort}-{i:06d}" for i in range(count)],
            "cohort": cohort,
            "frequency": orders - 1,
            "recency": np.where(orders > 1, 5.0, 0.0),
            "T": 30.0,
            "monetary_value": np.where(orders > 1, price, 0.0),
            "gross": price * orders,
            "refunds": price * back,
            "orders": orders,
            "returned_orders": np.ceil(back) if items == 1 else np.nan,
            "share": share,
        }
    )


def quadrature(a: float, b: float, back: float, kept: float) -> tuple[float, float]:
    """Mean and variance of the share that is proportional to prior times likelihood, without conjugacy."""

    def moment(power: int) -> float:
        def integrand(share: float) -> float:
            return stats.beta.pdf(share, a, b) * share ** (back + power) * (1 - share) ** kept

        return sum(integrate.quad(integrand, low, high, epsabs=0, epsrel=1e-11)[0] for low, high in parts)

    parts = [(0, 1e-3), (1e-3, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1)]
    mass, first, second = moment(0), moment(1), moment(2)
    return first / mass, second / mass - (first / mass) ** 2


@pytest.mark.parametrize(("a", "b"), [(1.5, 6.0), (0.4, 1.1), (8.0, 4.0)])
@pytest.mark.parametrize(("back", "kept"), [(0.0, 0.0), (0.0, 7.0), (2.5, 3.25), (11.0, 0.0), (1.0, 0.4)])
def test_posterior_is_that_of_brute_quadrature(a, b, back, kept):
    found = BetaShares(np.array([a]), np.array([b])).given(np.array([back]), np.array([kept]))
    mean, variance = quadrature(a, b, back, kept)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-8)
    np.testing.assert_allclose(found.variance, variance, rtol=1e-7)


@pytest.mark.parametrize(("a", "b"), [(1.0, 4.0), (3.0, 9.0), (0.3, 0.5)])
def test_prior_finds_a_planted_population(a, b):
    rng = np.random.default_rng(5)
    size = 1.0 + rng.negative_binomial(2, 0.3, 60_000)
    found = share_prior(rng.binomial(size.astype(int), rng.beta(a, b, len(size))).astype(float), size)
    assert found.mean[0] == pytest.approx(a / (a + b), rel=0.02)
    assert found.a[0] + found.b[0] == pytest.approx(a + b, rel=0.05)


def test_strength_solves_the_expected_sum_of_squares():
    """Enumerated exactly: over all outcomes of three customers the estimating equation has mean zero."""
    a, b, sizes = 1.3, 2.9, np.array([1, 2, 4])
    mean, alike = a / (a + b), 1 / (a + b + 1)
    expected = 0.0
    for outcome in np.ndindex(*(sizes + 1)):
        chance = np.prod(stats.betabinom.pmf(outcome, sizes, a, b))
        share = np.array(outcome) / sizes
        expected += chance * np.sum(sizes * (share - np.sum(outcome) / sizes.sum()) ** 2)
    weight = 1 - sizes / sizes.sum()
    assert expected == pytest.approx(mean * (1 - mean) * np.sum(weight * (1 + alike * (sizes - 1))), rel=1e-12)
    back, many = np.array([0.0, 2.0, 1.0, 1.0, 4.0]), np.array([1.0, 2.0, 4.0, 3.0, 6.0])
    at, weight = back.sum() / many.sum(), 1 - many / many.sum()
    found = share_prior(back, many)
    alike = 1 / (found.a[0] + found.b[0] + 1)
    assert LEAST_STRENGTH < found.a[0] + found.b[0] < many.sum()
    assert np.sum(many * (back / many - at) ** 2) == pytest.approx(
        at * (1 - at) * np.sum(weight * (1 + alike * (many - 1))), rel=1e-12
    )


def test_forecast_of_orders_is_right_on_average():
    """Of customers with a given chance of returning their next order, as many do return it."""
    rng = np.random.default_rng(8)
    table = bought(40_000, 3, a=0.8, b=3.2)
    shares = return_shares(summary_of(table))
    following = rng.random(len(table)) < table["share"]
    for part in np.array_split(np.argsort(shares.orders.mean), 8):
        said, seen = shares.orders.mean[part].mean(), following[part].mean()
        assert abs(said - seen) < 4 * np.sqrt(seen * (1 - seen) / len(part))


@pytest.mark.parametrize("items", [1, 4])
def test_money_finds_a_planted_population_and_how_many_items_an_order_has(items):
    table = bought(60_000, 9, a=1.0, b=4.0, items=items)
    summary = summary_of(table)
    prior = fit_return_prior(summary)
    assert prior.items[0] == pytest.approx(items, rel=0.1)
    assert prior.money.mean[0] == pytest.approx(0.2, rel=0.02)
    assert prior.money.a[0] + prior.money.b[0] == pytest.approx(5.0, rel=0.05)
    said = return_shares(summary, prior).money.mean
    for part in np.array_split(np.argsort(said), 8):
        true = table["share"].to_numpy()[part]
        assert abs(said[part].mean() - true.mean()) < 4 * true.std() / np.sqrt(len(part)) + 0.002


def test_the_line_through_shares_is_the_one_they_lie_on():
    """Pairs of customers around a mean whose squared deviations are exactly those of a Beta and items per order."""
    mean, a_and_b, items = 0.4, 6.0, 2.5
    orders = np.repeat(np.arange(1.0, 9.0), 20_000)
    alike = 1 / (a_and_b + 1)
    away = np.sqrt(mean * (1 - mean) * (alike + (1 - alike) / (items * orders)))
    share = mean + np.where(np.arange(len(orders)) % 2, away, -away)
    found, each = money_prior(share, orders)
    assert each == pytest.approx(items, rel=1e-3)
    assert found.a[0] + found.b[0] == pytest.approx(a_and_b, rel=1e-3)
    assert found.mean[0] == pytest.approx(mean, rel=1e-5)


def test_orders_of_different_prices_are_forecast_better_than_by_the_cohort():
    """Prices within a customer differ by a factor of 2.5: shares of money then swing more than shares of orders do."""
    rng = np.random.default_rng(12)
    count = 20_000
    orders, share = 1 + rng.negative_binomial(1, 0.3, count), rng.beta(1, 4, count)
    who = np.repeat(np.arange(count), orders)
    paid = rng.lognormal(3, 0.9, len(who))
    returned = rng.random(len(who)) < share[who]
    table = bought(count, 1, a=1, b=4).assign(
        orders=orders,
        returned_orders=np.nan,
        gross=np.bincount(who, paid),
        refunds=np.bincount(who, paid * returned),
    )
    found = return_shares(summary_of(table)).money.mean
    raw = (table["refunds"] / table["gross"]).to_numpy()
    best = (1 + np.bincount(who, returned)) / (5 + orders)  # the truth about the population, and each order known
    guesses = {"found": found, "best": best, "cohort": np.full(count, share.mean()), "raw": raw}
    errors = {name: np.mean((guess - share) ** 2) for name, guess in guesses.items()}
    assert errors["best"] < errors["found"] < errors["cohort"] < errors["raw"]
    assert errors["found"] < 0.85 * errors["cohort"]


def test_equal_numbers_of_orders_leave_an_order_one_item():
    share = np.array([0.0, 0.5, 0.25, 1.0])
    found, items = money_prior(share, np.full(4, 4.0))
    expected = share_prior(4 * share, np.full(4, 4.0))
    assert (found.a[0], found.b[0], items) == (expected.a[0], expected.b[0], 1.0)


def test_items_of_an_order_have_limits():
    """All or nothing however often they buy: the line is flat, and as steep as none can be."""
    flat, most = money_prior(np.array([0.0, 1.0] * 4), np.repeat([1.0, 2.0, 4.0, 8.0], 2))
    assert most == ITEMS[1]
    assert flat.a[0] + flat.b[0] == pytest.approx(LEAST_STRENGTH)
    steep, least = money_prior(np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.5, 0.5]), np.repeat([1.0, 1.1, 1.2, 9.0], 2))
    assert ITEMS[0] <= least < 1.0
    assert steep.a[0] + steep.b[0] > 1.0


def test_money_in_cents_changes_nothing():
    table = bought(300, 4, a=1.0, b=3.0, items=3)
    cents = table.assign(**{name: 100 * table[name] for name in ("gross", "refunds", "monetary_value")})
    one, other = return_shares(summary_of(table)), return_shares(summary_of(cents))
    np.testing.assert_allclose(one.money.mean, other.money.mean, rtol=1e-9)


def test_cohorts_do_not_see_each_other_and_a_strange_one_takes_what_is_known_of_all():
    here, there = bought(400, 1, a=1.0, b=9.0), bought(400, 2, a=4.0, b=4.0, price=50.0, cohort="c1")
    prior = fit_return_prior(summary_of(pd.concat([here, there])))
    alone = fit_return_prior(summary_of(there))
    for part in ("money", "orders"):
        assert getattr(prior, part).a[1] == getattr(alone, part).a[0]
        assert getattr(prior, part).b[1] == getattr(alone, part).b[0]
    assert prior.cohorts == ("c0", "c1")
    assert prior.items[1] == alone.items[0]
    strange = here.iloc[:1].assign(cohort="c9", gross=0.0, refunds=0.0, orders=1, returned_orders=0)
    scored = return_shares(summary_of(strange), prior)
    assert scored.money.mean[0] == prior.money.mean[2]
    assert prior.money.mean[0] < scored.money.mean[0] < prior.money.mean[1]


def test_a_customer_scored_alone_is_what_he_is_among_all():
    table = bought(200, 6, a=1.0, b=3.0)
    prior = fit_return_prior(summary_of(table))
    together = return_shares(summary_of(table))
    alone = return_shares(summary_of(table.iloc[[7]]), prior)
    assert (alone.money.mean[0], alone.orders.mean[0]) == (together.money.mean[7], together.orders.mean[7])


def test_who_returned_nothing_so_far_may_return_something():
    shares = return_shares(summary_of(bought(50, 6, a=1.0, b=3.0).assign(refunds=0.0, returned_orders=0)))
    assert (shares.money.mean > 0).all()
    assert (shares.money.mean < 0.005).all()


def test_strength_ends_where_nothing_can_be_learned():
    ones = np.ones(10)
    single = share_prior(np.array([1.0, *np.zeros(9)]), ones)
    assert single.a[0] + single.b[0] == pytest.approx(NOTHING_LEARNED)
    alike = share_prior(np.full(10, 2.0), np.full(10, 4.0))
    assert alike.a[0] + alike.b[0] == pytest.approx(40.0)
    apart = share_prior(np.array([9.0, 0.0] * 5), np.full(10, 9.0))
    assert apart.a[0] + apart.b[0] == pytest.approx(LEAST_STRENGTH)
    none = share_prior(np.zeros(3), np.zeros(3))
    assert (none.a[0], none.b[0]) == (0.5 * NOTHING_LEARNED, 0.5 * NOTHING_LEARNED)


def test_a_refund_beyond_what_was_paid_is_all_of_it():
    table = bought(50, 6, a=1.0, b=3.0)
    beyond, whole = table.copy(), table.copy()
    beyond.loc[3, "refunds"] = 2 * table.loc[3, "gross"]
    whole.loc[3, "refunds"] = table.loc[3, "gross"]
    np.testing.assert_array_equal(
        return_shares(summary_of(beyond)).money.mean, return_shares(summary_of(whole)).money.mean
    )


def test_orders_that_nobody_counted_are_left_open():
    found = return_shares(summary_of(bought(20, 6, a=1.0, b=3.0).drop(columns="returned_orders")))
    assert found.orders is None
    assert len(found.money.mean) == 20


def test_every_broken_rule_comes_in_one_message():
    table = bought(4, 6, a=1.0, b=3.0).drop(columns=["gross"])
    table["returned_orders"] = [None, 0.0, 99.0, 0.0]
    with pytest.raises(DataError) as caught:
        return_shares(CustomerSummary(table, *(None,) * 3))
    assert [(v.rule, v.count, list(v.ids)) for v in caught.value.violations] == [
        ("gross is not known", 4, [f"c0-{i:06d}" for i in range(4)]),
        ("returned_orders is not known", 1, ["c0-000000"]),
        ("returned_orders is greater than orders", 1, ["c0-000002"]),
    ]
