"""From a bundle to a running process: what the creator of a container does, while `init.py` runs in the child.

    create    clone3 into new namespaces and the cgroup; the child sets itself up and waits
    start     let it execute the program; returns when the program runs, or raises the error that the child reported

In between, the caller may do what needs the container's namespaces from outside, such as connecting networks.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress

from minidock.errors import EXIT_ENGINE, HostError, SetupError
from minidock.linux import cgroup_limits, cgroups, cgroups_v1, namespaces, seccomp, syscalls, systemd
from minidock.linux.timeouts import ActivityTimeout
from minidock.observe import step
from minidock.runtime import device_access, hooks, init, pid_namespace, rootfs, seccomp_listener
from minidock.runtime.channel import Channel, Message, channel_pair
from minidock.runtime.oci_spec import Spec
from minidock.runtime.runtime_options import ENGINE, Held, Options

_TIMEOUT = 10.0  # seconds without activity in which a process must end after SIGKILL
_LOOK = 1.0
_TRACER = 0.5  # seconds that a tracer has to handle the end of a process
_POLL = 0.001


class StartTimeoutError(SetupError):
    """The process is in the container, and its program has not begun within the timeout."""


class CgroupInUseError(HostError):
    """The cgroup that a bundle names is in use by another program: it is not changed."""


class CreatedProcess:
    """A process in its container, before or after `start`. `console`: the master end of its terminal, if it has one.

    `cloner`: the pid of the process that cloned it, if that joined the container first (`pid_namespace.py`). `timeout`:
    how many seconds the program may take to begin after `start`, if processes of others could hold it for ever.
    """

    def __init__(self, pid: int, pidfd: int, channel: Channel) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.channel = channel
        self.console: int | None = None
        self.cloner: int | None = None
        self.timeout: float | None = None
        self.is_ready = False
        self.spec: Spec | None = None
        self.id = ""

    def signal(self, number: int) -> None:
        """Send a signal. pidfd_send_signal(2) cannot hit another process that has got the same pid."""
        signal.pidfd_send_signal(self.pidfd, number)

    def kill(self) -> None:
        """Send SIGKILL, and wait for its end. Does nothing for a process that has been reaped."""
        with suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)


def cgroup_path(spec: Spec, top: str) -> str:
    """The directory of the container's cgroup in the hierarchy mounted on `top`, and never above that."""
    return top + os.path.normpath(f"/{spec.linux['cgroupsPath'].lstrip('/')}")


def make_cgroup(spec: Spec, *, first_version: bool = False) -> cgroups.Cgroup | None:
    """The container's cgroup with its limits set; None if the host has no version 2 hierarchy.

    Without a hierarchy a container without limits still runs, without a device filter (`device_access.without_filter`);
    one with limits is refused. `first_version`: hierarchies of version 1 may enforce limits too, and the caller deletes
    what is created in these. Raises `HostError`.
    """
    resources = spec.linux.get("resources") or {}
    if first_version and spec.linux.get("cgroupsPath"):
        check_cgroup(spec)
        cgroups_v1.create(cgroup_path(spec, ""), resources)
        cgroups_v1.check_unified(resources)
        resources = cgroups_v1.split(resources, cgroups_v1.hierarchies())[1]
    needed = cgroup_limits.controllers(resources)
    top = cgroups.hierarchy()
    if top is None or not spec.linux.get("cgroupsPath"):
        if needed:
            what = ", ".join(sorted(needed))
            raise HostError(f"{cgroups.missing()}: {what} cannot be limited", exit_code=EXIT_ENGINE)
        return None
    cgroup = cgroups.Cgroup(cgroup_path(spec, top))
    path = cgroup.path.removeprefix(top)
    if scope := systemd.scope_of(path):
        systemd.start_scope(scope, top)
    if first_version and cgroup.exists():  # nothing runs in it: nobody needs it
        cgroup.delete()
    cgroup.create(needed, owned=scope and top + scope)
    try:
        cgroup_limits.apply(cgroup, resources)
        device_access.restrict(spec, cgroup)
    except BaseException:
        cgroup.delete()
        raise
    return cgroup


