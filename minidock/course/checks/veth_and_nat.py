"""Stage 9: a network of its own that reaches the world outside, which does not know it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from typing import Any

from minidock.course.bench import WAIT, Bench, eventually, namespace, read
from minidock.course.checks.changed_root import exit_code_passes
from minidock.course.checks.first_process import passes_signals_on
from minidock.course.checks.user_mapping import is_nobody_outside
from minidock.course.missing import Missing
from minidock.linux import loopback, syscalls

_UPLINK, _HERE, _THERE, _PORT = "uplink", "198.51.100.2", "198.51.100.1", 7
_SCRIPT = f"echo | nc -w 10 {_THERE} {_PORT}; {WAIT}"
_FORWARD = "/proc/sys/net/ipv4/ip_forward"
_PATIENCE = 5.0  # seconds


def check(bench: Bench) -> None:
    """See the module."""
    bench.keep(_make_outside())
    before = _links()
    with bench.start(bench.rootfs, command=["sh", "-c", _SCRIPT]) as running:
        said = running.lines()
        pid = running.pid
        if namespace(pid, "net") == namespace(bench.host, "net"):
            raise Missing("the command has the host's network (/proc/PID/ns/net): unshare(CLONE_NEWNET) in the child")
        is_nobody_outside(bench, pid)
        _inside(bench, pid)
        _outside(bench, said)
        running.end()
    exit_code_passes(bench, bench.rootfs)
    passes_signals_on(bench, bench.rootfs)
    bench.nothing_is_left()
    if not eventually(lambda: not _cables(before), _PATIENCE):
        raise Missing(
            f"the interface {_cables(before)[0]} is left on the host: it goes with the namespace, or delete it"
        )
    bench.ok("nothing is left but the bridge, for the next one")


def _make_outside() -> int:
    """The world: another network namespace, with a server that says by which address it was asked. Returns its pid."""
    with open(_FORWARD, "w", encoding="ascii") as file:
        file.write("0")
    ready, told = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            _be_outside(told)
        finally:
            os._exit(1)
    os.close(told)
    os.read(ready, 1)
    for command in (
        f"link add {_UPLINK} type veth peer name eth0 netns {pid}",
        f"addr add {_HERE}/24 dev {_UPLINK}",
        f"link set {_UPLINK} up",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    os.read(ready, 1)
    os.close(ready)
    return pid


def _be_outside(told: int) -> None:
    syscalls.unshare(syscalls.CLONE_NEWNET)
    loopback.up()
    os.write(told, b"x")
    eventually(lambda: "eth0" in read("/proc/net/dev"), 60.0)
    subprocess.run(["ip", "addr", "add", f"{_THERE}/24", "dev", "eth0"], check=True)
    subprocess.run(["ip", "link", "set", "eth0", "up"], check=True)
    with socket.create_server(("0.0.0.0", _PORT)) as server:
        os.write(told, b"x")
        while True:
            client, address = server.accept()
            client.sendall(f"{address[0]}\n".encode())
            client.close()


def _ip(pid: int, *words: str) -> list[dict[str, Any]]:
    """What `ip -j` says in the network namespace of a process."""
    done = subprocess.run(
        ["nsenter", "-t", str(pid), "-n", "ip", "-j", *words], capture_output=True, text=True, check=True
    )
    found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return found


def _inside(bench: Bench, pid: int) -> None:
    """Check interfaces, addresses and routes in the container's namespace."""
    links = {link["ifname"]: link for link in _ip(pid, "addr")}
    if "UP" not in links["lo"]["flags"]:
        raise Missing("lo is down inside, so nothing there reaches 127.0.0.1: set it up, as it comes down")
    cards = [link for name, link in links.items() if name != "lo" and link.get("link_type") == "ether"]
    if not cards:
        raise Missing(
            "there is no interface inside but lo: make a veth pair, with one end in the namespace (net_ns_pid)"
        )
    addressed = [link for link in cards if any(address["family"] == "inet" for address in link["addr_info"])]
    if not addressed or "UP" not in addressed[0]["flags"]:
        raise Missing(
            f"{cards[0]['ifname']} inside has no address, or is down: add one of the bridge's network, set it up"
        )
    if not any(route["dst"] == "default" for route in _ip(pid, "route")):
        raise Missing("there is no default route inside: add one by the bridge's address")
    bench.ok("it has lo, an interface with an address, and a default route")


def _outside(bench: Bench, said: list[str]) -> None:
    """Check that an answer came back from the world, which has seen the host's address."""
    if said == [_HERE]:
        bench.ok("it reaches the world, which sees the host's address")
        return
    if read(_FORWARD).strip() != "1":
        raise Missing(f"nothing comes back from outside: the kernel forwards no packets: write 1 to {_FORWARD}")
    if not [link for link in _ip(os.getpid(), "link") if link.get("master")]:
        raise Missing("nothing comes back from outside: no end of a cable is plugged into a bridge (master)")
    raise Missing(
        "nothing comes back from outside: packets leave with the container's address, which nobody there knows: "
        "a masquerade "
        "rule in a nat chain at postrouting (nft)"
    )


def _links() -> set[str]:
    return {link["ifname"] for link in _ip(os.getpid(), "link")}


def _cables(before: set[str]) -> list[str]:
    """Interfaces that were not there before, and are no bridge."""
    bridges = {link["ifname"] for link in _ip(os.getpid(), "link", "show", "type", "bridge") if link}
    return sorted(_links() - before - bridges)
