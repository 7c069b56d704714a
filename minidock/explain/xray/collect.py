"""Collect the data about one container: its identity from minidock's records, the rest from the kernel."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress

from minidock.engine.container import records
from minidock.engine.container.init_process import running_pid
from minidock.engine.container.records import Record
from minidock.errors import NotFoundError
from minidock.explain.layers import image_layers
from minidock.explain.layers.layer_changes import Changes, compare, topmost
from minidock.explain.xray import cgroup_usage, mount_table, network_path, privileges, processes
from minidock.explain.xray.model import Root, Running, Xray
from minidock.image.store import Store
from minidock.linux.overlay import split_paths
from minidock.state import now

Stack = list[image_layers.Layer]

# Errors of the kernel for a process that is ending: no such file, no such process, no mounts, no such device.
_ENDED = (errno.ENOENT, errno.ESRCH, errno.EINVAL, errno.ENODEV)
_PATIENCE = 1.0  # seconds


class Look:
    """Collects the data of one container, repeatedly. Layers never change, so they are compared once."""

    def __init__(self, root: str, name: str) -> None:
        """`name`: as the user has written it. Raises `NotFoundError` if there is no such container."""
        self.root = root
        record = records.find(root, name)
        self.id, self.name = record.id, record.name
        self._layers: dict[tuple[str, ...], Stack] = {}

    def take(self) -> Xray:
        """The container as it is now. Raises `NotFoundError` if it is gone."""
        started = time.perf_counter()
        record = records.load(self.root, self.id)
        if record is None:
            raise NotFoundError(f"No such container: {self.id}")
        running, root = self._while_it_lives(record) or (None, self._root(record, 0))
        state, status = record.data["state"], record.status
        if not running and status in (records.RUNNING, records.PAUSED):
            status = records.EXITED  # it has just ended: its monitor has not yet recorded that
        return Xray(
            id=record.id,
            name=record.name,
            image=str(record.data["imageName"]),
            status=status,
            exit_code=None if running else state["exitCode"] if state["finishedAt"] else None,
            taken=now(),
            root=root,
            running=running,
            took=round(time.perf_counter() - started, 4),
        )

    def _while_it_lives(self, record: Record) -> tuple[Running, Root] | None:
        """The data of a running container, and its root; None if it does not run, or ended meanwhile."""
        pid = first_process(record)
        if not pid:
            return None
        try:
            return self._running(record, pid), self._root(record, pid)
        except OSError as error:
            if error.errno not in _ENDED:
                raise
            # A process loses its namespaces a moment before it becomes a zombie.
            deadline = time.monotonic() + _PATIENCE
            while first_process(record):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
        return None

    def _running(self, record: Record, pid: int) -> Running:
        everybody = records.load_all(self.root)
        others = {other.name: first_process(other) for other in everybody if other.id != record.id}
        rows = processes.namespaces_of(pid, {name: other for name, other in others.items() if other})
        path = cgroup_usage.path_of(pid)
        group = cgroup_usage.cgroup_of(path) if path else None
        members = processes.members(pid, cgroup_usage.processes_in(path) if path else [])
        status = processes.status_of(pid)
        net = next(row for row in rows if row.kind == "network")
        return Running(
            pid=pid,
            age=members[0].age,
            hostname=processes.hostname(pid),
            root=processes.link(pid, "root"),
            cwd=processes.link(pid, "cwd"),
            executable=processes.link(pid, "exe"),
            open_files=processes.open_files(pid),
            host_processors=os.cpu_count() or 1,
            namespaces=rows,
            uid_map=processes.id_map(pid, "uid_map"),
            gid_map=processes.id_map(pid, "gid_map"),
            processes=members,
            cgroup=group,
            network=network_path.network_of(
                pid, net.shared_with, [process.pid for process in members], _network_names(everybody)
            ),
            security=privileges.security_of(pid, status),
            mounts=mount_table.mounts_of(pid),
            limits=processes.limits_of(pid),
        )

    def _root(self, record: Record, pid: int) -> Root:
        """The root file system: of a running container from its mountinfo, of another from its record."""
        line = next((line for line in reversed(mount_table.lines_of(pid)) if line.point == "/"), None) if pid else None
        lower, upper, work, source = list(record.data["layers"]), record.path("upper"), record.path("work"), "record"
        if line and line.type == "overlay":
            options = dict(option.partition("=")[::2] for option in _options(line.super_options))
            upper, work = (_plain(options.get(name, "")) for name in ("upperdir", "workdir"))
            named = [path for path in split_paths(options.get("lowerdir", ""))[::-1] if path != record.path("init")]
            # Of many layers, mount(2) was given short numbers, which mean nothing here (linux/overlay.py).
            # With users of its own, they were mounted where nobody else sees them (runtime/mapped_layers.py).
            if named and all(os.path.isdir(path) for path in named):
                lower, source = named, "mountinfo"
        is_read_only = bool(line) and "ro" in line.options if line else bool(record.data["options"]["read_only"])
        layers = self._stack(record, lower)
        kind = line.type if line else "overlay"
        return Root(kind, is_read_only, source, layers, upper, work, _top(upper, lower))

    def _stack(self, record: Record, directories: list[str]) -> Stack:
        key = tuple(directories)
        if key not in self._layers:
            self._layers[key] = _compared(self.root, record, directories)
        return self._layers[key]


def _network_names(everybody: list[Record]) -> dict[str, str]:
    """The names of the networks that have containers, by their bridges or parents."""
    ends = (end for record in everybody for end in (record.data.get("networks") or {}).items())
    return {str(end["bridge"]): name for name, end in ends}


def first_process(record: Record) -> int:
    """The pid of the container's first process; 0 if it has none, or it is dead, or the pid belongs to
    another process.
    """
    with suppress(FileNotFoundError, ProcessLookupError):
        pid = running_pid(record)
        if pid and not processes.is_dead(pid):
            return pid
    return 0


def _compared(root: str, record: Record, directories: list[str]) -> Stack:
    """The layers with their changes, and with the steps that made them if the image still exists."""
    made: dict[str, tuple[str, str]] = {}
    with suppress(NotFoundError):
        image = Store(root).resolve(record.data["image"])
        made = dict(zip(image.layer_paths, image_layers.steps(image), strict=True))
    return [
        image_layers.Layer(number, f"sha256:{os.path.basename(path)}", path, *made.get(path, ("", "")),
                    _summed_up(compare(path, directories[: number - 1][::-1])))
        for number, path in enumerate(directories, 1)
    ]  # fmt: skip


def _top(upper: str, lower: list[str]) -> Changes | None:
    try:
        return _summed_up(compare(upper, lower[::-1])) if upper else None
    except FileNotFoundError:
        return None


def _summed_up(changes: Changes) -> Changes:
    """The changes without the paths inside directories that are added or hidden as a whole."""
    return changes._replace(added=topmost(changes.added), hidden=topmost(changes.hidden))


def _options(text: str) -> list[str]:
    """Mount options: separated by commas that have no backslash before them."""
    options = [""]
    quoted = False
    for letter in text:
        if letter == "," and not quoted:
            options.append("")
        else:
            options[-1] += letter
        quoted = letter == "\\" and not quoted
    return options


def _plain(path: str) -> str:
    """A path of a mount option without overlayfs's backslashes."""
    return split_paths(path)[0] if ":" not in path.replace("\\:", "") else path
