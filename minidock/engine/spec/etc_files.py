"""The three files that a container does not get from its image: hosts, hostname and resolv.conf (book 6).

They are written per container and bound over the image's. Formats: hosts(5), hostname(5), resolv.conf(5).
"""

from __future__ import annotations

import os
import socket

from minidock import state
from minidock.engine.container.container_options import ContainerOptions
from minidock.linux import syscalls

HOSTS = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
# Docker's choice as well, for a host that has only a name server of its own, which a container cannot reach.
_PUBLIC_SERVERS = ("8.8.8.8", "8.8.4.4")
_HOST_RESOLV, _HOST_HOSTS = "/etc/resolv.conf", "/etc/hosts"
_RESOLVED = "/run/systemd/resolve/resolv.conf"  # systemd-resolved(8): the servers that 127.0.0.53 asks
# Where the container's own resolver listens, if it has one (network/dns_server.py); docker's has the same address.
RESOLVER = "127.0.0.11"

Row = tuple[str, str]  # an address and its names, as in hosts(5)


def write(directory: str, hostname: str, hosts: str, resolv: str) -> None:
    """Write the three files into `directory`."""
    state.write_text(os.path.join(directory, "hosts"), hosts, durable=False)
    state.write_text(os.path.join(directory, "hostname"), f"{hostname}\n", durable=False)
    state.write_text(os.path.join(directory, "resolv.conf"), resolv, durable=False)


def hosts(options: ContainerOptions, rows: list[Row]) -> str:
    """The content of hosts: what every machine has there, then `rows`. On the host's network, it is the host's."""
    if options.network == "host" and not rows:
        return host_file(_HOST_HOSTS)
    return HOSTS + "".join(f"{address}\t{names}\n" for address, names in rows)


def replace_rows(path: str, gone: list[Row], new: list[Row]) -> None:
    """Change lines of a running container's hosts file; all others stay, a user's own among them.

    The file is bound into the container, and a bind is of the inode: renaming another file over the path, as
    `state.write_text` does, would change nothing inside. So it is written in place, in one write(2).
    """
    old = host_file(path)
    doomed = {f"{address}\t{names}" for address, names in gone}
    kept = [line for line in old.splitlines() if line not in doomed]
    lines = kept + [row for address, names in new if (row := f"{address}\t{names}") not in kept]
    data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    _write_in_place(path, data)


def rewrite(path: str, text: str) -> None:
    """Replace the content of a running container's file in place."""
    _write_in_place(path, text.encode("utf-8", "surrogateescape"))


def _write_in_place(path: str, data: bytes) -> None:
    fd = syscalls.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        # Shorter than before: what is left over is blank lines until the file is cut.
        syscalls.write(fd, data.ljust(size, b"\n"))
        os.ftruncate(fd, len(data))
    finally:
        os.close(fd)


def resolv_conf(options: ContainerOptions, *, has_names: bool) -> str:
    """The content of resolv.conf: the host's, with what the user wants otherwise.

    `has_names`: the container has a resolver of its own, which knows the others on its networks and asks the servers.
    """
    text = host_file(_HOST_RESOLV)
    if options.network == "host" and not (options.dns or options.dns_search or options.dns_options):
        return text
    lines = text.splitlines()
    servers = [RESOLVER] if has_names else options.dns or reachable_servers(lines)
    search = options.dns_search or _values(lines, "search") or _values(lines, "domain")
    words = options.dns_options or _values(lines, "options")
    if has_names and not any(word.startswith("ndots") for word in words):
        words = [*words, "ndots:0"]  # a name without a dot is first of all a neighbour's
    rows = [f"search {' '.join(search)}"] if search and search != ["."] else []
    rows += [f"nameserver {server}" for server in servers]
    rows += [f"options {' '.join(words)}"] if words else []
    return "".join(f"{row}\n" for row in rows)


def reachable_servers(lines: list[str]) -> list[str]:
    """The host's name servers without those on its loopback: inside, 127.0.0.53 would be the container itself."""
    servers = _values(lines, "nameserver")
    if servers == ["127.0.0.53"]:
        servers = _values(host_file(_RESOLVED).splitlines(), "nameserver")
    reachable = [server for server in servers if not is_loopback(server)]
    return reachable or list(_PUBLIC_SERVERS)


def host_servers() -> list[str]:
    """All name servers of the host, those on its loopback included: for who asks from the host."""
    return _values(host_file(_HOST_RESOLV).splitlines(), "nameserver")


def is_loopback(server: str) -> bool:
    """Whether the name server is on the machine itself."""
    return server.startswith("127.") or server == "::1"


def host_name() -> str:
    """The host's own name, for containers on the host's network."""
    return socket.gethostname()


def _values(lines: list[str], keyword: str) -> list[str]:
    """The words after a keyword: of all lines for `nameserver`, else of the last one (resolv.conf(5))."""
    rows = [words[1:] for line in lines if len(words := line.split()) > 1 and words[0] == keyword]
    if keyword == "nameserver":
        return [row[0] for row in rows]
    return rows[-1] if rows else []


def host_file(path: str) -> str:
    """A file's text; '' if there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return ""
