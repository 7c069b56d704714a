"""A small internet of network namespaces: a host of our own, the world outside of it, and containers.

Nothing touches the machine's own network: what is tested runs in a child process inside the namespace "host",
whose bridge, packet filter and sysctls are its own.

    container --veth-- minidock0 [host] 198.51.100.2 --veth-- 198.51.100.1 [outside] 203.0.113.1
"""

from __future__ import annotations

import itertools
import json
import os
import pickle
import signal
import socket
import subprocess
from collections.abc import Callable
from typing import Any

from minidock.linux import syscalls
from minidock.network import bridge
from minidock.network.bridge import Endpoint

HOST_ADDRESS = "198.51.100.2"
OUTSIDE_ADDRESS = "203.0.113.1"
PORT = 7777

_numbers = itertools.count()


def sh(*command: str, text: str | None = None) -> str:
    """Run a command, return what it prints."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


class Namespace:
    """A network namespace, by the name that `ip netns` knows."""

    def __init__(self, role: str) -> None:
        self.name = f"mdtest-{os.getpid()}-{next(_numbers)}-{role}"
        self.children: list[int] = []
        sh("ip", "netns", "add", self.name)
        self.fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        self.sh("ip", "link", "set", "lo", "up")

    def close(self) -> None:
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(self.fd)
        sh("ip", "netns", "del", self.name)

    def sh(self, *command: str, text: str | None = None) -> str:
        return sh("ip", "netns", "exec", self.name, *command, text=text)

    def start(self, function: Callable[..., Any], *arguments: Any) -> tuple[int, int]:
        """Call the function in a child process inside the namespace. Returns (pid, descriptor of result)."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writer)
            return pid, reader
        try:
            try:
                syscalls.setns(self.fd, syscalls.CLONE_NEWNET)
                result = (True, function(*arguments))
            except BaseException as error:
                result = (False, error)
            with open(writer, "wb") as file:
                pickle.dump(result, file)
        finally:
            os._exit(0)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The same, waiting for the result. The child's exception is raised here."""
        return result_of(*self.start(function, *arguments))

    def serve(self, address: str, port: int = PORT) -> None:
        """A TCP server that tells each client the address from which it seems to come."""
        ready, child_ready = os.pipe()
        pid, reader = self.start(_serve, address, port, child_ready)
        os.close(reader)
        os.close(child_ready)
        assert os.read(ready, 1) == b"."
        os.close(ready)
        self.children.append(pid)

    def links(self) -> set[str]:
        """The names of its interfaces, as the kernel sees them."""
        return {link["ifname"] for link in json.loads(self.sh("ip", "-j", "link"))}


def result_of(pid: int, reader: int) -> Any:
    with open(reader, "rb") as file:
        data = file.read()
    os.waitpid(pid, 0)
    good, result = pickle.loads(data)
    if not good:
        raise result
    return result


def _serve(address: str, port: int, ready: int) -> None:
    with socket.create_server((address, port)) as server:
        os.write(ready, b".")
        while True:
            connection, peer = server.accept()
            with connection:
                connection.sendall(peer[0].encode())


def ask(address: str, port: int = PORT, timeout: float = 3) -> str:
    """What a server (`serve`) at the address answers. Raises `OSError`."""
    with socket.create_connection((address, port), timeout=timeout) as connection:
        return connection.recv(100).decode()


class Host(Namespace):
    """The machine that runs minidock, with a root directory."""

    def __init__(self, root: str) -> None:
        super().__init__("host")
        self.root = root

    def reserve(self, container_id: str) -> Endpoint:
        endpoint: Endpoint = self.call(bridge.reserve, self.root, container_id)
        return endpoint

    def connect(self, endpoint: Endpoint, container: Namespace) -> list[str]:
        warnings: list[str] = self.call(bridge.connect, endpoint, container.fd)
        return warnings

    def release(self, container_id: str) -> None:
        self.call(bridge.release, self.root, container_id)

    def leases(self) -> dict[str, str]:
        leases: dict[str, str] = self.call(bridge.leases, self.root)
        return leases

    def rules(self) -> list[dict[str, Any]]:
        listing = json.loads(self.sh("nft", "-j", "-s", "list", "ruleset"))["nftables"]
        return [entry["rule"] for entry in listing if "rule" in entry]


class Container(Namespace):
    """A container, as far as its network goes: connected when made."""

    def __init__(self, host: Host, container_id: str | None = None) -> None:
        super().__init__("container")
        self.id = container_id or os.urandom(32).hex()
        self.endpoint = host.reserve(self.id)
        self.warnings = host.connect(self.endpoint, self)
