"""Which containers `ps` shows: docker's filters (moby: daemon/list.go).

Filters of different kinds must all hold. Of several of one kind, each label must hold, and one of the others.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from minidock.engine import filters
from minidock.engine.container import container_lock, records
from minidock.engine.container.records import CREATED, DEAD, RESTARTING, DamagedRecordError, Record
from minidock.engine.filters import Filters
from minidock.engine.inspect import network_settings
from minidock.engine.spec import published_ports
from minidock.errors import MinidockError, NotFoundError, UsageError

_KNOWN = ("ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "name", "network",
          "publish", "since", "status", "volume")  # fmt: skip
_STATUSES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
_HEALTH = ("none", "starting", "healthy", "unhealthy")
_BOOLEANS = {"1": True, "true": True, "0": False, "false": False}


def parse(texts: Iterable[str]) -> Filters:
    """`NAME=VALUE` filters by name; `UsageError` for one that docker does not know, or a value that it refuses."""
    parsed = filters.parse(texts, _KNOWN)
    _check(parsed)
    return parsed


def _check(filters: Filters) -> None:
    for name, allowed in (("status", _STATUSES), ("is-task", tuple(_BOOLEANS))):
        for value in filters.get(name, ()):
            if value.lower() not in allowed:
                raise UsageError(f"invalid filter '{name}={value}'")
    for value in filters.get("health", ()):
        if value not in _HEALTH:
            raise UsageError(f"unrecognized filter value for health: {value}")
    for value in filters.get("exited", ()):
        if not re.fullmatch(r"[+-]?\d+", value):
            raise UsageError(f"invalid filter 'exited={value}': it is an exit code")
    for name in ("publish", "expose"):
        for value in filters.get(name, ()):
            _ports(name, value)
    for name in ("id", "name"):
        for value in filters.get(name, ()):
            _check_pattern(name, value)


def _check_pattern(name: str, value: str) -> None:
    try:
        re.compile(value)
    except re.error as error:
        raise UsageError(f"invalid filter '{name}={value}': {error}") from error


def select(root: str, filters: Filters, *, everything: bool = False, last: int = 0) -> list[Record]:
    """The containers that pass, the newest first: only those that are up, unless `everything` or a status is asked
    for; or the `last` so many.
    """
    everything = everything or last > 0 or "status" in filters
    found, ruins = records.survey(root)
    found = [record for record in found if "keepFiles" not in record.data]  # no steps of builds
    found += map(partial(_stand_in, root), ruins)
    after = max((records.find(root, name).data["created"] for name in filters.get("since", ())), default="")
    before = min((records.find(root, name).data["created"] for name in filters.get("before", ())), default="9")
    tests = [make(root, filters[name]) for name, make in _TESTS.items() if name in filters]
    chosen = [
        record
        for record in found
        if (everything or record.is_up or record.status == RESTARTING or _may_run(record))
        and after < record.data["created"] < before
        and all(test(record) for test in tests)
    ]
    return chosen[:last] if last > 0 else chosen


def _stand_in(root: str, damaged: DamagedRecordError) -> Record:
    """A record to list in the place of one that cannot be read: what is not known is empty."""
    made = os.stat(records.directory(root, damaged.id)).st_mtime
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made))
    return Record(root, damaged.id, {
        "id": damaged.id, "name": damaged.name, "created": created, "image": "", "imageName": "", "layers": [],
        "mounts": [], "command": [], "attachments": {}, "ports": {}, "networks": {}, "imageConfig": {},
        "options": {"expose": [], "publish": [], "network": ""}, "restartCount": 0,
        "config": {"labels": {}, "stopSignal": ""}, "state": {**records.new_state(DEAD), "error": str(damaged)},
    })  # fmt: skip


def _may_run(record: Record) -> bool:
    """Whether a container whose record is damaged has a monitor: its lock is held."""
    if record.status != DEAD:
        return False
    try:
        lock = container_lock.take_lock(record.root, record.id)
    except (OSError, MinidockError):
        return True
    if lock is not None:
        os.close(lock)
    return lock is None


def health(record: Record) -> str:
    """starting, healthy or unhealthy; none without a health check."""
    return str((record.data["state"].get("health") or {}).get("Status", "none"))


Test = Callable[[Record], bool]


def _by_id(_: str, values: list[str]) -> Test:
    return lambda record: any(re.search(value, record.id) for value in values)


def _by_name(_: str, values: list[str]) -> Test:
    return lambda record: any(re.search(v, record.name) or re.search(v, f"/{record.name}") for v in values)


def _by_label(_: str, values: list[str]) -> Test:
    def has(labels: dict[str, str], wanted: str) -> bool:
        name, equals, value = wanted.partition("=")
        return name in labels and (not equals or labels[name] == value)

    return lambda record: all(has(record.data["config"]["labels"], value) for value in values)


def _by_status(_: str, values: list[str]) -> Test:
    return lambda record: record.status in values


def _by_exit_code(_: str, values: list[str]) -> Test:
    codes = set(map(int, values))

    def ended(record: Record) -> bool:
        return not record.is_up and record.status != CREATED and record.data["state"]["exitCode"] in codes

    return ended


def _by_health(_: str, values: list[str]) -> Test:
    return lambda record: health(record) in values


def _by_ancestor(root: str, values: list[str]) -> Test:
    """An image, or one that was made from it: one that has its layers at the bottom."""
    from minidock.image.store import Store

    layers: list[list[str]] = []
    for value in values:
        try:
            layers.append(Store(root).resolve(value).layer_paths)
        except NotFoundError:
            continue  # docker has no error for this either
    return lambda record: any(record.data["layers"][: len(paths)] == paths for paths in layers)


def _by_volume(_: str, values: list[str]) -> Test:
    def has(point: dict[str, Any]) -> bool:
        return point["destination"] in values or (point.get("name") or point["source"]) in values

    return lambda record: any(has(point) for point in record.data.get("mounts", ()))


def _by_network(_: str, values: list[str]) -> Test:
    def is_on(record: Record, value: str) -> bool:
        ids = [endpoint["network"] for endpoint in record.data["networks"].values()]
        return value in network_settings.names(record) or (value != "" and any(i.startswith(value) for i in ids))

    return lambda record: any(is_on(record, value) for value in values)


def _by_published(_: str, values: list[str]) -> Test:
    """By the host's port, whatever docker's manual says, as it is there."""
    wanted = {key for value in values for key in _ports("publish", value)}

    def passes(record: Record) -> bool:
        there = published_ports.published(record) if record.is_up else ()
        return any(f"{one.host_port}/{one.protocol}" in wanted for one in there)

    return passes


def _by_exposed(_: str, values: list[str]) -> Test:
    wanted = {key for value in values for key in _ports("expose", value)}
    return lambda record: bool(wanted & set(published_ports.exposed(record.data)))


def _by_task(_: str, values: list[str]) -> Test:
    """There are no tasks of a swarm."""
    return lambda record: not all(_BOOLEANS[value.lower()] for value in values)


def _ports(name: str, text: str) -> list[str]:
    """80, 80/udp or 8000-8010/tcp: all ports that this means, as in 80/tcp."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?(?:/(tcp|udp|sctp))?", text)
    if not match or int(match[2] or match[1]) < int(match[1]) or int(match[2] or match[1]) > 0xFFFF:
        raise UsageError(f"error while looking up for {name} {text}: it is PORT[-PORT][/PROTOCOL]")
    return [f"{port}/{match[3] or 'tcp'}" for port in range(int(match[1]), int(match[2] or match[1]) + 1)]


_TESTS: dict[str, Callable[[str, list[str]], Test]] = {
    "ancestor": _by_ancestor,
    "exited": _by_exit_code,
    "expose": _by_exposed,
    "health": _by_health,
    "id": _by_id,
    "is-task": _by_task,
    "label": _by_label,
    "name": _by_name,
    "network": _by_network,
    "publish": _by_published,
    "status": _by_status,
    "volume": _by_volume,
}
