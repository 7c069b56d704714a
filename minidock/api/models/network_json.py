"""Networks in docker's form, and what is asked of a new one."""

from __future__ import annotations

from typing import Any

from minidock.api.models.fields import Fields
from minidock.engine.networks.network_options import NetworkOptions
from minidock.errors import UsageError


def read(asked: Fields) -> NetworkOptions:
    """The body of `POST /networks/create`. Raises `UsageError`."""
    if asked.flag("ConfigOnly") or asked.flag("Ingress") or asked.child("ConfigFrom").text("Network"):
        raise UsageError("networks that are only a configuration, and ingress, are for the nodes of a swarm")
    if asked.text("Scope") not in ("", "local"):
        raise UsageError("this node is no swarm manager, and minidock's networks are this host's")
    ipam = asked.child("IPAM")
    if ipam.text("Driver") not in ("", "default"):
        raise UsageError(f"could not find an available, non-overlapping IPAM driver {ipam.text('Driver')}: there is "
                         "the driver default")  # fmt: skip
    pools = ipam.children("Config")
    return NetworkOptions(
        name=asked.text("Name"),
        driver=asked.text("Driver") or "bridge",
        subnets=[text for pool in pools if (text := pool.text("Subnet"))],
        gateways=[text for pool in pools if (text := pool.text("Gateway"))],
        ranges=[text for pool in pools if (text := pool.text("IPRange"))],
        reserved={name: value for pool in pools for name, value in pool.table("AuxiliaryAddresses").items()},
        internal=asked.flag("Internal"),
        ipv6=asked.flag("EnableIPv6"),
        attachable=asked.flag("Attachable"),
        labels=asked.table("Labels"),
        options=asked.table("Options"),
    )


def listed(found: dict[str, Any]) -> dict[str, Any]:
    """What a list has of a network: without those who are on it."""
    return {**found, "Containers": {}}
