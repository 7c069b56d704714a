"""Contexts from elsewhere: a tar archive of any compression, from the web or on standard input, or a git repository.

--build-context names the same.

Reference, "docker buildx build", "Build context" and "--build-context".
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from minidock.build import archives, contexts, git, http_download
from minidock.build.contexts import Context, Named
from minidock.errors import NotFoundError, UsageError
from minidock.image import layout
from minidock.image.store_writer import Ingest
from minidock.image.workspace import Workspace


@contextmanager
def opened(
    root: str, wanted: str, file: str, *, keep_git: bool = False, source: archives.Readable | None = None
) -> Iterator[Context]:
    """The context that PATH and -f name, for as long as it is needed. Raises `MinidockError`.

    `source`: what is read where standard input is meant, if it is not that.
    """
    with Workspace(root) as workspace:
        typed = _typed(workspace.path, wanted, file)
        place = archives.new_directory(workspace.path, "context")
        if wanted == "-":
            found = _of_stream(source or sys.stdin.buffer, place, "standard input", file)
        elif os.path.isdir(wanted):
            found = Context(wanted, None)
        elif repository := git.parse(wanted):
            git.check_out(repository, place, keep_history=keep_git)
            found = Context(git.directory_of(repository, place), None, is_remote=True)
        elif http_download.is_address(wanted):
            fetched = http_download.fetch(wanted, archives.new_directory(workspace.path, "download"))
            with open(fetched.path, "rb", buffering=0) as stream:
                found = _of_stream(stream, place, wanted, file)
        else:
            found = Context(wanted, None)
        yield found if typed is None else found._replace(typed=typed)


def _typed(place: str, wanted: str, file: str) -> bytes | None:
    """A Dockerfile that -f takes from standard input or from the web."""
    if file == "-":
        return sys.stdin.buffer.read()
    if http_download.is_address(file) and wanted != "-":
        with open(http_download.fetch(file, archives.new_directory(place, "dockerfile")).path, "rb") as found:
            return found.read()
    return None


def _of_stream(stream: archives.Readable, place: str, name: str, file: str) -> Context:
    """An archive, unpacked, or else a Dockerfile."""
    start = b""
    while len(start) < archives.START and (data := stream.read(archives.START - len(start))):
        start += data
    rest = _Rest(start, stream)
    if not archives.is_archive(start):
        if file:
            raise UsageError(
                f"{name} is no archive but a Dockerfile, which is the whole context: -f has nothing to name"
            )
        return Context(None, io.BufferedReader(rest).read())
    if not archives.extract(rest, place):
        raise UsageError(f"unable to prepare context: {name} is no tar archive, or one that is damaged")
    return Context(place, None, is_remote=True)


class _Rest(io.RawIOBase):
    """A stream, with what was read of it to see what it is."""

    def __init__(self, start: bytes, stream: archives.Readable) -> None:
        self._start = start
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data, self._start = self._start, b""
        return data or self._stream.read(size if size >= 0 else 1 << 20)

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        if not self._start:
            self._start = self._stream.read(len(view))
        data, self._start = self._start[: len(view)], self._start[len(view) :]
        view[: len(data)] = data
        return len(data)


# --build-context


def named(ingest: Ingest, wanted: Mapping[str, str], used: Iterable[str]) -> dict[str, Named]:
    """Those of --build-context that the build uses, made ready. `wanted`: name to value. Raises `MinidockError`."""
    return {name: _named(ingest, name, wanted[name]) for name in sorted(set(used) & set(wanted))}


def _named(ingest: Ingest, name: str, value: str) -> Named:
    if value.startswith("docker-image://"):
        return Named("", [], value.removeprefix("docker-image://"))
    if value.startswith("oci-layout://"):
        return Named("", [], layout.read_image(ingest, value.removeprefix("oci-layout://")).id)
    place = archives.new_directory(ingest.workspace.path, "named")
    if repository := git.parse(value):
        git.check_out(repository, place)
        return Named(git.directory_of(repository, place), [], "")
    if http_download.is_address(value):
        fetched = http_download.fetch(value, archives.new_directory(ingest.workspace.path, "download"))
        with open(fetched.path, "rb", buffering=0) as stream:
            if not archives.extract(stream, place):
                raise UsageError(f"build context {name}: {value} is no tar archive")
        return Named(place, [], "")
    if not os.path.isdir(value):
        raise NotFoundError(f"build context {name}: {value} is no directory")
    directory = os.path.abspath(value)
    return Named(directory, contexts.patterns(os.path.join(directory, ".dockerignore")) or [], "")
