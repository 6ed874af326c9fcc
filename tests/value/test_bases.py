"""The basis of potential: one rule, nothing averaged, and what contradicts itself is flagged."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from kundenwert.errors import UsageError
from kundenwert.names import PotentialBasis
from kundenwert.value.bases import basis_of, beyond_wallet, chosen, side_by_side

PEERS, WALLET, LEVERS = PotentialBasis.PEERS, PotentialBasis.WALLET, PotentialBasis.LEVERS


@pytest.mark.parametrize(
    ("at_hand", "basis"),
    [({PEERS}, PEERS), ({PEERS, WALLET}, WALLET), ({PEERS, LEVERS}, LEVERS), ({PEERS, WALLET, LEVERS}, LEVERS)],
)
def test_auto_takes_levers_else_a_wallet_else_peers(at_hand, basis):
    assert basis_of("auto", at_hand) is basis
    for asked in at_hand:
        assert basis_of(asked, at_hand) is asked
        assert basis_of(asked.value, at_hand) is asked


def test_a_basis_without_its_input_is_refused_with_a_way_out():
    with pytest.raises(UsageError, match=r"'levers': there are no levers.*\[\[levers\]\]"):
        basis_of("levers", {PEERS, WALLET})
    with pytest.raises(UsageError, match=r"'wallet': there is no wallet.*potential\.share"):
        basis_of(WALLET, {PEERS, LEVERS})
    with pytest.raises(UsageError, match=r"'walet' is not known.*wallet"):
        basis_of("walet", {PEERS})
    with pytest.raises(UsageError, match="not even peers"):
        basis_of("auto", set())


IDS = pd.Series(["a", "b", "c", "d"], index=[3, 1, 4, 1])
ROOM = {PEERS: [1.0, 2.0, 0.0, 4.0], WALLET: [5.0, 1.0, 0.0, np.nan], LEVERS: [4.0, 1.5, 0.0, 2.0]}
GAP = {"gap": [8.0, 9.0, 0.0, 16.0], "attainable": [0.125, 0.22, 0.25, 0.25]}


def test_bases_stand_side_by_side_as_they_are():
    for count in range(4):
        for bases in combinations(ROOM, count):
            table = side_by_side(IDS, {basis: ROOM[basis] for basis in bases}, **GAP)
            assert table.columns.tolist() == [
                "customer_id", "unrealized_peers", "unrealized_wallet", "unrealized_levers", "gap", "attainable",
            ]  # fmt: skip
            assert table["customer_id"].tolist() == ["a", "b", "c", "d"]
            for basis in ROOM:
                wanted = ROOM[basis] if basis in bases else np.full(4, np.nan)
                np.testing.assert_array_equal(chosen(table, basis), wanted)
            np.testing.assert_array_equal(table[["gap", "attainable"]].to_numpy().T, [*GAP.values()])


def test_levers_beyond_the_wallet_are_flagged_where_both_are_known():
    assert beyond_wallet(side_by_side(IDS, ROOM, **GAP)).tolist() == [False, True, False, False]
    for missing in (WALLET, LEVERS):
        some = {basis: room for basis, room in ROOM.items() if basis is not missing}
        assert not beyond_wallet(side_by_side(IDS, some, **GAP)).any()
