"""Quantile dotplots: twenty equally likely outcomes as dots, small enough for a table cell.

People decide better with countable dots than with intervals or densities (Fernandes et al. 2018).
"""

import math
from collections.abc import Sequence
from html import escape

from kundenwert.runs import wording as w

WIDTH, HEIGHT, RADIUS = 160, 22, 2.6
PITCH = 2 * RADIUS
ROWS = 4
type Axis = tuple[float, float, float, int]


def dot_axis(rows: Sequence[Sequence[float]]) -> Axis:
    """The axis that all rows of a table share: asinh scale, both ends in its units, columns for outcomes of nothing.

    Outcomes of exactly nothing are many, so they stand in a block left of the axis, where they can be counted.
    """
    some = sorted(abs(v) for row in rows for v in row if v)
    scale = some[len(some) // 4] if some else 1.0
    places = [math.asinh(v / scale) for row in rows for v in row if v]
    low, high = min(0.0, *places, 0.0), max(0.0, *places, 0.0)
    nothing = max((sum(not v for v in row) for row in rows), default=0)
    return scale, low, high if high > low else low + 1.0, -(-nothing // ROWS)


def dotplot(quantiles: Sequence[float], axis: Axis, currency: str | None) -> str:
    """Twenty dots, stacked where they meet; those that bring nothing in a block before the upright line at zero.

    Parameters
    ----------
    quantiles : (20,) outcomes in money, each a twentieth.
    axis : from `dot_axis`.
    """
    scale, low, high, block = axis
    start = block * PITCH + RADIUS + 3
    room = WIDTH - start - PITCH - 1
    columns = [round((math.asinh(v / scale) - low) / (high - low) * room / PITCH) for v in quantiles if v]
    tallest = max((columns.count(c) for c in columns), default=1)
    step = min(PITCH, (HEIGHT - 4 - PITCH) / max(tallest - 1, 1))
    nothing = sum(not v for v in quantiles)
    places = [
        (start - 3 - RADIUS - (k // ROWS) * PITCH, (k % ROWS) * (HEIGHT - 3 - PITCH) / (ROWS - 1))
        for k in range(nothing)
    ]
    stacks: dict[int, int] = {}
    for column in columns:
        level = stacks.get(column, 0)
        stacks[column] = level + 1
        places.append((start + RADIUS + column * PITCH, level * step))
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{HEIGHT - 2 - RADIUS - up:.1f}" r="{RADIUS - 0.2:.1f}"/>' for x, up in places
    )
    middle = sorted(quantiles)[len(quantiles) // 2]
    label = f"{nothing} of {len(quantiles)} outcomes bring nothing; half bring less than {w.money(middle, currency)}"
    zero = start + (0.0 - low) / (high - low) * room
    return (
        f'<svg role="img" aria-label="{escape(label, quote=True)}" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}"><path d="M0 {HEIGHT - 0.5}H{WIDTH}M{zero:.1f} 0V{HEIGHT}" '
        f'stroke="var(--axis)" stroke-width="1" fill="none"/><g fill="var(--model)">{dots}</g></svg>'
    )
