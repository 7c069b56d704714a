"""Networks of the driver macvlan: links on a parent, as `ip -j -d link` shows them; refusals in docker's words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.network.containers import World, ip
from tests.network.internet import HOST_ADDRESS, OUTSIDE_ADDRESS, Host, ask
from tests.network.machine import Inside, Machine

LAN = ("--subnet", "198.51.100.0/24", "--gateway", "198.51.100.1", "--ip-range", "198.51.100.64/26")
ON_UP0 = ("-d", "macvlan", "-o", "parent=up0", *LAN)
REFUSED = {  # what docker 26 was seen to say
    "-o parent=nope": "invalid subinterface vlan name nope, example formatting is eth0.10",
    "-o parent=nope.10": "-o parent interface was not found on the host: nope",
    "-o parent=up0.x": "unable to parse a valid vlan id from: x (ex. eth0.10 for vlan 10)",
    "-o parent=up0.0": "vlan id must be between 1-4094, received: 0",
    "-o parent=up0.4095": "vlan id must be between 1-4094, received: 4095",
    "-o parent=up0.1.2": "required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received "
                         "up0.1.2",
    "-o parent=lo": "loopback interface is not a valid macvlan parent link",
    "-o parent=up0 -o macvlan_mode=wild":
        "requested macvlan mode 'wild' is not valid, 'bridge' mode is the macvlan driver default",
}  # fmt: skip


def inside_links(container: Inside) -> dict[str, Any]:
    """What `ip -j -d link` says in the container's network namespace."""
    pid = container.record["state"]["pid"]
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-j", "-d", "address"]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return {link["ifname"]: link for link in found}


def forget(machine: Machine, container: Inside) -> None:
    """Close our descriptor of a container's network namespace, which would keep that, with the link in it."""
    container.close()
    machine.inside.remove(container)


def parent(host: Host, name: str = "up0") -> dict[str, Any]:
    (link,) = json.loads(host.sh("ip", "-j", "-d", "link", "show", name))
    return dict(link)


@pytest.fixture
def machine(machine: Machine) -> Iterator[Machine]:
    """One on which no network stays behind: all tests have the same names."""
    yield machine
    for inside in machine.inside:
        machine("rm", "-f", inside.record["id"])
    machine.ok("network", "prune", "-f")


@pytest.fixture
def lan(machine: Machine) -> str:
    """A network that the host is on too, by the same interface."""
    machine.ok("network", "create", *ON_UP0, "lan")
    return "lan"


def test_a_container_is_a_machine_on_the_parents_network(machine: Machine, host: Host, lan: str) -> None:
    before = host.links()
    container = machine.run("--network", lan, "-p", "8080:80")
    link = inside_links(container)["eth0"]
    assert (link["linkinfo"]["info_kind"], link["linkinfo"]["info_data"]["mode"]) == ("macvlan", "bridge")
    assert (link["link_index"], link["mtu"]) == (parent(host)["ifindex"], parent(host)["mtu"])
    assert link["address"] == "02:42:" + ":".join(f"{int(part):02x}" for part in container.address.split("."))
    assert host.links() == before
    assert "minidock" not in host.sh("nft", "list", "ruleset")
    assert container.call(ask, OUTSIDE_ADDRESS) == container.address  # by the router outside, under its own address
    with pytest.raises(OSError):
        container.call(ask, HOST_ADDRESS, 7777, 0.5)
    shown = json.loads(machine.ok("inspect", container.record["id"]))[0]["NetworkSettings"]
    assert (shown["Ports"], shown["Networks"][lan]["Gateway"]) == ({}, "198.51.100.1")
    assert machine.ok("ps", "--format", "{{.Ports}}") == ""


def test_names_addresses_and_hardware_addresses(machine: Machine, lan: str) -> None:
    first = machine.run("--network", lan, "--name", "first", "--network-alias", "alias")
    second = machine.run("--network", lan, "--ip", "198.51.100.77", "--mac-address", "02:aa:bb:cc:dd:ee")
    assert (inside_links(second)["eth0"]["address"], second.address) == ("02:aa:bb:cc:dd:ee", "198.51.100.77")
    for name in ("first", "alias"):
        answer = machine.ok("exec", second.record["id"], "ping", "-c", "1", "-W", "1", name)
        assert f"({first.address})" in answer
        assert "1 packets received" in answer
    code, _, errors = machine("run", "--rm", "--network", lan, "--ip", "198.51.100.77", "alpine", "true")
    assert (code, errors) == (125, "minidock: Address already in use: 198.51.100.77\n")


