"""The endpoints of a registry: its mirrors, then itself, with TLS or, where allowed, without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar
from urllib.parse import urlsplit

from minidock.errors import NotFoundError
from minidock.image.digest import DigestMismatch
from minidock.image.reference import Reference
from minidock.image.registry.failures import Interrupted, RegistryError, RegistryUnreachable
from minidock.image.registry.http_client import Client, Endpoint
from minidock.image.registry.registry_settings import (
    HUB,
    HUB_REGISTRY,
    FindCredentials,
    Settings,
    anonymous,
    credentials_key,
    is_loopback,
)
from minidock.image.registry.repository import Repository
from minidock.image.registry.tokens import Authorizer
from minidock.image.registry.transport import Transport

R = TypeVar("R")


class Remote:
    """Access to registries with one user's settings and credentials; use as a context manager."""

    def __init__(self, settings: Settings | None = None, keychain: FindCredentials = anonymous) -> None:
        self.settings = settings or Settings()
        self.keychain = keychain
        self.transport = Transport(self.settings)
        self._endpoints: dict[str, Endpoint] = {}
        self._clients: dict[str, Client] = {}

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    def client(self, domain: str) -> Client:
        """The client of the registry itself, for pushes, logins and searches."""
        address = HUB_REGISTRY if domain == HUB else domain
        if is_loopback(address) or self.settings.is_insecure(address):
            return self._client(domain, self._plain_or_not(address))
        return self._client(domain, Endpoint(domain, f"https://{address}"))

    def at(self, endpoint: Endpoint) -> Client:
        """The client of an address that is known beforehand."""
        return self._client(endpoint.name, endpoint)

    def repository(self, name: Reference) -> Repository:
        """The repository of `name` in the registry itself."""
        return Repository(self.client(name.domain), name)

    def first(self, name: Reference, action: Callable[[Repository], R]) -> R:
        """The result of `action` for the first endpoint of the repository at which it succeeds.

        If it succeeds at none, the error of the last one, the registry itself, is raised.
        """
        for mirror in self._mirrors(name.domain):
            try:
                return action(Repository(mirror, name))
            except (RegistryError, RegistryUnreachable, NotFoundError, DigestMismatch):
                continue  # a mirror may lack what the registry has; what it sends is verified
        return action(self.repository(name))

    def _mirrors(self, domain: str) -> Iterator[Client]:
        for url in self.settings.mirrors.get(domain, ()):
            address = urlsplit(url).netloc
            verify = not self.settings.is_insecure(address)
            yield self._client(address, Endpoint(address, url.rstrip("/"), verify))

    def _client(self, domain: str, endpoint: Endpoint) -> Client:
        """The client of an endpoint; one for all its uses, as it knows the tokens that were given."""
        if self.transport.is_stopped:  # by a failure at another endpoint
            self.transport = Transport(self.settings)
            self._clients.clear()
        if endpoint.url not in self._clients:
            authorizer = Authorizer(self.transport, credentials_key(domain), self.keychain)
            self._clients[endpoint.url] = Client(endpoint, self.transport, authorizer)
        return self._clients[endpoint.url]

    def _plain_or_not(self, address: str) -> Endpoint:
        """An endpoint that may be without TLS is tried with TLS first."""
        if address not in self._endpoints:
            verify = not self.settings.is_insecure(address)
            endpoint = Endpoint(address, f"https://{address}", verify)
            try:
                answer = self.transport.send("GET", f"{endpoint.url}/v2/", {}, verify=verify)
                self.transport.discard(answer)
            except (RegistryUnreachable, Interrupted):
                endpoint = Endpoint(address, f"http://{address}")
            self._endpoints[address] = endpoint
        return self._endpoints[address]
