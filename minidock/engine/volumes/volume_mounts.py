"""Mount a volume's file system while a container uses it, if its options name one (mount(8))."""

from __future__ import annotations

import os
from contextlib import suppress

from minidock.engine.volumes.volumes import Volume, file_names, locked
from minidock.errors import HostError
from minidock.linux import mountinfo, mounts, syscalls
from minidock.observe import step


def mount(volume: Volume, holder: str) -> None:
    """Mount what --opt says on the volume's directory, for the container `holder`, unless it is mounted already.

    Several containers see one file system that way. `unmount` is to be called whatever happens: who uses it is
    written down first.
    """
    with locked(volume.root):
        os.makedirs(volume.path("users"), mode=0o700, exist_ok=True)
        os.close(os.open(volume.path("users", holder), os.O_CREAT | os.O_CLOEXEC, 0o600))
        if not mountinfo.mounted_at_or_below(volume.mountpoint):
            with step("Mount a volume's file system", book="4.2.2"):
                _mount(volume)


def _mount(volume: Volume) -> None:
    device, kind, words = (volume.options.get(key, "") for key in ("device", "type", "o"))
    if kind.startswith(("nfs", "cifs")):
        words = ",".join(map(_with_address, words.split(",")))
    root = os.open("/", syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mounts.mount_in(root, volume.mountpoint, device, kind, words.split(",") if words else [], check=lambda _: None)
    except OSError as error:
        raise HostError(
            f"error while mounting volume '{volume.mountpoint}': failed to mount local volume: mount "
            f"{device}:{volume.mountpoint}, data: {words}: {os.strerror(error.errno or 0).lower()}"
        ) from error
    finally:
        os.close(root)


def _with_address(word: str) -> str:
    """addr=NAME as the kernel wants it, which looks up no names: mount.nfs(8) and mount.cifs(8) do that."""
    key, _, name = word.partition("=")
    if key != "addr":
        return word
    import socket

    try:
        return f"addr={socket.getaddrinfo(name, None)[0][4][0]}"
    except OSError as error:
        raise HostError(f"error resolving passed in network volume address: {name}: {error.strerror}") from error


def unmount(volume: Volume, holder: str) -> None:
    """The container `holder` does not use the volume any more; the last one unmounts it. Idempotent."""
    with locked(volume.root):
        with suppress(FileNotFoundError):
            os.unlink(volume.path("users", holder))
        if not file_names(volume.path("users")):
            detach(volume.mountpoint)


def detach(path: str) -> None:
    """Unmount everything at `path` and below, the last first."""
    for place in reversed(mountinfo.mounted_at_or_below(path)):
        with step("Unmount a volume's file system", book="4.2.2"):
            syscalls.umount2(place, syscalls.MNT_DETACH)
