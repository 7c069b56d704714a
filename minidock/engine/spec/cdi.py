"""Devices by name, as vendor.com/class=name: what the vendor's file says a container needs for one (CDI).

A graphics card is more than a node in /dev: libraries, variables, hooks. The vendor's program writes all that into a
file in /etc/cdi or /var/run/cdi, and whoever makes a container adds it to its specification. `--gpus` is docker's older
word for the devices nvidia.com/gpu. Source: https://github.com/cncf-tags/container-device-interface, SPEC.md.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from typing import Any

from minidock.errors import EXIT_ENGINE, HostError, UsageError
from minidock.shapes import Each, misfit

DIRECTORIES = ("/etc/cdi", "/var/run/cdi")
_SHAPE = {"cdiVersion": str, "kind": str, "devices": [{"name": str, "containerEdits": Each(object)}]}
_HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
Edits = dict[str, Any]


def apply(config: dict[str, Any], names: list[str]) -> None:
    """Add to the specification `config` all that the devices called `names` need. Raises `UsageError`, `HostError`."""
    specs = list(_specs())
    done: list[str] = []
    for name in names:
        kind, _, device = name.partition("=")
        # Of two files, the one in the later directory counts ("CDI JSON Specification", precedence).
        found = [
            (spec, row) for spec in specs if spec["kind"] == kind for row in spec["devices"] if row["name"] == device
        ]
        if not found:
            raise UsageError(f"failed to inject CDI devices: unresolvable CDI devices {name}", exit_code=EXIT_ENGINE)
        spec, row = found[-1]
        if kind not in done and spec.get("containerEdits"):
            _edit(config, spec["containerEdits"])
        done.append(kind)
        _edit(config, row["containerEdits"])


def _specs() -> Iterator[dict[str, Any]]:
    for directory in DIRECTORIES:
        if not os.path.isdir(directory):
            continue
        for name in sorted(os.listdir(directory)):
            if name.endswith((".json", ".yaml", ".yml")):
                yield _read(os.path.join(directory, name))


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file) if path.endswith(".json") else _yaml(path, file.read())
    except (OSError, ValueError) as error:
        raise HostError(f"the CDI file {path} cannot be read: {error}", exit_code=EXIT_ENGINE) from error
    if why := misfit(content, _SHAPE):
        raise HostError(f"the CDI file {path} is none: {why}", exit_code=EXIT_ENGINE)
    return dict(content)


def _yaml(path: str, text: str) -> Any:
    try:
        import yaml  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise HostError(f"the CDI file {path} is YAML, which takes PyYAML to read: pip install pyyaml, or write it as "
                        "JSON (nvidia-ctk cdi generate --format=json)", exit_code=EXIT_ENGINE) from None  # fmt: skip
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _edit(config: dict[str, Any], edits: Edits) -> None:
    process, linux = config["process"], config["linux"]
    added = edits.get("env") or []
    names = {row.partition("=")[0] for row in added}
    process["env"] = [*(row for row in process["env"] if row.partition("=")[0] not in names), *added]
    process["user"]["additionalGids"] = [*process["user"].get("additionalGids", []), *edits.get("additionalGids", [])]
    for node in edits.get("deviceNodes") or []:
        device, rule = _device(node)
        linux["devices"] = [*(linux.get("devices") or []), device]
        linux["resources"].setdefault("devices", []).append(rule)
    for mount in edits.get("mounts") or []:
        config["mounts"].append({"destination": mount["containerPath"], "type": mount.get("type") or "bind",
                                 "source": mount["hostPath"],
                                 "options": [*dict.fromkeys([*(mount.get("options") or []), "rbind"])]})  # fmt: skip
    for hook in edits.get("hooks") or []:
        if hook.get("hookName") not in _HOOKS:
            raise HostError(f"a CDI file names a hook {hook.get('hookName')!r}: {', '.join(_HOOKS)} are known",
                            exit_code=EXIT_ENGINE)  # fmt: skip
        row = {key: value for key, value in hook.items() if key != "hookName"}
        config.setdefault("hooks", {}).setdefault(hook["hookName"], []).append(row)


def _device(node: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the node, the rule that allows it): what the file leaves out is as on the host."""
    source = node.get("hostPath") or node["path"]
    if "major" in node and "type" in node:
        kind, major, minor = node["type"], node["major"], node.get("minor", 0)
        mode = node.get("fileMode", 0o666)
    else:
        try:
            status = os.stat(source)
        except OSError as error:
            raise HostError(f"the CDI device node {source}: {error.strerror}", exit_code=EXIT_ENGINE) from error
        kind = "b" if stat.S_ISBLK(status.st_mode) else "c"
        major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
        mode = node.get("fileMode", stat.S_IMODE(status.st_mode))
    device = {"path": node["path"], "type": kind, "major": major, "minor": minor, "fileMode": mode,
              "uid": node.get("uid", 0), "gid": node.get("gid", 0)}  # fmt: skip
    rule = {"allow": True, "type": kind, "major": major, "minor": minor, "access": node.get("permissions") or "rwm"}
    return device, rule
