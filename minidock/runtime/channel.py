"""The socket over which a container's creator and its first process exchange messages.

Both run the same program, so a message is a small JSON object in one packet (SOCK_SEQPACKET of unix(7) keeps packets
apart). A descriptor can be sent along (SCM_RIGHTS). execve closes the child's end: the parent reads end of file, and so
learns that the program runs. With observers, a message carries a mark, from which they know what happened before what.
A failure of the child, with the step in which it happened, is the message "error".

    child -> parent   {"type": "console"} + descriptor, "mounted", "ready", "error"; "cloned" + pidfd
                      (`pid_namespace.py`)
    parent -> child   {"type": "placed"}, "mapped", "hooked", "start" or "released" (`gate.py`)
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from typing import Any, NoReturn

from minidock import observe
from minidock.errors import EXIT_ENGINE, MinidockError, SetupError, message_of

_LONGEST = 1 << 16
Message = dict[str, Any]


class Channel:
    """One end of the socket. `fifo`: what messages are written to instead, a line each, once the creator has gone
    (`gate.py`)."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.fifo: int | None = None

    def send(self, kind: str, fd: int | None = None, **content: Any) -> None:
        """Send one message, with an open descriptor if `fd` is given."""
        if mark := observe.sending():
            content["mark"] = mark
        data = json.dumps({"type": kind, **content}).encode(errors="surrogateescape")[:_LONGEST]
        if self.fifo is not None:
            os.write(self.fifo, data + b"\n")
            return
        socket.send_fds(self.end, [data], [] if fd is None else [fd])

    def receive(self) -> tuple[Message | None, int | None]:
        """The next message and the descriptor that came with it; (None, None) at the end."""
        try:
            data, fds = self._receive()
        except ConnectionResetError:
            # The other process closed its end with messages of ours unread. The kernel reports that once, before its
            # last messages.
            try:
                data, fds = self._receive()
            except ConnectionResetError:
                return None, None
        for fd in fds:
            os.set_inheritable(fd, False)
        message = json.loads(data) if data else None
        if message and (mark := message.pop("mark", "")):
            observe.received(mark)
        return message, (fds[0] if fds else None)

    def _receive(self) -> tuple[bytes, list[int]]:
        with observe.untimed():
            data, fds, _, _ = socket.recv_fds(self.end, _LONGEST, 1)
        return data, fds

    def close(self) -> None:
        """Close this end."""
        self.end.close()


def channel_pair() -> tuple[Channel, Channel]:
    """The parent's end and the child's end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(ours), Channel(theirs)


def report_failure(channel: Channel, become: Callable[[], None]) -> NoReturn:
    """Call `become`, which returns only if it fails; then send the creator the error, and exit."""
    try:
        become()
    except BaseException as error:
        _send_error(channel, _report(error))
    finally:
        os._exit(EXIT_ENGINE)  # in any case: never return into the creator's code


def _send_error(channel: Channel, report: dict[str, Any]) -> None:
    """Send the creator the error. If a seccomp filter of the user forbids that, write it to standard error."""
    try:
        channel.send("error", **report)
    except ConnectionError:
        pass  # the creator has ended
    except OSError:
        os.write(2, f"minidock: {report['step']}: {report['message']}\n".encode(errors="replace"))


def _report(error: BaseException) -> dict[str, Any]:
    """The error message for the creator: the innermost step, a text, and the exit code."""
    if isinstance(error, MinidockError):
        exit_code = error.exit_code if isinstance(error, SetupError) else EXIT_ENGINE
        return {"step": observe.failed_step(error), "message": str(error), "exit_code": exit_code, "plain": True}
    return {"step": observe.failed_step(error), "message": message_of(error), "exit_code": EXIT_ENGINE, "plain": False}


def wait_for_message(channel: Channel, kind: str) -> Message:
    """Wait for one message from the creator. If its end is closed instead, exit: nobody is left to report to."""
    message, _ = channel.receive()
    if message is None or message["type"] != kind:
        os._exit(EXIT_ENGINE)
    return message
