"""Mounts in which files belong to others: ids are mapped on the way (mount_setattr(2), MOUNT_ATTR_IDMAP).

The maps are those of a user namespace, which nobody has to be in: a process is born into one, its maps are written, and
when a descriptor of it is had, the process may go.
"""

from __future__ import annotations

import os
import signal

from minidock.errors import HostError
from minidock.linux import namespaces, syscalls

Map = list[tuple[int, int, int]]


def user_namespace(uid_map: Map, gid_map: Map) -> int:
    """A descriptor of a new user namespace with these rows of (inside, outside, how many)."""
    pid, pidfd = syscalls.clone3(syscalls.CLONE_NEWUSER)
    if pid == 0:
        signal.pause()
        os._exit(0)
    try:
        namespaces.write_id_maps(pid, uid_map, gid_map)
        return namespaces.open_namespace(pid, "user")
    finally:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(pidfd)


def apply(tree: int, userns: int, *, recursive: bool) -> None:
    """Map the ids of a copied tree that is mounted nowhere yet, by the maps of the user namespace with this descriptor.

    Raises `HostError` for file systems that cannot.
    """
    try:
        syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_IDMAP, recursive=recursive, userns=userns)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise HostError(f"the ids of this mount cannot be mapped ({why}): its file system may not allow it") from error


class UserNamespaces:
    """User namespaces that are only there for their maps: one for each pair of maps, until `close`."""

    def __init__(self) -> None:
        self._found: dict[str, int] = {}

    def get(self, uid_map: Map, gid_map: Map) -> int:
        """A descriptor of one with these maps, which `close` closes."""
        key = f"{uid_map} {gid_map}"
        if key not in self._found:
            self._found[key] = user_namespace(uid_map, gid_map)
        return self._found[key]

    def close(self) -> None:
        """Let go of all of them: what is mapped by one keeps it."""
        for fd in self._found.values():
            os.close(fd)
        self._found.clear()


def can_map(path: str, uid_map: Map, gid_map: Map) -> bool:
    """Whether the kernel can map the ids of the file system that `path` is on. Nothing is mounted for the answer."""
    spaces = UserNamespaces()
    tree = syscalls.open_tree(path, syscalls.OPEN_TREE_CLONE | syscalls.OPEN_TREE_CLOEXEC)
    try:
        apply(tree, spaces.get(uid_map, gid_map), recursive=False)
    except HostError:
        return False
    finally:
        os.close(tree)
        spaces.close()
    return True
