"""Networks that users make: what they are on the host, what is refused, and who is on them."""

from __future__ import annotations

import json
import random
import subprocess
import time

from tests.network.containers import World, ip

BAD_NETWORKS = {
    "--subnet 10.0.0/8": "Invalid subnet 10.0.0/8 : invalid CIDR address: 10.0.0/8",
    "--subnet 10.0.0.0/33": "invalid CIDR address",
    "--subnet 300.1.1.0/24": "invalid CIDR address",
    "--subnet 10.203.0.0": "invalid CIDR address",
    "--subnet 10.203.0.0/31": "No available addresses on this pool",
    "--subnet 0.0.0.0/0": "half of the world",
    "--subnet 10.203.0.0/16 --gateway 10.204.0.1": "no matching subnet for gateway 10.204.0.1",
    "--subnet 10.203.0.0/16 --gateway 10.203.0.0": "Address already in use",
    "--subnet 10.203.0.0/16 --gateway ten": "no matching subnet for gateway ten",
    "--subnet 10.203.0.0/16 --ip-range 10.204.0.0/24": "no matching subnet for range 10.204.0.0/24",
    "--subnet 10.203.0.0/16 --aux-address a=10.204.0.1": "no matching subnet for aux-address 10.204.0.1",
    "--subnet 10.203.0.0/16 --ip-range ten": "invalid CIDR address: ten",
    "--aux-address a=10.204.0.1": "no matching subnet for aux-address 10.204.0.1",
    "--gateway 10.203.0.1": "every ip-range or gateway must have a corresponding subnet",
    "--subnet 10.203.0.0/16 --subnet 10.204.0.0/16": "bridge driver doesn't support multiple subnets",
    "--subnet 10.203.0.0/16 --subnet 10.203.4.0/24": "multiple overlapping subnet",
    "--subnet 127.0.0.0/16": "Pool overlaps with other one on this address space",
    "--driver overlay": 'plugin "overlay" not found',
    "--driver host": 'only one instance of "host" network is allowed',
    "-o com.docker.network.bridge.enable_icc=maybe": "failed to parse com.docker.network.bridge.enable_icc value",
    "-o com.docker.network.driver.mtu=big": "failed to parse com.docker.network.driver.mtu value",
    "-o com.docker.network.driver.mtu=-4": "invalid MTU number: -4",
    "-o com.docker.network.bridge.name=averyverylongname": "is no name of an interface",
    "-o com.docker.network.bridge.name=lo": "exists already",
}


class TestCreate:
    def test_it_is_a_bridge_with_the_first_address(self, world: World) -> None:
        name = world.network("--subnet", "10.201.7.9/24", "--label", "a=b", "-o", "com.docker.network.driver.mtu=1400")
        found = world.inspect(name)
        assert found["IPAM"]["Config"] == [{"Subnet": "10.201.7.0/24", "Gateway": "10.201.7.1"}]
        assert found["Labels"] == {"a": "b"}
        (link,) = ip("address", "show", f"mdbr-{found['Id'][:10]}")
        assert link["mtu"] == 1400
        (address,) = (row for row in link["addr_info"] if row["family"] == "inet")
        assert (address["local"], address["prefixlen"], address["broadcast"]) == ("10.201.7.1", 24, "10.201.7.255")

    def test_its_name_gateway_range_and_reserved_addresses_can_be_chosen(self, world: World) -> None:
        name = world.network(
            "--subnet", "10.202.0.0/16", "--gateway", "10.202.9.9", "--ip-range", "10.202.5.0/29",
            "--aux-address", "printer=10.202.5.1", "-o", "com.docker.network.bridge.name=mdt-br",
            "-o", "com.docker.network.container_iface_prefix=net",
        )  # fmt: skip
        assert ip("address", "show", "mdt-br")[0]["addr_info"][0]["local"] == "10.202.9.9"
        first, second = world.container("--network", name), world.container("--network", name)
        assert world.address(first, name) == "10.202.5.0"
        assert world.address(second, name) == "10.202.5.2"
        assert "default via 10.202.9.9 dev net0" in world.inside(first, "ip route")

    def test_subnets_that_are_not_chosen_collide_with_nothing(self, world: World) -> None:
        names = [world.network(), world.network()]
        subnets = [world.inspect(name)["IPAM"]["Config"][0]["Subnet"] for name in names]
        assert len(set(subnets)) == 2
        routes = [route["dst"] for route in ip("route")]
        assert all(routes.count(subnet) == 1 for subnet in subnets)

    def test_what_cannot_be_is_refused_and_leaves_nothing(self, world: World) -> None:
        before = world("network", "ls", "-q"), sorted(link["ifname"] for link in ip("link"))
        for words, message in BAD_NETWORKS.items():
            code, line = world.refused("network", "create", *words.split(), "x")
            assert (code, message in line) == (1, True), (words, line)
        assert (world("network", "ls", "-q"), sorted(link["ifname"] for link in ip("link"))) == before

    def test_names_and_subnets_in_use_are_refused(self, world: World) -> None:
        name = world.network("--subnet", "10.205.0.0/16")
        assert world.refused("network", "create", name) == (1, f"network with name {name} already exists")
        _, line = world.refused("network", "create", "--subnet", "10.205.3.0/24", "x")
        assert line.startswith("Pool overlaps with other one on this address space")
        assert f"network {name}" in line
        assert world.refused("network", "create", "")[1].startswith("invalid network name ''")
        assert world.refused("network", "create", "bridge")[1] == (
            "operation is not permitted on predefined bridge network"
        )
        assert "invalid network name" in world.refused("network", "create", "no good")[1]

    def test_killed_anywhere_it_is_a_network_or_none(self, world: World) -> None:
        before = {link["ifname"] for link in ip("link")}
        for number in range(12):
            name = f"mdt-killed-{number}"
            with world.minidock.start("network", "create", name, stdout=subprocess.DEVNULL) as process:
                time.sleep(random.uniform(0.05, 0.35))
                process.kill()
            known = world("network", "ls", "--format", "{{.Name}}").split()
            if name in known:
                world.networks.append(name)
                world("run", "--rm", "--network", name, "alpine", "true")
                world("network", "rm", name)
            assert {link["ifname"] for link in ip("link")} == before, "a bridge of no network"


