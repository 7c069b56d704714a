"""Start one more process in a running container, as `docker exec` does (book, 3.1; setns(2)).

`init.py` makes a container around a process. Here the container exists: the new process is cloned into the container's
cgroup, joins all namespaces of its PID 1, and drops its privileges by the same steps as init. It takes over nothing but
the namespaces: not the user or the root directory that PID 1 may have changed to meanwhile.

The process namespace comes last, and `pid_namespace.py` says why. Nothing that the container's /proc says is trusted.
No descriptor is inherited but those meant for the program (CVE-2024-21626).
"""

from __future__ import annotations

import errno
import os
import signal

from minidock import observe
from minidock.errors import SetupError
from minidock.linux import cgroups, namespaces, seccomp, syscalls, terminal
from minidock.named_tuple import NamedTuple
from minidock.observe import step
from minidock.runtime import attributes, device_access, hooks, init, pid_namespace, program, seccomp_listener
from minidock.runtime.channel import Channel, channel_pair, report_failure, wait_for_message
from minidock.runtime.lifecycle import CreatedProcess, place
from minidock.runtime.oci_spec import Spec
from minidock.runtime.runtime_options import ENGINE, Options


class Target(NamedTuple):
    """The container to join: its PID 1, and its cgroup if it has one."""

    pid: int
    pidfd: int
    cgroup: cgroups.Cgroup | None


def create_exec_process(
    spec: Spec, target: Target, stdio: init.Stdio, cache: str | None = None, options: Options = ENGINE
) -> CreatedProcess:
    """Clone a process that joins the container of `target` and then waits for `lifecycle.start`.

    `spec` is the container's own, with `process` replaced by what is to be run. `stdio` and `cache` are as for
    `lifecycle.create`. Raises `FileNotFoundError` or `ProcessLookupError` if the container has ended, `HostError` for
    capabilities that are refused in a container without a cgroup.
    """
    if target.cgroup is None:
        device_access.without_filter(spec)
    filter_ = None
    if section := spec.linux.get("seccomp"):
        with step("Read the container's seccomp filter", book="chapter 7, 2.1"):
            filter_ = (seccomp.compile_filter(section, cache), seccomp.flags(section))
    kinds = namespaces.not_shared_with(target.pid, target.pidfd)
    init.give_stdio(stdio, spec)
    ours, theirs = channel_pair()
    with step("Clone a process into the container's cgroup", book="3.1"):
        try:
            pid, pidfd = _clone(target)
        except BlockingIOError as error:
            raise SetupError(pid_namespace.NO_MORE) from error
    if pid == 0:
        observe.who = "exec"
        ours.close()
        report_failure(theirs, lambda: _become(spec, target, kinds, theirs, stdio, filter_, options))
    theirs.close()
    created = CreatedProcess(pid, pidfd, ours)
    place(created, options)
    seccomp_listener.pass_on(ours, spec, pid, hooks.state(spec, options.id, "running", target.pid))
    return created


def _clone(target: Target) -> tuple[int, int]:
    """Clone into the container's cgroup; or into PID 1's, if the container has cgroups of its own (systemd does).

    The kernel refuses processes in a cgroup that has enabled controllers for its children (EBUSY).
    """
    if target.cgroup is None:
        return syscalls.clone3(0)
    directory = target.cgroup.open()
    try:
        return syscalls.clone3(0, directory)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
    finally:
        os.close(directory)
    directory = cgroups.of_process(target.pid).open()
    try:
        return syscalls.clone3(0, directory)
    finally:
        os.close(directory)


def _become(
    spec: Spec,
    target: Target,
    kinds: list[str],
    channel: Channel,
    stdio: init.Stdio,
    filter_: init.Filter,
    options: Options,
) -> None:
    with step("Set PR_SET_PDEATHSIG: die with the parent", book="3.4"):
        pid_namespace.set_pdeathsig(signal.SIGKILL)
        syscalls.umask(0o022)
        if options.places:
            wait_for_message(channel, "placed")
        attributes.set_affinity(spec.process, "initial")
    with step("Close all other files, blank the arguments", book="chapter 7, 2.1"):
        preserved = range(3, 3 + options.preserved)
        pid_namespace.close_all_but({channel.end.fileno(), target.pidfd, *(stdio or ()), *preserved})
    listener = seccomp_listener.take(channel, spec)
    with step("Set the resource limits (ulimit)", book="3.2"):
        attributes.set_limits(spec.process)
        if spec.process.get("oomScoreAdj") is not None:
            attributes.set_oom_score(spec.process["oomScoreAdj"])
    with step("Limit the capability bounding set", book="chapter 7, 2.1"):
        init.limit_bounding_set(spec.process)

    attributes.set_all(spec.process, spec.linux)

    # Up to here, /proc is the host's. From here on an import would run files of the container in this process.
    init.disable_imports()
    with step("Join the container's namespaces", book="3.1"):
        namespaces.join(target.pid, target.pidfd, kinds)
        os.close(target.pidfd)
        if "user" in kinds:
            syscalls.setresgid(0, 0, 0)
            syscalls.setresuid(0, 0, 0)
            pid_namespace.set_pdeathsig(signal.SIGKILL)  # changing the user has cleared it (prctl(2))
            init.limit_bounding_set(spec.process)  # joining a user namespace gave all capabilities back
    # From here on every path is looked up from the root of the container's mount namespace.
    if spec.terminal:
        with step("Open a pseudo-terminal", book="4.4"):
            stdio = _open_terminal(channel, spec.process.get("consoleSize"))
    with step("Join a new session keyring", book="chapter 7, 2.1"):
        attributes.join_keyring()
    with step("Look up the program in the container's PATH", book="3.4"):
        program.enter_working_directory(spec.process["cwd"])
        file = program.find(spec.process)
    with step("Wait for the start", book="3.4"):
        channel.send("ready")
        wait_for_message(channel, "start")
    assert stdio is not None
    init.drop_privileges(spec, stdio, filter_, options, listener)
    with step("Clone into the process namespace", book="3.1"):
        pid_namespace.clone_inside(channel, has_terminal=spec.terminal, tied=options.tied)
    attributes.set_affinity(spec.process, "final")
    init.exec_program(spec, file)


def _open_terminal(channel: Channel, size: dict[str, int] | None) -> tuple[int, int, int]:
    """Create a pseudo-terminal in the container's devpts, send its master outside, and return the slave three times."""
    master, slave = terminal.open_peer("/dev/pts/ptmx")
    if size:
        terminal.set_window_size(slave, size["height"], size["width"])
    channel.send("console", fd=master)
    os.close(master)
    return slave, slave, slave