def test_the_driver_is_shown_everywhere(machine: Machine, lan: str) -> None:
    container = machine.run("--network", lan)
    assert machine.ok("network", "ls", "-f", "driver=macvlan", "--format", "{{.Name}} {{.Driver}}") == "lan macvlan"
    found = json.loads(machine.ok("network", "inspect", "-v", lan))[0]
    assert (found["Driver"], found["Options"], found["Parent"]["Name"]) == ("macvlan", {"parent": "up0"}, "up0")
    (member,) = found["Containers"].values()
    assert (member["Up"], member["Interface"], member["HostInterface"]) == (True, "eth0", "")
    assert "macvlan" in json.loads(machine.ok("info", "-f", "{{json .Plugins.Network}}"))
    (cable,) = json.loads(machine.ok("xray", "--json", container.record["id"]))["running"]["network"]["cables"]
    assert (cable["network"], cable["inside"]["kind"], cable["outside"]["name"]) == (lan, "macvlan", "up0")
    machine.ok("rm", "-f", container.record["id"])
    lines = machine.ok("events", "--since", "10m", "--until", "0s", "--filter", "type=network").splitlines()
    told = [line.split() for line in lines if found["Id"] in line]
    assert [words[2] for words in told] == ["create", "connect", "disconnect"]
    assert all("type=macvlan)" in words for words in told)


@pytest.mark.parametrize("mode", ["private", "vepa", "passthru"])
def test_the_mode_is_the_kernels(machine: Machine, host: Host, mode: str) -> None:
    own = parent(host)["address"]
    machine.ok("network", "create", *ON_UP0, "-o", f"macvlan_mode={mode}", "lan")
    container = machine.run("--network", "lan")
    link = inside_links(container)["eth0"]
    assert link["linkinfo"]["info_data"]["mode"] == mode
    if mode == "passthru":  # the parent is the container's alone, with its hardware address
        assert parent(host)["address"] == link["address"] != own
        code, _, errors = machine("run", "--rm", "--network", "lan", "alpine", "true")
        assert (code, errors) == (125, "minidock: failed to create the macvlan port: invalid argument\n")
        forget(machine, container)
        machine.ok("rm", "-f", container.record["id"])
        machine.ok("run", "--rm", "--network", "lan", "alpine", "true")  # whenever the kernel has let go of the parent


def test_networks_are_joined_and_left_while_it_runs(machine: Machine, lan: str) -> None:
    machine.ok("network", "create", "other")
    container = machine.run("--network", "other")
    container_id = container.record["id"]
    machine.ok("network", "connect", "--ip", "198.51.100.99", lan, container_id)
    link = inside_links(container)["eth1"]
    assert (link["linkinfo"]["info_kind"], link["addr_info"][0]["local"]) == ("macvlan", "198.51.100.99")
    machine.ok("network", "disconnect", "other", container_id)
    assert set(inside_links(container)) == {"lo", "eth1"}
    assert container.call(ask, OUTSIDE_ADDRESS) == "198.51.100.99"
    machine.ok("network", "disconnect", lan, container_id)
    assert set(inside_links(container)) == {"lo"}
    machine.ok("network", "rm", lan, "other")


def test_an_internal_network_has_no_way_out(machine: Machine) -> None:
    ignored = ("-o", "com.docker.network.container_iface_prefix=a/b", "-o", "nonsense=1")  # by docker's driver too
    machine.ok("network", "create", *ON_UP0, "--internal", *ignored, "lan")
    routes = machine.ok("run", "--rm", "--network", "lan", "alpine", "ip", "route")
    assert [line.split()[:3] for line in routes.splitlines()] == [["198.51.100.0/24", "dev", "eth0"]]


def test_what_docker_refuses_is_refused_in_its_words(machine: Machine, host: Host) -> None:
    before = host.links()
    for words, message in REFUSED.items():
        done = machine("network", "create", "-d", "macvlan", *words.split(), "x")
        assert done == (1, "", f"minidock: {message}\n"), words
    assert machine("network", "create", "-d", "wild", "x") == (1, "", 'minidock: plugin "wild" not found\n')
    network_id = machine.ok("network", "create", *ON_UP0, "lan")
    done = machine("network", "create", "-d", "macvlan", "-o", "parent=up0", "--subnet", "10.9.0.0/24", "x")
    assert done == (1, "", f"minidock: network dm-{network_id[:12]} is already using parent interface up0\n")
    code, _, errors = machine("network", "create", *LAN, "x")
    assert (code, errors.startswith("minidock: Pool overlaps with other one on this address space")) == (1, True)
    assert host.links() == before
    machine.ok("network", "prune", "-f")
    machine.ok("network", "create", *ON_UP0, "again")


