"""What a user does to a container that lives: stop, kill, restart, pause, unpause, wait for, rename it.

None of this asks the monitor for anything. A command writes into the record what is wanted (that it is stopped, that it
is to be started again), sends the container's first process a signal, and the monitor finds both when that has ended.
Only one that waits before it starts the container again has to be told to look (`monitor/attach_server.py`). The
messages are docker's.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections.abc import Callable

from minidock.engine.container import cleanup, init_process, names, records, signals
from minidock.engine.container.records import EXITED, PAUSED, RESTARTING, RUNNING, Record
from minidock.engine.events import event_log
from minidock.engine.monitor.monitor_channel import visit
from minidock.engine.monitor.streams import wait as poll
from minidock.errors import EXIT_ENGINE, ConflictError, HostError, MinidockError, NotFoundError, UsageError
from minidock.linux import cgroups
from minidock.linux.timeouts import Patience
from minidock.observe import step
from minidock.runtime.channel import Channel

DEFAULT_TIMEOUT = 10  # seconds between the stop signal and SIGKILL
_PATIENCE = 10.0  # seconds for what the kernel and the monitor need after SIGKILL
_POLL = 0.005
_LOOK = 0.5  # seconds after which to look into the record, while a monitor says nothing


def wait(root: str, name: str) -> int:
    """Wait until a container does not run, and return its exit code; at once if it does not run now."""
    record = records.find(root, name)
    while record.is_up or record.status == RESTARTING:
        code = _Watch(record).end(None)
        if code is not None:
            return code
        record.reload()
    return int(record.data["state"]["exitCode"])


def stop(root: str, name: str, timeout: int | None, *, signal: str = "", shutdown: bool = False) -> None:
    """Send a container its stop signal, and SIGKILL `timeout` seconds later (negative: never). Idempotent.

    `timeout` None: what the container was made with, or 10. `signal`: another one than its own, a name or a number.
    `shutdown`: the machine goes down, nobody else wants it.
    """
    record = records.find(root, name)
    if _end(record, timeout, _stop_signal(record, signal), shutdown=shutdown):
        event_log.emit_container(root, "stop", record.data)


def restart(root: str, name: str, timeout: int | None, start: Callable[[Record], None], *, signal: str = "") -> None:
    """Have a container stopped, and started again by the same monitor, with what is attached to it let go.

    `start`: starts one that has no monitor: it did not run, or it ended, or was stopped by somebody else, before its
    monitor knew of us. Raises `MinidockError` if it cannot be started again.
    """
    record = records.find(root, name)
    number = _stop_signal(record, signal)
    before = record.data["state"]["startedAt"]
    if record.is_up:
        again = _end(record, timeout, number, again=True) and _started_again(record, before)
    else:  # if it waits for its policy's next start, that is given up
        _end(record, timeout, number)
        again = False
    if not again:
        start(record)
    event_log.emit_container(root, "restart", record.data)


def _started_again(record: Record, before: str) -> bool:
    """Wait until a container has a later run than the one that began at `before`, if only a short one.

    False if there will be none, as its monitor did not know that it was wanted.
    """
    while True:
        record.reload()
        state = record.data["state"]
        if state["startedAt"] != before:
            return True
        if record.is_over and state["error"]:
            raise MinidockError(f"Cannot restart container {record.name}: {state['error']}")
        if record.is_over:
            return False
        time.sleep(_POLL)


def kill(root: str, name: str, text: str) -> None:
    """Send a container's first process the signal `text`, a name or a number; after SIGKILL, wait for its end."""
    number = signals.parse(text or "KILL")
    try:
        record = records.find(root, name)
    except NotFoundError as error:
        raise NotFoundError(f"Cannot kill container: {name}: {error}") from None
    stops = number in (signal.SIGKILL, signals.to_stop(record))
    with step("Tell the monitor what is asked", book="4.7.3"):
        with records.changing(record, aside=True):
            if not record.is_up:
                raise ConflictError(f"Cannot kill container: {name}: Container {record.id} is not running")
            if stops:
                record.data["state"]["stopped"] = True
        watch = _Watch(record)
    _send(record, number)
    if stops and record.status == PAUSED:
        _thaw(record)
    if number == signal.SIGKILL and not _killed(watch, record.data["state"]["startedAt"]):
        raise HostError(f"Cannot kill container: {name}: it did not end within {_PATIENCE:.0f} seconds")


def pause(root: str, name: str) -> None:
    """Freeze all of a container's processes (the cgroup freezer)."""
    record = records.find(root, name)
    with step("Pause the container", book="3.2"), records.changing(record):
        if record.status == PAUSED:
            raise ConflictError(f"Container {record.id} is already paused")
        if record.status == RESTARTING:
            raise ConflictError(f"Container {record.id} is restarting, wait until the container is running")
        if record.status != RUNNING:
            raise ConflictError(f"Container {record.id} is not running")
        _freeze(record)
        record.data["state"]["status"] = PAUSED
    event_log.emit_container(root, "pause", record.data)


def unpause(root: str, name: str) -> None:
    """Let a frozen container go on."""
    record = records.find(root, name)
    if record.status != PAUSED:
        raise ConflictError(f"Container {record.id} is not paused")
    _thaw(record)


def rename(root: str, name: str, new: str) -> None:
    """Give a container another name, running or not."""
    if not name or not new:
        raise UsageError("Neither old nor new names may be empty")
    with records.all_locked(root):
        record = records.find(root, name)
        old = record.name
        if new.removeprefix("/") == old:
            raise UsageError("Renaming a container with the same name as its current name")
        try:
            new = names.check_name(new)
            if other := records.taken(root).get(new):
                raise names.taken(new, other)
        except (UsageError, ConflictError) as error:
            raise type(error)(f"Error when allocating new name: {error}") from None
        with records.changing(record):
            record.data["name"] = new
    from minidock.engine.networks import connect_container

    connect_container.rename(record)
    event_log.emit_container(root, "rename", record.data, oldName=f"/{old}")


