"""COPY, and what ADD has in common with it: which files of a tree come where. The layer of them: `copy_layer.py`.

Reference, "COPY", "Source" and "Destination". What docs leave open is as BuildKit does it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from minidock.build.ignore import Patterns
from minidock.build.reasons import Files
from minidock.build.tree import Entry, Tree, version
from minidock.errors import NotFoundError, UsageError
from minidock.named_tuple import NamedTuple

_PIVOT = "/./"


class Request(NamedTuple):
    """One COPY, all variables replaced. `contents`: here-documents, (name, text).

    `target`: absolute, with a slash at its end where it names a directory; `owner`: (uid, gid), None where files keep
    their own; `excluded`: the patterns of --exclude; `link`: nothing of what is below is looked at.

    `directories`: those that an archive has an entry of; others that are there already stay as they are.
    """

    sources: tuple[str, ...]
    contents: tuple[tuple[str, str], ...]
    target: str
    owner: tuple[int, int] | None
    chmod: str
    parents: bool
    link: bool
    excluded: tuple[str, ...]
    directories: frozenset[str] | None = None

    @property
    def replaces(self) -> bool:
        """Whether a file comes where a directory was, and the reverse: an archive's entries do that."""
        return self.directories is not None


class Item(NamedTuple):
    """A file of the tree, its place below the target ("" is the target itself), its digest and its version.

    There is one for each file of a context, so it holds no more than it has to.
    """

    path: str
    place: str
    is_directory: bool
    digest: str
    version: bytes


class Fetched(NamedTuple):
    """What is to be copied of one or more sources: `tree` None for here-documents alone.

    `known`: what counts for the cache, if not the files.
    """

    tree: Tree | None
    request: Request
    known: dict[str, str] | None = None


class Portion(NamedTuple):
    """What one COPY copies from one tree; an ADD may copy from several. The first three are those of `Fetched`."""

    tree: Tree | None
    request: Request
    copy: Copy
    known: dict[str, str] | None = None


class Copy(NamedTuple):
    """What is copied: `items`, each directory before what is in it; `into_directory`: the target is one."""

    items: list[Item]
    into_directory: bool


def find(tree: Tree, request: Request, *, several: bool = False) -> Copy:
    """Look up the sources. Raises `NotFoundError` for one that is not there, in docker's words.

    `several`: there are more sources than those of the request.
    """
    items: dict[str, Item] = {}
    directories = 0
    for source in request.sources:
        for path in tree.glob(_inside(source), deep=request.parents):
            top = tree.find(path)
            if top is None:
                raise _missing(tree, source)
            directories += top.is_directory
            for item in _below(tree, top, path, request):
                items[item.place] = item
    found = list(items.values())
    return Copy(found, several or bool(directories) or request.target.endswith("/") or request.parents)


def refuse_several(command: str) -> None:
    """Several files cannot become one. Raises `UsageError`."""
    raise UsageError(
        f"When using {command} with more than one source file, the destination must be a directory and end with a /"
    )


def _inside(source: str) -> str:
    """A source as a path in the tree: nothing leads out of its root."""
    head, pivot, tail = source.partition(_PIVOT)
    inside = posixpath.normpath("/" + head).lstrip("/")
    return f"{inside}{_PIVOT}{tail}" if pivot else inside


def _missing(tree: Tree, source: str) -> NotFoundError:
    path = "/" + posixpath.normpath("/" + source).lstrip("/")  # two slashes at the beginning would stay
    if tree.is_ignored(path) and tree.ignored.excludes(path.lstrip("/")):
        return NotFoundError(f'"{path}": not found in {tree.name}: .dockerignore leaves it out')
    return NotFoundError(f'"{path}": not found in {tree.name}')


def _below(tree: Tree, top: Entry, path: str, request: Request) -> Iterator[Item]:
    """The items of one source: a file, or what is in a directory. `path`: as it was written, links not followed.

    With --parents the path is kept, from its pivot /./ on if it has one.
    """
    excluded = Patterns(request.excluded)
    kept = (
        posixpath.normpath(path.rpartition(_PIVOT)[2] if _PIVOT in path else path).strip("./")
        if request.parents
        else ""
    )
    if not top.is_directory:
        place = kept or posixpath.basename(path)
        if not excluded.excludes(posixpath.basename(top.path)):
            yield _item(tree, top, place, request)
        return
    skip = len(top.path) + 1 if top.path else 0
    for entry in tree.walk(top.path):
        inside = entry.path[skip:]
        if inside and excluded.excludes(inside):
            continue
        place = f"{kept}/{inside}".strip("/") if kept or skip else inside
        yield _item(tree, entry, place, request)


def _item(tree: Tree, entry: Entry, place: str, request: Request) -> Item:
    digest = tree.digest(entry)
    if request.owner:  # whoever it belongs to, it will not
        mode, _, content = digest.split(" ", 2)
        digest = f"{mode} - {content}"
    return Item(entry.path, place, entry.is_directory, digest, version(entry.status))


def digests(copy: Copy, request: Request) -> dict[str, str]:
    """What counts for the cache, by place: each file's digest, and here-documents'."""
    from hashlib import sha256

    found = {item.place or ".": item.digest for item in copy.items}
    return found | {
        f"<<{name}": sha256(text.encode(errors="surrogateescape")).hexdigest() for name, text in request.contents
    }


def files(tree: Tree | None, copy: Copy, request: Request, prefix: str) -> Files:
    """The same files as users call them. `prefix`: of those that are not the context's."""
    contents = {f"<<{name}": text.encode(errors="surrogateescape") for name, text in request.contents}

    def read(place: str) -> bytes | None:
        from minidock.build.reasons_of_files import read_small

        if place in contents or tree is None:
            return contents.get(place)
        try:
            return read_small(tree.open(next(item.path for item in copy.items if (item.place or ".") == place)))
        except OSError:
            return None

    return Files(lambda: {item.place or ".": prefix + item.path for item in copy.items}, read)
