"""Parse the flags for a new container's networks, names and name servers."""

from __future__ import annotations

import re
import socket
from typing import Any

from minidock.engine.request.refusals import NO_DRIVER_OPTIONS, NO_LINK_LOCAL
from minidock.engine.request.values import declined, fail, refuse
from minidock.errors import UsageError
from minidock.network.endpoint import DEFAULT_CONFIG, EndpointConfig
from minidock.network.predefined import BRIDGE, DEFAULT, HOST, NONE

# `default` is what docker's API calls the default network.
_ALIASES = {"default": DEFAULT, "": DEFAULT}
_WITHOUT_NAMES = (BRIDGE, HOST, NONE)
_NOT_SUPPORTED = {"driver-opt": NO_DRIVER_OPTIONS, "link-local-ip": NO_LINK_LOCAL}
_DOMAIN = re.compile(r"([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.?", re.IGNORECASE)
_HARDWARE_ADDRESS = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}", re.IGNORECASE)


def from_flags(flags: dict[str, Any]) -> dict[str, Any]:
    """The fields of `ContainerOptions` that are about networks. Raises `UsageError` for a bad value."""
    networks = dict(map(_network, flags["network"] or [DEFAULT]))
    if len(networks) < len(flags["network"]):
        raise fail("conflicting options: the same network twice")
    kind = next(iter(networks))
    alone = kind in (HOST, NONE) or kind.startswith("container:")
    if len(networks) > 1 and any(name in (HOST, NONE) or name.startswith("container:") for name in networks):
        raise fail("conflicting options: cannot attach both user-defined and non-user-defined network-modes")
    first = _with_flags(kind, networks[kind], flags)
    if not alone:
        networks[kind] = first
    _check_conflicts(kind, first, flags)
    return {
        "network": kind,
        "attachments": {} if alone else networks,
        "dns": [name_server(text) for text in flags["dns"]],
        "dns_search": [domain(text) for text in flags["dns_search"]],
        "dns_options": list(flags["dns_option"]),
        "extra_hosts": [extra_host(text) for text in flags["add_host"]],
    }


def _network(text: str) -> tuple[str, EndpointConfig]:
    """--network: a name, or `name=NAME,alias=...,ip=...,ip6=...,mac-address=...,gw-priority=...`."""
    if not text:
        raise fail("no name set for network")
    if "=" not in text:
        return _ALIASES.get(text, text), DEFAULT_CONFIG
    name, asked = "", DEFAULT_CONFIG
    for part in text.split(","):
        key, equals, value = part.partition("=")
        key = key.strip().lower()
        if not equals or not value:
            raise fail(f"invalid field '{part}' in --network {text}: it is key=value")
        if key == "name":
            name = value
        else:
            asked = _with_field(asked, key, value, text)
    if not name:
        raise fail(f"invalid --network {text}: network name/id is not specified")
    if asked.aliases and _ALIASES.get(name, name) in _WITHOUT_NAMES:
        raise fail("network-scoped aliases are only supported for user-defined networks")
    return _ALIASES.get(name, name), asked


def _with_field(asked: EndpointConfig, key: str, value: str, text: str) -> EndpointConfig:
    if key == "alias":
        return asked._replace(aliases=[*asked.aliases, value])
    if key in ("ip", "ip6"):
        return with_address(asked, value, key)
    if key == "mac-address":
        return asked._replace(mac=hardware_address(value))
    if key == "gw-priority":
        return asked._replace(gw_priority=_priority(value, text))
    if key in _NOT_SUPPORTED:
        raise fail(f"{key} in --network {text} cannot be used: {_NOT_SUPPORTED[key]}")
    known = "name, alias, ip, ip6, mac-address and gw-priority"
    raise fail(f"invalid field key {key} in --network {text}: there are {known}")


