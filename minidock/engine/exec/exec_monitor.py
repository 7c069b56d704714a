"""The exec monitor: the small process beside every process that `exec` has brought into a container.

It is that process's parent, which gets its exit code, and has the other end of its pipes or terminal, as the monitor
has of a container's. It is a child of the command, with the messages of `monitor/monitor.py`:

    caller -> exec monitor   "execute" (root, name, options, cache)
    exec monitor -> caller   "ready" + where input goes; after "start", "started"; at last "exit" (code), or "failed"

A command that is killed leaves its process running, as docker's does: its output is dropped, its input has ended. If
the exec monitor is killed, the kernel kills the process. Either way nothing is left when the process has ended.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from minidock import observe
from minidock.engine.container import records
from minidock.engine.container.records import Record
from minidock.engine.events import event_log
from minidock.engine.exec import exec_ids, exec_instances, exec_process
from minidock.engine.exec.exec_options import ExecOptions
from minidock.engine.monitor.daemonize import detach_from_caller
from minidock.engine.monitor.streams import Events, Flow, Pipes, poll
from minidock.errors import EXIT_ENGINE, EXIT_SIGNAL, MinidockError, message_of
from minidock.linux import terminal
from minidock.named_tuple import NamedTuple
from minidock.observe import step
from minidock.runtime import lifecycle
from minidock.runtime.channel import Channel

# How long, in seconds, docker waits for the end of the output of a process that has ended: its children may have it.
_LAST_OUTPUT = 2.0


class Caller:
    """The command that asked for the process: a channel to it, and copies of its descriptors 0, 1 and 2."""

    def __init__(self, channel: Channel, stdio: tuple[int, int, int]) -> None:
        self.channel = channel
        self.stdio = stdio
        self.present = True
        self.on_detach: Callable[[], None] = lambda: None  # when it leaves by its keys

    def send(self, kind: str, fd: int | None = None, **content: Any) -> None:
        """Send a message. If the command is gone, the next read of the channel finds its end."""
        if self.present:
            with suppress(BrokenPipeError, ConnectionResetError):
                self.channel.send(kind, fd, **content)


class _Process(NamedTuple):
    """A process of `exec`, and the flows of its output. `mode`: the caller's terminal's mode before.

    `peer`: the other end of its terminal, held open: when all processes inside have closed it, the terminal still
    exists.
    """

    created: lifecycle.CreatedProcess
    flows: list[Flow]
    mode: list[Any] | None
    peer: int | None


def serve(channel: Channel) -> int:
    """All of an exec monitor: wait for a process to start, serve it until it ends; returns the exit code."""
    caller = Caller(channel, detach_from_caller())
    message, _ = channel.receive()
    if message is None:
        return 0  # the command ended without asking for anything
    try:
        record = records.find(message["root"], message["name"])
        exec_id, lock = exec_ids.begin(record.id, message["exec_id"])
        try:
            process = _start(message, record, exec_id, caller)
        except BaseException:
            exec_ids.end(record.id, exec_id, lock)
            raise
        exec_instances.note(exec_id, pid=process.created.pid)
    except BaseException as error:
        exit_code = getattr(error, "exit_code", EXIT_ENGINE)
        exec_instances.note(message["exec_id"], exitCode=exit_code)
        caller.send("failed", message=message_of(error), exit_code=exit_code)
        return EXIT_ENGINE
    if message["options"]["detach"]:
        observe.release()
    caller.send("started", warnings=[])
    _serve_process(process, caller)
    code = lifecycle.reap(process.created)
    code = code if code >= 0 else EXIT_SIGNAL - code
    if process.peer is not None:
        os.close(process.peer)
    exec_instances.note(exec_id, exitCode=code)
    exec_ids.end(record.id, exec_id, lock)
    event_log.emit_container(record.root, "exec_die", record.data, execID=exec_id, exitCode=code)
    _deliver_remaining_output(process, caller)
    caller.send("exit", code=code, undone=True)
    return 0


def _start(message: dict[str, Any], record: Record, exec_id: str, caller: Caller) -> _Process:
    asked = ExecOptions(**message["options"])
    exec_process.join_container_scope(record)
    pipes = None if asked.tty else Pipes(interactive=asked.interactive)
    created = exec_process.begin(record, message["name"], asked, pipes.inside if pipes else None, message["cache"])
    line = f"{asked.command[0]} {' '.join(asked.command[1:])}"  # with the space also behind one word, as in docker
    caller.on_detach = partial(event_log.emit_container, record.root, "exec_detach", record.data, execID=exec_id)
    try:
        process = _connect_caller(caller, created, pipes, asked)
        event_log.emit_container(record.root, f"exec_create: {line}", record.data, execID=exec_id)
        exec_process.start(record, created)
        event_log.emit_container(record.root, f"exec_start: {line}", record.data, execID=exec_id)
    except BaseException:
        exec_process.end(created)
        raise
    return process


def _connect_caller(
    caller: Caller, created: lifecycle.CreatedProcess, pipes: Pipes | None, asked: ExecOptions
) -> _Process:
    """Tell the caller where the process's input goes, wait for its go, and connect the output."""
    stdin, stdout, stderr = caller.stdio
    mode = peer = None
    if pipes:
        pipes.close_inside()
        flows = [Flow(pipes.output, stdout, lazy=True), Flow(pipes.errors, stderr, lazy=True)]
        caller.send("ready", pipes.input, console=False)
        if pipes.input is not None:
            os.close(pipes.input)  # the caller's alone now: with it, the process's input ends
    else:
        assert created.console is not None
        os.set_blocking(created.console, False)
        with step("Hold the other end of the terminal open", book="4.4"):
            peer = terminal.open_peer_of(created.console)
        flows = [Flow(created.console, stdout, lazy=True)]
        mode = terminal.mode(stdin) if asked.interactive else None
        if size := next((terminal.window_size(fd) for fd in caller.stdio if os.isatty(fd)), None):
            terminal.set_window_size(created.console, *size)
        caller.send("ready", created.console, console=True)
    if asked.detach:
        for flow in flows:
            flow.discard()
    process = _Process(created, flows, mode, peer)
    if caller.channel.receive()[0] is None:
        _caller_left(process, caller)
        raise MinidockError("the caller is gone")
    return process


