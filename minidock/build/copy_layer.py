"""The layer that a COPY makes, a tar archive: its files over those of the layers so far (reference, "COPY").

Reference, "Destination" says where files come; what docs leave open is as BuildKit does it.
"""

from __future__ import annotations

import os
import posixpath
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import closing

from minidock.build import modes
from minidock.build.copy_files import Item, Portion, Request
from minidock.build.tree import Tree, version
from minidock.errors import HostError, NotFoundError, UsageError
from minidock.image.dockerfile.dockerfile_errors import DockerfileError
from minidock.image.layer_writer import tar_entry
from minidock.linux import overlay
from minidock.linux.openat2 import open_in_root


def pieces(
    portions: Sequence[Portion], below: Sequence[str], epoch: int | None, now: int, unsteady: list[str]
) -> Iterator[bytes]:
    """The layer, a tar archive piece by piece. `below`: the layers so far, topmost first; `epoch`: of all that is new.

    `unsteady` gets the paths of the files that have changed since they were found, and so since their digests were
    taken: the layer is none of these.

    Raises `UsageError` where a file would have to become a directory, or the reverse.
    """
    made: set[str] = set()
    new: set[str] = set()
    for portion in portions:
        paths = [] if portion.request.link else list(below)
        with closing(_Writer(paths, portion.request, epoch, now, unsteady, made, new)) as writer:
            yield from _portion(portion, writer)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _portion(portion: Portion, writer: _Writer) -> Iterator[bytes]:
    tree, request, copy, _ = portion
    target = writer.target(into_directory=copy.into_directory, name=copy.items[0].place if copy.items else "")
    if copy.items or request.contents or not request.sources:
        yield from writer.parents(target if copy.into_directory else posixpath.dirname(target))
    for item in copy.items:
        assert tree is not None
        place = posixpath.join(target, item.place).rstrip("/") if copy.into_directory else target
        yield from writer.add(tree, item, place)
    for name, text in request.contents:
        place = posixpath.join(target, name) if copy.into_directory else target
        yield from writer.add_text(place, text.encode(errors="surrogateescape"))


