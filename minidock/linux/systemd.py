"""A cgroup from systemd: where it runs, the tree is systemd's, and others ask it for a part (book 3.2).

Two programs that write to the same part of the tree undo each other's work, so systemd keeps to a rule: one cgroup,
one writer. What a container gets is a scope, a unit around processes that systemd has not started itself, with
Delegate=yes: below it everything is ours. Sources: https://systemd.io/CGROUP_DELEGATION, org.freedesktop.systemd1(5),
systemd.scope(5).

    minidock.slice/                    systemd's: `systemctl set-property minidock.slice ...` limits all containers
      minidock-<id>.scope/             ours from here on; no process may be in here itself, as it hands controllers down
        monitor/                       who asked for the scope: it keeps it, and is no part of the session any more
        container/                     born there, under its limits

systemd removes a scope by itself when the last process in it has ended, whichever way that came about.

When the machine goes down, systemd stops units in the reverse order of their start. Each scope comes before
minidock-shutdown.service, which it pulls in: so `minidock system stop` has ended the containers, with their own stop
signals and time-outs, before systemd would send SIGTERM to all that is in a scope. That is left for where the service
is not installed: in place of the usual dependencies (DefaultDependencies=no) the same ones are said with that order.
"""

from __future__ import annotations

import os
import time

from minidock.errors import EXIT_ENGINE, HostError, UsageError
from minidock.linux import programs, rootless, syscalls
from minidock.linux.cgroups import Cgroup, own_path

_MANAGER = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_TIMEOUT = 10.0  # seconds
_ENDED_BY = ("minidock-shutdown.service", "minidock.service")  # both call `minidock system stop`
# Microseconds from SIGTERM to SIGKILL, for the monitor too: docker's ten seconds for the program, and time for the
# monitor to wake and record its end on a machine where everything ends at once.
_STOP_AT_SHUTDOWN = 30_000_000


def owns_the_tree() -> bool:
    """Whether systemd is PID 1 (sd_booted(3)) and can be reached: D-Bus and busctl are there."""
    if rootless.is_on():  # the system's systemd has nothing to give to a user
        return False
    if not (os.path.isdir("/run/systemd/system") and os.path.exists("/run/dbus/system_bus_socket")):
        return False
    return any(os.access(os.path.join(directory, "busctl"), os.X_OK) for directory in os.get_exec_path())


def container_path(slice_: str, container_id: str, prefix: str = "minidock") -> str:
    """The place in the hierarchy of a container whose scope is in `slice_`, for `start_scope` to make.

    The name of a slice is its path: a-b.slice is in a.slice (systemd.slice(5)). Raises `UsageError` for another name.
    """
    parts = slice_.removesuffix(".slice").split("-")
    if not slice_.endswith(".slice") or "/" in slice_ or not all(parts):
        raise UsageError(f"under systemd a --cgroup-parent is a slice such as my.slice, not {slice_}", exit_code=125)
    slices = [f"{'-'.join(parts[:depth])}.slice" for depth in range(1, len(parts) + 1)]
    return os.path.join("/", *slices, f"{prefix}-{container_id}.scope", "container")


def scope_of(path: str) -> str | None:
    """The scope that a path made by `container_path` is in; None for any other path."""
    scope, name = os.path.split(path)
    return scope if name == "container" and scope.endswith(".scope") else None


def start_scope(scope: str, top: str) -> None:
    """Have systemd create `scope` in the hierarchy mounted on `top` and move this process into its cgroup monitor/.

    Raises `HostError` with systemd's answer.
    """
    if own_path() == f"{scope}/monitor":  # the container is started again
        return
    slice_, unit = scope.split("/")[-2:]
    properties = {
        "Description": ("s", f"minidock container {unit[len('minidock-') : -len('.scope')]}"),
        "Slice": ("s", slice_),
        "PIDs": ("au", "1", str(os.getpid())),
        "Delegate": ("b", "true"),
        "CollectMode": ("s", "inactive-or-failed"),  # else a scope that failed would keep its name
        "TimeoutStopUSec": ("t", str(_STOP_AT_SHUTDOWN)),
        "DefaultDependencies": ("b", "false"),
        "Conflicts": ("as", "1", "shutdown.target"),
        "Before": ("as", str(1 + len(_ENDED_BY)), "shutdown.target", *_ENDED_BY),
        "Wants": ("as", "1", _ENDED_BY[0]),
    }
    words = [str(len(properties)), *(word for name, value in properties.items() for word in (name, *value))]
    _busctl("StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail", *words, "0")
    deadline = time.monotonic() + _TIMEOUT
    while own_path() != scope:  # the answer is that of a job: it is done when we have been moved
        if time.monotonic() > deadline:
            raise HostError(f"systemd does not start {unit}: see `systemctl status {unit}`", exit_code=EXIT_ENGINE)
        time.sleep(0.001)
    monitor = Cgroup(f"{top}{scope}/monitor")
    syscalls.mkdir(monitor.path, 0o755)
    monitor.add(os.getpid())


def join_scope(scope: str, top: str) -> None:
    """Move this process beside the monitor of a running container, out of the user's session, which may end."""
    Cgroup(f"{top}{scope}/monitor").add(os.getpid())


def _busctl(method: str, *arguments: str) -> None:
    """Call a method of systemd over D-Bus; the arguments are a signature and words as busctl(1) takes them."""
    done = programs.run(["busctl", "--quiet", "call", *_MANAGER, method, *arguments])
    if done.returncode:
        raise HostError(f"systemd refuses a scope for the container: {done.stderr.strip()}", exit_code=EXIT_ENGINE)
