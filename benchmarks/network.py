"""What a bridge and a published port cost: bytes a second and connections a second, minidock's beside docker's.

Both engines run on one small host, a network namespace with a neighbour outside. The servers and clients are the same
Python program, put into the network of each engine's container; so all that differs is the way of the packets.

    neighbour --> host:port --> container       a published port, translated by the packet filter
    host 127.0.0.1:port --> container           docker has a process in between (docker-proxy)
    container --> container                     the bridge alone
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from benchmarks import peers
from minidock.cli.format.listing import table

SECONDS = 1.0  # of sending, each time
CONNECTIONS = 500
PORT = 80
HOST = "198.51.100.2"
_INSIDE = "MINIDOCK_BENCHMARK_NAMESPACE"


class Side(NamedTuple):
    """An engine with two containers: the first is published at `published`. Pids, and the first one's address."""

    name: str
    published: int
    first: int
    second: int
    address: str


def measure(rounds: int) -> None:
    """Print the table; the ratio is to docker's."""
    if _INSIDE not in os.environ:
        words = ["unshare", "--net", sys.executable, "-m", "benchmarks", "network", "-n", str(rounds)]
        raise SystemExit(subprocess.run(words, env={**os.environ, _INSIDE: "1"}, check=False).returncode)
    minidock = [os.path.join(os.path.dirname(sys.executable), "minidock")]
    with ExitStack() as stack:
        neighbour = stack.enter_context(_neighbour())
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="mdb-"))
        sides = [stack.enter_context(_minidock(minidock)), *stack.enter_context(_docker(minidock, directory))]
        for side in sides:
            stack.enter_context(_server(side.first))
        header = ("WAY", "ENGINE", "MB/s", "CONNECTIONS/s", "RATIO TO docker")
        print(table([header, *_compare(sides, neighbour, rounds)]))


def _compare(sides: list[Side], neighbour: int, rounds: int) -> list[tuple[str, ...]]:
    """Everybody once a round, so that a slow moment of the machine hits all alike."""
    ways = {
        "outside to published port": lambda side: (neighbour, HOST, side.published),
        "127.0.0.1 to published port": lambda side: (os.getpid(), "127.0.0.1", side.published),
        "container to container": lambda side: (side.second, side.address, PORT),
    }
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for way, start in ways.items():
            for side in sides:
                pid, address, port = start(side)
                taken.setdefault((way, side.name), []).append(_client(pid, address, port))
    middle = {key: [statistics.median(column) for column in zip(*rows, strict=True)] for key, rows in taken.items()}
    rows = []
    for (way, name), (megabytes, connections) in middle.items():
        theirs = middle.get((way, "docker"))
        ratio = f"{megabytes / theirs[0]:.2f} and {connections / theirs[1]:.2f}" if theirs else ""
        rows.append((way, name, f"{megabytes:.0f}", f"{connections:.0f}", ratio))
    return rows


@contextmanager
def _neighbour() -> Iterator[int]:
    """A network namespace beside this one, and a process in it: its pid."""
    peers.run(["ip", "link", "set", "lo", "up"])
    with subprocess.Popen(["unshare", "--net", "sleep", "infinity"]) as outside:
        try:
            while os.readlink(f"/proc/{outside.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
                time.sleep(0.01)
            peers.run(["ip", "link", "add", "up0", "type", "veth", "peer", "name", "up0", "netns", str(outside.pid)])
            for enter, address in (([], HOST), (_enter(outside.pid), "198.51.100.1")):
                peers.run([*enter, "ip", "address", "add", f"{address}/24", "dev", "up0"])
                peers.run([*enter, "ip", "link", "set", "up0", "up"])
            peers.run(["ip", "route", "add", "default", "via", "198.51.100.1"])
            yield outside.pid
        finally:
            outside.terminate()


@contextmanager
def _minidock(minidock: list[str]) -> Iterator[Side]:
    words = [*minidock, "run", "-d", "--rm"]
    first = peers.run([*words, "-p", f"8080:{PORT}", "alpine", "sleep", "600"]).strip()
    second = peers.run([*words, "alpine", "sleep", "600"]).strip()
    try:
        yield _side("minidock", 8080, minidock, first, second)
    finally:
        peers.run([*minidock, "rm", "-f", first, second])


@contextmanager
def _docker(minidock: list[str], directory: str) -> Iterator[list[Side]]:
    tarball = os.path.join(directory, "alpine.tar")
    peers.root_file_system(minidock, tarball)
    with peers.docker_daemon(directory, ()) as base:
        if not base:
            print("docker left out: its daemon does not start here")
            yield []
            return
        peers.run([*base, "import", tarball, peers.IMAGE])
        words = [*base, "run", "-d", "--rm"]
        first = peers.run([*words, "-p", f"9090:{PORT}", peers.IMAGE, "sleep", "600"]).strip()
        second = peers.run([*words, peers.IMAGE, "sleep", "600"]).strip()
        peers.run([*minidock, "network", "reload"])  # docker has set up its firewall since minidock looked at it
        try:
            yield [_side("docker", 9090, base, first, second)]
        finally:
            peers.run([*base, "rm", "-f", first, second])


def _side(name: str, published: int, command: list[str], *ids: str) -> Side:
    first, second = (json.loads(peers.run([*command, "inspect", container_id]))[0] for container_id in ids)
    address = first["NetworkSettings"]["IPAddress"]
    return Side(name, published, first["State"]["Pid"], second["State"]["Pid"], address)


def _enter(pid: int) -> list[str]:
    return ["nsenter", f"--net=/proc/{pid}/ns/net"]


@contextmanager
def _server(pid: int) -> Iterator[None]:
    """Something in the network of a process that takes all it is sent."""
    command = [*_enter(pid), sys.executable, "-c", "from benchmarks import network; network.serve()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout
        server.stdout.readline()
        try:
            yield
        finally:
            server.terminate()


def _client(pid: int, address: str, port: int) -> tuple[float, float]:
    """(megabytes a second of one connection, connections a second) from the network of a process."""
    call = f"from benchmarks import network; network.ask({address!r}, {port})"
    megabytes, connections = peers.run([*_enter(pid), sys.executable, "-c", call]).split()
    return float(megabytes), float(connections)


def serve() -> None:
    """Take connections one after the other, each to its end, then say how many bytes came."""
    buffer = bytearray(1 << 20)
    with socket.create_server(("0.0.0.0", PORT), backlog=1024) as server:
        print("ready", flush=True)
        while True:
            connection, _ = server.accept()
            with connection:
                total = 0
                while count := connection.recv_into(buffer):
                    total += count
                connection.sendall(total.to_bytes(8, "big"))


def ask(address: str, port: int) -> None:
    """Print how fast bytes, and then connections, come through."""
    data = bytes(1 << 20)
    started = time.perf_counter()
    with socket.create_connection((address, port), timeout=10) as connection:
        while time.perf_counter() < started + SECONDS:
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = int.from_bytes(connection.recv(8), "big")
    megabytes = received / 1e6 / (time.perf_counter() - started)
    started = time.perf_counter()
    for _ in range(CONNECTIONS):
        with socket.create_connection((address, port), timeout=10) as connection:
            connection.shutdown(socket.SHUT_WR)
            connection.recv(8)
    print(megabytes, CONNECTIONS / (time.perf_counter() - started))
