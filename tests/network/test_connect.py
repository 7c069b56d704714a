"""Containers that join and leave networks while they run, and those that do not run."""

from __future__ import annotations

import json
import random
import time

from tests.network.containers import World, ip


def default_route(world: World, container: str) -> str:
    """The line of the default route, if there is one."""
    return next((line.strip() for line in world.inside(container, "ip route").splitlines() if "default" in line), "")


def gateway(world: World, network: str) -> str:
    return str(world.inspect(network)["IPAM"]["Config"][0]["Gateway"])


class TestRunning:
    def test_an_interface_more_and_the_default_route_moves_to_the_first_by_name(self, world: World) -> None:
        later, earlier = world.network(name="mdt-later"), world.network(name="a-mdt-earlier")
        container = world.container()
        assert default_route(world, container) == f"default via {gateway(world, 'bridge')} dev eth0"
        world("network", "connect", later, container)
        assert default_route(world, container) == f"default via {gateway(world, 'bridge')} dev eth0"
        world("network", "connect", earlier, container)
        assert default_route(world, container) == f"default via {gateway(world, earlier)} dev eth2"
        hosts = [line.split()[0] for line in world.inside(container, "cat /etc/hosts").splitlines()]
        assert {world.address(container, name) for name in (later, earlier, "bridge")} <= set(hosts)
        world("network", "disconnect", earlier, container)
        assert default_route(world, container) == f"default via {gateway(world, 'bridge')} dev eth0"
        assert "eth2" not in world.inside(container, "ls /sys/class/net")
        world("network", "disconnect", "bridge", container)
        assert default_route(world, container) == f"default via {gateway(world, later)} dev eth1"
        world("restart", "-t", "0", container)
        assert default_route(world, container) == f"default via {gateway(world, later)} dev eth0"
        assert world.inside(container, "ls /sys/class/net").split() == ["eth0", "lo"]

    def test_names_are_known_at_once_on_both_sides(self, world: World) -> None:
        net = world.network()
        here, comes = world.container("--network", net), world.container()
        world("network", "connect", "--alias", "newcomer", net, comes)
        assert world.lookup(here, "newcomer") == world.lookup(here, comes) == [world.address(comes, net)]
        assert world.lookup(comes, here) == [world.address(here, net)]
        world.inside(comes, f"ping -c 1 -W 2 {here}")
        world("network", "disconnect", net, comes)
        assert world.lookup(here, "newcomer") == []
        assert world.fails_inside(here, f"ping -c 1 -W 1 {comes}")

    def test_a_user_s_lines_in_hosts_stay(self, world: World) -> None:
        net, container = world.network(), world.container()
        world.inside(container, "echo '192.0.2.7 mine' >>/etc/hosts")
        before = world.inside(container, "cat /etc/hosts")
        world("network", "connect", net, container)
        world("network", "disconnect", net, container)
        assert world.inside(container, "cat /etc/hosts") == before

    def test_to_an_address_and_with_a_link(self, world: World) -> None:
        net = world.network("--subnet", "10.208.0.0/24")
        server, container = world.container("--network", net), world.container()
        world("network", "connect", "--ip", "10.208.0.88", "--link", f"{server}:db", net, container)
        assert world.address(container, net) == "10.208.0.88"
        assert world.lookup(container, "db") == [world.address(server, net)]
        code, line = world.refused("network", "connect", "--ip", "10.208.0.88", net, world.container())
        assert (code, "Address already in use" in line) == (1, True)

    def test_a_refused_one_leaves_nothing(self, world: World) -> None:
        net, container = world.network("--subnet", "10.208.0.0/30"), world.container()
        world.container("--network", net)
        links = sorted(link["ifname"] for link in ip("link"))
        code, line = world.refused("network", "connect", net, container)
        assert (code, "no free address in 10.208.0.0/30" in line) == (1, True)
        assert sorted(link["ifname"] for link in ip("link")) == links
        assert world.fails_inside(container, "ls /sys/class/net/eth1")
        world("restart", "-t", "0", container)

    def test_a_paused_one(self, world: World) -> None:
        net, container = world.network(), world.container()
        world("pause", container)
        world("network", "connect", net, container)
        world("unpause", container)
        assert world.lookup(container, container) == [world.address(container, net)]

    def test_a_container_on_none_joins_after_it_has_left_that(self, world: World) -> None:
        net, container = world.network(), world.container("--network", "none")
        assert "in private (none) mode" in world.refused("network", "connect", net, container)[1]
        world("network", "disconnect", "none", container)
        world("network", "connect", net, container)
        assert default_route(world, container) == f"default via {gateway(world, net)} dev eth0"


