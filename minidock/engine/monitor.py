"""The monitor: one small process beside every running container, instead of a daemon for all of them.

It creates the container's processes, so it is their parent: it alone learns how they end. It delivers the container's
output, passes on signals, and at the end undoes everything and records the result. It is a child of the command that
asked for the container (`launch.py`), in a session of its own, and outlives that command if it must.

    caller -> monitor   "assign" (root, id, cache) + the container's lock: look after this one
    monitor -> caller   "ready" + where its input goes (a pipe, or its terminal's master end), if it takes any
    caller -> monitor   "start": the caller's terminal is prepared
    monitor -> caller   "started" (warnings); "hangup": close the terminal; "warning" (line)
    monitor -> caller   at last "exit" (code), or at any time "failed" (message, exit code)
    caller -> monitor   at any time "signal" (number); the end of file means that the caller is gone
"""

from __future__ import annotations

import errno
import os
import select
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from minidock.engine import preparation, publishing, records, recovery
from minidock.engine.records import Record
from minidock.engine.streams import Events, Flow, Pipes, unshared, wait
from minidock.errors import EXIT_ENGINE, EXIT_SIGNAL, MinidockError, SetupError
from minidock.linux import cgroups, namespaces, terminal
from minidock.observe import step
from minidock.runtime import container as runtime
from minidock.runtime.channel import Channel

if TYPE_CHECKING:
    from minidock.network.ports import Held

# Asking a container to end before it has begun: it is not begun.
_ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}


class Caller:
    """Who asked for the container: a channel to it, and descriptors of our own for its 0, 1 and 2."""

    def __init__(self, channel: Channel, stdio: tuple[int, int, int]) -> None:
        self.channel = channel
        self.stdio = stdio
        self.present = True

    def tell(self, kind: str, fd: int | None = None, **content: Any) -> None:
        """Send a message. If nobody is there to read it, the next look at the channel will find its end."""
        if self.present:
            with suppress(BrokenPipeError, ConnectionResetError):
                self.channel.send(kind, fd, **content)


class Running(NamedTuple):
    """A container that was started, and the flows of its output. `mode`: what the caller's terminal was like before.

    `ports` keeps the host's ports that lead to it.
    """

    created: runtime.Created
    flows: list[Flow]
    mode: list[Any] | None
    ports: Held | None = None


def serve(channel: Channel) -> int:
    """The life of a monitor: wait for a container to look after, look after it; returns what to exit with."""
    caller = Caller(channel, leave_the_caller())
    message, lock = channel.receive()
    if message is None or lock is None:
        return 0  # the command ended without a container
    try:
        record = records.load(message["root"], message["id"])
        assert record is not None, "its creator holds its lock"
        return _run(record, lock, caller, message["cache"])
    except BaseException as error:
        caller.tell("failed", message=_words(error), exit_code=_exit_code(error))
        return EXIT_ENGINE


def leave_the_caller() -> tuple[int, int, int]:
    """No directory held, no descriptor of the caller's but copies of 0, 1 and 2, which are returned."""
    os.chdir("/")
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        # Those that Python opened are closed by execve. The others came through an execve, so from the caller.
        if fd > 2 and _is_inheritable(fd):
            os.close(fd)
    copies = (os.dup(0), unshared(1), unshared(2))
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
    # What a shutting-down system sends to all: the container is told, and the end of its PID 1 is ours.
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    return copies


