"""Flags of docker's client for what is not here: a daemon, Windows, a swarm. Each is refused in a line with the reason.

They are understood where they ask for nothing, so that a script that is written for docker goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minidock.cli import usage
from minidock.engine.request.refusals import NO_DRIVER_OPTIONS, NO_LINK_LOCAL
from minidock.errors import UsageError

if TYPE_CHECKING:
    import click

_NO_DAEMON = "minidock has no daemon that it could reach, its commands do all themselves"
_ONLY_WINDOWS = "it is only supported on a Docker daemon running on windows"
_NO_SWARM = "this node is no swarm manager, and minidock has no cluster volumes"
_NO_CONFIGURATION = "a network that is only a configuration is for the nodes of a swarm"
_NO_SWARM_NETWORKS = "this node is no swarm manager, and minidock's networks are this host's"
_LEVELS = ("debug", "info", "warn", "error", "fatal", "panic", "trace", "warning")


def refused(name: str, why: str, *short: str, is_flag: bool = False) -> usage.Option:
    """A flag that cannot be given."""

    def refuse(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if (value if is_flag else any(value)) and not ctx.resilient_parsing:
            raise UsageError(f'"{name}" cannot be used: {why}')

    # is_flag=False would mean more than none to click: a flag that may go without its value.
    return usage.option(*short, name, is_flag=is_flag or None, multiple=not is_flag, hidden=True, expose_value=False,
                        is_eager=True, callback=refuse)  # fmt: skip


def _level(_: click.Context, __: click.Parameter, value: str) -> None:
    if value not in _LEVELS:
        raise UsageError(f"Unable to parse logging level: {value}")


def _context(_: click.Context, __: click.Parameter, value: str) -> None:
    if value not in ("", "default"):
        raise UsageError(f'"--context" cannot be {value}: {_NO_DAEMON}')


def _ipam_driver(_: click.Context, __: click.Parameter, value: str) -> None:
    if value not in ("", "default"):
        raise UsageError(f'"--ipam-driver" cannot be {value}: there is the driver default')


def _ipv4(_: click.Context, __: click.Parameter, wanted: bool) -> None:
    if not wanted:
        raise UsageError('"--ipv4" cannot be turned off: each network here has IPv4 addresses, --ipv6 adds others')


def _scope(_: click.Context, __: click.Parameter, value: str) -> None:
    if value not in ("", "local"):
        raise UsageError(f'"--scope" cannot be {value}: {_NO_SWARM_NETWORKS}')


DAEMON = [
    refused("--host", _NO_DAEMON, "-H"),
    usage.option("-c", "--context", default="", hidden=True, expose_value=False, callback=_context),
    usage.option("-l", "--log-level", default="info", hidden=True, expose_value=False, callback=_level),
    *(refused(f"--tls{name}", _NO_DAEMON) for name in ("cacert", "cert", "key")),
    *(refused(f"--tls{name}", _NO_DAEMON, is_flag=True) for name in ("", "verify")),
]
CONTAINER = [
    *(refused(f"--{name}", _ONLY_WINDOWS) for name in ("cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops")),
    refused("--use-api-socket", "there is no API socket that could be put into a container", is_flag=True),
]
CHECKPOINT = [
    refused(name, "it is only supported on a Docker daemon with experimental features enabled")
    for name in ("--checkpoint", "--checkpoint-dir")
]
CLUSTER_VOLUME = [
    refused(f"--{name}", _NO_SWARM)
    for name in ("availability", "group", "limit-bytes", "required-bytes", "scope", "secret", "sharing",
                 "topology-preferred", "topology-required", "type")
]  # fmt: skip
LINK_LOCAL = refused("--link-local-ip", NO_LINK_LOCAL)
ENDPOINT = [LINK_LOCAL, refused("--driver-opt", NO_DRIVER_OPTIONS)]
NETWORK = [
    refused("--config-only", _NO_CONFIGURATION, is_flag=True),
    refused("--config-from", f"{_NO_CONFIGURATION}: name its options here"),
    refused("--ingress", _NO_SWARM_NETWORKS, is_flag=True),
    refused("--ipam-opt", "the IPAM driver default has no options"),
    usage.option("--ipam-driver", default="default", hidden=True, expose_value=False, callback=_ipam_driver),
    usage.option("--ipv4/--no-ipv4", default=True, hidden=True, expose_value=False, callback=_ipv4),
    usage.option("--scope", default="", hidden=True, expose_value=False, callback=_scope),
]
TREE = refused("--tree", "an image is here for one platform: `minidock image layers` shows what it is made of",
               is_flag=True)  # fmt: skip
