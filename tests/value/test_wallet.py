"""The model of wallets: planted categories are recovered, the likelihood against SciPy, contracts of the data."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import log_ndtr

from kundenwert.errors import DataError, UsageError
from kundenwert.value.counters import text_keys
from kundenwert.value.kernels.wallets import TERMS, survey_terms
from kundenwert.value.wallet import LEAST_KNOWN, MOST_DRAWS, PAIRS, fit_wallet, log_spending, used_draws
from kundenwert.value.wallet_data import (
    LEAST_OF_LEVEL,
    WalletData,
    design,
    peer_rows,
    read_wallets,
    regressors_of,
    survey_rows,
)
from wallet_world import category


def bare(stated: np.ndarray, error: float = 0.0, relative: bool = False) -> WalletData:
    return WalletData(stated, np.full(len(stated), error), relative, pd.DataFrame(index=range(len(stated))))


@pytest.mark.parametrize(
    ("error", "relative", "rho", "shape"),
    [(0.0, False, 0.4, 0.243), (0.3, False, 0.4, 0.243), (0.2, False, 0.0, 0.243), (0.0, True, 0.8, 1.0)],
)
def test_planted_categories_are_recovered(error, relative, rho, shape):
    """Ten worlds whose spending is as uncertain as CDNOW's: no coefficient is off on average, none is off by much."""
    scores = []
    for seed in range(10):
        world = category(600, 300, seed=seed, rho=rho, shape=shape)
        model = fit_wallet(world.data(error=error, relative=relative), world.draws, world.ones)
        scores.append((model.mode - world.truth(model)) / np.sqrt(np.diag(model.covariance)))
    assert np.abs(np.mean(scores, axis=0)).max() < 4 / np.sqrt(10)
    assert np.std(scores, axis=0).max() < 2.0


def test_regressions_on_single_draws_or_means_would_be_off():
    """The reason for averaging the likelihood: rho found from one draw of each customer is too small by half."""
    world = category(4000, 100, seed=3, rho=0.8, sd=0.3)
    model = fit_wallet(world.data(), world.draws, world.ones)
    single = fit_wallet(world.data(), world.draws[:, :1], world.ones[:, :1])
    error = np.sqrt(model.covariance[-2, -2])
    assert abs(model.rho - 0.8) < 4 * error < 0.06
    assert single.rho < 0.6


