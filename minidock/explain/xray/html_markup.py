"""HTML and SVG in which no value can become markup: every text of the page is escaped here.

Names of containers and files, command lines and an image's texts may hold any characters. `format_values.text` makes
control characters visible, `html.escape` escapes < > & and quotes.
"""

from __future__ import annotations

import html

from minidock.explain import format_values


class Markup(str):
    """A text that is markup already."""

    __slots__ = ()


def safe(value: object) -> Markup:
    """`value` as it can stand in an element or in a quoted attribute."""
    return value if isinstance(value, Markup) else Markup(html.escape(format_values.text(str(value)), quote=True))


def tag(name: str, *content: object, **attributes: object) -> Markup:
    """An element. `class_` is class, `view_box` is viewBox, other underscores are hyphens; None leaves one out."""
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            spelled = {"class_": "class", "view_box": "viewBox", "start": "start"}.get(key, key.replace("_", "-"))
            words.append(f'{spelled}="{safe(value)}"')
    return Markup(f"<{' '.join(words)}>{''.join(map(safe, content))}</{name}>")


def join(parts: list[Markup]) -> Markup:
    """Elements one after the other."""
    return Markup("".join(parts))


def label(x: float, y: float, value: object, class_: str, room: int = 0, anchor: str | None = None) -> Markup:
    """A line of SVG text; of one that has more than `room` characters, the beginning, and all of it on hovering."""
    whole = value if isinstance(value, Markup) else format_values.text(str(value))
    if room and len(whole) > room and not isinstance(value, Markup):
        cut = f"{whole[: room - 1]}…"
        return tag("text", tag("title", whole), cut, x=f"{x:g}", y=f"{y:g}", class_=class_, text_anchor=anchor)
    return tag("text", whole, x=f"{x:g}", y=f"{y:g}", class_=class_, text_anchor=anchor)


def paragraph(
    x: float, y: float, words: str, class_: str, *, room: int, lines: int, height: float, anchor: str | None = None
) -> Markup:
    """A text of up to `lines` lines, `height` apart, of about `room` characters each."""
    rows = [""]
    for word in words.split(" "):  # not at spaces that keep a number and its unit together
        if rows[-1] and len(rows[-1]) + len(word) >= room and len(rows) < lines:
            rows.append("")
        rows[-1] = f"{rows[-1]} {word}".strip()
    parts = [label(x, y + height * place, row, class_, room=room, anchor=anchor) for place, row in enumerate(rows)]
    return tag("g", tag("title", words), *parts) if len(rows[-1]) > room else join(parts)


def box(x: float, y: float, width: float, height: float, class_: str, round_: float = 12) -> Markup:
    """A rectangle with round corners."""
    return tag(
        "rect", x=f"{x:g}", y=f"{y:g}", width=f"{width:g}", height=f"{height:g}", rx=f"{round_:g}", class_=class_
    )


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=f"{x1:g}", y1=f"{y1:g}", x2=f"{x2:g}", y2=f"{y2:g}", class_=class_)


def path(commands: str, class_: str) -> Markup:
    """A line or area in SVG's path language."""
    return tag("path", d=commands, class_=class_)


def drawing(width: float, height: float, title: str, *content: Markup, class_: str | None = None) -> Markup:
    """A picture of `width` by `height` units, as wide as there is room. `title` is for screen readers."""
    return tag(
        "svg", *content, view_box=f"0 0 {width:g} {height:g}", role="img", aria_label=title, class_=class_,
        preserveAspectRatio="xMidYMid meet",
    )  # fmt: skip
