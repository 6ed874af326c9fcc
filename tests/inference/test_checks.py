"""Each check rings where its fault is planted, and is silent where there is none."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from made import make_posterior

import kundenwert as kw
from kundenwert.errors import UsageError
from kundenwert.inference.diagnostics import holdout_bias
from kundenwert.inference.findings import Checks, Finding
from kundenwert.inference.predictive import Tracking
from kundenwert.names import Verdict


def simulated(customers: int = 3000, **parameters: float) -> kw.CustomerSummary:
    from kundenwert.simulate import CDNOW_LIKE

    base = kw.simulate_customers(customers, parameters={**CDNOW_LIKE, **parameters}, seed=4)
    return kw.summarize(
        base.transactions,
        customer="customer_id",
        time="date",
        amount="spend",
        cohort="all",
        observation_end=base.observation_end,
    )


@pytest.fixture(scope="module")
def summary() -> kw.CustomerSummary:
    return simulated()


def finding(checks: Checks, name: str) -> Finding:
    return next(f for f in checks.findings if f.name.startswith(name))


def test_a_sound_posterior_passes(summary: kw.CustomerSummary) -> None:
    checks = kw.check(make_posterior(spread=0.05), summary, horizon="3 years")
    assert checks.verdict is Verdict.PASS, checks
    assert checks.passed == len(checks.findings)


def test_chains_that_disagree_fail(summary: kw.CustomerSummary) -> None:
    posterior = make_posterior(spread=0.05)
    posterior.draws["alpha"][0] *= 1.2
    found = finding(kw.check(posterior, summary), "chains agree")
    assert found.verdict is Verdict.FAIL
    assert "alpha" in found.cause


def test_few_effective_draws_fail(summary: kw.CustomerSummary) -> None:
    posterior = make_posterior(spread=0.0)
    rng = np.random.default_rng(3)
    for name, values in posterior.draws.items():
        walk = 0.05 * rng.normal(size=values.shape)
        for i in range(1, values.shape[1]):
            walk[:, i] += 0.9 * walk[:, i - 1]
        values *= np.exp(walk if name == "q" else 0.05 * rng.normal(size=values.shape))
    found = finding(kw.check(posterior, summary, max_rhat=2.0), "enough independent draws")
    assert found.verdict is Verdict.FAIL
    assert "draws of q" in found.cause


@pytest.mark.parametrize(("count", "verdict"), [(0, Verdict.PASS), (1, Verdict.REVIEW), (30, Verdict.FAIL)])
def test_divergences(summary: kw.CustomerSummary, count: int, verdict: Verdict) -> None:
    posterior = make_posterior(spread=0.05)
    posterior.sample_stats["purchase_diverging"].reshape(-1)[:count] = True
    assert finding(kw.check(posterior, summary), "no divergent").verdict is verdict


def test_runaway_dropout_is_reviewed(summary: kw.CustomerSummary) -> None:
    posterior = make_posterior(("all",), spread=0.05)
    posterior.draws["a"][:] *= 1e4
    posterior.draws["b"][:] *= 1e4
    found = finding(kw.check(posterior, summary), "dropout is identified")
    assert found.verdict is Verdict.REVIEW
    assert "all" in found.measured


def test_a_posterior_as_wide_as_the_prior_is_reviewed(summary: kw.CustomerSummary) -> None:
    posterior = make_posterior(spread=0.05)
    wide = np.exp(np.random.default_rng(1).normal(0.0, 1.4, posterior.draws["a"].shape))
    posterior.draws["a"][:] *= wide
    posterior.draws["b"][:] *= wide
    assert finding(kw.check(posterior, summary), "dropout is identified").verdict is Verdict.REVIEW


def test_spend_without_a_mean_fails() -> None:
    heavy = simulated(q=0.8)
    assert finding(kw.check(make_posterior(spread=0.05), heavy), "mean spend exists").verdict is Verdict.FAIL


def test_spend_without_a_variance_is_reviewed() -> None:
    heavy = simulated(q=1.6)
    assert finding(kw.check(make_posterior(spread=0.05), heavy), "mean spend exists").verdict is Verdict.REVIEW


def test_spend_that_grows_with_frequency_is_reviewed(summary: kw.CustomerSummary) -> None:
    table = summary.table.copy()
    table["monetary_value"] *= 1 + 0.3 * table["frequency"]
    found = finding(kw.check(make_posterior(spread=0.05), dataclasses.replace(summary, table=table)), "spend is indep")
    assert found.verdict is Verdict.REVIEW
    assert found.value == pytest.approx(
        np.corrcoef(*table.loc[table["spend_days"] > 0, ["frequency", "monetary_value"]].to_numpy().T)[0, 1]
    )


def test_too_little_data_is_reviewed(summary: kw.CustomerSummary) -> None:
    few = dataclasses.replace(summary, table=summary.table.head(60))
    found = finding(kw.check(make_posterior(spread=0.05), few, horizon="10 years"), "enough data")
    assert found.verdict is Verdict.REVIEW
    assert "ranks are usable, euros are not" in found.next_step.lower()
    assert "sixth" in found.cause


def test_one_time_buyers_are_counted(summary: kw.CustomerSummary) -> None:
    found = finding(kw.check(make_posterior(spread=0.05), summary), "one-time")
    assert found.value == (summary.table["frequency"] == 0).mean()
    assert "mbgnbd" in found.next_step


def test_a_posterior_in_another_unit_is_refused(summary: kw.CustomerSummary) -> None:
    with pytest.raises(UsageError, match=r"weeks.*days"):
        kw.check(make_posterior(), dataclasses.replace(summary, time_unit=kw.TimeUnit.DAY))


def tracking(expected: float, came: int | None) -> Tracking:
    empty = np.zeros(0)
    total = expected + np.linspace(-40.0, 40.0, 200)
    return Tracking(
        week_end=empty,
        calibration_weeks=39,
        observed=empty,
        replicated=empty,
        frequency_observed=empty,
        frequency_replicated=empty,
        holdout_days=273,
        holdout_expected=np.array([expected]),
        holdout_p_silent=empty,
        holdout_total=total,
        group_replicated=empty,
        recency_replicated=empty,
        observed_total=came,
    )


@pytest.mark.parametrize(
    ("expected", "came", "verdict", "words"),
    [
        (1000.0, 1010, Verdict.PASS, ""),
        (860.0, 1000, Verdict.PASS, "too low"),
        (700.0, 1000, Verdict.FAIL, "too low"),
        (1300.0, 1000, Verdict.FAIL, "too high"),
    ],
)
def test_holdout_bias(expected: float, came: int, verdict: Verdict, words: str) -> None:
    (found,) = holdout_bias(tracking(expected, came))
    assert found.verdict is verdict
    assert found.value == pytest.approx(expected / came - 1)
    assert words in found.affects if words else found.affects == ""


def test_check_takes_the_holdout_in(summary: kw.CustomerSummary) -> None:
    checks = kw.check(make_posterior(spread=0.05), summary, tracking=tracking(700.0, 1000))
    assert checks.verdict is Verdict.FAIL
    assert checks.findings[0].name == "repeat orders after the cut"
    assert (
        kw.check(make_posterior(spread=0.05), summary, tracking=tracking(700.0, 1000), max_bias=0.4).verdict
        is Verdict.PASS
    )


def test_no_holdout_no_finding() -> None:
    assert holdout_bias(tracking(100.0, None)) == []


def test_the_worst_finding_is_the_verdict_and_comes_first(summary: kw.CustomerSummary) -> None:
    sound = kw.check(make_posterior(spread=0.05), summary).findings
    checks = Checks.of((*sound, Finding("planted", Verdict.FAIL, "1", "0", "because", "do this")))
    assert checks.verdict is Verdict.FAIL
    assert checks.findings[0].name == "planted"
    assert "because do this" in repr(checks)
    assert isinstance(checks._repr_html_(), str)


def test_a_plain_frame_has_spend_days_where_money_is() -> None:
    from kundenwert.inference.compression import spend_days

    frame = pd.DataFrame({"frequency": [0, 2, 3], "monetary_value": [0.0, 5.0, 0.0]})
    assert spend_days(frame).tolist() == [0.0, 2.0, 0.0]
