"""Where the `minidock` command begins: before anything is imported that takes time."""

from __future__ import annotations

import gc
import os
import sys

# The processes that some commands need: imported and forked first of all (`engine/monitor/spawn.py`).
_HELPERS = {"run": "monitor", "start": "monitor", "restart": "monitor", "exec": "exec-monitor"}


def main() -> None:
    """Start a monitor if one will be needed, then run the command line."""
    try:
        _begin()
    except KeyboardInterrupt:
        os._exit(130)
    except RuntimeError as error:
        # What is raised while a class is being made, and so while a module is imported, is wrapped (until Python 3.12).
        if isinstance(error.__cause__, KeyboardInterrupt):
            os._exit(130)
        raise


def _begin() -> None:
    # Importing makes thousands of objects and no garbage: looking for some every 700 of them is a tenth of the time.
    gc.set_threshold(50_000)
    for fd in (0, 1, 2):  # of a caller who has closed them: or the next files opened here would take their places
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    os.umask(0o022)  # not the caller's: a container's files are for all its users
    if any(name.startswith("MINIDOCK_OBSERVE_") for name in os.environ):
        from minidock.recorder import observers

        observers.from_environment(dict(os.environ))
    if any(word.startswith("--explain") for word in sys.argv):
        from minidock.cli import explain_flag

        explain_flag.begin(sys.argv)
    command = sys.argv[2:3] if sys.argv[1:2] == ["container"] else sys.argv[1:2]
    if kind := _HELPERS.get("".join(command)):
        from minidock.engine.monitor import spawn

        # A guess: the command line is parsed later. A wrong one costs nothing but time.
        spawn.start_early(kind, bridged=kind == "monitor" and not {"none", "host"} & set(sys.argv))
    from minidock.cli.main import run_command_line

    run_command_line()
