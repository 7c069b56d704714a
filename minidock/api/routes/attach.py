"""A container's streams over the connection: attach, hijacked or by websocket."""

from __future__ import annotations

import socket

from minidock.api.call import Call
from minidock.api.errors import ClientGone
from minidock.api.routes import logs
from minidock.api.streams import hijacked
from minidock.api.streams.content_types import content_type
from minidock.engine.container import records, recovery
from minidock.engine.container.records import PAUSED, RESTARTING, Record
from minidock.engine.monitor import attach_client, detach_keys
from minidock.engine.monitor.await_start import Waiting
from minidock.engine.monitor.client import Attachment
from minidock.errors import ConflictError, MinidockError


def attach(call: Call) -> None:
    """POST /containers/NAME/attach. One that does not run is attached to from its next start on."""
    record = _record(call)
    has_terminal = bool(record.data["options"]["tty"])
    _connect(call, record, has_terminal=has_terminal, client=None)


def attach_by_websocket(call: Call) -> None:
    """GET /containers/NAME/attach/ws: the same in messages of a websocket, the outputs without heads."""
    from minidock.api.streams import websocket

    record = _record(call)
    accept = websocket.accepted(call.request.headers)

    def client() -> socket.socket:
        call.take_over(accept)
        return websocket.unwrapped(call.connection.socket)

    _connect(call, record, has_terminal=True, client=client)


def _record(call: Call) -> Record:
    recovery.sweep_all(call.root)
    record = records.find(call.root, call.name)
    if record.status == PAUSED:
        raise ConflictError(f"container {record.id} is paused, unpause the container before attach")
    if record.status == RESTARTING:
        raise ConflictError(f"container {record.id} is restarting, wait until the container is running")
    return record


def _connect(call: Call, record: Record, *, has_terminal: bool, client: object) -> None:
    wants_stream = call.flag("stream")
    chosen = [name for name in ("stdin", "stdout", "stderr") if call.flag(name) and wants_stream]
    if not record.data["options"]["interactive"] and "stdin" in chosen:
        chosen.remove("stdin")
    keys = detach_keys.parse(call.text("detachKeys"))
    waiting = None if record.is_up or not wants_stream else Waiting(record)
    try:
        if callable(client):
            end: socket.socket = client()
        else:
            end = call.hijack(content_type(call.version, has_terminal=has_terminal))
        if call.flag("logs"):
            logs.send_past(record, end, raw=has_terminal, wanted=[n for n in ("stdout", "stderr") if call.flag(n)])
        if not wants_stream:
            return
        with hijacked.as_own_streams(end, chosen, raw=has_terminal):
            _follow(record, chosen, keys, end, waiting)
    finally:
        if waiting:
            waiting.__exit__(None, None, None)


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
