"""Replace an idle monitor by a small program (`idle.py`); `resume.py` replaces that again.

Descriptors without FD_CLOEXEC keep their numbers over execve(2). All other state is written into an anonymous file
(memfd_create(2)). For the kernel it is the same process: no parent has died, no lock is released.
"""

from __future__ import annotations

import importlib
import marshal
import os
import sys
from typing import TYPE_CHECKING, Any

from minidock.engine.monitor.attach_server import AttachedClients
from minidock.engine.monitor.container_process import Running
from minidock.linux import interpreter
from minidock.observe import step

if TYPE_CHECKING:
    from minidock.engine.monitor.monitored import Monitored


_IDLE = "minidock.engine.monitor.idle"  # a program that is executed; it is imported here to have it compiled


def become_idle(monitored: Monitored, running: Running, clients: AttachedClients) -> None:
    """Become the small program. Returns only if that is impossible: then nothing has changed."""
    assert clients.listener
    log = running.outputs[0].log
    outputs = [{"fd": -1 if output.over else output.source, "name": output.name} for output in running.outputs]
    sources = [output.source for output in running.outputs if not output.over]
    ports = [held.fileno() for held in running.ports.sockets] if running.ports else []
    names = running.resolver.pause() if running.resolver else ()
    state: dict[str, Any] = {
        "path": sys.path,
        "root": monitored.record.root,
        "id": monitored.record.id,
        "record": monitored.record.data,
        "cache": monitored.cache,
        "lock": monitored.lock,
        "began": monitored.began,
        "backoff": monitored.backoff.next,
        "pid": running.created.pid,
        "pidfd": running.created.pidfd,
        "listener": clients.listener.fileno(),
        "outputs": outputs,
        "input_fd": running.input_fd,
        "console": running.created.console,
        "peer": running.peer,
        "memory": [running.memory.fd, running.memory.seen] if running.memory else None,
        "ports": ports,
        "names": names,
        "log": log.arguments if log else None,
        "unfinished": log.unfinished if log else None,
    }
    kept = [monitored.lock, running.created.pidfd, clients.listener.fileno(), *ports, *names, *sources]
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
        set_inheritable(kept, False)
        if running.resolver:
            running.resolver.start()


def _become_small(state: dict[str, Any], kept: list[int]) -> None:
    """Execute the program from the same place as this one: as a monitor again, it creates containers too."""
    state["interpreter"] = program = interpreter.open_private_mount()
    try:
        with open(os.memfd_create("minidock-monitor"), "wb", buffering=0) as file:
            file.write(marshal.dumps(state))
            set_inheritable([file.fileno(), *kept], True)
            interpreter.execute(program, [*interpreter.ALONE, _program(), str(file.fileno())], dict(os.environ))
    finally:
        os.close(program)


def _program() -> str:
    """The file of the small program: the compiled one if it exists, because compiling would leave memory allocated."""
    idle = importlib.import_module(_IDLE)
    compiled = getattr(idle, "__cached__", None)
    return compiled if compiled and os.path.exists(compiled) else str(idle.__file__)


def set_inheritable(fds: list[int], inheritable: bool) -> None:
    for fd in fds:
        os.set_inheritable(fd, inheritable)
