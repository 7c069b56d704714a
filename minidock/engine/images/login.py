"""`login` and `logout`: check, keep and forget credentials for a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minidock.engine.images.credentials import Keychain
from minidock.engine.images.registry_config import registry_settings
from minidock.image import reference
from minidock.image.registry.registry_settings import HUB, Credentials, credentials_key
from minidock.image.registry.transfer_progress import Progress
from minidock.named_tuple import NamedTuple

if TYPE_CHECKING:
    pass


def registry_of(server: str | None) -> str:
    """The registry's name in what a user typed for `login`: `https://registry.lan/v2/` is registry.lan."""
    host = (server or HUB).removeprefix("https://").removeprefix("http://").partition("/")[0]
    if host in (HUB, "index.docker.io", "registry-1.docker.io"):
        return HUB
    reference.parse(f"{host}/image" if "." in host or ":" in host or host == "localhost" else f"{host}:443/image")
    return host


class Login(NamedTuple):
    """How a login went. `plain_file` is where the password now is, if no helper keeps it."""

    username: str
    plain_file: str


def login(registry: str, username: str, password: str) -> Login:
    """Check credentials with a registry and keep them. `Denied` if it does not know them."""
    return _login(registry, Credentials(username, password))


def login_again(registry: str, progress: Progress) -> Login | None:
    """Check the credentials that are kept for a registry; None if there are none, or they are no longer good."""
    from minidock.image.registry.failures import Denied

    known = Keychain()(credentials_key(registry))
    if known is None:
        return None
    progress.say("Authenticating with existing credentials...")
    try:
        return _login(registry, known)
    except Denied:
        return None


def check_login(registry: str, credentials: Credentials) -> Credentials:
    """What is to be kept of credentials that the registry knows, without keeping it. Raises `Denied`."""
    from minidock.image.registry.check_login import check
    from minidock.image.registry.remote import Remote

    with Remote(registry_settings(), lambda _: credentials) as remote:
        return check(remote, registry, credentials)


def _login(registry: str, credentials: Credentials) -> Login:
    keychain, key = Keychain(), credentials_key(registry)
    kept = check_login(registry, credentials)
    keychain.store(key, kept)
    return Login(credentials.username, "" if keychain.is_encrypted(key) else keychain.path)


def logout(registry: str) -> bool:
    """Forget a registry's credentials; False if there were none."""
    return Keychain().erase(credentials_key(registry))
