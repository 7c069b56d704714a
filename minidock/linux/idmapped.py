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


def apply(tree: int, uid_map: Map, gid_map: Map, *, recursive: bool) -> None:
    """Map the ids of a copied tree that is mounted nowhere yet. Raises `HostError` for file systems that cannot."""
    userns = user_namespace(uid_map, gid_map)
    try:
        syscalls.mount_setattr(tree, syscalls.MOUNT_ATTR_IDMAP, recursive=recursive, userns=userns)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise HostError(f"the ids of this mount cannot be mapped ({why}): its file system may not allow it") from error
    finally:
        os.close(userns)
