"""Placing: a tar stream becomes files in a directory that is in use already, as `cp` does it.

The rules are those of docker's archive package: files are replaced, directories are merged, and neither takes the place
of the other.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator

from minidock.errors import ConflictError
from minidock.image import entries
from minidock.image.extract import Extractor
from minidock.image.pipeline import Pipeline
from minidock.image.tarstream import TarStream
from minidock.image.unpack_limits import from_environment
from minidock.linux.id_maps import IdMaps
from minidock.named_tuple import NamedTuple


class Owner(NamedTuple):
    """The owner of the files: -1 leaves the id of the process that creates them, None takes the archive's.

    `maps`: those are ids in a user namespace, and the files get what they are outside.
    """

    uid: int | None
    gid: int | None
    maps: IdMaps | None = None


def place(chunks: Iterator[bytes], root: int, directory: bytes, owner: Owner) -> None:
    """Unpack the tar stream `chunks` into `directory` below `root`, a descriptor out of which nothing leads.

    Raises `ConflictError` where a file would replace a directory or the other way round, `CorruptArchive`,
    `UnsafePath`, or `OSError` from the kernel.
    """
    with Pipeline(chunks) as pipeline, _Placer(root, directory, owner) as placer:
        archive = TarStream(pipeline, from_environment())
        for entry in archive:
            placer.add(entry, archive)
        placer.finish()


class _Placer(Extractor):
    """An `Extractor` whose directory holds files that are not from the archive."""

    whiteouts = False

    def __init__(self, root: int, directory: bytes, owner: Owner) -> None:
        super().__init__(f"/proc/self/fd/{root}", "")
        self._prefix = os.fsdecode(directory)
        self._owners = owner

    def add(self, entry: tarfile.TarInfo, archive: TarStream) -> None:
        if not entries.components(entry.name):
            return  # the directory itself stays as it is
        for name in [entry.name, *([entry.linkname] if entry.islnk() else [])]:
            entries.components(name)  # refuses a way out of the archive, which the prefix would hide
        entry.name = f"{self._prefix}/{entry.name}"
        if entry.islnk():
            entry.linkname = f"{self._prefix}/{entry.linkname}"
        super().add(entry, archive)

    def _owner(self, entry: tarfile.TarInfo) -> tuple[int, int]:
        uid, gid, maps = self._owners
        owner = entry.uid if uid is None else uid, entry.gid if gid is None else gid
        return maps.outside(*owner) if maps else owner

    def _add_directory(self, entry: tarfile.TarInfo, parent: int, name: bytes) -> None:
        try:
            if not stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
                raise ConflictError(f'cannot overwrite non-directory "{entry.name}" with directory')
        except FileNotFoundError:
            pass
        super()._add_directory(entry, parent, name)

    def _remove(self, parent: int, name: bytes) -> None:
        try:
            os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            raise ConflictError(f'cannot overwrite directory "{os.fsdecode(name)}" with non-directory') from None
