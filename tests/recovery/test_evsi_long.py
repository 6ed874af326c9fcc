"""What waiting is said to be worth against what it turns out to save. Run with `uv run pytest -m long tests/recovery`.

Customers with known truth are observed, valued, and followed for a quarter. A firm that decided before and one that
waited are both judged by the state that each customer is really in at the end.
"""

import numpy as np
import pytest

from kundenwert.decisions.evsi.waiting import LookAhead, values_of_waiting
from kundenwert.decisions.losses import Losses
from waiting_world import DORMANT, QUARTER, UNIT, Base, attainable, known_draws, shop_of

COUNT, DRAWS, BLOCK, REJECTION = 30_000, 1000, 1000, 0.35


@pytest.fixture(scope="module", params=[False, True], ids=["bgnbd", "mbgnbd"])
def waited(request):
    """(customer,) risk before, value of waiting, and loss of deciding at once less that of deciding after a quarter."""
    shop = shop_of(first_kills=request.param, draws=DRAWS, size=20_000)
    base = Base(COUNT, shop, (2, 39), seed=17)
    seen, told, alive, (rate, dropout, nu) = base.truth
    rng, share, theta = np.random.default_rng(4), attainable(DRAWS), shop.theta
    later = seen.after(*told, QUARTER)
    worth = shop.worth(rate, dropout, nu, theta["p"][0])
    truth = shop.states(worth, rng.beta(2, 6, COUNT), shop.proven(later))
    truth = np.where(alive, truth, DORMANT)
    keys = rng.integers(0, 2**63, COUNT).astype(np.uint64)
    risk, value, saved = np.empty(COUNT), np.empty(COUNT), np.empty(COUNT)
    for first in range(0, COUNT, BLOCK):
        rows = np.arange(first, first + BLOCK)
        now, then = seen.take(rows), later.take(rows)
        living, silent, bought = known_draws(shop, now, rng, share)
        allowed = shop.allowed(now)
        given = (silent, bought, Losses(), allowed, LookAhead(QUARTER))
        value[rows] = values_of_waiting(1, keys[rows], living, theta["p"], *given)[0]
        risk[rows] = np.where(allowed, shop.chances(now, share, rng) @ UNIT.T, np.inf).min(axis=1)
        ahead = forecast(living, silent, bought)
        decided = np.where(allowed, ahead @ UNIT.T, np.inf).argmin(axis=1)
        informed = np.where(
            allowed | (np.arange(6) == DORMANT) & (told[0][rows] > 0)[:, None],
            shop.chances(then, share, rng) @ UNIT.T,
            np.inf,
        ).argmin(axis=1)
        saved[rows] = UNIT[decided, truth[rows]] - UNIT[informed, truth[rows]]
    return risk, value, saved


def forecast(living, silent, bought):
    """(customer, state) at the end of the quarter, before anything is seen of it."""
    quiet = living.share * np.exp(-living.rate * QUARTER)
    lives = living.share * np.exp(-living.rate * living.dropout * QUARTER)
    found = [(quiet * (silent == k) + (lives - quiet) * (bought == k)).mean(axis=1) for k in range(DORMANT)]
    return np.column_stack([*found, (1 - lives).mean(axis=1)])


@pytest.mark.long
@pytest.mark.parametrize("undecided", [True, False], ids=["undecided", "everybody"])
def test_waiting_saves_what_it_is_said_to_be_worth(waited, undecided, request, tell_figure):
    risk, value, saved = waited
    here = risk > REJECTION if undecided else risk >= 0
    assert here.sum() > 3000
    design = np.column_stack([np.ones(here.sum()), value[here]])
    inverse = np.linalg.inv(design.T @ design)
    intercept, slope = inverse @ design.T @ saved[here]
    left = saved[here] - design @ [intercept, slope]
    error = np.sqrt(np.diag(inverse @ (design.T * left**2) @ design @ inverse))
    who = request.node.callspec.id.replace("-", ", ")
    claim = f"waiting: slope of what it saved on what it is worth, {who}"
    tell_figure(claim, "1", f"{slope:.2f} (error {error[1]:.2f})")
    assert error[1] < 0.1
    assert abs(slope - 1) < 4 * error[1]
    assert abs(intercept) < 4 * error[0] + 0.003


@pytest.mark.long
def test_migrators_gain_by_waiting_and_borderline_customers_do_not(waited):
    """The gain of each group is what was promised on average, and lies on the right side of the mark."""
    risk, value, saved = waited
    undecided, migrator = risk > REJECTION, value >= 0.05
    for here in (undecided & migrator, undecided & ~migrator):
        gain = saved[here]
        assert abs(gain.mean() - value[here].mean()) < 4 * gain.std() / here.sum() ** 0.5
    assert saved[undecided & migrator].mean() > 0.05 > saved[undecided & ~migrator].mean()
