"""What a new container's network flags mean on this host: names of networks and containers become those that exist."""

from __future__ import annotations

from minidock.engine.container import records
from minidock.engine.container.container_options import ContainerOptions
from minidock.engine.networks import legacy_links, networks
from minidock.engine.networks.container_networks import SHARED
from minidock.errors import EXIT_ENGINE, MinidockError, UsageError
from minidock.network.addresses import IPV4, IPV6
from minidock.network.endpoint import EndpointConfig
from minidock.network.network_store import Network
from minidock.network.reserve import check_address


def resolved(root: str, options: ContainerOptions) -> ContainerOptions:
    """The options with full names. Raises what is wrong with them: nothing is made yet."""
    try:
        if options.network.startswith(SHARED):
            other = records.find(root, options.network.removeprefix(SHARED))
            return options._replace(network=f"{SHARED}{other.id}")
        attachments = {}
        for name, asked in options.attachments.items():
            network = networks.find(root, name)
            attachments[network.name] = checked(root, network, asked)
        if len(attachments) < len(options.attachments):
            raise UsageError("conflicting options: the same network twice")
        return options._replace(network=next(iter(attachments), options.network), attachments=attachments)
    except MinidockError as error:
        error.exit_code = EXIT_ENGINE
        raise


def checked(root: str, network: Network, asked: EndpointConfig) -> EndpointConfig:
    """What is asked of the network, with links to ids, which stay when names change.

    Refuses what cannot be had there whoever else is on it, in docker's words.
    """
    if not network.has_names and asked.aliases:
        raise UsageError("network-scoped alias is supported only for containers in user defined networks")
    for wanted, width in ((asked.address, IPV4), (asked.address6, IPV6)):
        if wanted:
            check_address(network, wanted, width)
    return asked._replace(links=[(legacy_links.target(root, container).id, alias) for container, alias in asked.links])
