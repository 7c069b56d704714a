"""The idle monitor: a Python program with almost no imports, which replaces a monitor while nothing happens.

A container runs for days in which its monitor only waits. So a monitor without an attached client for a second replaces
itself by this program (execve(2)). It is the same process: still the container's parent, with its lock and its pipes,
and the parent that PR_SET_PDEATHSIG refers to; but the modules for a container's start are no longer in memory. It goes
on writing the log. When a client connects, or the container has ended, it executes the monitor again, which continues
(`resume.py`).

    python -I -S idle.py STATE      a descriptor of an anonymous file with the state, as marshal has it

Nothing is imported at the top that Python has not loaded anyway, not even `os`: that saves half a megabyte.
"""

import marshal
import posix
import select
import sys

_READ = 1 << 16
_ENDS = select.POLLHUP | select.POLLERR
TYPE_CHECKING = False  # as in `typing`, without loading that
if TYPE_CHECKING:
    import signal as _signal
    from typing import Any

    from minidock.engine.logs.log_writer import Log
else:
    import _signal  # what `signal` is made of, as `posix` is of `os`


def main() -> None:
    """Wait; then become the monitor again, and exit as that does."""
    state_file = int(sys.argv[1])
    state = marshal.loads(posix.pread(state_file, posix.fstat(state_file).st_size, 0))
    posix.close(state_file)
    sys.path[:] = state["path"]
    nameless = _nameless()
    _wait(state, nameless)
    posix.close(_signal.set_wakeup_fd(-1))
    posix.close(nameless)
    from minidock.engine.monitor import resume

    posix._exit(resume.resume(state) & 255)


def _wait(state: "dict[str, Any]", nameless: int) -> None:
    """Log what the container writes, until something else is to be done. `state` then has the log's position."""
    sources = {output["fd"]: output for output in state["outputs"] if output["fd"] >= 0}
    poll = select.poll()
    if state["memory"]:
        poll.register(state["memory"][0], select.POLLPRI)
    for fd in (state["pidfd"], state["listener"], *state["names"], *sources, nameless):
        poll.register(fd, select.POLLIN)
    log: Log | None = None
    while True:
        for fd, _ in poll.poll():
            if state["memory"] and fd == state["memory"][0] and not _is_out_of_memory(*state["memory"]):
                continue
            if fd not in sources:
                if log:
                    state["unfinished"] = log.unfinished
                return
            log = log or _open_log(state)
            data = _read(fd)
            if data and log:
                log.write(sources[fd]["name"], data)
            elif data == b"":
                poll.unregister(fd)
                posix.close(fd)
                sources.pop(fd)["fd"] = -1


def _is_out_of_memory(fd: int, seen: int) -> bool:
    """Whether more processes have been killed for want of memory than the `seen` that were reported."""
    from minidock.engine.monitor import out_of_memory

    return out_of_memory.kills(fd) > seen


def _nameless() -> int:
    """A descriptor that becomes readable on SIGURG: the socket has lost its name (`monitor_channel.py`)."""
    reader, writer = posix.pipe2(posix.O_NONBLOCK | posix.O_CLOEXEC)
    _signal.set_wakeup_fd(writer)
    _signal.signal(_signal.SIGURG, lambda *_: None)
    return reader


def _open_log(state: "dict[str, Any]") -> "Log | None":
    if not state["log"]:
        return None
    from minidock.engine.logs.log_writer import Log

    try:
        log = Log(*state["log"])
    except OSError:  # for now: whatever fails, the container must not end with us
        return None
    log.unfinished = state["unfinished"]
    return log


def _read(fd: int) -> "bytes | None":
    """Some bytes; none at the end, which for a terminal is an error; None if there is nothing at this moment."""
    try:
        return posix.read(fd, _READ)
    except BlockingIOError:
        return None
    except OSError:
        return b""


if __name__ == "__main__":
    main()
