"""Messages to the kernel by netlink(7), and its answers, announced to observers as the calls that they are."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from minidock.observe import announced, observers, report_call

if TYPE_CHECKING:
    from typing import Self

# <linux/netlink.h>
NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_CAPPED = 0x100
NLM_F_ACK_TLVS = 0x200
NLM_F_DUMP = 0x300
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLMSGERR_ATTR_MSG = 1
SOL_NETLINK = 270
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11

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


class RouteSocket:
    """A socket of the family NETLINK_ROUTE, and the requests on it, each with its answer.

    Messages are pyroute2's objects (`rtnetlink.encoders`), which encode and decode themselves, or the bytes that follow
    the header (`link_messages.py`).
    """

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self.socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        with contextlib.suppress(OSError):  # before Linux 4.12: no texts with errors
            self.socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
            self.socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def request(self, kind: int, flags: int, message: Any, what: str) -> None:
        """Send one message and wait for its acknowledgement. Raises `OSError` that names `what` was requested."""
        send(self.socket, what, self._encode(kind, flags | NLM_F_ACK, message))
        for answer, answer_flags, payload in self._answers():
            if answer == _NLMSG_ERROR:  # an acknowledgement is an error whose number is 0
                _raise_error(what, answer_flags, payload)
                return

    def dump(self, kind: int, message: Any, what: str) -> list[Any]:
        """Send one request and return the list that answers it."""
        send(self.socket, what, self._encode(kind, NLM_F_DUMP, message))
        found = []
        for answer, answer_flags, payload in self._answers():
            if answer == _NLMSG_ERROR:
                _raise_error(what, answer_flags, payload)
            if answer == _NLMSG_DONE:
                break
            decoded = type(message)(payload)
            decoded.decode()
            if message["family"] in (0, decoded["family"]):  # a kernel without IPv6 returns all families
                found.append(decoded)
        return found

    def _encode(self, kind: int, flags: int, message: Any) -> bytes:
        self.sequence += 1
        if isinstance(message, bytes):
            head = struct.pack("=IHHII", _HEADER + len(message), kind, NLM_F_REQUEST | flags, self.sequence, 0)
            return head + message
        message["header"]["type"] = kind
        message["header"]["flags"] = NLM_F_REQUEST | flags
        message["header"]["sequence_number"] = self.sequence
        message.encode()
        return bytes(message.data)

    def _answers(self) -> Iterator[tuple[int, int, bytes]]:
        """(type, flags, whole message) of each message (struct nlmsghdr) that answers the last request."""
        while True:
            data = receive(self.socket)
            offset = 0
            while offset < len(data):
                length, kind, flags, sequence = struct.unpack_from("=IHHI", data, offset)
                if sequence == self.sequence:  # not a late answer to a request that was given up
                    yield kind, flags, data[offset : offset + length]
                offset += (length + 3) & ~3


def _raise_error(what: str, flags: int, message: bytes) -> None:
    """Raise the error of a struct nlmsgerr, with the kernel's text if there is one; nothing for 0."""
    number = -struct.unpack_from("=i", message, 16)[0]
    if number == 0:
        return
    words = ""
    if flags & NLM_F_ACK_TLVS and flags & NLM_F_CAPPED:
        offset = 16 + 4 + 16  # our header, the number, the header of what we asked
        while offset + 4 <= len(message):
            length, kind = struct.unpack_from("=HH", message, offset)
            if kind == NLMSGERR_ATTR_MSG:
                words = f" ({message[offset + 4 : offset + length].rstrip(bytes(1)).decode(errors='replace')})"
            offset += max((length + 3) & ~3, 4)
    raise OSError(number, f"{what}: {os.strerror(number)}{words}")