def test_a_parent_that_is_gone_is_named(machine: Machine, host: Host) -> None:
    host.sh("ip", "link", "add", "gone0", "type", "veth", "peer", "name", "gone1")
    machine.ok("network", "create", "-d", "macvlan", "-o", "parent=gone0", "lost")
    host.sh("ip", "link", "delete", "gone0")
    code, _, errors = machine("run", "--rm", "--network", "lost", "alpine", "true")
    message = "minidock: the requested parent interface gone0 was not found on the Docker host\n"
    assert (code, errors) == (125, message)
    machine.ok("network", "rm", "lost")


@pytest.mark.parametrize("victim", ["container", "monitor"])
def test_what_is_killed_leaves_no_link_and_no_lease(machine: Machine, lan: str, victim: str) -> None:
    """The next one has the same addresses at once: the kernel would not let two links of a parent have them."""
    asked = ("--network", lan, "--ip", "198.51.100.70", "--mac-address", "02:aa:bb:cc:dd:ee")
    killed = machine.run(*asked)
    state = killed.record["state"]
    forget(machine, killed)
    os.kill(state["monitor" if victim == "monitor" else "pid"], signal.SIGKILL)
    machine("wait", killed.record["id"])
    assert json.loads(machine.ok("network", "inspect", lan))[0]["Containers"] == {}
    following = machine.run(*asked)
    assert inside_links(following)["eth0"]["address"] == "02:aa:bb:cc:dd:ee"
    forget(machine, following)
    machine.ok("restart", "-t", "0", following.record["id"])
    again = machine.look(following.record["id"])
    assert again.address == "198.51.100.70"


def test_who_shares_the_network_namespace_keeps_no_link(machine: Machine, lan: str) -> None:
    owner = machine.run("--network", lan, "--ip", "198.51.100.70")
    sharer = machine.run("--network", f"container:{owner.record['id']}")
    assert "eth0" in inside_links(sharer)
    machine.ok("rm", "-f", owner.record["id"])
    assert set(inside_links(sharer)) == {"lo"}
    machine.run("--network", lan, "--ip", "198.51.100.70")


def test_host_gateway_is_the_host(machine: Machine, lan: str) -> None:
    machine.ok("run", "--rm", "alpine", "true")  # which makes the default network
    hosts = machine.ok("run", "--rm", "--network", lan, "--add-host", "me:host-gateway", "alpine", "cat", "/etc/hosts")
    default = json.loads(machine.ok("network", "inspect", "bridge"))[0]["IPAM"]["Config"][0]["Gateway"]
    assert f"{default}\tme" in hosts


@pytest.mark.cgroup  # of that kernel it is sure that it has the modules dummy and 8021q
class TestParentsThatAreMade:
    @pytest.fixture
    def made(self, world: World) -> Callable[..., dict[str, Any]]:
        def make(*words: str) -> dict[str, Any]:
            return world.inspect(world.network("-d", "macvlan", "--subnet", "10.97.0.0/24", *words))

        return make

    def test_a_dummy_interface(self, world: World, made: Callable[..., dict[str, Any]]) -> None:
        network = made()
        (link,) = ip("-d", "link", "show", f"dm-{network['Id'][:12]}")
        assert (link["linkinfo"]["info_kind"], "UP" in link["flags"]) == ("dummy", True)
        first, second = (world.container("--network", network["Name"]) for _ in range(2))
        world.inside(second, f"ping -c 1 -W 1 {first}")
        subprocess.run(["ip", "link", "delete", link["ifname"]], check=True)  # with all links on it
        world("restart", "-t", "0", first)
        assert ip("link", "show", link["ifname"])
        world("rm", "-f", first, second)
        world("network", "rm", network["Name"])
        assert link["ifname"] not in {row["ifname"] for row in ip("link")}

    def test_a_vlan_of_an_interface(self, world: World, made: Callable[..., dict[str, Any]]) -> None:
        subprocess.run(["ip", "link", "add", "mdt0", "up", "type", "dummy"], check=True)
        try:
            ours = made("-o", "parent=mdt0.10")
            (link,) = ip("-d", "link", "show", "mdt0.10")
            assert (link["linkinfo"]["info_kind"], link["linkinfo"]["info_data"]["id"]) == ("vlan", 10)
            world("run", "--rm", "--network", ours["Name"], "alpine", "true")
            world("network", "rm", ours["Name"])
            assert {row["ifname"] for row in ip("link")}.isdisjoint({"mdt0.10"})
            subprocess.run(["ip", "link", "add", "link", "mdt0", "mdt0.20", "type", "vlan", "id", "20"], check=True)
            world("network", "rm", made("-o", "parent=mdt0.20")["Name"])
            assert ip("link", "show", "mdt0.20"), "it was there before"
        finally:
            subprocess.run(["ip", "link", "delete", "mdt0"], check=True)
