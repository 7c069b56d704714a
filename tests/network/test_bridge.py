"""The bridge network, looked at with the kernel's eyes: `ip`, and packets that arrive."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from minidock.errors import ConflictError, HostError
from minidock.network import network_store
from minidock.network.connect_endpoints import connect_endpoints, import_ahead
from minidock.network.endpoint import DEFAULT_CONFIG
from minidock.network.port_bindings import Published
from minidock.network.release import release_endpoints
from minidock.network.reserve import reserve_addresses
from tests.network.internet import HOST_ADDRESS, OUTSIDE_ADDRESS, PORT, Container, Host, Namespace, ask, result_of

MakeContainer = Callable[..., Container]


def set_subnet(host: Host, subnet: str) -> None:
    """What a user does who wants another subnet: write it into the network's file."""
    with network_store.locked(host.root):
        network_store.ensure_predefined(host.root)
    path = Path(host.root, "networks", f"{host.network().id}.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "pools": [{"subnet": subnet}]}))


def ids(host: Host) -> list[str]:
    """The containers' cables on the host."""
    return sorted(name for name in host.links() if re.fullmatch("md[0-9a-f]{12}[a-z]?", name))


class TestWhatAContainerGets:
    def test_an_interface_with_an_address_and_a_way_out(self, host: Host, container: MakeContainer) -> None:
        inside = container(host)
        endpoint = inside.endpoint
        (link,) = json.loads(inside.sh("ip", "-j", "address", "show", "eth0"))
        assert link["address"] == endpoint.mac == "02:42:ac:1e:00:02"
        assert link["operstate"] == "UP"
        (address,) = (entry for entry in link["addr_info"] if entry["family"] == "inet")
        assert (address["local"], address["prefixlen"], address["broadcast"]) == (
            endpoint.address,
            16,
            "172.30.255.255",
        )
        assert endpoint.address == "172.30.0.2"
        (route,) = json.loads(inside.sh("ip", "-j", "route", "show", "default"))
        assert (route["gateway"], route["dev"]) == (endpoint.gateway, "eth0")
        assert inside.warnings == []
        assert host.links() >= {host.bridge, f"md{inside.id[:12]}"}

    def test_the_first_packet_gets_through_at_once(self, host: Host, container: MakeContainer) -> None:
        for _ in range(3):
            inside = container(host)
            inside.call(ask, OUTSIDE_ADDRESS)
            names, values = (row.split() for row in inside.sh("grep", "^Tcp:", "/proc/net/snmp").splitlines())
            assert values[names.index("RetransSegs")] == "0", "a lost first packet is sent again after a second"

    def test_mtu_is_that_of_the_way_out(self, host: Host, container: MakeContainer) -> None:
        host.sh("ip", "link", "set", "up0", "mtu", "1400")
        inside = container(host)
        name = f"md{inside.id[:12]}"
        shown = [
            *json.loads(inside.sh("ip", "-j", "link", "show", "eth0")),
            *json.loads(host.sh("ip", "-j", "link")),
        ]
        mtus = {link["ifname"]: link["mtu"] for link in shown}
        assert (mtus["eth0"], mtus[name], mtus[host.bridge]) == (1400, 1400, 1400)

    def test_a_host_without_any_network_still_has_the_bridge(self, lone_host: Host, container: MakeContainer) -> None:
        inside = container(lone_host)
        lone_host.serve(inside.endpoint.gateway)
        assert inside.call(ask, inside.endpoint.gateway) == inside.endpoint.address

    def test_ipv6_is_left_on(self, host: Host, container: MakeContainer) -> None:
        inside = container(host)
        assert inside.sh("cat", "/proc/sys/net/ipv6/conf/eth0/disable_ipv6").strip() == "0"


class TestAddresses:
    def test_reserving_again_gives_the_same(self, lone_host: Host) -> None:
        assert lone_host.reserve("a" * 64) == lone_host.reserve("a" * 64)

    def test_the_next_is_not_one_just_given_back(self, lone_host: Host) -> None:
        lone_host.reserve("a" * 64)
        lone_host.release("a" * 64)
        assert lone_host.reserve("b" * 64).address.endswith(".0.3")

    def test_they_wrap_around_and_leave_out_network_gateway_and_broadcast(self, lone_host: Host) -> None:
        set_subnet(lone_host, "10.9.8.0/29")
        given = []
        for number in range(7):
            given.append(lone_host.reserve(f"{number:064}").address)
            lone_host.release(f"{number:064}")
        assert given == [f"10.9.8.{last}" for last in (2, 3, 4, 5, 6, 2, 3)]

    def test_an_exhausted_pool_says_what_to_do(self, lone_host: Host) -> None:
        set_subnet(lone_host, "10.9.8.0/30")
        assert lone_host.reserve("a" * 64).address == "10.9.8.2"
        with pytest.raises(HostError, match=r"no free address in 10\.9\.8\.0/30: .*minidock stop") as raised:
            lone_host.reserve("b" * 64)
        assert "\n" not in str(raised.value)
        lone_host.release("a" * 64)
        assert lone_host.reserve("b" * 64).address == "10.9.8.2"

    def test_leases_of_an_earlier_boot_are_void(self, lone_host: Host) -> None:
        lone_host.reserve("a" * 64)
        path = Path(lone_host.root, "networks", f"{lone_host.network().id}.leases.json")
        content = json.loads(path.read_text())
        path.write_text(json.dumps({**content, "boot": "another"}))
        assert lone_host.leases() == {}

    def test_a_lease_file_emptied_by_a_power_cut_is_no_obstacle(self, lone_host: Host) -> None:
        lone_host.reserve("a" * 64)
        Path(lone_host.root, "networks", f"{lone_host.network().id}.leases.json").write_text("")
        assert lone_host.reserve("b" * 64).address.endswith(".0.2")

    def test_a_damaged_record_is_named(self, lone_host: Host) -> None:
        set_subnet(lone_host, "300.1.2.0/24")
        with pytest.raises(HostError, match=r"networks/[0-9a-f]{64}\.json is damaged \(.*'300\.1\.2\.0'"):
            lone_host.reserve("a" * 64)


class TestSubnet:
    @pytest.mark.parametrize("taken", ["172.30.0.0/16", "172.30.77.0/24", "172.24.0.0/13"])
    def test_it_does_not_collide_with_a_route(self, host: Host, taken: str) -> None:
        host.sh("ip", "route", "add", taken, "via", "198.51.100.1")
        address = host.reserve("a" * 64).address
        assert address == ("172.23.0.2" if taken == "172.24.0.0/13" else "172.29.0.2")

    def test_nor_with_one_in_another_table(self, host: Host) -> None:
        host.sh("ip", "route", "add", "172.30.5.0/24", "via", "198.51.100.1", "table", "77")
        assert host.reserve("a" * 64).address == "172.29.0.2"

    def test_nor_with_the_address_of_an_interface_that_is_down(self, host: Host) -> None:
        host.sh("ip", "link", "add", "d0", "type", "bridge")
        host.sh("ip", "address", "add", "172.30.9.9/24", "dev", "d0")
        assert host.reserve("a" * 64).address == "172.29.0.2"

    def test_a_vpn_over_the_default_route_claims_nothing(self, host: Host) -> None:
        for half in ("0.0.0.0/1", "128.0.0.0/1"):
            host.sh("ip", "route", "add", half, "via", "198.51.100.1")
        assert host.reserve("a" * 64).address == "172.30.0.2"

    def test_with_everything_taken_it_says_what_to_do(self, host: Host) -> None:
        for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"):
            host.sh("ip", "route", "add", block, "via", "198.51.100.1")
        with pytest.raises(HostError, match=r"write a free one into .*/networks/[0-9a-f]{64}\.json"):
            host.reserve("a" * 64)
        set_subnet(host, "100.64.3.0/24")
        assert host.reserve("a" * 64).address == "100.64.3.2"

    def test_it_is_kept_while_it_is_free(self, host: Host) -> None:
        host.sh("ip", "route", "add", "172.30.0.0/16", "via", "198.51.100.1")
        host.reserve("a" * 64)
        host.release("a" * 64)
        host.sh("ip", "route", "del", "172.30.0.0/16")
        host.sh("ip", "link", "del", host.bridge)
        assert host.reserve("b" * 64).address == "172.29.0.3"

    def test_it_is_chosen_anew_when_it_collides_and_nobody_is_on_it(self, host: Host) -> None:
        host.reserve("a" * 64)
        host.release("a" * 64)
        host.sh("ip", "link", "del", host.bridge)
        host.sh("ip", "route", "add", "172.30.0.0/16", "via", "198.51.100.1")
        assert host.reserve("b" * 64).address == "172.29.0.2"

    def test_two_roots_share_neither_bridge_nor_address(
        self, host: Host, container: MakeContainer, tmp_path: Path
    ) -> None:
        first = container(host)
        host.root = str(tmp_path / "other")
        second = container(host)
        assert (first.endpoint.address, second.endpoint.address) == ("172.30.0.2", "172.29.0.2")
        assert first.endpoint.bridge != second.endpoint.bridge
        for inside in (first, second):
            assert inside.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS


class TestBridge:
    def test_a_deleted_one_is_made_again_with_the_containers_on_it(self, host: Host, container: MakeContainer) -> None:
        first = container(host)
        host.sh("ip", "link", "del", host.bridge)
        second = container(host)
        assert second.endpoint.address == "172.30.0.3"
        first.serve(first.endpoint.address)
        assert second.call(ask, first.endpoint.address) == second.endpoint.address
        assert first.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS

    def test_a_deleted_one_comes_back_with_what_published_ports_need(
        self, host: Host, container: MakeContainer
    ) -> None:
        """By loopback, and from the container itself: neither is a property of the cable."""
        host.sh("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")
        web = container(host, None, Published("tcp", "0.0.0.0", 8080, PORT))
        web.serve("0.0.0.0")
        host.sh("ip", "link", "del", host.bridge)
        container(host)
        assert host.sh("cat", f"/proc/sys/net/ipv4/conf/{host.bridge}/route_localnet") == "1\n"
        assert host.call(ask, "127.0.0.1", 8080) == web.endpoint.gateway
        assert web.call(ask, HOST_ADDRESS, 8080)

    def test_it_keeps_its_hardware_address(self, host: Host, container: MakeContainer) -> None:
        def mac() -> str:
            return str(json.loads(host.sh("ip", "-j", "link", "show", host.bridge))[0]["address"])

        host.reserve("a" * 64)
        before = mac()
        container(host)
        assert mac() == before == "02:42:ac:1e:00:01"

    def test_remove_leaves_nothing(self, host: Host, container: MakeContainer) -> None:
        links, rules = host.links(), host.rules()
        inside = container(host)
        with pytest.raises(ConflictError, match="has active endpoints"):
            host.remove_network()
        host.release(inside.id)
        host.remove_network()
        assert (host.links(), host.rules()) == (links, rules)
        assert host.sh("nft", "list", "tables") == ""
        assert sorted(network.name for network in network_store.load_all(host.root)) == ["host", "none"]

    def test_remove_spares_another_root(self, host: Host, container: MakeContainer, tmp_path: Path) -> None:
        other = container(host)
        host.root = str(tmp_path / "other")
        host.reserve("a" * 64)
        host.release("a" * 64)
        host.remove_network()
        assert other.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS


class TestRelease:
    def test_the_cable_is_gone_when_it_returns(self, host: Host, container: MakeContainer) -> None:
        inside = container(host)
        host.release(inside.id)
        assert ids(host) == []
        assert host.leases() == {}
        assert "eth0" not in inside.links()

    def test_also_while_the_kernel_destroys_the_namespace(self, host: Host, container: MakeContainer) -> None:
        for _ in range(10):
            inside = Container(host)
            inside.close()
            host.release(inside.id)
            assert ids(host) == []

    def test_again_and_for_what_never_was(self, host: Host, container: MakeContainer) -> None:
        inside = container(host)
        for container_id in (inside.id, inside.id, "f" * 64):
            host.release(container_id)
        assert host.leases() == {}

    def test_before_there_is_any_network(self, lone_host: Host) -> None:
        lone_host.release("a" * 64)
        assert os.listdir(lone_host.root) == []

    def test_only_ones_own(self, host: Host, container: MakeContainer) -> None:
        first, second = container(host), container(host)
        host.release(first.id)
        assert host.leases() == {second.id: second.endpoint.address}
        assert second.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS


class TestManyAtOnce:
    def test_twenty_containers_come_and_go(self, host: Host, namespaces: list[Namespace]) -> None:
        def come(root: str, container_id: str, netns_fd: int) -> tuple[str, list[str]]:
            wanted = reserve_addresses(root, container_id, "name", {"bridge": DEFAULT_CONFIG})
            return wanted["bridge"].address, connect_endpoints(root, wanted, netns_fd)

        inside = {os.urandom(32).hex(): Namespace("container") for _ in range(20)}
        namespaces += inside.values()
        children = [host.start(come, host.root, name, namespace.fd) for name, namespace in inside.items()]
        results = [result_of(*child) for child in children]
        assert len({address for address, _ in results}) == 20
        assert all(warnings == [] for _, warnings in results)
        assert len(ids(host)) == 20
        for namespace in inside.values():
            assert namespace.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS
        for child in [host.start(release_endpoints, host.root, name) for name in inside]:
            result_of(*child)
        assert (ids(host), host.leases()) == ([], {})

    def test_killed_anywhere_release_leaves_nothing(self, host: Host, namespaces: list[Namespace]) -> None:
        def come(root: str, container_id: str, netns_fd: int) -> None:
            wanted = reserve_addresses(root, container_id, "name", {"bridge": DEFAULT_CONFIG})
            connect_endpoints(root, wanted, netns_fd)

        import_ahead()
        for _ in range(25):
            namespace, container_id = Namespace("container"), os.urandom(32).hex()
            try:
                pid, reader = host.start(come, host.root, container_id, namespace.fd)
                time.sleep(random.uniform(0, 0.03))
                os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(EOFError):
                    result_of(pid, reader)
                host.release(container_id)
                assert (ids(host), host.leases()) == ([], {})
            finally:
                namespace.close()
        assert not list(Path(host.root).rglob("*.tmp*")), "half-written files"
