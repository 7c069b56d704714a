"""`create` and `run`: from a bundle to a container.

It may be killed at any point of this order, and `delete --force` finds what there is to remove:

    1. the directory, with a record that says which cgroup there will be
    2. the cgroup, and the first process in it, which ends if we do (PR_SET_PDEATHSIG)
    3. the process in the record, when it has done everything but become the program
    4. the process is released: from here on it outlives this command, and waits at its gate for `start`
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from minidock import state
from minidock.errors import MinidockError, UsageError
from minidock.linux import cgroups, cgroups_v1
from minidock.observe import step
from minidock.oci import adapt_spec, console_socket, log, reports
from minidock.oci.runc_command_line import Words
from minidock.oci.state_directory import DEFAULT_ROOT, FILTERS, Container, start_time
from minidock.runtime import gate, hooks
from minidock.runtime import lifecycle as runtime
from minidock.runtime import oci_spec as oci
from minidock.runtime.runtime_options import Options

if TYPE_CHECKING:
    from minidock.runtime.lifecycle import CreatedProcess


def create(words: Words) -> int:
    """`minidock-oci create`: the program waits for `start`, and belongs to our caller or its subreaper."""
    container = Container(words.general.get("root") or DEFAULT_ROOT, words.arguments[0])
    _create(container, words, detach=True)
    return 0


def run(words: Words) -> int:
    """`minidock-oci run`: create, start, and unless --detach wait for its end and delete it."""
    from minidock.oci import run_in_foreground

    container = Container(words.general.get("root") or DEFAULT_ROOT, words.arguments[0])
    detach = words.flags.get("detach", False)
    if not detach and not words.flags.get("no-subreaper"):
        run_in_foreground.become_subreaper()
    created = _create(container, words, detach=detach)
    return run_in_foreground.run(container, created, detach=detach, keep=words.flags.get("keep", False))


def _create(container: Container, words: Words, *, detach: bool) -> CreatedProcess:
    """The container of `words`; the process that is returned waits at its gate, and is a child of ours."""
    directory = os.path.abspath(words.flags.get("bundle") or ".")
    spec = adapt_spec.load(directory, container.id, by_systemd=words.general.get("systemd-cgroup", False))
    console_socket.check(words.flags, terminal=spec.terminal, detach=detach)
    preserved = _preserved(words.flags.get("preserve-fds", 0), spec)
    with step("Claim the id in the state directory", book="3.4"):
        container.make_directory()
    with container.locked():
        if os.path.exists(container.path("state.json")):  # another process has removed it meanwhile
            raise MinidockError(f"container with id exists: {container.id}")
        container.data = {
            "id": container.id, "bundle": directory, "rootfs": spec.rootfs, "ociVersion": spec.config["ociVersion"],
            "created": state.now(), "annotations": spec.config.get("annotations") or {}, "status": "creating",
            "cgroup": _cgroup_path(spec), "ownPids": spec.is_new("pid"),
            "hooked": hooks.has(spec), "places": _places(spec),
        }  # fmt: skip
        try:
            runtime.check_cgroup(spec)
            with step("Record what will be made", book="3.4"):
                container.save()
                state.write_text(container.path("config.json"), json.dumps(spec.config), durable=False, mode=0o600)
            return _make(container, spec, words, preserved)
        except runtime.CgroupInUseError:  # found here, or since then
            container.data |= {"cgroup": None, "places": []}
            undo(container)
            raise
        except BaseException:
            undo(container)
            raise


def _make(container: Container, spec: oci.Spec, words: Words, preserved: int) -> CreatedProcess:
    """Steps 2 to 4."""
    for name in (gate.GATE, "waiting"):
        if os.path.lexists(container.path(name)):
            os.unlink(container.path(name))
    with step("Make the gate at which the process will wait", book="3.4"):
        directory, lock = gate.make(container.directory, _owner_of_gate(spec))
    options = Options(
        id=container.id, gate=directory, lock=lock,
        places=tuple(container.data["places"]), tied=False, preserved=preserved,
        pivot=not words.flags.get("no-pivot"), keyring=not words.flags.get("no-new-keyring"),
    )  # fmt: skip
    created, _ = runtime.create(spec, None if spec.terminal else (0, 1, 2), FILTERS, options)
    os.close(lock)
    os.close(directory)
    try:
        runtime.wait_ready(created)
        with step("Write the first process into the record", book="3.4"):
            container.data |= {"pid": created.pid, "startTime": start_time(created.pid), "status": "created"}
            container.save()
        if words.flags.get("console-socket") and created.console is not None:
            console_socket.send(words.flags["console-socket"], created.console)
        with step("Tell the caller which process it is", book="3.4"):
            reports.send_pidfd(words.flags, created.pidfd)
            reports.write_pid(words.flags, created.pid)
        runtime.release(created)
    except BaseException:
        created.kill()
        raise
    return created


def undo(container: Container) -> None:
    """Take back a `create` that has failed, as far as it went."""
    from minidock.oci import delete

    try:
        delete.remove(container, poststop=False)
    except (OSError, MinidockError) as error:
        log.warn(f"{container.id} is not undone whole: {error}")


def _cgroup_path(spec: oci.Spec) -> str | None:
    top = cgroups.hierarchy()
    return runtime.cgroup_path(spec, top) if top and spec.linux.get("cgroupsPath") else None


def _places(spec: oci.Spec) -> list[str]:
    """Its cgroups of version 1, where the host has its controllers there."""
    if not spec.linux.get("cgroupsPath"):
        return []
    return cgroups_v1.places(runtime.cgroup_path(spec, ""), spec.linux.get("resources") or {})


def _owner_of_gate(spec: oci.Spec) -> tuple[int, int]:
    """Who opens it: root inside; or the program's user, as what goes into others' process namespace waits last."""
    if spec.namespaces.get("pid"):
        return spec.process["user"]["uid"], spec.process["user"]["gid"]
    ids = []
    for key in ("uidMappings", "gidMappings"):
        rows = (spec.linux.get(key) or []) if spec.is_new("user") else []
        ids.append(next((row["hostID"] - row["containerID"] for row in rows if row["containerID"] == 0), 0))
    return ids[0], ids[1]


def _preserved(number: int, spec: oci.Spec) -> int:
    """How many descriptors after 0, 1 and 2 the program gets: --preserve-fds, behind those of sd_listen_fds(3)."""
    if number < 0:
        raise UsageError(f"--preserve-fds {number}: it cannot be negative")
    listening = int(os.environ.get("LISTEN_FDS") or 0)
    if listening:
        environment = [row for row in spec.process.get("env") or [] if not row.startswith("LISTEN_")]
        spec.process["env"] = [*environment, f"LISTEN_FDS={listening}", "LISTEN_PID=1"]
    for fd in range(3, 3 + listening + number):
        try:
            os.fstat(fd)
        except OSError:
            raise UsageError(f"--preserve-fds: file descriptor {fd} is not open") from None
    return listening + number
