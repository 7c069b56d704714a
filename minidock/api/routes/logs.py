"""GET /containers/NAME/logs."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any
from urllib.parse import quote_plus

from minidock.api.call import Call
from minidock.api.models import api_times
from minidock.api.streams import multiplexed
from minidock.api.streams.content_types import content_type
from minidock.engine.container import records, recovery
from minidock.engine.container.records import Record
from minidock.engine.logs import log_config, log_reader
from minidock.errors import MinidockError, UsageError

Blocks = Iterator[list[dict[str, Any]]]
_STREAMS = {"stdout": multiplexed.STDOUT, "stderr": multiplexed.STDERR}


def logs(call: Call) -> None:
    """What a container has printed, each stream behind heads of its own, or as it is if it has a terminal."""
    chosen = [name for name in _STREAMS if call.flag(name)]
    if not chosen:
        raise UsageError("Bad parameters: you must choose at least one stream")
    since, until = (api_times.moment(call.text(name), name) for name in ("since", "until"))
    wanted = log_reader.Wanted(_count(call.text("tail")), api_times.utc(since) if since else "",
                               api_times.utc(until) if until else "")  # fmt: skip
    recovery.sweep_all(call.root)
    record = records.find(call.root, call.name)
    driver = log_config.driver_of(record)
    if driver is None:
        raise MinidockError("configured logging driver does not support reading")
    path = log_config.path(record, driver)
    if call.flag("follow"):
        is_running = log_reader.while_running(call.root, record.id)
        blocks = log_reader.follow(path, wanted, is_running, lambda _: None, driver)
    else:
        blocks = log_reader.read(path, wanted, driver)
    raw = bool(record.data["options"]["tty"])
    form = _form(timestamps=call.flag("timestamps"), details=call.flag("details"))
    with call.stream(content_type(call.version, has_terminal=raw)) as stream:
        for data in _pieces(blocks, chosen, form, raw=raw):
            stream.write(data)


def send_past(record: Record, end: socket.socket, *, raw: bool, wanted: list[str]) -> None:
    """Send what a container has printed so far, for attach with `logs`."""
    driver = log_config.driver_of(record)
    if driver is None:
        return
    blocks = log_reader.read(log_config.path(record, driver), log_reader.Wanted(), driver)
    for data in _pieces(blocks, wanted, _form(timestamps=False, details=False), raw=raw):
        end.sendall(data)


def _count(tail: str) -> int | None:
    """Anything but a number is "all", as in docker."""
    return int(tail) if tail.isascii() and tail.isdigit() else None


def _form(*, timestamps: bool, details: bool) -> Callable[[dict[str, Any]], str]:
    """How a record is shown."""

    def shown(record: dict[str, Any]) -> str:
        text = str(record["log"])
        if details:
            pairs = sorted((record.get("attrs") or {}).items())
            text = f"{','.join(f'{quote_plus(key)}={quote_plus(value)}' for key, value in pairs)} {text}"
        if timestamps:
            second, _, fraction = record["time"][:-1].partition(".")
            text = f"{second}.{fraction:0<9}Z {text}"
        return text

    return shown if timestamps or details else lambda record: str(record["log"])


def _pieces(blocks: Blocks, chosen: list[str], form: Callable[[dict[str, Any]], str], *, raw: bool) -> Iterator[bytes]:
    """In one piece what goes to one stream before the other's turn comes; lines with heads of their own, as clients
    that show them one by one expect.
    """
    for block in blocks:
        parts = []
        for name, group in groupby(block, key=lambda record: record["stream"]):
            if name not in chosen:
                continue
            for record in group:
                data = form(record).encode("utf-8", "surrogateescape")
                parts.append(data if raw else multiplexed.framed(_STREAMS[name], data))
        if parts:
            yield b"".join(parts)
