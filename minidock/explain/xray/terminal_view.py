"""An X-ray in the terminal: a section for each part, drawn for 80 columns or more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from minidock.explain import format_values
from minidock.explain.console import columns, command, text
from minidock.explain.layers.layer_changes import Changes
from minidock.explain.layers.layers_text import change_lines
from minidock.explain.translations import say
from minidock.explain.xray import descriptions, host_commands, network_text
from minidock.explain.xray.model import Cgroup, Mount, Process, Root, Running, Security, Xray
from minidock.linux.capabilities import NAMES

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_BAR = 24  # characters
_PROCESSES, _PATHS = 40, 8  # lines
_STATUS_STYLES = {"running": "bold green", "paused": "bold yellow", "exited": "bold red"}


def drawing(xray: Xray) -> Iterator[RenderableType]:
    """The whole X-ray."""
    from rich.rule import Rule

    yield from _head(xray)
    parts = {"stack": _stack(xray.root)}
    if running := xray.running:
        parts = {
            "namespaces": _namespaces(running),
            "processes": _processes(running.processes),
            "cgroup": _cgroup(running.cgroup, running),
            **parts,
            "network": network_text.lines(running.network),
            "rights": _rights(running.security),
            "mounts": _mounts(running.mounts),
            "process": _first_process(running),
        }
    typed = host_commands.commands(xray)
    for key, lines in parts.items():
        yield ""
        yield Rule(text(say(key), "bold"), align="left", style="dim")
        if reason := descriptions.why(key, xray):
            yield text(reason, "dim")
        yield from lines
        if key in typed:
            yield command(typed[key])


def _head(xray: Xray) -> Iterator[RenderableType]:
    line = text(xray.name, "bold")
    line.append("  ")
    line.append_text(text(descriptions.status(xray), _STATUS_STYLES.get(xray.status, "bold")))
    yield line
    known = [f"{say('image')} {xray.image}", f"{say('id')} {xray.id[:12]}"]
    if running := xray.running:
        known += [
            f"{say('first process')} {running.pid}", say("up", time=format_values.seconds(running.age)),
            f"{say('host name')} {running.hostname}",
        ]  # fmt: skip
    yield text(" · ".join(known), "dim")
    if not xray.running:
        yield text(say("not begun" if xray.status == "created" else "stopped"))


def _namespaces(running: Running) -> Iterator[RenderableType]:
    table = columns("", say("inside").upper(), say("host").upper(), "", "", right=(1, 2))
    for row in running.namespaces:
        style = "bold green" if row.is_own else "dim"
        whose = text(say("own" if row.is_own else "shared"), style)
        if row.shared_with:
            whose = text(say("with", names=", ".join(row.shared_with)), "yellow")
        table.add_row(
            text(row.kind, style), text(str(row.inode), style), text(str(row.host_inode), "dim"), whose,
            text(say(f"ns {row.kind}"), "dim"),
        )  # fmt: skip
    yield table
    mapped = running.uid_map[0] if running.uid_map else None
    if mapped and mapped.outside:
        yield text(say("ids", inside=mapped.inside, outside=mapped.outside))


def _processes(processes: list[Process]) -> Iterator[RenderableType]:
    titles = [say(key).upper() for key in ("inside", "outside", "user", "memory", "cpu time", "command")]
    table = columns(*titles, right=(0, 1, 2, 3, 4))
    for depth, process in zip(descriptions.depths(processes), processes[:_PROCESSES], strict=False):
        command = text("  " * max(depth - 1, 0) + ("└ " if depth else ""), "dim")
        command.append_text(text(descriptions.command(process)))
        if not process.is_member:
            command.append(f"  ({say('visitor')})", "yellow")
        table.add_row(
            text(str(process.inside), "bold green"), str(process.pid), str(process.uid),
            format_values.memory(process.resident), format_values.seconds(process.cpu), command,
        )  # fmt: skip
    yield table
    if len(processes) > _PROCESSES:
        yield text(say("more processes", count=len(processes) - _PROCESSES), "dim")


def _cgroup(group: Cgroup | None, running: Running) -> Iterator[RenderableType]:
    if group is None:
        yield text(say("no cgroup"))
        return
    yield text(group.mount.rstrip("/") + group.path + (f"  ({say('frozen')})" if group.is_frozen else ""))
    table = columns("", "", "", fold=(-1,))
    for name, share, words in descriptions.gauges(group, running):
        table.add_row(text(name, "bold"), _bar(share), text(words))
    yield table
    if group.missing:
        yield text(say("missing controllers", names=", ".join(group.missing)), "yellow")


def _bar(share: float | None) -> Text:
    if share is None:
        return text("·" * _BAR, "dim")
    filled = min(_BAR, max(round(share * _BAR), 1 if share else 0))
    bar = text("█" * filled, "red" if share > 0.9 else "yellow" if share > 0.7 else "green")
    bar.append("░" * (_BAR - filled), "dim")
    return bar


def _stack(root: Root) -> Iterator[RenderableType]:
    if root.is_read_only:
        yield text(say("read-only root"), "yellow")
    if root.top is not None:
        yield _slab(say("writable top"), root.top, "", "bold green")
        for what, rows in (("added", root.top.added), ("changed", root.top.changed), ("hidden", root.top.hidden)):
            yield from change_lines(what, rows, _PATHS)
    for layer in reversed(root.layers):
        yield _slab(say("image layer", number=layer.number), layer.changes, layer.created_by, "bold")


def _slab(name: str, changes: Changes, created_by: str, style: str) -> Text:
    line = text(f"▤ {name}", style)
    line.append(f"  {format_values.size(changes.size)}  {descriptions.counts(changes)}")
    if created_by:
        line.append_text(text(f"  {' '.join(created_by.split())[:120]}", "dim"))
    if changes.unreadable:
        line.append(f"  {say('unreadable', count=changes.unreadable)}", "yellow")
    return line


def _rights(security: Security) -> Iterator[RenderableType]:
    table = columns("", "", fold=(1,))
    every = [name for name in NAMES if name in security.bounding] == list(NAMES)
    most = say("all of them", count=len(security.bounding)) if every else _names(security.bounding)
    table.add_row(text(say("bounding"), "bold"), text(most))
    same = security.effective == security.bounding
    effective = say("same as bounding", count=len(security.effective)) if same else _names(security.effective)
    table.add_row(text(say("effective"), "bold"), text(effective))
    if security.ambient:
        table.add_row(text(say("ambient"), "bold"), text(_names(security.ambient)))
    if security.lacking:
        table.add_row(text(say("lacking"), "bold"), text(_names(security.lacking), "yellow"))
    if security.extra and not every:
        table.add_row(text(say("extra"), "bold"), text(_names(security.extra), "yellow"))
    for key, words in descriptions.rights(security):
        table.add_row(text(say(key), "bold"), text(words))
    yield table


def _names(names: list[str]) -> str:
    return " ".join(name.removeprefix("CAP_").lower() for name in names) or say("none")


def _mounts(mounts: list[Mount]) -> Iterator[RenderableType]:
    table = columns(say("path").upper(), say("type").upper(), "", "", fold=(0, -1))
    for mount in mounts:
        is_covered = mount.role in ("masked", "protected")
        words = say("from host", path=mount.host_path) if mount.host_path else say(f"role {mount.role}")
        table.add_row(
            text(mount.path, "yellow" if is_covered else "bold"), text(mount.type, "dim"),
            text("ro" if mount.is_read_only else "rw", "dim"), text(words, "dim"),
        )  # fmt: skip
    yield table


def _first_process(running: Running) -> Iterator[RenderableType]:
    table = columns("", "", fold=(1,))
    for key, words in descriptions.first_process(running):
        table.add_row(text(say(key), "bold"), text(words))
    yield table
