#!/usr/bin/env python3
"""Draw the map of the code: docs/architecture.svg, and the lists in docs/architecture.md, from the code itself.

    python3 docs/architecture_map.py            write both
    python3 docs/architecture_map.py --check    exit code 1, naming the file, if it is not what would be written

Rooms are the packages and modules directly below minidock/, in the order of the `layers` contract in setup.cfg. What a
room imports is read from the import statements of its files (ast), those inside functions included.
"""

from __future__ import annotations

import ast
import configparser
import sys
from collections import Counter
from html import escape
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = CHECKOUT / "minidock"
PAGE = CHECKOUT / "docs/architecture.md"
PICTURE = CHECKOUT / "docs/architecture.svg"

# The lesson, in the order in which things happen. Paths below minidock/.
LESSON = (
    "engine/container/create.py",
    "engine/monitor/spawn.py",
    "engine/monitor/monitor.py",
    "engine/monitor/start_container.py",
    "engine/spec/prepare.py",
    "runtime/oci_spec.py",
    "runtime/lifecycle.py",
    "runtime/channel.py",
    "runtime/init.py",
    "runtime/rootfs.py",
    "runtime/device_access.py",
    "runtime/program.py",
    "linux/namespaces.py",
    "linux/cgroups.py",
    "linux/overlay.py",
    "linux/mounts.py",
    "linux/capabilities.py",
    "linux/seccomp.py",
    "observe.py",
    "runtime/exec.py",
)

FOR_ALL = {
    "state",
    "observe",
    "errors",
    "shapes",
    "durations",
    "named_tuple",
}  # imported from everywhere: arrows to them would hide the others
WIDTH, MARGIN, BAND, GAP, CHIP = 980, 20, 30, 12, 22  # pixels
ARROWS = 150  # pixels at the left, where the arrows run


class Room(NamedTuple):
    """A package or module of minidock/: its name, what it is for, what it holds, what it imports how often."""

    name: str
    purpose: str
    parts: list[str]
    imports: Counter[str]


def order() -> list[str]:
    """The rooms from top to bottom, as the import contract has them."""
    settings = configparser.ConfigParser()
    settings.read(CHECKOUT / "setup.cfg")
    words = settings["importlinter:contract:rooms"]["layers"].replace("|", " ").split()
    return [word.strip("()").removeprefix("minidock.") for word in words]


def sources(room: str) -> list[Path]:
    directory = PACKAGE / room
    return sorted(directory.rglob("*.py")) if directory.is_dir() else [PACKAGE / f"{room}.py"]


