"""Findings of a check: outcomes as values, each with a cause and a next step; the worst one is the verdict."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from kundenwert.names import Verdict


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Parameters
    ----------
    name : what was checked, in words.
    measured, limit : what came out and what it was held against, as text.
    cause, next_step : why it may be so and what to do; both are filled in for PASS too where there is something to say.
    value : the measured figure as a number, where there is one.
    affects : which figure the finding moves, and in which direction.
    """

    name: str
    verdict: Verdict
    measured: str
    limit: str
    cause: str = ""
    next_step: str = ""
    value: float | None = None
    affects: str = ""


@dataclass(frozen=True)
class Checks:
    """All findings, worst first, and the verdict they add up to."""

    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, findings: Sequence[Finding]) -> "Checks":
        """Checks from findings in any order."""
        order = list(Verdict)
        return cls(tuple(sorted(findings, key=lambda finding: -order.index(finding.verdict))))

    @property
    def verdict(self) -> Verdict:
        """The worst finding's verdict."""
        return worst(finding.verdict for finding in self.findings)

    @property
    def passed(self) -> int:
        """How many findings are PASS."""
        return sum(finding.verdict is Verdict.PASS for finding in self.findings)

    def __repr__(self) -> str:
        lines = [f"{self.verdict}: {self.passed} of {len(self.findings)} checks passed"]
        for finding in self.findings:
            lines.append(f"  {finding.verdict:6} {finding.name}: {finding.measured} (limit: {finding.limit})")
            if finding.cause:
                lines.append(f"         {finding.cause} {finding.next_step}".rstrip())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td>{escape(str(c))}</td>" for c in (f.verdict, f.name, f.measured, f.limit, f.cause, f.next_step)
            )
            + "</tr>"
            for f in self.findings
        )
        head = "".join(f"<th>{h}</th>" for h in ("", "check", "measured", "limit", "cause", "next step"))
        return f"<p><b>{self.verdict}</b></p><table><tr>{head}</tr>{rows}</table>"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """FAIL if any is FAIL, else REVIEW if any is, else PASS."""
    order = list(Verdict)
    return max(verdicts, key=order.index, default=Verdict.PASS)