class _Writer:
    """`made`: the directories that the layer has so far; `new`: of these, those below which nothing was before."""

    def __init__(
        self,
        below: list[str],
        request: Request,
        epoch: int | None,
        now: int,
        unsteady: list[str],
        made: set[str],
        new: set[str],
    ) -> None:
        self.unsteady = unsteady
        self.below = below
        self.request = request
        self.epoch = epoch
        self.now = now if epoch is None else epoch
        self.made = made
        self.new = new
        self.first_names: dict[tuple[int, int], str] = {}
        self._kept: set[str] = set()
        self._opened: tuple[bytes | None, int] = (None, -1)

    def target(self, *, into_directory: bool, name: str) -> str:
        """Where the copy goes, without symbolic links on the way; of one file, its own place."""
        path = self._resolved(self.request.target)
        if into_directory or not name or not self._is_directory(path):
            return path
        return posixpath.join(path, posixpath.basename(name))

    def _resolved(self, path: str) -> str:
        """`path` in the files so far, links followed, also those to what is not there (yet)."""
        try:
            names = overlay.resolve(self.below, posixpath.normpath(path), may_lack=True)
        except OSError as error:
            raise UsageError(f"too many symbolic links in {path}") from error
        return "/" + "/".join(names or ())

    def _there(self, path: str) -> str | None:
        return overlay.entry(self.below, [name for name in path.split("/") if name]) if self.below else None

    def _is_directory(self, path: str) -> bool:
        found = self._there(path)
        return found is not None and os.path.isdir(found) and not os.path.islink(found)

    def parents(self, directory: str) -> Iterator[bytes]:
        """The directories on the way: those that are there as they are, for a layer's directory hides the attributes of
        the one below it; new ones with mode 0755, of whoever the copy is to belong to.
        """
        path = ""
        for name in [part for part in directory.split("/") if part]:
            path += "/" + name
            if path in self.made or path in self._kept:
                continue
            if self._is_directory(path):
                self._kept.add(path)
                yield from self._as_it_is(path)
                continue
            if self._there(path) and not self.request.replaces:
                raise UsageError(f"cannot copy to non-directory: {path}")
            self.made.add(path)
            if not self._there(path):
                self.new.add(path)
            uid, gid = self.request.owner or (0, 0)
            info = tarfile.TarInfo(_name(path))
            info.type, info.mode, info.uid, info.gid, info.mtime = tarfile.DIRTYPE, 0o755, uid, gid, self.now
            yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")

    def _as_it_is(self, directory: str) -> Iterator[bytes]:
        """The entry of a directory of the layers so far. Its time is not that of the copy: the bytes stay the same."""
        there = self._there(directory)
        assert there
        parent = os.open(os.path.dirname(there), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            name = os.fsencode(os.path.basename(there))
            status = os.lstat(name, dir_fd=parent)
            yield from tar_entry(
                parent, os.fsencode(_name(directory)), name, status, {}, is_layer=False, change=self._limit
            )  # fmt: skip
        finally:
            os.close(parent)

    def _limit(self, info: tarfile.TarInfo) -> None:
        if self.epoch is not None:
            info.mtime = min(info.mtime, self.epoch)

    def add(self, tree: Tree, entry: Item, place: str) -> Iterator[bytes]:
        """One file; a directory that is there already is left as it is only where it is the target itself."""
        there = None if posixpath.dirname(place) in self.new else self._there(place)
        if entry.is_directory:
            if not place or place in self.made:
                return
            if there and not self._is_directory(place) and not self.request.replaces:
                raise UsageError(f"cannot copy to non-directory: {place}")
            if there and (place == self._resolved(self.request.target) or not self._is_named(entry)):
                return
            self.made.add(place)
            if not there:
                self.new.add(place)
        elif (place in self.made or (there and self._is_directory(place))) and not self.request.replaces:
            raise UsageError(f"cannot replace to directory {place} with file")
        yield from self.parents(posixpath.dirname(place))
        above, _, name = os.fsencode(entry.path).rpartition(b"/")
        parent = self._directory(tree, above)
        if parent < 0:
            raise NotFoundError(f'"/{entry.path}": not found in {tree.name}: it was there a moment ago')
        try:
            status = os.lstat(name or b".", dir_fd=parent)
            yield from tar_entry(
                parent, os.fsencode(_name(place)), name or b".", status, self.first_names,
                is_layer=False, change=self._change,
            )  # fmt: skip
            if not entry.version == version(status) == version(os.lstat(name or b".", dir_fd=parent)):
                self.unsteady.append(entry.path)
        except FileNotFoundError:
            raise NotFoundError(f'"/{entry.path}": not found in {tree.name}: it was there a moment ago') from None
        except HostError:
            raise HostError(
                f'"/{entry.path}" became shorter while it was copied: build when nobody writes to it'
            ) from None

    def _directory(self, tree: Tree, path: bytes) -> int:
        """A descriptor of a directory of the tree, -1 if it is gone. It stays open for the next file of the same."""
        if path != self._opened[0]:
            self.close()
            self._opened = path, open_in_root(tree.root, path)
        return self._opened[1]

    def close(self) -> None:
        """Close the directory that was read last."""
        if self._opened[1] >= 0:
            os.close(self._opened[1])
        self._opened = None, -1

    def _is_named(self, directory: Item) -> bool:
        """Whether a directory is copied, and not only made for what is in it."""
        return self.request.directories is None or directory.place in self.request.directories

    def _change(self, info: tarfile.TarInfo) -> None:
        """Owner, mode and time of a copy."""
        if self.request.owner:
            info.uid, info.gid = self.request.owner
        if self.request.chmod and not info.issym():
            info.mode = modes.changed(self.request.chmod, info.mode, is_directory=info.isdir())
        self._limit(info)

    def add_text(self, place: str, content: bytes) -> Iterator[bytes]:
        """A here-document as a file, mode 0644."""
        if self._is_directory(place):
            raise UsageError(f"cannot replace to directory {place} with file")
        yield from self.parents(posixpath.dirname(place))
        info = tarfile.TarInfo(_name(place))
        info.size, info.mtime = len(content), self.now
        info.uid, info.gid = self.request.owner or (0, 0)
        info.mode = modes.changed(self.request.chmod, 0o644, is_directory=False) if self.request.chmod else 0o644
        yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        yield content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _name(path: str) -> str:
    """A path as archives have names."""
    name = path.strip("/")
    if not name:
        raise DockerfileError("the root directory itself cannot be replaced")
    return name
