"""The network that containers are on unless they ask for another: a bridge on the host and a cable to each
container.

`reserve` decides (an address, on paper), `connect` does (in the kernel), `release` undoes both. Each can be
repeated, and killed at any instruction: what a killed one leaves behind, the next `release` of that container
takes away.

    host                                     container
    eth0 <- masquerade <- minidock0 -- md1a2b3c4d5e6f ==(veth pair)== eth0 172.30.0.2, default via 172.30.0.1
                          172.30.0.1

    ROOT/networks/bridge.json           the subnet; chosen once, kept over reboots
    ROOT/networks/bridge.leases.json    who holds which address
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import NamedTuple

from minidock import state
from minidock.errors import ConflictError, HostError
from minidock.linux import links
from minidock.network.addresses import Leases, Subnet, first_free, mac_of
from minidock.observe import step

BRIDGE = "minidock0"
INTERFACE = "eth0"
BOOK = "4.1.1"  # Mode de fonctionnement standard (bridge)
DEFAULT_MTU = 1500


class Endpoint(NamedTuple):
    """Where a container's cable ends, inside and outside."""

    container_id: str
    interface: str
    address: str
    prefix: int
    gateway: str
    mac: str
    host_interface: str
    bridge: str


def reserve(root: str, container_id: str) -> Endpoint:
    """An address for the container: the one it holds already, or the next.

    The first call on a host picks the subnet and makes the bridge, later ones only read and write two small
    files. Raises `HostError` if the pool is exhausted or no subnet is free.
    """
    directory = f"{root}/networks"
    os.makedirs(directory, mode=0o700, exist_ok=True)
    with step("an address for the container", book=BOOK), state.locked(f"{directory}/bridge.lock"):
        leases = Leases.read(f"{directory}/bridge.leases.json")
        subnet = _subnet(directory, in_use=bool(leases.held))
        address = leases.take(container_id, subnet)
        leases.write()
    return Endpoint(
        container_id=container_id,
        interface=INTERFACE,
        address=address,
        prefix=subnet.prefix,
        gateway=subnet.gateway,
        mac=mac_of(address),
        host_interface=_host_interface(container_id),
        bridge=BRIDGE,
    )


def connect(endpoint: Endpoint, netns_fd: int) -> list[str]:
    """Plug the container, whose network namespace `netns_fd` is, into the bridge, and let it out.

    Returns warnings: one line each, to be shown to the user. After an exception `release` takes back what was
    made.
    """
    from minidock.network.masquerade import open_way_out

    subnet = Subnet.parse(f"{endpoint.gateway}/{endpoint.prefix}")
    mtu = _mtu()
    with links.Rtnetlink() as host:
        if not _is_routed(subnet):  # never made, deleted by someone, or gone with a reboot
            _make_bridge(host, subnet, mtu)
        with step("a cable between the container and the bridge", book=BOOK):
            host.add_veth(endpoint.host_interface, endpoint.bridge, mtu,
                          peer=endpoint.interface, mac=endpoint.mac, netns_fd=netns_fd)  # fmt: skip
    with step("its address, and the bridge as its way to everyone else", book=BOOK):
        with links.entered(netns_fd):
            inside, index = links.Rtnetlink(), socket.if_nametoindex(endpoint.interface)
        with inside:
            inside.add_address(index, endpoint.address, endpoint.prefix, subnet.broadcast)
            inside.set_up(endpoint.interface)
            inside.add_default_route(index, endpoint.gateway)
    with step("the host's address towards the world", book=BOOK):
        return open_way_out(endpoint.bridge, subnet)


def release(root: str, container_id: str) -> None:
    """Pull the cable and give the address back, whatever there is of either.

    A network namespace that ends takes its end of the cable with it and so the other, but the kernel does
    that when it finds the time. After this call it is done.
    """
    name = _host_interface(container_id)
    with step("the container's cable and address go back", book=BOOK):
        if links.exists(name):
            with links.Rtnetlink() as host:
                try:
                    host.delete_link(name)
                except OSError as error:
                    if not links.is_missing(error):  # the kernel was quicker
                        raise
        directory = f"{root}/networks"
        with contextlib.suppress(FileNotFoundError), state.locked(f"{directory}/bridge.lock"):
            leases = Leases.read(f"{directory}/bridge.leases.json")
            if leases.held.pop(container_id, None):
                leases.write()
            for file in os.listdir(directory):
                if file.startswith("bridge.") and file.endswith(".tmp"):  # by someone killed while writing
                    os.unlink(f"{directory}/{file}")


def leases(root: str) -> dict[str, str]:
    """The address that each container (by its id) holds, those of containers that were killed included."""
    return Leases.read(f"{root}/networks/bridge.leases.json").held


def warm_up() -> None:
    """Import what `connect` will need: 25 ms that fit beside somebody else's work."""
    import minidock.network.masquerade  # noqa: F401

    links.encoders()


