"""Texts about the parts of an X-ray, for the terminal and the page."""

from __future__ import annotations

from minidock.engine.spec.security import DEFAULT_CAPABILITIES
from minidock.explain import format_values
from minidock.explain.layers.layer_changes import Changes
from minidock.explain.translations import TEXTS, say
from minidock.explain.xray.model import Cable, Cgroup, Network, Process, Published, Running, Security, Xray
from minidock.linux.interfaces import Interface

_COMMAND = 400  # characters


def status(xray: Xray) -> str:
    """The container's status in words: running, exited with which code, ..."""
    return say("exited with", code=xray.exit_code) if xray.exit_code is not None else say(f"status {xray.status}")


def why(key: str, xray: Xray) -> str:
    """What a part shows, in one sentence; "" where its title is enough."""
    if key == "network" and xray.running:
        network = xray.running.network
        return say(f"network {network.mode}", names=", ".join(network.shared_with))
    return say(f"{key} why", count=len(DEFAULT_CAPABILITIES)) if f"{key} why" in TEXTS else ""


def command(process: Process) -> str:
    """A process's command line, cut if it is long; its name in brackets if it has none."""
    words = " ".join(process.command) or f"[{process.name}]"
    return words if len(words) <= _COMMAND else f"{words[:_COMMAND]}…"


def depths(processes: list[Process]) -> list[int]:
    """The depth of each process in the process tree; 0 for those whose parent is not in the list."""
    known: dict[int, int] = {}
    for process in processes:
        known[process.pid] = known[process.parent] + 1 if process.parent in known else 0
    return list(known.values())


def gauges(group: Cgroup, running: Running) -> list[tuple[str, float | None, str]]:
    """(what, share of the limit from 0 to 1 or None without one, the numbers in words) for memory, processor, ..."""
    rows = []
    if group.memory:
        memory = group.memory
        words = _of(format_values.memory(memory.current), memory.limit and format_values.memory(memory.limit))
        words += f", {say('peak', size=format_values.memory(memory.peak))}" if memory.peak else ""
        words += f", {say('oom', count=memory.out_of_memory)}" if memory.out_of_memory else ""
        words += _waited(group.pressure.memory)
        rows.append((say("memory"), memory.current / memory.limit if memory.limit else None, words))
    else:
        resident = sum(process.resident for process in running.processes)
        rows.append((say("memory"), None, say("resident sum", size=format_values.memory(resident))))
    if cpu := group.cpu:
        words = say("used", time=format_values.seconds(cpu.used))
        if "cpu" in group.controllers:
            limit = say("processors", count=f"{cpu.limit:g}") if cpu.limit else say("no limit")
            words += f", {limit}"
        if cpu.throttled_periods:
            words += (
                f", {say('throttled', time=format_values.seconds(cpu.throttled or 0), count=cpu.throttled_periods)}"
            )
        rows.append((say("processor"), None, words + _waited(group.pressure.cpu)))
    if pids := group.pids:
        words = _of(str(pids.current), pids.limit and str(pids.limit))
        words += f", {say('refused forks', count=pids.refused)}" if pids.refused else ""
        rows.append((say("processes and threads"), pids.current / pids.limit if pids.limit else None, words))
    for disk in group.io or []:
        words = f"{say('read')} {format_values.size(disk.read)}, {say('written')} {format_values.size(disk.written)}"
        rows.append((f"{say('disk')} {disk.name}", None, words))
    return rows


def _waited(share: float | None) -> str:
    """The share of the time, in percent, in which some process could not go on (pressure stall information)."""
    return f", {say('pressure', share=share)}" if share and share >= 1 else ""


def _of(used: str, limit: str | int | None) -> str:
    return say("of", used=used, limit=limit) if limit else f"{used}, {say('no limit')}"


def counts(changes: Changes) -> str:
    """How much a layer adds, changes and hides, in words."""
    added, changed = sum(change.entries for change in changes.added), len(changes.changed)
    hidden = sum(change.entries for change in changes.hidden)
    return say(
        "counts",
        added=format_values.number(added),
        changed=format_values.number(changed),
        hidden=format_values.number(hidden),
    )


def rights(security: Security) -> list[tuple[str, str]]:
    """(key of the catalogue, words) for what is no capability."""
    rows = [
        ("seccomp", say(f"seccomp {security.seccomp}", count=security.filters or 1)),
        ("no_new_privs", say("nnp yes" if security.no_new_privileges else "nnp no")),
    ]
    return [*rows, ("label", security.label)] if security.label else rows


def first_process(running: Running) -> list[tuple[str, str]]:
    """(key of the catalogue, words) about the container's first process."""
    limit = next((limit.soft for limit in running.limits if limit.name == "open files"), None)
    files = say("of", used=running.open_files, limit=limit) if limit else str(running.open_files)
    return [("program", running.executable), ("directory", running.cwd), ("open files", files)]


# Network


def way_out(cable: Cable, network: Network) -> str:
    """What happens to a packet between the bridge and the host's interface."""
    if cable.is_direct:
        return say("direct")
    if network.uplink is None:
        return say("no uplink")
    if cable.masquerade is None:
        return say("no masquerade")
    address = next((address.partition("/")[0] for address in network.uplink.addresses), network.uplink.name)
    counted = cable.masquerade.packets
    return say("masquerade", address=address) + (
        "" if counted is None else f", {say('packets', count=format_values.number(counted))}"
    )


def worth_showing(interface: Interface) -> list[str]:
    """An interface's addresses, without IPv6's link-local ones."""
    return [address for address in interface.addresses if not address.startswith("fe80:")]


def addresses(network: Network) -> list[str]:
    """All addresses inside, without link-local ones."""
    return [address for cable in network.cables for address in worth_showing(cable.inside)]


def network_facts(network: Network) -> list[tuple[str, str]]:
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
