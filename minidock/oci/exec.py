"""`exec`: one more process in a container (`runtime/exec.py`)."""

from __future__ import annotations

import json
import os
from typing import Any

from minidock.errors import EXIT_SIGNAL, ConflictError, UsageError
from minidock.linux.cgroups import Cgroup
from minidock.oci import adapt_spec, console_socket, reports
from minidock.oci.runc_command_line import Words
from minidock.oci.state_directory import DEFAULT_ROOT, FILTERS, Container
from minidock.runtime import exec as runtime_exec
from minidock.runtime import foreground, spec_shapes
from minidock.runtime import lifecycle as runtime
from minidock.runtime import oci_spec as oci
from minidock.runtime.runtime_options import Options

_INHERITED = ("capabilities", "rlimits", "apparmorProfile", "selinuxLabel")


def exec_(words: Words) -> int:
    """`minidock-oci exec`: ends as the process does, or with --detach when its program runs."""
    container = Container(words.general.get("root") or DEFAULT_ROOT, words.arguments[0]).load()
    status, flags = container.status, words.flags
    if status in ("stopped", "creating"):
        raise ConflictError(f"cannot exec in a {status} container")
    if status == "paused" and not flags.get("ignore-paused"):
        raise ConflictError("cannot exec in a paused container (use --ignore-paused to override)")
    detach = bool(flags.get("detach"))
    spec = _spec(container, words)
    console_socket.check(flags, terminal=spec.terminal, detach=detach)
    target = runtime_exec.Target(container.pid, container.open_process(), _cgroup(container, flags.get("cgroup") or []))
    options = Options(id=container.id, tied=False, preserved=flags.get("preserve-fds", 0),
                      places=tuple(container.data["places"]))  # fmt: skip
    created = runtime_exec.create_exec_process(spec, target, None if spec.terminal else (0, 1, 2), FILTERS, options)
    try:
        runtime.wait_ready(created)
        if flags.get("console-socket") and created.console is not None:
            console_socket.send(flags["console-socket"], created.console)
            created.console = None
        if detach:
            _start(created, flags)
            return 0
        foreground.attend(created, lambda: _start(created, flags))
    except BaseException:
        created.kill()
        raise
    code = runtime.reap(created)
    return code if code >= 0 else EXIT_SIGNAL - code


def _start(created: runtime.CreatedProcess, flags: dict[str, Any]) -> None:
    runtime.start(created)
    reports.send_pidfd(flags, created.pidfd)
    reports.write_pid(flags, created.pid)


def _spec(container: Container, words: Words) -> oci.Spec:
    """The container's specification, with the process that is to be run in the place of its own."""
    spec = container.spec
    if path := words.flags.get("process"):
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                process = json.load(file)
        except ValueError as error:
            raise UsageError(f"{path} is no JSON: {error}") from None
        if not isinstance(process, dict):
            raise UsageError(f"{path} is not a JSON object")
        own = {key: spec.process[key] for key in _INHERITED if spec.process.get(key)}
        process = {**own, **{key: value for key, value in process.items() if value or key not in own}}
    else:
        if not words.arguments[1:]:
            raise UsageError("exec args cannot be empty: give a command, or --process FILE")
        process = _changed(spec.process, words.arguments[1:], words.flags)
    process = spec_shapes.as_go_reads(process, spec_shapes.PROCESS)
    spec_shapes.check_process(process, words.flags.get("process") or "exec")
    adapt_spec.limit_capabilities(process, has_users="user" in spec.namespaces)
    return oci.check(spec.bundle, {**spec.config, "process": process})


def _changed(process: dict[str, Any], arguments: list[str], flags: dict[str, Any]) -> dict[str, Any]:
    """The container's own process, as the flags change it."""
    changed = {**process, "args": arguments, "terminal": bool(flags.get("tty"))}
    for flag, key in (("cwd", "cwd"), ("apparmor", "apparmorProfile"), ("process-label", "selinuxLabel")):
        if flags.get(flag):
            changed[key] = flags[flag]
    if "no-new-privs" in flags:
        changed["noNewPrivileges"] = flags["no-new-privs"]
    changed["env"] = [*(process.get("env") or []), *flags.get("env", [])]
    changed["user"] = _user(process.get("user") or {}, flags)
    if added := flags.get("cap"):
        sets = {name: list(names or []) for name, names in (process.get("capabilities") or {}).items()}
        for name in ("bounding", "effective", "permitted", *(["ambient"] if sets.get("inheritable") else [])):
            sets[name] = [*sets.get(name, []), *added]
        changed["capabilities"] = sets
    return changed


def _user(user: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    changed = dict(user)
    if asked := flags.get("user"):
        uid, has_gid, gid = asked.partition(":")
        if not uid.isdigit() or (has_gid and not gid.isdigit()):
            raise UsageError(f"--user takes numbers, <uid>[:<gid>], not {asked!r}")
        changed |= {"uid": int(uid)} | ({"gid": int(gid)} if has_gid else {})
    more = flags.get("additional-gids") or []
    if any(gid < 0 for gid in more):
        raise UsageError("--additional-gids must be positive numbers")
    changed["additionalGids"] = [*(user.get("additionalGids") or []), *more]
    return changed


def _cgroup(container: Container, asked: list[str]) -> Cgroup | None:
    """The container's cgroup, or one below it that exists already (--cgroup PATH)."""
    cgroup = container.cgroup
    if cgroup is None or not cgroup.exists():
        if asked:
            raise UsageError(f"--cgroup {asked[0]}: the container has no cgroup of its own")
        return None
    if not asked:
        return cgroup
    below = Cgroup(cgroup.path + os.path.normpath(f"/{asked[0]}").rstrip("/"))
    if len(asked) > 1 or ":" in asked[0] or not below.exists():
        raise UsageError(f"--cgroup {asked[0]}: no such cgroup below the container's own (cgroup v2 has one path)")
    return below
