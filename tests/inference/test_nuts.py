"""NUTS: what its random streams depend on, and what it says it did."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.inference.engines import _compiled
from kundenwert.streams import text_key

SHORT = kw.Nuts(draws=400, chains=2, tune=200)


@pytest.fixture(scope="module")
def alone(monthly_sample: tuple[kw.CustomerSummary, kw.Holdout]) -> kw.Posterior:
    return kw.fit(monthly_sample[0], pooling="none", engine=SHORT)


def test_a_cohort_more_leaves_the_others_draws_alone(
    monthly_sample: tuple[kw.CustomerSummary, kw.Holdout], alone: kw.Posterior
) -> None:
    summary = monthly_sample[0]
    fewer = dataclasses.replace(summary, table=summary.table[summary.table["cohort"] != "1997-02"])
    two = kw.fit(fewer, pooling="none", engine=SHORT)
    assert two.cohorts == ("1997-01", "1997-03")
    for name, draws in two.draws.items():
        np.testing.assert_array_equal(draws, alone.draws[name][..., [0, 2]])


def test_the_order_of_rows_changes_nothing(
    monthly_sample: tuple[kw.CustomerSummary, kw.Holdout], alone: kw.Posterior
) -> None:
    summary = monthly_sample[0]
    shuffled = dataclasses.replace(summary, table=summary.table.sample(frac=1.0, random_state=1))
    again = kw.fit(shuffled, pooling="none", engine=SHORT)
    for name, draws in again.draws.items():
        np.testing.assert_array_equal(draws, alone.draws[name])


def test_another_seed_gives_other_draws(
    monthly_sample: tuple[kw.CustomerSummary, kw.Holdout], alone: kw.Posterior
) -> None:
    other = kw.fit(monthly_sample[0], pooling="none", engine=SHORT, seed=2)
    assert not np.array_equal(other.draws["r"], alone.draws["r"])


def test_auto_says_what_it_chose(sample_posterior: kw.Posterior) -> None:
    assert sample_posterior.engine == "importance"
    assert any("auto chose importance: Pareto k" in choice for choice in sample_posterior.choices)


def test_complete_pooling_repeats_one_vector(monthly_sample: tuple[kw.CustomerSummary, kw.Holdout]) -> None:
    posterior = kw.fit(monthly_sample[0], pooling="complete", engine=SHORT)
    assert posterior.draws["r"].shape == (2, 200, 3)
    for values in posterior.draws.values():
        np.testing.assert_array_equal(values[..., 0], values[..., 2])


def test_progress_ends_at_one(monthly_sample: tuple[kw.CustomerSummary, kw.Holdout]) -> None:
    seen: list[tuple[str, float]] = []
    kw.fit(monthly_sample[0], pooling="none", engine=SHORT, progress=lambda text, share: seen.append((text, share)))
    assert all(0 <= share <= 1 for _, share in seen)
    for text in ("fit purchase", "fit spend"):
        assert max(share for said, share in seen if said == text) == 1.0


def test_names_of_customers_change_no_draw(
    monthly_sample: tuple[kw.CustomerSummary, kw.Holdout], alone: kw.Posterior
) -> None:
    """Other names sort otherwise, and rows reach the sampler in the order of their content."""
    summary = monthly_sample[0]
    renamed = summary.table.assign(customer_id=[text_key(i) for i in summary.table["customer_id"]])
    again = kw.fit(dataclasses.replace(summary, table=renamed.sort_values("customer_id")), pooling="none", engine=SHORT)
    for name, draws in again.draws.items():
        np.testing.assert_array_equal(draws, alone.draws[name])


def test_a_cohort_without_repeats_is_not_moved_by_another(
    monthly_sample: tuple[kw.CustomerSummary, kw.Holdout],
) -> None:
    summary = monthly_sample[0]
    table = summary.table.copy()
    quiet = table["cohort"] == "1997-01"
    table.loc[quiet, ["frequency", "recency", "monetary_value", "spend_days"]] = 0
    both = kw.fit(dataclasses.replace(summary, table=table), pooling="none", engine=SHORT)
    one = kw.fit(dataclasses.replace(summary, table=table[quiet]), pooling="none", engine=SHORT)
    for name, draws in one.draws.items():
        np.testing.assert_array_equal(draws[..., 0], both.draws[name][..., 0])


def test_one_compilation_serves_all_cohorts(monthly_sample: tuple[kw.CustomerSummary, kw.Holdout]) -> None:
    by_week = kw.summarize(
        kw.examples.cdnow_sample(), customer="customer_id", time="date", amount="spend", cohort="week"
    )
    before = _compiled.cache_info()
    posterior = kw.fit(by_week, pooling="none", engine=kw.Nuts(draws=40, chains=2, tune=20))
    after = _compiled.cache_info()
    assert len(posterior.cohorts) > 10
    assert after.misses - before.misses <= 2


@pytest.mark.parametrize("unit", ["day", "month"])
def test_the_time_unit_changes_no_value_in_money(
    sample: tuple[kw.CustomerSummary, kw.Holdout], sample_posterior: kw.Posterior, unit: str
) -> None:
    """Rates convert exactly; what is left is Monte Carlo error of two chains that start alike and part."""
    weekly = sample[0]
    other = kw.summarize(
        kw.examples.cdnow_sample(),
        customer="customer_id",
        time="date",
        amount="spend",
        cohort="all",
        observation_end=weekly.observation_end,
        time_unit=unit,
        currency="USD",
    )
    posterior = kw.fit(other, pooling="complete")
    per_week = kw.TimeUnit(unit).days / 7
    for name, factor in (("r", 1.0), ("alpha", per_week), ("a", 1.0), ("b", 1.0)):
        one, two = sample_posterior.draws[name], factor * posterior.draws[name]
        assert abs(one.mean() - two.mean()) < 0.15 * one.std(), name
    terms = {"horizon": "1 year", "discount_rate": 0.1, "margin": 0.3, "draws": 400}
    values = [
        kw.estimate_value(p, s, **terms).table["actual_value"].sum()
        for p, s in ((sample_posterior, weekly), (posterior, other))
    ]
    assert values[0] == pytest.approx(values[1], rel=0.02)


def test_fitting_touches_no_input(monthly_sample: tuple[kw.CustomerSummary, kw.Holdout]) -> None:
    summary, holdout = monthly_sample
    before, kept = summary.table.copy(deep=True), holdout.table.copy(deep=True)
    posterior = kw.fit(summary, pooling="complete", engine=SHORT)
    draws = {name: values.copy() for name, values in posterior.draws.items()}
    kw.check(posterior, summary, tracking=kw.track(posterior, summary, holdout, replicates=5))
    pd.testing.assert_frame_equal(summary.table, before)
    pd.testing.assert_frame_equal(holdout.table, kept)
    for name, values in posterior.draws.items():
        np.testing.assert_array_equal(values, draws[name])
