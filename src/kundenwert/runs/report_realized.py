"""What customers have brought so far, in the shape that the report takes: counted, part by part."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kundenwert.customers.events import JOINT
from kundenwert.errors import UsageError
from kundenwert.runs import wording as w
from kundenwert.runs.plots.style import json_number
from kundenwert.value.breakdown import EVENT_PREFIX

NAMES = {
    "revenue": "Revenue: what they paid, no margin was given",
    "gross_margin": "Margin on what they paid",
    "refunds": "Refunds",
    "order_costs": "Costs of orders",
    "return_costs": "Costs of returns",
    "acquisition_cost": "Cost of winning them",
}
SAME_SUM = 1e-6


@dataclass(frozen=True)
class Realized:
    """What all customers together have brought so far.

    Parameters
    ----------
    parts : name of the part, as `RealizedBreakdown.parts` has them -> money, costs negative.
    total : their sum.
    provision : what refunds may still take back of the newest orders; 0 where nothing has ever come back.
    days : within which orders come back.

    Raises
    ------
    UsageError : parts that do not add up.
    """

    parts: Mapping[str, float]
    total: float
    provision: float = 0.0
    days: int = 0

    def __post_init__(self) -> None:
        size = sum(map(abs, self.parts.values()))
        if abs(sum(self.parts.values()) - self.total) > SAME_SUM * max(size, 1.0):
            raise UsageError(
                f"parts of realized value add up to {sum(self.parts.values()):,.2f}, not {self.total:,.2f}."
            )


def realized_record(realized: Realized) -> Mapping[str, Any]:
    """Its numbers for `report.json`; parts of nothing are left out."""
    return {
        "parts": {name: json_number(money) for name, money in realized.parts.items() if money},
        "total": json_number(realized.total),
        "provision": json_number(realized.provision),
        "days": realized.days,
    }


def realized_table(report: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The table under the first question, None in reports that do not know it."""
    found, currency = report["realized"], report["currency"]
    if found is None:
        return None
    parts = found["parts"]
    own = {name: money for name, money in parts.items() if not name.startswith(JOINT)}
    rows = [[_name(name), w.money(money, currency)] for name, money in own.items()]
    if len(own) < len(parts):
        rows.append(["Together, before joint costs are shared out", w.money(sum(own.values()), currency)])
        rows += [[_name(name), w.money(money, currency)] for name, money in parts.items() if name not in own]
    rows.append(["Together", w.money(found["total"], currency)])
    note = ""
    if found["provision"]:
        note = (
            f"Of the orders of the last {found['days']} days {w.money(found['provision'], currency)} may still come "
            "back: not taken off here."
        )
    caption = "What these customers have brought so far (counted, not discounted)"
    return {"caption": caption, "columns": ["Part", "Money"], "rows": rows, "note": note}


def _name(part: str) -> str:
    if part in NAMES:
        return NAMES[part]
    if part.startswith(JOINT):
        return f"Shares of joint costs: {w.short_id(part.removeprefix(JOINT), 40)}"
    return f"Events: {w.short_id(part.removeprefix(EVENT_PREFIX), 40)}"