class TestLists:
    def test_ls_has_docker_s_columns_and_filters(self, world: World) -> None:
        name = world.network("--internal", "--label", "role=web")
        lines = world("network", "ls").splitlines()
        assert lines[0].split("  ")[0] == "NETWORK ID"
        assert [line.split()[1:] for line in lines if name in line.split()] == [[name, "bridge", "local"]]
        rows = world("network", "ls", "--filter", "label=role=web", "--format", "{{.Name}} {{.Internal}}")
        assert rows == f"{name} true\n"
        builtin = world("network", "ls", "-f", "type=builtin", "--format", "{{.Name}}")
        assert builtin.split() == ["bridge", "host", "none"]
        assert world("network", "ls", "-f", "driver=null", "--format", "{{.Name}}") == "none\n"
        (whole,) = world("network", "ls", "-q", "--no-trunc", "-f", f"name={name}").split()
        assert world("network", "ls", "-q", "-f", f"id={whole[:8]}") == f"{whole[:12]}\n"
        assert "invalid filter" in world.refused("network", "ls", "-f", "size=3")[1]

    def test_inspect_shows_who_is_on_it_with_cable_and_counters(self, world: World) -> None:
        name = world.network()
        container = world.container("--network", name, "--mac-address", "02:11:22:33:44:55")
        (cable,) = (link["ifname"] for link in ip("link", "show", "type", "veth") if _leads_to(world, container, link))
        before = world.inspect(name)["Containers"]
        world.inside(container, f"ping -c 3 -i 0.1 {world.inspect(name)['IPAM']['Config'][0]['Gateway']}")
        (after,) = world.inspect(name)["Containers"].values()
        (earlier,) = before.values()
        assert (after["Name"], after["HostInterface"], after["Interface"]) == (container, cable, "eth0")
        assert after["IPv4Address"] == f"{world.address(container, name)}/16"
        assert after["MacAddress"] == "02:11:22:33:44:55"
        assert after["TxPackets"] - earlier["TxPackets"] >= 3 <= after["RxPackets"] - earlier["RxPackets"]
        world("rm", "-f", container)
        assert world.inspect(name)["Containers"] == {}

    def test_inspect_of_none_is_an_empty_list(self, world: World) -> None:
        done = world.minidock("network", "inspect", "nosuch")
        assert (done.returncode, json.loads(done.stdout)) == (1, [])
        assert done.stderr == b"minidock: network nosuch not found\n"


def _leads_to(world: World, container: str, link: dict[str, object]) -> bool:
    """Whether the cable's other end is what the container calls eth0: each end knows the other's number."""
    return int(world.inside(container, "cat /sys/class/net/eth0/iflink")) == link["ifindex"]


