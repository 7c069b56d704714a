"""Detach a process from its caller, which it outlives: the monitor of a container, or of a process of `exec`."""

from __future__ import annotations

import os
import signal

from minidock.engine.monitor.streams import unshared

# Sent before the container's program runs: it is then not started.
ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}

# Asks a monitor to make its socket again. Ignored by default, so other processes are not harmed (signal(7)).
NAMELESS = signal.SIGURG


def detach_from_caller() -> tuple[int, int, int]:
    """Leave the caller's directory and close its descriptors, but for copies of 0, 1 and 2, which are returned."""
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
    # A shutdown sends SIGTERM to all processes: the container gets one too, and the monitor ends after its PID 1.
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    return copies


def _is_inheritable(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False  # the descriptor that listed the directory
