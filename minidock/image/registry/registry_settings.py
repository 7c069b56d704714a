"""Settings for registries, and their effect for one registry.

`engine/images/registry_config.py` reads them from /etc/minidock/config.toml and describes the file.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from minidock.named_tuple import NamedTuple

# docker.io is a name, not an address: its registry and its search have addresses of their own, and its credentials are
# stored under the address of docker's first registry (docker: registry/config.go).
HUB = "docker.io"
HUB_REGISTRY = "registry-1.docker.io"
HUB_INDEX = "https://index.docker.io/v1/"


class Settings(NamedTuple):
    """`mirrors`: by registry, base URLs to ask first. `token_servers`: by registry, hosts of other sites that may be
    sent its credentials (`realm.py`). `insecure`: `host`, `host:port` or networks (10.0.0.0/8) that may be used without
    TLS, or with an unverified certificate.
    """

    mirrors: Mapping[str, tuple[str, ...]] = {}
    insecure: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ("/etc/docker/certs.d", "/etc/minidock/certs.d")
    downloads: int = 4
    uploads: int = 4
    token_servers: Mapping[str, tuple[str, ...]] = {}

    def is_insecure(self, address: str) -> bool:
        """Whether the user allows `host[:port]` without a verified certificate."""
        host = host_of(address)
        return any(entry in (address, host) or _within(host, entry) for entry in self.insecure)

    def may_be_plain(self, url: str) -> bool:
        """Whether `url` may be used: with TLS always, without TLS on this machine or where the user allows it."""
        parts = urlsplit(url)
        if parts.scheme == "https":
            return True
        named = any(urlsplit(m).netloc == parts.netloc and m.startswith("http:") for m in self._all_mirrors())
        return parts.scheme == "http" and (named or is_loopback(parts.netloc) or self.is_insecure(parts.netloc))

    def _all_mirrors(self) -> list[str]:
        return [mirror for mirrors in self.mirrors.values() for mirror in mirrors]


class Credentials(NamedTuple):
    """A user's credentials: a password, or a token in its place.

    `identity_token` is exchanged for access tokens; `registry_token` is an access token itself.
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""


# Called with the name under which a registry's credentials are stored, only when the registry asks for them.
FindCredentials = Callable[[str], Credentials | None]


def anonymous(_: str) -> None:
    """The keychain without credentials."""


def host_of(address: str) -> str:
    """The host in `host:port` or `[address]:port`, without the brackets."""
    return urlsplit(f"//{address}").hostname or address


def is_loopback(address: str) -> bool:
    """Whether `host[:port]` is this machine, by the name alone: nothing is resolved."""
    host = host_of(address)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def credentials_key(domain: str) -> str:
    """The name under which docker stores the credentials for a registry."""
    return HUB_INDEX if domain in (HUB, HUB_REGISTRY, "index.docker.io") else domain


def _within(host: str, network: str) -> bool:
    try:
        return "/" in network and ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
