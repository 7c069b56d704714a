"""A client of the Engine API: the standard library's, over a Unix socket."""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote


class Answer(NamedTuple):
    """What came back: `json` is the body, if it is that."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """A body that is a stream of objects."""
        return [json.loads(line) for line in self.body.splitlines() if line.strip()]

    @property
    def message(self) -> str:
        """Of an error."""
        return str(self.json["message"])


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self.path))


class Client:
    """Calls like `client("POST", "/containers/create", {"Image": "alpine"}, name="web")`."""

    def __init__(self, path: Path, pid: int) -> None:
        self.path = path
        self.pid = pid

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        /,
        **query: Any,
    ) -> Answer:
        """A connection for one request. `body`: bytes as they are, anything else as JSON."""
        connection = _Connection(self.path)
        try:
            connection.request(method, with_query(path, query), *_encoded(body, headers or {}))
            got = connection.getresponse()
            return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """A bare connection, for whatever is no proper HTTP."""
        end = socket.socket(socket.AF_UNIX)
        end.settimeout(60)
        end.connect(str(self.path))
        return end

    def raw(self, data: bytes) -> bytes:
        """Send bytes, and read until the other side closes."""
        with self.connect() as end:
            end.sendall(data)
            return read_all(end)

    def hijack(self, path: str, body: Any = None, **query: Any) -> socket.socket:
        """The connection after `path` has taken it over: its head is read, what follows is the streams'."""
        data, headers = _encoded(body, {"Connection": "Upgrade", "Upgrade": "tcp", "Host": "docker"})
        head = [f"POST {with_query(path, query)} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        end = self.connect()
        end.sendall("\r\n".join([*head, f"Content-Length: {len(data or b'')}", "", ""]).encode() + (data or b""))
        got = b""
        while not got.endswith(b"\r\n\r\n"):
            byte = end.recv(1)
            assert byte, got
            got += byte
        assert got.startswith(b"HTTP/1.1 101 "), got
        return end

    def create(self, *command: str, name: str = "", host: dict[str, Any] | None = None, **config: Any) -> str:
        """The id of a new container of alpine."""
        asked = {
            "Image": "alpine",
            "Cmd": list(command),
            "HostConfig": {"NetworkMode": "none", **(host or {})},
            **config,
        }
        answer = self("POST", "/containers/create", asked, **({"name": name} if name else {}))
        assert answer.status == 201, answer
        return str(answer.json["Id"])

    def run(self, *command: str, **options: Any) -> str:
        """The id of a container that runs."""
        container = self.create(*command, **options)
        assert self("POST", f"/containers/{container}/start").status == 204
        return container

    def remove(self, container: str) -> None:
        assert self("DELETE", f"/containers/{container}", force=1).status == 204

    def connections(self) -> list[int]:
        """The processes of connections that are open."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]


def with_query(path: str, query: dict[str, Any]) -> str:
    pairs = [
        f"{name}={quote(value if isinstance(value, str) else json.dumps(value), safe='')}"
        for name, value in query.items()
    ]
    return f"{path}{'?' if pairs else ''}{'&'.join(pairs)}"


def _encoded(body: Any, headers: dict[str, str]) -> tuple[bytes | None, dict[str, str]]:
    if body is None or isinstance(body, bytes):
        return body, headers
    return json.dumps(body).encode(), {"Content-Type": "application/json", **headers}


def read_all(end: socket.socket) -> bytes:
    """Everything up to the end of the stream."""
    parts = []
    while data := end.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


def pieces(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(stream, bytes) of two outputs that share a connection (Docker Engine API, "Stream format")."""
    while data:
        stream, size = struct.unpack(">BxxxL", data[:8])
        yield stream, data[8 : 8 + size]
        data = data[8 + size :]


def streams(data: bytes) -> dict[int, bytes]:
    """What each stream said."""
    found: dict[int, bytes] = {}
    for stream, piece in pieces(data):
        found[stream] = found.get(stream, b"") + piece
    return found


def descriptors(pid: int) -> int:
    """How many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
