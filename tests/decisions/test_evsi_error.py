"""The standard error of the value of waiting, against values from many independent sets of draws."""

from dataclasses import replace

import numpy as np
import pytest

from kundenwert.decisions.evsi.waiting import LookAhead, values_of_waiting
from kundenwert.decisions.losses import Losses
from waiting_world import DORMANT, QUARTER, Seen, attainable, known_draws, shop_of

SETS, DRAWS = 120, 500
CUSTOMERS = {
    "bought once, four weeks ago": (0, 0, 4, 0, 0),
    "one order, early": (1, 5, 10, 1, 35),
    "one order, silent": (1, 18, 37, 1, 30),
    "three orders, twenty weeks silent": (3, 15, 35, 3, 105),
    "two orders, fresh": (2, 20, 24, 2, 50),
}


def many_draws(shop):
    return replace(shop, theta={key: np.full(DRAWS, values[0]) for key, values in shop.theta.items()})


@pytest.mark.parametrize("histories", [200, 10])
@pytest.mark.parametrize("first_kills", [False, True])
@pytest.mark.parametrize("name", CUSTOMERS)
def test_the_error_is_how_values_of_other_draws_differ(name, first_kills, histories):
    """Sets of draws as independent customers of one history: other draws, other futures."""
    shop = shop_of(first_kills=first_kills, size=20_000)
    shop = many_draws(shop)
    seen = Seen(*(np.full(SETS, float(number)) for number in CUSTOMERS[name]))
    rng = np.random.default_rng(6)
    # Shares of the gap that are attainable are common to customers of one run: each set has shares of its own.
    values, errors = np.empty(SETS), np.empty(SETS)
    keys = rng.integers(0, 2**63, SETS).astype(np.uint64)
    for i in range(SETS):
        one = seen.take([i])
        living, silent, bought = known_draws(shop, one, rng, rng.permutation(attainable(DRAWS)))
        ahead = LookAhead(QUARTER, draws=DRAWS, histories=histories)
        asked = (living, shop.theta["p"], silent, bought, Losses(), shop.allowed(one), ahead)
        found = values_of_waiting(7, keys[[i]], *asked)
        values[i], errors[i] = found[0][0], found[1][0]
    if values.mean() < 0.005:  # where hardly any future changes a decision there is nothing to be unsure of
        assert errors.mean() < 0.01
        return
    stated = np.sqrt(np.mean(errors**2))
    assert 0.65 < values.std() / stated < 1.2


def test_one_draw_says_nothing_of_its_error():
    shop = shop_of(size=20_000)
    one = Seen.one(1, 5, 10, 1, 35)
    living, silent, bought = known_draws(shop, one, np.random.default_rng(1), attainable(1))
    asked = (living, shop.theta["p"], silent, bought, Losses(), shop.allowed(one), LookAhead(QUARTER))
    value, error = values_of_waiting(7, np.array([5], dtype=np.uint64), *asked)
    assert value[0] >= 0.0
    assert np.isnan(error[0])


def test_where_no_future_changes_the_decision_there_is_no_error():
    shop = many_draws(shop_of(size=20_000))
    only = np.zeros((1, 6), dtype=bool)
    only[0, DORMANT] = True
    one = Seen.one(0, 0, 4, 0, 0)
    living, silent, bought = known_draws(shop, one, np.random.default_rng(1), attainable(len(shop.theta["p"])))
    asked = (living, shop.theta["p"], silent, bought, Losses(), only, LookAhead(QUARTER))
    value, error = values_of_waiting(7, np.array([5], dtype=np.uint64), *asked)
    assert (value[0], error[0]) == (0.0, 0.0)
