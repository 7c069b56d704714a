"""Adapt a bundle's specification to this host.

Three things are changed: capabilities that this kernel does not know, or this process cannot give, are left out with a
warning (config.md, "capabilities": "runtimes SHOULD NOT fail"); a cgroup in systemd's notation becomes a path; and a
bundle without a cgroup gets one named after its container.
"""

from __future__ import annotations

import os
from typing import Any

from minidock import state
from minidock.errors import HostError, NotFoundError, UsageError
from minidock.linux import capabilities, cgroups, systemd
from minidock.oci import log
from minidock.runtime import oci_spec, spec_shapes
from minidock.runtime.oci_spec import Spec


def load(bundle: str, container_id: str, *, by_systemd: bool = False) -> Spec:
    """The specification in the directory `bundle`, checked. `by_systemd`: --systemd-cgroup."""
    try:
        config = state.read_json(os.path.join(bundle, "config.json"), cure="write it again", version=1)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"JSON specification file config.json not found in {bundle}") from None
    config = spec_shapes.as_go_reads(config, spec_shapes.CONFIG)
    spec_shapes.check_config(config, bundle)
    if config.get("process"):
        limit_capabilities(config["process"], has_users="user" in _namespaces(config))
    linux = config.setdefault("linux", {})
    linux["cgroupsPath"] = _cgroup_path(linux.get("cgroupsPath", ""), container_id, by_systemd=by_systemd)
    spec = oci_spec.check(bundle, config)
    if not os.path.isdir(spec.rootfs):
        raise NotFoundError(f"the root file system {spec.rootfs} is no directory")
    return spec


def _namespaces(config: dict[str, Any]) -> set[str]:
    return {row["type"] for row in (config.get("linux") or {}).get("namespaces") or []}


def limit_capabilities(process: dict[str, Any], *, has_users: bool) -> None:
    """Leave out, with a warning, what this kernel does not know, or what is not ours to give.

    `has_users`: it gets a user namespace, whose root has all capabilities of his own.
    """
    ours = set(capabilities.NAMES if has_users else capabilities.bounding())
    missing: dict[str, None] = {}
    for name, words in (process.get("capabilities") or {}).items():
        process["capabilities"][name] = [word for word in words if word in ours]
        missing |= dict.fromkeys(word for word in words if word not in ours)
    if missing:
        log.warn(f"unknown or unavailable capabilities are ignored: {', '.join(missing)}")


def _cgroup_path(path: str, container_id: str, *, by_systemd: bool) -> str:
    """Where the container's cgroup is in the hierarchy; "" where there is none.

    Raises `UsageError` for a path that is not of the form that the cgroup driver has, `HostError` without systemd.
    """
    if by_systemd:
        if not systemd.owns_the_tree():
            raise HostError("--systemd-cgroup: systemd is not running as PID 1 here, or cannot be asked")
        parts = path.split(":") if path else ["", "minidock", container_id]
        if len(parts) != 3:
            raise UsageError(f'expected cgroupsPath to be of format "slice:prefix:name" for systemd, got {path!r}')
        slice_, prefix, name = parts
        return systemd.container_path(slice_ or "system.slice", name, prefix)
    if path or cgroups.hierarchy() is None:
        return path
    return os.path.join(cgroups.own_path(), container_id)
