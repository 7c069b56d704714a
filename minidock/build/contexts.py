"""Where a build's files are: in a directory here, or in one that is made of what comes from elsewhere.

Reference, "docker buildx build", "Build context"; the other contexts: `remote_contexts.py`. A Dockerfile alone is a
build without files.
"""

from __future__ import annotations

import os

from minidock.errors import MinidockError
from minidock.named_tuple import NamedTuple

KEEP_GIT = "BUILDKIT_CONTEXT_KEEP_GIT_DIR"  # the --build-arg that keeps a context's .git


class Context(NamedTuple):
    """`directory`: None where there are no files; `typed`: a Dockerfile that is no file of it, or None.

    `is_remote`: the directory came from elsewhere, so that -f means a file in it and nothing of this machine's.
    """

    directory: str | None
    typed: bytes | None
    is_remote: bool = False


class Named(NamedTuple):
    """One --build-context, ready: a `directory` with its `ignored` patterns, or an `image`, by name or id."""

    directory: str
    ignored: list[str]
    image: str


def patterns(path: str, root: str | None = None) -> list[str] | None:
    """What a .dockerignore file says; None if there is none. `root`: as for `read`."""
    try:
        text = read(path, root).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MinidockError(f"{path}: {error.strerror}") from error
    from minidock.build import ignore

    return ignore.parse(text)


def read(path: str, root: str | None = None) -> bytes:
    """The content of a file. Raises `OSError`.

    `root`: the directory of a context that came from elsewhere. No link in it leads to a file of this machine
    (openat2(2), RESOLVE_IN_ROOT), and nothing but a regular file is waited for.
    """
    if root is None:
        with open(path, "rb") as file:
            return file.read()
    from minidock.linux import syscalls
    from minidock.linux.openat2 import look_up

    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        inside = look_up(top, os.path.relpath(path, root), os.O_RDONLY | os.O_NONBLOCK, syscalls.RESOLVE_IN_ROOT)
    finally:
        os.close(top)
    with os.fdopen(inside, "rb") as file:
        return file.read()
