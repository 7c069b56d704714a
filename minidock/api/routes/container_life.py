"""What leads a container through its life: start, stop, kill, wait, ..."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from minidock.api.call import Call
from minidock.api.http_errors import Status
from minidock.api.models import container_config
from minidock.api.models.fields import Fields
from minidock.engine.container import records, recovery
from minidock.engine.container.kill import kill_container
from minidock.engine.container.pause import pause_container
from minidock.engine.container.records import PAUSED, RESTARTING
from minidock.engine.container.rename import rename_container
from minidock.engine.container.restart import restart_container
from minidock.engine.container.start import AlreadyUp, lock_for_start
from minidock.engine.container.stop import stop_container
from minidock.engine.container.unpause import unpause_container
from minidock.engine.monitor import attach_client, await_exit, monitor_client, terminal_size
from minidock.engine.request import limits, values
from minidock.errors import ConflictError, UsageError

_CONDITIONS = ("", "not-running", "next-exit", "removed")


def start(call: Call) -> None:
    """POST /containers/NAME/start; 304 if it runs."""
    try:
        start_detached(call, call.name)
    except AlreadyUp:
        raise Status(304) from None
    call.empty()


def start_detached(call: Call, name: str) -> None:
    """Give a container to a monitor of its own, which starts it."""
    with _own_signals():
        attach_client.run(call.paths, partial(lock_for_start, call.root, name), monitor_client.DETACHED, _ignore)


def _ignore(_: str) -> None:
    """Warnings of a start: there is no place for them in docker's answer."""


@contextmanager
def _own_signals() -> Iterator[None]:
    """On the command line, signals of whoever starts a container are the container's. Here they stay ours."""
    before = {number: signal.getsignal(number) for number in monitor_client.FORWARDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop(call: Call) -> None:
    """POST /containers/NAME/stop; 304 if it does not run."""
    recovery.sweep_all(call.root)
    record = records.find(call.root, call.name)
    if not record.is_up and record.status != RESTARTING:
        raise Status(304)
    stop_container(call.root, call.name, call.number("t"), signal=call.text("signal"))
    call.empty()


def restart(call: Call) -> None:
    """POST /containers/NAME/restart."""
    recovery.sweep_all(call.root)
    restart_container(call.root, call.name, call.number("t"), lambda record: start_again(call, record.id),
                    signal=call.text("signal"))  # fmt: skip
    call.empty()


def start_again(call: Call, name: str) -> None:
    """Start it, unless somebody else has."""
    try:
        start_detached(call, name)
    except AlreadyUp:
        return


def kill(call: Call) -> None:
    """POST /containers/NAME/kill."""
    recovery.sweep_all(call.root)
    kill_container(call.root, call.name, call.text("signal") or "KILL")
    call.empty()


def pause(call: Call) -> None:
    """POST /containers/NAME/pause."""
    recovery.sweep_all(call.root)
    pause_container(call.root, call.name)
    call.empty()


def unpause(call: Call) -> None:
    """POST /containers/NAME/unpause."""
    recovery.sweep_all(call.root)
    unpause_container(call.root, call.name)
    call.empty()


def rename(call: Call) -> None:
    """POST /containers/NAME/rename."""
    rename_container(call.root, call.name, call.text("name"))
    call.empty()


def update(call: Call) -> None:
    """POST /containers/NAME/update."""
    from minidock.engine.container.update import update_container

    asked = call.fields(needed=True)
    given = {name: value for name, value in container_config.resources(asked).items() if value not in (None, "", [])}
    policy = _policy(asked.child("RestartPolicy")) if "RestartPolicy" in asked else None
    recovery.sweep_all(call.root)
    update_container(call.root, call.name, partial(limits.changed, given=given), policy)
    call.json({"Warnings": []})


def _policy(asked: Fields) -> tuple[str, int] | None:
    name, count = asked.text("Name"), asked.number("MaximumRetryCount")
    return values.restart_policy(f"{name}:{count}" if count else name) if name else None


def resize(call: Call) -> None:
    """POST /containers/NAME/resize."""
    rows, columns = size_of(call)
    record = records.find(call.root, call.name)
    if not record.is_up:
        raise ConflictError(f"cannot resize a stopped container: Container {record.id} is not running")
    terminal_size.set_size(record, rows, columns)
    call.empty(200)


def size_of(call: Call) -> tuple[int, int]:
    """(rows, columns) of the query. Raises `UsageError`."""
    rows, columns = call.number("h", 0) or 0, call.number("w", 0) or 0
    for number in (rows, columns):
        if not 0 <= number <= 0xFFFF:
            raise UsageError(f'strconv.Atoi: parsing "{number}": value out of range')
    return rows, columns


def wait(call: Call) -> None:
    """POST /containers/NAME/wait: the head of the answer comes at once, so that the client knows that we listen."""
    condition = call.text("condition")
    if condition not in _CONDITIONS:
        raise UsageError(f'invalid condition: "{condition}"')
    recovery.sweep_all(call.root)
    record = records.find(call.root, call.name)
    if condition in ("", "not-running") and not (
        record.status == PAUSED or record.is_up or record.status == RESTARTING
    ):
        call.json({"StatusCode": record.data["state"]["exitCode"]})
        return
    with await_exit.listening(record) as ending, call.stream() as stream:
        code = ending.code(call.connection.socket.fileno(), is_removed=condition == "removed")
        stream.json({"StatusCode": code})
