"""An X-ray in the terminal: a section for each thing, drawn for 80 columns or more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from minidock.engine.security import DEFAULT_CAPABILITIES
from minidock.explain import shown
from minidock.explain.console import columns, command, text
from minidock.explain.layers import Changes
from minidock.explain.layers_text import change_lines
from minidock.explain.words import TEXTS, say
from minidock.explain.xray import network_text, see
from minidock.explain.xray.model import Cgroup, Mount, Process, Root, Running, Security, Xray
from minidock.linux.capabilities import NAMES

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_BAR = 24  # characters
_PROCESSES, _PATHS = 40, 8  # lines
_STATUS_STYLES = {"running": "bold green", "paused": "bold yellow", "exited": "bold red"}


def drawing(xray: Xray) -> Iterator[RenderableType]:
    """All of it."""
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
    typed = see.commands(xray)
    for key, lines in parts.items():
        yield ""
        yield Rule(text(say(key), "bold"), align="left", style="dim")
        if reason := why(key, xray):
            yield text(reason, "dim")
        yield from lines
        if key in typed:
            yield command(typed[key])


def why(key: str, xray: Xray) -> str:
    """What a part shows, in one sentence; "" where its title says all."""
    if key == "network" and xray.running:
        network = xray.running.network
        return say(f"network {network.mode}", names=", ".join(network.shared_with))
    return say(f"{key} why", count=len(DEFAULT_CAPABILITIES)) if f"{key} why" in TEXTS else ""


def _head(xray: Xray) -> Iterator[RenderableType]:
    line = text(xray.name, "bold")
    line.append("  ")
    status = say("exited with", code=xray.exit_code) if xray.exit_code is not None else say(f"status {xray.status}")
    line.append_text(text(status, _STATUS_STYLES.get(xray.status, "bold")))
    yield line
    facts = [f"{say('image')} {xray.image}", f"{say('id')} {xray.id[:12]}"]
    if running := xray.running:
        facts += [
            f"{say('first process')} {running.pid}", say("up", time=shown.seconds(running.age)),
            f"{say('host name')} {running.hostname}",
        ]  # fmt: skip
    yield text(" · ".join(facts), "dim")
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
    for depth, process in zip(depths(processes), processes[:_PROCESSES], strict=False):
        command = text("  " * max(depth - 1, 0) + ("└ " if depth else ""), "dim")
        command.append_text(text(" ".join(process.command) or f"[{process.name}]"))
        if not process.is_member:
            command.append(f"  ({say('visitor')})", "yellow")
        table.add_row(
            text(str(process.inside), "bold green"), str(process.pid), str(process.uid),
            shown.memory(process.resident), shown.seconds(process.cpu), command,
        )  # fmt: skip
    yield table
    if len(processes) > _PROCESSES:
        yield text(say("more processes", count=len(processes) - _PROCESSES), "dim")


def depths(processes: list[Process]) -> list[int]:
    """How deep in the family tree each process is; 0 for those whose parent is not among them."""
    known: dict[int, int] = {}
    for process in processes:
        known[process.pid] = known[process.parent] + 1 if process.parent in known else 0
    return list(known.values())


def _cgroup(group: Cgroup | None, running: Running) -> Iterator[RenderableType]:
    if group is None:
        yield text(say("no cgroup"))
        return
    yield text(group.mount.rstrip("/") + group.path + (f"  ({say('frozen')})" if group.is_frozen else ""))
    table = columns("", "", "", fold=(-1,))
    for name, share, words in gauges(group, running):
        table.add_row(text(name, "bold"), _bar(share), text(words))
    yield table
    if group.missing:
        yield text(say("missing controllers", names=", ".join(group.missing)), "yellow")


def gauges(group: Cgroup, running: Running) -> list[tuple[str, float | None, str]]:
    """(what, share of the limit from 0 to 1 or None without one, the numbers in words) for memory, processor, ..."""
    rows = []
    if group.memory:
        memory = group.memory
        words = _of(shown.memory(memory.current), memory.limit and shown.memory(memory.limit))
        words += f", {say('peak', size=shown.memory(memory.peak))}" if memory.peak else ""
        words += f", {say('oom', count=memory.out_of_memory)}" if memory.out_of_memory else ""
        words += _waited(group.pressure.memory)
        rows.append((say("memory"), memory.current / memory.limit if memory.limit else None, words))
    else:
        resident = sum(process.resident for process in running.processes)
        rows.append((say("memory"), None, say("resident sum", size=shown.memory(resident))))
    if cpu := group.cpu:
        words = say("used", time=shown.seconds(cpu.used))
        if "cpu" in group.controllers:
            limit = say("processors", count=f"{cpu.limit:g}") if cpu.limit else say("no limit")
            words += f", {limit}"
        if cpu.throttled_periods:
            words += f", {say('throttled', time=shown.seconds(cpu.throttled or 0), count=cpu.throttled_periods)}"
        rows.append((say("processor"), None, words + _waited(group.pressure.cpu)))
    if pids := group.pids:
        words = _of(str(pids.current), pids.limit and str(pids.limit))
        words += f", {say('refused forks', count=pids.refused)}" if pids.refused else ""
        rows.append((say("processes and threads"), pids.current / pids.limit if pids.limit else None, words))
    for disk in group.io or []:
        words = f"{say('read')} {shown.size(disk.read)}, {say('written')} {shown.size(disk.written)}"
        rows.append((f"{say('disk')} {disk.name}", None, words))
    return rows


def _waited(share: float | None) -> str:
    """The share of the time, in percent, in which some process could not go on (pressure stall information)."""
    return f", {say('pressure', share=share)}" if share and share >= 1 else ""


def _of(used: str, limit: str | int | None) -> str:
    return say("of", used=used, limit=limit) if limit else f"{used}, {say('no limit')}"


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
    line.append(f"  {shown.size(changes.size)}  {counts(changes)}")
    if created_by:
        line.append_text(text(f"  {' '.join(created_by.split())[:120]}", "dim"))
    if changes.unreadable:
        line.append(f"  {say('unreadable', count=changes.unreadable)}", "yellow")
    return line


def counts(changes: Changes) -> str:
    """How much a layer adds, changes and hides, in words."""
    added, changed = sum(change.entries for change in changes.added), len(changes.changed)
    hidden = sum(change.entries for change in changes.hidden)
    return say("counts", added=shown.number(added), changed=shown.number(changed), hidden=shown.number(hidden))


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
    for key, words in rights(security):
        table.add_row(text(say(key), "bold"), text(words))
    yield table


def rights(security: Security) -> list[tuple[str, str]]:
    """(key of the catalogue, words) for what is no capability."""
    rows = [
        ("seccomp", say(f"seccomp {security.seccomp}", count=security.filters or 1)),
        ("no_new_privs", say("nnp yes" if security.no_new_privileges else "nnp no")),
    ]
    return [*rows, ("label", security.label)] if security.label else rows


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
    for key, words in first_process(running):
        table.add_row(text(say(key), "bold"), text(words))
    yield table


def first_process(running: Running) -> list[tuple[str, str]]:
    """(key of the catalogue, words) about the container's first process."""
    limit = next((limit.soft for limit in running.limits if limit.name == "open files"), None)
    files = say("of", used=running.open_files, limit=limit) if limit else str(running.open_files)
    return [("program", running.executable), ("directory", running.cwd), ("open files", files)]
