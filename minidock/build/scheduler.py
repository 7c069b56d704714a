"""The stages' processes: each stage is built in one of its own, at the same time as others that it does not need.

A process and not a thread, because a stage forks monitors for its RUN steps, and fork and threads do not mix. What a
stage tells (events) and what its commands print come through pipes; its result through the same. Whatever ends the
build ends all of them, and with them their containers (`engine/monitor/attach_server.py`, `ends_with_first`).
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any

import prctl

from minidock import observe
from minidock.build.builder import Asked, Builder
from minidock.build.graph import Graph, Node
from minidock.build.stage import Stage
from minidock.build.variables import Globals
from minidock.errors import MinidockError, message_of
from minidock.image.dockerfile.dockerfile_errors import StepError, lines_of
from minidock.image.store_writer import Ingest
from minidock.linux import mounts, syscalls
from minidock.named_tuple import NamedTuple
from minidock.observe import step

_READ = 1 << 16
_TICK = 0.2  # seconds after which a silent build's times are drawn again
_HEAD = struct.Struct("I")
Told = Callable[[Node, str, dict[str, Any]], None]


class _Job(NamedTuple):
    node: Node
    pid: int
    events: socket.socket
    output: int


def build(
    asked: Asked, graph: Graph, outer: Globals, ingest: Ingest, told: Told, tick: Callable[[], None]
) -> dict[int, Stage]:
    """Build all stages of the graph, as many at a time as there are processors; all of them. Raises `StepError`.

    `told(node, kind, content)` hears of each step's "begin" and "end", of "line"s, and of "output" (bytes); `tick` is
    called now and then.
    """
    done: dict[int, Stage] = {}
    jobs: dict[int, _Job] = {}
    try:
        while graph.target not in done:
            for number, node in graph.nodes.items():
                if number not in done and number not in jobs and node.needs <= done.keys() and len(jobs) < _at_once():
                    jobs[number] = _start(asked, node, outer, done, ingest)
            _hear(jobs, done, told)
            tick()
    finally:
        for job in jobs.values():
            _end(job)
    return done


def _at_once() -> int:
    return max(2, os.cpu_count() or 1)


def _start(asked: Asked, node: Node, outer: Globals, done: Mapping[int, Stage], ingest: Ingest) -> _Job:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    with step("Fork a process that builds a stage", book="3.2"):
        pid = observe.announced("fork", (), os.fork)
    if pid:
        theirs.close()
        os.close(writer)
        return _Job(node, pid, ours, reader)
    code = 1
    try:
        observe.who = "stage"
        prctl.set_pdeathsig(signal.SIGKILL)
        os.setsid()  # what is typed in the terminal is for the command, which ends us
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        ours.close()
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        for fd, standard in ((null, 0), (writer, 1), (writer, 2)):
            os.dup2(fd, standard)
        with step("Give the stage a mount namespace", book="3.1"):
            syscalls.unshare(syscalls.CLONE_NEWNS)
            mounts.set_propagation("/", syscalls.MS_REC | syscalls.MS_SLAVE)
        _work(asked, node, outer, done, ingest, theirs)
        code = 0
    finally:
        os._exit(code)


def _work(
    asked: Asked, node: Node, outer: Globals, done: Mapping[int, Stage], ingest: Ingest, end: socket.socket
) -> None:
    def send(kind: str, **content: Any) -> None:
        data = pickle.dumps((kind, content))
        end.sendall(_HEAD.pack(len(data)) + data)

    try:
        stage = Builder(asked, node, outer, done, ingest, send).build()
    except MinidockError as error:
        send("failed", message=str(error), lines=lines_of(error))
    except Exception as error:
        send("failed", message=message_of(error), lines=(0, 0))
    else:
        send("done", stage=stage)


def _hear(jobs: dict[int, _Job], done: dict[int, Stage], told: Told) -> None:
    """Wait for what any of the stages says or prints."""
    sources = {source: number for number, job in jobs.items() for source in (job.events.fileno(), job.output)}
    for fd in select.select(list(sources), [], [], _TICK)[0]:
        job = jobs.get(sources[fd])
        if job is None:
            continue  # over since
        if fd == job.output:
            if data := os.read(fd, _READ):
                told(job.node, "output", {"data": data})
            continue
        message = _receive(job.events)
        _drain(job, told)  # what a command has printed comes before what is said of its end
        kind, content = message or ("failed", {"message": "its process was killed", "lines": (0, 0)})
        if kind == "done":
            done[job.node.number] = content["stage"]
            _end(jobs.pop(job.node.number))
        elif kind == "failed":
            told(job.node, kind, content)
            raise StepError(content["message"], *content["lines"])
        else:
            told(job.node, kind, content)


def _receive(end: socket.socket) -> tuple[str, dict[str, Any]] | None:
    """One message of a process of ours; None at the end."""
    head = _exactly(end, _HEAD.size)
    data = _exactly(end, _HEAD.unpack(head)[0]) if head else b""
    if not data:
        return None
    kind, content = pickle.loads(data)
    return str(kind), dict(content)


def _exactly(end: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := end.recv(size - len(data))):
        data += more
    return data if len(data) == size else b""


def _drain(job: _Job, told: Told) -> None:
    while select.select([job.output], [], [], 0)[0]:
        data = os.read(job.output, _READ)
        if not data:
            return
        told(job.node, "output", {"data": data})


def _end(job: _Job) -> None:
    """End a stage's process. Its containers' monitors see their command gone, and kill the container."""
    os.kill(job.pid, signal.SIGKILL)  # not reaped yet, so there
    os.waitpid(job.pid, 0)
    job.events.close()
    os.close(job.output)
