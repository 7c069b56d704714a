"""Login: ask the registry whether these are credentials before anybody keeps them."""

from __future__ import annotations

from minidock.image.registry.failures import Denied
from minidock.image.registry.registry_settings import Credentials, credentials_key
from minidock.image.registry.remote import Remote
from minidock.image.registry.repository import ping


def check(remote: Remote, domain: str, credentials: Credentials) -> Credentials:
    """What to keep for the registry `domain`: the credentials, or a token that it gave in exchange for them.

    Raises `Denied` if the registry does not know them. `remote` must have been made with these credentials.
    """
    client = remote.client(domain)
    try:
        ping(client)
    except Denied as error:
        reason = str(error).partition(": ")[2]
        raise Denied(f"login to {credentials_key(domain)} failed: {reason}") from error
    if client.authorizer.identity_token and credentials.password:
        return Credentials(credentials.username, "", client.authorizer.identity_token)
    return credentials
