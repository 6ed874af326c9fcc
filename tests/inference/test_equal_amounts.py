"""Customers who all spend the same: what is refused, what is not, and that what is not has a posterior to speak of."""

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.errors import DataError
from kundenwert.families import GAMMA_GAMMA
from kundenwert.inference.compression import Part, compress_part
from kundenwert.inference.density import LARGEST
from kundenwert.inference.gibbs import Gibbs
from kundenwert.inference.importance import Importance
from kundenwert.inference.priors import resolve_priors
from kundenwert.names import Pooling
from kundenwert.units import TimeUnit

PRICE = 19.99


def equal(cohort: str, customers: int, price: float = PRICE) -> pd.DataFrame:
    """Customers whose amounts are all equal; their means differ by what adding up rounds away."""
    n = 1 + np.arange(customers) % 7
    mean = np.array([sum([price] * days) / days for days in n])
    return pd.DataFrame({"cohort": cohort, "spend_days": n, "monetary_value": mean})


def varied(cohort: str, customers: int = 60, seed: int = 4) -> pd.DataFrame:
    """Gamma-Gamma customers with p = 6, q = 4 and a mean of the price."""
    rng = np.random.default_rng(seed)
    n = rng.geometric(0.4, customers)
    amounts = rng.gamma(6.0 * n) / (n * rng.gamma(4.0, 2.0 / PRICE, customers))
    return pd.DataFrame({"cohort": cohort, "spend_days": n, "monetary_value": amounts})


def posed(pooling: str, *cohorts: pd.DataFrame) -> Part:
    summary = kw.CustomerSummary(pd.concat(cohorts, ignore_index=True), TimeUnit.WEEK, None, None)
    return compress_part(summary, GAMMA_GAMMA, Pooling(pooling), resolve_priors(GAMMA_GAMMA, None))


@pytest.mark.parametrize(
    ("pooling", "cohorts", "says"),
    [
        ("none", [equal("jan", 92)], "92 customers: .*jan: 92 customers at 19.99"),
        ("none", [equal("jan", 120), varied("feb")], r"120 customers: .*\(jan: 120 customers at 19.99\)"),
        ("complete", [equal("jan", 60), equal("feb", 60)], "all: 120 customers at 19.99"),
        ("partial", [equal("jan", 40), varied("feb")], r"\(jan: 40 customers at 19.99\)"),
        ("partial", [equal("jan", 12, 9.5), equal("feb", 12, 1234.5)], r"\(feb: 12 .* at 1,234.5, jan: 12 .* at 9.5\)"),
        (
            "partial",
            [equal(f"c{i}", 1) for i in range(30)],
            "30 customers: .*c0: 1 customers at 19.99, .* 25 more",
        ),
        ("none", [equal(f"c{i}", 100) for i in range(9)], r"900 customers: .*c4: [^,]*, and 4 more\)"),
    ],
)
def test_equal_amounts_are_refused(pooling: str, cohorts: list[pd.DataFrame], says: str) -> None:
    with pytest.raises(DataError, match=says) as refused:
        posed(pooling, *cohorts)
    assert "amount column is not a constant" in str(refused.value)
    assert ("together with others" in str(refused.value)) == (pooling != "complete")


def test_a_fit_refuses_before_it_samples() -> None:
    frame = equal("jan", 120).assign(frequency=lambda t: t["spend_days"], recency=30.0, T=39.0)
    frame["customer_id"] = np.arange(len(frame))
    told = []
    with pytest.raises(DataError, match="all mean repeat amounts of a cohort are equal"):
        kw.fit(frame, pooling="complete", time_unit="week", progress=lambda what, share: told.append(what))
    assert not told


@pytest.mark.parametrize(
    ("pooling", "cohorts"),
    [
        ("none", [equal("jan", 1)]),
        ("none", [equal("jan", 500, 5000.0), equal("jan", 1, 5000.01)]),
        ("complete", [equal("jan", 500), varied("feb")]),
        ("complete", [equal("jan", 500, 9.5), equal("feb", 500, 19.5)]),
        ("partial", [equal(f"c{i}", 1) for i in range(20)]),
        ("partial", [equal(f"c{i}", 1, 10.0 + i) for i in range(60)]),
        ("partial", [equal("jan", 1), varied("feb")]),
    ],
)
def test_amounts_that_may_be_fitted_are_not_refused(pooling: str, cohorts: list[pd.DataFrame]) -> None:
    part = posed(pooling, *cohorts)
    labels = set(pd.concat(cohorts)["cohort"])
    assert {label for fit in part.fits for label in fit.cohorts} == ({"all"} if pooling == "complete" else labels)


def test_the_most_that_is_let_through_has_a_posterior_in_reach() -> None:
    """A customer adds half a power of p and q together, for which each of them gives way by a quarter of a nat."""
    middle = {}
    for customers in (51, 91):
        draws, figures = Importance(2000).sample_part(posed("none", equal("jan", customers)), seed=1)
        assert figures["pareto_k"][0] < 0.5
        assert max(draws["p"].max(), draws["q"].max()) < LARGEST / 2
        mean = draws["p"] * draws["v"] / (draws["q"] - 1)
        assert np.abs(mean - PRICE).max() < 0.1
        middle[customers] = float(np.median(np.log(draws["p"] * draws["q"])))
    assert middle[91] - middle[51] == pytest.approx(2 * 40 / 4, abs=0.3)


def test_a_few_equal_customers_lean_on_the_other_cohorts() -> None:
    others = [varied(f"c{i}", seed=i) for i in range(10)]
    draws = Gibbs(800).sample_part(posed("partial", *others, equal("d", 10)), seed=1)[0]
    for name in ("p", "q"):
        ratio = draws[name][..., -1] / draws[name][..., :-1].mean(axis=-1)
        assert 1 / 3 < np.median(ratio) < 3
        assert np.quantile(ratio, 0.99) < 20
