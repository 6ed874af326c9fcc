"""Memory against explicit draws: every weight is made by hand, and nothing is taken from the package but the rule."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kundenwert.decisions.hysteresis import (
    NOTHING,
    Memory,
    Published,
    positions_of,
    recall,
    standard_errors,
)
from kundenwert.decisions.losses import UNIT_LOSSES, Losses
from kundenwert.decisions.rule import allowed_labels, decide
from kundenwert.errors import UsageError
from kundenwert.names import SEGMENTS, STATES, State

LOSSES = np.array(UNIT_LOSSES)
WITHHELD, DORMANT, BELOW_ZERO = 6, 5, 4
TODAY = np.datetime64("2025-06-30")
PRICE = 0.35


def drawn(seed, customers, draws):
    """Chances to be alive and states given alive, draw by draw: some customers are sure of both."""
    rng = np.random.default_rng(seed)
    center = rng.random((customers, 1))
    alive = rng.beta(0.1 + 8 * center, 0.1 + 8 * (1 - center), (customers, draws))
    alive[0], code = 1.0, np.empty((customers, draws), dtype=int)
    for i in range(customers):
        code[i] = rng.choice(5, draws, p=rng.dirichlet(np.full(5, 0.4)))
    code[0] = 2
    return alive, code


def weighed(alive, code):
    """(customer, draw, state): what each draw says of each state."""
    weight = np.zeros((*alive.shape, 6))
    for k in range(5):
        weight[:, :, k] = np.where(code == k, alive, 0.0)
    weight[:, :, DORMANT] = 1.0 - alive
    return weight


def moments(alive, code):
    weight = weighed(alive, code)
    return weight.mean(axis=1), (weight[:, :, :5] ** 2).mean(axis=1)


def memory_of(labels, **given):
    """Labels by position, published long ago."""
    labels = np.asarray(labels)
    since = np.where(labels == NOTHING, np.datetime64("NaT", "D"), np.datetime64("2024-01-01"))
    return Memory(Published(labels, since), TODAY, **given)


def codes_of(decision):
    return np.array([SEGMENTS.index(label) for label in decision.labels])


def test_the_standard_error_is_that_of_explicit_draws():
    alive, code = drawn(1, 60, 250)
    probabilities, squares = moments(alive, code)
    rng = np.random.default_rng(2)
    by_action = np.vstack([LOSSES, np.full(6, PRICE)])
    one, other = rng.integers(0, 7, 60), rng.integers(0, 7, 60)
    difference = by_action[one] - by_action[other]
    per_draw = (weighed(alive, code) * difference[:, None, :]).sum(axis=2)
    direct = per_draw.std(axis=1, ddof=1) / np.sqrt(250)
    found = standard_errors(difference, probabilities, squares, 250)
    np.testing.assert_allclose(found, direct, rtol=1e-10, atol=1e-9)
    assert found[0] == 0.0  # the same state on every draw
    assert (found > 1e-3).sum() > 30


def test_the_standard_error_is_what_other_draws_would_change():
    """Against the bootstrap over draws, and against wholly new draws."""
    rng = np.random.default_rng(5)
    difference = (LOSSES[0] - LOSSES[3])[None, :]
    chances = [0.3, 0.1, 0.1, 0.4, 0.1]

    def per_draw(draws):
        alive, code = rng.beta(2, 1, (1, draws)), rng.choice(5, (1, draws), p=chances)
        return (weighed(alive, code) * difference[:, None, :]).sum(axis=2)[0], *moments(alive, code)

    losses, probabilities, squares = per_draw(400)
    found = standard_errors(difference, probabilities, squares, 400)[0]
    again = losses[rng.integers(0, 400, (4000, 400))].mean(axis=1).std()
    new = np.std([per_draw(400)[0].mean() for _ in range(2000)])
    assert found == pytest.approx(again, rel=0.05)
    assert found == pytest.approx(new, rel=0.10)


def by_hand(probabilities, allowed, price, before, cost, per_draw_losses=None):
    """The rule customer by customer: argmin of risk and switching cost, then the test against the draws."""
    found = []
    for i, chances in enumerate(probabilities):
        risk = {d: LOSSES[d] @ chances for d in range(6) if allowed[i, d]} | {WITHHELD: price}
        if before[i] not in risk:
            found.append(min(risk, key=risk.get))
            continue
        best = min(risk, key=lambda d: risk[d] + (cost if d != before[i] else 0.0))
        if best != before[i] and per_draw_losses is not None:
            gain = per_draw_losses[i, :, before[i]] - per_draw_losses[i, :, best]
            if not gain.mean() - cost > 2 * gain.std(ddof=1) / np.sqrt(len(gain)):
                best = before[i]
        found.append(best)
    return np.array(found)


@pytest.mark.parametrize("cost", [0, 0.05, 0.2])
@pytest.mark.parametrize("noise", [False, True])
def test_labels_are_those_of_the_rule_worked_by_hand(cost, noise):
    alive, code = drawn(3, 400, 60)
    probabilities, squares = moments(alive, code)
    allowed = allowed_labels(probabilities, np.ones(400), np.ones(400))
    before = np.random.default_rng(4).integers(-1, 7, 400)
    weight = weighed(alive, code)
    per_draw = np.concatenate([weight @ LOSSES.T, np.full((400, 60, 1), PRICE)], axis=2)
    expected = by_hand(probabilities, allowed, PRICE, before, cost, per_draw if noise else None)
    given = {"squares": squares, "draws": 60} if noise else {}
    found = decide(probabilities, allowed, Losses(), PRICE, memory=memory_of(before, switching_cost=cost, **given))
    assert codes_of(found).tolist() == expected.tolist()
    plain = codes_of(decide(probabilities, allowed, Losses(), PRICE))
    assert (found.held == ((codes_of(found) == before) & (plain != before))).all()
    assert found.held.any() == (noise or cost > 0)
    risk = np.column_stack([probabilities @ LOSSES.T, np.full(400, PRICE)])
    np.testing.assert_allclose(found.risk, risk[np.arange(400), expected], rtol=1e-12)


def test_without_switching_cost_and_noise_memory_changes_nothing():
    probabilities, _ = moments(*drawn(6, 300, 40))
    allowed = allowed_labels(probabilities, np.ones(300), np.ones(300))
    before = np.random.default_rng(7).integers(-1, 7, 300)
    plain = decide(probabilities, allowed, Losses(), PRICE)
    found = decide(probabilities, allowed, Losses(), PRICE, memory=memory_of(before, switching_cost=0.0))
    assert (found.labels == plain.labels).all()
    assert not found.held.any()
    assert (found.risk == plain.risk).all()


worlds = st.tuples(st.integers(0, 10**6), st.sampled_from([0.0, 0.05, 0.5, np.inf]), st.booleans())


@settings(deadline=None)
@given(worlds, st.floats(0.05, 2), st.booleans())
def test_what_holds_in_every_world(world, price, young):
    seed, cost, noise = world
    alive, code = drawn(seed, 30, 25)
    rng = np.random.default_rng(seed)
    alive[1] = 1.0  # cannot have gone
    probabilities, squares = moments(alive, code)
    allowed = allowed_labels(probabilities, rng.random(30), np.full(30, 0.5))
    before, hard = rng.integers(-1, 7, 30), rng.random(30) < 0.2
    given = {"squares": squares, "draws": 25} if noise else {}
    memory = memory_of(before, switching_cost=cost, dwell=600.0 if young else 0.0, hard_event=hard, **given)
    found = decide(probabilities, allowed, Losses(), price, memory=memory)
    plain = decide(probabilities, allowed, Losses(), price)
    label, best, rows = codes_of(found), codes_of(plain), np.arange(30)
    open_to = np.column_stack([allowed, np.ones(30, dtype=bool)])
    assert open_to[rows, label].all()
    assert (found.undecided == (label == WITHHELD)).all()
    assert (label[~found.held] == best[~found.held]).all()
    assert (label[found.held] == before[found.held]).all()
    free = hard | (before == NOTHING) | ~open_to[rows, np.maximum(before, 0)]
    assert not found.held[free].any()
    if np.isinf(cost) or young:
        assert (label[~free] == before[~free]).all()
    by_action = np.vstack([LOSSES, np.full(6, price)])
    difference = by_action[label] - by_action[best]
    per_draw = (weighed(alive, code) * difference[:, None, :]).sum(axis=2)
    slack = cost + 2 * noise * per_draw.std(axis=1, ddof=1) / 5.0
    if not young:
        assert (found.risk - plain.risk <= slack + 1e-9)[found.held].all()


def test_seeds_alone_hardly_change_a_label():
    """Two nights of 1,000 draws from the same beliefs about 4,000 customers."""
    rng = np.random.default_rng(8)
    beliefs = rng.dirichlet(np.full(6, 0.5), 4000)

    def night():
        found = rng.multinomial(1000, beliefs) / 1000
        return found, allowed_labels(found, np.ones(4000), np.ones(4000))

    first = decide(*night(), Losses(), PRICE).labels
    probabilities, allowed = night()
    forgetful = decide(probabilities, allowed, Losses(), PRICE).labels
    memory = memory_of(positions_of(first), squares=probabilities[:, :5], draws=1000)
    stays = positions_of(first) == BELOW_ZERO  # may be taken away by its preconditions, whatever the cost
    changed = (decide(probabilities, allowed, Losses(), PRICE, memory=memory).labels != first)[~stays]
    assert (forgetful != first)[~stays].mean() > 0.02
    assert changed.mean() <= 0.002


def one(**chances):
    """One customer's probabilities by state."""
    row = np.array([[chances.get(state.value, 0.0) for state in STATES]])
    return row, np.ones((1, 6), dtype=bool)


