"""Control groups, version 2: how much a group of processes may use (book 3.2).

A cgroup is a directory. Processes are put in by writing their pid to `cgroup.procs`, limits are set by writing to
files such as `memory.max`, and use is read from files such as `memory.current`. A limit file exists only where the
parent hands its controller down (`cgroup.subtree_control`), and a cgroup that hands controllers down may hold no
processes of its own (only the root may). Source: Documentation/admin-guide/cgroup-v2.rst of the kernel.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator

from minidock.errors import HostError
from minidock.linux import syscalls
from minidock.observe import announced

# Handed down whenever the host has them: limits need them, and so do the counters that `stats` shows.
CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")


def hierarchy() -> str | None:
    """Where the version 2 hierarchy is mounted (usually /sys/fs/cgroup), or None."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mountinfo:
        for line in mountinfo:
            fields, _, kind = line.partition(" - ")
            if kind.startswith("cgroup2 "):
                return fields.split()[4]
    return None


def own_path() -> str:
    """This process's own place in the version 2 hierarchy, "/" at the top (cgroups(7), /proc/PID/cgroup)."""
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as lines:
        return next((line.rstrip("\n")[3:] for line in lines if line.startswith("0::")), "/")


class Cgroup:
    """One cgroup: `path` is its directory."""

    def __init__(self, path: str) -> None:
        self.path = path

    def create(self, needed: set[str] | None = None) -> None:
        """Make the directory, and have every ancestor hand the controllers down to it.

        Raises `HostError` if a controller in `needed` cannot be had, naming the place where the way down ends.
        """
        root = hierarchy()
        if root is None:
            raise HostError("no cgroup v2 hierarchy is mounted: mount -t cgroup2 none /sys/fs/cgroup")
        inner = root
        for name in ["", *os.path.relpath(self.path, root).split("/")]:
            inner = os.path.join(inner, name) if name else inner
            if inner != root:
                self._make(inner)
            if inner != self.path:
                _delegate(inner, needed or set())

    def _make(self, path: str) -> None:
        try:
            syscalls.mkdir(path, 0o755)
        except FileExistsError:
            if path == self.path:
                raise

    def exists(self) -> bool:
        """Whether the kernel has this cgroup."""
        return os.path.isdir(self.path)

    def open(self) -> int:
        """A descriptor of the directory, for clone3(2) with CLONE_INTO_CGROUP and for bpf(2)."""
        return syscalls.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def add(self, pid: int) -> None:
        """Move a process in."""
        self.write("cgroup.procs", str(pid))

    def write(self, name: str, text: str) -> None:
        """Write one of the cgroup's files."""
        _write(os.path.join(self.path, name), text)

    def read(self, name: str) -> str:
        """The text of one of the cgroup's files, without the last newline."""
        with open(os.path.join(self.path, name), encoding="ascii") as file:
            return file.read().rstrip("\n")

    def read_table(self, name: str) -> dict[str, int]:
        """A file of "name number" lines, such as memory.events, as a dict; {} where there is no such file."""
        try:
            lines = self.read(name).splitlines()
        except FileNotFoundError:
            return {}
        return {key: int(value) for key, value in (line.split() for line in lines)}

    def processes(self) -> list[int]:
        """The pids of all processes in this cgroup and below it."""
        found = []
        for directory in self._tree():
            with open(os.path.join(directory, "cgroup.procs"), encoding="ascii") as procs:
                found += [int(line) for line in procs]
        return found

    def kill(self) -> None:
        """SIGKILL everything inside, forks in flight included (cgroup.kill, Linux 5.14; one by one before that)."""
        if os.path.exists(os.path.join(self.path, "cgroup.kill")):
            self.write("cgroup.kill", "1")
            return
        while pids := self.processes():
            for pid in pids:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    continue
            time.sleep(0.01)

    def delete(self, patience: float = 5.0) -> None:
        """Remove the cgroup and those below it. A process that was just killed may keep it busy for a moment.

        Raises `OSError` (EBUSY) if something is still inside after `patience` seconds.
        """
        deadline = time.monotonic() + patience
        for directory in self._tree():
            while True:
                try:
                    syscalls.rmdir(directory)
                except FileNotFoundError:
                    break
                except OSError as error:
                    if error.errno != errno.EBUSY or time.monotonic() > deadline:
                        raise
                    time.sleep(0.002)
                else:
                    break

    def _tree(self) -> Iterator[str]:
        """This cgroup's directories, children before their parents."""
        for directory, _, _ in os.walk(self.path, topdown=False):
            yield directory


def available(path: str) -> set[str]:
    """The controllers that cgroup `path` has from its parent."""
    with open(os.path.join(path, "cgroup.controllers"), encoding="ascii") as file:
        return set(file.read().split())


def _delegate(path: str, needed: set[str]) -> None:
    """Have the cgroup at `path` hand its controllers down to its children."""
    if missing := needed - available(path):
        raise HostError(
            f"this host's cgroup v2 has no {', '.join(sorted(missing))} controller at {path}: the limit cannot be "
            "enforced (see `minidock info`)"
        )
    with open(os.path.join(path, "cgroup.subtree_control"), encoding="ascii") as file:
        handed_down = set(file.read().split())
    for controller in CONTROLLERS:
        if controller in handed_down or controller not in available(path):
            continue
        try:
            _write(os.path.join(path, "cgroup.subtree_control"), f"+{controller}")
        except OSError as error:
            if controller in needed:
                raise HostError(
                    f"cgroup {path} cannot hand down its {controller} controller ({error.strerror}): it holds "
                    "processes itself; choose another --cgroup-parent"
                ) from error


def _write(path: str, text: str) -> None:
    """One write(2): the kernel takes or refuses the value as a whole."""

    def write() -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        except OSError as error:
            raise OSError(error.errno, f"write {text!r} to {path}: {error.strerror}") from None
        finally:
            os.close(fd)

    announced("write", (path, text), write)
