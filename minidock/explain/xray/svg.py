"""The pictures of the page, as SVG: namespaces as nested boxes, gauges, the stack of layers, the way of a packet.

Colours come from the page's style sheet by class names, so that a picture is right in the light and in the dark.
All coordinates are in units of the view box, which is scaled to the width of the page.
"""

from __future__ import annotations

from minidock.explain import format_values
from minidock.explain.layers.layer_changes import Changes
from minidock.explain.translations import say
from minidock.explain.xray.descriptions import gauges
from minidock.explain.xray.html_markup import Markup, box, drawing, join, label, line, paragraph, path, tag
from minidock.explain.xray.model import Cgroup, Namespace, Root, Running
from minidock.explain.xray.trend import Trend

_WIDE, _NARROW = 1200, 480
_DRAWN_LAYERS, _SLAB = 10, 74


def namespaces(rows: list[Namespace], container: str) -> Markup:
    """Host and container as nested boxes: the inner box has the container's own namespaces."""
    ordered = [row for row in rows if row.is_own] + [row for row in rows if not row.is_own]
    own = sum(row.is_own for row in rows)
    step = (_WIDE - 38) / max(len(rows), 1)
    parts = [box(2, 2, _WIDE - 4, 336, "host-area", 20), label(26, 38, say("host"), "area-name host-ink")]
    if own:
        parts += [
            box(15, 180, own * step + 8, 146, "inside-area", 16),
            label(32, 212, f"{say('container')} {container}", "area-name inside-ink", room=max(17, own * 10)),
        ]
    for place, row in enumerate(ordered):
        parts.append(_namespace(row, 24 + place * step, step - 10))
    return drawing(_WIDE, 340, say("namespaces"), *parts)


def _namespace(row: Namespace, left: float, width: float) -> Markup:
    middle = left + width / 2
    note = say(f"ns {row.kind}")
    parts = [
        box(left, 54, width, 106, "chip host-line"),
        label(middle, 83, row.kind, "chip-name", anchor="middle"),
        label(middle, 107, row.host_inode, "chip-number", anchor="middle"),
        paragraph(middle, 128, note, "chip-note", room=18, lines=2, height=17, anchor="middle"),
    ]
    if row.is_own:
        class_ = "chip inside-line shared" if row.shared_with else "chip inside-line"
        note = say("with", names=", ".join(row.shared_with)) if row.shared_with else say("own")
        parts += [
            box(left, 226, width, 88, class_),
            label(middle, 255, row.kind, "chip-name inside-ink", anchor="middle"),
            label(middle, 279, row.inode, "chip-number", anchor="middle"),
            label(middle, 301, note, "chip-note", room=20, anchor="middle"),
        ]
    else:
        parts += [
            line(middle, 164, middle, 244, "same"),
            label(middle, 272, say("shared"), "chip-note host-ink", anchor="middle"),
        ]
    return tag("g", *parts)


def gauge_rows(group: Cgroup, running: Running, trend: Trend | None) -> Markup:
    """A bar for each thing that is limited or counted, with the last minute beside it where there is one."""
    rows = gauges(group, running)
    shares = [share for _, share, _ in rows]
    words = [text for _, _, text in rows]
    curves: list[list[float]] = [[] for _ in rows]
    if trend and len(trend.points) > 1:
        curves[0] = [float(value) for value in trend.memory]
        if group.cpu and len(rows) > 1:
            curves[1] = [rate.cpu for rate in trend.rates]
            now = curves[1][-1]
            shares[1] = now / (group.cpu.limit or running.host_processors)
            words[1] = f"{now * 100:.0f} %, {words[1]}"
    parts, top = [], 8.0
    for (name, _, _), share, text, curve in zip(rows, shares, words, curves, strict=True):
        parts.append(_gauge(top, name, share, text, curve))
        top += 70 if share is None and not curve else 98
    return drawing(_NARROW, top, say("cgroup"), *parts)


def _gauge(top: float, name: str, share: float | None, words: str, curve: list[float]) -> Markup:
    width = 340 if curve else _NARROW - 4
    parts = [
        label(2, top + 14, name, "gauge-name"),
        paragraph(2, top + 35, words, "gauge-words", room=46 if curve else 64, lines=2, height=18),
    ]
    if share is not None:
        level = "full" if share > 0.9 else "high" if share > 0.7 else "calm"
        filled = max(7.0 if share > 0 else 0.0, min(1.0, share) * width)
        parts.append(box(2, top + 62, width, 14, "trough", 7))
        parts.append(box(2, top + 62, filled, 14, f"fill {level}", 7))
    if curve:
        parts.append(sparkline(curve, 364, top + 4, 112, 72))
    return tag("g", *parts)


def sparkline(values: list[float], left: float, top: float, width: float, height: float) -> Markup:
    """The last minute as a line over a soft area; its highest point is the top."""
    most = max(*values, 1e-9)
    step = width / 59
    start = left + width - step * (len(values) - 1)
    points = [
        f"{start + place * step:.1f} {top + height - value / most * (height - 4):.1f}"
        for place, value in enumerate(values)
    ]
    line_ = "M" + " L".join(points)
    area = f"{line_} L{left + width:.1f} {top + height:.1f} L{start:.1f} {top + height:.1f} Z"
    return join([path(area, "spark-area"), path(line_, "spark")])


def stack(root: Root) -> Markup:
    """The layers as slabs, the writable one on top. Of many layers, the middle ones are only counted."""
    parts: list[Markup] = []
    top = 4
    if root.top is not None:
        parts.append(_slab(top, say("writable top"), "top-slab", root.top, ""))
        top += _SLAB
    for layer in reversed(root.layers):
        left_out = len(root.layers) - _DRAWN_LAYERS
        if 1 < layer.number <= 1 + left_out:
            if layer.number == 1 + left_out:
                parts.append(label(320, top + 24, say("and more layers", count=left_out), "note", anchor="middle"))
                top += 40
            continue
        parts.append(_slab(top, say("image layer", number=layer.number), "slab", layer.changes, layer.created_by))
        top += _SLAB
    return drawing(640, top + 10, say("stack"), *parts)


def _slab(top: float, name: str, class_: str, changes: Changes, by: str) -> Markup:
    added, hidden = (sum(change.entries for change in rows) for rows in (changes.added, changes.hidden))
    changed = len(changes.changed)
    # A slab seen from a little above: its upper side, and its edge.
    parts = [
        path(f"M22 {top} H618 L638 {top + 14} H2 Z", f"{class_} upper"),
        box(2, top + 14, 636, 52, class_, 6),
        label(18, top + 37, name, "slab-name"),
        label(18, top + 57, " ".join(by.split()), "slab-note", room=44),
        label(622, top + 37, format_values.size(changes.size), "slab-name", anchor="end"),
        tag(
            "text",
            tag("tspan", f"+{format_values.number(added)}", class_="added"),
            tag("tspan", f"  ~{format_values.number(changed)}", class_="changed"),
            tag("tspan", f"  \N{MINUS SIGN}{format_values.number(hidden)}", class_="hidden-ink"),
            x="622", y=f"{top + 57:g}", class_="slab-counts", text_anchor="end",
        ),
    ]  # fmt: skip
    return tag("g", *parts)
