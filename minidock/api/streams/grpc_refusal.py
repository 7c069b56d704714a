"""Refuse calls of gRPC, BuildKit's protocol, with words of ours: docker's clients show what a call was answered.

A call is a stream of HTTP/2, and is answered by one frame of headers that end it (gRPC over HTTP/2, "Trailers-Only").
What the client's headers say need not be known for that, so nothing here unpacks them.

Sources: RFC 9113 (HTTP/2), RFC 7541 (HPACK), https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
"""

from __future__ import annotations

import socket
import struct

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADERS, _SETTINGS, _PING, _GOAWAY = 1, 4, 6, 7
_ACK, _END_STREAM, _END_HEADERS = 1, 1, 4
_LARGEST = 16384  # bytes of a frame, unless we had allowed more
_UNIMPLEMENTED = "12"
_STATUS_200 = b"\x88"  # :status 200 has a number (RFC 7541, appendix A)
_LITERAL = b"\x00"  # a name and a value follow as they are
_PREFIX = 127  # a length below this is one byte


def refuse_calls(end: socket.socket, why: str) -> None:
    """Answer all calls over `end` with `why`, a line of ASCII, until the client leaves. Raises `OSError`."""
    with end.makefile("rb") as received:
        if received.read(len(_PREFACE)) != _PREFACE:
            return
        end.sendall(_frame(_SETTINGS))
        while len(head := received.read(9)) == 9:
            length, kind, flags, stream = int.from_bytes(head[:3]), head[3], head[4], int.from_bytes(head[5:])
            if length > _LARGEST or kind == _GOAWAY:
                return
            payload = received.read(length)
            if kind == _SETTINGS and not flags & _ACK:
                end.sendall(_frame(_SETTINGS, _ACK))
            elif kind == _PING and not flags & _ACK:
                end.sendall(_frame(_PING, _ACK, payload=payload))
            elif kind == _HEADERS:
                end.sendall(_frame(_HEADERS, _END_STREAM | _END_HEADERS, stream, _answer(why)))


def _frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + struct.pack(">BBI", kind, flags, stream) + payload


def _answer(why: str) -> bytes:
    fields = {"content-type": "application/grpc", "grpc-status": _UNIMPLEMENTED, "grpc-message": why}
    return _STATUS_200 + b"".join(_LITERAL + _string(name) + _string(value) for name, value in fields.items())


def _string(text: str) -> bytes:
    """A length, in seven bits and then groups of seven (RFC 7541, 5.1 and 5.2), and the text."""
    length = len(text)
    if length < _PREFIX:
        return bytes([length]) + text.encode("ascii")
    left, groups = length - _PREFIX, bytearray([_PREFIX])
    while left > _PREFIX:
        groups.append(left & _PREFIX | 128)
        left >>= 7
    return bytes([*groups, left]) + text.encode("ascii")
