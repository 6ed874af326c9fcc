"""Held out by chance, always the same ones, and with the probability that is written down."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

from kundenwert.decisions.holdout_cells import draw_cells, held_out_of, thompson_draw
from kundenwert.errors import UsageError

IDS = [f"C{i}" for i in range(40_000)]
ACTION = np.arange(40_000) % 4 - 1  # a quarter gets nothing
NAMES = ["mail", "call", "visit"]


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_the_share_is_held_out_of_every_action_within_binomial_error(share):
    cells = draw_cells(IDS, ACTION, NAMES, share=share, seed=3)
    for number in range(3):
        count = int(cells.held_out[number == ACTION].sum())
        assert stats.binomtest(count, 10_000, share).pvalue > 1e-3
    assert not cells.held_out[ACTION == -1].any()


def test_propensity_is_the_chance_of_being_treated_over_seeds():
    action = [0, 1, 2, -1]
    treated = np.mean(
        [~draw_cells(IDS[:4], action, NAMES, share=[0.1, 0.3, 0.0], seed=s).held_out for s in range(4000)], axis=0
    )
    propensity = draw_cells(IDS[:4], action, NAMES, share=[0.1, 0.3, 0.0], seed=0).propensity
    np.testing.assert_allclose(propensity, [0.9, 0.7, 1.0, 0.0])
    np.testing.assert_allclose(treated[:3], propensity[:3], atol=4 * np.sqrt(0.25 / 4000))


def test_inverse_propensities_recover_a_planted_effect():
    rng = np.random.default_rng(8)
    action = np.zeros(40_000, dtype=int)
    cells = draw_cells(IDS, action, ["mail"], share=0.2, seed=5)
    outcome = rng.normal(10, 4, 40_000) + np.where(cells.held_out, 0.0, 1.5)
    weight = np.where(cells.held_out, -1 / (1 - cells.propensity), 1 / cells.propensity)
    assert np.mean(weight * outcome) == pytest.approx(1.5, abs=4 * np.std(weight * outcome) / 200)


def test_who_is_held_out_depends_on_nobody_else():
    whole = draw_cells(IDS, ACTION, NAMES, seed=3).held_out
    order = np.random.default_rng(1).permutation(40_000)
    moved = draw_cells([IDS[i] for i in order], ACTION[order], NAMES, seed=3).held_out
    np.testing.assert_array_equal(moved, whole[order])
    few = draw_cells(IDS[100:900], ACTION[100:900], NAMES, seed=3).held_out
    np.testing.assert_array_equal(few, whole[100:900])
    renumbered = np.where(ACTION >= 0, 2 - ACTION, -1)
    np.testing.assert_array_equal(draw_cells(IDS, renumbered, NAMES[::-1], seed=3).held_out, whole)
    with ThreadPoolExecutor(4) as pool:
        parts = pool.map(lambda s: draw_cells(IDS[s], ACTION[s], NAMES, seed=3).held_out, blocks(40_000, 7_001))
    np.testing.assert_array_equal(np.concatenate(list(parts)), whole)


def blocks(count, size):
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def test_an_id_is_its_text():
    numbers = list(range(500))
    assert held_out_of("mail", numbers, seed=1).tolist() == held_out_of("mail", map(str, numbers), seed=1).tolist()


def test_a_larger_share_keeps_those_whom_a_smaller_one_held_out():
    small, large = (held_out_of("mail", IDS, share=share, seed=1) for share in (0.1, 0.25))
    assert (large | ~small).all()
    assert large.sum() > small.sum()


def test_actions_and_seeds_hold_out_independently():
    """Half of everybody each time: of two independent halves a quarter is in both."""
    of = [held_out_of(name, IDS, share=0.5, seed=s) for name, s in (("mail", 1), ("call", 1), ("mail", 2))]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        table = [[(of[a] & of[b]).sum(), (of[a] & ~of[b]).sum()], [(~of[a] & of[b]).sum(), (~of[a] & ~of[b]).sum()]]
        assert stats.chi2_contingency(table).pvalue > 1e-3


def test_a_share_of_nothing_holds_nobody_out():
    cells = draw_cells(IDS[:50], ACTION[:50], NAMES, share=0.0, seed=1)
    assert not cells.held_out.any()
    assert set(cells.propensity[ACTION[:50] >= 0]) == {1.0}
    empty = draw_cells([], [], NAMES, seed=1)
    assert len(empty.held_out) == len(empty.propensity) == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"share": 1.0}, "share 1.0 must be"),
        ({"share": -0.1}, "share -0.1 must be"),
        ({"share": float("nan")}, "share nan must be"),
        ({"share": [0.1, 0.1]}, "one for each of 3 actions"),
        ({"action": [0, 1, 3]}, "action 3 has no name"),
        ({"action": [0, 1, -2]}, "action -2 has no name"),
        ({"action": [0, 1]}, "each of 3 customers"),
        ({"action": [0.0, 1.0, 2.0]}, "whole numbers"),
        ({"names": ["mail", "mail", "visit"]}, "each may come once"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_what_cannot_be_is_refused(change, words):
    given = {"action": [0, 1, 2], "names": NAMES, "seed": 1} | change
    with pytest.raises(UsageError, match=words):
        draw_cells(["a", "b", "c"], given.pop("action"), given.pop("names"), **given)


def test_a_batch_has_one_draw_and_batches_use_them_all_alike():
    picks = [thompson_draw(20, f"batch {i}", seed=4) for i in range(4000)]
    assert picks == [thompson_draw(20, f"batch {i}", seed=4) for i in range(4000)]
    assert stats.chisquare(np.bincount(picks, minlength=20)).pvalue > 1e-3
    assert picks != [thompson_draw(20, f"batch {i}", seed=5) for i in range(4000)]
    assert thompson_draw(1, "only", seed=4) == 0
    with pytest.raises(UsageError, match="at least one draw"):
        thompson_draw(0, "none", seed=4)


def test_a_batch_chooses_each_arm_as_often_as_it_is_the_best():
    effects = np.random.default_rng(2).normal([0.0, 0.5], 1.0, (1000, 2))
    chosen = [effects[thompson_draw(1000, str(batch), seed=1)].argmax() for batch in range(4000)]
    best = (effects[:, 1] > effects[:, 0]).mean()
    assert stats.binomtest(int(np.sum(chosen)), 4000, best).pvalue > 1e-3
