"""Control groups, version 2: limits on what a group of processes may use (book, chapter 1, 3.2).

A cgroup is a directory. A process is moved into it by writing its pid to `cgroup.procs`, limits are set by writing to
files such as `memory.max`, and usage is read from files such as `memory.current`. A limit's file exists only where the
parent enables its controller for its children (`cgroup.subtree_control`), and a cgroup that does so must not contain
processes itself, unless it is the root. Source: Documentation/admin-guide/cgroup-v2.rst of the kernel.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import suppress

from minidock.errors import EXIT_ENGINE, HostError
from minidock.linux import directory_trees, rootless, syscalls
from minidock.linux.timeouts import ActivityTimeout

# Enabled wherever the host has them: limits need them, and so do the counters that `stats` shows.
CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")


_OF_USERS = "/sys/fs/cgroup"


def hierarchy() -> str | None:
    """The mount point of the version 2 hierarchy (usually /sys/fs/cgroup), or None.

    For a user without root's rights it is the part that he was given, if any (`engine/rootless/holder.py`), and this
    process is in there: from elsewhere, no process may be moved in ("Delegation containment").
    """
    if rootless.is_on():
        is_inside = os.path.exists(f"{_OF_USERS}/cgroup.controllers") and _path("self").startswith(_mounted_part())
        return _OF_USERS if is_inside else None
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mountinfo:
        for line in mountinfo:
            fields, _, kind = line.partition(" - ")
            if kind.startswith("cgroup2 "):
                return fields.split()[4]
    return None


def missing() -> str:
    """Why there is no hierarchy, and what to do."""
    if rootless.is_on():
        return "no part of the cgroup tree was given to you (systemd-run --user --scope -p Delegate=yes minidock ...)"
    return "this host has no cgroup v2 hierarchy"


def own_path() -> str:
    """The path of this process's cgroup in the version 2 hierarchy; "/" is the root (cgroups(7), /proc/PID/cgroup)."""
    return path_of("self") or "/"


def path_of(pid: int | str) -> str:
    """The path of process `pid`'s cgroup in the version 2 hierarchy, mounted or not; "" if there is no hierarchy."""
    path = _path(pid)
    return path.removeprefix(_mounted_part()) if rootless.is_on() else path


def _path(pid: int | str) -> str:
    with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as lines:
        return next((line.rstrip("\n")[3:] for line in lines if line.startswith("0::")), "")


def _mounted_part() -> str:
    """The cgroup that is mounted in the place of the whole hierarchy: what a user was given of it; "" for all of it."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mountinfo:
        rows = [line.split() for line in mountinfo if " - cgroup2 " in line]
    return next((row[3].rstrip("/") for row in reversed(rows) if row[4] == _OF_USERS), "")


def of_process(pid: int) -> Cgroup:
    """The cgroup of a process."""
    return Cgroup(os.path.join(hierarchy() or "/", path_of(pid).lstrip("/")))


class Cgroup:
    """One cgroup: `path` is its directory."""

    def __init__(self, path: str) -> None:
        self.path = path

    def create(self, needed: set[str] | None = None, owned: str | None = None) -> None:
        """Create the directory and those above it, and have each of these enable the controllers for its children.

        `owned`: the uppermost cgroup that may be changed; None for the hierarchy's root. Raises `HostError` if a
        controller in `needed` is not available, naming the cgroup that lacks it; then nothing is left behind.
        """
        top = owned or hierarchy()
        if top is None:
            raise _refused("no cgroup v2 hierarchy is mounted: mount -t cgroup2 none /sys/fs/cgroup")
        made: list[str] = []
        inner = top
        try:
            for name in os.path.relpath(self.path, top).split("/"):
                _enable_controllers(inner, needed or set())
                inner = os.path.join(inner, name)
                if inner == self.path or not os.path.isdir(inner):
                    made += _make(inner, shared=inner != self.path)
                _check_is_domain(inner)
        except BaseException:
            for directory in reversed(made):
                with suppress(OSError):  # in use by another container meanwhile
                    syscalls.rmdir(directory)
            raise

    def exists(self) -> bool:
        """Whether the cgroup exists."""
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
            with suppress(FileNotFoundError), open(os.path.join(directory, "cgroup.procs"), encoding="ascii") as procs:
                found += [int(line) for line in procs]
        return found

    def freeze(self, seconds: float = 5.0) -> None:
        """Stop all processes inside until `thaw`; returns when they have stopped (cgroup-v2.rst, "cgroup.freeze").

        Unlike with SIGSTOP, neither they nor their parents notice. SIGKILL still ends them.
        """
        self.write("cgroup.freeze", "1")
        timeout = ActivityTimeout(seconds, self.processes)
        while "frozen 1" not in self.read("cgroup.events").splitlines():  # raises if the cgroup is removed in between
            if timeout.is_over:  # a process is in a system call that cannot be interrupted
                self.write("cgroup.freeze", "0")
                raise HostError(f"cgroup {self.path} does not come to rest")
            time.sleep(0.001)

    def is_to_freeze(self) -> bool:
        """Whether somebody has asked for the processes inside to stop, if there are any."""
        try:
            return self.read("cgroup.freeze").strip() == "1"
        except FileNotFoundError:
            return False

    def thaw(self) -> None:
        """Let the processes inside continue, if the cgroup still exists."""
        with suppress(FileNotFoundError):
            self.write("cgroup.freeze", "0")

    def kill(self) -> None:
        """Send SIGKILL to all processes inside (cgroup.kill, Linux 5.14, which misses no fork; before
        that one by one).
        """
        if os.path.exists(os.path.join(self.path, "cgroup.kill")):
            with suppress(FileNotFoundError):  # another process has cleaned it up
                self.write("cgroup.kill", "1")
            return
        while pids := self.processes():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)
            time.sleep(0.01)

    def delete(self, seconds: float = 5.0) -> None:
        """Remove the cgroup and those below it, waiting for processes that were just killed to disappear.

        Raises `OSError` (EBUSY) if some remain and none of them has run for `seconds`.
        """
        timeout = ActivityTimeout(seconds, self.processes)
        for directory in self._tree():
            while True:
                try:
                    syscalls.rmdir(directory)
                except FileNotFoundError:
                    break
                except OSError as error:
                    if error.errno != errno.EBUSY or timeout.is_over:
                        raise
                    time.sleep(0.002)
                else:
                    break

    def _tree(self) -> Iterator[str]:
        """This cgroup's directory and those below it, children before their parents."""
        for directory, _, _ in directory_trees.walk(self.path, topdown=False):
            yield directory


