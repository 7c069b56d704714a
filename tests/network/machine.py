"""minidock as a program on a host of its own: its containers, its firewall and its ports are nobody else's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from typing import Any

from tests.network.internet import Namespace
from tests.support.command import Minidock

EVERYWHERE = "0.0.0.0"


class Inside(Namespace):
    """The network of a container that minidock runs, by its record."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record
        self.name = f"container {record['name']}"
        self.children: list[int] = []
        self.fd = os.open(f"/proc/{record['state']['pid']}/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(self.fd)

    def sh(self, *command: str, text: str | None = None) -> str:
        raise NotImplementedError("a container has commands of its own: minidock exec")

    @property
    def address(self) -> str:
        """Its IPv4 address on its only network."""
        (endpoint,) = self.record["networks"].values()
        return str(endpoint["address"])

    @property
    def gateway(self) -> str:
        """The host's IPv4 address on its only network."""
        (endpoint,) = self.record["networks"].values()
        return str(endpoint["gateway"])


class Machine:
    """`machine("run", ...)` runs minidock in the network namespace of `host`; (exit code, output, errors)."""

    def __init__(self, minidock: Minidock, host: Namespace) -> None:
        self.minidock = minidock
        self.host = host
        self.inside: list[Inside] = []

    def __call__(self, *words: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        done = subprocess.run(
            self.words(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
            env={**self.minidock.environment, **(env or {})},
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def words(self, *words: str) -> list[str]:
        """The command to run minidock there."""
        return ["nsenter", f"--net=/run/netns/{self.host.name}", *self.minidock.program, *words]

    def ok(self, *words: str) -> str:
        """What the command prints; it has to succeed."""
        code, out, errors = self(*words)
        assert (code, errors) == (0, ""), errors
        return out.rstrip("\n")

    def run(self, *words: str) -> Inside:
        """A container that sleeps in the background, run with these words before the image."""
        return self.look(self.ok("run", "-d", "--rm", *words, "alpine", "sleep", "600"))

    def look(self, container_id: str) -> Inside:
        """A container that is there."""
        record = json.loads((self.minidock.root / "containers" / container_id / "container.json").read_text())
        inside = Inside(record)
        self.inside.append(inside)
        return inside

    def close(self) -> None:
        """End all that `run` has started."""
        for inside in self.inside:
            inside.close()
            self("rm", "-f", inside.record["id"])
