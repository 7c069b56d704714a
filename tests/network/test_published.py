"""Published ports: connections from everywhere, real ones, that arrive at the container or must not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from minidock.network.attachment import NOTHING_SPECIAL
from minidock.network.published import Published
from tests.network.internet import HOST_ADDRESS, PORT, Container, Host, Namespace, ask

MakeContainer = Callable[..., Container]
OUTSIDE_NEIGHBOUR = "198.51.100.1"
WEB = Published("tcp", "0.0.0.0", 8080, PORT)
LOCAL_WEB = Published("tcp", "127.0.0.1", 8080, PORT)


@pytest.fixture(params=["0", "1"], ids=["routed", "br_netfilter"])
def either(host: Host, request: pytest.FixtureRequest) -> Host:
    """A host on which bridged packets pass the packet filter, or do not (docker turns that on)."""
    for name in ("iptables", "ip6tables"):
        host.sh("sysctl", "-qw", f"net.bridge.bridge-nf-call-{name}={request.param}")
    return host


@pytest.fixture
def web(either: Host, container: MakeContainer) -> Container:
    """A container whose server is published on port 8080 of the host."""
    inside = container(either, None, WEB)
    inside.serve("0.0.0.0")
    return inside


class TestFromEverywhere:
    def test_from_outside_the_real_address_is_seen(
        self, web: Container, namespaces: list[Namespace]
    ) -> None:
        assert namespaces[1].call(ask, HOST_ADDRESS, 8080) == OUTSIDE_NEIGHBOUR

    def test_from_the_host_itself(self, either: Host, web: Container) -> None:
        assert either.call(ask, HOST_ADDRESS, 8080) == HOST_ADDRESS
        assert either.call(ask, web.endpoint.gateway, 8080) == web.endpoint.gateway

    def test_from_the_host_by_its_loopback(self, either: Host, web: Container) -> None:
        assert either.call(ask, "127.0.0.1", 8080) == web.endpoint.gateway
        assert either.call(ask, "127.1.2.3", 8080) == web.endpoint.gateway

    def test_from_the_same_container(self, web: Container) -> None:
        for address in (HOST_ADDRESS, web.endpoint.gateway):
            assert web.call(ask, address, 8080)

    def test_from_its_neighbour(self, either: Host, web: Container, container: MakeContainer) -> None:
        neighbour = container(either)
        for address in (HOST_ADDRESS, web.endpoint.gateway):
            assert neighbour.call(ask, address, 8080)

    def test_from_another_network_the_real_address_is_seen(
        self, either: Host, web: Container, container: MakeContainer
    ) -> None:
        either.add_network("other", "10.77.0.0/24")
        other = container(either, other=NOTHING_SPECIAL)
        for address in (HOST_ADDRESS, web.endpoint.gateway, other.endpoint.gateway):
            assert other.call(ask, address, 8080) == other.endpoint.address

    def test_other_ports_lead_nowhere(self, either: Host, web: Container, namespaces: list[Namespace]) -> None:
        for client in (namespaces[1], either):
            with pytest.raises(ConnectionRefusedError):
                client.call(ask, HOST_ADDRESS, PORT)


@contextmanager
def loopback_routed_to_the_host(outside: Namespace) -> Iterator[None]:
    """A neighbour that sends packets for 127.0.0.1 to the host, as a neighbour can."""
    outside.sh("ip", "address", "flush", "dev", "lo")
    outside.sh("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
    outside.sh("ip", "route", "add", "127.0.0.1/32", "via", HOST_ADDRESS, "src", OUTSIDE_NEIGHBOUR)
    yield


class TestOnOneAddress:
    def test_on_loopback_is_for_the_host_alone(
        self, either: Host, container: MakeContainer, namespaces: list[Namespace]
    ) -> None:
        inside = container(either, None, LOCAL_WEB)
        inside.serve("0.0.0.0")
        assert either.call(ask, "127.0.0.1", 8080) == inside.endpoint.gateway
        with pytest.raises(ConnectionRefusedError):
            namespaces[1].call(ask, HOST_ADDRESS, 8080)
        with loopback_routed_to_the_host(namespaces[1]), pytest.raises(TimeoutError):
            namespaces[1].call(ask, "127.0.0.1", 8080, 0.5)

    def test_on_one_address_not_on_the_others(
        self, either: Host, container: MakeContainer, namespaces: list[Namespace]
    ) -> None:
        either.sh("ip", "address", "add", "198.51.100.77/24", "dev", "up0")
        inside = container(either, None, Published("tcp", "198.51.100.77", 8080, PORT))
        inside.serve("0.0.0.0")
        assert namespaces[1].call(ask, "198.51.100.77", 8080) == OUTSIDE_NEIGHBOUR
        with pytest.raises(ConnectionRefusedError):
            namespaces[1].call(ask, HOST_ADDRESS, 8080)
        with pytest.raises(ConnectionRefusedError):
            either.call(ask, "127.0.0.1", 8080)