class TestRemoval:
    def test_one_in_use_stays_and_one_of_stopped_containers_goes(self, world: World) -> None:
        name = world.network()
        container = world.container("--network", name)
        bridge = f"mdbr-{world.inspect(name)['Id'][:10]}"
        code, line = world.refused("network", "rm", name)
        assert (code, "has active endpoints" in line) == (1, True)
        assert bridge in [link["ifname"] for link in ip("link")]
        world("stop", "-t", "0", container)
        assert world("network", "rm", "-f", "nosuch", name) == f"{name}\n"
        assert bridge not in [link["ifname"] for link in ip("link")]
        code, line = world.refused("start", container)
        assert f"network {name} not found" in line

    def test_predefined_and_unknown_ones(self, world: World) -> None:
        for name in ("bridge", "host", "none"):
            assert world.refused("network", "rm", name)[1] == f"{name} is a pre-defined network and cannot be removed"
        assert world.refused("network", "rm", "nosuch") == (1, "network nosuch not found")

    def test_events_tell_of_it(self, world: World) -> None:
        since = world("info", "-f", "{{.SystemTime}}").strip()
        name = world.network()
        container = world.container("--network", name)
        world("rm", "-f", container)
        world("network", "rm", name)
        words = ("--filter", "type=network", "--format", "{{.Action}} {{.Actor.Attributes.name}}")
        told = world("events", "--since", since, "--until", "0s", *words).splitlines()
        assert [line for line in told if line.endswith(f" {name}")] == [
            f"{action} {name}" for action in ("create", "connect", "disconnect", "destroy")
        ]

    def test_prune_spares_the_used_and_the_predefined(self, world: World) -> None:
        used, free, kept = world.network(), world.network(), world.network("--label", "keep")
        world.container("--network", used)
        out = world("network", "prune", "-f", "--filter", "label!=keep")
        assert out == f"Deleted Networks:\n{free}\n\n"
        left = world("network", "ls", "--format", "{{.Name}}").split()
        assert {"bridge", "host", "none", used, kept} <= set(left)

    def test_a_network_whose_bridge_someone_deleted_is_made_whole_by_the_next_container(self, world: World) -> None:
        name = world.network()
        first = world.container("--network", name)
        bridge = f"mdbr-{world.inspect(name)['Id'][:10]}"
        subprocess.run(["ip", "link", "delete", bridge], check=True)
        second = world.container("--network", name)
        world.inside(second, f"ping -c 1 -W 2 {first}")


class TestAddresses:
    def test_an_address_of_one_s_own(self, world: World) -> None:
        name = world.network("--subnet", "10.206.0.0/24", "--subnet", "fd06::/64")
        first = world.container("--network", name, "--ip", "10.206.0.77", "--ip6", "fd06::77")
        assert "10.206.0.77/24" in world.inside(first, "ip -4 address show eth0")
        assert "fd06::77/64" in world.inside(first, "ip -6 address show eth0")
        for flags, message in {
            ("--ip", "10.206.0.77"): "Address already in use",
            ("--ip", "10.206.0.1"): "Address already in use",
            ("--ip", "10.206.0.255"): "Address already in use",
            ("--ip", "10.207.0.7"): "It does not belong to any of this network's subnets",
            ("--ip6", "fd07::7"): "It does not belong to any of this network's subnets",
            ("--ip", "10.206.0.x"): "invalid IPv4 address: 10.206.0.x",
            ("--ip6", "10.206.0.9"): "invalid IPv6 address: 10.206.0.9",
        }.items():
            code, line = world.refused("run", "--rm", "--network", name, *flags, "alpine", "true")
            assert (code, message in line) == (125, True), line
        world("restart", "-t", "0", first)
        assert world.address(first, name) == "10.206.0.77"

    def test_only_where_subnets_are_chosen(self, world: World) -> None:
        name = world.network()
        words = ("--ip", "10.206.0.7", "alpine", "true")
        start = "user specified IP address is supported"
        code, line = world.refused("run", "--rm", "--network", name, *words)
        assert (code, line) == (125, f"{start} only when connecting to networks with user configured subnets")
        code, line = world.refused("run", "--rm", *words)
        assert (code, line) == (125, f"{start} on user defined networks only")

    def test_several_networks_at_once_and_the_default_route_of_the_first_by_name(self, world: World) -> None:
        a, b = world.network(name="mdt-aaa"), world.network(name="mdt-bbb")
        closed = world.network("--internal", name="mdt-a")
        container = world.container("--network", b, "--network", f"name={a},alias=other", "--network", closed)
        gateway = world.inspect(a)["IPAM"]["Config"][0]["Gateway"]
        assert world.inside(container, "ip route").startswith(f"default via {gateway} dev eth1 ")
        assert world.lookup(container, "other") == [world.address(container, a)]
        assert "eth2" in world.inside(container, "ls /sys/class/net")


class TestIPv6:
    def test_addresses_routes_and_no_waiting(self, world: World) -> None:
        name = world.network("--ipv6")
        (_, pool) = world.inspect(name)["IPAM"]["Config"]
        assert pool["Subnet"].startswith("fd")
        server = world.container("--network", name)
        # At once: no address is tentative for a second first.
        pings = f"ping -6 -c 1 -W 1 {pool['Gateway']} && ping -6 -c 1 -W 1 {server}"
        out = world("run", "--rm", "--network", name, "alpine", "sh", "-c", f"ip -6 route show default; {pings}")
        assert f"default via {pool['Gateway']} dev eth0" in out
        assert out.count("1 packets received") == 2
        v6 = world("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}{{end}}", server).strip()
        assert v6 in world.lookup(server, server)
        assert v6 in world.inside(server, "cat /etc/hosts")
