"""SIGKILL of us before a kernel call of create, start, exec and delete: `delete --force` then leaves nothing.

Some calls of each command are chosen; with MINIDOCK_TESTS_EVERY=1 it is every one of them, which takes ten minutes.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.oci.conftest import Done, Oci

POINTS = {"create": 8, "exec": 6, "start": 4, "delete": 4}


def _calls(trace: Path) -> int:
    return sum(json.loads(line)["what"] == "call" for line in trace.read_text().splitlines())


def _processes(oci: Oci) -> list[str]:
    """Those whose root file system is the bundle's, or that are ours."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            words = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            root = os.readlink(directory / "root")
        except OSError:
            continue
        if str(oci.root) in words or root.startswith(str(oci.bundle)):
            found.append(f"{directory.name} {words}")
    return found


@pytest.mark.parametrize("command", POINTS)
def test_killed(oci: Oci, tmp_path: Path, command: str) -> None:
    oci.configure("sleep", "1000")
    trace = tmp_path / "trace"
    _prepare(oci, command)
    done = _run(oci, command, {"MINIDOCK_OBSERVE_TRACE": str(trace)})
    assert done.returncode == 0, done.stderr
    oci("delete", "--force", "one")
    calls = _calls(trace)
    assert calls > 1, command
    step = 1 if os.environ.get("MINIDOCK_TESTS_EVERY") else max(1, calls // POINTS[command])
    for number in range(1, calls + 1, step):
        _prepare(oci, command)
        _run(oci, command, {"MINIDOCK_OBSERVE_KILL": str(number)})
        gone = oci("delete", "--force", "one")
        where = f"{command}, call {number} of {calls}"
        assert gone.returncode == 0, f"{where}: {gone.stderr}"
        assert list(oci.root.iterdir()) == [], where
        deadline = time.monotonic() + 30
        while (left := _processes(oci)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left == [], where
        assert list(Path("/sys/fs/cgroup").glob(f"*/oci-test-{os.getpid()}-one")) == [], where


def _prepare(oci: Oci, command: str) -> None:
    if command in ("start", "delete"):
        assert oci.create("one").returncode == 0
    if command == "exec":
        assert oci.run("one", "-d").returncode == 0


def _run(oci: Oci, command: str, environment: dict[str, str]) -> Done:
    if command == "create":
        return oci.create("one", env=environment)
    if command == "exec":
        return oci("exec", "-d", "one", "sleep", "2000", env=environment)
    return oci(command, *(["--force"] if command == "delete" else []), "one", env=environment)
