"""An X-ray as one HTML page: without other files, without requests to the network, with pictures as SVG.

It is used as a file, and by `http_server.py`, which sends the sections anew every second. Both are made here; the
script (`page.js`) only replaces the sections.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence

from minidock.explain import format_values, translations
from minidock.explain.layers.layer_changes import Change, Changes
from minidock.explain.layers.layers_text import change_facts
from minidock.explain.translations import say
from minidock.explain.xray import descriptions, host_commands, network_svg, svg
from minidock.explain.xray.html_markup import Markup, join, safe, tag
from minidock.explain.xray.model import Mount, Network, Process, Root, Running, Security, Xray
from minidock.explain.xray.trend import Trend
from minidock.linux.capabilities import NAMES

_PATHS = 60  # of one kind of change of one layer
_PROCESSES = 60
_MARKS = {"added": "+", "changed": "~", "hidden": "\N{MINUS SIGN}"}


def sections(xray: Xray, trend: Trend | None = None) -> dict[str, Markup]:
    """The page's parts by their ids. With a `trend` the page is live."""
    contents = {"stack": _stack(xray.root)}
    if running := xray.running:
        network = running.network
        contents = {
            "namespaces": [svg.namespaces(running.namespaces, xray.name), _ids(running)],
            "processes": [_processes(running.processes), _facts(descriptions.first_process(running))],
            "cgroup": _cgroup(running, trend),
            **contents,
            "rights": [_rights(running.security)],
            "network": [network_svg.network(network, xray.name), _facts(_network_facts(network))],
            "mounts": [_mounts(running.mounts)],
            "limits": [_limits(running)],
        }
    typed = host_commands.commands(xray)
    parts = {"head": _head(xray, is_live=trend is not None)}
    for key, content in contents.items():
        hint = [tag("p", typed[key], class_="see")] if key in typed else []
        parts[key] = join([tag("h2", say(key)), tag("p", descriptions.why(key, xray), class_="why"), *content, *hint])
    return parts


