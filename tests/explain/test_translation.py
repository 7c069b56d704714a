"""Other people's address translation, as nft itself lists it, in a network namespace of the test's own."""

from __future__ import annotations

import json
import subprocess

from minidock.explain.xray.nat_rules import Packet, Ruleset, masquerade, parse, published

RULES = """
table ip own {
    map ports { type inet_service : ipv4_addr . inet_service; elements = { 8081 : 10.1.1.2 . 81 } }
    set homes { type ipv4_addr; flags interval; elements = { 10.5.0.0/16 } }
    chain pre {
        type nat hook prerouting priority dstnat;
        tcp dport 8080 counter dnat to 10.1.1.2:80
        ip daddr 192.0.2.1 udp dport 53 dnat to 10.1.1.2
        tcp dport 9000-9010 dnat to 10.1.1.2
        dnat to udp dport map { 7000 : 10.1.1.2 . 70, 7001 : 10.1.1.3 . 71 }
        dnat to tcp dport map @ports
    }
    chain post {
        type nat hook postrouting priority srcnat;
        ip saddr 10.1.0.0/16 ct status dnat masquerade
        ip saddr { 10.1.0.0/16, 10.3.0.1-10.3.0.9 } oifname != "br0" counter masquerade
        ip saddr 10.4.0.0/16 oifname "up0" snat to 192.0.2.9
        ip saddr @homes masquerade
    }
}
"""
IPTABLES = (
    "iptables-nft -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE; "
    "iptables-nft -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80"
)


def listing(script: str) -> Ruleset:
    """What nft lists after `script`, in a network namespace that is gone afterwards."""
    command = ["unshare", "--net", "sh", "-ec", f"{script}\nnft -j list ruleset"]
    done = subprocess.run(command, input=RULES, capture_output=True, check=True, text=True)
    return parse(json.loads(done.stdout)["nftables"])


def test_ways_in() -> None:
    rules = listing("nft -f -")
    found = [tuple(row)[:5] for row in published(rules, ["10.1.1.2"])]
    assert found == [
        ("tcp", "", "8080", "10.1.1.2", "80"),
        ("tcp", "", "8081", "10.1.1.2", "81"),
        ("tcp", "", "9000-9010", "10.1.1.2", "9000-9010"),
        ("udp", "", "7000", "10.1.1.2", "70"),
        ("udp", "192.0.2.1", "53", "10.1.1.2", "53"),
    ]
    assert [row.port for row in published(rules, ["10.1.1.3"])] == ["71"]
    assert published(rules, ["10.1.1.4"]) == []


def test_ways_out() -> None:
    rules = listing("nft -f -")

    def rule(source: str, comes_by: str = "br0", goes_by: str = "up0") -> str:
        found = masquerade(rules, Packet(source, comes_by, goes_by))
        return found.text if found else ""

    assert rule("10.1.1.2") == "ip saddr { 10.1.0.0/16, 10.3.0.1-10.3.0.9 } oifname != br0 masquerade"
    assert rule("10.3.0.9") == rule("10.1.1.2")
    assert rule("10.3.0.10") == ""
    assert rule("10.1.1.2", goes_by="br0") == ""
    assert rule("10.4.0.1") == "ip saddr 10.4.0.0/16 oifname up0 snat"
    assert rule("10.4.0.1", goes_by="up1") == ""
    assert rule("10.5.9.9") == "ip saddr @homes masquerade"
    assert rule("fd00::1") == ""
    counted = masquerade(rules, Packet("10.1.1.2", "br0", "up0"))
    assert counted
    assert (counted.table, counted.chain, counted.packets, counted.bytes) == ("ip own", "post", 0, 0)


def test_dockers_rules_of_iptables() -> None:
    """What iptables wrote, nft shows as far as it has words for it: the target of a DNAT is not among them."""
    rules = listing(IPTABLES)
    found = masquerade(rules, Packet("172.17.0.2", "docker0", "eth0"))
    assert found
    assert found.chain == "POSTROUTING"
    assert masquerade(rules, Packet("172.18.0.2", "docker0", "eth0")) is None
    assert published(rules, ["172.17.0.2"]) == []
