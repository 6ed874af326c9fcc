"""Who runs when, and what becomes of those who fail. Workers here are scripted: they answer at once."""

from collections import deque

import pytest
from harness.cases import CASE_DATASETS, CASES, CONTESTANTS, ENVIRONMENTS, contestants_of, reference_of
from harness.processes import FailedError, TimeLimitError
from harness.schedule import run_case, turns

FITTERS = [one for one in CONTESTANTS if one.kind == "point" and "score" in one.cases]
READY = {"event": "ready", "python": "3.13.0", "versions": {"it": "1"}, "import_seconds": 0.5, "prepare_seconds": 0.1}


class Scripted:
    """Answers with the given seconds; an exception in their place is raised."""

    def __init__(self, name, answers, diary):
        self.name, self.answers, self.diary, self.left, self.closed = name, deque(answers), diary, 100.0, False

    def answer(self):
        return dict(READY)

    def ask(self, request):
        self.diary.append(self.name)
        outcome = self.answers.popleft()
        if isinstance(outcome, Exception):
            raise outcome
        self.left -= outcome
        return {"event": "repetition", "wall_seconds": outcome, "peak_rss_mib": 1.0, "result": {}}

    def close(self):
        self.closed = True


def run_scripted(scripts, repetitions):
    diary, workers = [], {}

    def start(one):
        workers[one.name] = Scripted(one.name, scripts[one.name], diary)
        return workers[one.name]

    rows, versions = run_case("fit_bgnbd", "sample", FITTERS, start, repetitions, 60.0, lambda text: None)
    assert all(worker.closed for worker in workers.values())
    return rows, versions, diary


NAMES = [one.name for one in FITTERS]


def test_turns_move_on():
    assert [one.name for one in turns(FITTERS, 1)] == [NAMES[1], NAMES[2], NAMES[0]]
    assert turns(FITTERS, 3) == FITTERS
    assert turns([], 5) == []


def test_everybody_takes_turns_and_the_first_is_cold():
    rows, versions, diary = run_scripted({name: [1.0, 2.0, 3.0] for name in NAMES}, 2)
    assert diary == [*NAMES, NAMES[1], NAMES[2], NAMES[0], NAMES[2], NAMES[0], NAMES[1]]
    assert [row["state"] for row in rows] == ["cold"] * 3 + ["warm"] * 6
    assert rows[0]["import_seconds"] == 0.5
    assert versions[NAMES[0]] == {"python": "3.13.0", "it": "1"}


@pytest.mark.parametrize(
    ("outcome", "status"), [(TimeLimitError(), "timeout"), (FailedError("ValueError: no"), "failed")]
)
def test_who_does_not_end_takes_no_further_turn(outcome, status):
    rows, _, diary = run_scripted({NAMES[0]: [1.0, outcome], NAMES[1]: [1.0] * 4, NAMES[2]: [1.0] * 4}, 3)
    own = [row for row in rows if row["contestant"] == NAMES[0]]
    assert [row["status"] for row in own] == ["ok", status]
    assert diary.count(NAMES[1]) == diary.count(NAMES[2]) == 4


def test_what_cannot_fit_is_not_started():
    rows, _, diary = run_scripted({NAMES[0]: [60.0, 1.0], NAMES[1]: [1.0] * 2, NAMES[2]: [1.0] * 2}, 1)
    assert [row["status"] for row in rows if row["contestant"] == NAMES[0]] == ["ok", "no time left"]
    assert diary.count(NAMES[0]) == 1


def test_one_warm_turn_is_enough_for_the_slow():
    rows, _, diary = run_scripted({NAMES[0]: [40.0, 30.0], NAMES[1]: [1.0] * 4, NAMES[2]: [1.0] * 4}, 3)
    assert [row["status"] for row in rows if row["contestant"] == NAMES[0]] == ["ok", "ok"]
    assert [diary.count(name) for name in NAMES] == [2, 4, 4]


def test_every_case_has_ourselves_and_a_peer_on_all_its_data():
    for case in CASES:
        for dataset in CASE_DATASETS[case]:
            found = contestants_of(case, dataset, ENVIRONMENTS)
            assert {one.name for one in found} >= {reference_of(one.kind) for one in found}
            assert len({one.environment for one in found}) >= 2
    assert len({one.name for one in CONTESTANTS}) == len(CONTESTANTS)


def test_who_takes_long_stays_with_small_data():
    small, large = (contestants_of("fit_bgnbd", name, ("pymc-marketing",)) for name in ("sample", "simulated-1m"))
    assert [one.name for one in small] == ["pymc-marketing NUTS", "pymc-marketing MAP"]
    assert large == []


def test_contestants_are_chosen_by_environment():
    found = contestants_of("score", "sample", ("lifetimes",))
    assert [one.name for one in found] == ["lifetimes maximum likelihood"]
