"""The way out of a user's own network namespace: slirp4netns, a TCP/IP stack that is an ordinary program.

An ordinary user can make bridges and cables in a network namespace of his own, but none that leads out of it. So
slirp4netns reads what is sent out of the interface tap0 in there, and opens sockets on the host in its place; the other
way round, it listens on published ports. There is one for all containers. Its API: slirp4netns(1),
"API SOCKET".
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from minidock.errors import ConflictError, HostError
from minidock.network.port_bindings import Published, place

PROGRAM = "slirp4netns"
NAME_SERVER = "10.0.2.3"
ADDRESS = "10.0.2.100"  # of the namespace
_SOCKET, _PID = "slirp.sock", "slirp.pid"
_TUN = "/dev/net/tun"
LACKING = (
    f"minidock: containers reach each other and nothing else without {PROGRAM} and {_TUN} for all: as root, "
    f"apt-get install {PROGRAM}; chmod 666 {_TUN}\n"
)


def is_installed() -> bool:
    """Whether there is a way out."""
    return shutil.which(PROGRAM) is not None and os.access(_TUN, os.R_OK | os.W_OK)


def start(directory: str, pid: int) -> None:
    """Start it for the network namespace of process `pid`, if it is installed. Raises `HostError` if it fails."""
    _end_former(directory)
    if not is_installed():
        return
    path = os.path.join(directory, _SOCKET)
    with suppress(FileNotFoundError):
        os.unlink(path)
    reading, writing = os.pipe()
    words = [PROGRAM, "--configure", "--mtu=65520", "--disable-host-loopback", "--enable-sandbox",
             "--api-socket", path, "--ready-fd", str(writing), str(pid), "tap0"]  # fmt: skip
    log = os.path.join(directory, "slirp.log")
    with open(log, "wb") as file:
        program = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, pass_fds=[writing],
                         start_new_session=True)  # fmt: skip
    os.close(writing)
    with open(os.path.join(directory, _PID), "w", encoding="ascii") as kept:
        kept.write(str(program.pid))
    said = os.read(reading, 1)
    os.close(reading)
    if said != b"1":
        with open(log, encoding="utf-8", errors="replace") as file:
            why = file.read().strip().splitlines()[-1:] or ["it has ended"]
        raise HostError(f"{PROGRAM}: {why[0]}")


def _end_former(directory: str) -> None:
    """End the one of namespaces that are gone: it would keep their published ports."""
    with suppress(OSError, ValueError):
        with open(os.path.join(directory, _PID), encoding="ascii") as kept:
            pid = int(kept.read())
        pidfd = os.pidfd_open(pid)
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as name:
                if name.read().strip() == PROGRAM:
                    signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        finally:
            os.close(pidfd)


def forward(directory: str, ports: Iterable[tuple[Published, str]]) -> None:
    """Have ports of the host lead to the same ones of the namespace; each with the host's address that was asked for.

    Raises `ConflictError` for a port that a program of the host has, `HostError` without slirp4netns; then none does.
    """
    if not os.path.exists(os.path.join(directory, _SOCKET)):
        raise HostError(f"a port can be published by {PROGRAM} only: as root, apt-get install {PROGRAM}")
    done: list[Published] = []
    for port, address in ports:
        if ":" in port.host_address:
            continue  # it has no IPv6
        remove(directory, [port])  # of a container whose monitor was killed: the port itself is ours by now
        answer = _ask(directory, "add_hostfwd", proto=port.protocol, host_addr=address or "0.0.0.0",
                      host_port=port.host_port, guest_addr=ADDRESS, guest_port=port.host_port)  # fmt: skip
        if "error" in answer:
            remove(directory, done)
            where = place(address or "0.0.0.0", port.host_port)
            hint = "" if port.host_port >= 1024 else " (or below net.ipv4.ip_unprivileged_port_start)"
            raise ConflictError(f"Bind for {where} failed: port is already allocated{hint}")
        done.append(port)


def remove(directory: str, ports: Iterable[Published]) -> None:
    """Have these ports of the host lead nowhere. Idempotent."""
    wanted = {(port.protocol, port.host_port) for port in ports}
    if not wanted or not os.path.exists(os.path.join(directory, _SOCKET)):
        return
    for row in _ask(directory, "list_hostfwd").get("entries", []):
        if (row["proto"], row["host_port"]) in wanted:
            _ask(directory, "remove_hostfwd", id=row["id"])


def _ask(directory: str, command: str, **arguments: Any) -> dict[str, Any]:
    """One request on the API socket. Raises `HostError` if nobody answers."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
            end.connect(os.path.join(directory, _SOCKET))
            end.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
            end.shutdown(socket.SHUT_WR)
            answer: dict[str, Any] = json.loads(b"".join(iter(lambda: end.recv(4096), b"")))
    except (OSError, ValueError) as error:
        raise HostError(f"{PROGRAM} does not answer: {error}") from error
    return answer
