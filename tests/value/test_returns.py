"""Returns: moments of planted worlds, posteriors against brute quadrature, cohorts that do not see each other."""

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from kundenwert.customers.summary import CustomerSummary
from kundenwert.errors import DataError
from kundenwert.value.returns import (
    LEAST_STRENGTH,
    NOTHING_LEARNED,
    BetaShares,
    fit_return_prior,
    return_shares,
    share_prior,
)
from value_world import summary_of


def bought(count: int, seed: int, *, a: float, b: float, price: float = 20.0, cohort: str = "c0") -> pd.DataFrame:
    """Customers who return each of their orders whole with a share of their own, drawn from Beta(a, b)."""
    rng = np.random.default_rng(seed)
    orders = 1 + rng.negative_binomial(2, 0.3, count)
    back = rng.binomial(orders, rng.beta(a, b, count))
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
            "returned_orders": back,
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
    truth = rng.beta(0.8 + table["returned_orders"], 3.2 + table["orders"] - table["returned_orders"])
    following = rng.random(len(table)) < truth
    for part in np.array_split(np.argsort(shares.orders.mean), 8):
        said, seen = shares.orders.mean[part].mean(), following[part].mean()
        assert abs(said - seen) < 4 * np.sqrt(seen * (1 - seen) / len(part))


def test_whole_orders_of_one_price_make_money_and_orders_the_same():
    shares = return_shares(summary_of(bought(500, 4, a=1.0, b=3.0)))
    np.testing.assert_allclose(shares.money.a, shares.orders.a, rtol=1e-12)
    np.testing.assert_allclose(shares.money.b, shares.orders.b, rtol=1e-12)


def test_money_in_cents_changes_nothing():
    table = bought(300, 4, a=1.0, b=3.0)
    cents = table.assign(**{name: 100 * table[name] for name in ("gross", "refunds", "monetary_value")})
    one, other = return_shares(summary_of(table)), return_shares(summary_of(cents))
    np.testing.assert_allclose(one.money.mean, other.money.mean, rtol=1e-12)
    assert fit_return_prior(summary_of(cents)).item_value.tolist() == [2000.0, 2000.0]


def test_cohorts_do_not_see_each_other_and_a_strange_one_takes_what_is_known_of_all():
    here, there = bought(400, 1, a=1.0, b=9.0), bought(400, 2, a=4.0, b=4.0, price=50.0, cohort="c1")
    prior = fit_return_prior(summary_of(pd.concat([here, there])))
    alone = fit_return_prior(summary_of(there))
    for part in ("money", "orders"):
        assert getattr(prior, part).a[1] == getattr(alone, part).a[0]
        assert getattr(prior, part).b[1] == getattr(alone, part).b[0]
    assert prior.cohorts == ("c0", "c1")
    assert prior.item_value[:2].tolist() == [20.0, 50.0]
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
