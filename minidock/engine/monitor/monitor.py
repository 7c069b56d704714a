"""The monitor: one small process beside every running container, instead of a daemon for all of them.

It creates the container's processes, so it is their parent: only the parent gets their exit codes. It writes the
container's output to its log and to attached clients (`attach_server.py`), and at the end cleans up and records the
result; or starts the container again, if that is its restart policy. It is a child of the command that asked for the
container (`spawn.py`), in a session of its own, and outlives that command, its terminal and a log-out.

    caller -> monitor   "assign" (root, id, cache, attached) + the container's lock: start this one
    monitor -> caller   "ready" + where its input goes (a pipe, or its terminal's master end), if it takes any
    caller -> monitor   "start": the caller's terminal is prepared. From here on it is a client like any other
    monitor -> caller   "started" (warnings), or "failed" (message, exit code)

A container's status, in its record (`records.py`):

    (nothing) --create-> created --start-> running --its end-> exited --start-> running
                                   |   ^      |                    \\--rm-> (nothing)
                                   |   |      +--its end, and its policy says so-> restarting --a pause-> running
                                   |   |                                                \\--stop-> exited
                                   |   +--unpause-- paused <-pause-- running
                                   +--the program cannot be started-> created (exited, if it had run before)

`run` is create and start at once: if it is interrupted before the container runs, that is removed again. With --rm a
container goes from running, and from a failed start, to nothing. Only the monitor changes the status, but for pause and
unpause, which the commands do. While the monitor runs it holds the container's lock. If it is killed, the kernel kills
the container (PR_SET_PDEATHSIG) and releases the lock. The next command then finds a record that says "running" and a
free lock: it removes what is left, and records that the container exited with 137 (`recovery.sweep`).

A monitor that has nothing to do for a second replaces itself by a much smaller program (`idle.py`) until it has.
"""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from minidock import observe, state
from minidock.engine.container import cleanup, container_lock, records
from minidock.engine.container.records import Record
from minidock.engine.events import event_log
from minidock.engine.monitor import daemonize, start_container, waiting_clients
from minidock.engine.monitor.attach_server import AttachedClient, AttachedClients
from minidock.engine.monitor.container_process import Running
from minidock.engine.monitor.monitored import Monitored
from minidock.engine.monitor.output import Receiver
from minidock.engine.monitor.streams import Events, poll
from minidock.errors import EXIT_ENGINE, EXIT_SIGNAL, MinidockError, message_of
from minidock.observe import step
from minidock.runtime import lifecycle
from minidock.runtime.channel import Channel

if TYPE_CHECKING:
    from minidock.engine.monitor.health import Health
    from minidock.engine.monitor.out_of_memory import Watch

_IDLE = 1.0  # seconds without anything to do, after which a monitor becomes idle
_LONG_IDLE = 30.0  # if it resolves names: the next question would be answered later


def serve(channel: Channel) -> int:
    """All of a monitor: wait for a container, start it, stay until it ends for good. Returns the exit code."""
    stdio = daemonize.detach_from_caller()
    caller = AttachedClient(channel, lossless=True)
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
                caller.receivers[name] = Receiver(fd, lossless=True)
        clients = AttachedClients(caller, ends_with_first="keepFiles" in record.data)
        return _run_until_over(Monitored(record, lock, message["cache"]), clients)
    except BaseException as error:
        caller.send("failed", message=message_of(error), exit_code=_exit_code(error))
        return EXIT_ENGINE


