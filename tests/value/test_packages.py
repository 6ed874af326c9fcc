"""Packages: which levers go together, and to whom they are open."""

from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kundenwert.errors import UsageError
from kundenwert.value.levers import Lever
from kundenwert.value.packages import feasible_packages, packages_open

KINDS = ["reactivation", "retention", "frequency", "spend", "cost_to_serve", "vip"]


@given(st.lists(st.sampled_from(KINDS), max_size=7))
def test_packages_are_all_small_sets_with_one_lever_of_a_kind(kinds):
    levers = [Lever(f"lever {i}", on) for i, on in enumerate(kinds)]
    everything = chain.from_iterable(combinations(range(len(kinds)), size) for size in range(len(kinds) + 1))
    expected = [one for one in everything if len(one) <= 2 and len({kinds[i] for i in one}) == len(one)]
    assert list(feasible_packages(levers).members) == expected


def test_four_levers_of_four_kinds_make_eleven_packages():
    assert len(feasible_packages([Lever(on, on) for on in KINDS[:4]])) == 11


def test_two_levers_of_a_kind_go_together_only_where_declared():
    levers = [Lever("a", "retention"), Lever("b", "retention"), Lever("c", "vip")]
    plain = feasible_packages(levers)
    declared = feasible_packages(levers, declared=[["b", "a"], ["c"], []])
    assert plain.names == ((), ("a",), ("b",), ("c",), ("a", "c"), ("b", "c"))
    assert declared.names == ((), ("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"))
    assert declared.position(["b", "a"]) == 4
    with pytest.raises(UsageError, match="a and b are no package"):
        plain.position(["a", "b"])


@pytest.mark.parametrize(
    ("declared", "message"),
    [([["d"]], "no lever is called 'd'. Known: a, b, c"), ([["a", "b", "c"]], "at most 2 levers")],
)
def test_what_cannot_be_declared_is_refused(declared, message):
    with pytest.raises(UsageError, match=message):
        feasible_packages([Lever("a", "retention"), Lever("b", "spend"), Lever("c", "vip")], declared)


def test_levers_of_one_name_are_refused():
    with pytest.raises(UsageError, match="names of their own"):
        feasible_packages([Lever("a", "retention"), Lever("a", "spend")])


def test_a_package_is_open_where_all_of_its_levers_are():
    packages = feasible_packages([Lever(on, on) for on in KINDS[:3]])
    levers_open = np.random.default_rng(1).random((50, 3)) < 0.5
    found = packages_open(packages, levers_open)
    for row, reached in zip(found, levers_open, strict=True):
        assert [all(reached[i] for i in members) for members in packages.members] == row.tolist()
    with pytest.raises(UsageError, match="3 levers"):
        packages_open(packages, levers_open[:, :2])


def test_without_levers_there_is_nothing_to_do():
    packages = feasible_packages([])
    assert packages.names == ((),)
    assert packages_open(packages, np.empty((3, 0), dtype=bool)).tolist() == [[True]] * 3
