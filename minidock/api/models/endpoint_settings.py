"""EndpointSettings as the engine's `EndpointConfig`; NetworkMode and NetworkingConfig of a new container."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minidock.api.models.fields import Fields
from minidock.engine.networks import networks
from minidock.engine.request.network_flags import hardware_address, link, with_address
from minidock.engine.request.refusals import NO_DRIVER_OPTIONS, NO_LINK_LOCAL
from minidock.errors import UsageError
from minidock.network.endpoint import DEFAULT_CONFIG, EndpointConfig

_DEFAULT = ("", "default")
_WITHOUT_NAMES = ("bridge", "host", "none")


def read(root: str, config: Fields, host: Fields, tell: Callable[[str], None]) -> dict[str, Any]:
    """The fields of `ContainerOptions` that say which networks a container is on. Raises `UsageError`.

    `tell` is given what has no effect.
    """
    mode = "none" if config.flag("NetworkDisabled") else host.text("NetworkMode")
    kind = "bridge" if mode in _DEFAULT else mode
    if kind in ("container", "container:"):
        raise UsageError("Invalid network mode: invalid container format container:<name|id>")
    if kind in ("host", "none") or kind.startswith("container:"):
        if host.texts("Links") and kind != "none":
            what = "host type networking" if kind == "host" else "container type network"
            raise UsageError(f"conflicting options: {what} can't be used with links. This would result in undefined "
                             "behavior")  # fmt: skip
        return {"network": kind, "attachments": {}}
    asked = config.child("NetworkingConfig").children_by_name("EndpointsConfig")
    if any(row.table("DriverOpts") for row in asked.values()):
        tell(f"DriverOpts have no effect: {NO_DRIVER_OPTIONS}")
    found = {_known(root, "bridge" if name in _DEFAULT else name): attachment(row) for name, row in asked.items()}
    first = _known(root, kind)
    if first not in found and (not found or mode not in _DEFAULT):
        found[first] = DEFAULT_CONFIG
    first = first if first in found else next(iter(found))
    found[first] = _with_old_fields(found[first], config, host)
    if first in _WITHOUT_NAMES and (found[first].address or found[first].address6):
        raise UsageError("user specified IP address is supported on user defined networks only")
    return {"network": first, "attachments": {first: found.pop(first), **found}}


def _known(root: str, name: str) -> str:
    """The name of a network that may be given by its id. One that does not exist is refused later."""
    return networks.find(root, name).name if networks.is_known(root, name) else name


def _with_old_fields(first: EndpointConfig, config: Fields, host: Fields) -> EndpointConfig:
    """What older clients say beside the networks is about the first one."""
    if (mac := config.text("MacAddress")) and not first.mac:
        first = first._replace(mac=hardware_address(mac))
    return first._replace(links=[*first.links, *(link(text) for text in host.texts("Links"))])


def attachment(row: Fields) -> EndpointConfig:
    """One EndpointSettings. Raises `UsageError`."""
    wanted = row.child("IPAMConfig")
    if wanted.texts("LinkLocalIPs"):
        raise UsageError(f"LinkLocalIPs cannot be used: {NO_LINK_LOCAL}")
    asked = DEFAULT_CONFIG._replace(
        aliases=row.texts("Aliases"), links=[link(text) for text in row.texts("Links")],
        gw_priority=row.number("GwPriority"),
    )  # fmt: skip
    if address := wanted.text("IPv4Address") or row.text("IPAddress"):
        asked = with_address(asked, address, "ip")
    if address := wanted.text("IPv6Address"):
        asked = with_address(asked, address, "ip6")
    if mac := row.text("MacAddress"):
        asked = asked._replace(mac=hardware_address(mac))
    return asked