def available(path: str) -> set[str]:
    """The controllers that are available in the cgroup at `path`."""
    with open(os.path.join(path, "cgroup.controllers"), encoding="ascii") as file:
        return set(file.read().split())


def _refused(message: str) -> HostError:
    return HostError(message, exit_code=EXIT_ENGINE)


def _make(path: str, *, shared: bool) -> list[str]:
    """mkdir(2); returns what was created. A `shared` directory may already have been created by another container's
    start.
    """
    try:
        syscalls.mkdir(path, 0o755)
    except FileExistsError:
        if not shared:
            raise
        return []
    return [path]


def _check_is_domain(path: str) -> None:
    """Raise `HostError` for a threaded cgroup: no whole process may join it, nor memory or io be limited
    ("Threads").
    """
    with open(os.path.join(path, "cgroup.type"), encoding="ascii") as file:
        kind = file.read().strip()
    if kind != "domain":
        raise _refused(f"cgroup {path} is of the type '{kind}', not 'domain': choose another --cgroup-parent")


def _enable_controllers(path: str, needed: set[str]) -> None:
    """Enable the controllers of the cgroup at `path` for its children. Raises `HostError` if one in `needed` fails."""
    offered = available(path)
    if missing := needed - offered:
        raise _refused(
            f"this host's cgroup v2 has no {', '.join(sorted(missing))} controller at {path}: the limit cannot be "
            "enforced (see `minidock info`)"
        )
    with open(os.path.join(path, "cgroup.subtree_control"), encoding="ascii") as file:
        wanted = (needed | offered & set(CONTROLLERS)) - set(file.read().split())
    if wanted and _holds_processes(path):
        # The kernel would accept cpu and pids here, but turn the cgroup into a threaded one.
        if wanted & needed:
            raise _refused(
                f"cgroup {path} cannot hand down its {', '.join(sorted(wanted & needed))} controller, because it holds "
                "processes: move them away or choose another --cgroup-parent"
            )
        return
    for controller in sorted(wanted):
        try:
            _write(os.path.join(path, "cgroup.subtree_control"), f"+{controller}")
        except OSError as error:
            if controller in needed:
                why = os.strerror(error.errno or 0)
                raise _refused(f"cgroup {path} cannot hand down its {controller} controller: {why}") from error


def _holds_processes(path: str) -> bool:
    """Whether the rule "no internal processes" forbids controllers here. The real root is exempt: it has no
    cgroup.type.
    """
    if not os.path.exists(os.path.join(path, "cgroup.type")):
        return False
    with open(os.path.join(path, "cgroup.procs"), encoding="ascii") as file:
        return bool(file.read(1))


def _write(path: str, text: str) -> None:
    """One write(2), so that the kernel accepts or refuses the value as a whole."""

    fd = syscalls.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        syscalls.write(fd, text.encode())
    except OSError as error:
        raise OSError(error.errno, f"write {text!r} to {path}: {error.strerror}") from None
    finally:
        os.close(fd)
