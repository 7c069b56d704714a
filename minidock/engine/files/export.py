"""`export`: write all files of a container as a tar stream."""

from __future__ import annotations

from collections.abc import Iterator

from minidock.engine.container import records
from minidock.engine.events import event_log
from minidock.engine.files import rootfs_view
from minidock.image.layer_writer import owners_inside
from minidock.image.tar_out import pack
from minidock.linux import id_maps


def export_container(root: str, name: str) -> Iterator[bytes]:
    """All files of the container called `name` as a tar stream, without what is mounted into it."""
    record = records.find(root, name)
    with rootfs_view.opened(record, bare=True) as fd:
        yield from pack(fd, b"", b"", owners_inside(id_maps.from_record(record.data.get("idMaps"))))
    event_log.emit_container(root, "export", record.data)
