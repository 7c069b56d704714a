"""Clone a process into a process namespace where others are, as the last step (book 3.1; setns(2)).

Until execve a process that enters a container runs the host's Python. A process inside with CAP_SYS_PTRACE could read
its memory, environment, open files and root directory, or control it, as soon as it is in the same process namespace.
So that namespace comes last: a process never leaves the process namespace in which it was cloned, so the one that has
closed its files, joined all other namespaces and dropped its privileges clones a child into it, which only has to
execute the program. Processes without CAP_SYS_PTRACE are kept off: its memory is not dumpable (CVE-2016-9962,
`init.set_credentials`).

A tracer inside still sees of that child: a Python that was started for this (`linux/interpreter.py`), the paths of its
library and the data about the container; nothing of the caller's environment.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterable

import prctl

from minidock import observe
from minidock.errors import SetupError
from minidock.linux import interpreter, mount_trees, syscalls, terminal
from minidock.named_tuple import NamedTuple
from minidock.observe import observed
from minidock.runtime.channel import Channel
from minidock.runtime.oci_spec import Spec

set_pdeathsig = observed("prctl", prctl.set_pdeathsig, "PR_SET_PDEATHSIG")

# The text for EAGAIN of clone(2). A process that joins counts twice for a moment.
NO_MORE = "the container may have no more processes: see its --pids-limit, and --ulimit nproc"


class JoinedPids(NamedTuple):
    """A process namespace to join (a descriptor), and proc file systems that show it: detached mounts, by the mount's
    index in the bundle.
    """

    namespace: int
    procs: dict[int, int]

    @property
    def descriptors(self) -> list[int]:
        """All descriptors in this object."""
        return [self.namespace, *self.procs.values()]


def prepare_join(spec: Spec) -> tuple[Spec, JoinedPids | None]:
    """Open the process namespace that a new container is to join; None if it joins none.

    The specification then names the namespace by its descriptor. This process's own namespace is shared and not joined.
    Raises `HostError` if no process in there has a proc file system to copy.
    """
    path = spec.namespaces.get("pid")
    if not path:
        return spec, None
    namespace = syscalls.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if os.path.samestat(os.fstat(namespace), os.stat("/proc/self/ns/pid")):
        os.close(namespace)
        return spec._replace(namespaces={kind: path for kind, path in spec.namespaces.items() if kind != "pid"}), None
    joined = JoinedPids(namespace, {})
    try:
        for number, mount in enumerate(spec.mounts):
            if mount.get("type") == "proc":
                joined.procs[number] = mount_trees.proc_of(namespace)
    except BaseException:
        close(joined)
        raise
    return spec._replace(namespaces={**spec.namespaces, "pid": f"/proc/self/fd/{namespace}"}), joined


def close(joined: JoinedPids | None) -> None:
    """Close the descriptors."""
    for fd in joined.descriptors if joined else []:
        os.close(fd)


def close_all_but(kept: Iterable[int]) -> None:
    """Close every descriptor but 0, 1, 2 and those `kept`, and those of observers; blank arguments and environment.

    An open file would give access to the host (CVE-2024-21626).
    """
    all_kept = {*kept, *(fd for observer in observe.observers for fd in observer.descriptors())}
    first = 3
    for fd in sorted(fd for fd in all_kept if fd > 2):
        if fd > first:
            syscalls.close_range(first, fd - 1)
        first = fd + 1
    syscalls.close_range(first)
    interpreter.blank_arguments()


def clone_inside(channel: Channel, *, has_terminal: bool, tied: bool = True) -> None:
    """Clone a child into the joined process namespace, as a child of the creator's, and exit. Returns only in the
    child. `tied`: as in `Options`.

    A tracer inside could hold or control the child from its first instruction on. So nothing that comes over the
    channel from now on is trusted but its end of file (`lifecycle.start`).
    """
    try:
        pid, pidfd = syscalls.clone(syscalls.CLONE_PARENT)
    except BlockingIOError as error:
        raise SetupError(NO_MORE) from error
    except OSError as error:
        # ENOMEM: PID 1 of the namespace has ended, so that no process can be created there any more.
        if error.errno == errno.ENOMEM:
            raise ProcessLookupError(errno.ESRCH, "the container has ended") from error
        raise
    if pid:
        channel.send("cloned", fd=pidfd)
        os._exit(0)
    if tied:
        set_pdeathsig(signal.SIGKILL)
    syscalls.setsid()
    if has_terminal:
        terminal.set_controlling(0)
    channel.send("inside")  # fails if the creator ended before PR_SET_PDEATHSIG was set
