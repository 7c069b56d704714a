"""Starting a monitor, early.

Most of the time from `minidock run` to the program's first instruction is spent importing modules. So the monitor is
forked before the command line is even parsed, and imports what it needs on another processor while this one imports
what parsing needs. It then waits on its channel for a container to look after; if none comes, it is gone with the
command. It also stays smaller that way: it never loads the command line's modules.
"""

from __future__ import annotations

import importlib
import os
import socket
from contextlib import suppress

from minidock import observe
from minidock.runtime.channel import Channel

_MODULES = {"monitor": "minidock.engine.lifetime.monitor", "keeper": "minidock.engine.inside.keeper"}
_waiting: list[Channel] = []


def early(kind: str = "monitor", *, bridged: bool = False) -> None:
    """Fork a monitor that `monitor` will return later. If that is impossible, `monitor` will say so.

    `bridged`: its container will probably have a network. What that needs is loaded while nobody waits for it.
    """
    with suppress(OSError):
        _waiting.append(_fork(kind, bridged=bridged))


def monitor(kind: str = "monitor") -> Channel:
    """The channel to a monitor that waits for a container, or to a "keeper" that waits for a process of `exec`."""
    return _waiting.pop() if _waiting else _fork(kind)


def _fork(kind: str, *, bridged: bool = False) -> Channel:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with (
        observe.step("a monitor for the container, instead of a daemon", book="3.4") if kind == "monitor" else
        observe.step("a keeper for the process that goes into the container", book="3.4")
    ):  # fmt: skip
        forked = observe.announced("fork", (), os.fork)
    if forked:
        theirs.close()
        return Channel(ours)
    exit_code = 125
    observe.who = kind
    try:
        os.setsid()  # at once: Ctrl-C in the terminal is for the command, which tells the monitor
        ours.close()
        module = importlib.import_module(_MODULES[kind])
        if bridged:
            importlib.import_module("minidock.network.endpoints").warm_up()
        exit_code = module.serve(Channel(theirs))
    finally:
        os._exit(exit_code & 255)