GROWN = one(most_valuable=0.95, low_maintenance=0.05)
LOW = STATES.index(State.LOW_MAINTENANCE)


@pytest.mark.parametrize(
    ("since", "hard", "label"),
    [
        ("2025-06-03", False, "low_maintenance"),  # 27 days ago
        ("2025-06-02", False, "most_valuable"),
        ("2025-06-03", True, "most_valuable"),
        ("2025-07-01", False, "low_maintenance"),  # observed to an earlier day than the label's
        ("NaT", False, "most_valuable"),
    ],
)
def test_a_young_label_stays_unless_a_hard_event_ends_it(since, hard, label):
    published = Published(np.array([LOW]), np.array([since], dtype="datetime64[D]"))
    memory = Memory(published, TODAY, dwell=28.0, hard_event=np.array([hard]))
    found = decide(*GROWN, Losses(), PRICE, memory=memory)
    assert found.labels.tolist() == [label]
    assert found.held.tolist() == [label == "low_maintenance"]


def test_a_hard_event_ends_what_an_infinite_switching_cost_holds():
    bound = memory_of([LOW], switching_cost=np.inf)
    assert decide(*GROWN, Losses(), PRICE, memory=bound).labels.tolist() == ["low_maintenance"]
    freed = memory_of([LOW], switching_cost=np.inf, hard_event=np.array([True]))
    assert decide(*GROWN, Losses(), PRICE, memory=freed).labels.tolist() == ["most_valuable"]


