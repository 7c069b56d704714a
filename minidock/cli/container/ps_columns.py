"""How a container is, in docker's words: the columns STATUS, CREATED and PORTS."""

from __future__ import annotations

from minidock.engine.container.records import Record


def ports(record: Record) -> str:
    """PORTS: where the host's ports lead, and what is exposed beside them; several in a row as a range.

    Docker's order (cli/command/formatter/container.go, DisplayablePorts).
    """
    if not record.is_up:
        return ""
    rows: list[tuple[int, str, int, str]] = []
    for key, bindings in (record.data.get("ports") or {}).items():
        number, _, protocol = key.partition("/")
        rows += [(int(number), row["HostIp"], int(row["HostPort"]), protocol) for row in bindings or []]
        rows += [] if bindings else [(int(number), "", 0, protocol)]
    shown: list[str] = []
    moved: list[str] = []
    groups: dict[tuple[str, str], tuple[int, int]] = {}
    for port, address, host_port, protocol in sorted(rows):
        if address and host_port != port:
            moved.append(f"{_bracketed(address)}:{host_port}->{port}/{protocol}")
            continue
        first, last = groups.get((address, protocol), (port, port - 1))
        if port != last + 1:
            shown.append(_group(address, protocol, first, last))
            first = port
        groups[address, protocol] = (first, port)
    shown += [_group(*key, first, last) for key, (first, last) in groups.items()]
    return ", ".join(shown + moved)


def _group(address: str, protocol: str, first: int, last: int) -> str:
    numbers = f"{first}" if first == last else f"{first}-{last}"
    return f"{_bracketed(address)}:{numbers}->{numbers}/{protocol}" if address else f"{numbers}/{protocol}"


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
