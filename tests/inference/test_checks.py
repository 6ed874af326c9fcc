"""Each check rings where its fault is planted, and is silent where there is none."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from made import make_posterior

import kundenwert as kw
from kundenwert.errors import UsageError
from kundenwert.inference.findings import Checks, Finding
from kundenwert.inference.holdout_checks import holdout_bias, return_bias
from kundenwert.inference.predictive import Tracking
from kundenwert.names import Pooling, Verdict


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


@pytest.mark.parametrize("name", ["r", "alpha", "a", "b", "p", "q", "v"])
@pytest.mark.parametrize("fault", ["disagree", "stuck", "nan"])
def test_chains_that_disagree_or_stand_still_fail(summary: kw.CustomerSummary, name: str, fault: str) -> None:
    posterior = make_posterior(spread=0.05)
    if fault == "disagree":
        posterior.draws[name][0] *= 1.2
    elif fault == "stuck":
        posterior.draws[name][:] = 2.0
    else:
        posterior.draws[name][0, 3] = np.nan
    found = finding(kw.check(posterior, summary), "chains agree")
    assert found.verdict is Verdict.FAIL
    assert f"disagree about {name}," in found.cause


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


@pytest.mark.parametrize("size", [600, 1200])
def test_one_cohort_without_a_mean_does_not_hide_in_the_base(size: int) -> None:
    from kundenwert.simulate import CDNOW_LIKE

    tame, wild = {**CDNOW_LIKE, "q": 6.0}, {**CDNOW_LIKE, "q": 0.7}
    base = kw.simulate_customers(2500, parameters={"a": tame, "b": tame, "c": wild}, seed=4)
    log = base.transactions
    drop = base.customers.loc[base.customers["cohort"] == "c", "customer_id"].iloc[size:]
    summary = kw.summarize(
        log[~log["customer_id"].isin(drop)],
        customer="customer_id",
        time="date",
        amount="spend",
        cohort="column:cohort",
        observation_end=base.observation_end,
    )
    posterior = make_posterior(("a", "b", "c"), spread=0.05, pooling=Pooling.PARTIAL)
    found = finding(kw.check(posterior, summary), "mean spend exists")
    assert found.verdict is Verdict.FAIL
    assert "cohort c" in found.measured


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


def tracking(
    expected: float, came: int, *, days: int = 273, silent: np.ndarray | None = None, observed: np.ndarray | None = None
) -> Tracking:
    """Forecasts of a total whose replicates are Poisson, or of single customers' silence."""
    empty = np.zeros(0)
    return Tracking(
        week_end=empty,
        calibration_weeks=39,
        observed=empty,
        replicated=empty,
        frequency_observed=empty,
        frequency_replicated=empty,
        holdout_days=days,
        holdout_expected=np.array([expected]),
        holdout_p_silent=empty if silent is None else silent,
        holdout_total=np.random.default_rng(1).poisson(expected, 400),
        group_replicated=empty,
        recency_replicated=empty,
        holdout_observed=np.array([came]) if observed is None else observed,
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


@pytest.mark.parametrize(("expected", "came"), [(2.0, 3), (5.0, 2), (0.5, 0), (3.0, 0)])
def test_a_handful_of_orders_fails_nobody(expected: float, came: int) -> None:
    """The true model misses a day's few orders by more than a quarter as a rule; chance must explain that."""
    (found,) = holdout_bias(tracking(expected, came, days=1))
    assert found.verdict is Verdict.PASS
    assert "chance" in found.cause
    assert "inf" not in found.measured


def test_a_failing_holdout_has_a_cause_and_a_next_step() -> None:
    (found,) = holdout_bias(tracking(700.0, 1000))
    assert "more than their past and chance together" in found.cause
    assert found.next_step


def silence(summary: kw.CustomerSummary, gap_again: float, sure: bool = False) -> Tracking:
    """Stated silence: exact for one-time buyers, off by `gap_again` for repeat buyers."""
    rng = np.random.default_rng(2)
    again = summary.table["frequency"].to_numpy() > 0
    truth = np.where(again, 0.6 if sure else 0.5, 0.85)
    stated = np.where(again, truth + gap_again, truth)
    return tracking(1.0, 1, silent=stated, observed=(rng.random(len(again)) > truth).astype(int))


def test_who_returns_is_judged_by_group(summary: kw.CustomerSummary) -> None:
    """Pooled, a gap among the repeat buyers is diluted; apart it is seen."""
    (sound,) = return_bias(silence(summary, 0.0), summary)
    assert sound.verdict is Verdict.PASS
    (off,) = return_bias(silence(summary, 0.2), summary)
    assert off.verdict is Verdict.REVIEW
    assert off.value == pytest.approx(0.3 / 0.5 - 1, abs=0.06)
    assert "again" in off.cause


def test_customers_taken_for_gone_who_return_are_named(summary: kw.CustomerSummary) -> None:
    (found,) = return_bias(silence(summary, 0.35, sure=True), summary)
    assert "nearly surely gone" in found.cause
    assert "dormant" in found.affects


def test_check_takes_the_holdout_in(summary: kw.CustomerSummary) -> None:
    forecast = silence(summary, 0.0)
    wrong = dataclasses.replace(
        forecast, holdout_expected=0.5 * forecast.holdout_observed, holdout_total=0.5 * forecast.holdout_total
    )
    checks = kw.check(make_posterior(spread=0.05), summary, tracking=wrong)
    assert checks.verdict is Verdict.FAIL
    assert checks.findings[0].name == "repeat orders after the cut"


def test_no_holdout_no_finding() -> None:
    assert holdout_bias(tracking(100.0, 0, days=0)) == []


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
