"""Likelihoods and maximum-likelihood estimates of CDNOW, against papers and other packages.

Sources: Fader, Hardie and Lee (2005) and Fader and Hardie (2013) for the published estimates; BTYD 2.4.3, BTYDplus
1.2.0 and CLVTools 0.12.1 on the same log for the rest; 30-digit arithmetic for the hard inputs.
"""

import numpy as np
import pytest

from kundenwert.families import BGNBD, GAMMA_GAMMA
from kundenwert.inference.point_estimates import maximize_spend

BG = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}

PUBLISHED = {
    "bgnbd": ({"r": 0.24259, "alpha": 4.41360, "a": 0.79292, "b": 2.42589}, -9582.4292),
    "mbgnbd": ({"r": 0.52484, "alpha": 6.18309, "a": 0.89139, "b": 1.61405}, -9582.136),
    "gamma_gamma": ({"p": 6.2493, "q": 3.7443, "v": 15.4443}, -4055.9177),
}
PUBLISHED_ERRORS = {
    "bgnbd": {"r": 0.01256, "alpha": 0.37822, "a": 0.18573, "b": 0.70541},
    "gamma_gamma": {"p": 1.190, "q": 0.290, "v": 4.160},
}
MASTER = {
    "bgnbd": ({"r": 0.25162, "alpha": 4.78894, "a": 0.72343, "b": 2.16108}, -95_368.444),
    "gamma_gamma": ({"p": 6.27534, "q": 3.62444, "v": 14.98371}, -40_763.476),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_sample_estimates(sample_fits, name):
    estimates, log_likelihood = PUBLISHED[name]
    fit = sample_fits[name]
    assert fit.converged, fit.message
    assert dict(fit.estimates) == pytest.approx(estimates, rel=1e-3)
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=5e-4)


@pytest.mark.parametrize("name", PUBLISHED_ERRORS)
def test_sample_standard_errors(sample_fits, name):
    assert dict(sample_fits[name].standard_errors) == pytest.approx(PUBLISHED_ERRORS[name], rel=5e-3)


@pytest.mark.parametrize("name", MASTER)
def test_master_estimates(master_fits, name):
    estimates, log_likelihood = MASTER[name]
    assert dict(master_fits[name].estimates) == pytest.approx(estimates, rel=1e-3)
    assert master_fits[name].log_likelihood == pytest.approx(log_likelihood, abs=1e-3)


def test_gamma_gamma_with_the_first_order(sample_split):
    """CLVTools' set-up with the first transaction kept: n = x + 1, zero-spend days included."""
    table = sample_split[0].table
    n = table["frequency"] + 1
    total = table["first_amount"] + table["spend_days"] * table["monetary_value"]
    paid = total > 0
    fit = maximize_spend(GAMMA_GAMMA, n[paid], (total / n)[paid])
    assert fit.n_customers == 2349
    assert dict(fit.estimates) == pytest.approx({"p": 9.8812, "q": 3.3988, "v": 7.9286}, rel=1e-3)
    assert fit.log_likelihood == pytest.approx(-9898.4509, abs=1e-3)


def test_sample_log_likelihood_to_every_digit(sample_split):
    """30-digit arithmetic at the published, rounded estimates."""
    table = sample_split[0].table
    histories = (table["frequency"], table["recency"], table["T"])
    truth = -9582.430478013672
    assert BGNBD.log_likelihood(BG, *histories).sum() == pytest.approx(truth, rel=1e-13)
    rows = BGNBD.compress(*histories, np.zeros(len(table), dtype=int), 1)
    vectors = {name: np.array([value]) for name, value in BG.items()}
    assert BGNBD.compressed_log_likelihood(vectors, rows) == pytest.approx(truth, rel=1e-13)


@pytest.mark.parametrize(
    ("theta", "history", "truth"),
    [
        ((200, 1e-3, 0.8, 2), (0, 0, 520), -2632.317202726537),
        ((0.243, 4.414, 0.8, 1e16), (5, 3, 50), -18.361066902797962),
        ((1e8, 1e9, 0.793, 2.426), (3, 10, 38), -9.990802000144786),
    ],
)
def test_log_likelihood_where_other_packages_fail(theta, history, truth):
    """30-digit arithmetic; other packages return -inf, -6.90 and an error of 2.7e-7 on these three."""
    named = dict(zip(("r", "alpha", "a", "b"), map(float, theta), strict=True))
    assert BGNBD.log_likelihood(named, *history) == pytest.approx(truth, rel=1e-13)
    rows = BGNBD.compress(*([value] for value in history), [0], 1)
    vectors = {name: np.array([value]) for name, value in named.items()}
    assert BGNBD.compressed_log_likelihood(vectors, rows) == pytest.approx(truth, rel=1e-13)
