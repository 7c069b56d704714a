"""The container's network drawn with characters: the path of a packet from the container out, top to bottom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from minidock.explain import format_values
from minidock.explain.console import columns, text
from minidock.explain.translations import say
from minidock.explain.xray import descriptions
from minidock.explain.xray.model import Cable, Network
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
    for key, values in descriptions.network_facts(network):
        table.add_row(text(say(key), "bold"), text(values))
    yield table


def _cable(cable: Cable, network: Network) -> Iterator[Text]:
    yield _interface(say("inside"), cable.inside, counters=True)
    if cable.outside:
        yield text(f"  ══╪══ {'macvlan' if cable.is_direct else say('cable')}", "dim")
        line = _interface(say("host"), cable.outside)
        if cable.is_direct and cable.network:
            line.append_text(text(f"  {say('network called', name=cable.network)}", "dim"))
        yield line
    if cable.bridge:
        yield text("    │", "dim")
        line = _interface(say("bridge"), cable.bridge)
        if cable.network:
            line.append_text(text(f"  {say('network called', name=cable.network)}", "dim"))
        yield line
    if cable.outside:
        yield text(
            f"    {'▼' if cable.masquerade or cable.is_direct else '✗'} {descriptions.way_out(cable, network)}", "dim"
        )
        if network.uplink and cable.masquerade:
            yield _interface(say("host"), network.uplink)


def _interface(where: str, interface: Interface, *, counters: bool = False) -> Text:
    line = text(f"{where:<8}", "dim")
    line.append_text(text(interface.name, "bold green"))
    line.append_text(text(f"  {'  '.join(descriptions.worth_showing(interface))}"))
    if counters:
        line.append(f"  ↓ {format_values.size(interface.received)} ↑ {format_values.size(interface.sent)}", "dim")
    if counters and interface.dropped:
        line.append(f"  {say('dropped', count=interface.dropped)}", "yellow")
    if not interface.is_up:
        line.append(f"  {say('down')}", "red")
    return line
