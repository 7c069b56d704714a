"""The text of `minidock layers`."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from minidock.explain import format_values
from minidock.explain.console import columns, text
from minidock.explain.layers.file_origins import Directory, Event, Trace
from minidock.explain.layers.image_layers import Layer
from minidock.explain.layers.layer_changes import Change, topmost
from minidock.explain.translations import say

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

FEW = 15  # lines of one kind of change, unless all are asked for
MARKS = {"added": ("+", "green"), "changed": ("~", "yellow"), "hidden": ("-", "red")}


def overview(
    layers: Sequence[Layer], lines: Sequence[tuple[str, int]], *, everything: bool
) -> Iterator[RenderableType]:
    """A table of the Dockerfile's lines with the layer that each made, the last first as in `minidock history`; then
    what each layer does. `lines`: (line, number of its layer, 0 for none).
    """
    table = columns(
        say("layer").upper(), say("size").upper(), say("adds").upper(), say("changes").upper(), say("hides").upper(),
        say("created by").upper(), right=(1, 2, 3, 4),
    )  # fmt: skip
    for line, number in reversed(lines):
        if not number:
            table.add_row(text("-", "dim"), "", "", "", "", text(_first_line(line), "dim"))
            continue
        layer = layers[number - 1]
        cells = [format_values.size(layer.changes.size), *(format_values.number(n) for n in _counts(layer))]
        table.add_row(text(f"{number}", "bold"), *cells, text(_first_line(line)))
    yield table
    yield ""
    for layer in reversed(layers):
        yield from _layer(layer, everything)
    yield _sum(layers)


def _counts(layer: Layer) -> tuple[int, int, int]:
    changes = layer.changes
    return len(changes.added), len(changes.changed), sum(change.entries for change in changes.hidden)


def _first_line(created_by: str) -> str:
    return " ".join(created_by.split())[:200]


def _layer(layer: Layer, everything: bool) -> Iterator[RenderableType]:
    heading = text(f"{say('layer').capitalize()} {layer.number}", "bold")
    heading.append(f"  {layer.diff_id[:19]}", "dim")
    yield heading
    changes = layer.changes
    for what, rows in (("added", changes.added), ("changed", changes.changed), ("hidden", changes.hidden)):
        yield from change_lines(what, rows, len(rows) if everything else FEW, everything=everything)
    if not (changes.added or changes.changed or changes.hidden):
        yield text(f"  {say('nothing')}", "dim")
    yield ""


def change_lines(what: str, rows: Sequence[Change], limit: int, *, everything: bool = False) -> Iterator[Text]:
    """Lines such as `+ /srv/note  5B`. Unless all are wanted, what lies in an added directory is summed up with it."""
    mark, colour = MARKS[what]
    rolled = list(rows) if everything else topmost(rows)
    for change in rolled[:limit]:
        line = text(f"  {mark} ", colour)
        line.append_text(text(change.path + ("/" if change.kind == "directory" else "")))
        line.append(f"  {change_facts(what, change)}", "dim")
        yield line
    if len(rolled) > limit:
        yield text(f"    {say('and more', count=len(rolled) - limit)}", "dim")


def change_facts(what: str, change: Change) -> str:
    """The details of a change, shown beside its path."""
    parts = [format_values.size(change.before if what == "hidden" else change.size)]
    if change.kind == "directory" or what == "hidden":
        parts = (
            [say("of them inside", count=format_values.number(change.entries)), *parts] if change.entries > 1 else parts
        )
        parts = [] if change.kind == "directory" and change.entries == 1 and not change.size else parts
    if change.how:
        parts.append(say(change.how))
    return ", ".join(parts)


def _sum(layers: Sequence[Layer]) -> Text:
    size = format_values.size(sum(layer.changes.size for layer in layers))
    if len(layers) == 1:
        return text(say("sum of one layer", size=size))
    hidden = format_values.size(sum(layer.changes.before for layer in layers))
    return text(say("sum of layers", size=size, count=len(layers), hidden=hidden))


def origin_text(found: Trace, asked: str, layers: Sequence[tuple[str, str]]) -> Iterator[RenderableType]:
    """`--path`: which layer a file comes from, and what each layer did to it. `layers`: (diff ID, created by) each."""
    if found.layer:
        line = text(say("comes from", path=found.path, layer=found.layer), "bold")
    else:
        line = text(say("is hidden", path=found.path), "bold")
    if found.target:
        line.append(f", {format_values.text(say('points to', target=found.target))}")
    if found.path != asked:
        line.append(f" {format_values.text(say('asked for', asked=asked))}", "dim")
    yield line
    yield ""
    table = columns(say("layer").upper(), "", "", say("created by").upper())
    for event in reversed(found.events):
        mark, colour = MARKS[event.what]
        style = "bold" if event.layer == found.layer else "dim"
        table.add_row(
            text(str(event.layer), style), text(f"{mark} {say(event.what)}", colour), text(_event_facts(event, found)),
            text(_first_line(layers[event.layer - 1][1])),
        )  # fmt: skip
    yield table


def _event_facts(event: Event, found: Trace) -> str:
    if event.what == "hidden":
        return say(event.how) + (f": {event.by}" if event.by != found.path else "")
    return f"{stat.filemode(event.mode)}  {format_values.size(event.size)}"


def tree(directories: Sequence[Directory], depth: int) -> Iterator[Text]:
    """`--tree`: directories with the layer that each comes from and what every layer has in it.

    Down to `depth`; further only where several layers meet.
    """
    kept = [directory for directory in directories if _is_drawn(directory, depth)]
    children: dict[str, list[Directory]] = {}
    for directory in kept[1:]:
        children.setdefault(directory.path.rpartition("/")[0] or "/", []).append(directory)
    pending = [(kept[0], "", "")]
    while pending:
        directory, lead, next_lead = pending.pop()
        line = text(lead, "dim")
        line.append_text(text(directory.path.rpartition("/")[2] + "/", "bold"))
        line.append_text(text(f"  {_shares(directory)}", "dim"))
        yield line
        inner = children.get(directory.path, [])
        rows = [(d, f"{next_lead}├── ", f"{next_lead}│   ") for d in inner[:-1]]
        rows += [(d, f"{next_lead}└── ", f"{next_lead}    ") for d in inner[-1:]]
        pending += reversed(rows)


def _is_drawn(directory: Directory, depth: int) -> bool:
    above = directory.path.strip("/").count("/")
    return directory.path == "/" or above < depth or len({directory.layer, *directory.shares}) > 1


def _shares(directory: Directory) -> str:
    rows = []
    for number, share in directory.shares.items():
        files = say("file" if share.files == 1 else "files", count=format_values.number(share.files))
        rows.append(f"{say('layer')} {number}: {files}, {format_values.size(share.size)}")
    own = [f"{say('layer')} {directory.layer}"] if directory.layer not in directory.shares else []
    return "; ".join(own + rows)
