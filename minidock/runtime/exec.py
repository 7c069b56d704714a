"""Start one more process in a running container, as `docker exec` does (book, 3.1; setns(2)).

`init.py` makes a container around a process. Here the container exists: the new process is cloned into the container's
cgroup, joins all namespaces of its PID 1, and drops its privileges by the same steps as init. It takes over nothing but
the namespaces: not the user or the root directory that PID 1 may have changed to meanwhile.

Until execve this process runs the host's Python. A process inside with CAP_SYS_PTRACE could read its memory,
environment and open files, or control it, as soon as it is in the container's process namespace. So that namespace
comes last: a process never leaves the process namespace in which it was cloned, so the one that has joined all other
namespaces and dropped its privileges clones a child into it, which only has to execute the program. Processes without
CAP_SYS_PTRACE are kept off: its memory is not dumpable (CVE-2016-9962, `init.set_credentials`). Nothing that the
container's /proc says is trusted. No descriptor is inherited but those meant for the program (CVE-2024-21626).

What a tracer still sees of that child: a Python that was started for this (`linux/interpreter.py`), the paths of its
library and the command to be run; nothing of the caller's environment.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import NamedTuple

import prctl

from minidock import observe
from minidock.errors import SetupError
from minidock.linux import cgroups, interpreter, namespaces, seccomp, syscalls, terminal
from minidock.observe import observed, step
from minidock.runtime import device_access, init, program
from minidock.runtime.channel import Channel, channel_pair
from minidock.runtime.lifecycle import CreatedProcess
from minidock.runtime.oci_spec import Spec

_set_pdeathsig = observed("prctl", prctl.set_pdeathsig, "PR_SET_PDEATHSIG")

# What clone(2) means by EAGAIN. On its way in, a process is two for a moment.
_NO_MORE = "the container may have no more processes: see its --pids-limit, and --ulimit nproc"


class Target(NamedTuple):
    """The container to go into: its PID 1, and its cgroup if it has one."""

    pid: int
    pidfd: int
    cgroup: cgroups.Cgroup | None


def create_exec_process(spec: Spec, target: Target, stdio: init.Stdio, cache: str | None = None) -> CreatedProcess:
    """Clone a process that goes into the container of `target` up to where it waits for `lifecycle.start`.

    `spec` is the container's own, with `process` replaced by what is to be run. `stdio` and `cache` are as for
    `lifecycle.create`. Raises `FileNotFoundError` or `ProcessLookupError` if the container has ended, `HostError` for
    powers that nobody may have in a container without a cgroup.
    """
    if target.cgroup is None:
        device_access.without_filter(spec)
    filter_ = None
    if section := spec.linux.get("seccomp"):
        with step("Read the container's seccomp filter", book="chapter 9, 2.1"):
            filter_ = (seccomp.compile_filter(section, cache), seccomp.flags(section))
    kinds = namespaces.of_another(target.pid, target.pidfd)
    ours, theirs = channel_pair()
    with step("Clone a process into the container's cgroup", book="3.1"):
        try:
            pid, pidfd = _clone(target)
        except BlockingIOError as error:
            raise SetupError(_NO_MORE) from error
    if pid == 0:
        observe.who = "exec"
        ours.close()
        init.report_failure(theirs, lambda: _become(spec, target, kinds, theirs, stdio, filter_))  # never returns
    theirs.close()
    return CreatedProcess(pid, pidfd, ours)


def _clone(target: Target) -> tuple[int, int]:
    """Where the container makes cgroups of its own (systemd does), processes belong in those: then PID 1's is it."""
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
    spec: Spec, target: Target, kinds: list[str], channel: Channel, stdio: init.Stdio, filter_: init.Filter
) -> None:
    with step("Set PR_SET_PDEATHSIG: die with the parent", book="3.4"):
        _set_pdeathsig(signal.SIGKILL)
        syscalls.umask(0o022)
    with step("Close all other files, blank the arguments", book="chapter 9, 2.1"):
        _leave_behind({channel.end.fileno(), target.pidfd, *(stdio or ())})
    with step("Set the resource limits (ulimit)", book="3.2"):
        init.set_limits(spec.process)
    with step("Limit the capability bounding set", book="chapter 9, 2.1"):
        init.limit_bounding_set(spec.process)

    # Up to here, /proc is the host's. An import would run the container's files from here on, as us.
    init.forget_modules()
    with step("Join the container's namespaces", book="3.1"):
        namespaces.join(target.pid, target.pidfd, kinds)
        os.close(target.pidfd)
        if "user" in kinds:
            syscalls.setresgid(0, 0, 0)
            syscalls.setresuid(0, 0, 0)
            init.limit_bounding_set(spec.process)  # in another user namespace, root begins with all of it again
    # From here on every path means the container's own, from its namespace's root on, whatever PID 1's root is.
    if spec.terminal:
        with step("Open a pseudo-terminal", book="4.4"):
            stdio = _open_terminal(channel)
    with step("Join a new session keyring", book="chapter 9, 2.1"):
        init.join_keyring()
    with step("Look up the program in the container's PATH", book="3.4"):
        init.enter_working_directory(spec.process["cwd"])
        file = program.find(spec.process)
    with step("Wait for the start", book="3.4"):
        channel.send("ready")
        init.expect(channel, "start")
    assert stdio is not None
    init.give_up_power(spec, stdio, filter_)
    with step("Clone into the process namespace", book="3.1"):
        child = _clone_inside(has_terminal=spec.terminal)
    if child is not None:
        channel.send("cloned", fd=child)
        os._exit(0)
    channel.send("inside")  # fails if our creator has ended before it was said that we shall end with it
    init.exec_program(spec, file)


def _leave_behind(kept: set[int]) -> None:
    """Close every descriptor but 0, 1, 2 and those `kept`, and what observers need; blank words and environment."""
    kept |= {fd for observer in observe.observers for fd in observer.descriptors()}
    first = 3
    for fd in sorted(fd for fd in kept if fd > 2):
        if fd > first:
            syscalls.close_range(first, fd - 1)
        first = fd + 1
    syscalls.close_range(first)
    interpreter.forget_words()


def _clone_inside(*, has_terminal: bool) -> int | None:
    """Have a child that goes on, in the container's process namespace, as a child of our creator's: its pidfd, or None
    in the child.

    The child could be held or led by a tracer inside, from its first instruction on. Nothing is believed that comes
    over the channel from now on but its end (`lifecycle.start`).
    """
    try:
        pid, pidfd = syscalls.clone(syscalls.CLONE_PARENT)
    except BlockingIOError as error:
        raise SetupError(_NO_MORE) from error
    except OSError as error:
        # What clone(2) says where PID 1 of the namespace has ended: nothing can be born there any more.
        if error.errno == errno.ENOMEM:
            raise ProcessLookupError(errno.ESRCH, "the container has ended") from error
        raise
    if pid:
        return pidfd
    _set_pdeathsig(signal.SIGKILL)
    syscalls.setsid()
    if has_terminal:
        terminal.set_controlling(0)
    return None


def _open_terminal(channel: Channel) -> tuple[int, int, int]:
    """Make a pseudo-terminal in the container's devpts, send its master outside, return the slave three times."""
    master, slave = terminal.open_peer("/dev/pts/ptmx")
    channel.send("console", fd=master)
    os.close(master)
    return slave, slave, slave
