"""How a process that outlives its caller is detached from it: a monitor of a container, or of a process of `exec`."""

from __future__ import annotations

import os
import signal

from minidock.engine.monitor.streams import unshared

# Asking a container to end before it has begun: it is not begun.
ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}

# To a monitor: its socket has no name any more. Who does not know that is not harmed: it is ignored by default.
NAMELESS = signal.SIGURG


def detach_from_caller() -> tuple[int, int, int]:
    """No directory held, no descriptor of the caller's but copies of 0, 1 and 2, which are returned."""
    os.chdir("/")
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        # Those that Python opened are closed by execve. The others came through an execve, so from the caller.
        if fd > 2 and _is_inheritable(fd):
            os.close(fd)
    copies = (os.dup(0), unshared(1), unshared(2))
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
    # What a shutting-down system sends to all: the container is told, and the end of its PID 1 is ours.
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    return copies


def _is_inheritable(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False  # the descriptor that listed the directory
