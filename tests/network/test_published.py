"""Published ports: connections from everywhere, real ones, that arrive at the container or must not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from minidock.network.endpoint import DEFAULT_CONFIG
from minidock.network.port_bindings import Published
from tests.network.internet import HOST_ADDRESS, PORT, Container, Host, Namespace, ask, ask_udp

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
    def test_from_outside_the_real_address_is_seen(self, web: Container, namespaces: list[Namespace]) -> None:
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
        other = container(either, other=DEFAULT_CONFIG)
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


DNS = Published("udp", "0.0.0.0", 5353, PORT)


class TestUdp:
    """A client that keeps its port keeps its entry in connection tracking alive: the entry must not outlive its use."""

    def test_it_arrives_and_the_answer_comes_back(
        self, either: Host, container: MakeContainer, namespaces: list[Namespace]
    ) -> None:
        inside = container(either, None, DNS)
        inside.serve_udp("0.0.0.0")
        assert namespaces[1].call(ask_udp, HOST_ADDRESS, 5353) == OUTSIDE_NEIGHBOUR
        assert either.call(ask_udp, "127.0.0.1", 5353) == inside.endpoint.gateway
        assert container(either).call(ask_udp, HOST_ADDRESS, 5353)

    def test_a_client_that_began_before_the_container(
        self, host: Host, container: MakeContainer, namespaces: list[Namespace]
    ) -> None:
        with namespaces[1].conversation(HOST_ADDRESS, 5353) as ask_again:
            assert ask_again() == ""
            inside = container(host, None, DNS)
            inside.serve_udp("0.0.0.0")
            assert ask_again() == OUTSIDE_NEIGHBOUR

    def test_a_client_goes_on_with_the_next_container(
        self, host: Host, container: MakeContainer, namespaces: list[Namespace]
    ) -> None:
        first = container(host, None, DNS)
        first.serve_udp("0.0.0.0")
        with namespaces[1].conversation(HOST_ADDRESS, 5353) as ask_again:
            assert ask_again() == OUTSIDE_NEIGHBOUR
            host.release(first.id)
            second = container(host, None, DNS)
            second.serve_udp("0.0.0.0")
            assert second.endpoint.address != first.endpoint.address
            assert ask_again() == OUTSIDE_NEIGHBOUR


class TestIpv6:
    @pytest.fixture
    def dual(self, either: Host, container: MakeContainer, namespaces: list[Namespace]) -> Container:
        """A container on a network with IPv6, whose ports 8080 and 5353 are published on it."""
        for namespace, address in ((either, "2001:db8::2"), (namespaces[1], "2001:db8::1")):
            namespace.sh("ip", "address", "add", f"{address}/64", "dev", "up0", "nodad")
        either.add_network("dual", "10.66.0.0/24", "fd00:66::/64")
        published = (WEB, DNS, WEB._replace(host_address="::"), DNS._replace(host_address="::"))
        inside = container(either, None, *published, dual=DEFAULT_CONFIG)
        inside.settle()
        inside.serve("::")
        inside.serve_udp("::")
        return inside

    def test_from_outside(self, dual: Container, namespaces: list[Namespace]) -> None:
        for question in (ask, ask_udp):
            assert namespaces[1].call(question, "2001:db8::2", 8080 if question is ask else 5353) == "2001:db8::1"
        assert namespaces[1].call(ask, HOST_ADDRESS, 8080) == f"::ffff:{OUTSIDE_NEIGHBOUR}"

    def test_from_the_host_the_neighbour_and_itself(
        self, either: Host, dual: Container, container: MakeContainer
    ) -> None:
        neighbour = container(either, dual=DEFAULT_CONFIG)
        neighbour.settle()
        assert either.call(ask, "2001:db8::2", 8080) == "2001:db8::2"
        for client in (neighbour, dual):
            assert client.call(ask, "2001:db8::2", 8080)

    def test_on_the_hosts_loopback_it_is_refused_at_once(self, either: Host, dual: Container) -> None:
        with pytest.raises(ConnectionRefusedError):
            either.call(ask, "::1", 8080)

    def test_the_world_sees_the_host(self, either: Host, dual: Container, namespaces: list[Namespace]) -> None:
        namespaces[1].serve("2001:db8::1")
        assert dual.call(ask, "2001:db8::1") == "2001:db8::2"

    def test_not_reachable_by_its_own_address(self, dual: Container, namespaces: list[Namespace]) -> None:
        namespaces[1].sh("ip", "route", "add", "fd00:66::/64", "via", "2001:db8::2")
        with pytest.raises(TimeoutError):
            namespaces[1].call(ask, dual.endpoint.address6, PORT, 0.5)