def check_cgroup(spec: Spec) -> None:
    """Raises `CgroupInUseError` if a process is in the cgroup that the bundle names, or it is frozen."""
    if not spec.linux.get("cgroupsPath"):
        return
    path, top = cgroup_path(spec, ""), cgroups.hierarchy()
    known = [cgroups.Cgroup(place) for place in cgroups_v1.places(path, {})]
    if top:
        known.append(cgroups.Cgroup(top + path))
    for cgroup in known:
        if cgroup.exists() and cgroup.processes():
            raise CgroupInUseError(f"container's cgroup is not empty: {cgroup.path} is in use", exit_code=EXIT_ENGINE)
    if cgroups_v1.is_frozen(path) or (top and cgroups.Cgroup(top + path).is_to_freeze()):
        raise CgroupInUseError(f"container's cgroup unexpectedly frozen: {path}", exit_code=EXIT_ENGINE)


def create(
    spec: Spec, stdio: init.Stdio, cache: str | None = None, options: Options = ENGINE
) -> tuple[CreatedProcess, cgroups.Cgroup | None]:
    """Clone the container's first process, which sets itself up and then waits for `start`.

    `stdio`: descriptors for 0, 1 and 2, or None for a terminal created inside. `cache`: a directory for compiled
    filters. The call returns right after the clone; `start` waits for the child. The caller owns the cgroup and deletes
    it.
    """
    if hooks.has(spec):
        hooks.load()
    filter_ = None
    if section := spec.linux.get("seccomp"):
        with step("Compile the seccomp filter", book="chapter 7, 2.1"):
            filter_ = (seccomp.compile_filter(section, cache), seccomp.flags(section))
    with step("Create the control group, with its limits", book="3.2"):
        cgroup = make_cgroup(spec, first_version=options.places is not None)
        spec = spec if cgroup else device_access.without_filter(spec)
    joined, (ours, theirs) = None, channel_pair()
    try:
        if spec.namespaces.get("pid"):
            with step("Take a proc of the joined namespace", book="3.1"):
                spec, joined = pid_namespace.prepare_join(spec)
        init.give_stdio(stdio, spec)
        trees = rootfs.clone_binds(spec)
        with step("Clone the first process into new namespaces", book="3.1"):
            pid, pidfd = _clone(spec, cgroup)
    except BaseException:
        pid_namespace.close(joined)
        if cgroup:
            cgroup.delete()
        raise
    if pid == 0:
        ours.close()
        init.run(spec, theirs, stdio, filter_, options, Held(trees, joined))
    pid_namespace.close(joined)
    theirs.close()
    for tree in trees.values():
        os.close(tree)
    created = CreatedProcess(pid, pidfd, ours)
    created.timeout = _TIMEOUT if joined else None
    created.spec, created.id = spec, options.id
    place(created, options)
    if spec.is_new("user"):
        from minidock.linux import id_maps  # here, as most containers have the host's users

        namespaces.write_id_maps(pid, *id_maps.from_oci(spec.linux))
        ours.send("mapped")
    seccomp_listener.pass_on(ours, spec, pid, hooks.state(spec, options.id, "creating", pid))
    return created, cgroup


def place(created: CreatedProcess, options: Options) -> None:
    """Move a new process, which waits for it, into its cgroups of version 1."""
    if options.places:
        with step("Move the process into cgroups of version 1", book="3.2"):
            cgroups_v1.join(list(options.places), created.pid)
        created.channel.send("placed")


def _clone(spec: Spec, cgroup: cgroups.Cgroup | None) -> tuple[int, int]:
    """clone3 into the new namespaces and, in the same call, into the cgroup: no instruction runs outside the limits."""
    directory = cgroup.open() if cgroup else None
    try:
        return syscalls.clone3(spec.clone_flags, directory)
    finally:
        if directory is not None:
            os.close(directory)


