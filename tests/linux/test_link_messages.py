"""The messages that are packed here are, byte for byte, those that pyroute2 packs."""

from __future__ import annotations

from typing import Any

import pytest

from minidock.linux import link_messages, rtnetlink
from minidock.linux.rtnetlink import IFF_UP, RT_TABLE_MAIN, RTN_UNICAST, RTPROT_BOOT

MAC = "02:42:ac:11:00:02"


def link(name: str, attributes: list[tuple[str, Any]], flags: int = 0) -> Any:
    message = rtnetlink.encoders().ifinfmsg()
    message["attrs"] = [("IFLA_IFNAME", name), *attributes]
    message["flags"] = message["change"] = flags
    return message


def veth() -> Any:
    inner = [("IFLA_IFNAME", "eth0"), ("IFLA_ADDRESS", MAC), ("IFLA_MTU", 1500), ("IFLA_NET_NS_FD", 9)]
    pair = {"attrs": [("VETH_INFO_PEER", {"attrs": inner})]}
    kind = {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", pair)]}
    return link("md0123456789", [("IFLA_MTU", 1500), ("IFLA_MASTER", 7), ("IFLA_LINKINFO", kind)], IFF_UP)


def hairpin() -> Any:
    data = {"attrs": [("IFLA_BRPORT_MODE", 1)]}
    kind = {"attrs": [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", data)]}
    return link("md0", [("IFLA_LINKINFO", kind)])


def address(family: int, text: str, prefix: int, flags: int, broadcast: str) -> Any:
    message = rtnetlink.encoders().ifaddrmsg()
    message["family"], message["prefixlen"], message["index"], message["flags"] = family, prefix, 3, flags
    message["attrs"] = [("IFA_LOCAL", text), ("IFA_ADDRESS", text)]
    if broadcast:
        message["attrs"].append(("IFA_BROADCAST", broadcast))
    return message


def route(family: int, gateway: str) -> Any:
    message = rtnetlink.encoders().rtmsg()
    message["family"], message["table"] = family, RT_TABLE_MAIN
    message["proto"], message["type"] = RTPROT_BOOT, RTN_UNICAST
    message["attrs"] = [("RTA_GATEWAY", gateway), ("RTA_OIF", 3)]
    return message


def default_route(gateway: str) -> bytes:
    return link_messages.default_route(3, gateway, RT_TABLE_MAIN, RTPROT_BOOT, RTN_UNICAST)


CASES = {
    "veth": (lambda: link_messages.veth("md0123456789", IFF_UP, 7, 1500, peer="eth0", mac=MAC, netns_fd=9), veth),
    "hairpin": (lambda: link_messages.hairpin("md0"), hairpin),
    "up": (lambda: link_messages.link("eth0", IFF_UP), lambda: link("eth0", [], IFF_UP)),
    "delete": (lambda: link_messages.link("md0123456789", 0), lambda: link("md0123456789", [])),
    "IPv4": (
        lambda: link_messages.address(3, "172.17.0.2", 16, 0, "172.17.255.255"),
        lambda: address(2, "172.17.0.2", 16, 0, "172.17.255.255"),
    ),
    "IPv6": (lambda: link_messages.address(3, "fd00::2", 64, 2, None), lambda: address(10, "fd00::2", 64, 2, "")),
    "route": (lambda: default_route("172.17.0.1"), lambda: route(2, "172.17.0.1")),
    "route6": (lambda: default_route("fd00::1"), lambda: route(10, "fd00::1")),
}


@pytest.mark.parametrize("name", CASES)
def test_they_are_those_of_pyroute2(name: str) -> None:
    ours, theirs = CASES[name]
    message = theirs()
    message.encode()
    assert ours() == bytes(message.data)[16:]  # behind struct nlmsghdr
