"""Where `minidock-oci` begins: before anything is imported that takes time.

Commands that create a container, or enter one, execute a new Python that no process inside can reach
(`linux/interpreter.py`), with only the modules that they need.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

from minidock import observe
from minidock.oci import log
from minidock.oci.runc_command_line import Words, help_text, parse

_MODULES = {
    "create": "create", "run": "create", "start": "start", "exec": "exec", "state": "show", "list": "show",
    "ps": "show", "kill": "kill", "delete": "delete", "pause": "resources", "resume": "resources",
    "update": "resources", "events": "events", "spec": "spec_file", "features": "features",
}  # fmt: skip
_PRIVATE = ("create", "run", "exec")


def main(arguments: list[str] | None = None) -> None:
    """Run the command that the words after the program's name say, and end."""
    words = sys.argv[1:] if arguments is None else arguments
    gc.set_threshold(50_000)  # as in `cli/entry.py`
    for fd in (0, 1, 2):  # of a caller who has closed them: or the next files opened here would take their places
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    try:
        parsed = parse(words)
    except Exception as error:
        log.fail(error)
    if parsed.command in _PRIVATE and not parsed.flags.get("help"):
        from minidock.oci import private_python

        try:
            private_python.begin_again(words)
        except Exception as error:
            log.fail(error)
    add_observers()
    run(parsed)


def add_observers() -> None:
    """Those that the environment names (`recorder/observers.py`), in the process that does the command's work."""
    if any(name.startswith("MINIDOCK_OBSERVE_") for name in os.environ):
        from minidock.recorder import observers

        observers.from_environment(dict(os.environ))


def run(parsed: Words) -> None:
    """The command itself. Never returns."""
    log.begin(parsed.general)
    try:
        code = _call(parsed)
    except KeyboardInterrupt:
        code = 130
    except BaseException as error:
        log.fail(error, exit_code=255 if parsed.command == "exec" else 1)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = 1
    observe.end()
    os._exit(code)  # nothing is left to be done, and the interpreter takes milliseconds to find that out


def _call(parsed: Words) -> int:
    if parsed.general.get("version"):
        from minidock.oci import features

        return features.version()
    if parsed.flags.get("help") or parsed.general.get("help"):
        print(help_text(parsed.command), end="")
        return 0
    if parsed.command in ("checkpoint", "restore"):
        from minidock.errors import HostError

        raise HostError(f"minidock cannot {parsed.command} a container: use runc with criu for that")
    log.debug(f"minidock-oci {parsed.command} {' '.join(parsed.arguments)}: begins, as process {os.getpid()}")
    module = import_module(f"minidock.oci.{_MODULES[parsed.command]}")
    # Python has these two words already.
    name = f"{parsed.command}_" if parsed.command in ("exec", "list") else parsed.command
    code: int = getattr(module, name)(parsed)
    log.debug(f"minidock-oci {parsed.command}: is done, with exit code {code}")
    return code
