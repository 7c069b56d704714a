"""An image's archive whose directory /d has files of many kinds, to be copied into a volume."""

import io
import tarfile
from typing import Any


def odd_archive(*, pipe: bool, link_attributes: dict[str, Any], link: str) -> bytes:
    """A busybox, and the directory /d. `pipe`: with a FIFO; `link`: the name of a symbolic link to /d/below.

    `link_attributes`: those that the archive repeats in the entry of a hard link.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.add("/bin/busybox", "bin/busybox")

        def add(path: str, kind: bytes, mode: int = 0o644, content: bytes = b"", **more: Any) -> None:
            info = tarfile.TarInfo(path)
            info.type, info.mode, info.size, info.mtime = kind, mode, len(content), 1_500_000_000
            for key, value in more.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))

        add("d", tarfile.DIRTYPE, 0o1777, uid=7, gid=8)
        add("d/file", tarfile.REGTYPE, 0o4750, b"content", uid=1, gid=2, pax_headers={"SCHILY.xattr.user.a": "b"})
        add("d/same", tarfile.LNKTYPE, linkname="d/file", **link_attributes)
        add("d/link", tarfile.SYMTYPE, linkname="/etc/passwd", uid=3)
        if pipe:
            add("d/pipe", tarfile.FIFOTYPE, 0o600, uid=4)
        add("d/device", tarfile.CHRTYPE, 0o666, devmajor=1, devminor=3)
        add("d/below", tarfile.DIRTYPE, 0o500, gid=9)
        add("d/below/deep", tarfile.REGTYPE, content=bytes(1 << 20))
        add(link, tarfile.SYMTYPE, linkname="d/below")
    return buffer.getvalue()