def _run_until_over(monitored: Monitored, clients: AttachedClients) -> int:
    """Start the container, stay until it ends for good, clean up; returns its exit code."""
    caller = clients.all[0] if clients.all else None
    while True:
        monitored.began = time.monotonic()
        clients.take_in(waiting_clients.find(monitored.record.id))
        try:
            # The end of the previous run may have needed it.
            container_lock.reserve(monitored.record.directory, monitored.lock)
            running, warnings = start_container.start(monitored.record, clients, monitored.cache, caller)
        except BaseException as error:
            _record_failed_start(monitored.record, error)
            for client in clients.all:
                if client is not caller:  # clients that connected while it waited for this start
                    client.send("failed", message=message_of(error), exit_code=_exit_code(error))
            raise
        monitored.health = _begin_health_checks(monitored.record, monitored.cache)
        event_log.emit_container(monitored.record.root, "start", monitored.record.data)
        if poll({running.created.pidfd: select.POLLIN}, 0):  # it has ended: typed input is for the caller's shell
            clients.end_input(running)
        if caller:
            if not caller.is_attached:
                observe.release()
            caller.send("started", warnings=warnings)
            caller = None
        else:
            observe.release()
        exit_code = _follow_run(monitored, running, clients)
        if exit_code is not None:
            return exit_code


def resume(monitored: Monitored, running: Running, clients: AttachedClients) -> int:
    """Go on as the monitor of a container that runs (`resume.py`), until it ends for good; returns its exit code."""
    exit_code = _follow_run(monitored, running, clients)
    return exit_code if exit_code is not None else _run_until_over(monitored, clients)


def _follow_run(monitored: Monitored, running: Running, clients: AttachedClients) -> int | None:
    """Serve a running container until it has ended, and clean up; returns its exit code, or None if it starts again."""
    record = monitored.record
    _serve_until_end(monitored, running, clients)
    clients.end_input(running)
    if monitored.health:
        monitored.health.end()
    exit_code = _reap(running)
    record.reload()
    delay = monitored.backoff.delay(record, exit_code, time.monotonic() - monitored.began)
    undone = _finish(record, running, exit_code, restarting=delay is not None)
    if delay is None:
        clients.close()
        os.close(monitored.lock)  # so that a removal need not wait for the reader of the last output
    clients.starts_again = delay is not None
    _send_exit(running, clients, exit_code, undone=undone)
    return exit_code if delay is None or not _wait_to_restart(record, clients, delay) else None


def _serve_until_end(monitored: Monitored, running: Running, clients: AttachedClients) -> None:
    """Copy output, handle clients' messages and check the health, until the container's first process has ended."""
    pidfd, health, memory = running.created.pidfd, monitored.health, running.memory
    _report_memory_kills(monitored.record, memory)  # the idle monitor has seen it, and it is reported once
    while True:
        wanted, limits = {pidfd: select.POLLIN, **clients.wants(), **running.wants()}, [running.timeout]
        if health:
            wanted |= health.wants()
            limits.append(health.timeout())
        if memory:
            wanted |= memory.wants()
        may_idle = not (clients.all or health or observe.observers)
        if may_idle:
            limits.append(_LONG_IDLE if running.resolver else _IDLE)
        ready = poll(wanted, min((seconds for seconds in limits if seconds is not None), default=None))
        if may_idle and not ready and (not running.resolver or running.resolver.is_quiet(_LONG_IDLE)):
            _become_idle(monitored, running, clients)
        _serve_ready(running, clients, ready)
        if health:
            health.serve(ready)
        if memory and memory.fd in ready:
            _report_memory_kills(monitored.record, memory)
        if pidfd in ready:
            return
        if clients.waiting_for_networks:
            _update_resolver(monitored.record, running, clients)


def _become_idle(monitored: Monitored, running: Running, clients: AttachedClients) -> None:
    """Execute the idle program (`idle.py`). Returns only if that is impossible."""
    from minidock.engine.monitor import reexec

    reexec.become_idle(monitored, running, clients)


def _begin_health_checks(record: Record, cache: str) -> Health | None:
    if not record.data.get("healthcheck"):
        return None
    from minidock.engine.monitor import health

    return health.begin(record, cache)


def _update_resolver(record: Record, running: Running, clients: AttachedClients) -> None:
    """The container has been connected to a network: it may need a resolver now, or have other links."""
    from minidock.engine.networks import container_dns

    warnings = container_dns.follow(record, running)
    while clients.waiting_for_networks:
        clients.waiting_for_networks.pop().send("networks-updated", warnings=warnings)


