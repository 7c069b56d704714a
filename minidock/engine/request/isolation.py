"""The flags that isolate a container from the host: namespaces, devices, capabilities, shared memory."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from minidock.engine.container.container_options import Device, Isolation
from minidock.engine.request import values
from minidock.engine.request.values import declined, fail
from minidock.errors import UsageError

_CGROUP_RULE = re.compile(r"[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}")
_USERNS = re.compile("host|remap|auto(:size=[1-9][0-9]{0,8})?|keep-id|nomap")
_CDI = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z][\w.-]*=[A-Za-z0-9][\w.:-]*")  # vendor.com/class=name
_GPU = "nvidia.com/gpu"
_OOM_SCORES = range(-1000, 1001)


def parse(flags: dict[str, Any], tell: Callable[[str], None]) -> Isolation:
    """The flags by their long names. `tell` is given what is not refused but has no effect.

    Raises `UsageError` with docker's words for what cannot be meant.
    """
    score = flags["oom_score_adj"]
    if score is not None and score not in _OOM_SCORES:
        raise declined(f"Invalid value {score}, range for oom score adj is [-1000, 1000]")
    _warn_of_version_1(flags, tell)
    _refuse_what_only_others_have(flags)
    for text in flags["device_cgroup_rule"]:
        if not _CGROUP_RULE.fullmatch(text):
            why = f"invalid device cgroup format '{text}'"
            raise fail(f'invalid argument "{text}" for "--device-cgroup-rule" flag: {why}')
    if not all(text.partition("=")[0] for text in flags["annotation"]):
        raise declined("invalid Annotations: the empty string is not permitted as an annotation key")
    return Isolation(
        pid=_mode(flags["pid"], ("host",), fail("--pid: invalid PID mode")),
        ipc=_mode(
            flags["ipc"], ("private", "shareable", "host", "none"), declined(f"invalid IPC mode: {flags['ipc']}")
        ),
        uts=_uts(flags["uts"], flags["hostname"]),
        userns=_userns(flags["userns"]),
        cgroupns=_mode(flags["cgroupns"], ("host", "private"), fail("--cgroupns: invalid CGROUP mode"), joins=False),
        shm_size=flags["shm_size"] or None,
        domainname=values.hostname(flags["domainname"]) or "",
        groups=list(flags["group_add"]),
        devices=[device(text) for text in flags["device"] if not _CDI.fullmatch(text)],
        cdi=[*(text for text in flags["device"] if _CDI.fullmatch(text)), *_gpus(flags["gpus"])],
        device_rules=list(flags["device_cgroup_rule"]),
        **_security(flags["security_opt"]),
        oom_score_adj=score,
        annotations=values.key_values(flags["annotation"]),
        runtime=_runtime(flags["runtime"]),
    )


def _mode(text: str, known: tuple[str, ...], refusal: UsageError, *, joins: bool = True) -> str:
    """One of the `known` words, or another container's name behind "container:"."""
    if not text or text in known or (joins and re.fullmatch("container:.+", text)):
        return text
    raise refusal


def _runtime(text: str) -> str:
    """The path of another OCI runtime; "" for ours. Docker has names for those that its daemon was told of."""
    if text in ("", "minidock"):
        return ""
    if "/" not in text:
        raise declined(f"unknown or invalid runtime name: {text}: there is minidock, or the path of another one")
    path = os.path.abspath(text)
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        raise declined(f"unknown or invalid runtime name: {text}: {path} is not an executable file")
    return path


def _userns(text: str) -> str:
    """docker knows host; the others are podman's, and `remap`, docker's daemon-wide one for a single container."""
    if text and not _USERNS.fullmatch(text):
        raise fail("--userns: invalid USER mode")
    return text


def _uts(text: str, hostname: str | None) -> str:
    if text and hostname:
        raise declined("conflicting options: hostname and the UTS mode")
    return _mode(text, ("host",), fail("--uts: invalid UTS mode"), joins=False)


def _warn_of_version_1(flags: dict[str, Any], tell: Callable[[str], None]) -> None:
    swappiness = flags["memory_swappiness"]
    if swappiness is not None and not -1 <= swappiness <= 100:
        raise fail(f"invalid value: {swappiness}. Valid memory swappiness range is 0-100")
    if flags["oom_kill_disable"]:
        tell("Your kernel does not support OomKillDisable. OomKillDisable discarded.")
    if flags["kernel_memory"] is not None:
        tell("Specifying a kernel memory limit is deprecated and will be removed in a future release.")
    if swappiness not in (None, -1):
        tell(
            "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. "
            "Memory swappiness discarded."
        )


