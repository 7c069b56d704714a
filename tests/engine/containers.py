"""What is there of containers: looked up in files and in the kernel, not asked of minidock."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from tests.support.command import Minidock
from tests.support.machine import read

T = TypeVar("T")
QUIET = ("run", "--rm", "--network", "none")


def eventually(look: Callable[[], T], timeout: float = 60.0) -> T:
    """The first true result of `look`, called again and again; fails when there is none in `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (result := look()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {look}"
        time.sleep(0.01)
    return result


class Containers:
    """The containers of one minidock root."""

    def __init__(self, minidock: Minidock) -> None:
        self.minidock = minidock
        self.directory = minidock.root / "containers"

    def records(self) -> list[dict[str, Any]]:
        """The container.json of each."""
        texts = [read(str(path)) for path in self.directory.glob("*/container.json")]
        return [json.loads(text) for text in texts if text]

    def running(self) -> list[dict[str, Any]]:
        """Those whose record says that they run."""
        return [record for record in self.records() if record["state"]["status"] == "running"]

    def one_running(self) -> dict[str, Any]:
        """Wait for a container to run: the only one's record."""
        return eventually(self.running)[0]

    def processes(self) -> list[int]:
        """The processes in all of its containers' cgroups."""
        found = []
        for procs in cgroup2().glob("minidock*/*/cgroup.procs"):
            if (self.directory / procs.parent.name).exists():
                found += [int(line) for line in read(str(procs)).split()]
        return found

    def left(self, ids: set[str] | frozenset[str] = frozenset()) -> list[str]:
        """What should not be there when no container is, each thing in words; also of the containers called `ids`."""
        things = [f"directory {path.name}" for path in self.directory.iterdir() if path.name != ".lock"]
        for path in self.minidock.root.glob("networks/*.leases.json"):
            leases = json.loads(read(str(path)) or b"{}").get("leases", {})
            things += [f"lease {holder} {lease}" for holder, lease in leases.items()]
        tops = self.minidock.root.glob("[cn]*")  # of containers and networks; what goes meanwhile is not minded
        files = (os.path.join(place, name) for top in tops for place, _, names in os.walk(top) for name in names)
        things += [f"temporary file {path}" for path in files if path.endswith(".tmp")]
        places = (str(self.directory), str(self.minidock.root / "volumes"))
        mounted = [line.split()[4] for line in lines("/proc/self/mountinfo")]
        things += [f"mount {place}" for place in mounted if place.startswith(places)]
        things += [f"process {pid}" for pid in self.commands()]
        things += [f"cgroup {path}" for name in ids for path in cgroup2().glob(f"minidock*/{name}")]
        things += [f"link md{name[:12]}" for name in ids if os.path.exists(f"/sys/class/net/md{name[:12]}")]
        things += [f"rule {cable}" for cable in _cables_with_rules() for name in ids if name[:12] in cable]
        return things

    def commands(self) -> list[int]:
        """Processes of minidock that use this root: monitors, and commands on their way."""
        tag = f"MINIDOCK_ROOT={self.minidock.root}\0".encode()
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid() and tag in read(f"/proc/{name}/environ") + b"\0":
                found.append(int(name))
        return found


def followers(directory: Path) -> list[str]:
    """The names of those who follow the log in a container's directory, each holding the lock that says so."""
    found = []
    for place in directory.glob("followers/*"):
        with suppress(FileNotFoundError):
            fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(place.name)
            finally:
                os.close(fd)
    return sorted(found)


def attached(engine: Minidock, name: str) -> int:
    """How often somebody was attached to a container up to now, once it could hear and be heard."""
    words = ("--since", "1h", "--until", "0s", "--filter", f"container={name}", "--filter", "event=attach")
    return len(engine("events", *words).stdout.splitlines())


def ids_in(path: Path) -> set[str]:
    """All container ids that a trace (MINIDOCK_OBSERVE_TRACE) mentions."""
    return set(re.findall(r"containers/(?:\.removing-)?([0-9a-f]{64})", path.read_text())) if path.exists() else set()


def _cables_with_rules() -> list[str]:
    """The cables that the packet filter has rules for."""
    command = ["nft", "-j", "list", "set", "bridge", "minidock", "cables"]
    done = subprocess.run(command, capture_output=True, check=False)
    listed = json.loads(done.stdout)["nftables"] if done.returncode == 0 else []
    return [cable for entry in listed for cable in entry.get("set", {}).get("elem", [])]


def cgroup2() -> Path:
    """Where cgroup v2 is mounted."""
    rows = [line.split(" - ") for line in lines("/proc/self/mountinfo")]
    return Path(next(before.split()[4] for before, after in rows if after.startswith("cgroup2 ")))


def lines(path: str) -> list[str]:
    """A file's lines, none if it went away."""
    return read(path).decode(errors="surrogateescape").splitlines()