def wait_ready(created: CreatedProcess) -> None:
    """Wait until the child only has to execute the program. Raises `SetupError` with the error that it reports."""
    while not created.is_ready:
        message, fd = created.channel.receive()
        if message is None:
            raise SetupError("the container's first process died during set-up", exit_code=EXIT_ENGINE)
        if message["type"] == "console":
            created.console = fd
        elif message["type"] == "ready":
            created.is_ready = True
        elif message["type"] == "mounted":
            _run_hooks(created)
        elif message["type"] == "cloned" and fd is not None:
            _take_clone(created, fd)
        elif message["type"] == "inside":
            continue
        else:
            _take(message)


def _run_hooks(created: CreatedProcess) -> None:
    """The creator's hooks, between the making of the namespaces and the change of the root."""
    assert created.spec is not None
    known = hooks.state(created.spec, created.id, "creating", created.pid)
    with step("Run the hooks of the bundle", book="3.4"):
        hooks.run(created.spec, "prestart", known)
        hooks.run(created.spec, "createRuntime", known)
    created.channel.send("hooked", state=known)


def release(created: CreatedProcess) -> None:
    """Release a process that waits at a gate (`gate.py`): from here on it outlives this process."""
    wait_ready(created)
    created.channel.send("released")
    while (message := created.channel.receive()[0]) is not None:
        _take(message)
    created.channel.close()


def start(created: CreatedProcess, seconds: float | None = None) -> None:
    """Let the container's program run. Returns when it does: execve has closed the child's end of the channel.

    That end is also closed if the child is killed in between, which its exit code tells. Raises `SetupError` with the
    error that the child reports, `StartTimeoutError` if the program takes more than `seconds` to begin (None: its own
    timeout).
    """
    wait_ready(created)
    with suppress(BrokenPipeError):
        created.channel.send("start")
    seconds = created.timeout if seconds is None else seconds
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        message, fd = _receive(created.channel, deadline)
        if message is None:
            break
        if message["type"] == "cloned" and fd is not None:
            _take_clone(created, fd)
        else:
            _take(message)
    created.channel.close()


def _receive(channel: Channel, deadline: float | None) -> tuple[Message | None, int | None]:
    if deadline is not None:
        poll = select.poll()
        poll.register(channel.end, select.POLLIN)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise StartTimeoutError("it does not begin: a process in the container holds it", exit_code=EXIT_ENGINE)
    return channel.receive()


def _take_clone(created: CreatedProcess, pidfd: int) -> None:
    """The process that joined the container has ended, and `pidfd` refers to its child, which goes on
    (`pid_namespace.py`).

    A tracer inside could have sent another process's: only a child of this process is accepted, and only one.
    """
    try:
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        os.close(pidfd)
        return
    if created.cloner is not None:
        os.close(pidfd)
        return
    os.close(created.pidfd)
    created.cloner, created.pid, created.pidfd = created.pid, namespaces.pid_of(pidfd), pidfd


def reap(created: CreatedProcess) -> int:
    """The exit code of a process that has ended, or been sent SIGKILL; a signal's number negative, as in subprocess.

    The parent of a traced process (ptrace(2)) learns of its end only when the tracer has handled it, which may be
    never. Then the exit code is read from /proc/PID/stat of the zombie (proc(5)). A process that does not even end
    counts as killed. In both cases the zombie is left to the process that inherits our children.
    """
    poll = select.poll()
    poll.register(created.pidfd, select.POLLIN)
    status, timeout = None, ActivityTimeout(_TIMEOUT, lambda: [created.pid])
    while not (ended := poll.poll(_LOOK * 1000)) and not timeout.is_over:
        continue
    if ended:
        status = _wait(created.pid)
        if status is None:
            status = _status_of_zombie(created.pid)
    if created.cloner is not None:
        _wait(created.cloner)
    return os.waitstatus_to_exitcode(int(signal.SIGKILL) if status is None else status)


def _wait(pid: int) -> int | None:
    """waitpid(2) for a process that has ended: its status, or None if only its tracer gets it."""
    deadline = time.monotonic() + _TRACER
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            return None
        time.sleep(_POLL)
    return ended[1]


def _status_of_zombie(pid: int) -> int:
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[49])


def _take(message: Message) -> None:
    if message["type"] == "error":
        raise SetupError.reported(message)
