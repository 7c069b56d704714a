"""Observers named by the environment, with which tests and benchmarks record calls, and make them fail, from outside.

    MINIDOCK_OBSERVE_TRACE=FILE   every step and kernel call of every process, a line of JSON each
    MINIDOCK_OBSERVE_FAIL=N       the Nth kernel call, counted over all processes, fails with EIO
    MINIDOCK_OBSERVE_KILL=N       the process that is about to make the Nth kernel call is killed

A Python that minidock executes (`engine/monitor/spawn.py`) gets the same variables, and descriptors:

    MINIDOCK_OBSERVE_COUNTER=FD           the number of calls so far
    MINIDOCK_OBSERVE_RECORDER=FD:STEPPING    the socket to the trace process (`trace_socket.py`)
"""

from __future__ import annotations

import errno
import fcntl
import json
import mmap
import os
import signal
import struct

from minidock import observe
from minidock.observe import Call, Observer, Step


class Trace(Observer):
    """Writes steps and calls to a file, in every process."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def descriptors(self) -> list[int]:
        return [self.fd]

    def ends(self, step: Step) -> None:
        self._write(what="step", title=step.title, book=step.book, microseconds=step.microseconds)

    def before(self, call: Call) -> None:
        if call.name == "execve":  # it does not return
            self._write(what="call", call=str(call), name=call.name, step=call.step, microseconds=0, failed=False)

    def after(self, call: Call) -> None:
        failed = isinstance(call.result, OSError)
        self._write(what="call", call=str(call), name=call.name, step=call.step, microseconds=call.microseconds,
                    failed=failed)  # fmt: skip

    def _write(self, **row: object) -> None:
        os.write(self.fd, json.dumps({"pid": os.getpid(), **row}).encode() + b"\n")


class Breaker(Observer):
    """Lets the Nth call of all processes together fail, or kills the process that is about to make it."""

    def __init__(self, number: int, *, kill: bool, counter: int | None = None) -> None:
        self.number = number
        self.kill = kill
        self.lock = os.memfd_create("minidock-breaker", os.MFD_CLOEXEC) if counter is None else counter
        if counter is None:
            os.ftruncate(self.lock, 8)
        os.set_inheritable(self.lock, False)
        self.counter = mmap.mmap(self.lock, 8)  # shared with every process that is forked, or executed, from here on

    def descriptors(self) -> list[int]:
        return [self.lock]

    def pass_on(self) -> dict[str, str]:
        os.set_inheritable(self.lock, True)
        return {"MINIDOCK_OBSERVE_COUNTER": str(self.lock)}

    def before(self, call: Call) -> None:
        if self._count() != self.number:
            return
        if self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
            os._exit(128 + signal.SIGKILL)  # the first process of a pid namespace is immune to its own signals
        raise OSError(errno.EIO, f"{call}: injected failure")

    def _count(self) -> int:
        """One more call, counted atomically over all processes; lockf locks are per process, unlike flock's."""
        fcntl.lockf(self.lock, fcntl.LOCK_EX)
        count: int = struct.unpack_from("q", self.counter)[0] + 1
        struct.pack_into("q", self.counter, 0, count)
        fcntl.lockf(self.lock, fcntl.LOCK_UN)
        return count


def from_environment(environ: dict[str, str]) -> None:
    """Add the observers that `environ` names."""
    if path := environ.get("MINIDOCK_OBSERVE_TRACE"):
        observe.observers.append(Trace(path))
    counter = int(environ["MINIDOCK_OBSERVE_COUNTER"]) if "MINIDOCK_OBSERVE_COUNTER" in environ else None
    for name in ("FAIL", "KILL"):
        if number := environ.get(f"MINIDOCK_OBSERVE_{name}"):
            observe.observers.append(Breaker(int(number), kill=name == "KILL", counter=counter))
    if trace := environ.get("MINIDOCK_OBSERVE_RECORDER"):
        from minidock.recorder import trace_socket

        fd, _, stepping = trace.partition(":")
        trace_socket.resume(int(fd), stepping=bool(stepping))
