"""Replicates against closed forms: the posterior is one known point, so every mean has an exact value."""

import dataclasses

import numpy as np
import pytest
from made import make_posterior

import kundenwert as kw
from kundenwert.errors import UsageError
from kundenwert.families import BGNBD, MBGNBD
from kundenwert.simulate import CDNOW_LIKE

REPLICATES = 400


@pytest.fixture(scope="module", params=["bgnbd", "mbgnbd"])
def tracked(request: pytest.FixtureRequest) -> tuple[kw.Tracking, kw.CustomerSummary, kw.Holdout, str]:
    base = kw.simulate_customers(400, purchase=request.param, seed=8)
    summary, holdout = kw.split(
        base.transactions, base.observation_end, customer="customer_id", time="date", amount="spend", cohort="all"
    )
    posterior = make_posterior(purchase=request.param)
    return kw.track(posterior, summary, holdout, replicates=REPLICATES, seed=3), summary, holdout, request.param


def z(values: np.ndarray, expected: float) -> float:
    return float((values.mean() - expected) / (values.std(ddof=1) / np.sqrt(len(values))))


def test_before_the_cut_weeks_follow_the_population(tracked) -> None:
    """Week by week the replicated mean is sum_i E[X(end - s_i)] - E[X(start - s_i)], the field's tracking curve."""
    tracking, summary, _, name = tracked
    family = {"bgnbd": BGNBD, "mbgnbd": MBGNBD}[name]
    age = summary.table["T"].to_numpy()
    weeks = tracking.calibration_weeks
    ends = np.array(
        [
            family.expected_purchases_new(CDNOW_LIKE, np.maximum(age - (weeks - 1 - k), 0.0)).sum()
            for k in range(-1, weeks)
        ]
    )
    calibration = tracking.replicated[:, :weeks]
    scores = [z(calibration[:, k], wanted) for k, wanted in enumerate(np.diff(ends))]
    assert np.abs(scores).max() < 4.5
    assert abs(z(calibration.sum(axis=1), ends[-1])) < 4


def test_after_the_cut_totals_follow_the_conditional_expectation(tracked) -> None:
    tracking, summary, holdout, name = tracked
    family = {"bgnbd": BGNBD, "mbgnbd": MBGNBD}[name]
    x, t_x, age = (summary.table[c].to_numpy(dtype=float) for c in ("frequency", "recency", "T"))
    exact = family.expected_purchases(CDNOW_LIKE, x, t_x, age, holdout.days / 7)
    assert abs(z(tracking.holdout_total, exact.sum())) < 4
    assert tracking.holdout_expected.sum() == pytest.approx(exact.sum(), rel=0.02)
    assert tracking.holdout_expected[x >= 3].mean() == pytest.approx(exact[x >= 3].mean(), rel=0.05)
    silent = family.p_no_purchase(CDNOW_LIKE, x, t_x, age, holdout.days / 7)
    np.testing.assert_allclose(tracking.holdout_p_silent, silent, rtol=1e-12)
    for group in range(3):
        assert abs(z(tracking.group_replicated[:, group], exact[x == group].mean())) < 4.5


def test_frequencies_follow_the_purchase_distribution(tracked) -> None:
    tracking, summary, _, name = tracked
    family = {"bgnbd": BGNBD, "mbgnbd": MBGNBD}[name]
    age = summary.table["T"].to_numpy()
    for count in range(4):
        exact = family.purchase_distribution_new(CDNOW_LIKE, count, age).sum()
        assert abs(z(tracking.frequency_replicated[:, count], exact)) < 4.5
    assert (tracking.frequency_replicated.sum(axis=1) == len(summary.table)).all()


def test_observed_weeks_add_up_to_the_log(tracked) -> None:
    tracking, summary, holdout, _ = tracked
    weeks = tracking.calibration_weeks
    assert tracking.observed[:weeks].sum() == summary.table["frequency"].sum()
    assert tracking.observed[weeks:].sum() == holdout.table["purchases"].sum() == tracking.observed_total
    assert tracking.week_end[weeks - 1] == np.datetime64(summary.observation_end)
    assert tracking.frequency_observed.sum() == len(summary.table)


def test_without_a_holdout_there_is_no_forecast() -> None:
    base = kw.simulate_customers(100, seed=8)
    log = base.transactions[base.transactions["date"].dt.date <= base.observation_end]
    summary, holdout = kw.split(
        log, base.observation_end, customer="customer_id", time="date", amount="spend", cohort="all"
    )
    tracking = kw.track(make_posterior(), summary, holdout, replicates=10, seed=3)
    assert tracking.observed_total is None
    assert tracking.holdout_expected.sum() == 0
    assert "no holdout" in repr(tracking)


def test_a_summary_without_days_is_refused() -> None:
    base = kw.simulate_customers(100, seed=8)
    summary, holdout = kw.split(
        base.transactions, base.observation_end, customer="customer_id", time="date", amount="spend", cohort="all"
    )
    bare = dataclasses.replace(summary, table=summary.table.drop(columns="first_day"))
    with pytest.raises(UsageError, match="transaction log"):
        kw.track(make_posterior(), bare, holdout, seed=1)


def test_prior_and_posterior_predictive_follow_their_draws() -> None:
    base = kw.simulate_customers(300, seed=8)
    summary = kw.summarize(base.transactions, customer="customer_id", time="date", amount="spend", cohort="all")
    posterior = make_posterior()
    drawn = kw.posterior_predictive(posterior, summary, replicates=300)
    exact = BGNBD.expected_purchases_new(CDNOW_LIKE, summary.table["T"].to_numpy()).sum()
    assert drawn.shape == (300, len(summary.table))
    assert abs(z(drawn.sum(axis=1), exact)) < 4
    # The made prior is wide around the same point: its replicates must spread far more than the posterior's.
    prior = kw.prior_predictive(posterior, summary, replicates=300)
    assert prior.sum(axis=1).std() > 5 * drawn.sum(axis=1).std()
