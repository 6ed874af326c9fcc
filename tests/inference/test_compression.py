"""From a table to rows: what they count, what they do not depend on, and parts that stand alone."""

import dataclasses
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kundenwert as kw
from kundenwert.errors import DataError
from kundenwert.families import BGNBD, GAMMA_GAMMA, MBGNBD
from kundenwert.families.kernels import grouping
from kundenwert.inference.compression import Fit, Problem, compress, compress_part
from kundenwert.inference.priors import resolve_priors
from kundenwert.names import Pooling
from kundenwert.units import TimeUnit

PRIORS = {family.name: resolve_priors(family, None) for family in (BGNBD, MBGNBD, GAMMA_GAMMA)}


def summary_of(table: pd.DataFrame) -> kw.CustomerSummary:
    return kw.CustomerSummary(table, TimeUnit.WEEK, None, None)


def made(seed: int, customers: int, labels: tuple[object, ...] = ("a", "b", "c")) -> pd.DataFrame:
    """Whole days as weeks and cents, so that customers share rows; some never came back."""
    rng = np.random.default_rng(seed)
    days = rng.integers(0, 60, customers)
    x = np.where(days > 0, rng.poisson(rng.exponential(1.0, customers)), 0)
    last = np.where(x > 0, np.ceil(rng.random(customers) * days), 0)
    n = rng.binomial(x, 0.9)
    total = rng.choice([5.0, 19.99, *rng.gamma(2.0, 30.0, 30).round(2)], customers) + 0.01
    return pd.DataFrame(
        {
            "customer_id": np.arange(customers),
            "cohort": pd.Series([labels[k] for k in rng.integers(0, len(labels), customers)], dtype=object),
            "frequency": x,
            "recency": last / 7,
            "T": days / 7,
            "monetary_value": np.where(n > 0, total / np.maximum(n, 1), 0.0),
            "spend_days": n,
            "first_amount": rng.gamma(2.0, 20.0, customers).round(2),
        }
    )


def posed(table: pd.DataFrame, pooling: Pooling, purchase: object = BGNBD) -> Problem:
    return compress(summary_of(table), purchase, GAMMA_GAMMA, pooling, PRIORS[purchase.name], PRIORS[GAMMA_GAMMA.name])


def assert_same(one: Problem, two: Problem) -> None:
    """To the last bit."""
    assert (one.cohorts, one.customers, one.pooling) == (two.cohorts, two.customers, two.pooling)
    for part, other in zip(one.parts, two.parts, strict=True):
        assert (part.role, part.hierarchical) == (other.role, other.hierarchical)
        for fit, twin in zip(part.fits, other.fits, strict=True):
            same_fit(fit, twin)


def same_fit(fit: Fit, twin: Fit) -> None:
    assert (fit.label, fit.cohorts, fit.scale) == (twin.label, twin.cohorts, twin.scale)
    assert list(fit.rows) == list(twin.rows)
    for name, column in fit.rows.items():
        assert column.dtype == twin.rows[name].dtype
        assert column.tobytes() == twin.rows[name].tobytes(), name


@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.sampled_from(list(Pooling)), st.sampled_from([BGNBD, MBGNBD]))
def test_the_order_of_customers_changes_no_bit(seed: int, customers: int, pooling: Pooling, family: object) -> None:
    table = made(seed, customers)
    shuffled = table.sample(frac=1.0, random_state=seed % 1000)
    assert_same(posed(table, pooling, family), posed(shuffled, pooling, family))


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from(list(Pooling)))
def test_rows_count_customers(seed: int, customers: int, pooling: Pooling) -> None:
    """Every table against a count, customer by customer, in Python's own dictionaries."""
    table = made(seed, customers)
    problem = posed(table, pooling)
    for purchase, spend in zip(problem.purchase.fits, problem.spend.fits, strict=True):
        chosen = table[table["cohort"] == purchase.label] if pooling is Pooling.NONE else table
        code = [purchase.cohorts.index(c) if pooling is Pooling.PARTIAL else 0 for c in chosen["cohort"]]
        histories = list(zip(code, chosen["frequency"], chosen["recency"], chosen["T"], strict=True))
        rows = purchase.rows
        day = list(zip(rows["day_cohort"], rows["day"], strict=True))
        assert day == sorted({(c, T) for c, _, _, T in histories} | {(c, t) for c, x, t, _ in histories if x > 0})
        exposed = [day[k] for k in rows["exposure_day"]]
        assert [c for c, _ in exposed] == rows["exposure_cohort"].tolist()
        assert dict(zip(exposed, rows["exposure_customers"], strict=True)) == Counter(
            (c, T) for c, _, _, T in histories
        )
        bought = Counter({(c, T): 0 for c, _, _, T in histories})
        for c, x, _, T in histories:
            bought[c, T] += x
        assert dict(zip(exposed, rows["exposure_purchases"], strict=True)) == bought
        step = list(zip(rows["step_cohort"], rows["step"], strict=True))
        more = Counter((c, i) for c, x, _, _ in histories for i in range(x))
        assert dict(zip(step, rows["step_purchases"], strict=True)) == more
        dead = [
            (c, x, day[recency][1], day[T][1])
            for c, x, recency, T in zip(
                *(rows[f"death_{name}"].tolist() for name in ("cohort", "x", "recency", "T")), strict=True
            )
        ]
        assert dead == sorted(dead)
        assert dict(zip(dead, rows["death_customers"], strict=True)) == Counter(h for h in histories if h[1] > 0)
        assert [step[k] for k in rows["death_step"]] == [(c, x - 1) for c, x, _, _ in dead]

        spenders = [
            (c, n, n * mean)
            for c, n, mean in zip(code, chosen["spend_days"], chosen["monetary_value"], strict=True)
            if n > 0
        ]
        rows = spend.rows
        keys = list(zip(rows["spend_cohort"], rows["spend_n"], rows["spend"], strict=True))
        assert keys == sorted(keys)
        assert dict(zip(keys, rows["spend_customers"], strict=True)) == Counter(spenders)
        assert dict(
            zip(zip(rows["beta_cohort"], rows["beta_n"], strict=True), rows["beta_customers"], strict=True)
        ) == Counter(s[:2] for s in spenders)
        for k in range(len(purchase.cohorts)):
            mine = [(n, s) for c, n, s in spenders if c == k]
            assert rows["total_n"][k] == sum(n for n, _ in mine)
            assert rows["total_n_log_spend"][k] == pytest.approx(sum(n * np.log(s) for n, s in mine), rel=1e-13)
            assert rows["total_log_mean"][k] == pytest.approx(sum(np.log(s / n) for n, s in mine), rel=1e-13, abs=1e-12)


