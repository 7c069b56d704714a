"""The monitor: one small process beside every running container, instead of a daemon for all of them.

It creates the container's processes, so it is their parent: it alone learns how they end. It delivers the container's
output to its log and to whoever is attached (`attach_server.py`), and at the end undoes everything and records the
result; or starts it again, if that is its restart policy. It is a child of the command that asked for the container
(`spawn.py`), in a session of its own, and outlives that command, its terminal and a log-out.

    caller -> monitor   "assign" (root, id, cache, attached) + the container's lock: look after this one
    monitor -> caller   "ready" + where its input goes (a pipe, or its terminal's master end), if it takes any
    caller -> monitor   "start": the caller's terminal is prepared. From here on it is a visitor like any other
    monitor -> caller   "started" (warnings), or "failed" (message, exit code)

A container's status, in its record (`records.py`):

    (nothing) --create-> created --start-> running --its end-> exited --start-> running
                                   |   ^      |                    \\--rm-> (nothing)
                                   |   |      +--its end, and its policy says so-> restarting --a pause-> running
                                   |   |                                                \\--stop-> exited
                                   |   +--unpause-- paused <-pause-- running
                                   +--the program cannot be started-> created (exited, if it had run before)

`run` is create and start at once: if its user gives it up before it runs, it is removed again. One with --rm goes from
running, and from a start that fails, to nothing. Only the monitor changes the status; pause and unpause are what a
command does on its own. While the monitor lives it holds the container's lock. If it is killed, the kernel kills the
container (PR_SET_PDEATHSIG) and lets go of the lock, and the next command of anybody's finds a record that says
"running" and a lock that nobody holds: then it undoes what is left, and records that the container exited with 137
(`recovery.sweep`).

A monitor that has nothing to do for a second goes on as a much smaller program (`idle.py`) until it has again.
"""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from minidock import observe
from minidock.engine.container import cleanup, records
from minidock.engine.container.records import Record
from minidock.engine.events import event_log
from minidock.engine.monitor import daemonize, start
from minidock.engine.monitor.attach_server import AttachedClient, AttachedClients
from minidock.engine.monitor.container_process import Running
from minidock.engine.monitor.monitor_state import MonitorState
from minidock.engine.monitor.output import Sink
from minidock.engine.monitor.streams import Events, poll
from minidock.errors import EXIT_ENGINE, EXIT_SIGNAL, MinidockError, message_of
from minidock.observe import step
from minidock.runtime import lifecycle
from minidock.runtime.channel import Channel

if TYPE_CHECKING:
    from minidock.engine.monitor.health import Health
    from minidock.engine.monitor.out_of_memory import Watch

_IDLE = 1.0  # seconds without anything to do, after which a monitor makes itself small
_LONG_IDLE = 30.0  # if it answers for names: the next to ask would wait a moment longer


def serve(channel: Channel) -> int:
    """The life of a monitor: wait for a container to look after, look after it; returns what to exit with."""
    stdio = daemonize.detach_from_caller()
    caller = AttachedClient(channel, patient=True)
    message, lock = channel.receive()
    if message is None or lock is None:
        return 0  # the command ended without a container
    try:
        record = records.load(message["root"], message["id"])
        assert record is not None, "its creator holds its lock"
        record.is_ours = True
        attached = message["attached"]
        caller.gives_input = "stdin" in attached
        for fd, name in zip(stdio, ("stdin", "stdout", "stderr"), strict=True):
            if name not in attached:
                os.close(fd)
            elif name == "stdin":
                caller.remember_terminal(fd)
            else:
                caller.sinks[name] = Sink(fd, patient=True)
        visitors = AttachedClients(caller, ends_with_first="keepFiles" in record.data)
        return _live(MonitorState(record, lock, message["cache"]), visitors)
    except BaseException as error:
        caller.tell("failed", message=message_of(error), exit_code=_exit_code(error))
        return EXIT_ENGINE


