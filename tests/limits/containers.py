"""A container that stays while a test looks at its cgroup from the host's side."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from minidock.linux import cgroups, systemd
from tests.support.command import Minidock


@dataclass
class Running:
    """`pid` of its first process, `cgroup` as the kernel says where that is, what it said before `ready`."""

    name: str
    pid: int
    cgroup: Path
    said: list[str]

    @property
    def place(self) -> Path:
        """What is its own below its --cgroup-parent: the cgroup, or the scope that systemd made around it."""
        return self.cgroup.parent if systemd.owns_the_tree() else self.cgroup

    def read(self, name: str) -> str:
        return (self.cgroup / name).read_text().strip()

    def counters(self, name: str) -> dict[str, int]:
        return {key: int(value) for key, value in map(str.split, self.read(name).splitlines())}


@contextmanager
def running(minidock: Minidock, *flags: str, script: str = "", then: str = "exec sleep 1000") -> Iterator[Running]:
    """Run `script` in a container, and `then` while the block runs; killed and gone at its end."""
    name = f"limits-{uuid.uuid4().hex[:8]}"
    command = ["sh", "-c", f"{script}\necho ready\n{then}"]
    process = minidock.start("run", "--rm", "--network", "none", "--name", name, *flags, "busybox", *command,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        said: list[str] = []
        while (line := process.stdout.readline()) != b"ready\n":
            assert line, process.stderr.read().decode()
            said.append(line.decode().rstrip("\n"))
        state = json.loads(minidock("inspect", name).stdout)[0]["State"]
        yield Running(name, state["Pid"], cgroup_of(state["Pid"]), said)
        (cgroup_of(state["Pid"]) / "cgroup.kill").write_text("1")
        process.communicate()
    assert process.returncode == 128 + signal.SIGKILL


def tree() -> Path:
    """Where this host's version 2 hierarchy is mounted."""
    top = cgroups.hierarchy()
    assert top
    return Path(top)


def cgroup_of(pid: int) -> Path:
    """The directory of a process's cgroup (cgroups(7), /proc/PID/cgroup)."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return tree() / next(line for line in lines if line.startswith("0::"))[len("0::/") :]


def has_controller(name: str) -> bool:
    return name in (tree() / "cgroup.controllers").read_text().split()


def eventually(condition: object, seconds: float = 60) -> bool:
    """Whether `condition()` comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
