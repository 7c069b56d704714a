"""The OCI bundle: `config.json` and a root file system, the runtime's only input (book, chapter 1, 3.4).

Field names and meaning are those of the OCI runtime specification, https://github.com/opencontainers/runtime-spec
(config.md, config-linux.md). What is not supported is refused and not ignored: a container that runs without a
protection that was asked for is worse than one that does not run.
"""

from __future__ import annotations

import json
import os
from typing import Any

from minidock import state
from minidock.errors import HostError, MinidockError, NotFoundError, UsageError
from minidock.linux import namespaces
from minidock.named_tuple import NamedTuple
from minidock.runtime import spec_checks, spec_shapes

VERSION = "1.2.0"


class Spec(NamedTuple):
    """A checked bundle. `config` is the parsed config.json; the rest are the parts that several steps need.

    `nodev`: no device node works but those of the container's own /dev (`device_access.py`).
    """

    bundle: str
    config: dict[str, Any]
    process: dict[str, Any]
    linux: dict[str, Any]
    namespaces: dict[str, str]
    nodev: bool = False

    @property
    def rootfs(self) -> str:
        """The absolute path of the directory that becomes "/"."""
        return os.path.abspath(os.path.join(self.bundle, self.config["root"]["path"]))

    @property
    def mounts(self) -> list[dict[str, Any]]:
        """The mounts in the order in which they are to be made."""
        return self.config.get("mounts") or []

    def binds(self, destination: str) -> bool:
        """Whether the mount on `destination` is a bind mount, and not a file system of the container's own."""
        return any(mount["destination"].rstrip("/") == destination and mount.get("type", "bind") == "bind"
                   for mount in self.mounts)  # fmt: skip

    @property
    def terminal(self) -> bool:
        """Whether the process gets a pseudo-terminal."""
        return bool(self.process.get("terminal"))

    @property
    def clone_flags(self) -> int:
        """The CLONE_NEW* flags for clone3(2): the new namespaces that the first process is created in.

        Two are created later, from inside: cgroup, whose root is the creator's cgroup at that moment, and time, whose
        clocks can be set only while no process is in it.
        """
        new = [kind for kind, path in self.namespaces.items() if not path and kind not in ("cgroup", "time")]
        return sum(namespaces.FLAGS[kind] for kind in new)

    def is_new(self, kind: str) -> bool:
        """Whether the container gets a new namespace of `kind`, rather than sharing or joining one."""
        return self.namespaces.get(kind) == ""


def load(bundle: str) -> Spec:
    """Read and check `bundle`/config.json.

    Raises `NotFoundError` without such a file, `UsageError` for what is malformed, `HostError` for what is unsupported.
    """
    try:
        config = state.read_json(os.path.join(bundle, "config.json"))
    except FileNotFoundError as error:
        raise NotFoundError(f"no OCI bundle in {bundle}: config.json is missing") from error
    return check(bundle, config)


def check(bundle: str, config: dict[str, Any]) -> Spec:
    """`config` as a `Spec`; raises as `load` does."""
    config = spec_shapes.as_go_reads(config, spec_shapes.CONFIG)
    spec_shapes.check_config(config, bundle)
    if not config["ociVersion"].startswith("1."):
        raise UsageError(f"{bundle}: ociVersion {config['ociVersion']!r} is not supported, only 1.x")
    process, linux = config.get("process"), config.get("linux") or {}
    if not process or not process.get("args"):
        raise UsageError(f"{bundle}: process.args is missing: what should be run?")
    if not (config.get("root") or {}).get("path"):
        raise UsageError(f"{bundle}: root.path is missing")
    cwd = process["cwd"]
    if not cwd.startswith("/"):
        raise UsageError(f"the working directory {cwd!r} is invalid, it needs to be an absolute path")
    for text, what in ((cwd, f"the working directory {cwd}"), *((word, f"exec {word}") for word in process["args"])):
        if "\0" in text:  # chdir(2) and execve(2) end a string there
            raise UsageError(f"{what}: invalid argument")
    process["user"] = {"uid": 0, "gid": 0, **process.get("user", {})}
    kinds = _namespaces(linux.get("namespaces") or [])
    try:
        spec_checks.check(config, kinds)
    except MinidockError as error:
        error.args = (f"{bundle}: {error}",)
        raise
    config = spec_checks.normalized(config, bundle)
    return Spec(bundle, config, process, linux, kinds)


def _namespaces(rows: list[dict[str, str]]) -> dict[str, str]:
    """A dictionary from kind to the path of the namespace to join, or "" for a new one."""
    result: dict[str, str] = {}
    for row in rows:
        kind = row.get("type", "")
        if kind not in namespaces.FLAGS:
            raise UsageError(f"unknown namespace type {kind!r}: known are {', '.join(namespaces.FLAGS)}")
        if kind in result:
            raise UsageError(f"namespace {kind} is listed twice")
        result[kind] = row.get("path", "")
    if "mount" not in result:
        raise UsageError("a container without a mount namespace of its own would change the host's mounts")
    if result.get("user") == "" and result.get("pid"):
        raise HostError("users of its own have no right to another container's process namespace (setns(2))")
    return result


def dump(config: dict[str, Any]) -> str:
    """The text of a config.json, indented, but with the seccomp section, which has hundreds of names, on one line."""
    linux = config.get("linux") or {}
    if not linux.get("seccomp"):
        return json.dumps(config, indent=2) + "\n"
    text = json.dumps({**config, "linux": {**linux, "seccomp": None}}, indent=2)
    return text.replace('"seccomp": null', f'"seccomp": {json.dumps(linux["seccomp"])}', 1) + "\n"
