"""The map of a search as a picture (SVG): a rectangle for each tile, bright where values are great; the best point."""

from __future__ import annotations

from html import escape
from typing import Any

_SIZE = 300  # pixels, of each side
_FLAT = 0.5  # the shade where all values are the same
# Dark blue to yellow by way of green: told apart by those who see no red, too (matplotlib's viridis, at five points).
_COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))


def svg(report: dict[str, Any]) -> str:
    """The picture's text; y goes up."""
    left, right = report["x"]
    low, high = report["y"]
    across, up = _SIZE / (right - left), _SIZE / (high - low)
    values = [tile["value"] for tile in report["map"] if tile["value"] is not None]
    least, most = min(values, default=0.0), max(values, default=0.0)
    parts = []
    for tile in report["map"]:
        (x0, x1), (y0, y1) = tile["x"], tile["y"]
        box = f'x="{(x0 - left) * across:.1f}" y="{(high - y1) * up:.1f}" '
        box += f'width="{(x1 - x0) * across:.1f}" height="{(y1 - y0) * up:.1f}"'
        value = tile["value"]
        title = "no value" if value is None else f"{value:.4g}"
        parts.append(f'<rect {box} fill="{_colour(value, least, most)}"><title>{title}</title></rect>')
    best = report["best"]
    parts.append(f'<circle cx="{(best["x"] - left) * across:.1f}" cy="{(high - best["y"]) * up:.1f}" r="6" '
                 'fill="white" stroke="black" stroke-width="2"/>')  # fmt: skip
    label = escape(f"the values of {report['expression']}")
    return f'<svg viewBox="0 0 {_SIZE} {_SIZE}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _colour(value: float | None, least: float, most: float) -> str:
    if value is None:
        return "none"
    place = ((value - least) / (most - least) if most > least else _FLAT) * (len(_COLOURS) - 1)
    number = min(int(place), len(_COLOURS) - 2)
    mixed = (round(a + (b - a) * (place - number)) for a, b in zip(_COLOURS[number], _COLOURS[number + 1], strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)
