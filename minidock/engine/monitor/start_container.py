"""The start of a container, by its monitor: prepare, publish, create, connect, start."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING

from minidock import state
from minidock.engine.container import init_process, records
from minidock.engine.container.records import Record
from minidock.engine.monitor import out_of_memory
from minidock.engine.monitor.attach_server import AttachedClient, AttachedClients
from minidock.engine.monitor.container_process import Running
from minidock.engine.monitor.daemonize import ENDING
from minidock.engine.monitor.output import Output
from minidock.engine.monitor.streams import Pipes, poll
from minidock.engine.networks import container_networks
from minidock.engine.spec import prepare, published_ports
from minidock.errors import EXIT_SIGNAL, SetupError, message_of
from minidock.linux import terminal
from minidock.observe import step
from minidock.runtime import lifecycle

if TYPE_CHECKING:
    from minidock.linux.cgroups import Cgroup
    from minidock.network.dns_server import Resolver
    from minidock.runtime.oci_spec import Spec


_PATIENCE = 10.0  # seconds for a client that waited for this start to send what it wants


class CallerGoneError(SetupError):
    """The caller was killed before the container ran."""


def start(
    record: Record, clients: AttachedClients, cache: str, caller: AttachedClient | None
) -> tuple[Running, list[str]]:
    """Prepare, publish, create, connect and start the container. On failure its process is gone when this raises.

    `caller`: the client that asks for the start; if it wants to be attached, it is before the program begins. Returns
    the container and warnings for the user.
    """
    options = record.data["options"]
    attached = caller is not None and caller.is_attached
    pipes = None if options["tty"] else Pipes(interactive=options["interactive"], big=attached)
    spec = prepare.prepare(record)
    ports = published_ports.publish(record)
    created, cgroup = _create(record, spec, pipes, cache)
    resolver = None
    try:
        warnings = published_ports.warnings(record)
        if record.data.get("idMaps"):
            from minidock.engine.spec import user_namespace

            warnings += user_namespace.warnings(record)
        if record.data["networks"]:
            resolver = _connect_to_networks(record, created, warnings)
        _wait_for_set_up(caller, created)
        running = Running(created, *_streams(record, created, pipes), once=options["stdin_once"], ports=ports)
        if created.console is not None:
            with step("Hold the other end of the terminal open", book="4.4"):
                running.peer = terminal.open_peer_of(created.console)
        running.resolver = resolver
        running.memory = out_of_memory.watch(cgroup.path) if cgroup else None
        if caller and caller.is_attached:
            _attach_caller(caller, clients, running)
        clients.attach_expected(running, _PATIENCE)
        _let_go(record, created)
        with step("Write the pid and the start into the record", book="4.7.3"):
            _record_start(record, created)
        with step("Listen on the monitor's socket", book="4.7.2"):
            clients.open(record.id)
    except BaseException:
        if resolver:
            resolver.close()
        created.signal(signal.SIGKILL)
        lifecycle.reap(created)
        raise
    return running, warnings


def _create(
    record: Record, spec: Spec, pipes: Pipes | None, cache: str
) -> tuple[lifecycle.CreatedProcess, Cgroup | None]:
    stdio = pipes.inside if pipes else None
    if record.data["options"]["isolation"].get("runtime"):
        from minidock.engine.container import foreign_runtime

        return foreign_runtime.create(record, spec, stdio, pipes.errors if pipes else None)
    return lifecycle.create(spec, stdio, cache)


def _let_go(record: Record, created: lifecycle.CreatedProcess) -> None:
    if record.data["options"]["isolation"].get("runtime"):
        from minidock.engine.container import foreign_runtime

        foreign_runtime.start(record)
        return
    lifecycle.start(created)


def _record_start(record: Record, created: lifecycle.CreatedProcess) -> None:
    ports = record.data["ports"]
    with records.changing(record):
        record.data["ports"] = ports
        record.data["state"] |= {
            "status": records.RUNNING,
            "kept": True,
            "pid": created.pid,
            "pidStarted": init_process.start_time(created.pid),
            "boot": state.boot_id(),
            "monitor": os.getpid(),
            "exitCode": 0,
            "error": "",
            "oomKilled": False,
            "startedAt": state.now(),
        }


def _streams(record: Record, created: lifecycle.CreatedProcess, pipes: Pipes | None) -> tuple[list[Output], int | None]:
    """The container's outputs, which share its log, and where its input goes."""
    from minidock.engine.logs import log_config

    log = log_config.open_log(record)
    if pipes:
        pipes.close_inside()
        return [Output(pipes.output, "stdout", log), Output(pipes.errors, "stderr", log)], pipes.input
    assert created.console is not None
    os.set_blocking(created.console, False)
    return [Output(created.console, "stdout", log)], created.console


