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
from contextlib import suppress

from minidock.errors import EXIT_ENGINE, HostError
from minidock.linux import directory_trees, syscalls
from minidock.linux.timeouts import ActivityTimeout

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


def path_of(pid: int) -> str:
    """Where process `pid` is in the version 2 hierarchy, whether that is mounted or not; "" where there is none."""
    with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as lines:
        return next((line.rstrip("\n")[3:] for line in lines if line.startswith("0::")), "")


def of_process(pid: int) -> Cgroup:
    """The cgroup that a process is in."""
    return Cgroup(os.path.join(hierarchy() or "/", path_of(pid).lstrip("/")))


class Cgroup:
    """One cgroup: `path` is its directory."""

    def __init__(self, path: str) -> None:
        self.path = path

    def create(self, needed: set[str] | None = None, owned: str | None = None) -> None:
        """Make the directory and those above it, and have each of these hand the controllers down.

        `owned`: the uppermost cgroup that is ours to change; without it, the hierarchy's root. Raises `HostError`,
        with nothing left behind, if a controller in `needed` cannot be had, naming the place where the way down ends.
        """
        top = owned or hierarchy()
        if top is None:
            raise _refused("no cgroup v2 hierarchy is mounted: mount -t cgroup2 none /sys/fs/cgroup")
        made: list[str] = []
        inner = top
        try:
            for name in os.path.relpath(self.path, top).split("/"):
                _hand_down(inner, needed or set())
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
            with suppress(FileNotFoundError), open(os.path.join(directory, "cgroup.procs"), encoding="ascii") as procs:
                found += [int(line) for line in procs]
        return found

    def freeze(self, seconds: float = 5.0) -> None:
        """Stop everything inside, until `thaw`; returns when it has stopped (cgroup-v2.rst, "cgroup.freeze").

        Unlike SIGSTOP, the processes cannot tell, and cannot be waited for. SIGKILL still ends them.
        """
        self.write("cgroup.freeze", "1")
        timeout = ActivityTimeout(seconds, self.processes)
        while "frozen 1" not in self.read("cgroup.events").splitlines():  # an error, if it goes meanwhile
            if timeout.is_over:  # in the middle of a call that cannot be interrupted
                self.write("cgroup.freeze", "0")
                raise HostError(f"cgroup {self.path} does not come to rest")
            time.sleep(0.001)

    def thaw(self) -> None:
        """Let everything inside go on, if there is anything left."""
        with suppress(FileNotFoundError):
            self.write("cgroup.freeze", "0")

    def kill(self) -> None:
        """SIGKILL everything inside, forks in flight included (cgroup.kill, Linux 5.14; one by one before that)."""
        if os.path.exists(os.path.join(self.path, "cgroup.kill")):
            with suppress(FileNotFoundError):  # whoever else cleans up here was quicker
                self.write("cgroup.kill", "1")
            return
        while pids := self.processes():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)
            time.sleep(0.01)

    def delete(self, seconds: float = 5.0) -> None:
        """Remove the cgroup and those below it. A process that was just killed may keep it busy for a moment.

        Raises `OSError` (EBUSY) if something is still inside that has not moved for some `seconds`.
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
        """This cgroup's directories, children before their parents."""
        for directory, _, _ in directory_trees.walk(self.path, topdown=False):
            yield directory


def available(path: str) -> set[str]:
    """The controllers that cgroup `path` has from its parent."""
    with open(os.path.join(path, "cgroup.controllers"), encoding="ascii") as file:
        return set(file.read().split())


def _refused(message: str) -> HostError:
    return HostError(message, exit_code=EXIT_ENGINE)


def _make(path: str, *, shared: bool) -> list[str]:
    """mkdir(2); returns what was made. A `shared` directory may have been made by another container's start."""
    try:
        syscalls.mkdir(path, 0o755)
    except FileExistsError:
        if not shared:
            raise
        return []
    return [path]


def _check_is_domain(path: str) -> None:
    """Refuse a cgroup of threads: a whole process cannot be in it, nor memory or io be limited ("Threads")."""
    with open(os.path.join(path, "cgroup.type"), encoding="ascii") as file:
        kind = file.read().strip()
    if kind != "domain":
        raise _refused(f"cgroup {path} is of the type '{kind}', not 'domain': choose another --cgroup-parent")


def _hand_down(path: str, needed: set[str]) -> None:
    """Have the cgroup at `path` hand its controllers down to its children, those in `needed` without fail."""
    offered = available(path)
    if missing := needed - offered:
        raise _refused(
            f"this host's cgroup v2 has no {', '.join(sorted(missing))} controller at {path}: the limit cannot be "
            "enforced (see `minidock info`)"
        )
    with open(os.path.join(path, "cgroup.subtree_control"), encoding="ascii") as file:
        wanted = (needed | offered & set(CONTROLLERS)) - set(file.read().split())
    if wanted and _holds_processes(path):
        # Asked all the same, the kernel would take cpu and pids, and turn the cgroup into one of threads.
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
    """Whether `path` is bound by "no internal processes": the real root is not, and it alone has no cgroup.type."""
    if not os.path.exists(os.path.join(path, "cgroup.type")):
        return False
    with open(os.path.join(path, "cgroup.procs"), encoding="ascii") as file:
        return bool(file.read(1))


def _write(path: str, text: str) -> None:
    """One write(2): the kernel takes or refuses the value as a whole."""

    fd = syscalls.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        syscalls.write(fd, text.encode())
    except OSError as error:
        raise OSError(error.errno, f"write {text!r} to {path}: {error.strerror}") from None
    finally:
        os.close(fd)
