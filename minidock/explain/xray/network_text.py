"""The container's network drawn with characters: the way out from top to bottom, through the container's wall."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from minidock.explain import shown
from minidock.explain.console import columns, text
from minidock.explain.words import say
from minidock.explain.xray.model import Cable, Network, Published
from minidock.linux.interfaces import Interface

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text


def lines(network: Network) -> Iterator[RenderableType]:
    """The drawing, then ports and name servers."""
    if network.filter:
        yield text(say("no filter", why=network.filter), "yellow")
    if network.loopback and network.mode == "none":
        yield _interface(say("inside"), network.loopback)
    for cable in network.cables:
        yield from _cable(cable, network)
    if network.mode == "host" and network.uplink:
        yield _interface(say("host"), network.uplink)
    table = columns("", "", fold=(1,))
    for key, values in facts(network):
        table.add_row(text(say(key), "bold"), text(values))
    yield table


def _cable(cable: Cable, network: Network) -> Iterator[Text]:
    yield _interface(say("inside"), cable.inside, counters=True)
    if cable.outside:
        yield text(f"  ══╪══ {say('cable')}", "dim")
        yield _interface(say("host"), cable.outside)
    if cable.bridge:
        yield text("    │", "dim")
        line = _interface(say("bridge"), cable.bridge)
        if cable.network:
            line.append_text(text(f"  {say('network called', name=cable.network)}", "dim"))
        yield line
    if cable.outside:
        yield text(f"    {'▼' if cable.masquerade else '✗'} {way_out(cable, network)}", "dim")
        if network.uplink and cable.masquerade:
            yield _interface(say("host"), network.uplink)


def way_out(cable: Cable, network: Network) -> str:
    """What happens to a packet between the bridge and the world."""
    if network.uplink is None:
        return say("no uplink")
    if cable.masquerade is None:
        return say("no masquerade")
    address = next((address.partition("/")[0] for address in network.uplink.addresses), network.uplink.name)
    counted = cable.masquerade.packets
    return say("masquerade", address=address) + (
        "" if counted is None else f", {say('packets', count=shown.number(counted))}"
    )


def _interface(where: str, interface: Interface, *, counters: bool = False) -> Text:
    line = text(f"{where:<8}", "dim")
    line.append_text(text(interface.name, "bold green"))
    line.append_text(text(f"  {'  '.join(worth_showing(interface))}"))
    if counters:
        line.append(f"  ↓ {shown.size(interface.received)} ↑ {shown.size(interface.sent)}", "dim")
    if counters and interface.dropped:
        line.append(f"  {say('dropped', count=interface.dropped)}", "yellow")
    if not interface.is_up:
        line.append(f"  {say('down')}", "red")
    return line


def worth_showing(interface: Interface) -> list[str]:
    """An interface's addresses; those that IPv6 makes for itself on every link are left out."""
    return [address for address in interface.addresses if not address.startswith("fe80:")]


def addresses(network: Network) -> list[str]:
    """All addresses inside, those of every link left out."""
    return [address for cable in network.cables for address in worth_showing(cable.inside)]


def facts(network: Network) -> list[tuple[str, str]]:
    """(key of the catalogue, words) for ports and name servers, those that there are."""
    ports = ", ".join(f"{place(row)} → {row.port}/{row.protocol}" for row in network.published)
    heard = ", ".join(f"{where(row.address, row.port)}/{row.protocol}" for row in network.listening)
    rows = [("published ports", ports), ("listening", heard), ("nameservers", ", ".join(network.nameservers))]
    return [row for row in rows if row[1]]


def place(row: Published) -> str:
    """The host's end of a published port."""
    return where(row.host_address or ("::" if ":" in row.address else "0.0.0.0"), row.host_port)


def where(address: str, port: int | str) -> str:
    """address:port, in the usual form."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
