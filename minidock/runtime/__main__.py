"""`python -m minidock.runtime BUNDLE`: run one OCI bundle, without the engine (book, chapter 1, 3.4).

The bundle is a directory with a config.json and a root file system, as for runc and crun. What the engine adds is
missing here: images, networks other than the loopback interface, logs, a monitor. This process is the parent: it
forwards signals, copies the terminal's bytes if the bundle asks for a terminal, and exits as the bundle's program does:
with its exit code, 128+n if signal n killed it, 125 if it could not be set up.
"""

from __future__ import annotations

import os
import select
import signal
import sys

from minidock.errors import EXIT_SIGNAL, MinidockError, UsageError
from minidock.linux import interpreter, terminal
from minidock.runtime import lifecycle, oci_spec
from minidock.runtime.lifecycle import CreatedProcess

_FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


def main(arguments: list[str]) -> int:
    """Run the bundle that the one argument names; returns the exit code. Raises `MinidockError`."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise UsageError("usage: python -m minidock.runtime BUNDLE (a directory with a config.json)")
    interpreter.reexecute()
    bundle = oci_spec.load(os.path.abspath(arguments[0]))
    created, cgroup = lifecycle.create(bundle, None if bundle.terminal else (0, 1, 2))
    try:
        _run(created)
    except BaseException:
        created.signal(signal.SIGKILL)
        raise
    finally:
        code = lifecycle.reap(created)
        if cgroup:
            cgroup.delete()
    return code if code >= 0 else EXIT_SIGNAL - code


def _run(created: CreatedProcess) -> None:
    """Start the program, and wait until it has ended or its terminal has been hung up."""
    for number in _FORWARDED:
        signal.signal(number, lambda received, _: created.signal(received))
    lifecycle.wait_ready(created)
    mode = terminal.make_raw(0) if created.console is not None and os.isatty(0) else None
    try:
        if created.console is not None and mode:
            terminal.set_window_size(created.console, *terminal.window_size(0))
        lifecycle.start(created)
        if created.console is not None:
            _copy_terminal(created.console, created.pidfd)
        else:
            select.select([created.pidfd], [], [])
    finally:
        if mode:
            terminal.restore(0, mode)


def _copy_terminal(console: int, pidfd: int) -> None:
    """Copy bytes in both directions between this process and the terminal's master end, until the program has ended."""
    sources = {0, console, pidfd}
    while True:
        ready = select.select(sources, [], [])[0]
        if console in ready:
            try:
                os.write(1, os.read(console, 65536))
            except OSError:  # EIO: no process has the other end open, perhaps only for a moment
                if select.select([pidfd], [], [], 0.05)[0]:
                    return
        elif pidfd in ready:
            return
        elif 0 in ready:
            if typed := os.read(0, 65536):
                os.write(console, typed)
            else:
                sources.discard(0)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except MinidockError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
