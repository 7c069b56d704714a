"""What the packet filter is to hold: a function of which networks there are, who is on them and what they publish.

The result is text for nft(8), the same text that `nft list table inet minidock` shows. The rules never change. What
changes is the content of the sets and maps that they ask, an element or two for each container, so a packet is judged
in the same few steps whether there are two containers or two hundred.

A packet for a published port on its way in (nft(8), "ADDRESS FAMILIES", has the hooks):

    outside -> raw_prerouting -> prerouting: DNAT -> [routing] -> forward: accept -> postrouting -> container
    the host itself, also by 127.0.0.1 -> output: DNAT ---------------------------> postrouting -> container
"""

from __future__ import annotations

from binascii import crc32
from typing import NamedTuple

from minidock.network.addresses import number
from minidock.network.port_bindings import Published

TABLE = "minidock"


class FilterNetwork(NamedTuple):
    """A network as packets see it: a bridge and its subnets ('' for one that it does not have).

    `masquerade`: its containers go out under the host's address. `icc`: they reach each other. `internal`: there is no
    way out, and none in.
    """

    bridge: str
    subnet: str
    subnet6: str
    internal: bool
    masquerade: bool
    icc: bool


class FilterEndpoint(NamedTuple):
    """A container's cable: the host's end of it, the bridge it is plugged into, and who may speak at the other end."""

    interface: str
    bridge: str
    mac: str
    address: str
    address6: str
    published: list[Published]


# (family, set or map): its elements
Elements = dict[tuple[str, str], set[str]]

_DNAT = "meta l4proto {{ tcp, udp, sctp }} dnat {0} to meta l4proto . {0} daddr . th dport map @published{1}"
_DNAT4, _DNAT6 = _DNAT.format("ip", 4), _DNAT.format("ip6", 6)

SETS = {
    ("inet", "bridges"): "set bridges { type ifname; }",
    ("inet", "internal"): "set internal { type ifname; }",
    ("inet", "together"): "set together { type ifname . ifname; }",
    ("inet", "home4"): "set home4 { type ifname . ipv4_addr; flags interval; }",
    ("inet", "home6"): "set home6 { type ifname . ipv6_addr; flags interval; }",
    ("inet", "hidden4"): "set hidden4 { type ipv4_addr; flags interval; }",
    ("inet", "hidden6"): "set hidden6 { type ipv6_addr; flags interval; }",
    ("inet", "published4"): "map published4 { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; "
    "flags interval; }",
    ("inet", "published6"): "map published6 { type inet_proto . ipv6_addr . inet_service : ipv6_addr . inet_service; "
    "flags interval; }",
    ("bridge", "cables"): "set cables { type ifname; }",
    ("bridge", "apart"): "set apart { type ifname; }",
    ("bridge", "senders"): "set senders { type ifname . ether_addr; }",
    ("bridge", "senders4"): "set senders4 { type ifname . ether_addr . ipv4_addr; }",
    ("bridge", "senders6"): "set senders6 { type ifname . ether_addr . ipv6_addr; }",
    # The third is the target of an answer to neighbour discovery (RFC 4861, 4.4), for which nft 1.0 has no name.
    ("bridge", "targets6"): "set targets6 { typeof iifname . ether saddr . @th,64,128; }",
}

CHAINS = {
    # Loopback addresses are routed on our bridges (route_localnet), so that 127.0.0.1 leads into containers. It must
    # not lead out of them (CVE-2020-8558).
    "inet": f"""
    chain raw_prerouting {{
        type filter hook prerouting priority raw; policy accept;
        iifname @bridges ip daddr 127.0.0.0/8 counter drop comment "the host's own loopback"
    }}
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr != 127.0.0.0/8 fib daddr type local {_DNAT4} comment "published ports"
        fib daddr type local {_DNAT6} comment "published ports"
    }}
    chain output {{
        type nat hook output priority -100; policy accept;
        fib daddr type local {_DNAT4} comment "published ports, for the host itself"
        ip6 daddr != ::1 fib daddr type local {_DNAT6} comment "published ports, for the host itself"
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        oifname . ip saddr @home4 ct status dnat masquerade comment "back through the host, as the question came"
        oifname . ip6 saddr @home6 ct status dnat masquerade comment "back through the host, as the question came"
        oifname @bridges ip saddr 127.0.0.0/8 masquerade comment "the host's loopback means itself inside"
        oifname @bridges accept comment "containers see who asks"
        ip saddr @hidden4 masquerade comment "way out"
        ip6 saddr @hidden6 masquerade comment "way out"
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        iifname . oifname @together accept comment "between containers of one network"
        iifname @bridges meta nfproto ipv4 iifname . ip saddr != @home4 counter drop comment "forged"
        iifname @bridges meta nfproto ipv6 iifname . ip6 saddr != @home6 counter drop comment "forged"
        iifname @internal counter drop comment "no way out of an internal network"
        oifname @internal counter drop comment "and none in"
        oifname @bridges ct state established,related accept comment "answers"
        oifname @bridges ct status dnat accept comment "published ports"
        oifname @bridges counter drop comment "all else to containers"
    }}
""",
    # Frames that never leave the bridge pass only here. Whoever may open a raw socket, which by default containers may,
    # could otherwise answer ARP for a neighbour and be taken for it, or tell everybody, the host included, that it is
    # the way to the rest of the world (CVE-2020-13401).
    "bridge": """
    chain prerouting {
        type filter hook prerouting priority dstnat; policy accept;
        iifname != @cables accept
        icmpv6 type { nd-router-advert, nd-redirect } counter drop comment "the host alone is a router"
        icmpv6 type nd-neighbor-advert iifname . ether saddr . @th,64,128 != @targets6 counter drop comment "forged"
        ether type ip iifname . ether saddr . ip saddr @senders4 accept
        ether type arp iifname . arp saddr ether . arp saddr ip @senders4 iifname . ether saddr @senders accept
        ether type ip6 iifname . ether saddr . ip6 saddr @senders6 accept
        ether type ip6 ip6 saddr { ::, fe80::/10 } iifname . ether saddr @senders accept
        ether type { ip, arp, ip6 } counter drop comment "forged"
        iifname . ether saddr != @senders counter drop comment "forged"
    }
    chain forward {
        type filter hook forward priority filter; policy accept;
        iifname @apart oifname @apart counter drop comment "a network without communication between containers"
    }
""",
}