def page(xray: Xray, trend: Trend | None = None) -> str:
    """The whole page. With a `trend` it asks its server for new sections every second."""
    style, script = _file("page.css"), _file("page.js")
    is_live = trend is not None
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        f"connect-src {chr(39)}self{chr(39)}; base-uri 'none'; form-action 'none'"
    )
    parts = sections(xray, trend)
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        tag("title", say("page title", name=xray.name)),
        f"<style>{style}</style>",
    ]
    told = {"data-live": "yes" if is_live else None, "data-lost": say("lost"), "data-gone": say("gone")}
    attributes = "".join(f' {key}="{safe(value)}"' for key, value in told.items() if value)
    body = "\n".join(tag("section", content, id=name) for name, content in parts.items())
    return (
        f'<!DOCTYPE html>\n<html lang="{translations.language()}">\n<head>\n{"".join(map(_line, head))}</head>\n'
        f"<body{attributes}>\n<main>\n{body}\n</main>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _line(text: str) -> str:
    return f"{text}\n"


def _file(name: str) -> str:
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
        return file.read()


def _hash(text: str) -> str:
    """The name of an inline script or style in a content security policy (CSP level 3)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _head(xray: Xray, *, is_live: bool) -> Markup:
    known = [(say("image"), xray.image), (say("id"), xray.id[:12])]
    if running := xray.running:
        known += [
            (say("first process"), str(running.pid)), (say("host name"), running.hostname),
            ("", say("up", time=format_values.seconds(running.age))),
        ]  # fmt: skip
    moment = say("live") if is_live else say("still", time=xray.taken[:19].replace("T", " ") + " UTC")
    return join([
        tag("h1", tag("span", xray.name, class_="name"),
            tag("span", descriptions.status(xray), class_=f"status {xray.status}"),
            tag("span", moment, class_="moment", id="moment")),
        tag("p", *(tag("span", tag("i", f"{name} ") if name else "", value) for name, value in known), class_="facts"),
        *([] if xray.running else [tag("p", say("not begun" if xray.status == "created" else "stopped"))]),
    ])  # fmt: skip


def _ids(running: Running) -> Markup:
    mapped = running.uid_map[0] if running.uid_map else None
    if not mapped or not mapped.outside:
        return Markup("")
    return tag("p", say("ids", inside=mapped.inside, outside=mapped.outside), class_="note")


def _table(titles: Sequence[str], rows: Sequence[Sequence[Markup]], class_: str) -> Markup:
    head = tag("thead", tag("tr", *(tag("th", title) for title in titles)))
    return tag("table", head, tag("tbody", *(tag("tr", *row) for row in rows)), class_=class_)


def _processes(processes: list[Process]) -> Markup:
    rows = []
    for depth, process in zip(descriptions.depths(processes), processes[:_PROCESSES], strict=False):
        command = descriptions.command(process)
        visitor = [tag("em", say("visitor"))] if not process.is_member else []
        rows.append([
            tag("td", process.inside, class_="inside number"), tag("td", process.pid, class_="outside number"),
            tag("td", process.uid, class_="number"), tag("td", format_values.memory(process.resident), class_="number"),
            tag("td", tag("span", command, class_=f"command depth{min(depth, 6)}", title=command), *visitor),
        ])  # fmt: skip
    titles = [say(key) for key in ("inside", "outside", "user", "memory", "command")]
    more = [say("more processes", count=len(processes) - _PROCESSES)] if len(processes) > _PROCESSES else []
    return join([_table(titles, rows, "processes"), *(tag("p", text, class_="note") for text in more)])


def _cgroup(running: Running, trend: Trend | None) -> list[Markup]:
    group = running.cgroup
    if group is None:
        return [tag("p", say("no cgroup"))]
    frozen = [tag("p", say("frozen"), class_="warn")] if group.is_frozen else []
    missing = [tag("p", say("missing controllers", names=", ".join(group.missing)), class_="warn")]
    return [
        tag("p", group.mount.rstrip("/") + group.path, class_="path"), *frozen,
        svg.gauge_rows(group, running, trend), *(missing if group.missing else []),
    ]  # fmt: skip


def _stack(root: Root) -> list[Markup]:
    parts = [tag("p", say("read-only root"), class_="warn")] if root.is_read_only else []
    parts.append(svg.stack(root))
    if root.top is not None:
        parts.append(_changes(say("writable top"), root.top, is_open=True))
    parts += [_changes(say("image layer", number=layer.number), layer.changes) for layer in reversed(root.layers)]
    return parts


def _changes(name: str, changes: Changes, *, is_open: bool = False) -> Markup:
    """What a layer does, path by path, folded unless `is_open`."""
    rows = []
    for what in ("changed", "hidden", "added"):
        listed: list[Change] = getattr(changes, what)
        rows += [
            tag("li", tag("b", _MARKS[what]), tag("span", change.path, class_="mono"),
                tag("i", change_facts(what, change)), class_=what)
            for change in listed[:_PATHS]
        ]  # fmt: skip
        if len(listed) > _PATHS:
            rows.append(tag("li", say("and more paths", count=len(listed) - _PATHS), class_="note"))
    if not rows:
        return Markup("")
    summary = tag("summary", name, " ", tag("i", descriptions.counts(changes)))
    return tag("details", summary, tag("ul", *rows, class_="changes"), open="open" if is_open else None)


def _facts(rows: list[tuple[str, str]]) -> Markup:
    """(key of the catalogue, words) as a list of terms."""
    return tag("dl", *(part for key, value in rows for part in (tag("dt", say(key)), tag("dd", value))))


def _rights(security: Security) -> Markup:
    chips = []
    for name in [*NAMES, *(name for name in security.bounding if name not in NAMES)]:
        is_held, is_bounded = name in security.effective, name in security.bounding
        translations = "capability held" if is_held else "capability bounded" if is_bounded else "capability denied"
        unusual = " unusual" if name in security.extra or name in security.lacking else ""
        class_ = f"cap {translations.partition(' ')[2]}{unusual}"
        chips.append(tag("li", name.removeprefix("CAP_").lower(), class_=class_, title=f"{name}: {say(translations)}"))
    rows = descriptions.rights(security)
    for key, names in (("extra", security.extra), ("lacking", security.lacking), ("ambient", security.ambient)):
        if names:
            short = [name.removeprefix("CAP_").lower() for name in names]
            full = len(security.bounding) == len(NAMES) and key == "extra"
            rows.insert(0, (key, say("all of them", count=len(NAMES)) if full else " ".join(short)))
    kinds = ("held", "bounded", "denied", "unusual")
    legend = [tag("li", say(f"capability {kind}"), class_=f"cap {kind}") for kind in kinds]
    return join([tag("ul", *chips, class_="caps"), tag("ul", *legend, class_="caps legend"), _facts(rows)])


def _mounts(mounts: list[Mount]) -> Markup:
    rows = []
    for mount in mounts:
        what = say("from host", path=mount.host_path) if mount.host_path else say(f"role {mount.role}")
        rows.append([
            tag("td", tag("span", mount.path, class_="mono"), class_=f"role-{mount.role}"), tag("td", mount.type),
            tag("td", "ro" if mount.is_read_only else "rw"), tag("td", what, class_="wide"),
        ])  # fmt: skip
    return _table([say("path"), say("type"), "", ""], rows, "mounts")


def _network_facts(network: Network) -> list[tuple[str, str]]:
    """The facts that the drawing does not show."""
    rows = descriptions.network_facts(network)
    if len(network.published) <= network_svg.DRAWN_PORTS:
        rows = [row for row in rows if row[0] != "published ports"]
    return [("address", " ".join(descriptions.addresses(network))), *rows] if network.cables else rows


def _limits(running: Running) -> Markup:
    """The resource limits that are not unlimited."""
    rows = [
        [tag("td", limit.name), *(tag("td", _number(value), class_="number") for value in (limit.soft, limit.hard)),
         tag("td", limit.unit)]
        for limit in running.limits
        if limit.soft is not None or limit.hard is not None
    ]  # fmt: skip
    return _table([say("limit"), say("soft"), say("hard"), ""], rows, "limits")


def _number(value: int | None) -> str:
    return "∞" if value is None else format_values.number(value)