def purpose(source: Path) -> str:
    """The first paragraph of a file's docstring, on one line."""
    text = ast.get_docstring(ast.parse(source.read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


def first_sentence(source: Path) -> str:
    return purpose(source).split(". ")[0].rstrip(".:") + "."


def imported(source: Path) -> Counter[str]:
    """The rooms that a file imports, and in how many statements."""
    found: Counter[str] = Counter()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            if parts[0] == "minidock":
                found.update(parts[1:2] or [alias.name for alias in node.names])
        elif isinstance(node, ast.Import):
            found.update(alias.name.split(".")[1] for alias in node.names if alias.name.startswith("minidock."))
    return found


def read_room(name: str) -> Room:
    files = sources(name)
    directory = PACKAGE / name
    parts: list[str] = []
    if directory.is_dir():
        inside = sorted(path for path in directory.iterdir() if path.name not in ("__init__.py", "__pycache__"))
        parts = [f"{path.name}/" for path in inside if path.is_dir()] + [
            path.stem for path in inside if path.suffix == ".py"
        ]
    imports: Counter[str] = Counter()
    for source in files:
        imports += imported(source)
    imports.pop(name, None)
    head = directory / "__init__.py" if directory.is_dir() else files[0]
    return Room(name, first_sentence(head), parts, imports)


def rows_of(parts: list[str], width: int) -> list[list[tuple[str, int, int]]]:
    """The parts of a room as rows of chips: (text, x, width), as many in a row as there is room for."""
    rows: list[list[tuple[str, int, int]]] = [[]]
    x = 0
    for part in parts:
        wide = 18 + round(7.4 * len(part))
        if x + wide > width:
            rows.append([])
            x = 0
        rows[-1].append((part, x, wide))
        x += wide + 6
    return [row for row in rows if row]


def picture(rooms: list[Room]) -> str:
    """The rooms as bands, the uppermost first, and an arrow from each to all that it imports (SVG)."""
    left = ARROWS + MARGIN
    inner = WIDTH - left - 2 * MARGIN
    bands, places, y = [], {}, MARGIN
    for room in rooms:
        rows = rows_of(room.parts, inner - 20)
        height = BAND + 20 + len(rows) * (CHIP + 6)
        places[room.name] = (y, height)
        bands.append(_band(room, rows, left, y, height))
        y += height + GAP
    arrows = [
        _arrow(places[room.name], places[target], number, count)
        for number, room in enumerate(rooms)
        for target, count in sorted(room.imports.items())
        if target in places and target not in FOR_ALL
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" '
        'font-family="DejaVu Sans, Verdana, sans-serif" font-size="12">\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="context-stroke"/></marker></defs>\n'
        f'<rect width="{WIDTH}" height="{y}" fill="#fffdf8"/>\n' + "\n".join([*arrows, *bands]) + "\n</svg>\n"
    )


def _band(room: Room, rows: list[list[tuple[str, int, int]]], left: int, y: int, height: int) -> str:
    inner = WIDTH - left - MARGIN
    marks = [
        f'<rect x="{left}" y="{y}" width="{inner}" height="{height}" rx="6" fill="#eef4f2" stroke="#35635b"/>',
        f'<text x="{left + 12}" y="{y + 20}" font-size="15" font-weight="bold" fill="#173f39">'
        f"{escape(room.name)}</text>",
        f'<text x="{left + 12}" y="{y + 38}" fill="#30403d">{escape(_shortened(room.purpose))}</text>',
    ]
    for number, row in enumerate(rows):
        top = y + BAND + 16 + number * (CHIP + 6)
        for text, x, wide in row:
            fill = "#ffffff" if text.endswith("/") else "#f7faf9"
            marks.append(
                f'<rect x="{left + 12 + x}" y="{top}" width="{wide}" height="{CHIP}" rx="4" fill="{fill}" '
                f'stroke="#9fb8b2"/><text x="{left + 20 + x}" y="{top + 15}" fill="#30403d">{escape(text)}</text>'
            )
    return "".join(marks)


def _shortened(text: str, longest: int = 112) -> str:
    return text if len(text) <= longest else text[: longest - 1].rsplit(" ", 1)[0] + " …"


COLOURS = ("#b5533c", "#c78a2c", "#35635b", "#3f6fa8", "#7a4f9a", "#4c8a3f", "#8a5a44", "#555555")


def _arrow(source: tuple[int, int], target: tuple[int, int], number: int, count: int) -> str:
    """From the left side of one band to that of a lower one; the wider, the more statements import it."""
    x = ARROWS + MARGIN
    start, end = source[0] + source[1] - 10, target[0] + 14 + 5 * (number % 5)
    bend = x - 20 - min(ARROWS, (end - start) // 5 + 8 * (number % 4))
    thick = 1 + min(3.0, count / 40)
    return (
        f'<path d="M{x} {start} C{bend} {start} {bend} {end} {x - 1} {end}" fill="none" '
        f'stroke="{COLOURS[number % len(COLOURS)]}" stroke-opacity="0.75" stroke-width="{thick:.1f}" '
        'marker-end="url(#tip)"/>'
    )


def table_of_rooms(rooms: list[Room]) -> str:
    names = [room.name for room in rooms]
    lines = ["| room | what it is for | imports |", "| --- | --- | --- |"]
    for room in rooms:
        below = (
            ", ".join(sorted((name for name in room.imports if name in names), key=names.index)) or "nothing of ours"
        )
        lines.append(f"| `{room.name}` | {room.purpose} | {below} |")
    return "\n".join(lines)


def list_of_lesson() -> str:
    lengths = [len((PACKAGE / name).read_text().splitlines()) for name in LESSON]
    lines = [f"{len(LESSON)} files, about {round(sum(lengths), -2):,} lines.", ""]
    lines += [
        f"{number}. [{name}](../minidock/{name}): {first_sentence(PACKAGE / name)}"
        for number, name in enumerate(LESSON, 1)
    ]
    return "\n".join(lines)


def filled(page: str, blocks: dict[str, str]) -> str:
    """The page with what stands between `<!-- NAME -->` and `<!-- /NAME -->` replaced, for each block."""
    for name, text in blocks.items():
        before, _, rest = page.partition(f"<!-- {name} -->\n")
        _, _, after = rest.partition(f"<!-- /{name} -->")
        page = f"{before}<!-- {name} -->\n{text}\n<!-- /{name} -->{after}"
    return page


def main(arguments: list[str]) -> int:
    rooms = [read_room(name) for name in order()]
    wanted = {
        PICTURE: picture(rooms),
        PAGE: filled(PAGE.read_text(), {"rooms": table_of_rooms(rooms), "lesson": list_of_lesson()}),
    }
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(CHECKOUT)} is not what the code says: run python3 docs/architecture_map.py")
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
