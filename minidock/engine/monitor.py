"""The monitor: one small process beside every running container, instead of a daemon for all of them.

It creates the container's processes, so it is their parent: it alone learns how they end. It holds the container's
pipes or terminal, passes on signals, and at the end undoes everything and records the result. It is a child of the
command that asked for the container (`launch.py`), in a session of its own, and outlives that command if it must.

    caller -> monitor   {"type": "assign", "root", "id", "cache"} + the container's lock: look after this one
    monitor -> caller   {"type": "started", "warnings": [...]}, "failed" (message, exit code), "exit" (code)
    caller -> monitor   {"type": "signal", "number": n}; the end of file means that the caller is gone
"""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from typing import Any

from minidock.engine import records, recovery
from minidock.engine.records import Record
from minidock.engine.streams import Streams
from minidock.errors import EXIT_ENGINE, EXIT_SIGNAL, MinidockError, SetupError
from minidock.linux import cgroups, namespaces, terminal
from minidock.observe import step
from minidock.runtime import container as runtime
from minidock.runtime import spec as oci
from minidock.runtime.channel import Channel

# Asking a container to end before it has begun: it is not begun.
_ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}


@dataclass
class Caller:
    """Who asked for the container: a channel to it, its descriptors 0, 1, 2, and its terminal's mode if raw."""

    channel: Channel
    stdio: tuple[int, int, int]
    mode: list[Any] | None = None
    present: bool = True

    def tell(self, kind: str, **content: Any) -> None:
        """Send a message, if anybody is there to read it."""
        try:
            self.channel.send(kind, **content)
        except (BrokenPipeError, ConnectionResetError):
            self.present = False


def serve(channel: Channel) -> int:
    """The life of a monitor: wait for a container to look after, look after it; returns what to exit with."""
    caller = Caller(channel, _leave_the_caller())
    message, lock = channel.receive()
    if message is None or lock is None:
        return 0  # the command ended without a container
    try:
        record = records.load(message["root"], message["id"])
        assert record is not None, "its creator holds its lock"
        return _run(record, caller, message["cache"])
    except BaseException as error:
        caller.tell("failed", message=_words(error), exit_code=getattr(error, "exit_code", EXIT_ENGINE))
        return EXIT_ENGINE
    finally:
        os.close(lock)


def _leave_the_caller() -> tuple[int, int, int]:
    """No directory held, descriptors 0 to 2 free of the caller; returns copies of those."""
    os.chdir("/")
    copies = [os.dup(fd) for fd in (0, 1, 2)]
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
    # What a shutting-down system sends to all: the container is told, and the end of its PID 1 is ours.
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    return copies[0], copies[1], copies[2]


def _run(record: Record, caller: Caller, cache: str) -> int:
    """Start the container, stay until it ends, undo it; returns its exit code."""
    options = record.data["options"]
    streams = Streams(interactive=options["interactive"], tty=options["tty"])
    try:
        created, cgroup, warnings = _start(record, streams, caller, cache)
        record.data["state"] |= {
            "status": records.RUNNING,
            "pid": created.pid,
            "pidStarted": recovery.start_time(created.pid),
            "monitor": os.getpid(),
            "startedAt": recovery.now(),
        }
        record.save()
    except BaseException:
        recovery.remove_files(recovery.undo(record))
        raise
    _hook_up(streams, caller, created, interactive=options["interactive"])
    caller.tell("started", warnings=warnings)
    status = _watch(created, streams, caller)
    oom_killed = bool(cgroup and cgroup.read_table("memory.events").get("oom_kill"))
    exit_code = os.waitstatus_to_exitcode(status)
    exit_code = EXIT_SIGNAL - exit_code if exit_code < 0 else exit_code
    with step("everything undone", book="2.2.4"):
        recovery.finish(record, exit_code, oom_killed=oom_killed)
    _see_off(streams, caller, exit_code)
    return exit_code


