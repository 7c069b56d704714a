"""From a bundle to a running process: what the creator of a container does, while `init.py` runs in the child.

    create    clone3 into new namespaces, born in its cgroup; returns when the child is ready and waits
    start     let it go on; returns when the program runs, or raises what the child reported

The caller may do in between what needs the container's namespaces from outside, such as a network cable into it.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from minidock.errors import EXIT_ENGINE, HostError, SetupError
from minidock.linux import cgroups, limits, namespaces, seccomp, syscalls, systemd
from minidock.observe import step
from minidock.runtime import channel as channels
from minidock.runtime import device_access, init
from minidock.runtime.channel import Channel, Message
from minidock.runtime.spec import Spec


class Created:
    """A process in its container, before or after `start`. `console`: the master end of its terminal, if it has one."""

    def __init__(self, pid: int, pidfd: int, channel: Channel) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.channel = channel
        self.console: int | None = None
        self.is_ready = False

    def signal(self, number: int) -> None:
        """Send the container's PID 1 a signal; pidfd_send_signal(2) cannot hit another process of the same number."""
        signal.pidfd_send_signal(self.pidfd, number)


def make_cgroup(spec: Spec) -> cgroups.Cgroup | None:
    """The container's cgroup with its limits in force; None where the host has no version 2 hierarchy.

    Without a hierarchy a container without limits runs all the same, and no device filter watches over it
    (`device_access.without_filter`); with a limit it is refused.
    """
    resources = spec.linux.get("resources") or {}
    needed = limits.controllers(resources)
    top = cgroups.hierarchy()
    if top is None or not spec.linux.get("cgroupsPath"):
        if needed:
            what = ", ".join(sorted(needed))
            raise HostError(f"this host has no cgroup v2 hierarchy: {what} cannot be limited", exit_code=EXIT_ENGINE)
        return None
    path = os.path.normpath(f"/{spec.linux['cgroupsPath'].lstrip('/')}")
    cgroup = cgroups.Cgroup(top + path)
    if scope := systemd.scope_of(path):
        systemd.start_scope(scope, top)
    cgroup.create(needed, owned=scope and top + scope)
    try:
        limits.apply(cgroup, resources)
        device_access.restrict(spec, cgroup)
    except BaseException:
        cgroup.delete()
        raise
    return cgroup


def create(spec: Spec, stdio: init.Stdio, cache: str | None = None) -> tuple[Created, cgroups.Cgroup | None]:
    """Clone the container's first process and let it run up to where it waits for `start`.

    `stdio`: descriptors for 0, 1 and 2, or None for a terminal made inside. `cache`: directory for compiled filters.
    The call returns right after the clone; `start` waits for the child. The caller owns the cgroup and deletes it.
    """
    filter_ = None
    if section := spec.linux.get("seccomp"):
        with step("the system call filter, compiled or from the cache", book="9"):
            filter_ = (seccomp.compile_filter(section, cache), seccomp.flags(section))
    with step("a control group with the limits", book="3.2"):
        cgroup = make_cgroup(spec)
        spec = spec if cgroup else device_access.without_filter(spec)
    ours, theirs = channels.pair()
    try:
        with step("a process in namespaces of its own", book="3.1"):
            pid, pidfd = _clone(spec, cgroup)
    except BaseException:
        if cgroup:
            cgroup.delete()
        raise
    if pid == 0:
        ours.close()
        init.run(spec, theirs, stdio, filter_)
    theirs.close()
    created = Created(pid, pidfd, ours)
    if spec.is_new("user"):
        maps = [[(m["containerID"], m["hostID"], m["size"]) for m in spec.linux.get(key) or []]
                for key in ("uidMappings", "gidMappings")]  # fmt: skip
        namespaces.write_id_maps(pid, *maps)
        ours.send("mapped")
    return created, cgroup


def _clone(spec: Spec, cgroup: cgroups.Cgroup | None) -> tuple[int, int]:
    """clone3 into the new namespaces and, in the same instant, the cgroup: no instruction runs outside the limits."""
    if path := spec.namespaces.get("pid"):
        namespaces.enter(path, "pid")  # for pid namespaces this counts for children only: the one cloned next
    directory = cgroup.open() if cgroup else None
    try:
        pid, pidfd = syscalls.clone3(spec.clone_flags, directory)
        if pid and path:
            namespaces.enter("/proc/self/ns/pid", "pid")  # where later children belong
        return pid, pidfd
    finally:
        if directory is not None:
            os.close(directory)


def wait_ready(created: Created) -> None:
    """Wait until the child has done everything but become the program. Raises `SetupError` with what it reports."""
    while not created.is_ready:
        message, fd = created.channel.receive()
        if message is None:
            raise SetupError("the container's first process died during set-up", exit_code=EXIT_ENGINE)
        if message["type"] == "console":
            created.console = fd
        elif message["type"] == "ready":
            created.is_ready = True
        else:
            _take(message)


def start(created: Created) -> None:
    """Let the container's program run. Returns when it does: execve has closed the child's end of the channel.

    So has the end of a child that was killed meanwhile, which its exit code tells.
    """
    wait_ready(created)
    with suppress(BrokenPipeError):
        created.channel.send("start")
    while (message := created.channel.receive()[0]) is not None:
        _take(message)
    created.channel.close()


def _take(message: Message) -> None:
    if message["type"] == "error":
        place = f"{message['step']}: " if message["step"] and not message["plain"] else ""
        raise SetupError(f"{place}{message['message']}", exit_code=message["exit_code"])