@pytest.mark.parametrize("relative", [False, True])
def test_likelihood_is_scipys(relative):
    rng = np.random.default_rng(2)
    rows, draws = 6, 9
    low, alive = rng.normal(-1.0, 1.5, (rows, draws)), rng.random((rows, draws))
    stated, error = rng.normal(1.5, 1.0, rows), np.array([0.0, 0.0, 0.05, 0.2, 0.6, 2.0])
    stated[:2] = [low[0].mean(), 3.0] if not relative else [0.3, 2.0]
    base, centre, floor = rng.normal(0.5, 1.0, rows), 0.3, -2.0

    def found(at: np.ndarray) -> np.ndarray:
        out = np.empty((rows, TERMS))
        line = (0.6 + at[1], float(np.exp(-0.3 + at[2])), centre, floor)
        survey_terms(stated, relative, error, base + at[0], line, low, alive, out)
        return out

    sd, noise = np.exp(-0.3), error[:, None]
    mean = base[:, None] + 0.6 * (np.maximum(low, floor) - centre)
    seen = stated[:, None] + relative * low
    density = stats.norm.logpdf(seen, mean, np.hypot(sd, noise)) - log_ndtr((mean - low) / sd)
    left = sd**2 + noise**2
    with np.errstate(divide="ignore", invalid="ignore"):
        h = ((mean * noise**2 + seen * sd**2) / left - low) / (sd * noise / np.sqrt(left))
        density += np.where(noise > 0, log_ndtr(h), np.where(seen >= low, 0.0, -np.inf))
    expected = alive.mean(axis=1) * np.log((alive * np.exp(density)).sum(axis=1) / alive.sum(axis=1))
    here = found(np.zeros(3))
    np.testing.assert_allclose(here[:, 0], expected, rtol=1e-12)

    step, pairs = 1e-5, [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    for i in range(3):
        slopes = (found(step * np.eye(3)[i]) - found(-step * np.eye(3)[i])) / (2 * step)
        np.testing.assert_allclose(here[:, 1 + i], slopes[:, 0], rtol=1e-6, atol=1e-7)
        for at, (first, second) in enumerate(pairs):
            if first == i:
                np.testing.assert_allclose(here[:, 4 + at], slopes[:, 1 + second], rtol=1e-6, atol=1e-6)


def test_customers_count_with_the_chance_of_being_alive():
    world = category(300, 50, seed=5)
    data, draws = world.data(), world.draws
    once = fit_wallet(data, draws, world.ones)
    twice = np.tile(np.arange(300), 2)
    half = fit_wallet(data.take(twice), draws[twice], np.full((600, 50), 0.5))
    np.testing.assert_allclose(half.mode, once.mode, atol=1e-4)
    np.testing.assert_allclose(half.covariance, once.covariance, rtol=1e-3)
    gone = np.r_[np.ones((300, 50)), np.zeros((300, 50))]
    absurd = WalletData(np.r_[data.stated, data.stated + 5], np.full(600, 0.1), False, data.take(twice).covariates)
    spending = np.r_[draws, draws]
    assert fit_wallet(absurd, spending, gone).customers == 300


def test_wallets_below_spending_are_counted_and_survived():
    world = category(2000, 200, seed=6)
    stated = world.data(error=0.3)
    model = fit_wallet(stated, world.draws, world.ones)
    below = (np.median(world.draws, axis=1) > stated.stated).sum()
    assert below > 20
    assert model.below_spending == pytest.approx(below, abs=3)
    assert model.contradicted == 0
    impossible = stated.stated.copy()
    impossible[:7] = world.draws[:7].min(axis=1) - 1.0
    found = fit_wallet(WalletData(impossible, np.zeros(2000), False, stated.covariates), world.draws, world.ones)
    assert found.contradicted >= 7
    assert found.customers == 2000 - found.contradicted


def test_too_few_wallets_are_refused():
    world = category(LEAST_KNOWN - 1, 20, seed=1)
    with pytest.raises(DataError, match=f"only {LEAST_KNOWN - 1} wallets are known"):
        fit_wallet(world.data(), world.draws, world.ones)


def test_coefficients_have_the_moments_of_the_posterior():
    world = category(300, 50, seed=8)
    model = fit_wallet(world.data(), world.draws, world.ones)
    drawn = model.coefficients(20_000, seed=4)
    together = np.vstack([drawn.beta, drawn.rho, np.log(drawn.sd)])
    error = np.sqrt(np.diag(model.covariance))
    np.testing.assert_allclose(together.mean(axis=1), model.mode, atol=1e-3 * error.max())
    np.testing.assert_allclose(
        np.cov(together) / np.outer(error, error), model.covariance / np.outer(error, error), atol=0.03
    )
    again = model.coefficients(20_000, seed=4)
    assert (again.rho == drawn.rho).all()
    assert (model.coefficients(20_000, seed=5).rho != drawn.rho).any()
    assert model.summary.index.tolist()[0] == "intercept"
    assert model.summary.index.tolist()[-2:] == ["rho", "log_sd"]


def test_nobody_has_covariates():
    rng = np.random.default_rng(4)
    here = rng.normal(0, 1, 3000)
    model = fit_wallet(bare(3.0 + 0.2 * here + 0.4 * rng.standard_normal(3000)), here[:, None], np.ones((3000, 1)))
    assert model.regressors == ()
    expected = np.array([3.0 + 0.2 * model.centre, 0.2, np.log(0.4)])
    assert (np.abs(model.mode - expected) < 4 * np.sqrt(np.diag(model.covariance))).all()


def test_design_of_the_regression():
    rng = np.random.default_rng(3)
    count = 400
    region = np.array(["a"] * 200 + ["b"] * 150 + ["rare"] * (LEAST_OF_LEVEL - 1) + ["c"] * 41, dtype=object)
    employees = np.where(np.arange(count) % 4 == 0, np.nan, rng.normal(50, 10, count))
    shop = pd.array(rng.random(count) < 0.3, dtype="boolean")
    covariates = pd.DataFrame({"region": region, "employees": employees, "shop": shop, "same": 1.0})
    stated = np.where(np.arange(count) < 390, 1.0, np.nan)
    data = WalletData(stated, np.zeros(count), False, covariates)
    found = regressors_of(data)
    assert [r.label for r in found] == [
        "region = a",
        "region = b",
        "region = c",
        "employees",
        "employees is not known",
        "shop",
    ]
    x = design(found, covariates)
    assert x[:, 0].tolist() == [1.0] * count
    assert x[:, 1].sum() == 200
    assert x[350:359, 1:4].sum() == 0, "a rare region stands with the intercept"
    surveyed = slice(0, 390)
    assert x[surveyed, 4][x[surveyed, 5] == 0].mean() == pytest.approx(0, abs=1e-12)
    assert (x[x[:, 5] == 1, 4] == 0).all()
    assert [
        r.label for r in regressors_of(WalletData(stated, stated, False, covariates.iloc[:, :1].replace("rare", "b")))
    ] == [
        "region = b",
        "region = c",
    ], "without rare ones the most frequent region is the reference"
    unseen = covariates.assign(region="elsewhere", employees=np.nan)
    assert design(found, unseen)[:, 1:5].sum() == 0


def test_choice_of_customers_does_not_depend_on_their_order():
    ids = [f"K{i}" for i in range(500)]
    keys, cohort = text_keys(ids), np.arange(500) % 3
    data = bare(np.where(np.arange(500) % 5 == 0, np.nan, 1.0))
    mixed = np.random.default_rng(1).permutation(500)
    chosen, again = survey_rows(data, keys, 60), survey_rows(data.take(mixed), keys[mixed], 60)
    assert len(chosen) == 60
    assert data.known[chosen].all()
    assert set(mixed[again]) == set(chosen)
    assert (survey_rows(data, keys) == np.flatnonzero(data.known)).all()
    peers = peer_rows(cohort, keys, 20)
    assert np.bincount(cohort[peers]).tolist() == [20, 20, 20]
    assert set(mixed[peer_rows(cohort[mixed], keys[mixed], 20)]) == set(peers)


def test_draws_that_a_fit_uses():
    assert used_draws(10, 400).tolist() == list(range(400))
    assert len(used_draws(10, 5000)) == MOST_DRAWS
    many = used_draws(20_000, 1000)
    assert len(many) == PAIRS // 20_000
    assert many[0] == 0
    assert set(np.diff(many)) == {10}


def test_spending_of_nothing_has_a_logarithm():
    assert np.isfinite(log_spending(np.array([[0.0]]), np.array([[1.0]]))).all()


PEOPLE = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c", "d"],
        "frequency": [0, 1, 2, 3],
        "wallet": [1200.0, np.nan, 52.1785, 600.0],
        "error": [0.1, np.nan, 0.0, 0.3],
        "share": [1.0, 0.25, np.nan, 0.5],
        "region": ["n", "s", "n", None],
    }
)


