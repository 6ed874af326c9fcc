"""Charts as small, silent SVG for a page: no script, no aria noise, native tooltips."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from kundenwert.runs.renderer import draw_all

_ARIA = re.compile(r' (?:aria-hidden|aria-roledescription|role|pointer-events|class)="[^"]*"')
_LABEL = re.compile(
    r'<(path|rect|line|text|circle)((?:[^<>"]|"[^"]*")*?) aria-label="([^"]*)"((?:[^<>"]|"[^"]*")*?)(/>|>)'
)
_DECIMALS = re.compile(r"-?\d+\.\d{2,}")
_NUMERIC = re.compile(r' (?:d|transform|x|y|x1|x2|y1|y2|width|height|points|viewBox)="[^"]*"')
_FONT = re.compile(r' font-family="[^"]*"| font-weight="normal"')  # the page sets the font
_MARK = re.compile(r'<(?:path|rect|circle)(?:[^<>"]|"[^"]*")*>')
_EMPTY = re.compile(r'<path[^<>]*? d=""[^<>]*?/>|<path(?:[^<>"]|"[^"]*")*? display="none"(?:[^<>"]|"[^"]*")*?/>')
_INVISIBLE = re.compile(r'<path d="M0,0h0v0h0Z"/>|<path d="M0\.5,0\.5h[\d.]+v[\d.]+h-[\d.]+Z"/>|<g></g>|<g/>')
_DEFAULTS = re.compile(
    r' (?:opacity="1"|stroke-width="1"|stroke-opacity="1"|fill-opacity="1"|fill="transparent"(?= stroke="none"))'
)
_HEAD = re.compile(r"<svg ((?:[^<>\"]|\"[^\"]*\")*)>")


def render_svgs(charts: Iterable[tuple[Any, str]]) -> list[str]:
    """Altair charts as `<svg role="img">` whose labels say the findings.

    Parameters
    ----------
    charts : Altair charts, each with what the picture shows, in one or two sentences. Best made one by one: each is
        rendered while the next is made.
    """
    labels = []

    def specifications() -> Iterator[dict[str, Any]]:
        for chart, label in charts:
            labels.append(label)
            yield chart.to_dict(validate=False)  # each part was validated when it was made

    drawn = draw_all(specifications())
    return [slim(svg, label) for svg, label in zip(drawn, labels, strict=True)]


def slim(svg: str, label: str) -> str:
    """Vega's SVG without what only its script needs: about half the size, and quiet for a screen reader."""
    svg = _LABEL.sub(_titled, svg)
    svg = _ARIA.sub("", svg)
    svg = _FONT.sub("", svg)
    svg = _MARK.sub(lambda m: m[0] if ' stroke="' in m[0] else m[0].replace(' stroke-width="2"', ""), svg)
    svg = _EMPTY.sub("", svg)
    svg = _NUMERIC.sub(lambda m: _DECIMALS.sub(_short, m[0]), svg)
    svg = _DEFAULTS.sub("", svg)
    svg = _INVISIBLE.sub("", svg)
    while "<g></g>" in svg:
        svg = svg.replace("<g></g>", "")
    head = _HEAD.match(svg)
    if head is None:
        raise ValueError("the renderer returned no <svg> element: report this with the version of vl-convert-python.")
    width, height = (re.search(rf'{side}="([\d.]+)"', head[1]) for side in ("width", "height"))
    size = f"{float(width[1]):.0f}", f"{float(height[1]):.0f}"  # type: ignore[index]
    box = re.search(r'viewBox="[^"]*"', head[1])
    named = f'role="img" aria-label="{_attribute(label)}"'
    start = f'<svg {named} width="{size[0]}" height="{size[1]}" {box[0] if box else ""}>'
    return start + svg[head.end() :]


def _titled(match: re.Match[str]) -> str:
    """A mark with its description as a child `<title>`: the browser shows it on hover, without a script."""
    name, before, words, after, end = match.groups()
    if end == "/>":
        return f"<{name}{before}{after}><title>{words}</title></{name}>"
    return f"<{name}{before}{after}><title>{words}</title>"


def _short(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".").replace("-0", "0" if float(match[0]) == 0 else "-0")


def _attribute(text: str) -> str:
    from html import escape

    return escape(text, quote=True)
