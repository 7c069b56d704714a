"""Check credentials with the registry before they are stored."""

from __future__ import annotations

from minidock.image.registry.failures import Denied
from minidock.image.registry.registry_settings import Credentials, credentials_key
from minidock.image.registry.remote import Remote
from minidock.image.registry.repository import ping


def check(remote: Remote, domain: str, credentials: Credentials) -> Credentials:
    """Check the credentials; returns what to store for the registry `domain`: them, or a token that it gave in
    exchange.

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
