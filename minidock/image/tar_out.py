"""Packing: a file, or a directory with all below it, becomes a tar stream (tar(5), pax), for `cp` and `export`.

The walk starts at a descriptor and never leaves what is below it, whatever is renamed meanwhile (`linux/openat2.py`).
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator

from minidock.image.layer_writer import Change, names, tar_entry
from minidock.linux.openat2 import open_in_root


def pack(root: int, source: bytes, top: bytes, change: Change | None = None) -> Iterator[bytes]:
    """The archive, piece by piece, of the file `source` below `root`; in the archive its name is `top`.

    `source` has no symbolic links but perhaps its last part, which is then what is packed. With `top` empty, there is
    no entry for the directory itself. Raises `FileNotFoundError` if there is no such file, `HostError` for a file
    that becomes shorter while it is read. `change` may give each entry another owner, mode or time.
    """
    first_names: dict[tuple[int, int], str] = {}
    pending = [b""]
    while pending:
        path = pending.pop()
        above, _, name = (source + path).rpartition(b"/")
        parent = open_in_root(root, above)
        try:
            if parent < 0:
                raise FileNotFoundError(source)
            status = os.lstat(name or b".", dir_fd=parent)
            if top or path:
                yield from tar_entry(parent, (top + path).lstrip(b"/"), name or b".", status, first_names,
                                     is_layer=False, change=change)  # fmt: skip
        except FileNotFoundError:
            if not path:
                raise
            continue  # gone meanwhile
        finally:
            if parent >= 0:
                os.close(parent)
        if stat.S_ISDIR(status.st_mode):
            pending += [path + b"/" + below.rpartition(b"/")[2] for below in reversed(names(root, source + path))]
    yield bytes(2 * tarfile.BLOCKSIZE)
