"""The server that gives tokens for a registry, which the registry names itself: who may be given a password.

docker and containers/image send a user's password to whatever server a registry names. Whoever can answer in a
registry's place, a cache on the way or a page that was broken into, could have it sent to a host of their own
(CVE-2020-15157 was of that kind). Here it goes to the registry's own host and to hosts of the same site: auth.docker.io
for registry-1.docker.io, gitlab.com for registry.gitlab.com. For others the user has to say so once. Whoever has no
credentials may be sent anywhere, as a token that anybody gets is no secret.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from minidock.errors import printable
from minidock.image.registry.failures import RegistryError
from minidock.image.registry.settings import HUB, Settings, credentials_key, host_of

# A host and a port alone: what stands before an @, or behind a backslash, programs understand in different ways.
_PLAIN = re.compile(r"https?://[^\s\\@/?#]+([/?][^\s\\#]*)?", re.ASCII)


def check(url: str, key: str, settings: Settings, *, secret: bool) -> None:
    """Refuse a realm that is no address, or that is not to be told the `secret` of the registry `key`.

    `key`: the name that credentials are kept under. Raises `RegistryError`.
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
    """Whether two hosts are the same, or have the end of their names in common that its owner had registered."""
    if host == other:
        return True
    try:
        return ipaddress.ip_address(host) == ipaddress.ip_address(other)
    except ValueError:
        return _site(host) == _site(other) != ""


def _site(host: str) -> str:
    """The last two labels of a name; three under a country's co, com, ac, ...; '' of an address or a single word."""
    labels = host.lower().rstrip(".").split(".")
    count = 3 if len(labels) > 1 and len(labels[-1]) == 2 and len(labels[-2]) <= 3 else 2
    is_address = labels[-1].isdigit() or ":" in host
    return ".".join(labels[-count:]) if len(labels) >= count and not is_address else ""