def test_a_label_that_may_no_longer_be_published_is_not_held():
    probabilities, allowed = one(below_zero=0.99, dormant=0.01)
    bound = memory_of([BELOW_ZERO], switching_cost=np.inf, dwell=1e6)
    assert decide(probabilities, allowed, Losses(), PRICE, memory=bound).labels.tolist() == ["below_zero"]
    allowed[0, BELOW_ZERO] = False
    found = decide(probabilities, allowed, Losses(), PRICE, memory=bound)
    assert found.labels.tolist() == ["dormant"]
    assert found.unconfirmed.tolist() == [True]
    assert not found.held.any()


def test_withholding_is_remembered_like_a_label():
    probabilities, allowed = one(most_valuable=0.47, low_maintenance=0.53)
    risk = (probabilities @ LOSSES.T)[0]
    best, least = int(risk.argmin()), risk.min()
    for price, before, after in [
        (least + 0.04, WITHHELD, WITHHELD),
        (least + 0.06, WITHHELD, best),
        (least - 0.04, best, best),
        (least - 0.06, best, WITHHELD),
    ]:
        found = decide(probabilities, allowed, Losses(), price, memory=memory_of([before]))
        assert (codes_of(found)[0], found.held[0]) == (after, before == after)
        assert found.undecided[0] == (after == WITHHELD)


def test_where_waiting_tells_nothing_the_label_of_least_risk_is_published():
    probabilities = np.repeat(one(most_valuable=0.47, low_maintenance=0.53)[0], 3, axis=0)
    allowed, waits = np.ones((3, 6), dtype=bool), np.array([True, False, False])
    best = STATES[(probabilities[0] @ LOSSES.T).argmin()].value
    found = decide(probabilities, allowed, Losses(), 0.1, resolvable=waits)
    assert found.labels.tolist() == ["migrator", best, best]
    assert found.borderline.tolist() == [False, True, True]
    np.testing.assert_allclose(found.risk, [0.1, *[(probabilities[0] @ LOSSES.T).min()] * 2])
    # Memory then chooses among labels: even one that was withheld for ever must be decided.
    before = [WITHHELD, WITHHELD, STATES.index(State.LOW_MAINTENANCE)]
    bound = memory_of(before, switching_cost=np.inf)
    remembered = decide(probabilities, allowed, Losses(), 0.1, memory=bound, resolvable=waits)
    assert remembered.labels.tolist() == ["migrator", best, "low_maintenance"]
    assert remembered.borderline.tolist() == [False, True, False]  # the last one was not about to be withheld


