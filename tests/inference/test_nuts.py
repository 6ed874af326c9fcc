"""NUTS: what its random streams depend on, and what it says it did."""

import dataclasses

import numpy as np
import pytest

import kundenwert as kw

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
    assert sample_posterior.engine == "nuts"
    assert any("auto chose nuts" in choice for choice in sample_posterior.choices)


def test_complete_pooling_repeats_one_vector(monthly_sample: tuple[kw.CustomerSummary, kw.Holdout]) -> None:
    posterior = kw.fit(monthly_sample[0], pooling="complete", engine=SHORT)
    assert posterior.draws["r"].shape == (2, 200, 3)
    for values in posterior.draws.values():
        np.testing.assert_array_equal(values[..., 0], values[..., 2])


def test_progress_ends_at_one(monthly_sample: tuple[kw.CustomerSummary, kw.Holdout]) -> None:
    seen: list[tuple[str, float]] = []
    kw.fit(monthly_sample[0], pooling="none", engine=SHORT, progress=lambda text, share: seen.append((text, share)))
    assert all(0 <= share <= 1 for _, share in seen)
    assert {text for text, _ in seen} <= {"fit purchase", "fit spend"}
