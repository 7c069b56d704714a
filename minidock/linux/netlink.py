"""Messages to the kernel by netlink(7), and its answers, announced to observers as the calls that they are."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable

from minidock.observe import announced, observers, report_call

LONGEST = 1 << 16  # bytes of an answer that are read at once
_HEADER = 16  # bytes of struct nlmsghdr
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NAMES = {_NLMSG_ERROR: "NLMSG_ERROR", _NLMSG_DONE: "NLMSG_DONE"}


def send(end: socket.socket, what: str, data: bytes) -> None:
    """Send `data`, which asks for `what`."""
    announced("netlink", (what, end.fileno(), data), lambda: end.send(data))


def receive(end: socket.socket, words: Callable[[bytes], str] | None = None) -> bytes:
    """The next answer, one or several messages. `words`: a function that gives the text of it for observers."""
    data = end.recv(LONGEST)
    if observers:
        error = error_of(data)
        shown = words(data) if words and not error else _words(data)
        report_call("netlink_answer", (end.fileno(), shown, error), len(data))
    return data


def error_of(data: bytes) -> int:
    """The error number in an answer; 0 for an acknowledgement, and for what is none (struct nlmsgerr)."""
    if len(data) < _HEADER + 4 or struct.unpack_from("=H", data, 4)[0] != _NLMSG_ERROR:
        return 0
    return -int(struct.unpack_from("=i", data, _HEADER)[0])


def _words(data: bytes) -> str:
    """The type of the first message and the error in it, or how many messages there are."""
    kind = struct.unpack_from("=H", data, 4)[0] if len(data) >= _HEADER else 0
    if kind == _NLMSG_ERROR:
        number = error_of(data)
        return f"{{nlmsg_type=NLMSG_ERROR, error={f'-{errno.errorcode.get(number, number)}' if number else 0}}}"
    count, offset = 0, 0
    while offset + _HEADER <= len(data):
        count, offset = count + 1, offset + ((struct.unpack_from("=I", data, offset)[0] + 3) & ~3)
    return f"{{nlmsg_type={_NAMES[kind]}}}" if kind in _NAMES else f"/* {count} messages */"