def test_a_mark_that_lies_further_from_what_stands_holds_that_alone():
    probabilities, allowed = one(most_valuable=0.47, low_maintenance=0.53)
    best, third = int((probabilities @ LOSSES.T)[0].argmin()), STATES.index(State.MOST_GROWABLE)
    for before, tells, tells_further, after, held in [
        (WITHHELD, False, True, WITHHELD, True),
        (WITHHELD, False, False, best, False),
        (best, True, False, best, True),
        (best, True, True, WITHHELD, False),
        (best, False, False, best, False),
        (third, True, False, WITHHELD, False),
        (third, False, False, best, False),
    ]:
        memory = memory_of([before], resolvable=np.array([tells_further]))
        found = decide(probabilities, allowed, Losses(), 0.1, memory=memory, resolvable=np.array([tells]))
        assert (codes_of(found)[0], found.held[0]) == (after, held), before
        assert found.undecided[0] == (after == WITHHELD)
        assert found.borderline[0] == (after == best and not held)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 0.6))
def test_a_second_night_without_news_publishes_what_the_first_did(seed, price):
    """Status and all: a label that nobody was sure of is not made firm by having been published."""
    probabilities, squares = moments(*drawn(seed, 20, 30))
    allowed, waits = np.ones((20, 6), dtype=bool), np.random.default_rng(seed).random(20) < 0.5
    first = decide(probabilities, allowed, Losses(), price, resolvable=waits)
    memory = memory_of(codes_of(first), squares=squares, draws=30)
    second = decide(probabilities, allowed, Losses(), price, memory=memory, resolvable=waits)
    for name in ("labels", "undecided", "borderline", "risk", "unconfirmed"):
        np.testing.assert_array_equal(getattr(second, name), getattr(first, name), err_msg=name)
    assert not second.held.any()


def test_an_infinite_price_can_be_left_behind():
    probabilities, allowed = moments(*drawn(9, 5, 20))[0], np.ones((5, 6), dtype=bool)
    memory = memory_of(np.full(5, WITHHELD), squares=np.zeros((5, 5)), draws=20)
    assert not decide(probabilities, allowed, Losses(), np.inf, memory=memory).undecided.any()


def test_an_earlier_table_is_recalled_by_customer():
    before = pd.DataFrame(
        {
            "customer_id": ["c", "a", "b"],
            "segment": ["dormant", None, "migrator"],
            "label_since": [pd.Timestamp("2025-02-01"), pd.NaT, pd.NaT],
        }
    )
    ids = np.array(["a", "b", "c", "new"], dtype=object)
    found = recall(ids, before, np.datetime64("2025-06-02"))
    assert found.labels.tolist() == [NOTHING, WITHHELD, DORMANT, NOTHING]
    assert [str(day) for day in found.since] == ["NaT", "2025-06-02", "2025-02-01", "NaT"]
    without = recall(ids, before.drop(columns="label_since"), np.datetime64("2025-06-02"))
    assert [str(day) for day in without.since] == ["NaT", "2025-06-02", "2025-06-02", "NaT"]
    now = found.since_when(np.array(["dormant", "migrator", "migrator", None], dtype=object), TODAY)
    assert [str(day) for day in now] == ["2025-06-30", "2025-06-02", "2025-06-30", "NaT"]
    undated = Published(np.array([DORMANT]), np.array(["NaT"], dtype="datetime64[D]"))
    assert undated.since_when(np.array(["dormant"], dtype=object), TODAY).tolist() == [TODAY.item()]
    with pytest.raises(UsageError, match="more than once"):
        recall(ids, pd.concat([before, before]), TODAY)
    with pytest.raises(UsageError, match="'gold' is no label"):
        recall(ids, before.replace({"segment": {"dormant": "gold"}}), TODAY)


@pytest.mark.parametrize(
    "wrong",
    [{"switching_cost": -0.1}, {"switching_cost": np.nan}, {"dwell": -1.0}, {"squares": np.ones((1, 5)), "draws": 1}],
)
def test_impossible_memories_are_refused(wrong):
    with pytest.raises(UsageError):
        memory_of([LOW], **wrong)
