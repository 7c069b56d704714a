"""Check the token server that a registry names before a password is sent to it.

docker and containers/image send a user's password to whatever server a registry names. An attacker who controls a
registry's answers, such as a cache, could have it sent elsewhere (as in CVE-2020-15157). Here it is sent to the
registry's own host and to hosts of the same site: auth.docker.io for registry-1.docker.io, gitlab.com for
registry.gitlab.com. For others the user has to allow it once. Without credentials any server may be asked, as a token
for anonymous users is no secret.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from minidock.errors import printable
from minidock.image.registry.failures import RegistryError
from minidock.image.registry.registry_settings import HUB, Settings, credentials_key, host_of

# A host and a port alone: programs parse what is before an @, or behind a backslash, in different ways.
_PLAIN = re.compile(r"https?://[^\s\\@/?#]+([/?][^\s\\#]*)?", re.ASCII)


def check(url: str, key: str, settings: Settings, *, secret: bool) -> None:
    """Refuse a realm that is not a URL, or that must not get the `secret` of the registry `key`.

    `key`: the name under which credentials are stored. Raises `RegistryError`.
    """
    registry = HUB if key == credentials_key(HUB) else key
    if not _PLAIN.fullmatch(url) or not urlsplit(url).hostname:
        raise RegistryError(f"{registry} names no server that gives tokens: realm={printable(url)!r}")
    named = urlsplit(url).netloc
    allowed = settings.token_servers.get(registry, ())
    if secret and not (_is_one_site(host_of(named), host_of(registry)) or {named, host_of(named)} & set(allowed)):
        raise RegistryError(
            f"{registry} wants its password sent to {printable(named)}, which is another site's: `token_servers` in "
            "minidock's config.toml allows that"
        )


def _is_one_site(host: str, other: str) -> bool:
    """Whether two hosts are the same, or end in the same registered domain."""
    if host == other:
        return True
    try:
        return ipaddress.ip_address(host) == ipaddress.ip_address(other)
    except ValueError:
        return _site(host) == _site(other) != ""


def _site(host: str) -> str:
    """The last two labels of a name; three under a country's co, com, ac, ...; '' for an address or a single label."""
    labels = host.lower().rstrip(".").split(".")
    count = 3 if len(labels) > 1 and len(labels[-1]) == 2 and len(labels[-2]) <= 3 else 2
    is_address = labels[-1].isdigit() or ":" in host
    return ".".join(labels[-count:]) if len(labels) >= count and not is_address else ""