def _live(life: MonitorState, visitors: AttachedClients) -> int:
    """Start the container, stay until it ends for good, undo it; returns its exit code."""
    caller = visitors.all[0] if visitors.all else None
    while True:
        life.began = time.monotonic()
        records.reserve(life.record.directory, life.lock)  # the end of the run before may have needed it
        try:
            running, warnings = start.start(life.record, visitors, life.cache, caller)
        except BaseException as error:
            _give_up(life.record, error)
            for visitor in visitors.all:
                if visitor is not caller:  # who came while it waited for this start
                    visitor.tell("failed", message=message_of(error), exit_code=_exit_code(error))
            raise
        life.health = _begin_checks(life.record, life.cache)
        event_log.emit_container(life.record.root, "start", life.record.data)
        if poll({running.created.pidfd: select.POLLIN}, 0):  # it has ended: what is typed is for the caller's shell
            visitors.end_input(running)
        if caller:
            if not caller.is_attached:
                observe.release()
            caller.tell("started", warnings=warnings)
            caller = None
        else:
            observe.release()
        exit_code = _see_to_the_end(life, running, visitors)
        if exit_code is not None:
            return exit_code


def resume(life: MonitorState, running: Running, visitors: AttachedClients) -> int:
    """The rest of a monitor's life, with a container that runs (`resume.py`); returns its exit code."""
    exit_code = _see_to_the_end(life, running, visitors)
    return exit_code if exit_code is not None else _live(life, visitors)


def _see_to_the_end(life: MonitorState, running: Running, visitors: AttachedClients) -> int | None:
    """Stay with a container that runs until it has ended, and undo it; its exit code, or None if it starts again."""
    record = life.record
    _attend(life, running, visitors)
    visitors.end_input(running)
    if life.health:
        life.health.end()
    exit_code = _reap(running)
    record.reload()
    delay = life.backoff.delay(record, exit_code, time.monotonic() - life.began)
    undone = _finish(record, running, exit_code, restarting=delay is not None)
    if delay is None:
        visitors.close()
        os.close(life.lock)  # whoever wants to remove the container need not wait for the reader of its last output
    visitors.starts_again = delay is not None
    _tell_exit(running, visitors, exit_code, undone=undone)
    return exit_code if delay is None or not _wait_to_restart(record, visitors, delay) else None


def _attend(life: MonitorState, running: Running, visitors: AttachedClients) -> None:
    """Move output, pass on what visitors say and see to its health, until the container's first process has ended."""
    pidfd, health, memory = running.created.pidfd, life.health, running.memory
    _see_to_memory(life.record, memory)  # the small monitor has looked, and it is told once
    while True:
        wanted, limits = {pidfd: select.POLLIN, **visitors.wants(), **running.wants()}, [running.patience]
        if health:
            wanted |= health.wants()
            limits.append(health.patience())
        if memory:
            wanted |= memory.wants()
        may_idle = not (visitors.all or health or observe.observers)
        if may_idle:
            limits.append(_LONG_IDLE if running.resolver else _IDLE)
        ready = poll(wanted, min((seconds for seconds in limits if seconds is not None), default=None))
        if may_idle and not ready and (not running.resolver or running.resolver.is_quiet(_LONG_IDLE)):
            _become_idle(life, running, visitors)
        _serve(running, visitors, ready)
        if health:
            health.serve(ready)
        if memory and memory.fd in ready:
            _see_to_memory(life.record, memory)
        if pidfd in ready:
            return
        if visitors.waiting_for_names:
            _follow_networks(life.record, running, visitors)


def _become_idle(life: MonitorState, running: Running, visitors: AttachedClients) -> None:
    """Go on as a smaller program (`idle.py`). Returns only if that is impossible."""
    from minidock.engine.monitor import reexec

    reexec.become_idle(life, running, visitors)


def _begin_checks(record: Record, cache: str) -> Health | None:
    if not record.data.get("healthcheck"):
        return None
    from minidock.engine.monitor import health

    return health.begin(record, cache)


