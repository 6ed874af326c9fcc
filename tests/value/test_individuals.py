"""Individual draws against the families' closed forms, and what must not change them."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from kundenwert.errors import RunError, UsageError
from kundenwert.families import BGNBD, get_family
from kundenwert.threads import thread_count
from kundenwert.value.counters import Purpose, text_keys
from kundenwert.value.individuals import histories, population, stream
from kundenwert.value.variates import Rows
from value_world import BG, GG, MBG, few_customers, known_posterior, simulated_summary, summary_of

DRAWS = 40_000


def collect(posterior, summary, reduce, **settings):
    people, customers = population(posterior, None, settings.pop("seed", 5)), histories(posterior, summary)
    found = np.empty((len(customers), *np.shape(reduce_shape(reduce, people, customers))))
    for rows, _, part in stream(people, customers, reduce, **settings):
        found[rows] = part
    return found


def reduce_shape(reduce, people, customers):
    return next(iter(stream(people, customers, reduce, block=1, threads=1)))[2][0]


@pytest.mark.parametrize(("family", "theta"), [("bgnbd", BG), ("mbgnbd", MBG)])
def test_draws_reproduce_the_closed_forms(family, theta):
    """Purchases, survival, silence and spend, averaged over draws, are what the families compute without draws."""
    algebra, spend = get_family(family), get_family("gamma_gamma")
    summary = few_customers()
    table = summary.table
    x, t_x, T, n, z = (table[k].to_numpy(float) for k in ("frequency", "recency", "T", "spend_days", "monetary_value"))

    def reduce(block):
        hazard = block.rate * block.dropout
        weighted = [
            block.p_alive * block.rate * -np.expm1(-hazard * 39) / np.where(hazard > 0, hazard, 1),
            np.exp(-hazard * 39),
            1 - block.p_alive + block.p_alive * np.exp(-block.rate * 26),
            block.mean_spend,
        ]
        means = np.stack([w.mean(axis=1) for w in weighted], axis=1)
        errors = np.stack([w.std(axis=1) / DRAWS**0.5 for w in weighted], axis=1)
        return np.stack([means, errors], axis=1)

    got = collect(known_posterior(theta | GG, draws=DRAWS, family=family), summary, reduce)
    exact = np.stack(
        [
            algebra.expected_purchases(theta, x, t_x, T, 39.0),
            algebra.survival(theta, x, T, 39.0),
            algebra.p_no_purchase(theta, x, t_x, T, 26.0),
            spend.expected_spend(GG, n, n * z),
        ],
        axis=1,
    )
    assert np.all(np.abs(got[:, 0] - exact) < 4.5 * got[:, 1] + 1e-12)


def test_bgnbd_one_time_buyers_are_structurally_alive_and_mbgnbd_ones_are_not():
    for family, expected in (("bgnbd", 2), ("mbgnbd", 0)):
        marks = collect(known_posterior(family=family), few_customers(), lambda block: block.structurally_alive)
        assert marks.sum() == expected


def draws_of(block):
    return np.concatenate([block.rate, block.dropout, block.spend_rate], axis=1)


def test_blocks_and_threads_change_nothing():
    posterior = known_posterior(BG | GG, BG | GG | {"r": 0.4}, draws=50, spread=0.1)
    summary = simulated_summary(200, BG | GG, BG | GG | {"r": 0.4})
    base = collect(posterior, summary, draws_of, block=64, threads=1)
    for block, threads in ((1, 1), (7, 3), (1000, 2)):
        np.testing.assert_array_equal(collect(posterior, summary, draws_of, block=block, threads=threads), base)


def test_a_customers_draws_depend_on_the_id_as_text_and_on_nobody_else():
    posterior = known_posterior(draws=50)
    table = few_customers().table.assign(customer_id=range(8))
    base = collect(posterior, summary_of(table), draws_of)
    as_text = collect(posterior, summary_of(table.assign(customer_id=[str(i) for i in range(8)])), draws_of)
    np.testing.assert_array_equal(base, as_text)
    alone = collect(posterior, summary_of(table.iloc[[5]]), draws_of)
    np.testing.assert_array_equal(alone[0], base[5])
    other_seed = collect(posterior, summary_of(table), draws_of, seed=6)
    assert not np.any(other_seed == base)


def test_purposes_and_lanes_have_streams_of_their_own():
    rows = Rows(1, np.repeat(text_keys(["C17"]), 3), np.arange(3, dtype=np.uint64), 4)
    drawn = np.array([rows.units(purpose) for purpose in Purpose])
    assert len(np.unique(drawn)) == drawn.size


@pytest.mark.parametrize("shape", [1e-12, 1e-3, 1e12])
def test_extreme_shapes_give_no_nan(shape):
    theta = BG | GG | {"r": 1e-9, "a": shape, "b": shape, "q": 1e-6}
    draws = collect(known_posterior(theta, draws=200), few_customers(), draws_of)
    assert np.isfinite(draws).all()
    assert np.isfinite(collect(known_posterior(theta, draws=200), few_customers(), lambda b: b.mean_spend)).all()


def test_mismatches_are_refused():
    summary = few_customers()
    with pytest.raises(UsageError, match="time_unit='day'"):
        histories(known_posterior(unit="day"), summary)
    with pytest.raises(RunError, match="1999-09"):
        histories(known_posterior(), summary_of(summary.table.assign(cohort="1999-09")))
    with pytest.raises(UsageError, match="seed"):
        population(known_posterior(), 10, -1)
    with pytest.raises(UsageError, match="threads"):
        thread_count(0)


def test_an_error_in_a_thread_is_raised():
    def broken(block):
        raise ValueError("from a thread")

    people, customers = population(known_posterior(), 10, 1), histories(known_posterior(), few_customers())
    with pytest.raises(ValueError, match="from a thread"):
        list(stream(people, customers, broken, block=2, threads=2))


def test_ids_need_not_be_unique_types():
    ids = pd.Series([7, "7"], dtype=object)
    assert text_keys(ids)[0] == text_keys(ids)[1]


@dataclass(frozen=True)
class Lazy:
    """A purchase family that leaves to broadcasting whatever does not depend on the history."""

    true: object = BGNBD

    def __getattr__(self, name):
        return getattr(self.true, name)

    def individual(self, theta, x, t_x, T):
        one = self.true.individual(theta, x, t_x, T)
        return replace(one, rate_alive=theta["alpha"] + T, dropout_alive=(theta["a"], one.dropout_alive[1]))


def test_a_family_may_leave_shapes_to_broadcasting():
    people, customers = population(known_posterior(draws=50), 50, 1), histories(known_posterior(), few_customers())
    lazy = replace(people, purchase=Lazy())
    for (_, _, found), (_, _, base) in zip(
        stream(lazy, customers, draws_of), stream(people, customers, draws_of), strict=True
    ):
        np.testing.assert_array_equal(found, base)