def _connect_to_networks(record: Record, created: lifecycle.CreatedProcess, warnings: list[str]) -> Resolver | None:
    """Connect the container to its networks. If those have names, its resolver is created first and started afterwards,
    so that both work at the same time. A failed resolver is only a warning.
    """
    resolver = None
    try:
        if container_networks.has_names(record.data["networks"]):
            resolver = _make_resolver(record, created, warnings)
        with step("Connect the container to its networks", book="4.1.1"):
            warnings += container_networks.connect(record, created.pid)
        if resolver:
            resolver.start()
    except BaseException as error:
        if resolver:
            resolver.close()
        if isinstance(error, FileNotFoundError):
            lifecycle.wait_ready(created)  # it died in its set-up already: raise the error that it reported
        raise
    return resolver


def _make_resolver(record: Record, created: lifecycle.CreatedProcess, warnings: list[str]) -> Resolver | None:
    from minidock.engine.networks import container_dns

    try:
        return container_dns.make(record, created.pid)
    except FileNotFoundError:
        raise
    except OSError as error:  # the container's neighbours can be reached by number all the same
        warnings.append(f"names of other containers are not known inside: {message_of(error)}")
        return None


def _attach_caller(caller: AttachedClient, clients: AttachedClients, running: Running) -> None:
    """Connect the container to its caller, and wait until that has prepared its own terminal."""
    if running.has_terminal:
        _copy_window_size(caller, running)
    clients.attach(caller, running)
    while not _is_start(caller):
        continue


def _wait_for_set_up(caller: AttachedClient | None, created: lifecycle.CreatedProcess) -> None:
    """Wait for the container's first process, and for the caller: Ctrl-C ends a set-up that hangs too."""
    if created.is_ready:  # it is another runtime's
        return
    inside = created.channel.end.fileno()
    wanted = {inside: select.POLLIN}
    if caller:
        wanted[caller.channel.end.fileno()] = select.POLLIN
    while inside not in poll(wanted):
        assert caller
        _is_start(caller)
    lifecycle.wait_ready(created)


def _is_start(caller: AttachedClient) -> bool:
    """Whether the caller's next message is "start". Raises if the caller interrupts the start, or is gone."""
    message, _ = caller.channel.receive()
    if message is None:
        raise CallerGoneError("the caller is gone")
    if message["type"] == "signal" and message["number"] in ENDING:
        raise SetupError("interrupted before the start", exit_code=EXIT_SIGNAL + message["number"])
    return bool(message["type"] == "start")


def _copy_window_size(caller: AttachedClient, running: Running) -> None:
    """Give the container's terminal the size of the caller's, if that has one. The caller sends later changes."""
    assert running.input_fd is not None
    outputs = [receiver.fd for receiver in caller.receivers.values()]
    terminals = [caller.terminal[0]] if caller.terminal else [fd for fd in outputs if os.isatty(fd)]
    if terminals:
        terminal.set_window_size(running.input_fd, *terminal.window_size(terminals[0]))
