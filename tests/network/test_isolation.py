"""Who must not reach whom, and who must not speak for whom: tried with packets, counted by the rules that drop them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import pytest

from minidock.network.endpoint import DEFAULT_CONFIG
from minidock.network.port_bindings import Published
from tests.engine.containers import eventually
from tests.network.internet import HOST_ADDRESS, OUTSIDE_ADDRESS, PORT, Container, Host, Namespace, ask

MakeContainer = Callable[..., Container]
ETH_P_IP, ETH_P_ARP = 0x0800, 0x0806
SHORT = 0.4  # seconds until a connection counts as dropped


@pytest.fixture(params=["0", "1"], ids=["routed", "br_netfilter"])
def either(host: Host, request: pytest.FixtureRequest) -> Host:
    """A host on which bridged packets pass the packet filter, or do not (docker turns that on)."""
    for name in ("iptables", "ip6tables"):
        host.sh("sysctl", "-qw", f"net.bridge.bridge-nf-call-{name}={request.param}")
    return host


def unreachable(client: Namespace, address: str, port: int = PORT) -> None:
    with pytest.raises(TimeoutError):
        client.call(ask, address, port, SHORT)


class TestTwoNetworks:
    @pytest.fixture
    def pair(self, either: Host, container: MakeContainer) -> tuple[Container, Container]:
        """Containers on two networks, each with a server."""
        either.add_network("red", "10.71.0.0/24", "fd00:71::/64")
        either.add_network("blue", "10.72.0.0/24", "fd00:72::/64")
        red, blue = container(either, red=DEFAULT_CONFIG), container(either, blue=DEFAULT_CONFIG)
        for inside in (red, blue):
            inside.settle()
            inside.serve("::")
        return red, blue

    def test_do_not_reach_each_other(self, either: Host, pair: tuple[Container, Container]) -> None:
        red, blue = pair
        for address in (blue.endpoint.address, blue.endpoint.address6):
            unreachable(red, address)
        assert either.dropped("all else to containers") >= 2

    def test_nor_by_the_others_gateway(self, pair: tuple[Container, Container]) -> None:
        red, blue = pair
        red.sh("ip", "route", "replace", "10.72.0.1", "dev", "eth0")
        red.sh("ip", "route", "replace", "10.72.0.0/24", "via", "10.72.0.1")
        unreachable(red, blue.endpoint.address)
        red.sh("ip", "route", "replace", "10.72.0.0/24", "via", "10.71.0.1")
        unreachable(red, blue.endpoint.address)

    def test_nor_by_an_address_of_the_others_network(self, pair: tuple[Container, Container]) -> None:
        red, blue = pair
        red.sh("ip", "address", "add", "10.72.0.99/24", "dev", "eth0")
        red.sh("ip", "route", "replace", "10.72.0.0/24", "via", "10.71.0.1", "src", "10.72.0.99")
        unreachable(red, blue.endpoint.address)

    def test_a_container_on_both_is_no_way_through(
        self, either: Host, pair: tuple[Container, Container], container: MakeContainer
    ) -> None:
        red, blue = pair
        both = container(either, red=DEFAULT_CONFIG, blue=DEFAULT_CONFIG)
        assert both.call(ask, red.endpoint.address).endswith(both.endpoints["red"].address)
        assert both.call(ask, blue.endpoint.address).endswith(both.endpoints["blue"].address)
        both.sh("sysctl", "-qw", "net.ipv4.ip_forward=1")
        red.sh("ip", "route", "add", "10.72.0.0/24", "via", both.endpoints["red"].address)
        unreachable(red, blue.endpoint.address)


class TestInternal:
    def test_no_way_out_and_none_in(self, either: Host, container: MakeContainer, namespaces: list[Namespace]) -> None:
        either.add_network("inner", "10.73.0.0/24", internal=True)
        web = Published("tcp", "0.0.0.0", 8080, PORT)
        inside, other = container(either, None, web, inner=DEFAULT_CONFIG), container(either, inner=DEFAULT_CONFIG)
        inside.serve("0.0.0.0")
        assert other.call(ask, inside.endpoint.address) == other.endpoint.address
        with pytest.raises(OSError, match="unreachable"):
            inside.call(ask, OUTSIDE_ADDRESS, PORT, SHORT)
        inside.sh("ip", "route", "add", "default", "via", "10.73.0.1")  # which it may not, but CAP_NET_ADMIN may
        unreachable(inside, OUTSIDE_ADDRESS)
        assert either.dropped("no way out of an internal network") >= 1
        namespaces[1].sh("ip", "route", "add", "10.73.0.0/24", "via", HOST_ADDRESS)
        unreachable(namespaces[1], inside.endpoint.address)
        assert either.dropped("and none in") >= 1
        with pytest.raises(ConnectionRefusedError):
            namespaces[1].call(ask, HOST_ADDRESS, 8080)


class TestWithoutCommunication:
    def test_neighbours_reach_the_world_and_published_ports_but_not_each_other(
        self, either: Host, container: MakeContainer
    ) -> None:
        either.add_network("apart", "10.74.0.0/24", enable_icc="false")
        web = Published("tcp", "0.0.0.0", 8080, PORT)
        first, second = container(either, None, web, apart=DEFAULT_CONFIG), container(either, apart=DEFAULT_CONFIG)
        first.serve("0.0.0.0")
        with pytest.raises(OSError):
            second.call(ask, first.endpoint.address, PORT, SHORT)
        assert second.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS
        assert either.call(ask, first.endpoint.address) == first.endpoint.gateway


class TestTheHostsLoopback:
    def test_its_services_are_out_of_reach(self, either: Host, container: MakeContainer) -> None:
        """The bridge routes loopback addresses for the host's sake; whoever uses the bridge as router must not."""
        inside = container(either, None, Published("tcp", "0.0.0.0", 8080, 80))
        either.serve("127.0.0.1", 9999)
        inside.sh("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
        inside.sh("ip", "address", "flush", "dev", "lo")
        inside.sh("ip", "route", "add", "127.0.0.1/32", "via", inside.endpoint.gateway, "src", inside.endpoint.address)
        unreachable(inside, "127.0.0.1", 9999)
        assert either.dropped("the host's own loopback") >= 1


def frame(to: str, source: str, kind: int, payload: bytes) -> bytes:
    return mac(to) + mac(source) + struct.pack(">H", kind) + payload


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def udp(source: str, to: str, text: bytes) -> bytes:
    """An IPv4 packet with a UDP datagram in it; a checksum of 0 is none."""
    datagram = struct.pack(">HHHH", 1000, PORT, 8 + len(text), 0) + text
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, socket.IPPROTO_UDP, 0)
    head += socket.inet_aton(source) + socket.inet_aton(to)
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF) + head[12:] + datagram