def _serve_ready(running: Running, clients: AttachedClients, ready: Events) -> None:
    for receiver in running.serve(ready):
        clients.receiver_broke(receiver)
    if running.has_terminal and running.outputs[0].over:
        clients.end_input(running)
    clients.serve(ready, running)


def _reap(running: Running) -> int:
    """Reap the container and write its last output; returns the exit code."""
    code = lifecycle.reap(running.created)
    running.drain()
    return EXIT_SIGNAL - code if code < 0 else code


def _finish(record: Record, running: Running, exit_code: int, *, restarting: bool) -> bool:
    """Clean up and record how the container ended; False if that failed: the next command does it again."""
    oom_killed = False
    if running.memory:
        if running.memory.has_news():  # and with that it ended
            event_log.emit_container(record.root, "oom", record.data)
        oom_killed = running.memory.seen > 0
        running.memory.close()
    ran = state.seconds_since(record.data["state"]["startedAt"])
    event_log.emit_container(record.root, "die", record.data, execDuration=ran, exitCode=exit_code)
    try:
        with step("Clean up after the container", book="2.2.4"):
            cleanup.finish(record, exit_code, oom_killed=oom_killed, restarting=restarting)
    except (OSError, MinidockError):
        return False
    if not restarting and not record.is_kept:
        event_log.emit_container(record.root, "destroy", record.data)
    return True


def _report_memory_kills(record: Record, memory: Watch | None) -> None:
    """Report that the kernel has killed one of the container's processes. If it was not the first, the container goes
    on.
    """
    if not (memory and memory.has_news()):
        return
    with suppress(OSError, MinidockError), records.changing(record):  # on a full disk it is recorded at the end
        record.data["state"]["oomKilled"] = True
    event_log.emit_container(record.root, "oom", record.data)


def _record_failed_start(record: Record, error: BaseException) -> None:
    """Record why the container could not be started: the first error. What cannot be cleaned up now, the next sweep
    removes.

    As in docker, it stays, with the status "created", the exit code and the error, unless the user interrupted `run`.
    """
    with suppress(OSError, MinidockError):
        if _exit_code(error) <= EXIT_SIGNAL and not isinstance(error, start_container.CallerGoneError):
            with (
                step("Keep the container that could not be started", book="4.7.3"),
                records.changing(record, aside=True),
            ):
                record.data["state"]["kept"] = True
        cleanup.finish(record, _exit_code(error), error=message_of(error))


def _send_exit(running: Running, clients: AttachedClients, exit_code: int, *, undone: bool) -> None:
    """Send every client the exit code, each as soon as it has taken all of the output."""
    while clients.all:
        for client in list(clients.all):
            if not client.is_behind:
                client.send("exit", code=exit_code, undone=undone)
                clients.disconnect(client, running)
        if clients.all:
            _serve_ready(running, clients, poll({**clients.wants(), **running.wants()}, running.timeout))


def _wait_to_restart(record: Record, clients: AttachedClients, delay: float) -> bool:
    """Wait before the next start; False if the container was stopped meanwhile."""
    deadline = time.monotonic() + delay
    while True:
        if clients.must_read_record:  # perhaps before this wait, while the exit was sent
            clients.must_read_record = False
            record.reload()
            if record.data["state"]["stopped"]:
                cleanup.finish(record, record.data["state"]["exitCode"])
                clients.close()
                clients.send_all("exit", code=record.data["state"]["exitCode"], undone=True)
                return False
        if (left := deadline - time.monotonic()) <= 0:
            return True
        clients.serve(poll(clients.wants(), left), None)


def _exit_code(error: BaseException) -> int:
    """A plain 1 would be taken for the program's own."""
    code = error.exit_code if isinstance(error, MinidockError) else EXIT_ENGINE
    return EXIT_ENGINE if code == MinidockError.exit_code else code
