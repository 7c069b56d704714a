"""From a monitor to the small program that waits in its place (`idle.py`), and back: what goes along.

Descriptors survive execve(2) under their numbers, if they are told to. All else is written into an anonymous file
(memfd_create(2)). The kernel does not see another process: not a parent that has died, not a lock that is let go.
"""

from __future__ import annotations

import marshal
import os
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from minidock import observe
from minidock.engine.container import records
from minidock.engine.logs import log_drivers
from minidock.engine.monitor import idle, out_of_memory
from minidock.engine.monitor.attach_server import AttachedClients
from minidock.engine.monitor.container_process import Running
from minidock.engine.monitor.output import Output
from minidock.errors import MinidockError
from minidock.linux import interpreter
from minidock.observe import step
from minidock.runtime.channel import channel_pair
from minidock.runtime.lifecycle import CreatedProcess

if TYPE_CHECKING:
    from minidock.engine.monitor.monitor import Life
    from minidock.network.dns_server import Resolver


def hand_over(life: Life, running: Running, visitors: AttachedClients) -> None:
    """Become the small program. Returns only if that is impossible: then nothing has changed."""
    assert visitors.listener
    log = running.outputs[0].log
    outputs = [{"fd": -1 if output.over else output.source, "name": output.name} for output in running.outputs]
    sources = [output.source for output in running.outputs if not output.over]
    ports = [held.fileno() for held in running.ports.sockets] if running.ports else []
    names = running.resolver.pause() if running.resolver else ()
    state: dict[str, Any] = {
        "path": sys.path,
        "root": life.record.root,
        "id": life.record.id,
        "record": life.record.data,
        "cache": life.cache,
        "lock": life.lock,
        "began": life.began,
        "backoff": life.backoff.next,
        "pid": running.created.pid,
        "pidfd": running.created.pidfd,
        "listener": visitors.listener.fileno(),
        "outputs": outputs,
        "input_fd": running.input_fd,
        "console": running.created.console,
        "peer": running.peer,
        "memory": [running.memory.fd, running.memory.seen] if running.memory else None,
        "ports": ports,
        "names": names,
        "log": log.arguments if log else None,
        "rest": log.rest if log else None,
    }
    kept = [life.lock, running.created.pidfd, visitors.listener.fileno(), *ports, *names, *sources]
    if running.memory:
        kept.append(running.memory.fd)
    if running.peer is not None:
        kept.append(running.peer)
    if running.input_fd is not None and running.input_fd not in kept:
        kept.append(running.input_fd)
    try:
        with step("Replace the idle monitor by a small program", book="4.7.2"):
            _become_small(state, kept)
    except OSError:  # no memory, or it was upgraded at this moment
        _inherit(kept, False)
        if running.resolver:
            running.resolver.start()


def _become_small(state: dict[str, Any], kept: list[int]) -> None:
    """execve(2). The new one makes containers too, when it is a monitor again: it runs from where this one does."""
    state["interpreter"] = program = interpreter.take()
    try:
        with open(os.memfd_create("minidock-monitor"), "wb", buffering=0) as file:
            file.write(marshal.dumps(state))
            _inherit([file.fileno(), *kept], True)
            interpreter.execute(program, [*interpreter.ALONE, _program(), str(file.fileno())], dict(os.environ))
    finally:
        os.close(program)


def _program() -> str:
    """The small program; compiled, if Python could write that down, because a compiler leaves its memory behind."""
    compiled = getattr(idle, "__cached__", None)
    return compiled if compiled and os.path.exists(compiled) else idle.__file__


def take_up(state: dict[str, Any]) -> int:
    """Be a monitor again: the whole rest of its life. Returns what to exit with."""
    observe.who = "monitor"
    from minidock.engine.monitor import monitor

    interpreter.bar(state["interpreter"])
    sources = [output["fd"] for output in state["outputs"] if output["fd"] >= 0]
    input_fd = [] if state["input_fd"] in (None, *sources) else [state["input_fd"]]
    memory = state["memory"][:1] if state["memory"] else []
    peer = [] if state["peer"] is None else [state["peer"]]
    ours = [state["lock"], state["pidfd"], state["listener"], *memory, *state["ports"], *state["names"]]
    _inherit([*ours, *sources, *input_fd, *peer], False)
    record = records.Record(state["root"], state["id"], state["record"])
    record.is_ours = True
    record.reload()
    running = _running(record, state)
    visitors = AttachedClients(None)
    visitors.take_up(state["listener"], record.id)
    life = monitor.Life(record, state["lock"], state["cache"])
    life.began, life.backoff.next = state["began"], state["backoff"]
    return monitor.go_on(life, running, visitors)


def _running(record: records.Record, state: dict[str, Any]) -> Running:
    ours, theirs = channel_pair()  # the one to its first process was closed when its program began
    for end in (ours, theirs):
        end.close()
    created = CreatedProcess(state["pid"], state["pidfd"], ours)
    created.console, created.is_ready = state["console"], True
    log = None
    with suppress(OSError):  # whatever fails, the container must not end with us
        log = log_drivers.open_log(record)
    if log:
        log.rest = state["rest"]
    outputs = []
    for row in state["outputs"]:
        outputs.append(Output(row["fd"], row["name"], log))
        outputs[-1].over = row["fd"] < 0
    once = record.data["options"]["stdin_once"]
    running = Running(created, outputs, state["input_fd"], once=once, ports=None)
    running.memory = out_of_memory.Watch(*state["memory"]) if state["memory"] else None
    running.peer = state["peer"]
    running.ports = _ports(record, state["ports"])
    if state["names"]:
        running.resolver = _resolver(record, state["pid"], state["names"])
    return running


def _resolver(record: records.Record, pid: int, sockets: tuple[int, int]) -> Resolver | None:
    from minidock.engine.networks import container_dns

    try:
        resolver = container_dns.make(record, pid, sockets)
        resolver.start()
        return resolver
    except (OSError, MinidockError):  # the container has ended: nobody asks any more
        for fd in sockets:
            with suppress(OSError):  # closed already, if it came so far
                os.close(fd)
        return None


def _ports(record: records.Record, fds: list[int]) -> Any:
    if not fds:
        return None
    from minidock.engine.spec import published_ports
    from minidock.network.host_ports import BoundPorts

    return BoundPorts(published_ports.published(record), [socket.socket(fileno=fd) for fd in fds])


def _inherit(fds: list[int], inheritable: bool) -> None:
    for fd in fds:
        os.set_inheritable(fd, inheritable)