def test_reading_wallets_and_shares():
    data = read_wallets(
        PEOPLE, wallet="column:wallet", wallet_error="column:error", covariates=["region"], time_unit="week"
    )
    np.testing.assert_allclose(np.exp(data.stated), PEOPLE["wallet"] * 7 / 365.25)
    assert data.error.tolist() == [0.1, 0.0, 0.0, 0.3]
    assert data.known_share == 0.75
    shares = read_wallets(PEOPLE, share="share", time_unit="week")
    np.testing.assert_allclose(np.exp(-shares.stated), PEOPLE["share"])
    assert shares.relative
    assert shares.take(np.array([2])).known_share == 0


def test_all_that_is_wrong_is_said_at_once():
    broken = PEOPLE.assign(wallet=["much", -1.0, 0.0, 5.0], error=[0.1, 0.1, -0.2, np.nan])
    with pytest.raises(DataError) as raised:
        read_wallets(
            broken, wallet="wallet", wallet_error="column:error", covariates=["regon", "frequency"], time_unit="day"
        )
    text = str(raised.value)
    assert "column 'regon' is not in the customer summary. Did you mean 'region'?" in text
    assert "covariate 'frequency' is made of the customer's own orders" in text
    assert "1 customer: column 'wallet' is not a number (first: a)" in text
    assert "2 customers: wallet (column 'wallet') is not positive and finite (first: b, c)" in text
    assert "2 customers: wallet_error (column 'error') is missing, negative or infinite (first: c, d)" in text
    with pytest.raises(DataError, match=r"2 customers: share \(column 'share'\) lies outside \(0, 1\] \(first: a, b\)"):
        read_wallets(PEOPLE.assign(share=[0.0, 25.0, 0.2, None]), share="column:share", time_unit="day")
    with pytest.raises(DataError, match="covariate 'size' is infinite"):
        read_wallets(PEOPLE.assign(size=np.inf), share="share", covariates=["size"], time_unit="day")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"wallet": "wallet", "share": "share"},
        {"share": "share", "wallet_error": 0.2},
        {"wallet": "wallet", "wallet_error": -1.0},
    ],
)
def test_what_cannot_be_meant_is_refused(given):
    with pytest.raises(UsageError, match="wallet"):
        read_wallets(PEOPLE, time_unit="day", **given)
