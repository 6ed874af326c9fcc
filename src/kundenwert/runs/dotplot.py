"""Quantile dotplots: twenty equally likely outcomes as dots, small enough for a table cell.

People decide better with countable dots than with intervals or densities (Fernandes et al. 2018).
"""

import math
from collections.abc import Sequence
from html import escape

from kundenwert.runs import wording as w

WIDTH, HEIGHT, RADIUS = 160, 22, 2.6
PAD = 5


def dot_axis(rows: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """The asinh axis that all rows of a table share: its scale, and its two ends in asinh units."""
    values = sorted(abs(v) for row in rows for v in row)
    positive = [v for v in values if v > 0]
    scale = positive[len(positive) // 4] if positive else 1.0
    places = [math.asinh(v / scale) for row in rows for v in row] or [0.0]
    low, high = min(0.0, *places), max(0.0, *places)
    return scale, low, high if high > low else low + 1.0


def dotplot(quantiles: Sequence[float], axis: tuple[float, float, float], currency: str | None) -> str:
    """Twenty dots on the shared axis, stacked where they meet; zero is marked.

    Parameters
    ----------
    quantiles : (20,) outcomes in money, each a twentieth.
    axis : from `dot_axis`.
    """
    scale, low, high = axis
    room = WIDTH - 2 * PAD

    def at(value: float) -> float:
        return PAD + (math.asinh(value / scale) - low) / (high - low) * room

    stacks: dict[int, int] = {}
    columns = [round((at(v) - PAD) / (2 * RADIUS)) for v in quantiles]
    tallest = max(columns.count(c) for c in columns)
    step = min(2 * RADIUS, (HEIGHT - 4 - 2 * RADIUS) / max(tallest - 1, 1))
    dots = []
    for column in columns:
        level = stacks.get(column, 0)
        stacks[column] = level + 1
        x, y = PAD + column * 2 * RADIUS, HEIGHT - 3 - RADIUS - level * step
        dots.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"/>')
    nothing = sum(v <= 0 for v in quantiles)
    middle = sorted(quantiles)[len(quantiles) // 2]
    label = f"{nothing} of {len(quantiles)} outcomes bring nothing; half bring less than {w.money(middle, currency)}"
    zero = at(0.0)
    return (
        f'<svg role="img" aria-label="{escape(label, quote=True)}" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}"><path d="M0 {HEIGHT - 1.5}H{WIDTH}M{zero:.1f} 2V{HEIGHT}" '
        f'stroke="var(--axis)" stroke-width="1" fill="none"/><g fill="var(--model)">{"".join(dots)}</g></svg>'
    )
