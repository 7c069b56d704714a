"""The packet filter's rules: a function of the networks, the endpoints on them, and their published ports.

The result is text for nft(8), as `nft list table inet minidock` prints it. The rules never change. What changes is the
content of the sets and maps that they look up, an element or two for each container, so the number of steps for a
packet does not depend on the number of containers.

The path of a packet to a published port (nft(8), "ADDRESS FAMILIES", lists the hooks):

    outside -> raw_prerouting -> prerouting: DNAT -> [routing] -> forward: accept -> postrouting -> container
    the host itself, also by 127.0.0.1 -> output: DNAT ---------------------------> postrouting -> container
"""

from __future__ import annotations

from binascii import crc32

from minidock.named_tuple import NamedTuple
from minidock.network.addresses import number
from minidock.network.port_bindings import Published

TABLE = "minidock"


class FilterNetwork(NamedTuple):
    """A network for the packet filter: its bridge and subnets ('' for one that it does not have).

    `masquerade`: packets that leave it get the host's address. `icc`: its containers reach each other. `internal`:
    nothing leaves it, and nothing enters.
    """

    bridge: str
    subnet: str
    subnet6: str
    internal: bool
    masquerade: bool
    icc: bool


class FilterEndpoint(NamedTuple):
    """An endpoint for the packet filter: its interface on the host, the bridge, and the addresses that it may send
    from.
    """

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
    # The third field is the target of a neighbour advertisement (RFC 4861, 4.4), for which nft 1.0 has no name.
    ("bridge", "targets6"): "set targets6 { typeof iifname . ether saddr . @th,64,128; }",
}

CHAINS = {
    # Loopback addresses are routed on our bridges (route_localnet), so that published ports work at 127.0.0.1.
    # Containers must not reach the host's loopback addresses by that (CVE-2020-8558).
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
    # Frames that stay in the bridge pass only here. A container can open raw sockets by default. It could otherwise
    # answer ARP requests for a neighbour's address, or announce itself as a router to all, the host included
    # (CVE-2020-13401).
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

# A number for these sets and rules, by which those of another version of minidock are recognized.
FORM = crc32(repr((SETS, CHAINS)).encode())


def elements(networks: list[FilterNetwork], endpoints: list[FilterEndpoint]) -> Elements:
    """The elements of all sets and maps."""
    found: Elements = {place: set() for place in SETS}
    for network in networks:
        _add_network(found, network)
    apart = {network.bridge for network in networks if not network.icc}
    for endpoint in endpoints:
        name = f'"{endpoint.interface}"'
        found["bridge", "cables"].add(name)
        found["bridge", "senders"].add(f"{name} . {endpoint.mac}")
        found["bridge", "senders4"].add(f"{name} . {endpoint.mac} . {endpoint.address}")
        found["bridge", "targets6"].add(f"{name} . {endpoint.mac} . 0x{_link_local(endpoint.mac):032x}")
        if endpoint.address6:
            found["bridge", "senders6"].add(f"{name} . {endpoint.mac} . {endpoint.address6}")
            found["bridge", "targets6"].add(f"{name} . {endpoint.mac} . 0x{number(endpoint.address6):032x}")
        if endpoint.bridge in apart:
            found["bridge", "apart"].add(name)
        for row in endpoint.published:
            version, inside = (6, endpoint.address6) if ":" in row.host_address else (4, endpoint.address)
            at = {"0.0.0.0": "0.0.0.0/0", "::": "::/0"}.get(row.host_address, row.host_address)
            found["inet", f"published{version}"].add(f"{row.protocol} . {at} . {row.host_port} : {inside} . {row.port}")
    return found


def _add_network(found: Elements, network: FilterNetwork) -> None:
    name = f'"{network.bridge}"'
    found["inet", "bridges"].add(name)
    if network.internal:
        found["inet", "internal"].add(name)
    if network.icc:
        found["inet", "together"].add(f"{name} . {name}")
    for version, subnet in ((4, network.subnet), (6, network.subnet6)):
        if subnet:
            found["inet", f"home{version}"].add(f"{name} . {subnet}")
            if network.masquerade and not network.internal:
                found["inet", f"hidden{version}"].add(subnet)


def _link_local(mac: str) -> int:
    """The address that the kernel gives an interface itself: fe80:: and its hardware address (RFC 4862, 5.3)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    return 0xFE80 << 112 | int.from_bytes(bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]]), "big")


def complete_ruleset(wanted: Elements) -> str:
    """Both tables, to replace existing ones in one transaction."""
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
    """The removal of both tables."""
    return "".join(f"add table {family} {TABLE}\ndelete table {family} {TABLE}\n" for family in CHAINS)


def changes(old: Elements, wanted: Elements) -> str:
    """From `old`, which the kernel holds, to `wanted`; '' if they are equal."""
    lines = []
    for verb, before, after in (("delete", wanted, old), ("add", old, wanted)):
        for (family, name), there in after.items():
            rows = sorted(there - before[family, name])
            if verb == "delete":
                rows = [row.partition(" : ")[0] for row in rows]
            if rows:
                lines.append(f"{verb} element {family} {TABLE} {name} {{ {', '.join(rows)} }}")
    return "".join(f"{line}\n" for line in lines)
