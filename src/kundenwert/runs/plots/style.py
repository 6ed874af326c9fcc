"""Colours, chart settings and the shape of a chart's data, shared by every plot.

The segment colours were found by maximising the least distance between any two of them under normal vision and the
three colour deficiencies, with at least 3:1 contrast to the page: enough for marks, not for text, so text is ink.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from kundenwert.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import altair as alt

type Theme = Literal["light", "dark", "css"]
type Record = dict[str, Any]

LIGHT = {
    "page": "#FFFFFF",
    "mvc": "#2C93CC",
    "sgc": "#116550",
    "mgc": "#BF7D3C",
    "lm": "#888C8E",
    "bz": "#960E04",
    "dorm": "#823082",
    "undecided": "#57606A",
    "ink": "#1B1F23",
    "mute": "#57606A",
    "card": "#F6F7F8",
    "grid": "#E3E7EB",
    "axis": "#7B858E",
    "model": "#1F5F8B",
    "again": "#3F4B55",
    "once": "#A9B3BC",
    "pass": "#116550",
    "review": "#8A5A00",
    "fail": "#960E04",
}
DARK = {
    "page": "#14181D",
    "mvc": "#3488CF",
    "sgc": "#75F4AE",
    "mgc": "#F7911E",
    "lm": "#919191",
    "bz": "#C73734",
    "dorm": "#E2B9E7",
    "undecided": "#C9D1D9",
    "ink": "#E8EBEE",
    "mute": "#A6AFB8",
    "card": "#1D232A",
    "grid": "#2C343C",
    "axis": "#7B858E",
    "model": "#7FC4F0",
    "again": "#C9D1D9",
    "once": "#5B6670",
    "pass": "#75F4AE",
    "review": "#F7C04A",
    "fail": "#FF8A80",
}
SEGMENT_TOKENS = {
    "most_valuable": "mvc",
    "super_growth": "sgc",
    "most_growable": "mgc",
    "low_maintenance": "lm",
    "below_zero": "bz",
    "dormant": "dorm",
    "migrator": "undecided",
}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
WIDTH = 680
BAND_OPACITY = 0.2


def colors(theme: Theme) -> dict[str, str]:
    """Token -> colour: hex for `light` and `dark`, CSS variables for `css` (the report, where the page decides)."""
    if theme == "css":
        return {token: f"var(--{token})" for token in LIGHT}
    themes = {"light": LIGHT, "dark": DARK}
    if theme not in themes:
        hint = did_you_mean(str(theme), [*themes, "css"])
        raise UsageError(f"theme {theme!r} is not known.{hint} Use 'light', 'dark' or 'css' (for HTML pages only).")
    return dict(themes[theme])


def numbers(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Record:
    """The table of a chart's numbers, as text, the first column being the row's heading."""
    return {"caption": caption, "columns": list(columns), "rows": [list(row) for row in rows]}


def finish(chart: Any, data: Mapping[str, Any], theme: Theme, *, help: bool) -> "alt.TopLevelMixin":
    """The chart with its theme, and with question, answer and reading help as its title unless the page prints them."""
    import altair as alt

    c = colors(theme)
    if help:
        subtitle = [*wrap(data["answer"]), *wrap(data["help"])]
        chart = chart.properties(
            title=alt.TitleParams(
                data["question"],
                subtitle=subtitle,
                anchor="start",
                color=c["ink"],
                subtitleColor=c["mute"],
                fontSize=15,
                subtitleFontSize=12,
                subtitlePadding=4,
                offset=12,
            )
        )
    # Not by chart.configure_axis(...) and its like: each of those copies the whole chart, layers and all.
    chart.config = alt.Config(
        aria=False,
        font=FONT,
        background="transparent" if theme == "css" else c["page"],
        padding=8,
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            labelColor=c["ink"],
            titleColor=c["ink"],
            gridColor=c["grid"],
            domainColor=c["axis"],
            tickColor=c["axis"],
            labelFontSize=11,
            titleFontSize=12,
            titleFontWeight="normal",
            titlePadding=8,
            labelLimit=220,
        ),
        header=alt.HeaderConfig(labelColor=c["ink"], titleColor=c["ink"], labelFontSize=12),
        legend=alt.LegendConfig(labelColor=c["ink"], titleColor=c["ink"], labelFontSize=11, titleFontSize=11),
        text=alt.MarkConfig(color=c["ink"], fontSize=11),
        rule=alt.MarkConfig(color=c["mute"]),
        concat=alt.CompositionConfig(spacing=12),
    )
    return chart  # type: ignore[no-any-return]


def wrap(text: str, width: int = 100) -> list[str]:
    """Text in lines that a subtitle of the usual width can hold."""
    import textwrap

    return textwrap.wrap(text, width) or [""]


def rounded(values: Any, digits: int = 5) -> list[Any]:
    """An array as a list of plain numbers with few significant digits; what is not finite becomes null."""
    import numpy as np

    array = np.asarray(values, dtype=float)
    return [rounded(v, digits) if v.ndim else json_number(float(v), digits) for v in array]


def json_number(value: float, digits: int = 6) -> float | int | None:
    """A number for `report.json`: few significant digits, null where it is not finite, an integer where it is whole.

    >>> json_number(0.123456789), json_number(12.0), json_number(float("inf")), json_number(-0.0)
    (0.123457, 12, None, 0)
    """
    import math

    if not math.isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short


def nice(value: float) -> float:
    """The number of the form 1, 2 or 5 times a power of ten that lies nearest on the log scale.

    >>> nice(4.2), nice(1.75), nice(0.03)
    (5.0, 2.0, 0.02)
    """
    return min(ladder(value / 10, value * 10), key=lambda step: abs(_log(step) - _log(value)))


def ladder(low: float, high: float) -> list[float]:
    """All numbers 1, 2, 5 times a power of ten within positive bounds.

    >>> ladder(0.9, 60)
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
    """
    import math

    exponents = range(math.floor(_log(low)), math.ceil(_log(high)) + 1)
    steps = (float(f"{m}e{e}") for e in exponents for m in (1, 2, 5))
    return [step for step in steps if low <= step <= high]


def _log(value: float) -> float:
    import math

    return math.log10(value)
