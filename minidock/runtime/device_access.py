"""Access to the host's devices: refused by a filter in the container's cgroup, or by mounts without device nodes.

A device node is a file like any other. One of the host's disk may be in an image's layer or in a volume, or be created
in the container (CAP_MKNOD). With a cgroup of its own, a filter decides at every open (`linux/device_filter.py`).
Without, every mount but the container's own /dev is nodev (mount(2), MS_NODEV), and capabilities with which a process
could undo that, or create nodes in /dev, are refused. (Book, chapter 7, 2.1 "Sécurité".)
"""

from __future__ import annotations

from typing import Any

from minidock.errors import EXIT_ENGINE, HostError
from minidock.linux import device_filter, rootless
from minidock.linux.cgroups import Cgroup
from minidock.runtime.oci_spec import Spec

Rule = dict[str, Any]

# Allowed in every container, whatever its bundle says: creating nodes, and using these. Sources: runc's default list
# (libcontainer/specconv), which it appends to the bundle's rules; config-linux.md, "Default Devices".
ALWAYS: list[Rule] = [
    {"allow": True, "type": "c", "access": "m"},
    {"allow": True, "type": "b", "access": "m"},
    *(
        {"allow": True, "type": "c", "major": major, "minor": minor, "access": "rwm"}
        for major, minor in ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, -1))
    ),
]


def restrict(spec: Spec, cgroup: Cgroup) -> None:
    """Attach a filter for the bundle's device rules to the container's `cgroup`.

    Raises `HostError` if that is impossible: the container could open the host's disk.
    """
    if allows_all(spec) or rootless.is_on():  # whose user may open what the host lets him open, and make no node
        return
    rules = _rules(spec)
    try:
        device_filter.restrict(cgroup, [*rules, *(rule for rule in ALWAYS if rule not in rules)])
    except OSError as error:
        raise HostError(
            f"no device filter can be attached to {cgroup.path} ({error.strerror}): without one the container could "
            "open the host's devices",
            exit_code=EXIT_ENGINE,
        ) from error


def allows_all(spec: Spec) -> bool:
    """Whether the bundle allows all devices, as --privileged does: a rule for everything, and no denial after it."""
    answer = False
    for rule in _rules(spec):
        if not rule["allow"]:
            answer = False
        elif rule.get("type", "a") == "a" and all(rule.get(key, -1) < 0 for key in ("major", "minor")):
            answer = answer or set(rule.get("access") or "rwm") == set("rwm")
    return answer


def without_filter(spec: Spec) -> Spec:
    """The bundle for a container, or a process that joins one, without a device filter.

    Raises `HostError` for what is unsafe then: capabilities that undo nodev, and devices with restricted access.
    """
    if allows_all(spec) or rootless.is_on():
        return spec
    sets = spec.process.get("capabilities")
    dangerous = {"CAP_SYS_ADMIN"} if "user" in spec.namespaces else {"CAP_SYS_ADMIN", "CAP_MKNOD"}
    held = dangerous if sets is None else dangerous & {name for names in sets.values() for name in names or []}
    if held:
        raise _refused(f"{' and '.join(sorted(held))} cannot be given to a process")
    usable = [rule for rule in _rules(spec) if rule["allow"] and set("rw") <= set(rule.get("access") or "rwm")]
    for node in spec.linux.get("devices") or []:
        if node["type"] != "p" and not any(_is_about(rule, node) for rule in [*usable, *ALWAYS[2:]]):
            raise _refused(f"{node['path']} cannot be had for less than reading and writing")
    return spec._replace(nodev=True)


def is_own_dev(mount: dict[str, Any]) -> bool:
    """Whether the mount is the container's own /dev or /dev/pts, in which minidock creates all nodes."""
    place = (mount["destination"].rstrip("/"), mount.get("type"))
    return place in (("/dev", "tmpfs"), ("/dev/pts", "devpts"))


def _rules(spec: Spec) -> list[Rule]:
    return (spec.linux.get("resources") or {}).get("devices") or []


def _is_about(rule: Rule, node: dict[str, Any]) -> bool:
    kind = "c" if node["type"] == "u" else node["type"]
    numbers = all(rule.get(key, -1) in (node.get(key, 0), -1) for key in ("major", "minor"))
    return numbers and rule.get("type", "a") in (kind, "a")


def _refused(what: str) -> HostError:
    return HostError(
        f"{what}: no device filter watches over this container, as it has no cgroup v2 of its own "
        "(mount -t cgroup2 none /sys/fs/cgroup)",
        exit_code=EXIT_ENGINE,
    )
