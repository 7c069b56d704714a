"""The last exercise: the commands with which engines call a runtime (OCI runtime specification, runtime.md)."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from typing import Any

from minidock.course import sandbox
from minidock.course.bench import Bench, Done, eventually, namespace, read, refusal, status
from minidock.course.checks.pivoted_root import host_is_as_before
from minidock.course.missing import Missing
from minidock.linux import syscalls

_BUNDLE = f"{sandbox.WORK}/bundle"
_SHARED = f"{sandbox.WORK}/shared"
_ROOT = f"{sandbox.WORK}/state"
_NAME = "exercise"
_KINDS = ("mount", "pid", "uts", "ipc", "network")
_ALLOWED = ("CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID")
_PATIENCE = 10.0  # seconds


def check(bench: Bench) -> None:
    """See the module."""
    before = bench.mounts()
    output = os.open(f"{sandbox.WORK}/output", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    _write_bundle(["sh", "-c", "hostname; pwd; echo $COLOR; exec sleep 1000"])
    pid = _create(bench, output)
    if os.pread(output, 100, 0):
        raise Missing("the program ran at `create`: it has to wait for `start`")
    host_is_as_before(bench, before)
    _in_its_place(bench, pid)
    _has_state(bench, "created")
    _call(bench, "start", _NAME)
    if not eventually(lambda: os.pread(output, 100, 0) == b"exercise\n/tmp\nblue\n", _PATIENCE):
        raise Missing(
            f"after `start` the program printed {os.pread(output, 100, 0)!r}: is it process.args, with cwd, env, "
            "hostname?"
        )
    bench.ok("start runs what config.json says")
    _has_state(bench, "running")
    _call(bench, "kill", _NAME, "KILL")
    if not eventually(lambda: _ended(pid), _PATIENCE):
        raise Missing("`kill ID KILL` does not end it")
    _has_state(bench, "stopped")
    _call(bench, "delete", _NAME)
    if _run(bench, "state", _NAME).code == 0:
        raise Missing("`state` still knows it after `delete`")
    bench.ok("kill and delete end it")
    bench.nothing_is_left()
    _create(bench, output)
    _call(bench, "delete", "--force", _NAME)
    bench.nothing_is_left()
    bench.ok("delete --force ends one that was only created")
    _fails(bench)


def _write_bundle(command: list[str]) -> None:
    config: dict[str, Any] = {
        "ociVersion": "1.0.2",
        "hostname": "exercise",
        "root": {"path": f"{sandbox.WORK}/rootfs"},
        "process": {
            "user": {"uid": 0, "gid": 0}, "args": command, "cwd": "/tmp",
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "COLOR=blue"],
            "capabilities": {key: list(_ALLOWED) for key in ("bounding", "effective", "permitted")},
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec"]},
            {"destination": "/host", "type": "bind", "source": _SHARED, "options": ["rbind", "ro"]},
        ],
        "linux": {"namespaces": [{"type": kind} for kind in _KINDS], "cgroupsPath": f"/{_NAME}"},
    }  # fmt: skip
    os.makedirs(_BUNDLE, exist_ok=True)
    os.makedirs(_SHARED, exist_ok=True)
    with open(f"{_BUNDLE}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)


def _run(bench: Bench, *words: str, output: int | None = None) -> Done:
    """One call of the runtime, as containerd makes it: flags of its own first."""
    namespace_ = os.open(f"/proc/{bench.host}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    command = [*bench.program, "--root", _ROOT, "--log", f"{sandbox.WORK}/log", "--log-format", "json", *words]
    # Files, as pipes would be held open by the container.
    with tempfile.TemporaryFile("w+") as errors, tempfile.TemporaryFile("w+") as own:
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=own if output is None else output, stderr=errors,
                timeout=bench.seconds, check=False, preexec_fn=lambda: syscalls.setns(namespace_, syscalls.CLONE_NEWNS),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Missing(f"`{words[0]}` does not end: create has to return while the container waits") from None
        finally:
            os.close(namespace_)
        errors.seek(0)
        own.seek(0)
        return Done(done.returncode, own.read(), errors.read())


def _call(bench: Bench, *words: str, output: int | None = None) -> Done:
    done = _run(bench, *words, output=output)
    if hole := refusal(done):
        raise hole
    if done.code:
        raise Missing(f"`{' '.join(words)}` ended with {done.code}{done.said}")
    return done


def _create(bench: Bench, output: int) -> int:
    """`create`; returns the pid in the file that it was to write."""
    place = f"{sandbox.WORK}/pid"
    _call(bench, "create", "--bundle", _BUNDLE, "--pid-file", place, _NAME, output=output)
    if not read(place).strip().isdigit():
        raise Missing("`create --pid-file FILE` has not written the pid of the container's first process")
    bench.ok("create returns, and has written the pid")
    return int(read(place))


def _in_its_place(bench: Bench, pid: int) -> None:
    for kind, name in zip(_KINDS, ("mnt", "pid", "uts", "ipc", "net"), strict=True):
        if namespace(pid, name) == namespace(bench.host, name):
            raise Missing(f"config.json wants a {kind} namespace (linux.namespaces), and the process has the host's")
    mounted = {line.split()[4]: line.split()[5] for line in read(f"/proc/{pid}/mountinfo").splitlines()}
    for place in ("/proc", "/dev", "/dev/pts", "/host"):
        if place not in mounted:
            raise Missing(f"config.json wants a mount at {place} (mounts), and there is none")
    if "ro" not in mounted["/host"].split(","):
        raise Missing(
            "the bind mount with the option ro can be written to: a bind takes flags only in a second mount call"
        )
    bench.ok("namespaces and mounts are those of config.json")


def _has_state(bench: Bench, wanted: str) -> None:
    done = _call(bench, "state", _NAME)
    try:
        found = json.loads(done.output)
    except ValueError:
        raise Missing(f"`state` prints no JSON: {done.output[:80]!r}") from None
    if found.get("status") != wanted or found.get("id") != _NAME or "pid" not in found or "bundle" not in found:
        raise Missing(
            f"`state` is to print id, status ({wanted}), pid and bundle, and prints {json.dumps(found)[:200]}"
        )
    bench.ok(f"state says {wanted}")


def _ended(pid: int) -> bool:
    return status(pid).get("State", "Z").startswith("Z")


def _fails(bench: Bench) -> None:
    _write_bundle(["no-such-program"])
    done = _run(bench, "create", "--bundle", _BUNDLE, _NAME)
    if done.code == 0:
        raise Missing("`create` succeeds for a program that is not there: docker would show a container that runs")
    if "no-such-program" not in done.errors:
        raise Missing(f"`create` fails for a program that is not there, and does not name it{done.said}")
    if _run(bench, "state", _NAME).code == 0:
        _run(bench, "delete", "--force", _NAME)
        raise Missing("`create` has failed and left a container: undo what was made")
    bench.nothing_is_left()
    bench.ok("what cannot be run is refused by name, and leaves nothing")