def send(client: Container, data: bytes) -> None:
    with client.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        raw.send(data)


class TestForgery:
    """With CAP_NET_RAW, which containers have by default, a program writes whole frames."""

    @pytest.fixture
    def three(self, either: Host, container: MakeContainer) -> tuple[Container, Container, socket.socket]:
        """A forger, its victim, and a socket where the victim hears what it is sent."""
        forger, victim = container(either), container(either)
        ear = victim.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ear.bind(("0.0.0.0", PORT))
        ear.settimeout(SHORT)
        return forger, victim, ear

    def test_what_is_true_arrives(self, three: tuple[Container, Container, socket.socket]) -> None:
        forger, victim, ear = three
        me, it = forger.endpoint, victim.endpoint
        with ear:
            ear.settimeout(30)
            send(forger, frame(it.mac, me.mac, ETH_P_IP, udp(me.address, it.address, b"true")))
            assert ear.recvfrom(100) == (b"true", (me.address, 1000))

    @pytest.mark.parametrize("what", ["address", "mac", "gateway", "unknown"])
    def test_a_packet_in_anothers_name(
        self, either: Host, three: tuple[Container, Container, socket.socket], what: str
    ) -> None:
        forger, victim, ear = three
        me, it = forger.endpoint, victim.endpoint
        source = {"address": "172.30.0.77", "mac": me.address, "gateway": me.gateway, "unknown": "8.8.8.8"}[what]
        hardware = "02:42:ac:1e:00:4d" if what == "mac" else me.mac
        with ear:
            send(forger, frame(it.mac, hardware, ETH_P_IP, udp(source, it.address, b"forged")))
            with pytest.raises(TimeoutError):
                ear.recv(100)
        assert either.dropped("forged") == 1

    def test_an_answer_to_arp_in_the_gateways_name(
        self, either: Host, three: tuple[Container, Container, socket.socket]
    ) -> None:
        forger, victim, ear = three
        ear.close()
        me, it = forger.endpoint, victim.endpoint
        victim.call(ask, OUTSIDE_ADDRESS)  # the victim knows its gateway now
        before = victim.sh("ip", "neighbour", "show", it.gateway).split("lladdr ")[1][:17]
        claim = struct.pack(">HHBBH", 1, ETH_P_IP, 6, 4, 2) + mac(me.mac) + socket.inet_aton(it.gateway)
        claim += mac(it.mac) + socket.inet_aton(it.address)
        send(forger, frame(it.mac, me.mac, ETH_P_ARP, claim))
        eventually(lambda: either.dropped("forged") == 1)
        assert victim.sh("ip", "neighbour", "show", it.gateway).split("lladdr ")[1][:17] == before
        assert victim.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS

    def test_an_answer_to_neighbour_discovery_in_anothers_name(self, either: Host, container: MakeContainer) -> None:
        """What an answer to ARP is to IPv4 (RFC 4861, 4.4), from an address that is the forger's own."""
        either.add_network("dual", "10.66.0.0/24", "fd00:66::/64")
        forger, victim, other = (container(either, dual=DEFAULT_CONFIG) for _ in range(3))
        for inside in (forger, victim, other):
            inside.settle()
        other.serve("::")
        me, it, claimed = (inside.endpoint.address6 for inside in (forger, victim, other))
        assert victim.call(ask, claimed) == it
        assert forger.call(ask, claimed) == me  # discovery itself works, both ways
        before = victim.sh("ip", "neighbour", "show", claimed).split("lladdr ")[1][:17]
        with forger.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
            raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
            override = struct.pack(">BBHI", 136, 0, 0, 0x20000000) + socket.inet_pton(socket.AF_INET6, claimed)
            raw.sendto(override + bytes([2, 1]) + mac(forger.endpoint.mac), (it, 0))
        eventually(lambda: either.dropped("forged") == 1)
        assert victim.sh("ip", "neighbour", "show", claimed).split("lladdr ")[1][:17] == before

    def test_nobody_calls_himself_a_router(
        self, either: Host, three: tuple[Container, Container, socket.socket]
    ) -> None:
        """A router advertisement (RFC 4861, 4.2) for everybody on the bridge, from a true address."""
        forger, victim, ear = three
        ear.close()
        victim.sh("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=2")
        forger.sh("ip", "address", "add", "fe80::99/64", "dev", "eth0", "nodad")
        with forger.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as router:
            router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            index = int(forger.sh("ip", "-o", "link", "show", "eth0").split(":")[0])
            router.bind(("fe80::99", 0, 0, index))
            advertisement = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
            router.sendto(advertisement, ("ff02::1", 0, 0, index))
        eventually(lambda: either.dropped("the host alone is a router") == 1)
        assert victim.sh("ip", "-6", "route", "show", "default") == ""

    def test_an_address_taken_by_hand_is_no_use(
        self, either: Host, container: MakeContainer, three: tuple[Container, Container, socket.socket]
    ) -> None:
        forger, victim, ear = three
        ear.close()
        forger.sh("ip", "address", "add", f"{victim.endpoint.address}/16", "dev", "eth0")
        neighbour = container(either)
        victim.serve("0.0.0.0")
        forger.serve("0.0.0.0")
        assert neighbour.call(ask, victim.endpoint.address) == neighbour.endpoint.address
        hardware = neighbour.sh("ip", "neighbour", "show", victim.endpoint.address).split("lladdr ")[1][:17]
        assert hardware == victim.endpoint.mac

    def test_nobody_is_sent_out_under_a_foreign_address(self, either: Host, container: MakeContainer) -> None:
        forger = container(either)
        forger.sh("ip", "address", "add", "203.0.113.99/32", "dev", "eth0")
        with forger.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind(("203.0.113.99", 0))
            client.sendto(b"x", (OUTSIDE_ADDRESS, PORT))
        assert either.dropped("forged") >= 1
