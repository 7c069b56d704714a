"""A container's streams over the connection: attach, hijacked or by websocket."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack

from minidock.api.call import Call
from minidock.api.http_errors import ClientGone
from minidock.api.routes import logs
from minidock.api.streams import hijacked
from minidock.api.streams.content_types import content_type
from minidock.engine.container import records, recovery
from minidock.engine.container.records import PAUSED, RESTARTING, Record
from minidock.engine.monitor import attach_client, detach_keys
from minidock.engine.monitor.await_start import Waiting
from minidock.engine.monitor.monitor_client import Attachment
from minidock.errors import ConflictError, MinidockError


def attach(call: Call) -> None:
    """POST /containers/NAME/attach. One that does not run is attached to from its next start on."""
    record = _record(call)
    raw = bool(record.data["options"]["tty"])
    _connect(call, record, lambda: call.hijack(content_type(call.version, has_terminal=raw)), raw=raw)


def attach_by_websocket(call: Call) -> None:
    """GET /containers/NAME/attach/ws: the same in messages of a websocket, the outputs without heads."""
    from minidock.api.streams import websocket

    record = _record(call)
    accept = websocket.accepted(call.request.headers)

    def take_over() -> socket.socket:
        call.take_over(accept)
        return websocket.unwrapped(call.connection.socket)

    _connect(call, record, take_over, raw=True)


def _record(call: Call) -> Record:
    recovery.sweep_all(call.root)
    record = records.find(call.root, call.name)
    if record.status == PAUSED:
        raise ConflictError(f"container {record.id} is paused, unpause the container before attach")
    if record.status == RESTARTING:
        raise ConflictError(f"container {record.id} is restarting, wait until the container is running")
    return record


def _connect(call: Call, record: Record, take_over: Callable[[], socket.socket], *, raw: bool) -> None:
    """Have the container's streams be the client's, as far as it asks for them; `take_over` gives its connection."""
    wants_stream = call.flag("stream")
    chosen = [name for name in ("stdin", "stdout", "stderr") if call.flag(name) and wants_stream]
    if not record.data["options"]["interactive"] and "stdin" in chosen:
        chosen.remove("stdin")
    keys = detach_keys.parse(call.text("detachKeys"))
    with ExitStack() as stack:
        # Before the client is answered: what it does next is to start the container.
        waiting = stack.enter_context(Waiting(record)) if wants_stream and not record.is_up else None
        end = take_over()
        if call.flag("logs"):
            logs.send_past(record, end, raw=raw, wanted=[name for name in ("stdout", "stderr") if call.flag(name)])
        if wants_stream:
            with hijacked.as_own_streams(end, chosen, raw=raw):
                _follow(record, chosen, keys, end, waiting)


def _follow(record: Record, chosen: list[str], keys: bytes, end: socket.socket, waiting: Waiting | None) -> None:
    lifeline = end.fileno()
    attachment = Attachment(**dict.fromkeys(chosen, True), keys=keys, proxy=False, lifeline=lifeline)
    try:
        if waiting is None:
            attach_client.attach(record, attachment, _ignore)
        elif channel := waiting.channel(lifeline):
            attach_client.join(record, channel, attachment, _ignore)
    except (MinidockError, ClientGone):  # of what has failed the request that started it is told
        return


def _ignore(_: str) -> None:
    """There is no place for warnings between a program's own words."""
