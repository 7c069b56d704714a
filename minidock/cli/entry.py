"""Where the `minidock` command begins: before anything is imported that takes time."""

from __future__ import annotations

import gc
import os
import sys

from minidock.errors import EXIT_ENGINE, lacks_memory, message_of

TYPE_CHECKING = False  # typing is imported by type checkers only: it takes 4 ms
if TYPE_CHECKING:
    from typing import NoReturn

# The processes that some commands need: imported and forked first of all (`engine/monitor/spawn.py`).
_HELPERS = {"run": "monitor", "start": "monitor", "restart": "monitor", "exec": "exec-monitor"}


def main() -> None:
    """Start a monitor if one will be needed, then run the command line."""
    if sys.argv[1:2] == ["oci"]:  # another command line: the runtime's own
        from minidock.cli import oci_program

        oci_program.run(sys.argv[2:])
    try:
        _begin()
    except KeyboardInterrupt:
        os._exit(130)
    except RuntimeError as error:
        # What is raised while a class is being made, and so while a module is imported, is wrapped (until Python 3.12).
        if isinstance(error.__cause__, KeyboardInterrupt):
            os._exit(130)
        raise
    except (MemoryError, SystemError, ImportError, OSError) as error:
        # Of what is met later, `run_command_line` tells. Here, modules are read: there may be no room for one of them.
        if isinstance(error, ImportError) and not _lacks_room(error):
            raise
        _tell(error)


def _enter_own_namespaces() -> None:
    """Whoever is not root becomes root of a user namespace, before anything else is imported."""
    from minidock.engine.rootless import enter
    from minidock.errors import MinidockError

    try:
        enter.enter(sys.argv[1:])
    except MinidockError as error:
        os.write(2, f"minidock: {error}\n".encode(errors="replace"))
        os._exit(EXIT_ENGINE)


def _lacks_room(error: ImportError) -> bool:
    """Whether a module of compiled code could not be mapped, or opened (error 24 is EMFILE)."""
    return lacks_memory(error) or "Error 24" in str(error)


def _tell(error: BaseException) -> NoReturn:
    """End with one line. The interpreter's own SystemError is what it makes of a MemoryError that it has lost."""
    reason = error if isinstance(error, OSError) else MemoryError()
    os.write(2, f"minidock: {message_of(reason)}\n".encode())
    os._exit(EXIT_ENGINE)


def _asks_for_more(words: list[str]) -> bool:
    """Whether there is anything to do: a container or an image is named, and not the help."""
    return words[:1] != ["--help"] and any(not word.startswith("-") for word in words)


def _begin() -> None:
    if os.geteuid():
        _enter_own_namespaces()
    else:
        os.environ.pop("MINIDOCK_ROOTLESS", None)  # linux/rootless.py
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
    words = sys.argv[3:] if sys.argv[1:2] == ["--root"] else sys.argv[1:]
    words = words[1:] if words[:1] == ["container"] else words
    if (kind := _HELPERS.get("".join(words[:1]))) and _asks_for_more(words[1:]):
        from minidock.engine.monitor import spawn

        # A guess: the command line is parsed later. A wrong one costs nothing but time.
        spawn.start_early(kind, bridged=kind == "monitor" and not {"none", "host"} & set(words))
    from minidock.cli.main import run_command_line

    run_command_line()