def _refuse_what_only_others_have(flags: dict[str, Any]) -> None:
    if flags["isolation"] not in ("", "default"):
        raise declined(f"Invalid isolation: \"{flags['isolation']}\" - linux only supports 'default'")
    if flags["storage_opt"]:
        if not all("=" in text for text in flags["storage_opt"]):
            raise fail("invalid storage option")
        raise declined("--storage-opt is supported only for overlay over xfs with 'pquota' mount option")


def device(text: str) -> Device:
    """--device source[:place inside][:rwm]."""
    parts = text.split(":")
    if len(parts) > 3:
        raise fail(f"bad format for path: {text}")
    source, place, access = parts[0], parts[0], "rwm"
    if len(parts) == 3:
        access = parts[2]
    if len(parts) > 1:
        if len(parts) == 2 and _is_access(parts[1]):
            access = parts[1]
        else:
            place = parts[1]
    if not _is_access(access):
        raise fail(f"bad mode specified: {access}")
    for path in (source, place):
        if not path.startswith("/"):
            raise fail(f"{path} is not an absolute path" if path else f"bad format for path: {text}")
    return Device(source, os.path.normpath(place), access)


def _is_access(text: str) -> bool:
    return bool(re.fullmatch("[rwm]{1,3}", text)) and len(set(text)) == len(text)


def _gpus(text: str | None) -> list[str]:
    """--gpus all, a number, or device=0,1: docker's word for devices of nvidia.com/gpu."""
    words = [word for word in (text or "").strip('"').split(",") if word]
    if not words:
        return []
    if words[0] == "all":
        return [f"{_GPU}=all"]
    if words[0].isdigit() and len(words) == 1:
        return [f"{_GPU}={number}" for number in range(int(words[0]))]
    if words[0].startswith("device="):
        return [f"{_GPU}={name}" for name in (words[0].removeprefix("device="), *words[1:]) if "=" not in name]
    raise fail(f'invalid argument "{text}" for "--gpus" flag: it is all, a number, or device=0,1')


def _security(options: tuple[str, ...]) -> dict[str, Any]:
    """What the --security-opt ask for: docker's, and podman's mask and unmask."""
    found: dict[str, Any] = {"no_new_privileges": None, "seccomp": "", "bare_system_paths": False, "apparmor": "",
                             "masked": [], "unmasked": [], "writable_cgroups": False}  # fmt: skip
    for text in options:
        name, equals, value = text.partition("=") if "=" in text else text.partition(":")
        if not equals and name != "no-new-privileges":
            raise fail(f'Invalid --security-opt: "{text}"')
        if name == "no-new-privileges" and value in ("", "true", "false"):
            found["no_new_privileges"] = value != "false"
        elif name == "writable-cgroups" and value in ("true", "false"):
            found["writable_cgroups"] = value == "true"
        elif name == "seccomp":
            found["seccomp"] = value if value in ("unconfined", "builtin") else _profile(value)
        elif text == "systempaths=unconfined":
            found["bare_system_paths"] = True
        elif name == "apparmor":
            found["apparmor"] = value
        elif name in ("mask", "unmask"):
            found[f"{name}ed"] += _system_paths(text, value)
        elif name == "label":
            _refuse_label(value)
        else:
            raise declined(f'invalid --security-opt 2: "{text}"')
    return found


def _system_paths(text: str, value: str) -> list[str]:
    paths = value.split(":")
    if not all(path.startswith("/") or (path == "ALL" and text.startswith("un")) for path in paths):
        raise fail(f'invalid --security-opt: "{text}": it takes absolute paths with colons between them')
    return paths


def _refuse_label(label: str) -> None:
    """Where there is no SELinux, no label means anything, and docker takes it; where there is, it must not be lost."""
    if label != "disable" and os.path.exists("/sys/fs/selinux/enforce"):
        raise fail(f"SELinux labels such as {label} are not supported by minidock: label=disable")


def _profile(path: str) -> str:
    """The text of a seccomp profile, in docker's form (moby, profiles/seccomp)."""
    import json

    try:
        if path.startswith("{"):  # as docker's client sends it: the text itself
            profile = json.loads(path)
        else:
            with open(path, encoding="utf-8") as file:
                profile = json.load(file)
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        raise fail(f"opening seccomp profile ({path}) failed: open {path}: {why}") from error
    except ValueError as error:
        raise fail(f"compacting json for seccomp profile ({path}) failed: {error}") from error
    if not isinstance(profile, dict) or not isinstance(profile.get("defaultAction"), str):
        raise fail(f"the seccomp profile {path} has no defaultAction")
    return json.dumps(profile, separators=(",", ":"))
