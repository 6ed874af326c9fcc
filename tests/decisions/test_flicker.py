"""How many labels chance alone would change, against nights that are drawn again and again."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kundenwert.decisions.flicker import chances_of_change
from kundenwert.decisions.hard_events import HardEvents
from kundenwert.decisions.hysteresis import NOTHING, Memory, Published, positions_of
from kundenwert.decisions.losses import Losses, risks
from kundenwert.decisions.one_pass import assess
from kundenwert.decisions.rule import allowed_labels, decide
from value_world import GG, MBG, known_posterior, simulated_summary

TODAY = np.datetime64("2025-06-30")
CUSTOMERS, DRAWS, PRICE, NIGHTS = 3_000, 200, 0.35, 30
LIVING = 5


class Shop:
    """Beliefs about customers; each night draws them anew."""

    def __init__(self, seed=8):
        self.rng = np.random.default_rng(seed)
        self.beliefs = self.rng.dirichlet(np.full(6, 0.5), CUSTOMERS)
        self.beliefs[:, 4] = 0.0  # below zero has preconditions, which are taken as they are
        self.beliefs /= self.beliefs.sum(axis=1, keepdims=True)

    def night(self):
        return self.rng.multinomial(DRAWS, self.beliefs) / DRAWS

    def labels(self, probabilities, memory=None):
        ones = np.ones(CUSTOMERS)
        allowed = allowed_labels(probabilities, ones, ones)
        found = decide(probabilities, allowed, Losses(), PRICE, memory=memory)
        return allowed, found


def _memory(probabilities, labels, **given):
    since = np.where(labels == NOTHING, np.datetime64("NaT", "D"), np.datetime64("2024-01-01"))
    return Memory(Published(labels, since), TODAY, squares=probabilities[:, :LIVING], draws=DRAWS, **given)


def _chances(allowed, probabilities, memory):
    risk = np.column_stack([risks(probabilities, Losses()), np.full(CUSTOMERS, PRICE)])
    open_to = np.column_stack([allowed, np.ones(CUSTOMERS, dtype=bool)])
    return chances_of_change(risk, open_to, probabilities, Losses(), memory)


@pytest.mark.parametrize("switching_cost", [0.0, 0.05])
def test_chances_are_those_of_nights_that_differ_by_chance_alone(switching_cost):
    """Labels stand that have little to do with the beliefs, so that many are near the edge of being given up."""
    shop = Shop()
    before = np.argsort(-shop.beliefs, axis=1)[np.arange(CUSTOMERS), shop.rng.integers(0, 3, CUSTOMERS)]
    changed, expected = [], []
    for _ in range(NIGHTS):
        pair = []
        for probabilities in (shop.night(), shop.night()):
            memory = _memory(probabilities, before, switching_cost=switching_cost)
            allowed, found = shop.labels(probabilities, memory)
            pair.append(found.labels)
            expected.append(_chances(allowed, probabilities, memory).mean())
        changed.append((pair[0] != pair[1]).mean())
    assert 0.005 < np.mean(changed) < 0.2
    assert np.mean(expected) == pytest.approx(np.mean(changed), rel=0.15)


def test_labels_that_are_given_anew_flicker_more():
    shop = Shop()
    probabilities = shop.night()
    allowed, found = shop.labels(probabilities)
    nobody = _memory(probabilities, np.full(CUSTOMERS, NOTHING))
    assert np.isnan(_chances(allowed, probabilities, nobody)).all()
    before = positions_of(found.labels)
    stands = _chances(allowed, probabilities, _memory(probabilities, before))
    freed = _chances(allowed, probabilities, _memory(probabilities, before, hard_event=np.ones(CUSTOMERS, dtype=bool)))
    young = _chances(allowed, probabilities, _memory(probabilities, before, dwell=1_000.0))
    assert stands.mean() < 0.002 < 0.02 < freed.mean()
    assert (young == 0).all()


def test_chances_of_a_base_are_those_of_other_seeds():
    """Waiting and all; half of the labels that stand are those of another state."""
    people, seeds = 1_500, range(1, 7)
    posterior = known_posterior(MBG | GG, family="mbgnbd", spread=0.05, draws=300)
    summary = replace(simulated_summary(people, MBG | GG, family="mbgnbd"), observation_end=pd.Timestamp("1997-09-30"))
    given = {"margin": 0.3, "newcomers": 100, "draws": 300}
    first = assess(posterior, summary, **given)
    likely = np.argsort(-first.verdicts.probabilities, axis=1)
    before = likely[np.arange(people), np.random.default_rng(1).integers(0, 2, people)]
    given["thresholds"] = first.thresholds
    given["published"] = Published(before, np.full(people, np.datetime64("1990-01-01")))
    nights = [assess(posterior, summary, **given, seed=seed) for seed in seeds]
    labels = np.array([night.decision.positions for night in nights])
    changed = np.mean([(one != other).mean() for k, one in enumerate(labels) for other in labels[:k]])
    assert 0.005 < changed < 0.05
    assert np.mean([night.flicker for night in nights]) == pytest.approx(changed, rel=0.3)
    nobody, some = np.zeros(people, dtype=bool), np.arange(people) < 300
    hidden = assess(posterior, summary, **given, seed=1, events=HardEvents(some, nobody, nobody))
    # Whose label is let go of is in no list, so it does not count as one that changed.
    assert hidden.flicker == pytest.approx(nights[0].flicker, rel=0.3)
    everybody = assess(posterior, summary, **given, events=HardEvents(~nobody, nobody, nobody))
    assert everybody.flicker is None


def test_segments_say_how_many_of_their_labels_are_chance():
    posterior = known_posterior(MBG | GG, family="mbgnbd", spread=0.05, draws=100)
    summary = replace(simulated_summary(300, MBG | GG, family="mbgnbd"), observation_end=pd.Timestamp("1997-09-30"))
    first = assess(posterior, summary, margin=0.3, newcomers=100)
    assert first.flicker is None
    stood = Published(positions_of(first.table["segment"].to_numpy(object)), np.full(300, np.datetime64("1990-01-01")))
    given = {"margin": 0.3, "newcomers": 100, "thresholds": first.thresholds, "published": stood}
    calm = assess(posterior, summary, **given)
    assert (calm.table["segment"] == first.table["segment"]).all()
    assert 0 <= calm.flicker < 0.01
    eager = assess(posterior, summary, **given, switching_cost=0.0)
    assert calm.flicker < eager.flicker
