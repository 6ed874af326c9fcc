"""The judge's likelihoods, and the input that contestants read.

Truths: BG/NBD on the CDNOW sample, log-likelihood -9582.4304780137 at (.243, 4.414, .793, 2.426) in 30-digit numbers,
and at the maxima -9582.4292 and -4055.9177 (Fader, Hardie, Lee 2005; BTYD 2.4.3, CLVTools 0.12.1, lifetimes 0.11.3).
"""

import json
import math

import pytest
from contestants import data
from harness.judge import log_likelihood, read_customers
from run import Judge


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("input")
    data.write(folder)
    return folder


@pytest.fixture(scope="module")
def customers(written):
    return read_customers(written / "sample-summary.csv")


def test_facts_are_those_of_cdnow(written):
    facts = json.loads((written / "facts.json").read_text())
    assert facts["sample"] == {"orders": 6919, "customers": 2357, "holdout_purchases": 1882}
    assert facts["master"] == {"orders": 69659, "customers": 23570, "holdout_purchases": 19684}


def test_every_customer_is_read(customers):
    assert customers["bgnbd"].total() == 2357
    assert sum(count * x for (x, *_), count in customers["bgnbd"].items()) == 2457


def test_bgnbd_at_the_rounded_estimates_of_the_paper(customers):
    theta = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    assert log_likelihood("bgnbd", theta, customers) == pytest.approx(-9582.430478013672, abs=1e-8)


@pytest.mark.parametrize(
    ("family", "theta", "expected"),
    [
        ("bgnbd", {"r": 0.24259, "alpha": 4.41360, "a": 0.79292, "b": 2.42589}, -9582.4292),
        ("gamma_gamma", {"p": 6.2493, "q": 3.7443, "v": 15.4443}, -4055.9177),
    ],
)
def test_at_the_maximum(customers, family, theta, expected):
    assert log_likelihood(family, theta, customers) == pytest.approx(expected, abs=1e-4)


def test_a_row_is_judged_at_what_it_found(written):
    judge = Judge(written / "sample-summary.csv")
    row = {"status": "ok", "case": "gradient", "result": {}}
    assert judge.judged(row)["result"]["log_likelihood"] == pytest.approx(-9582.430478013672, abs=1e-8)
    row = {"status": "ok", "case": "fit_gamma_gamma", "result": {"estimates": {"p": 6.2493, "q": 3.7443, "v": 15.4443}}}
    assert judge.judged(row)["result"]["log_likelihood"] == pytest.approx(-4055.9177, abs=1e-4)
    assert judge.judged({"status": "timeout", "case": "gradient"}) == {"status": "timeout", "case": "gradient"}


def test_impossible_parameters_have_no_likelihood(customers):
    assert math.isnan(log_likelihood("gamma_gamma", {"p": 1.0, "q": -1.0, "v": 1.0}, customers))
    assert math.isnan(log_likelihood("gamma_gamma", {"p": 1.0, "q": math.nan, "v": 1.0}, customers))