def _priority(value: str, text: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", value, re.ASCII):
        raise fail(f"invalid gw-priority ({value}) in --network {text}: it is a whole number")
    return int(value)


def _with_flags(kind: str, asked: EndpointConfig, flags: dict[str, Any]) -> EndpointConfig:
    """The flags that speak of no network in particular are about the first one."""
    if flags["network_alias"]:
        if kind in _WITHOUT_NAMES or kind.startswith("container:"):
            raise fail("network-scoped aliases are only supported for user-defined networks")
        if asked.aliases:
            raise fail("conflicting options: cannot specify both --network-alias and per-network alias")
        asked = asked._replace(aliases=list(flags["network_alias"]))
    for key in ("ip", "ip6"):
        if flags[key]:
            if asked.address if key == "ip" else asked.address6:
                raise fail(f"conflicting options: cannot specify both --{key} and per-network {key} address")
            asked = with_address(asked, flags[key], key)
    if flags["mac_address"]:
        if asked.mac:
            raise fail("conflicting options: cannot specify both --mac-address and per-network mac-address")
        asked = asked._replace(mac=hardware_address(flags["mac_address"]))
    return asked._replace(links=[link(text) for text in flags["link"]])


def _check_conflicts(kind: str, first: EndpointConfig, flags: dict[str, Any]) -> None:
    """What cannot be had without a network of one's own, in docker's words."""
    shared, host = kind.startswith("container:"), kind == "host"
    if kind in ("container", "container:"):
        raise declined("Invalid network mode: invalid container format container:<name|id>")
    if (first.address or first.address6) and (shared or kind in _WITHOUT_NAMES):
        raise declined("user specified IP address is supported on user defined networks only")
    if first.links and (shared or host):
        what = "container type network" if shared else "host type networking"
        raise declined(f"conflicting options: {what} can't be used with links. This would result in undefined behavior")
    if first.mac and (shared or host):
        raise declined("conflicting options: mac-address and the network mode")
    if not shared:
        return
    if flags["hostname"]:
        raise declined("conflicting options: hostname and the network mode")
    if flags["dns"] or flags["dns_search"] or flags["dns_option"]:
        raise declined("conflicting options: dns and the network mode")
    if flags["expose"]:
        raise declined("conflicting options: port exposing and the container type network mode")
    if flags["add_host"]:
        raise declined("conflicting options: custom host-to-IP mapping and the network mode")


def with_address(asked: EndpointConfig, text: str, key: str) -> EndpointConfig:
    """--ip and --ip6."""
    name = "IPv4" if key == "ip" else "IPv6"
    address = check_address(text, declined(f"invalid {name} address: {text}"))
    if (":" in address) != (key == "ip6"):
        raise declined(f"invalid {name} address: {text}")
    return asked._replace(address=address) if key == "ip" else asked._replace(address6=address)


def check_address(text: str, refusal: UsageError) -> str:
    """The IP address, as people write it. Raises `refusal` if it is none."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text))
    except (OSError, UnicodeEncodeError):
        raise refusal from None


def hardware_address(text: str) -> str:
    """--mac-address: six bytes; the lowest bit of the first says that it is a group of interfaces, so not one."""
    if not _HARDWARE_ADDRESS.fullmatch(text):
        raise fail(f"{text} is not a valid mac address")
    if int(text[:2], 16) & 1 or not int(re.sub("[:-]", "", text), 16):
        raise fail(f"{text} is not a valid mac address: it is that of no single interface")
    return text.replace("-", ":").lower()


def link(text: str) -> tuple[str, str]:
    """--link CONTAINER[:ALIAS]."""
    parts = text.split(":")
    if len(parts) > 2 or not all(parts):
        raise refuse(text, "--link", f"bad format for links: {text}" if text else "empty string specified for links")
    return parts[0].removeprefix("/"), parts[-1].removeprefix("/")


def name_server(text: str) -> str:
    """--dns."""
    return check_address(text, refuse(text, "--dns", f"IP address is not correctly formatted: {text}"))


def domain(text: str) -> str:
    """--dns-search; "." is for no domain at all."""
    if text != "." and (len(text) > 253 or not _DOMAIN.fullmatch(text)):
        raise refuse(text, "--dns-search", f"{text} is not a valid domain")
    return text


def extra_host(text: str) -> tuple[str, str]:
    """--add-host NAME:ADDRESS or NAME=ADDRESS; the address may be `host-gateway`, which stands for the host itself."""
    name, separator, address = text.partition("=") if "=" in text else text.partition(":")
    if not separator or not name or re.search(r"[\s#]", name):
        raise refuse(text, "--add-host", f'bad format for add-host: "{text}"')
    if address != "host-gateway":
        refusal = refuse(text, "--add-host", f'invalid IP address in add-host: "{address}"')
        address = check_address(address.strip("[]"), refusal)
    return name, address


def attachment(flags: dict[str, Any]) -> EndpointConfig:
    """The flags of `network connect`. Raises `UsageError`, with the exit code 1 that commands on containers have."""
    try:
        links = [link(text) for text in flags["link"]]
        asked = DEFAULT_CONFIG._replace(aliases=list(flags["alias"]), links=links, gw_priority=flags["gw_priority"])
        for key in ("ip", "ip6"):
            if flags[key]:
                asked = with_address(asked, flags[key], key)
    except UsageError as error:
        raise UsageError(str(error)) from None
    return asked
