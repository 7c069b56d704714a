"""Start a monitor before anything else, so that it imports its modules while the command line is parsed.

Most of the time from `minidock run` to the program's first instruction is spent importing modules. So the monitor is
started before the command line is even parsed, and imports what it needs on another processor while this one imports
what parsing needs. It then waits on its channel for a container; if none comes, it ends with the command. It also stays
smaller that way: it never loads the command line's modules.

It is a program of its own (`monitor_main.py`), run from a Python that the container cannot reach
(`linux/interpreter.py`). Of the caller's environment, which must not be readable inside, it gets only the few variables
that it needs.
"""

from __future__ import annotations

import gc
import importlib
import os
import socket
import sys
from contextlib import suppress
from typing import NoReturn

from minidock import observe
from minidock.errors import EXIT_ENGINE, message_of
from minidock.linux import interpreter
from minidock.runtime.channel import Channel

_MODULES = {"monitor": "minidock.engine.monitor.monitor", "exec-monitor": "minidock.engine.exec.exec_monitor"}
# How programs, libraries and systemd are found, and what bytes mean.
_KEPT_VARIABLES = {"PATH", "LD_LIBRARY_PATH", "DBUS_SYSTEM_BUS_ADDRESS", "LANG", "LC_ALL", "LC_CTYPE"}
_waiting: dict[str, Channel] = {}  # by kind


def start_early(kind: str = "monitor", *, bridged: bool = False) -> None:
    """Start a monitor whose channel `take_channel` will return. If that is impossible, `take_channel` will say so.

    `bridged`: its container will probably have a network, whose modules are then loaded ahead of time.
    """
    with suppress(OSError):
        _waiting[kind] = _start(kind, bridged=bridged)


def is_waiting(kind: str = "monitor") -> bool:
    """Whether one was started early and is not used yet."""
    return kind in _waiting


def take_channel(kind: str = "monitor") -> Channel:
    """The channel to a monitor that waits for a container, or to an exec monitor that waits for a process of `exec`."""
    return _waiting.pop(kind) if kind in _waiting else _start(kind)


def _start(kind: str, *, bridged: bool = False) -> Channel:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with (
        observe.step("Fork the container's monitor", book="3.4") if kind == "monitor" else
        observe.step("Fork the exec monitor", book="3.4")
    ):  # fmt: skip
        program = interpreter.open_private_mount()
        try:
            if observe.announced("fork", (), os.fork) == 0:
                _execute_helper(kind, theirs, program, bridged=bridged)
        finally:
            os.close(program)
    theirs.close()
    return Channel(ours)


def _execute_helper(kind: str, end: socket.socket, program: int, *, bridged: bool) -> NoReturn:
    """In the child: execute the monitor's program."""
    observe.who = kind
    try:
        os.setsid()  # at once: Ctrl-C in the terminal is for the command, which forwards it
        environment = {name: value for name, value in os.environ.items()
                       if name in _KEPT_VARIABLES or name.startswith("MINIDOCK_")}  # fmt: skip
        for observer in observe.observers:
            environment |= observer.pass_on()
        end.set_inheritable(True)
        helper = os.path.join(os.path.dirname(__file__), "monitor_main.py")
        arguments = [*interpreter.ALONE, helper, kind, str(end.fileno()), str(program), str(int(bridged)), *sys.path]
        with observe.step("Execute a new Python", book="chapter 7, 2.1"):
            interpreter.execute(program, arguments, environment)
    except BaseException as error:
        _send_failure(Channel(end), error)
    finally:
        os._exit(EXIT_ENGINE)


def _send_failure(channel: Channel, error: BaseException) -> None:
    with suppress(OSError):  # the command has ended
        channel.send("failed", message=message_of(error), exit_code=getattr(error, "exit_code", EXIT_ENGINE))


def run_helper(kind: str, end: int, program: int, *, bridged: bool) -> NoReturn:
    """All that a monitor or an exec monitor does, with the arguments of its program (`monitor_main.py`)."""
    exit_code, channel = EXIT_ENGINE, Channel(socket.socket(fileno=end))
    observe.who = kind
    try:
        gc.set_threshold(50_000)  # as in `cli/entry.py`
        os.set_inheritable(end, False)
        if any(name.startswith("MINIDOCK_OBSERVE_") for name in os.environ):
            from minidock.recorder import observers

            observers.from_environment(dict(os.environ))
        with observe.step("Forbid to execute this Python again", book="chapter 7, 2.1"):
            interpreter.forbid_execution(program)
        module = importlib.import_module(_MODULES[kind])
        if bridged:
            importlib.import_module("minidock.network.connect_endpoints").import_ahead()
        exit_code = module.serve(channel)
    except BaseException as error:
        _send_failure(channel, error)
    finally:
        os._exit(exit_code & 255)
