"""The path of a packet as a picture: inside, veth pair, bridge, address translation, the host's interface."""

from __future__ import annotations

from minidock.explain import format_values
from minidock.explain.translations import say
from minidock.explain.xray.descriptions import place, way_out, worth_showing
from minidock.explain.xray.html_markup import Markup, box, drawing, join, label, line, paragraph, path, tag
from minidock.explain.xray.model import Cable, Network, Published
from minidock.linux.interfaces import Interface

_WIDE = 1200
_ROW = 150
DRAWN_PORTS = 6
# Left edge and width of each station on the way out.
_INSIDE, _CABLE, _BRIDGE, _NAT, _UPLINK = (24, 232), (360, 186), (582, 186), (804, 170), (1010, 170)


def network(found: Network, container: str) -> Markup:
    """The whole picture, a row for each network that the container is on."""
    if found.mode == "host":
        return _host(found, container)
    rows = max(len(found.cables), 1)
    height = 64 + (rows - 1) * _ROW + 130
    ports = found.published[:DRAWN_PORTS]
    bottom = height + (22 + 52 * len(ports) if ports else 0)
    parts = [
        box(2, 2, 276, bottom - 4, "inside-area", 18),
        label(24, 38, f"{say('container')} {container}", "area-name inside-ink", room=18),
        box(300, 2, _WIDE - 302, bottom - 4, "host-area", 18),
        label(324, 38, say("host"), "area-name host-ink"),
    ]
    for number, cable in enumerate(found.cables):
        parts.append(_row(64 + number * _ROW, cable, found))
    if not found.cables:
        names = [found.loopback] if found.loopback else []
        parts += [_station(_INSIDE, 64, interface, "inside-line") for interface in names]
        parts.append(label(640, 122, say("no cable"), "note", anchor="middle"))
    if found.uplink:
        middle = 64 + (rows - 1) * _ROW / 2
        parts.append(_station(_UPLINK, middle, found.uplink, "host-line", say("world")))
    for number, row in enumerate(ports):
        parts.append(_way_in(height + 22 + 52 * number, row))
    return drawing(_WIDE, bottom, say("network"), *parts)


def _row(top: float, cable: Cable, found: Network) -> Markup:
    middle = top + 52
    parts = [_station(_INSIDE, top, cable.inside, "inside-line", _traffic(cable.inside))]
    if cable.outside:
        parts = [
            path(f"M256 {middle - 4} H360", "cable"), path(f"M256 {middle + 4} H360", "cable"), *parts,
            _station(_CABLE, top, cable.outside, "host-line", _cable_note(cable)),
        ]  # fmt: skip
    if cable.bridge:
        parts.append(line(546, middle, 582, middle, "wire"))
        note = say("network called", name=cable.network) if cable.network else say("switch")
        parts.append(_station(_BRIDGE, top, cable.bridge, "host-line", note))
    if cable.outside and found.uplink and not cable.is_direct:
        start = 768 if cable.bridge else 546
        to = 64 + (max(len(found.cables), 1) - 1) * _ROW / 2 + 52
        class_ = "chip translation" if cable.masquerade else "chip missing"
        parts += [
            line(start, middle, 804, middle, "wire"),
            box(_NAT[0], top, _NAT[1], 104, class_),
            label(_NAT[0] + 85, top + 32, "NAT", "chip-name", anchor="middle"),
            paragraph(
                _NAT[0] + 85, top + 54, way_out(cable, found), "chip-note", room=21, lines=3, height=18, anchor="middle"
            ),
        ]
        if cable.masquerade:
            parts.append(path(f"M974 {middle} H986 V{to} H998", "wire"))
            parts.append(path(f"M996 {to - 9} L1010 {to} L996 {to + 9} Z", "arrow-head"))
    return tag("g", *parts)


def _cable_note(cable: Cable) -> str:
    if not cable.is_direct:
        return say("cable")
    return f"macvlan, {say('network called', name=cable.network)}" if cable.network else "macvlan"


def _way_in(top: float, row: Published) -> Markup:
    """A published port: from the host's end, through the wall, to the port inside."""
    middle = top + 18
    return tag(
        "g",
        path(f"M800 {middle} H256", "wire in"),
        path(f"M258 {middle - 9} L242 {middle} L258 {middle + 9} Z", "arrow-head in"),
        box(800, top, 380, 36, "chip host-line", 18),
        label(990, top + 24, f"{place(row)}/{row.protocol}", "chip-number strong", room=40, anchor="middle"),
        label(232, top + 24, f"{row.port}/{row.protocol}", "chip-number strong", room=18, anchor="end"),
        label(330, top + 10, say("published"), "chip-note"),
    )  # fmt: skip


def _traffic(interface: Interface) -> str:
    return f"↓ {format_values.size(interface.received)}  ↑ {format_values.size(interface.sent)}"


def _station(where: tuple[int, int], top: float, interface: Interface, class_: str, note: str = "") -> Markup:
    left, width = where
    middle = left + width / 2
    addresses = worth_showing(interface)
    room = width // 9
    parts = [
        box(left, top, width, 104, f"chip {class_}"),
        label(middle, top + 32, interface.name, "chip-name mono", room=room, anchor="middle"),
        label(middle, top + 58, addresses[0] if addresses else "", "chip-number", room=room, anchor="middle"),
        label(middle, top + 84, note if interface.is_up else say("down"), "chip-note", room=26, anchor="middle"),
    ]
    if len(addresses) > 1:
        parts.append(tag("title", " ".join(addresses)))
    return tag("g", *parts)


def _host(found: Network, container: str) -> Markup:
    """Without a network of its own: the container is drawn on the host's."""
    parts = [
        box(2, 2, _WIDE - 4, 196, "host-area", 18),
        label(26, 38, say("host"), "area-name host-ink"),
        box(24, 60, 560, 116, "inside-area", 14),
        label(44, 100, f"{say('container')} {container}", "area-name inside-ink", room=44),
        label(44, 140, say("network host"), "note", room=64),
    ]
    if found.uplink:
        parts += [line(584, 118, 998, 118, "wire"), path("M996 109 L1010 118 L996 127 Z", "arrow-head")]
        parts += [_station(_UPLINK, 66, found.uplink, "host-line", say("world"))]
    return drawing(_WIDE, 200, say("network"), join(parts))
