"""One case on one data set: every contestant in a process of its own, taking turns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from harness.cases import Contestant
from harness.processes import FailedError, TimeLimitError

Row = dict[str, Any]


class Answering(Protocol):
    """What is needed of a worker; `left` are the seconds that it still has."""

    left: float

    def answer(self) -> dict[str, Any]: ...
    def ask(self, request: str) -> dict[str, Any]: ...
    def close(self) -> None: ...


def turns(contestants: Sequence[Contestant], number: int) -> list[Contestant]:
    """Everybody once; who begins moves on by one from turn to turn, so that no place in the order is somebody's own."""
    start = number % len(contestants) if contestants else 0
    return [*contestants[start:], *contestants[:start]]


def run_case(
    case: str,
    dataset: str,
    contestants: Sequence[Contestant],
    start: Callable[[Contestant], Answering],
    repetitions: int,
    patience: float,
    tell: Callable[[str], None],
) -> tuple[list[Row], dict[str, Mapping[str, str]]]:
    """The rows of one case, one a repetition, and the versions that each contestant ran on.

    Repetition 0 is the cold one: the process is fresh and nothing has been compiled. Then `repetitions` warm ones. A
    contestant who fails or runs out of time leaves a row that says so and takes no further turn; one whose fastest
    repetition would not fit into the time left does not start (status "no time left"). Who has taken more than
    `patience` seconds and one warm turn is not asked again: what is slow needs fewer repetitions to be known.
    """
    rows: list[Row] = []
    versions: dict[str, Mapping[str, str]] = {}
    workers: dict[str, Answering] = {}
    ready: dict[str, Mapping[str, Any]] = {}

    def times_of(one: Contestant) -> list[float]:
        return [row["wall_seconds"] for row in rows if row["contestant"] == one.name and row["status"] == "ok"]

    def turn(one: Contestant, number: int, place: int) -> None:
        row: Row = {"case": case, "dataset": dataset, "contestant": one.name, "kind": one.kind, "repetition": number}
        row |= {"state": "cold" if number == 0 else "warm", "place": place}
        before = times_of(one)
        try:
            if number == 0:
                workers[one.name] = start(one)
                ready[one.name] = message = workers[one.name].answer()
                versions[one.name] = {"python": message["python"], **message["versions"]}
            if min(before, default=0.0) < workers[one.name].left:
                message = workers[one.name].ask("repeat")
                message.pop("event")
                began = {name: round(ready[one.name][name], 4) for name in ("import_seconds", "prepare_seconds")}
                row |= {"status": "ok", **message, **began}
            else:
                row |= {"status": "no time left"}
        except TimeLimitError:
            row |= {"status": "timeout"}
        except FailedError as error:
            row |= {"status": "failed", "error": str(error)}
        rows.append(row)
        tell(f"{dataset} {case}: {one.name}, {row['state']}: {_outcome(row)}")

    try:
        for number in range(1 + repetitions):
            out = {row["contestant"] for row in rows if row["status"] != "ok"}
            out |= {one.name for one in contestants if number > 1 and sum(times_of(one)) > patience}
            for place, one in enumerate(turns([one for one in contestants if one.name not in out], number)):
                turn(one, number, place)
    finally:
        for worker in workers.values():
            worker.close()
    return rows, versions


def _outcome(row: Row) -> str:
    if row["status"] == "ok":
        return f"{row['wall_seconds']:.2f} s, {row['peak_rss_mib']:.0f} MiB"
    return f"{row['status']} {row.get('error', '')}".strip()
