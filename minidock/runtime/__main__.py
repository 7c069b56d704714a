"""`python -m minidock.runtime BUNDLE`: run one OCI bundle, without the engine (book, chapter 1, 3.4).

The bundle is a directory with a config.json and a root file system, as for runc and crun. What the engine adds is
missing here: images, networks other than the loopback interface, logs, a monitor. This process is the parent: it
forwards signals, copies the terminal's bytes if the bundle asks for a terminal, and exits as the bundle's program does:
with its exit code, 128+n if signal n killed it, 125 if it could not be set up.
"""

from __future__ import annotations

import os
import signal
import sys

from minidock.errors import EXIT_SIGNAL, MinidockError, UsageError
from minidock.linux import interpreter
from minidock.runtime import foreground, hooks, lifecycle, oci_spec
from minidock.runtime.lifecycle import CreatedProcess
from minidock.runtime.oci_spec import Spec
from minidock.runtime.runtime_options import Options


def main(arguments: list[str]) -> int:
    """Run the bundle that the one argument names; returns the exit code. Raises `MinidockError`."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise UsageError("usage: python -m minidock.runtime BUNDLE (a directory with a config.json)")
    interpreter.reexecute()
    bundle = oci_spec.load(os.path.abspath(arguments[0]))
    options = Options(id=os.path.basename(bundle.bundle))
    created, cgroup = lifecycle.create(bundle, None if bundle.terminal else (0, 1, 2), options=options)
    try:
        lifecycle.wait_ready(created)
        foreground.attend(created, lambda: _start(bundle, created))
    except BaseException:
        created.signal(signal.SIGKILL)
        raise
    finally:
        code = lifecycle.reap(created)
        if cgroup:
            cgroup.delete()
        hooks.run(bundle, "poststop", hooks.state(bundle, created.id, "stopped", 0))
    return code if code >= 0 else EXIT_SIGNAL - code


def _start(bundle: Spec, created: CreatedProcess) -> None:
    lifecycle.start(created)
    hooks.run(bundle, "poststart", hooks.state(bundle, created.id, "running", created.pid))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except MinidockError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
