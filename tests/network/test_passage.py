"""Ways past other people's firewalls, on a real packet filter, proved by packets that arrive or do not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable

import pytest

from minidock.network.endpoint import DEFAULT_CONFIG
from minidock.network.port_bindings import Published
from tests.network.internet import (
    HOST_ADDRESS,
    OUTSIDE_ADDRESS,
    PORT,
    Container,
    Host,
    Namespace,
    ask,
    reaches_everyone,
)

MakeContainer = Callable[..., Container]

DROP = """
add table {0}
add chain {0} {1} {{ type filter hook forward priority filter; policy drop; }}
add rule {0} {1} iifname "x0" accept
"""
REJECT_AT_THE_END = """
add table inet mine
add chain inet mine onward { type filter hook forward priority filter; }
add rule inet mine onward iifname "x0" accept
add rule inet mine onward counter reject
"""
DOCKER = """
*filter
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -i docker0 -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
"""

# The end of firewalld's chain, and what stands before it.
FIREWALLD = """
add table inet firewalld
add chain inet firewalld filter_FORWARD { type filter hook forward priority filter + 10; policy accept; }
add rule inet firewalld filter_FORWARD ct state { established, related } accept
add rule inet firewalld filter_FORWARD iifname "lo" accept
add rule inet firewalld filter_FORWARD reject with icmpx admin-prohibited
"""


def without_counters(listing: str) -> str:
    """What nft lists, without what was counted."""
    return re.sub(r"packets \d+ bytes \d+", "", listing)


def iptables(command: str) -> str:
    if not shutil.which(command):
        pytest.skip(f"no {command} here")
    return command


@pytest.mark.parametrize(
    "ruleset",
    [DROP.format("ip filter", "FORWARD"), DROP.format("inet mine", "onward"), REJECT_AT_THE_END],
)
def test_nftables(host: Host, container: MakeContainer, ruleset: str) -> None:
    host.sh("nft", "-f", "-", text=ruleset)
    before = host.rules()
    reaches_everyone(container(host), container(host))
    rules = host.rules()
    container(host)
    assert host.rules() == rules
    unmade(host)
    assert host.rules() == before


@pytest.mark.parametrize("command", ["iptables-nft", "iptables-legacy"])
@pytest.mark.parametrize("closed_by", [("-P", "FORWARD", "DROP"), ("-A", "FORWARD", "-j", "REJECT")])
def test_iptables(host: Host, container: MakeContainer, command: str, closed_by: tuple[str, ...]) -> None:
    host.sh(iptables(command), *closed_by)
    before = host.sh(command, "-S")
    reaches_everyone(container(host), container(host))
    container(host)
    after = host.sh(command, "-S")
    assert after.count('--comment "minidock ') == 1
    assert [line for line in after.splitlines() if "minidock" not in line.lower()] == before.splitlines()
    unmade(host)
    assert host.sh(command, "-S") == before


@pytest.mark.parametrize("command", ["iptables-nft", "iptables-legacy"])
def test_docker_and_what_it_leaves_when_it_starts_again(host: Host, container: MakeContainer, command: str) -> None:
    host.sh(iptables(command) + "-restore", text=DOCKER)
    forward = host.sh(command, "-S", "FORWARD")
    reaches_everyone(container(host), container(host))
    assert host.sh(command, "-S", "DOCKER-USER").count('--comment "minidock ') == 1
    assert host.sh(command, "-S", "FORWARD") == forward
    host.sh(command + "-restore", text=DOCKER)
    reaches_everyone(container(host), container(host))


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("nft -f -", DROP.format("inet mine", "onward")),
        ("nft -f -", FIREWALLD),
        ("iptables-nft-restore", DOCKER),
        ("iptables-legacy-restore", DOCKER),
        ("sh", "iptables-nft -P FORWARD DROP; ip6tables-nft -P FORWARD DROP"),
        ("sh", "iptables-legacy -P FORWARD DROP; ip6tables-legacy -P FORWARD DROP"),
    ],
    ids=["policy", "firewalld", "docker-nft", "docker-legacy", "iptables-nft", "iptables-legacy"],
)
def test_published_ports_and_every_network_pass(
    host: Host, container: MakeContainer, namespaces: list[Namespace], command: str, text: str
) -> None:
    outside = namespaces[1]
    for namespace, address in ((host, "2001:db8::2"), (outside, "2001:db8::1")):
        namespace.sh("ip", "address", "add", f"{address}/64", "dev", "up0", "nodad")
    outside.serve("2001:db8::1")
    host.sh(*command.split(), text=text)
    before = host.sh("nft", "list", "ruleset")
    web = (Published("tcp", "0.0.0.0", 8080, PORT), Published("tcp", "::", 8080, PORT))
    inside = container(host, None, *web[:1])
    host.add_network("dual", "10.66.0.0/24", "fd00:66::/64")
    other = container(host, None, *(row._replace(host_port=8081) for row in web), dual=DEFAULT_CONFIG)
    for one in (inside, other):
        one.settle()
        one.serve("::")
        assert one.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS
    assert other.call(ask, "2001:db8::1") == "2001:db8::2"
    assert outside.call(ask, HOST_ADDRESS, 8080).endswith("198.51.100.1")
    assert outside.call(ask, "2001:db8::2", 8081) == "2001:db8::1"
    assert inside.call(ask, HOST_ADDRESS, 8081).endswith(inside.endpoint.address)
    with pytest.raises(TimeoutError):
        inside.call(ask, other.endpoint.address, PORT, 0.4)
    host.release(other.id)
    host.remove_network("dual")
    assert inside.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS
    unmade(host)
    assert without_counters(host.sh("nft", "list", "ruleset")) == without_counters(before)


@pytest.mark.parametrize("command", ["iptables-nft", "iptables-legacy"])
def test_dockers_containers_are_for_docker_to_guard(
    host: Host, container: MakeContainer, namespaces: list[Namespace], command: str
) -> None:
    """Its bridge here is a bridge of that name with a server on it, closed by docker's policy."""
    theirs = Namespace("docker")
    namespaces.append(theirs)
    host.sh("ip", "link", "add", "docker0", "type", "bridge")
    host.sh("ip", "address", "add", "172.17.0.1/16", "dev", "docker0")
    host.sh("ip", "link", "add", "veth0", "master", "docker0", "type", "veth", "peer", "eth0", "netns", theirs.name)
    for link in ("docker0", "veth0"):
        host.sh("ip", "link", "set", link, "up")
    theirs.sh("ip", "address", "add", "172.17.0.2/16", "dev", "eth0")
    theirs.sh("ip", "link", "set", "eth0", "up")
    theirs.sh("ip", "route", "add", "default", "via", "172.17.0.1")
    theirs.serve("172.17.0.2")
    host.sh(iptables(command) + "-restore", text=DOCKER)
    inside = container(host)
    assert inside.call(ask, OUTSIDE_ADDRESS) == HOST_ADDRESS
    with pytest.raises(TimeoutError):
        inside.call(ask, "172.17.0.2", PORT, 0.4)
    inside.serve(inside.endpoint.address)
    with pytest.raises(TimeoutError):
        theirs.call(ask, inside.endpoint.address, PORT, 0.4)
    assert host.call(ask, "172.17.0.2") == "172.17.0.1"


def test_an_open_host_is_left_alone(host: Host, container: MakeContainer) -> None:
    host.sh(iptables("iptables-nft"), "-A", "FORWARD", "-s", "1.2.3.4", "-j", "DROP")
    before = host.sh("iptables-nft", "-S")
    reaches_everyone(container(host), container(host))
    assert host.sh("iptables-nft", "-S") == before


def unmade(host: Host) -> None:
    for container_id in host.leases():
        host.release(container_id)
    host.remove_network()
