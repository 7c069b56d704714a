"""The one socket over which a container's creator and its first process talk.

Both are the same program, just cloned, so messages are small JSON objects, one a packet (SOCK_SEQPACKET of unix(7)
keeps their bounds). A descriptor can travel along (SCM_RIGHTS). The child's end is closed by execve: that end of file
is how the parent learns that the program runs.

    child -> parent   {"type": "console"} + descriptor, "ready", "error", and what its observers saw ("event")
    parent -> child   {"type": "mapped"}, "start"
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from minidock import observe

_LONGEST = 1 << 16
Message = dict[str, Any]


class Channel:
    """One end."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def send(self, kind: str, fd: int | None = None, **content: Any) -> None:
        """Send one message, with an open descriptor if `fd` is given."""
        data = json.dumps({"type": kind, **content}).encode(errors="surrogateescape")[:_LONGEST]
        socket.send_fds(self.end, [data], [] if fd is None else [fd])

    def receive(self) -> tuple[Message | None, int | None]:
        """The next message and the descriptor that came with it; (None, None) at the end."""
        try:
            data, fds, _, _ = socket.recv_fds(self.end, _LONGEST, 1)
        except ConnectionResetError:
            return None, None
        for fd in fds:
            os.set_inheritable(fd, False)
        return (json.loads(data) if data else None), (fds[0] if fds else None)

    def close(self) -> None:
        """Close this end."""
        self.end.close()


def pair() -> tuple[Channel, Channel]:
    """(parent's end, child's end)."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(ours), Channel(theirs)


class Relay(observe.Observer):
    """The child's observer: tells the parent's observers, over the channel, what happens in the child."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def begins(self, step: observe.Step) -> None:
        self.channel.send("event", what="begins", step=step)

    def ends(self, step: observe.Step) -> None:
        self.channel.send("event", what="ends", step=step)

    def before(self, call: observe.Call) -> None:
        # execve does not come back to be reported afterwards; if it fails, `after` corrects this.
        if call.name == "execve":
            self.after(call)

    def after(self, call: observe.Call) -> None:
        result = str(call.result) if isinstance(call.result, Exception) else call.result
        arguments = [a if isinstance(a, (str, int, type(None))) else repr(a)[:200] for a in call.arguments]
        content = {"name": call.name, "arguments": arguments, "step": call.step, "microseconds": call.microseconds}
        self.channel.send("event", what="call", failed=isinstance(call.result, Exception),
                          call={**content, "result": result if isinstance(result, (str, int)) else None})  # fmt: skip


def in_child(channel: Channel) -> None:
    """After the clone: keep observers that want to be in the child themselves, and relay to all others."""
    others = [observer for observer in observe.observers if not observer.in_every_process]
    observe.observers[:] = [observer for observer in observe.observers if observer.in_every_process]
    if others:
        observe.observers.append(Relay(channel))


def replay(event: Message) -> None:
    """In the parent: tell the observers what one "event" message says."""
    for observer in observe.observers:
        if observer.in_every_process:
            continue
        if event["what"] == "call":
            call = observe.Call(**{**event["call"], "arguments": tuple(event["call"]["arguments"])})
            observer.after(call._replace(result=OSError(call.result)) if event["failed"] else call)
        else:
            getattr(observer, event["what"])(observe.Step(*event["step"]))