def _start(
    record: Record, streams: Streams, caller: Caller, cache: str
) -> tuple[runtime.Created, cgroups.Cgroup | None, list[str]]:
    """Create the container, connect it, let it go. On failure its process is gone when this raises."""
    created, cgroup = runtime.create(oci.load(record.path("bundle")), streams.inside, cache)
    try:
        streams.close_inside()
        warnings = _connect(record.data["network"], created.pid) if record.data.get("network") else []
        runtime.wait_ready(created)
        _abort_if_asked(caller)
        if created.console is not None:
            _copy_window_size(caller, created.console)
        runtime.start(created)
    except BaseException:
        created.signal(signal.SIGKILL)
        os.waitpid(created.pid, 0)
        raise
    return created, cgroup, warnings


def _connect(network: dict[str, Any], pid: int) -> list[str]:
    from minidock.network import bridge

    endpoint = bridge.Endpoint(**network)
    netns = namespaces.open_namespace(pid, "network")
    try:
        with step("a cable to the bridge", book="4.1.1"):
            return bridge.connect(endpoint, netns)
    finally:
        os.close(netns)


def _abort_if_asked(caller: Caller) -> None:
    """Ctrl-C while the container was being made, or a caller that is gone: do not start it."""
    while select.select([caller.channel.end], [], [], 0)[0]:
        message, _ = caller.channel.receive()
        if message is None:
            raise SetupError("the caller is gone")
        if message["number"] in _ENDING:
            raise SetupError("interrupted before the start", exit_code=EXIT_SIGNAL + message["number"])


def _hook_up(streams: Streams, caller: Caller, created: runtime.Created, *, interactive: bool) -> None:
    """Put the caller's terminal into raw mode, if it types into the container's, and let the bytes flow."""
    if created.console is not None and interactive and os.isatty(caller.stdio[0]):
        caller.mode = terminal.make_raw(caller.stdio[0])
    streams.start(caller.stdio, created.console)


def _watch(created: runtime.Created, streams: Streams, caller: Caller) -> int:
    """Pass signals on until the container's PID 1 ends; returns its wait status."""
    poll = select.poll()
    poll.register(created.pidfd, select.POLLIN)
    poll.register(caller.channel.end, select.POLLIN)
    while True:
        ready = dict(poll.poll())
        if created.pidfd in ready:
            return os.waitpid(created.pid, 0)[1]
        message, _ = caller.channel.receive()
        if message is None:
            poll.unregister(caller.channel.end)
            _caller_left(streams, caller)
        elif message["number"] == signal.SIGWINCH and created.console is not None:
            _copy_window_size(caller, created.console)
        else:
            _pass_on(created, message["number"])


def _pass_on(created: runtime.Created, number: int) -> None:
    try:
        created.signal(number)
    except ProcessLookupError:
        return  # it ended just now, which the next look at the pidfd will tell


def _caller_left(streams: Streams, caller: Caller) -> None:
    """The command was killed: leave its terminal as it was and stop using it. The container goes on, as in docker."""
    caller.present = False
    streams.caller_left()
    if caller.mode:
        terminal.restore(caller.stdio[0], caller.mode)
        caller.mode = None


def _see_off(streams: Streams, caller: Caller, exit_code: int) -> None:
    """Deliver the last output, give the terminal back, and only then say that it is over."""
    while caller.present and not streams.outputs_done(0.05):
        if select.select([caller.channel.end], [], [], 0)[0] and caller.channel.receive()[0] is None:
            _caller_left(streams, caller)
    streams.finish()
    if caller.mode:
        terminal.restore(caller.stdio[0], caller.mode)
    caller.tell("exit", code=exit_code)


def _copy_window_size(caller: Caller, console: int) -> None:
    """The container's terminal is as large as the caller's, if that is one."""
    for fd in caller.stdio:
        if os.isatty(fd):
            terminal.set_window_size(console, *terminal.window_size(fd))
            return


def _words(error: BaseException) -> str:
    if isinstance(error, MinidockError):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"{type(error).__name__}: {error}"