# A number for these sets and rules, to know those of another version of minidock by.
FORM = crc32(repr((SETS, CHAINS)).encode())


def elements(segments: list[FilterNetwork], members: list[FilterEndpoint]) -> Elements:
    """What is in the sets and maps."""
    found: Elements = {place: set() for place in SETS}
    for segment in segments:
        _add_segment(found, segment)
    apart = {segment.bridge for segment in segments if not segment.icc}
    for member in members:
        name = f'"{member.interface}"'
        found["bridge", "cables"].add(name)
        found["bridge", "senders"].add(f"{name} . {member.mac}")
        found["bridge", "senders4"].add(f"{name} . {member.mac} . {member.address}")
        found["bridge", "targets6"].add(f"{name} . {member.mac} . 0x{_link_local(member.mac):032x}")
        if member.address6:
            found["bridge", "senders6"].add(f"{name} . {member.mac} . {member.address6}")
            found["bridge", "targets6"].add(f"{name} . {member.mac} . 0x{number(member.address6):032x}")
        if member.bridge in apart:
            found["bridge", "apart"].add(name)
        for row in member.published:
            version, inside = (6, member.address6) if ":" in row.host_address else (4, member.address)
            at = {"0.0.0.0": "0.0.0.0/0", "::": "::/0"}.get(row.host_address, row.host_address)
            found["inet", f"published{version}"].add(f"{row.protocol} . {at} . {row.host_port} : {inside} . {row.port}")
    return found


def _add_segment(found: Elements, segment: FilterNetwork) -> None:
    name = f'"{segment.bridge}"'
    found["inet", "bridges"].add(name)
    if segment.internal:
        found["inet", "internal"].add(name)
    if segment.icc:
        found["inet", "together"].add(f"{name} . {name}")
    for version, subnet in ((4, segment.subnet), (6, segment.subnet6)):
        if subnet:
            found["inet", f"home{version}"].add(f"{name} . {subnet}")
            if segment.masquerade and not segment.internal:
                found["inet", f"hidden{version}"].add(subnet)


def _link_local(mac: str) -> int:
    """The address that the kernel gives an interface by itself: fe80:: and its hardware address (RFC 4862, 5.3)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    return 0xFE80 << 112 | int.from_bytes(bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]]), "big")


def complete_ruleset(wanted: Elements) -> str:
    """Both tables from nothing, in place of whatever is there: nft takes it in one transaction."""
    parts = []
    for family, chains in CHAINS.items():
        parts.append(f"add table {family} {TABLE}\ndelete table {family} {TABLE}\ntable {family} {TABLE} {{")
        for place, declaration in SETS.items():
            if place[0] == family:
                filled = ", ".join(sorted(wanted[place]))
                body = f"elements = {{ {filled} }} }}" if filled else "}"
                parts.append(f"    {declaration[:-1]}{body}")
        parts.append(f"{chains}}}\n")
    return "\n".join(parts)


def empty_ruleset() -> str:
    """No trace of either table."""
    return "".join(f"add table {family} {TABLE}\ndelete table {family} {TABLE}\n" for family in CHAINS)


def changes(old: Elements, wanted: Elements) -> str:
    """From `old`, which the kernel holds, to `wanted`; '' if that is the same."""
    lines = []
    for verb, before, after in (("delete", wanted, old), ("add", old, wanted)):
        for (family, name), there in after.items():
            rows = sorted(there - before[family, name])
            if verb == "delete":
                rows = [row.partition(" : ")[0] for row in rows]
            if rows:
                lines.append(f"{verb} element {family} {TABLE} {name} {{ {', '.join(rows)} }}")
    return "".join(f"{line}\n" for line in lines)