def remove(root: str) -> None:
    """Unmake the network: its address on the bridge, its rules, its files; the bridge too if nobody else is
    on it.

    Raises `ConflictError` while a container holds an address.
    """
    from minidock.network import masquerade

    directory = f"{root}/networks"
    with contextlib.suppress(FileNotFoundError), state.locked(f"{directory}/bridge.lock"):
        if held := Leases.read(f"{directory}/bridge.leases.json").held:
            raise ConflictError(f"{len(held)} containers are on {BRIDGE}: stop them first")
        subnet = _recorded(directory)
        if subnet is None:
            return
        with state.locked(masquerade.lock_path()):
            masquerade.close_way_out(BRIDGE, subnet)
            if links.exists(BRIDGE):
                with links.Rtnetlink() as host:
                    _unmake_bridge(host, subnet)
        for name in ("bridge.leases.json", "bridge.json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{directory}/{name}")


def _subnet(directory: str, *, in_use: bool) -> Subnet:
    """The subnet on record. Judged anew when the bridge is missing and nobody holds an address of it."""
    recorded = _recorded(directory)
    if recorded and (in_use or _is_routed(recorded)):
        return recorded
    from minidock.network.masquerade import lock_path

    with (
        step("a subnet that nothing else on this host uses", book=BOOK),
        state.locked(lock_path()),  # for all roots: the next to choose must see this bridge among the routes
        links.Rtnetlink() as host,
    ):
        chosen = _choose(host, recorded, directory)
        state.write_json(f"{directory}/bridge.json", {"bridge": BRIDGE, "subnet": str(chosen)})
        _make_bridge(host, chosen, _mtu())
    return chosen


def _choose(host: links.Rtnetlink, recorded: Subnet | None, directory: str) -> Subnet:
    """`recorded`, or else the first subnet, that no route and no other interface's address overlaps."""
    bridge = socket.if_nametoindex(BRIDGE) if links.exists(BRIDGE) else -1
    taken = []
    for network in host.networks():
        subnet = Subnet.parse(f"{network.address}/{network.prefix}")
        if not (network.interface == bridge and recorded and subnet.network in recorded):
            taken.append(subnet)
    chosen = first_free(taken, recorded)
    if chosen is None:
        raise HostError(
            "every private subnet that minidock knows collides with a route of this host "
            "(ip route show table all): "
            f'write a free one into {directory}/bridge.json, as {{"subnet": "10.1.2.0/24"}}'
        )
    return chosen


def _recorded(directory: str) -> Subnet | None:
    """The subnet in bridge.json, which a user may have written; None if there is no such file."""
    path = f"{directory}/bridge.json"
    try:
        text = state.read_json(path).get("subnet")
    except FileNotFoundError:
        return None
    try:
        subnet = Subnet.parse(str(text))
    except ValueError as error:
        raise HostError(f"{path}: the subnet cannot be read ({error})") from None
    if subnet.prefix > 30:
        raise HostError(f"{path}: {subnet} has no room for a gateway and a container")
    return subnet


def _is_routed(subnet: Subnet) -> bool:
    """Whether the kernel sends what is for `subnet` to the bridge: it exists, is up and has its address."""
    for route in links.main_routes():
        if (route.interface, route.network, route.mask.bit_count()) == (BRIDGE, *subnet):
            return True
    return False


def _make_bridge(host: links.Rtnetlink, subnet: Subnet, mtu: int) -> None:
    """Make the bridge, or what is missing of it. Several processes may do this at once."""
    with step("a bridge on the host, for all containers", book=BOOK):
        with contextlib.suppress(FileExistsError):
            host.add_bridge(BRIDGE, mac_of(subnet.gateway), mtu)
        index = socket.if_nametoindex(BRIDGE)
        with contextlib.suppress(FileExistsError):
            host.add_address(index, subnet.gateway, subnet.prefix, subnet.broadcast)
        host.set_up(BRIDGE)
        # The cables of containers that were on a bridge which someone deleted.
        for _, name in socket.if_nameindex():
            if _is_ours(name):
                with contextlib.suppress(OSError):
                    host.set_master(name, BRIDGE)


def _unmake_bridge(host: links.Rtnetlink, subnet: Subnet) -> None:
    """Take the address away, and the bridge when it has no other: another root's network may be on it."""
    index = socket.if_nametoindex(BRIDGE)
    networks = {Subnet.parse(f"{n.address}/{n.prefix}") for n in host.networks() if n.interface == index}
    if any(not network.overlaps(subnet) for network in networks):
        host.delete_address(index, subnet.gateway, subnet.prefix)
    else:
        host.delete_link(BRIDGE)


def _mtu() -> int:
    """That of the interface behind the default route: bigger packets would be cut on their way out."""
    defaults = [route for route in links.main_routes() if route.mask == 0]
    if not defaults:
        return DEFAULT_MTU
    try:
        return links.mtu_of(min(defaults, key=lambda route: route.metric).interface)
    except OSError:  # it went away just now
        return DEFAULT_MTU


def _host_interface(container_id: str) -> str:
    """The host's end of the cable. 14 characters; the kernel allows 15 (IFNAMSIZ)."""
    return f"md{container_id[:12]}"


def _is_ours(name: str) -> bool:
    return len(name) == 14 and name.startswith("md") and all(c in "0123456789abcdef" for c in name[2:])