def _serve_process(process: _Process, caller: Caller) -> None:
    """Move output until the process ends."""
    channel, pidfd = caller.channel.end.fileno(), process.created.pidfd
    while True:
        wanted: Events = {pidfd: select.POLLIN}
        if caller.present:
            wanted[channel] = select.POLLIN
        for flow in process.flows:
            wanted |= flow.wants()
        ready = poll(wanted)
        if channel in ready:  # first: of a caller that is gone, a pipe that it has left broken means nothing
            _receive(process, caller)
            continue
        _move(process, ready, caller)
        if pidfd in ready:
            return


def _deliver_remaining_output(process: _Process, caller: Caller) -> None:
    """Deliver all output that was written before the end, however slow its reader; do not wait for new bytes."""
    channel = caller.channel.end.fileno()
    while process.flows and caller.present:
        wanted: Events = {channel: select.POLLIN}
        for flow in process.flows:
            wanted |= flow.wants()
        only_waits = all(flow.source in wanted for flow in process.flows)
        ready = poll(wanted, _LAST_OUTPUT if only_waits else None)
        if not ready:
            return
        if channel in ready:
            _receive(process, caller)
        else:
            _move(process, ready, caller)


def _receive(process: _Process, caller: Caller) -> None:
    """A message of the caller: it detaches, by keys; or it is gone, as the end of file tells."""
    message, _ = caller.channel.receive()
    if message is None:
        _caller_left(process, caller)
    elif message["type"] == "detach":
        caller.send("detached")
        caller.on_detach()
        _caller_left(process._replace(mode=None), caller)  # it restores its terminal itself


def _move(process: _Process, ready: Events, caller: Caller) -> None:
    for flow in list(process.flows):
        flow.serve(ready)
        if flow.broken:  # as docker's client, the caller leaves; the process goes on, its output goes nowhere
            name = "stderr" if flow.target == caller.stdio[2] else "stdout"
            caller.send("output-broken", stream=name, why=(flow.broken.strerror or "").lower())
            flow.discard()
        elif flow.over:
            process.flows.remove(flow)
            os.close(flow.source)


def _caller_left(process: _Process, caller: Caller) -> None:
    """The command ended or was killed: restore its terminal and close its descriptors."""
    caller.present = False
    caller.channel.close()
    if process.mode:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        terminal.restore(caller.stdio[0], process.mode)
    for flow in process.flows:
        flow.discard()
    for fd in caller.stdio:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        os.dup2(null, fd, inheritable=False)
        os.close(null)
