"""One family of exceptions: each says what is wrong, where and what to do, and carries the exit code of the program."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import ClassVar

FIRST_IDS = 5


class KundenwertError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(KundenwertError, ValueError):
    """A function or a command was called with arguments that cannot work together."""

    exit_code = 2


class SpecError(KundenwertError, ValueError):
    """A `models/*.toml` file is wrong. `mistakes` lists every one of them.

    Parameters
    ----------
    where : path or name of the spec.
    mistakes : one sentence each, with the key, the cause and the way out.
    """

    exit_code = 3

    def __init__(self, where: str, mistakes: Sequence[str]) -> None:
        self.where = where
        self.mistakes = tuple(mistakes)
        count = len(self.mistakes)
        noun = "mistake" if count == 1 else "mistakes"
        super().__init__("\n".join([f"{where}: {count} {noun}", *(f"  - {mistake}" for mistake in self.mistakes)]))


@dataclass(frozen=True)
class Violation:
    """One broken rule of a data contract.

    Parameters
    ----------
    rule : what is wrong, without count and ids ("recency is greater than T").
    count : number of rows (or customers) that break it; 0 where counting makes no sense (a missing column).
    ids : some of the customers concerned; the first five are shown.
    remedy : what to do about it.
    noun : what is counted: "row", or "customer" where the rule is about all rows of one.
    """

    rule: str
    count: int = 0
    ids: Sequence[object] = field(default=())
    remedy: str = ""
    noun: str = "row"

    def __str__(self) -> str:
        shown = ", ".join(str(i) for i in self.ids[:FIRST_IDS])
        more = ", ..." if len(self.ids) > FIRST_IDS or (self.ids and self.count > len(self.ids)) else ""
        where = f" (first: {shown}{more})" if shown else ""
        head = f"{self.count:,} {self.noun}{'' if self.count == 1 else 's'}: " if self.count else ""
        tail = f" {self.remedy}" if self.remedy else ""
        return f"{head}{self.rule}{where}.{tail}"


class DataError(KundenwertError, ValueError):
    """Input breaks the data contract. `violations` lists every rule that is broken."""

    exit_code = 3

    def __init__(self, where: str, violations: Sequence[Violation]) -> None:
        self.where = where
        self.violations = tuple(violations)
        count = len(self.violations)
        noun = "rule" if count == 1 else "rules"
        lines = [f"{where}: {count} {noun} of the data contract broken", *(f"  - {v}" for v in self.violations)]
        super().__init__("\n".join(lines))


class RunError(KundenwertError, LookupError):
    """A run folder or an alias is missing, incomplete, or cannot do what is asked of it."""

    exit_code = 3


class LockedError(KundenwertError):
    """Another process holds the lock of this model's runs."""

    exit_code = 75


class NumericalError(KundenwertError, ArithmeticError):
    """A quantity does not exist or did not come out finite; the message names the first customers and the cause."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`" Did you mean 'x'?"`, or an empty string where nothing known is near.

    >>> did_you_mean("horizn", ["horizon", "margin"])
    " Did you mean 'horizon'?"
    """
    lowered = {k.lower(): k for k in known}
    near = get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return f" Did you mean '{lowered[near[0]]}'?" if near else ""
