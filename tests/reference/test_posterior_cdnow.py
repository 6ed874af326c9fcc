"""The posterior of the CDNOW sample against what is known from outside: MLE, another package's posterior, holdout.

Maximum-likelihood figures and standard errors: Fader, Hardie and Lee (2005), Fader and Hardie (2013), and the output
of CLVTools 0.12.1. Posterior means and standard deviations: pymc-marketing 1.3.0 with its own priors. Holdout figures:
CLVTools and BTYD, point forecasts at the maximum-likelihood estimate.
"""

import numpy as np
import pytest
from scipy.stats import rankdata

import kundenwert as kw
from kundenwert.families import BGNBD, MBGNBD

Split = tuple[kw.CustomerSummary, kw.Holdout]

BGNBD_MLE = {"r": (0.24259, 0.01256), "alpha": (4.41360, 0.37822), "a": (0.79292, 0.18573), "b": (2.42589, 0.70541)}
GAMMA_GAMMA_MLE = {"p": (6.2493, 1.190), "q": (3.7443, 0.290), "v": (15.4443, 4.160)}


@pytest.mark.parametrize("name", BGNBD_MLE)
def test_bgnbd_means_lie_by_the_mle(sample_posterior: kw.Posterior, name: str) -> None:
    estimate, error = BGNBD_MLE[name]
    assert abs(sample_posterior.draws[name].mean() - estimate) < 2 * error


@pytest.mark.parametrize(
    ("name", "mean", "sd"),
    [("r", 0.2451, 0.0129), ("alpha", 4.498, 0.386), ("a", 0.779, 0.190), ("b", 2.400, 0.738)],
)
def test_bgnbd_agrees_with_another_posterior(sample_posterior: kw.Posterior, name: str, mean: float, sd: float) -> None:
    """pymc-marketing's priors are flatter, so means may differ by half a standard deviation and widths by a quarter."""
    draws = sample_posterior.draws[name]
    assert abs(draws.mean() - mean) < 0.5 * sd
    assert 0.75 < draws.std() / sd < 1.25


@pytest.mark.parametrize(("name", "estimate"), [("r", 0.52484), ("alpha", 6.18309), ("a", 0.89139), ("b", 1.61405)])
def test_mbgnbd_means_lie_by_the_mle(
    sample: Split, sample_posterior_mbg: kw.Posterior, name: str, estimate: float
) -> None:
    error = kw.maximum_likelihood(sample[0], "mbgnbd").standard_errors[name]
    assert abs(sample_posterior_mbg.draws[name].mean() - estimate) < 2 * error


@pytest.mark.parametrize("name", GAMMA_GAMMA_MLE)
def test_the_spend_prior_moves_946_customers_by_less_than_half_an_error(
    sample_posterior: kw.Posterior, name: str
) -> None:
    """A prior that pulls p from 6.25 to 4.30, as another package's default does, must not pass."""
    estimate, error = GAMMA_GAMMA_MLE[name]
    assert abs(sample_posterior.draws[name].mean() - estimate) < 0.5 * error


def forecast(posterior: kw.Posterior, summary: kw.CustomerSummary, weeks: float, draws: int = 50) -> np.ndarray:
    """Posterior mean of each customer's purchases, from the closed form at `draws` parameter draws."""
    family = {"bgnbd": BGNBD, "mbgnbd": MBGNBD}[posterior.purchase_family]
    x, t_x, T = (summary.table[c].to_numpy(dtype=float)[:, None] for c in ("frequency", "recency", "T"))
    history, index = np.unique(np.hstack([x, t_x, T]), axis=0, return_inverse=True)
    theta = {name: values[:, 0] for name, values in posterior.thinned(draws).items()}
    columns = (history[:, k, None] for k in range(3))
    return family.expected_purchases(theta, *columns, weeks).mean(axis=1)[index.ravel()]


@pytest.mark.parametrize(
    ("family", "total", "mae", "rmse", "correlation"),
    [("bgnbd", 1653.4, 0.7855, 1.6080, 0.6256), ("mbgnbd", 1576.7, 0.7648, 1.6072, 0.6273)],
)
def test_the_holdout_table_at_the_posterior_mean(
    request: pytest.FixtureRequest,
    sample: Split,
    family: str,
    total: float,
    mae: float,
    rmse: float,
    correlation: float,
) -> None:
    """Within 3 % of the point forecasts at the MLE, customer by customer."""
    posterior = request.getfixturevalue("sample_posterior" if family == "bgnbd" else "sample_posterior_mbg")
    predicted = forecast(posterior, sample[0], 39)
    came = sample[1].table["purchases"].to_numpy()
    assert predicted.sum() == pytest.approx(total, rel=0.03)
    assert np.abs(predicted - came).mean() == pytest.approx(mae, rel=0.03)
    assert np.sqrt(((predicted - came) ** 2).mean()) == pytest.approx(rmse, rel=0.03)
    assert np.corrcoef(predicted, came)[0, 1] == pytest.approx(correlation, rel=0.03)


def auc(score: np.ndarray, happened: np.ndarray) -> float:
    """Area under the ROC curve, by ranks."""
    ranks, positives = rankdata(score), happened.sum()
    return (ranks[happened].sum() - positives * (positives + 1) / 2) / (positives * (~happened).sum())


def test_churn_ranks_and_p_alive_does_not(sample: Split, sample_posterior: kw.Posterior) -> None:
    """No purchase in 39 weeks ranks silence with .757 in BTYD; P(alive) ranks purchases with .316, being 1 at x = 0."""
    summary, holdout = sample
    bought = holdout.table["purchases"].to_numpy() > 0
    churn = kw.churn_probability(sample_posterior, summary, horizon="39 weeks", draws=100)
    alive = kw.p_alive(sample_posterior, summary, draws=100)
    assert auc(churn.table["mean"].to_numpy(), ~bought) >= 0.75
    assert auc(alive.table["mean"].to_numpy(), bought) == pytest.approx(0.316, abs=0.01)


def test_the_posterior_passes_its_own_check(sample: Split, sample_posterior: kw.Posterior) -> None:
    names = ("chains agree", "enough independent", "no divergent", "dropout is identified", "mean spend exists")
    for finding in kw.check(sample_posterior, sample[0]).findings:
        if finding.name.startswith(names):
            assert finding.verdict == "PASS", finding