def _follow_networks(record: Record, running: Running, visitors: AttachedClients) -> None:
    """The container has been connected to a network: it may need a resolver now, or have other links."""
    from minidock.engine.networks import container_dns

    warnings = container_dns.follow(record, running)
    while visitors.waiting_for_names:
        visitors.waiting_for_names.pop().tell("networks", warnings=warnings)


def _serve(running: Running, visitors: AttachedClients, ready: Events) -> None:
    for sink in running.serve(ready):
        visitors.sink_broke(sink)
    if running.has_terminal and running.outputs[0].over:
        visitors.end_input(running)
    visitors.serve(ready, running)


def _reap(running: Running) -> int:
    """The exit code of the container, whose last output is now where it belongs."""
    code = lifecycle.reap(running.created)
    running.drain()
    return EXIT_SIGNAL - code if code < 0 else code


def _finish(record: Record, running: Running, exit_code: int, *, restarting: bool) -> bool:
    """Undo everything and write down how it ended; False if that failed and is for any next command to do again."""
    oom_killed = False
    if running.memory:
        if running.memory.has_news():  # and with that it ended
            event_log.emit_container(record.root, "oom", record.data)
        oom_killed = running.memory.seen > 0
        running.memory.close()
    event_log.emit_container(record.root, "die", record.data, exitCode=exit_code)
    try:
        with step("Clean up after the container", book="2.2.4"):
            cleanup.finish(record, exit_code, oom_killed=oom_killed, restarting=restarting)
    except (OSError, MinidockError):
        return False
    if not restarting and not record.is_kept:
        event_log.emit_container(record.root, "destroy", record.data)
    return True


def _see_to_memory(record: Record, memory: Watch | None) -> None:
    """Tell if the kernel has killed one of its processes. The container goes on, if it was not the first."""
    if not (memory and memory.has_news()):
        return
    with suppress(OSError, MinidockError), records.changing(record):  # on a full disk, its end will tell
        record.data["state"]["oomKilled"] = True
    event_log.emit_container(record.root, "oom", record.data)


def _give_up(record: Record, error: BaseException) -> None:
    """It could not be started. The first error is the one to tell; what cannot be undone now, sweeping finds.

    As in docker, it stays, with the status "created", the exit code and the error, if its user did not give it up.
    """
    with suppress(OSError, MinidockError):
        if _exit_code(error) <= EXIT_SIGNAL and not isinstance(error, start.CallerGoneError):
            with step("Keep the container that could not be started", book="4.7.3"), records.changing(record):
                record.data["state"]["kept"] = True
        cleanup.finish(record, _exit_code(error), error=message_of(error))


def _tell_exit(running: Running, visitors: AttachedClients, exit_code: int, *, undone: bool) -> None:
    """Tell every visitor how it ended, each as soon as it has taken all of the output."""
    while visitors.all:
        for visitor in list(visitors.all):
            if not visitor.is_behind:
                visitor.tell("exit", code=exit_code, undone=undone)
                visitors.send_away(visitor, running)
        if visitors.all:
            _serve(running, visitors, poll({**visitors.wants(), **running.wants()}, running.patience))


def _wait_to_restart(record: Record, visitors: AttachedClients, delay: float) -> bool:
    """Wait before the next start; False if somebody has stopped the container meanwhile."""
    deadline = time.monotonic() + delay
    while True:
        if visitors.is_asked_to_look:  # perhaps before this wait, while the end of the run was told
            visitors.is_asked_to_look = False
            record.reload()
            if record.data["state"]["stopped"]:
                cleanup.finish(record, record.data["state"]["exitCode"])
                visitors.close()
                visitors.tell_all("exit", code=record.data["state"]["exitCode"], undone=True)
                return False
        if (left := deadline - time.monotonic()) <= 0:
            return True
        visitors.serve(poll(visitors.wants(), left), None)


def _exit_code(error: BaseException) -> int:
    """A plain 1 would be taken for the program's own."""
    code = error.exit_code if isinstance(error, MinidockError) else EXIT_ENGINE
    return EXIT_ENGINE if code == MinidockError.exit_code else code
