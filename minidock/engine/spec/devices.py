"""A container's devices: the nodes that it has, and the rules for opening them (book 9).

The nodes are files in its /dev (OCI config-linux.md, "Devices"); the rules decide whether the kernel lets a process
open or make a node (`linux/device_filter.py`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Any

from minidock.engine.container.container_options import Device
from minidock.errors import EXIT_ENGINE, UsageError
from minidock.linux import directory_trees

# The devices that every container has of its own.
_STANDARD = ("null", "zero", "full", "random", "urandom", "tty")
_OWN = ("pts", "shm", "mqueue", ".lxc", ".lxd-mounts", ".udev")


def host_devices() -> list[dict[str, Any]]:
    """All device nodes of the host's /dev, for --privileged; not its terminals, which the container has of its own."""
    devices = []
    for directory, below, names in directory_trees.walk("/dev"):
        below[:] = [name for name in below if name not in _OWN]
        for name in names:
            path = os.path.join(directory, name)
            if path not in ("/dev/console", "/dev/ptmx") and name not in _STANDARD and (node := _node(path, path)):
                devices.append(node)
    return devices


def asked(wanted: list[Device], rules: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(nodes, rules) for --device and --device-cgroup-rule.

    A directory stands for all devices in it, a symbolic link for what it leads to. Raises `UsageError` for what is no
    device.
    """
    nodes, allowed = [], []
    for device in wanted:
        found = [node for _, node in _nodes(device)]
        nodes += found
        allowed += [{"allow": True, "type": node["type"], "major": node["major"], "minor": node["minor"],
                     "access": device.access} for node in found]  # fmt: skip
    return nodes, allowed + [_rule(text) for text in rules]


def as_binds(wanted: list[Device]) -> list[dict[str, Any]]:
    """The same nodes as mounts of the host's: where a user namespace allows nobody to make any."""
    return [{"destination": node["path"], "type": "bind", "source": path, "options": ["bind"]}
            for device in wanted for path, node in _nodes(device)]  # fmt: skip


def _nodes(device: Device) -> Iterator[tuple[str, dict[str, Any]]]:
    """(the host's path, the node)."""
    source = os.path.realpath(device.source)
    why = f'error gathering device information while adding custom device "{device.source}": '
    if not os.path.exists(source):
        raise UsageError(f"{why}no such file or directory", exit_code=EXIT_ENGINE)
    if not os.path.isdir(source):
        node = _node(source, device.destination)
        if node is None:
            raise UsageError(f"{why}not a device node", exit_code=EXIT_ENGINE)
        yield source, node
        return
    for directory, _, names in directory_trees.walk(source):
        for name in names:
            path = os.path.join(directory, name)
            if node := _node(path, os.path.join(device.destination, os.path.relpath(path, source))):
                yield path, node


def _node(path: str, place: str) -> dict[str, Any] | None:
    """The device at `path` as the specification has it, to be made at `place`; None if it is no device."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:  # unplugged just now
        return None
    kind = "c" if stat.S_ISCHR(status.st_mode) else "b" if stat.S_ISBLK(status.st_mode) else ""
    if not kind:
        return None
    return {"path": place, "type": kind, "major": os.major(status.st_rdev), "minor": os.minor(status.st_rdev),
            "fileMode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}  # fmt: skip


def _rule(text: str) -> dict[str, Any]:
    """`c 1:3 rwm`, with * for any number."""
    kind, numbers, access = text.split(" ")
    rule: dict[str, Any] = {"allow": True, "type": kind, "access": access}
    for key, number in zip(("major", "minor"), numbers.split(":"), strict=True):
        rule[key] = -1 if number == "*" else int(number)
    return rule