class _Watch:
    """A channel to a container's monitor, to hear of the container's end. Made before what brings that about."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.channel: Channel | None = visit(record)

    def look(self) -> None:
        """Have the monitor look into the record."""
        if self.channel:
            try:
                self.channel.send("look")
            except (BrokenPipeError, ConnectionResetError):
                return  # it is at its end anyway

    def end(self, seconds: float | None) -> int | None:
        """Wait at most `seconds` for the end: the exit code; None if time is up, or nobody tells."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self.channel:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not poll({self.channel.end.fileno(): select.POLLIN}, left):
                return None
            message, _ = self.channel.receive()
            if message is None:
                self.channel.close()
                self.channel = None
            elif message["type"] == "exit":
                return int(message["code"])
        return self._recorded()

    def _recorded(self) -> int | None:
        """There is no monitor, or none that listens (any more): what the record says, once that is true."""
        cleanup.sweep_all(self.record.root)
        fresh = records.load(self.record.root, self.record.id)
        if fresh is None or fresh.is_over or fresh.status == EXITED:
            return int(fresh.data["state"]["exitCode"]) if fresh else 0
        time.sleep(_POLL)  # it is just being started, or just ending
        return None


def _stop_signal(record: Record, asked: str) -> int:
    """The signal that asks the container to end. Raises `UsageError` if the one asked for is none."""
    return signals.parse(asked) if asked else signals.to_stop(record)


def _end(record: Record, timeout: int | None, number: int, *, again: bool = False, shutdown: bool = False) -> bool:
    """Stop a container with the signal `number`; False if it did not run. `again`: its monitor starts it once more."""
    with step("Tell the monitor what is asked", book="4.7.3"):
        watch = _Watch(record)
        with records.changing(record, aside=True):
            if not record.is_up and record.status != RESTARTING:
                return False
            record.data["state"] |= {"stopped": not again, "again": again, "shutdown": shutdown}
        watch.look()
    if timeout is None:
        timeout = record.data["options"]["stop_timeout"]
    if timeout is None:
        timeout = DEFAULT_TIMEOUT
    _end_run(record, watch, number, timeout)
    while not again and (later := _next_run(record)):  # its monitor had begun that before it could look
        watch = _Watch(later)
        watch.look()
        _end_run(later, watch, number, timeout)
    return True


def _end_run(record: Record, watch: _Watch, number: int, timeout: int) -> None:
    """Send the signal `number` to the present run, if there is one, and see it end, by SIGKILL if need be."""
    if record.is_up:
        _send(record, number)
        if record.status == PAUSED:
            _thaw(record)
    started = record.data["state"]["startedAt"]
    if not _ended(watch, started, None if timeout < 0 else timeout):
        _send(record, signal.SIGKILL)
        if not _killed(watch, started):
            raise HostError(f"container {record.name} did not end within {_PATIENCE:.0f} seconds of SIGKILL")


def _next_run(record: Record) -> Record | None:
    """A container that was to be stopped, if it runs or waits all the same and nobody has started it again."""
    fresh = records.load(record.root, record.id)
    if fresh and fresh.data["state"]["stopped"] and (fresh.is_up or fresh.status == RESTARTING):
        return fresh
    return None


def _ended(watch: _Watch, started: str, seconds: float | None) -> bool:
    """Wait at most `seconds` for the end of the run that began at `started`, however it is learnt of.

    The monitor may just have begun the next run when the channel was made, and tells of the end of that one only.
    """
    deadline = time.monotonic() + (seconds if seconds is not None else float("inf"))
    while watch.end(min(_LOOK, max(0.0, deadline - time.monotonic()))) is None:
        fresh = records.load(watch.record.root, watch.record.id)
        alive = fresh is not None and (fresh.is_up or fresh.status == RESTARTING)
        if fresh is None or not alive or fresh.data["state"]["startedAt"] != started:
            return True
        if time.monotonic() >= deadline:
            return False
    return True


def _killed(watch: _Watch, started: str) -> bool:
    """`_ended`, after SIGKILL: on a starved machine, as long as it and its monitor get their turns."""
    state = watch.record.data["state"]
    patience = Patience(_PATIENCE, lambda: (state["pid"], state.get("monitor") or 0))
    while not _ended(watch, started, _LOOK):
        if patience.is_over:
            return False
    return True


def _send(record: Record, number: int) -> None:
    if init_process.is_alive(record):  # told before it is done: of its end the monitor tells at once
        event_log.emit_container(record.root, "kill", record.data, signal=number)
        init_process.kill(record, number)


def _freeze(record: Record) -> None:
    try:
        _cgroup(record).freeze()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise
        # It has just ended, and its cgroup is gone.
        raise ConflictError(f"Container {record.id} is not running") from None


def _thaw(record: Record) -> None:
    cgroup = _cgroup(record)
    with step("Unpause the container", book="3.2"), records.changing(record):
        if record.status == PAUSED:
            cgroup.thaw()
            record.data["state"]["status"] = RUNNING
    event_log.emit_container(record.root, "unpause", record.data)


def _cgroup(record: Record) -> cgroups.Cgroup:
    top, path = cgroups.hierarchy(), record.data.get("cgroup")
    if top is None or not path:
        raise HostError("this host has no cgroup v2 hierarchy: containers cannot be paused", exit_code=EXIT_ENGINE)
    return cgroups.Cgroup(os.path.join(top, path.lstrip("/")))