@pytest.mark.parametrize("pooling", list(Pooling))
def test_one_part_stands_alone(pooling: Pooling) -> None:
    """With the columns that it reads and nothing else."""
    table = made(3, 300)
    both = posed(table, pooling)
    purchases = summary_of(table[["cohort", "frequency", "recency", "T"]])
    alone = compress_part(purchases, BGNBD, pooling, PRIORS[BGNBD.name])
    amounts = summary_of(table[["cohort", "monetary_value", "spend_days", "first_amount"]])
    other = compress_part(amounts, GAMMA_GAMMA, pooling, PRIORS[GAMMA_GAMMA.name])
    assert (alone.role, other.role) == ("purchase", "spend")
    assert_same(both, dataclasses.replace(both, purchase=alone, spend=other))


@pytest.mark.parametrize("kind", ["str", "category", "object"])
@pytest.mark.parametrize("pooling", list(Pooling))
def test_the_type_of_labels_changes_nothing(kind: str, pooling: Pooling) -> None:
    table = made(5, 200, labels=("10", "9", "2024-01"))
    typed = table.assign(cohort=table["cohort"].astype(kind))
    assert_same(posed(table, pooling), posed(typed, pooling))
    numbers = made(5, 200, labels=(10, 9, 8))
    assert posed(numbers, pooling).cohorts == ("10", "8", "9")


def test_fits_are_those_of_their_cohort_alone() -> None:
    table = made(6, 400)
    problem = posed(table, Pooling.NONE)
    for k, label in enumerate(problem.cohorts):
        alone = posed(table[table["cohort"] == label], Pooling.NONE)
        for part, other in zip(problem.parts, alone.parts, strict=True):
            same_fit(part.fits[k], other.fits[0])


def test_scales_are_medians_of_who_says_something() -> None:
    table = made(7, 99)
    purchase, spend = (part.fits[0].scale for part in posed(table, Pooling.COMPLETE).parts)
    assert purchase == np.median(table["T"][table["T"] > 0])
    assert spend == np.median(table["monetary_value"][table["spend_days"] > 0])
    silent = table.assign(frequency=0, recency=0.0, spend_days=0, monetary_value=0.0)
    assert posed(silent, Pooling.COMPLETE).spend.fits[0].scale == np.median(table["first_amount"])
    assert posed(silent.drop(columns="first_amount"), Pooling.COMPLETE).spend.fits[0].scale == 1.0
    assert posed(silent.assign(T=0.0), Pooling.COMPLETE).purchase.fits[0].scale == 1.0


def test_threads_and_their_number_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    table = made(8, 5000)
    alone = posed(table, Pooling.PARTIAL)
    monkeypatch.setattr(grouping, "_ROWS_A_THREAD", 700)
    for threads in (2, 3, 7):
        monkeypatch.setattr(grouping, "thread_count", lambda n=threads: n)
        assert_same(alone, posed(table, Pooling.PARTIAL))


def test_impossible_customers_are_named_by_position() -> None:
    table = made(9, 50)
    table["frequency"] = table["frequency"].astype(float)
    table.loc[[3, 7], "frequency"] = 1.5
    with pytest.raises(DataError, match=r"2 rows: .*whole number.*\(first: 3, 7\)"):
        posed(table, Pooling.COMPLETE)
