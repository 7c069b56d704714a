"""Replace the idle program (`idle.py`) by a monitor again, with the descriptors and state that `reexec.py` kept."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from minidock import observe
from minidock.engine.container import records
from minidock.engine.logs import log_config
from minidock.engine.monitor import monitor, out_of_memory
from minidock.engine.monitor.attach_server import AttachedClients
from minidock.engine.monitor.container_process import Running
from minidock.engine.monitor.monitored import Monitored
from minidock.engine.monitor.output import Output
from minidock.engine.monitor.reexec import set_inheritable
from minidock.errors import MinidockError
from minidock.linux import interpreter
from minidock.runtime.channel import channel_pair
from minidock.runtime.lifecycle import CreatedProcess

if TYPE_CHECKING:
    from minidock.network.dns_server import Resolver


def resume(state: dict[str, Any]) -> int:
    """Continue as a monitor until the container ends for good. Returns the exit code."""
    observe.who = "monitor"
    interpreter.forbid_execution(state["interpreter"])
    sources = [output["fd"] for output in state["outputs"] if output["fd"] >= 0]
    input_fd = [] if state["input_fd"] in (None, *sources) else [state["input_fd"]]
    memory = state["memory"][:1] if state["memory"] else []
    peer = [] if state["peer"] is None else [state["peer"]]
    ours = [state["lock"], state["pidfd"], state["listener"], *memory, *state["ports"], *state["names"]]
    set_inheritable([*ours, *sources, *input_fd, *peer], False)
    record = records.Record(state["root"], state["id"], state["record"])
    record.is_ours = True
    record.reload()
    running = _running(record, state)
    clients = AttachedClients(None)
    clients.listen_at(state["listener"], record.id)
    monitored = Monitored(record, state["lock"], state["cache"])
    monitored.began, monitored.backoff.next = state["began"], state["backoff"]
    return monitor.resume(monitored, running, clients)


def _running(record: records.Record, state: dict[str, Any]) -> Running:
    ours, theirs = channel_pair()  # the one to its first process was closed when its program began
    for end in (ours, theirs):
        end.close()
    created = CreatedProcess(state["pid"], state["pidfd"], ours)
    created.console, created.is_ready = state["console"], True
    log = None
    with suppress(OSError):  # whatever fails, the container must not end with us
        log = log_config.open_log(record)
    if log:
        log.unfinished = state["unfinished"]
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
    except (OSError, MinidockError):  # the container has ended: no client can ask any more
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
