"""Predictive intervals and segment probabilities against customers whose truth is known.

20,000 customers are simulated order by order with the population's parameters, observed until T, and followed for a
year. With the true parameters as the posterior, what is stated about the year must hold at its stated frequency.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

from kundenwert.decisions.losses import Losses
from kundenwert.decisions.rule import allowed_labels
from kundenwert.decisions.segments import appraised, segment
from kundenwert.decisions.states import label_codes
from kundenwert.decisions.thresholds import Marks
from kundenwert.names import STATES
from kundenwert.value.actual import simulate_value
from kundenwert.value.estimate import estimate_value
from value_world import ACTIVE_COST, BG, COSTS, FILE_COST, GG, MBG, known_posterior, summary_of

COUNT, DRAWS, HORIZON = 20_000, 150, 365.25 / 7


class World:
    """Simulated customers: what was seen of them, what became of them, what they are."""

    def __init__(self, theta, first_kill, seed):
        rng = np.random.default_rng(seed)
        self.T = rng.uniform(27, 39, COUNT)
        self.rate = rng.gamma(theta["r"], 1 / theta["alpha"], COUNT)
        self.dropout = rng.beta(theta["a"], theta["b"], COUNT)
        self.nu = rng.gamma(GG["q"], 1 / GG["v"], COUNT)
        alive = rng.random(COUNT) >= self.dropout if first_kill else np.ones(COUNT, dtype=bool)
        self.x, self.t_x, self.spend = np.zeros(COUNT), np.zeros(COUNT), np.zeros(COUNT)
        self.death = np.where(alive, np.inf, 0.0)
        self.later: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        clock = np.zeros(COUNT)
        while alive.any():
            who = np.flatnonzero(alive)
            clock[who] += rng.exponential(1, len(who)) / self.rate[who]
            who = who[clock[who] < self.T[who] + HORIZON]
            amount = rng.gamma(GG["p"], 1 / self.nu[who])
            seen = clock[who] <= self.T[who]
            past = who[seen]
            self.x[past] += 1
            self.t_x[past] = clock[past]
            self.spend[past] += amount[seen]
            self.later.append((who[~seen], clock[who[~seen]] - self.T[who[~seen]], amount[~seen]))
            dies = rng.random(len(who)) < self.dropout[who]
            self.death[who[dies]] = clock[who[dies]]
            alive = np.zeros(COUNT, dtype=bool)
            alive[who[~dies]] = True

    def summary(self):
        mean = np.divide(self.spend, self.x, out=np.zeros(COUNT), where=self.x > 0)
        frame = {"customer_id": np.arange(COUNT), "cohort": "1997-01", "frequency": self.x, "recency": self.t_x}
        return summary_of(pd.DataFrame(frame | {"T": self.T, "monetary_value": mean}))

    def realized(self, terms):
        value = np.zeros(COUNT)
        for who, when, amount in self.later:
            value[who] += np.exp(-terms.discount * when) * (0.35 * amount - 4.0)
        active = np.clip(self.death - self.T, 0, HORIZON)
        value -= ACTIVE_COST * -np.expm1(-terms.discount * active) / terms.discount
        return value - FILE_COST * -np.expm1(-terms.discount * HORIZON) / terms.discount


@pytest.fixture(scope="module", params=["bgnbd", "mbgnbd"])
def study(request):
    family, theta = request.param, BG if request.param == "bgnbd" else MBG
    world = World(theta, family == "mbgnbd", seed=31)
    posterior, summary = known_posterior(theta | GG, draws=DRAWS, family=family), world.summary()
    return world, posterior, summary, estimate_value(posterior, summary, **COSTS, horizon="1 year", draws=DRAWS)


def test_predictive_intervals_cover_and_the_pit_is_uniform(study):
    world, posterior, summary, value = study
    realized = world.realized(value.settings.terms)
    covered = value.table["actual_value_low"].le(realized + 1e-9) & value.table["actual_value_high"].ge(realized - 1e-9)
    assert 0.88 <= covered.mean() <= 0.985
    rng = np.random.default_rng(3)

    def rank(outlook):
        drawn = simulate_value(outlook).value
        truth = realized[outlook.rows, None]
        same = np.abs(drawn - truth) < 1e-9
        return ((drawn < truth) & ~same).sum(axis=1), same.sum(axis=1)

    pit = np.empty(COUNT)
    for rows, _, (below, same) in appraised(value, posterior, summary).stream(rank, stage="ranks"):
        pit[rows] = (below + rng.random(len(rows)) * (same + 1)) / (DRAWS + 1)
    assert kstest(pit, "uniform").pvalue > 0.001
    for group in (world.x == 0, world.x == 1, world.x >= 5):
        assert kstest(pit[group], "uniform").pvalue > 0.001


def test_expected_value_has_no_bias_in_any_group(study):
    world, _, _, value = study
    error = world.realized(value.settings.terms) - value.table["actual_value"].to_numpy()
    for group in (world.x == 0, world.x == 1, (world.x >= 2) & (world.x <= 4), world.x >= 5):
        assert abs(error[group].mean()) < 4 * error[group].std() / group.sum() ** 0.5


def test_segment_probabilities_hold_at_their_stated_frequency(study):
    """Each state's probability by history, and the loss of the published labels against the most probable ones."""
    world, posterior, summary, value = study
    found = segment(value, posterior, summary)
    marks, terms = found.thresholds, value.settings.terms
    hazard = world.rate * world.dropout
    time = -np.expm1(-(terms.discount + hazard) * HORIZON) / (terms.discount + hazard)
    worth = time * (world.rate * (0.35 * GG["p"] / world.nu - 4.0) - ACTIVE_COST)
    level = value.frontier.level(0.8, 0, value.ahead.take(np.zeros(1, dtype=np.int64))).mean()
    share = np.random.default_rng(4).beta(2, 6, COUNT)
    proven = world.x > 0 if posterior.purchase_family == "bgnbd" else np.ones(COUNT, dtype=bool)
    room = marks.attainable_scale * share * np.maximum(level - worth, 0) * proven
    owed = FILE_COST * -np.expm1(-terms.discount * HORIZON) / terms.discount
    true = label_codes(worth - owed, room, Marks(marks.valuable, marks.growable, marks.below_zero))
    true = np.where(world.death <= world.T, len(STATES) - 1, true)
    stated = found.table[[f"p_{state.value}" for state in STATES]].to_numpy()
    # Groups by history, not by stated probability: bins of a Monte Carlo estimate regress to the mean.
    silent = np.digitize(world.T - world.t_x, [5, 15, 28, 33])
    group = 5 * np.digitize(world.x, [1, 2, 5]) + silent
    for name in np.unique(group):
        here = group == name
        for state in range(len(STATES)):
            expected, observed = stated[here, state], (true[here] == state)
            error = (expected * (1 - expected)).sum() ** 0.5
            assert abs((expected - observed).sum()) < 4.5 * error + 1.0
    losses = Losses().array
    order = [state.value for state in STATES]
    theta = {name: draws.mean() for name, draws in posterior.draws.items()}
    allowed = allowed_labels(stated, world.T, (theta["alpha"] + world.T) / (theta["r"] + world.x))
    allowed[:, order.index("below_zero")] = False  # no lever on the cost to serve was evaluated
    decided = (found.table["status"] != "undecided").to_numpy()
    published = np.array([order.index(label) for label in found.table.loc[decided, "segment"]])
    ours = losses[published, true[decided]]
    naive = losses[np.where(allowed, stated, -1.0)[decided].argmax(axis=1), true[decided]]
    assert ours.mean() <= naive.mean()
    expected = found.table.loc[decided, "expected_loss"].mean()
    assert ours.mean() == pytest.approx(expected, abs=4 * ours.std() / len(ours) ** 0.5 + 0.005)