def test_killed_anywhere_it_can_be_undone_and_done_again(world: World) -> None:
    net, container = world.network(), world.container()
    before = sorted(link["ifname"] for link in ip("link"))
    for _ in range(8):
        with world.minidock.start("network", "connect", net, container) as process:
            time.sleep(random.uniform(0.1, 0.5))
            process.kill()
        world.minidock("network", "disconnect", net, container)  # refused, if nothing was done yet
        assert world.inspect(net)["Containers"] == {}
        assert sorted(link["ifname"] for link in ip("link")) == before
        assert world.inside(container, "ls /sys/class/net").split() == ["eth0", "lo"]
    world("network", "connect", net, container)
    assert world.lookup(container, container) == [world.address(container, net)]


class TestNotRunning:
    def test_it_counts_from_the_next_start(self, world: World) -> None:
        net = world.network()
        world("create", "--name", "mdt-later", "alpine", "sleep", "1000")
        world.containers.append("mdt-later")
        world("network", "connect", "--alias", "www", net, "mdt-later")
        world("network", "disconnect", "bridge", "mdt-later")
        assert world.inspect(net)["Containers"] == {}
        world("start", "mdt-later")
        assert world.lookup("mdt-later", "www") == [world.address("mdt-later", net)]
        assert world.inside("mdt-later", "ls /sys/class/net").split() == ["eth0", "lo"]

    def test_off_a_network_that_is_gone_it_starts_again(self, world: World) -> None:
        net = world.network()
        container = world.container("--network", net)
        world("stop", "-t", "0", container)
        world("network", "rm", net)
        world.networks.remove(net)
        assert world.refused("start", container) == (1, f"network {net} not found")
        world("network", "disconnect", net, container)
        assert world.refused("network", "disconnect", net, container) == (1, f"network {net} not found")
        world("start", container)
        assert world.inside(container, "ls /sys/class/net").split() == ["lo"]


def test_what_cannot_be(world: World) -> None:
    net, container = world.network(), world.container()
    host = world.container("--network", "host")
    guest = world.container("--network", f"container:{container}")
    own = f"container {world('inspect', '-f', '{{.Id}}', container).strip()}"
    shared = "container sharing network namespace with another container or host cannot be connected"
    for words, message in {
        f"connect nosuch {container}": "network nosuch not found",
        f"connect {net} nosuch": "No such container: nosuch",
        f"connect bridge {container}": f"endpoint with name {container} already exists in network bridge",
        f"connect host {container}": "container cannot be disconnected from host network or connected to host network",
        f"connect {net} {host}": shared,
        f"connect {net} {guest}": shared,
        f"connect --ip 10.0.0.x {net} {container}": "invalid IPv4 address: 10.0.0.x",
        f"connect --ip 10.0.0.9 {net} {container}": "only when connecting to networks with user configured subnets",
        f"disconnect nosuch {container}": "network nosuch not found",
        f"disconnect {net} nosuch": "No such container: nosuch",
        f"disconnect -f {net} nosuch": "endpoint nosuch not found",
        f"disconnect {net} {container}": f"{own} is not connected to network {net}",
        f"disconnect host {host}": "container cannot be disconnected from host network or connected to host network",
    }.items():
        code, line = world.refused("network", *words.split())
        assert (code, message in line) == (1, True), (words, line)


def test_the_network_with_the_highest_priority_is_the_way_out(world: World) -> None:
    """--gw-priority, of `run` and of `connect`: names decide only among equals."""
    first, second, third = (world.network(name=name) for name in ("gw-a", "gw-b", "gw-c"))
    container = world.container("--network", f"name={second},gw-priority=5", "--network", first)

    def leads_to(network: str) -> bool:
        return f"via {gateway(world, network)} " in default_route(world, container)

    assert leads_to(second)
    world("network", "connect", "--gw-priority", "9", third, container)
    assert leads_to(third)
    described = json.loads(world("inspect", container))[0]["NetworkSettings"]["Networks"]
    assert {name: row["GwPriority"] for name, row in described.items()} == {first: 0, second: 5, third: 9}
    world("network", "disconnect", third, container)
    assert leads_to(second)
    world("network", "connect", "--gw-priority", "-3", third, container)
    assert leads_to(second)


def test_an_alias_and_a_resolver_s_option_by_docker_s_old_flags(world: World) -> None:
    network = world.network()
    named = world.container("--network", network, "--net-alias", "alone", "--dns-opt", "ndots:3")
    assert "ndots:3" in world.inside(named, "cat /etc/resolv.conf")
    assert world.inside(world.container("--network", network), "nslookup alone")
