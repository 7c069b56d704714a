"""Layers whose ids the kernel maps, for a container with users of its own (book, chapter 1, 3.5.5).

On the disk the layers' files have the image's owners, whichever containers use them. In a user namespace the id 0
inside is another outside, say 100000: so each layer is mounted with its ids mapped, and the overlay is made of those
mounts. No file is copied or chowned. The writable layer is not mapped: on the disk its files have the owners' ids
outside.

Only the host's root may read the attributes "trusted." in which overlayfs keeps what it needs: so the creator mounts
the overlay, in a mount namespace of its own, and hands it on as a descriptor (`rootfs.clone_binds`). Sources:
mount_setattr(2), MOUNT_ATTR_IDMAP; Documentation/filesystems/overlayfs.rst. Overlays of such layers need Linux 5.19.
"""

from __future__ import annotations

import os
from typing import Any

from minidock.linux import id_maps, idmapped, mounts, syscalls
from minidock.observe import step


def mount_on(place: str, lower: list[str], linux: dict[str, Any]) -> list[str]:
    """Mount the directories `lower` with mapped ids; returns the paths, which are on a tmpfs on the directory `place`.

    `linux`: the bundle's, with the maps. The overlay that is mounted on the same place hides them. Raises `HostError`
    for a file system that cannot do it.
    """
    lower = list(dict.fromkeys(lower))
    found = [os.path.join(place, str(number)) for number in range(len(lower))]
    with step("Map the ids of the layers", book="3.5.5"):
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
        syscalls.mount("tmpfs", place, "tmpfs", flags, "mode=700")
        userns = idmapped.user_namespace(*id_maps.from_oci(linux))
        try:
            for source, target in zip(lower, found, strict=True):
                syscalls.mkdir(target, 0o700)
                _mount(source, target, userns)
        finally:
            os.close(userns)
    return found


def _mount(source: str, target: str, userns: int) -> None:
    tree = mounts.clone_tree(source, ["bind"])
    try:
        idmapped.apply(tree, userns, recursive=False)
        place = os.open(target, syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        syscalls.move_mount(tree, place)
        os.close(place)
    finally:
        os.close(tree)
