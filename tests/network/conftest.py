"""A host on a small internet (`internet.py`), and containers on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minidock.network.endpoint import EndpointConfig
from minidock.network.port_bindings import Published
from tests.network.containers import World
from tests.network.internet import HOST_ADDRESS, OUTSIDE_ADDRESS, Container, Host, Namespace
from tests.network.machine import Machine
from tests.support.command import Minidock


@pytest.fixture
def namespaces() -> Iterator[list[Namespace]]:
    """What is put into this list is taken away after the test."""
    made: list[Namespace] = []
    yield made
    for namespace in reversed(made):
        namespace.close()


@pytest.fixture
def lone_host(namespaces: list[Namespace], tmp_path: Path) -> Host:
    """A host without any network."""
    host = Host(str(tmp_path))
    namespaces.append(host)
    return host


@pytest.fixture
def host(lone_host: Host, namespaces: list[Namespace]) -> Host:
    """A host on the internet, where a server listens on OUTSIDE_ADDRESS."""
    outside = Namespace("outside")
    namespaces.append(outside)
    pair = ("type", "veth", "peer", "name", "up0", "netns", outside.name)
    lone_host.sh("ip", "link", "add", "up0", *pair)
    for namespace, address in ((lone_host, HOST_ADDRESS), (outside, "198.51.100.1")):
        namespace.sh("ip", "address", "add", f"{address}/24", "dev", "up0")
        namespace.sh("ip", "link", "set", "up0", "up")
    outside.sh("ip", "address", "add", f"{OUTSIDE_ADDRESS}/32", "dev", "lo")
    lone_host.sh("ip", "route", "add", "default", "via", "198.51.100.1")
    outside.serve(OUTSIDE_ADDRESS)
    return lone_host


@pytest.fixture
def container(namespaces: list[Namespace]) -> Callable[..., Container]:
    """Make containers on a host."""

    def make(
        host: Host, container_id: str | None = None, *published: Published, **attachments: EndpointConfig
    ) -> Container:
        made = Container(host, container_id, *published, **attachments)
        namespaces.append(made)
        return made

    return make


@pytest.fixture
def world(engine: Minidock) -> Iterator[World]:
    """Networks and containers of one test."""
    made = World(engine)
    yield made
    made.close()


@pytest.fixture
def machine(engine: Minidock, host: Host) -> Iterator[Machine]:
    """minidock on the host of `internet.py`."""
    made = Machine(engine, host)
    yield made
    made.close()
    made.ok("network", "reload")  # also makes sure that nobody has left anything half-way
    assert host.elements("inet", "published4") == []
