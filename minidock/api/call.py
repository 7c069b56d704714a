"""One request and the ways to answer it, in docker's manner."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import h11

from minidock import __version__
from minidock.api import versions
from minidock.api.http_errors import ClientGone, message, status_of
from minidock.api.models.fields import Fields
from minidock.api.versions import Version
from minidock.errors import UsageError

if TYPE_CHECKING:
    import socket

    from minidock.api.connection import Connection, HangUp, Request

_MOST_JSON = 8 << 20  # bytes; the largest that is meant well has a seccomp profile in it
_FALSE = ("", "0", "no", "false", "none")
_SERVER = f"Docker/{__version__} (linux)"  # clients ask for the word before the slash


class Call:
    """A request that is being answered. `names`: what the path names, such as a container.

    An answer is exactly one of `json`, `empty`, `stream` or `hijack`.
    """

    def __init__(self, connection: Connection, request: Request) -> None:
        self.connection = connection
        self.request = request
        self.root = connection.paths.root
        self.paths = connection.paths
        path, _, query = request.target.partition("?")
        self.raw_path = path
        self.path = ""
        self.version: Version = versions.DEFAULT
        self.query = parse_qs(query, keep_blank_values=True)
        self.names: dict[str, str] = {}
        self.has_answered = False
        self.is_hijacked = False

    def find_version(self) -> None:
        """Take the version out of the path. Raises `UsageError`."""
        self.version, path = versions.split(self.raw_path)
        self.path = unquote(path)

    @property
    def name(self) -> str:
        """The thing that the path names."""
        return self.names["name"]

    # What is asked

    def text(self, name: str, default: str = "") -> str:
        """A parameter of the query."""
        return self.query.get(name, [default])[0]

    def texts(self, name: str) -> list[str]:
        """A parameter that can be given several times."""
        return self.query.get(name, [])

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A parameter that is true or false, as docker reads it."""
        if name not in self.query:
            return default
        return self.text(name).strip().lower() not in _FALSE

    def number(self, name: str, default: int | None = None) -> int | None:
        """A parameter that is a whole number. Raises `UsageError`."""
        text = self.text(name)
        if not text:
            return default
        try:
            return int(text)
        except ValueError:
            raise UsageError(f'strconv.Atoi: parsing "{text}": invalid syntax') from None

    def filters(self, name: str = "filters") -> list[str]:
        """The parameter `filters` as NAME=VALUE each, which is what the engine's own filters read.

        It is JSON: {"label": ["a=b"]}, or of older clients {"label": {"a=b": true}}. Raises `UsageError`.
        """
        text = self.text(name)
        if not text:
            return []
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"invalid filters: {error}") from None
        if not isinstance(found, dict):
            raise UsageError("invalid filters: not an object of lists")
        rows = []
        for key, given in found.items():
            values = [value for value, wanted in given.items() if wanted] if isinstance(given, dict) else given
            if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
                raise UsageError(f"invalid filters: {key} is not a list of texts")
            rows += [f"{key}={value}" for value in values]
        return rows

    def body(self) -> Iterator[bytes]:
        """The request's body, in parts."""
        while (data := self.connection.read_body()) is not None:
            yield data

    def fields(self, *, needed: bool = False) -> Fields:
        """The body, which is a JSON object. Raises `UsageError` for one that is none, as docker does.

        `needed`: an empty body is none.
        """
        found = self.json_body()
        if found is None:
            if needed:
                raise UsageError("invalid JSON: got EOF while reading request body")
            found = {}
        return Fields.of(found)

    def json_body(self) -> Any:
        """The body as JSON; None if it is empty. Raises `UsageError`."""
        parts, size = [], 0
        for data in self.body():
            size += len(data)
            if size > _MOST_JSON:
                raise UsageError(f"the request's body is too long: {_MOST_JSON} bytes are the most")
            parts.append(data)
        content = b"".join(parts)
        if not content.strip():
            return None
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise UsageError(f"unsupported Content-Type header ({kind}): must be 'application/json'")
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"invalid JSON: {error}") from None

    # Answers

    def json(self, content: Any, status: int = 200) -> None:
        """Answer with JSON."""
        self._answer(status, json.dumps(content, ensure_ascii=False).encode("utf-8", "replace") + b"\n",
                     "application/json")  # fmt: skip

    def empty(self, status: int = 204) -> None:
        """Answer without a body."""
        self._answer(status, b"", "")

    def plain(self, text: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answer with a text."""
        self._answer(status, text.encode(), "text/plain; charset=utf-8", headers or {})

    def fail(self, error: BaseException) -> None:
        """Answer that it could not be done. In the middle of an answer, that is only cut off."""
        if self.has_answered:
            return
        status, why = status_of(error), message(error)
        if status in (204, 304):
            self.empty(status)
        else:
            self.json({"message": why}, status)

    @contextmanager
    def stream(self, kind: str = "application/json", status: int = 200) -> Iterator[Stream]:
        """Answer with a body that comes in parts. It ends with the client, whatever the `with` block waits for."""
        self.begin(status, [("Content-Type", kind), ("Transfer-Encoding", "chunked")])
        with self.until_gone():
            yield Stream(self.connection)
        self.connection.send(h11.EndOfMessage())

    @contextmanager
    def progress(self) -> Iterator[LazyStream]:
        """Answer with JSON objects that tell how it goes. What fails before the first is answered as usual, what fails
        later is told in the last object.
        """
        stream = LazyStream(self)
        try:
            with self.until_gone():
                yield stream
        except Exception as error:
            if not stream.has_begun:
                raise
            why = message(error)
            stream.json({"errorDetail": {"message": why}, "error": why})
        stream.begin()
        self.connection.send(h11.EndOfMessage())

    def until_gone(self) -> HangUp:
        """Have the `with` block end with `ClientGone` as soon as the client leaves."""
        return self.connection.hang_up_signal(also_half=True)

    def hijack(self, kind: str) -> socket.socket:
        """Give up HTTP: from here on the connection is a stream of bytes, both ways, each with an end of its own."""
        upgrades = "upgrade" in self.request.headers.get("connection", "").lower()
        headers = [f"Content-Type: {kind}"]
        if upgrades:
            protocol = self.request.headers.get("upgrade", "tcp")
            first, more = "HTTP/1.1 101 UPGRADED", ["Connection: Upgrade", f"Upgrade: {protocol}"]
        else:
            first, more = "HTTP/1.1 200 OK", []
        self.take_over("\r\n".join([first, *headers, *more, "", ""]).encode("latin-1"))
        return self.connection.socket

    def take_over(self, head: bytes) -> None:
        """The same, with an answer of the caller's own."""
        self.is_hijacked = self.has_answered = True
        self.connection.socket.sendall(head)

    def _answer(self, status: int, body: bytes, kind: str, more: dict[str, str] | None = None) -> None:
        headers = [("Content-Type", kind)] if kind else []
        if status not in (204, 304):
            headers.append(("Content-Length", str(len(body))))
        self.begin(status, [*headers, *(more or {}).items()])
        if body and self.request.method != "HEAD" and status not in (204, 304):
            self.connection.send_data(body)
        self.connection.send(h11.EndOfMessage())

    def end(self) -> None:
        """The answer is complete."""
        self.connection.send(h11.EndOfMessage())

    def begin(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Send the head of the answer."""
        self.has_answered = True
        common = [("Api-Version", str(self.version)), ("Docker-Experimental", "false"), ("Ostype", "linux"),
                  ("Server", _SERVER)]  # fmt: skip
        self.connection.send(h11.Response(status_code=status, headers=[*common, *headers]))


class Stream:
    """The body of an answer that comes in parts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        """Send some bytes now."""
        if not data:
            return
        try:
            self._connection.send_data(data)
        except (BrokenPipeError, ConnectionResetError):
            raise ClientGone from None

    def json(self, content: Any) -> None:
        """Send one JSON object, on a line of its own."""
        self.write(json.dumps(content, ensure_ascii=False).encode("utf-8", "replace") + b"\r\n")


class LazyStream(Stream):
    """The same, whose head is sent with its first part."""

    def __init__(self, call: Call) -> None:
        super().__init__(call.connection)
        self._call = call
        self.has_begun = False

    def begin(self) -> None:
        """Send the head, if that is not done yet."""
        if not self.has_begun:
            self.has_begun = True
            self._call.begin(200, [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")])

    def write(self, data: bytes) -> None:
        self.begin()
        super().write(data)
