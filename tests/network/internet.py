"""A small internet of network namespaces: a host of our own, the world outside of it, and containers.

Nothing touches the machine's own network: what is tested runs in a child process inside the namespace "host",
whose bridge, packet filter and sysctls are its own.

    container --veth-- bridge [host] 198.51.100.2 --veth-- 198.51.100.1 [outside] 203.0.113.1
"""

from __future__ import annotations

import itertools
import json
import os
import pickle
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minidock import state
from minidock.linux import rtnetlink, syscalls
from minidock.network import network_store
from minidock.network.addresses import Subnet
from minidock.network.connect_endpoints import connect_endpoints
from minidock.network.endpoint import DEFAULT_CONFIG, Endpoint, EndpointConfig
from minidock.network.firewall import filter_state
from minidock.network.network_store import Network, Pool
from minidock.network.port_bindings import Published
from minidock.network.release import release_endpoints
from minidock.network.remove_network import remove_network
from minidock.network.reserve import reserve_addresses

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
        self._run_server(_serve, address, port)

    def serve_udp(self, address: str, port: int = PORT) -> None:
        """The same over UDP."""
        self._run_server(_serve_udp, address, port)

    def _run_server(self, server: Callable[[str, int, int], None], address: str, port: int) -> None:
        ready, child_ready = os.pipe()
        pid, reader = self.start(server, address, port, child_ready)
        os.close(reader)
        os.close(child_ready)
        assert os.read(ready, 1) == b"."
        os.close(ready)
        self.children.append(pid)

    @contextmanager
    def conversation(self, address: str, port: int) -> Iterator[Callable[[], str]]:
        """UDP from one port: each call asks a server (`serve_udp`) again, '' if there is no answer."""

        def ask_again() -> str:
            try:
                client.send(b"?")
                return client.recv(100).decode()
            except OSError:
                return ""

        client = self.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with client:
            client.settimeout(1)
            client.connect((address, port))
            yield ask_again

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of this namespace: it stays there wherever it is used."""
        with rtnetlink.entered(self.fd):
            return socket.socket(family, kind, protocol)

    def settle(self) -> None:
        """Wait until no IPv6 address is tentative any more (duplicate address detection, RFC 4862, 5.4)."""
        while "tentative" in self.sh("ip", "-6", "address", "show", "scope", "global"):
            time.sleep(0.05)

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


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _serve_udp(address: str, port: int, ready: int) -> None:
    with socket.socket(_family(address), socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        os.write(ready, b".")
        while True:
            _, peer = server.recvfrom(100)
            server.sendto(peer[0].encode(), peer)


def ask_udp(address: str, port: int = PORT, timeout: float = 3) -> str:
    """What a server (`serve_udp`) at the address answers. Raises `OSError`."""
    with socket.socket(_family(address), socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        client.connect((address, port))
        client.send(b"?")
        return client.recv(100).decode()


def _serve(address: str, port: int, ready: int) -> None:
    family = _family(address)
    with socket.create_server((address, port), family=family, dualstack_ipv6=address == "::") as server:
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
    """The machine that runs minidock, with a root directory. What names no network is about the default one."""

    def __init__(self, root: str) -> None:
        super().__init__("host")
        self.root = root
        self.registry = self.call(filter_state.path)

    def close(self) -> None:
        super().close()
        Path(self.registry).unlink(missing_ok=True)

    @property
    def bridge(self) -> str:
        """The default network's interface."""
        return network_store.default_interface(self.root)

    def network(self, name: str = "bridge") -> Network:
        """What is on record of a network."""
        return network_store.find(network_store.load_all(self.root), name)

    def reserve(self, container_id: str, **attachments: EndpointConfig) -> Endpoint:
        """An address for the container, on the first of these networks or the default one."""
        return next(iter(self.reserve_all(container_id, **attachments).values()))

    def reserve_all(self, container_id: str, **attachments: EndpointConfig) -> dict[str, Endpoint]:
        wanted = attachments or {"bridge": DEFAULT_CONFIG}
        reserved: dict[str, Endpoint] = self.call(reserve_addresses, self.root, container_id, "name", wanted)
        return reserved

    def connect(self, wanted: dict[str, Endpoint], container: Namespace, *published: Published) -> list[str]:
        warnings: list[str] = self.call(connect_endpoints, self.root, wanted, container.fd, published)
        return warnings

    def release(self, container_id: str) -> None:
        self.call(release_endpoints, self.root, container_id)

    def leases(self) -> dict[str, str]:
        """Who holds which address of the default network."""
        known = [network for network in network_store.load_all(self.root) if network.name == "bridge"]
        held = network_store.leases(self.root, known[0].id).held if known else {}
        return {holder: lease.address for holder, lease in held.items()}

    def remove_network(self, name: str = "bridge") -> None:
        """Unmake a network as its last user's removal would."""

        def remove() -> None:
            with network_store.locked(self.root):
                remove_network(self.root, self.network(name))

        self.call(remove)

    def add_network(self, name: str, *subnets: str, internal: bool = False, **options: str) -> None:
        """A user's network. `options` are docker's bridge options by their last words."""
        pools = [Pool(subnet, Subnet.parse(subnet).gateway, "", {}) for subnet in subnets]
        known = {f"com.docker.network.bridge.{key}": value for key, value in options.items()}
        made = Network(
            id=os.urandom(32).hex(), name=name, driver="bridge", created=state.now(), interface=f"mdbr-{name}",
            pools=pools, chosen=True, internal=internal, ipv6=len(pools) > 1, attachable=False, labels={},
            options=known,
        )  # fmt: skip
        with network_store.locked(self.root):
            network_store.ensure_predefined(self.root)
            network_store.save(self.root, made)

    def elements(self, family: str, name: str) -> list[Any]:
        """What is in a set or map of ours."""
        listing = json.loads(self.sh("nft", "-j", "list", "ruleset"))["nftables"]
        found = [entry[kind] for entry in listing for kind in ("set", "map") if kind in entry]
        place = (family, "minidock", name)
        return next((one.get("elem", []) for one in found if (one["family"], one["table"], one["name"]) == place), [])

    def dropped(self, comment: str) -> int:
        """How many packets the rules of this comment have dropped."""
        listing = json.loads(self.sh("nft", "-j", "list", "ruleset"))["nftables"]
        found = [entry["rule"] for entry in listing if entry.get("rule", {}).get("comment") == comment]
        return sum(part["counter"]["packets"] for rule in found for part in rule["expr"] if "counter" in part)

    def rules(self) -> list[dict[str, Any]]:
        listing = json.loads(self.sh("nft", "-j", "-s", "list", "ruleset"))["nftables"]
        return [entry["rule"] for entry in listing if "rule" in entry]


class Container(Namespace):
    """A container, as far as its networks go: connected when made."""

    def __init__(
        self, host: Host, container_id: str | None = None, *published: Published, **attachments: EndpointConfig
    ) -> None:
        super().__init__("container")
        self.id = container_id or os.urandom(32).hex()
        self.endpoints = host.reserve_all(self.id, **attachments)
        self.warnings = host.connect(self.endpoints, self, *published)

    @property
    def endpoint(self) -> Endpoint:
        return next(iter(self.endpoints.values()))


def reaches_everyone(first: Container, second: Container) -> None:
    """Out, and each other, though bridged packets go through the packet filter as well (br_netfilter)."""
    assert first.warnings == second.warnings == []
    assert first.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS
    second.serve(second.endpoint.address)
    assert first.call(ask, second.endpoint.address) == first.endpoint.address