def _is_inheritable(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False  # the descriptor that listed the directory


def _run(record: Record, lock: int, caller: Caller, cache: str) -> int:
    """Start the container, stay until it ends, undo it; returns its exit code."""
    try:
        running, cgroup, warnings = _start(record, caller, cache)
    except BaseException:
        with suppress(OSError, MinidockError):  # the first error is the one to tell, and sweeping finds the rest
            recovery.discard(record)
        raise
    caller.tell("started", warnings=warnings)
    _attend(running, caller, ended=False)
    exit_code = os.waitstatus_to_exitcode(os.waitpid(running.created.pid, 0)[1])
    exit_code = EXIT_SIGNAL - exit_code if exit_code < 0 else exit_code
    oom_killed = bool(cgroup and cgroup.read_table("memory.events").get("oom_kill"))
    undone = True
    try:
        with step("everything undone", book="2.2.4"):
            recovery.finish(record, exit_code, oom_killed=oom_killed)
    except (OSError, MinidockError):
        undone = False  # which the caller, or any next command, does again
    os.close(lock)  # whoever wants to remove the container need not wait for the reader of its last output
    _attend(running, caller, ended=True)
    caller.tell("exit", code=exit_code, undone=undone)
    return exit_code


def _start(record: Record, caller: Caller, cache: str) -> tuple[Running, cgroups.Cgroup | None, list[str]]:
    """Create the container, connect it, let it go. On failure its process is gone when this raises."""
    options = record.data["options"]
    pipes = None if options["tty"] else Pipes(interactive=options["interactive"])
    spec = preparation.prepare(record)
    ports = publishing.publish(record)
    created, cgroup = runtime.create(spec, pipes.inside if pipes else None, cache)
    try:
        warnings = publishing.warnings(record) + (_connect(record, created) if record.data["networks"] else [])
        _wait_for_set_up(caller, created)
        running = _meet(caller, created, pipes, interactive=options["interactive"])._replace(ports=ports)
        runtime.start(created)
        record.data["state"] |= {
            "status": records.RUNNING,
            "pid": created.pid,
            "pidStarted": recovery.start_time(created.pid),
            "monitor": os.getpid(),
            "startedAt": recovery.now(),
        }
        record.save()
    except BaseException:
        created.signal(signal.SIGKILL)
        os.waitpid(created.pid, 0)
        raise
    return running, cgroup, warnings


def _connect(record: Record, created: runtime.Created) -> list[str]:
    from minidock.network import endpoints

    wanted = {name: endpoints.Endpoint(**row) for name, row in record.data["networks"].items()}
    try:
        netns = namespaces.open_namespace(created.pid, "network")
    except FileNotFoundError:
        runtime.wait_ready(created)  # it died in its set-up already: raise what it said
        raise
    try:
        with step("cables to its networks", book="4.1.1"):
            return endpoints.connect(record.root, wanted, netns, publishing.published(record))
    finally:
        os.close(netns)


def _meet(caller: Caller, created: runtime.Created, pipes: Pipes | None, *, interactive: bool) -> Running:
    """Tell the caller where the container's input goes, wait for its go, and connect its output."""
    stdin, stdout, stderr = caller.stdio
    mode = None
    if pipes:
        pipes.close_inside()
        caller.tell("ready", pipes.input, console=False)
        if pipes.input is not None:
            os.close(pipes.input)  # the caller's alone now: with it, the container's input ends
        flows = [Flow(pipes.output, stdout), Flow(pipes.errors, stderr)]
    else:
        assert created.console is not None
        os.set_blocking(created.console, False)
        mode = terminal.mode(stdin) if interactive else None
        _copy_window_size(caller, created.console)
        caller.tell("ready", created.console, console=True)
        flows = [Flow(created.console, stdout)]
    try:
        while not _is_start(caller):
            continue
    except BaseException:
        if mode:  # the caller may have been killed when it had just changed it
            terminal.restore(stdin, mode)
        raise
    if mode is None:
        os.close(stdin)
    return Running(created, flows, mode)


def _wait_for_set_up(caller: Caller, created: runtime.Created) -> None:
    """Wait for the container's first process, and for the caller: Ctrl-C ends even a set-up that hangs."""
    inside, outside = created.channel.end.fileno(), caller.channel.end.fileno()
    while inside not in wait({inside: select.POLLIN, outside: select.POLLIN}):
        _is_start(caller)
    runtime.wait_ready(created)


def _is_start(caller: Caller) -> bool:
    """Whether the caller's next message is "start". Raises if it wants the container no more, or is gone itself."""
    message, _ = caller.channel.receive()
    if message is None:
        raise SetupError("the caller is gone")
    if message["type"] == "signal" and message["number"] in _ENDING:
        raise SetupError("interrupted before the start", exit_code=EXIT_SIGNAL + message["number"])
    return bool(message["type"] == "start")


def _attend(running: Running, caller: Caller, *, ended: bool) -> None:
    """Move output and pass signals on, until the container ends; or, if it has, until the last byte is delivered."""
    channel, pidfd = caller.channel.end.fileno(), running.created.pidfd
    while running.flows if ended else True:
        wanted: Events = {} if ended else {pidfd: select.POLLIN}
        if caller.present:
            wanted[channel] = select.POLLIN
        elif ended:
            return  # nobody reads the rest
        for flow in running.flows:
            wanted |= flow.wants()
        ready = wait(wanted)
        for flow in list(running.flows):
            flow.serve(ready)
            if flow.over:
                _close(running, flow, caller)
        if channel in ready:
            message, _ = caller.channel.receive()
            if message is None:
                _caller_left(running, caller)
            elif ended and message["number"] in _ENDING:
                return  # somebody does not want to wait for a reader that does not read
            elif not ended:
                _pass_on(running.created, message["number"])
        if pidfd in ready:
            return


def _close(running: Running, flow: Flow, caller: Caller) -> None:
    """A flow is over. If the caller's end broke, the container learns it as it would from any pipe or terminal."""
    running.flows.remove(flow)
    os.close(flow.source)  # SIGPIPE for who writes to a pipe; the end of file for who reads a terminal
    if not flow.broken:
        return
    if flow.broken.errno not in (errno.EPIPE, errno.EIO):
        caller.tell("warning", line=f"the container's output cannot be written: {flow.broken.strerror}")
    if flow.source == running.created.console:
        caller.tell("hangup")


def _pass_on(created: runtime.Created, number: int) -> None:
    try:
        created.signal(number)
    except ProcessLookupError:
        return  # it ended just now, which the next look at the pidfd will tell


def _caller_left(running: Running, caller: Caller) -> None:
    """The command was killed: restore its terminal and hold nothing of it. The container goes on, as in docker."""
    caller.present = False
    caller.channel.close()
    if running.mode:
        terminal.restore(caller.stdio[0], running.mode)
        os.close(caller.stdio[0])
    for flow in running.flows:
        flow.discard()


def _copy_window_size(caller: Caller, console: int) -> None:
    """The container's terminal is as large as the caller's, if that is one. Later changes are the caller's to tell."""
    for fd in caller.stdio:
        if os.isatty(fd):
            terminal.set_window_size(console, *terminal.window_size(fd))
            return


def _exit_code(error: BaseException) -> int:
    """A plain 1 would be taken for the program's own."""
    code = error.exit_code if isinstance(error, MinidockError) else EXIT_ENGINE
    return EXIT_ENGINE if code == MinidockError.exit_code else code


def _words(error: BaseException) -> str:
    if isinstance(error, MinidockError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    return f"{type(error).__name__}: {error}"
