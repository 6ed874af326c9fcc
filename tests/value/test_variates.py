"""Compiled draws against published answers, NumPy's and SciPy's distributions, and 50-digit arithmetic."""

import mpmath
import numpy as np
import pytest
from scipy import stats

from kundenwert.value.counters import Purpose, text_keys
from kundenwert.value.kernels import words
from kundenwert.value.variates import Rows

COUNT = 20_000
UNLIKELY = 1e-4
KEYS = text_keys(["C17", "C18"])
FIRST = np.zeros(2, dtype=np.int64)

# Random123, tests/kat_vectors: counter, key and answer of threefry2x64 with 20 rounds.
PUBLISHED = [
    ((0, 0), (0, 0), (0xC2B6E3A8C2C69865, 0x6F81ED42F350084D)),
    ((2**64 - 1,) * 2, (2**64 - 1,) * 2, (0xE02CB7C4D95D277A, 0xD06633D0893B8B68)),
    (
        (0x243F6A8885A308D3, 0x13198A2E03707344),
        (0xA4093822299F31D0, 0x082EFA98EC4E6C89),
        (0x263C7D30BB0F0AF1, 0x56BE8361D3311526),
    ),
]


def rows(seed=5, keys=KEYS, length=COUNT):
    return Rows(seed, keys, np.zeros(len(keys), dtype=np.uint64), length)


def column(value):
    return np.full((1, 1), value)


@pytest.mark.parametrize(("counter", "key", "answer"), PUBLISHED)
def test_words_are_the_published_ones(counter, key, answer):
    found = words.threefry(*(np.uint64(word) for word in (*key, *counter)))
    assert tuple(int(word) for word in found) == answer


def test_a_stream_goes_on_where_it_was_left():
    whole, part = np.zeros(8, np.uint64), np.zeros(4, np.uint64)
    words.fill(np.array([1, 2, 3, 0], np.uint64), whole, 8)
    stream = np.array([1, 2, 3, 0], np.uint64)
    words.fill(stream, part, 4)
    words.fill(stream, other := np.zeros(4, np.uint64), 3)
    assert sorted(whole) == sorted([*part, *other])
    assert stream[words.NEXT] == 4


def test_normals_are_normal_to_the_tails():
    drawn, scratch = np.empty(2_000_000), np.empty(2_000_001, np.uint64)
    words.normals(np.array([7, 8, 9, 0], np.uint64), drawn, scratch)
    assert stats.kstest(drawn, "norm").pvalue > UNLIKELY
    beyond = np.abs(drawn) > 3.6541528853610088  # where the layers end
    assert stats.binomtest(int(beyond.sum()), len(drawn), 2 * stats.norm.sf(3.6541528853610088)).pvalue > UNLIKELY
    tail = stats.norm.sf(np.abs(drawn[beyond])) / stats.norm.sf(3.6541528853610088)
    assert stats.kstest(tail, "uniform").pvalue > UNLIKELY
    edges = np.linspace(-3.7, 3.7, 1001)
    counts = np.histogram(drawn, edges)[0]
    expected = len(drawn) * np.diff(stats.norm.cdf(edges))
    assert stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > UNLIKELY


@pytest.mark.parametrize("shape", [1e-3, 0.05, 0.243, 0.999, 1.0, 1.001, 3.74, 50.0, 1e4])
def test_gammas_have_their_distribution(shape):
    """The probability transform in logarithms: gammas of a tiny shape lie beyond the smallest float."""
    drawn = rows().gammas(Purpose.RATE, column(shape), column(2.0), FIRST)
    assert (drawn > 0).all()
    for row in drawn:
        seen = row[row > 1e-290]
        low = stats.gamma.cdf(1e-290, shape, scale=0.5)
        assert stats.binomtest(COUNT - len(seen), COUNT, low).pvalue > UNLIKELY
        uniform = (stats.gamma.cdf(seen, shape, scale=0.5) - low) / (1 - low)
        assert stats.kstest(uniform, "uniform").pvalue > UNLIKELY


@pytest.mark.parametrize(
    ("first", "second"),
    [(1e-3, 1e-3), (1e-3, 5.0), (0.3, 0.2), (0.793, 2.426), (1.0, 1.0), (2.0, 0.5), (7.0, 30.0), (50.0, 1e5)],
)
def test_betas_have_their_distribution(first, second):
    drawn = rows().betas(Purpose.DROPOUT, column(first), column(second), FIRST)
    assert ((drawn >= 0) & (drawn <= 1)).all()
    low, high = 1e-290, 1 - 2.0**-53  # what lies outside is told from 0 and 1 by no float
    for row in drawn:
        inside = row[(row > low) & (row < high)]
        below, above = stats.beta.cdf(low, first, second), stats.beta.sf(high, first, second)
        assert stats.binomtest(int((row <= low).sum()), COUNT, below).pvalue > UNLIKELY
        assert stats.binomtest(int((row >= high).sum()), COUNT, above).pvalue > UNLIKELY
        uniform = (stats.beta.cdf(inside, first, second) - below) / (1 - below - above)
        assert stats.kstest(uniform, "uniform").pvalue > UNLIKELY


def test_shapes_may_differ_along_a_row_and_between_rows():
    shape = np.array([[0.2, 5.0], [30.0, 0.9]]).repeat(COUNT // 2, axis=1)
    drawn = rows().gammas(Purpose.SPEND, shape, np.ones((1, 1)).repeat(2, axis=0), np.array([1, 0]))
    for row, shapes in zip(drawn, shape[::-1], strict=True):
        for half in np.split(np.arange(COUNT), 2):
            assert stats.kstest(row[half], "gamma", (shapes[half[0]],)).pvalue > UNLIKELY


def test_streams_of_neighbouring_keys_seeds_and_purposes_are_independent():
    keys = np.arange(40, dtype=np.uint64)
    drawn = np.concatenate(
        [
            rows(seed, keys, 1000).gammas(purpose, column(2.0), column(1.0), np.zeros(40, dtype=np.int64))
            for seed in (0, 1)
            for purpose in (Purpose.RATE, Purpose.SPEND)
        ]
    )
    correlation = np.corrcoef(drawn)[np.triu_indices(len(drawn), 1)]
    assert stats.kstest(correlation * 1000**0.5, "norm").pvalue > UNLIKELY
    assert stats.kstest([stats.kstest(row, "gamma", (2.0,)).pvalue for row in drawn], "uniform").pvalue > UNLIKELY


@pytest.mark.parametrize("shape", [1e-12, 1e12])
def test_shapes_without_bounds_give_numbers(shape):
    assert np.isfinite(rows().gammas(Purpose.RATE, column(shape), column(1.0), FIRST)).all()
    for other in (1e-12, 1.0, 1e12):
        for pair in ((shape, other), (other, shape)):
            drawn = rows().betas(Purpose.DROPOUT, *map(column, pair), FIRST)
            assert np.isfinite(drawn).all()
            expected = pair[0] / (pair[0] + pair[1])
            assert drawn.mean() == pytest.approx(
                expected, abs=5 * (expected * (1 - expected) / drawn.size) ** 0.5 + 1e-9
            )


def test_uniform_numbers_lie_between_their_ends():
    drawn = rows().units(Purpose.CHURN)
    assert stats.kstest(drawn.ravel(), "uniform").pvalue > UNLIKELY
    ends = [words.unit(np.uint64(word)) for word in (0, 2**64 - 1)]
    with mpmath.workdps(50):
        assert 0 < mpmath.mpf(ends[0]) < mpmath.mpf(2) ** -52
        assert 0 < 1 - mpmath.mpf(ends[1]) < mpmath.mpf(2) ** -52
