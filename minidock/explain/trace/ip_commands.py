"""Messages of rtnetlink(7) as commands of ip(8), decoded from the bytes that were sent."""

from __future__ import annotations

import shlex
from typing import Any

from minidock.explain.trace.blocks import CallMade
from minidock.explain.trace.process_table import ProcessTable
from minidock.linux import rtnetlink

IFF_UP = 1


def command(call: CallMade, processes: ProcessTable) -> str:
    """The command of ip(8) that sends the same message; '' for a question."""
    verb = call.argument(0).split()[0]
    make = {"RTM_NEWLINK": _link, "RTM_DELLINK": _delete, "RTM_NEWADDR": _address, "RTM_DELADDR": _address,
            "RTM_NEWROUTE": _route}.get(verb)  # fmt: skip
    if make is None:
        return ""
    return processes.prefix(call) + make(call, processes)


def _decoded(kind: Any, data: bytes) -> Any:
    message = kind(data)
    message.decode()
    return message


def _link(call: CallMade, processes: ProcessTable) -> str:
    message = _decoded(rtnetlink.encoders().ifinfmsg, call.argument(2))
    name = shlex.quote(message.get_attr("IFLA_IFNAME"))
    info = message.get_attr("IFLA_LINKINFO")
    words = call.argument(0).split()
    master = f" master {words[words.index('master') + 1]}" if "master" in words else ""
    up = message["flags"] & IFF_UP
    if info is None:
        return f"ip link set {name}{master}{_properties(message)}{' up' if up else ''}"
    if info.get_attr("IFLA_INFO_SLAVE_KIND"):
        return f"ip link set {name} type bridge_slave hairpin on"
    kind = info.get_attr("IFLA_INFO_KIND")
    if kind in ("macvlan", "vlan"):
        return _on_parent(message, name, kind, words, processes)
    shown = f"ip link add {name}{_properties(message)} type {kind}"
    peer = info.get_attr("IFLA_INFO_DATA") if kind == "veth" else None
    if peer is not None:
        other = peer.get_attr("VETH_INFO_PEER")
        where = f" netns {processes.inside}" if other.get_attr("IFLA_NET_NS_FD") is not None else ""
        shown += f" peer name {other.get_attr('IFLA_IFNAME')}{_properties(other)}{where}"
    if kind == "bridge":
        shown += " forward_delay 0"
    return shown + (f" && ip link set {name}{master}{' up' if up else ''}" if master or up else "")


def _on_parent(message: Any, name: str, kind: str, words: list[str], processes: ProcessTable) -> str:
    """A link on a parent interface, in whichever namespace it is itself."""
    parent, what = shlex.quote(words[words.index("link") + 1]), " ".join(words[words.index("type") + 1 :][1:3])
    is_inside = message.get_attr("IFLA_NET_NS_FD") is not None
    where = f" netns {processes.inside}" if is_inside else ""
    up = f"{f'nsenter --target {processes.inside} --net ' if is_inside else ''}ip link set {name} up"
    return f"ip link add {name} link {parent}{_properties(message)}{where} type {kind} {what} && {up}"


def _properties(message: Any) -> str:
    mac, mtu = message.get_attr("IFLA_ADDRESS"), message.get_attr("IFLA_MTU")
    return (f" address {mac}" if mac else "") + (f" mtu {mtu}" if mtu else "")


def _delete(call: CallMade, _: ProcessTable) -> str:
    return f"ip link delete {call.argument(0).split()[1]}"


def _address(call: CallMade, _: ProcessTable) -> str:
    message = _decoded(rtnetlink.encoders().ifaddrmsg, call.argument(2))
    what = f"{message.get_attr('IFA_LOCAL') or message.get_attr('IFA_ADDRESS')}/{message['prefixlen']}"
    broadcast = f" broadcast {message.get_attr('IFA_BROADCAST')}" if message.get_attr("IFA_BROADCAST") else ""
    verb = "delete" if call.argument(0).startswith("RTM_DEL") else "add"
    return f"ip address {verb} {what}{broadcast if verb == 'add' else ''} dev {_device(call, message['index'])}"


def _route(call: CallMade, _: ProcessTable) -> str:
    message = _decoded(rtnetlink.encoders().rtmsg, call.argument(2))
    to, gateway = message.get_attr("RTA_DST"), message.get_attr("RTA_GATEWAY")
    where = f"{to}/{message['dst_len']}" if to else "default"
    family = "-6 " if message["family"] == 10 else ""
    via = f" via {gateway}" if gateway else ""
    return f"ip {family}route replace {where}{via} dev {_device(call, message.get_attr('RTA_OIF'))}"


def _device(call: CallMade, index: int) -> str:
    """The interface's name, at that time, in the namespace of the socket."""
    return str(call.raw[1].get("links", {}).get(str(index), f"if{index}"))
