"""The three files that a container does not get from its image: hosts, hostname and resolv.conf (book 6).

They are written per container and bound over the image's. Formats: hosts(5), hostname(5), resolv.conf(5).
"""

from __future__ import annotations

import os
import socket

from minidock import state

_HOSTS = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
# Docker's choice as well, for a host that has only a name server of its own, which a container cannot reach.
_PUBLIC_SERVERS = ("8.8.8.8", "8.8.4.4")


def write(directory: str, hostname: str, network: str, address: str | None) -> None:
    """Write the three files into `directory`, for a container of the given kind of `network`."""
    if network == "host":
        hosts, resolv = _host_file("/etc/hosts"), _host_file("/etc/resolv.conf")
    else:
        hosts = _HOSTS + (f"{address}\t{hostname}\n" if address else "")
        resolv = reachable_servers(_host_file("/etc/resolv.conf"))
    state.write_text(os.path.join(directory, "hosts"), hosts, durable=False)
    state.write_text(os.path.join(directory, "hostname"), f"{hostname}\n", durable=False)
    state.write_text(os.path.join(directory, "resolv.conf"), resolv, durable=False)


def reachable_servers(resolv: str) -> str:
    """The host's resolv.conf without name servers on its loopback: inside, 127.0.0.53 would be the container itself."""
    lines = resolv.splitlines()
    if _servers(lines) == ["127.0.0.53"]:  # systemd-resolved: the servers that it asks are in a file of its own
        lines = (_host_file("/run/systemd/resolve/resolv.conf") or resolv).splitlines()
    kept = [line for line in lines if not any(_is_local(server) for server in _servers([line]))]
    if not _servers(kept):
        kept += [f"nameserver {server}" for server in _PUBLIC_SERVERS]
    return "".join(f"{line}\n" for line in kept)


def host_name() -> str:
    """The host's own name, for containers on the host's network."""
    return socket.gethostname()


def _servers(lines: list[str]) -> list[str]:
    return [words[1] for line in lines if len(words := line.split()) > 1 and words[0] == "nameserver"]


def _is_local(server: str) -> bool:
    return server.startswith("127.") or server == "::1"


def _host_file(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return ""
