"""Networks and containers made through the command line, and taken away after the test whatever happened in it."""

from __future__ import annotations

import itertools
import json
import subprocess
from typing import Any

from tests.support.command import Minidock

_numbers = itertools.count()


class World:
    """`world("network", "ls")` is a command that has to succeed: its output."""

    def __init__(self, minidock: Minidock) -> None:
        self.minidock = minidock
        self.networks: list[str] = []
        self.containers: list[str] = []

    def __call__(self, *words: str, input: bytes = b"") -> str:
        done = self.minidock(*words, input=input)
        assert done.returncode == 0, f"{words}: {done.stderr.decode()}"
        return done.stdout.decode()

    def refused(self, *words: str) -> tuple[int, str]:
        """A command that fails: its exit code and the one line that says why."""
        done = self.minidock(*words)
        assert done.returncode != 0, words
        lines = done.stderr.decode().splitlines()
        assert len(lines) == 1, lines
        return done.returncode, lines[0].removeprefix("minidock: ")

    def network(self, *flags: str, name: str = "") -> str:
        """A new network's name."""
        name = name or f"n{next(_numbers)}"
        self("network", "create", *flags, name)
        self.networks.append(name)
        return name

    def container(self, *flags: str, name: str = "", command: tuple[str, ...] = ("sleep", "1000")) -> str:
        """The name of a new container that runs until the test is over. Names of the world outside, nobody answers it.

        At once, that is: no server is on its loopback. The host may have one that is far away.
        """
        name = name or f"c{next(_numbers)}"
        self.containers.append(name)
        alone = "--dns" in flags or any(flag.startswith("container:") for flag in flags)
        dns = () if alone else ("--dns", "127.0.0.1")
        self("run", "-d", "--name", name, *dns, *flags, "alpine", *command)
        return name

    def inside(self, container: str, script: str) -> str:
        """What a shell prints in the container, which has to succeed."""
        return self("exec", container, "sh", "-ec", script)

    def fails_inside(self, container: str, script: str) -> bool:
        """Whether a shell in the container fails at something."""
        return self.minidock("exec", container, "sh", "-c", script).returncode != 0

    def lookup(self, container: str, name: str) -> list[str]:
        """The addresses that the container's name server gives, IPv4 and IPv6; none for a name that nobody has."""
        done = self.minidock("exec", container, "nslookup", name)
        answer = done.stdout.decode().partition("\n\n")[2]  # what comes before it is about the server
        return sorted(line.split()[1] for line in answer.splitlines() if line.startswith("Address:"))

    def inspect(self, network: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("network", "inspect", network))[0]
        return found

    def address(self, container: str, network: str) -> str:
        """The container's IPv4 address on the network."""
        template = f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}'
        return self("inspect", "-f", template, container).strip()

    def close(self) -> None:
        if self.containers:
            self.minidock("rm", "-f", *self.containers)
        if self.networks:
            self.minidock("network", "rm", "-f", *self.networks)


def ip(*words: str) -> Any:
    """What `ip -j` says of the host."""
    return json.loads(subprocess.run(["ip", "-j", *words], capture_output=True, check=True).stdout)
