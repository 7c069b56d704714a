"""One more process in a container that runs: created, started, asked about."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from minidock.api.call import Call
from minidock.api.routes.container_life import size_of
from minidock.api.streams import hijacked, multiplexed
from minidock.api.streams.content_types import content_type
from minidock.engine.container import records, recovery
from minidock.engine.events import event_log
from minidock.engine.exec import exec_client, exec_instances, exec_process
from minidock.engine.exec.exec_instances import Instance
from minidock.engine.exec.exec_options import ExecOptions
from minidock.engine.monitor import detach_keys
from minidock.engine.monitor.monitor_client import Attachment, Detached, Left
from minidock.errors import ConflictError, MinidockError, NotFoundError, UsageError, message_of

_STREAMS = ("stdin", "stdout", "stderr")


def create(call: Call) -> None:
    """POST /containers/NAME/exec."""
    asked = call.fields(needed=True)
    command = asked.words("Cmd") or []
    if not command:
        raise UsageError("No exec command specified")
    recovery.sweep_all(call.root)
    record = records.find(call.root, call.name)
    os.close(exec_process.open_target(record, call.name).pidfd or -1)
    keys = asked.text("DetachKeys")
    detach_keys.parse(keys)
    options = ExecOptions(
        command=command, env=asked.texts("Env"), user=asked.text("User") or None,
        workdir=asked.text("WorkingDir") or None, privileged=asked.flag("Privileged"),
        interactive=asked.flag("AttachStdin"), tty=asked.flag("Tty"), detach=False,
    )  # fmt: skip
    streams = [name for name in _STREAMS if asked.flag(f"Attach{name.capitalize()}")]
    call.json({"Id": exec_instances.create(record, options, streams, keys)}, 201)


def start(call: Call) -> None:
    """POST /exec/ID/start: hijacked, unless it is to be left to itself."""
    asked = call.fields()
    instance = exec_instances.find(call.name)
    record = records.find(call.root, instance["container"])
    if instance["isStarted"]:
        raise ConflictError(f"Error: Exec command {call.name} has already run")
    os.close(exec_process.open_target(record, record.name).pidfd or -1)
    exec_instances.note(call.name, isStarted=True)
    options = ExecOptions(**instance["options"])
    if asked.flag("Detach"):
        exec_client.execute(call.paths, record.id, options._replace(detach=True, interactive=False), b"",
                            exec_id=call.name)  # fmt: skip
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)
        call.empty(200)
        return
    raw = asked.flag("Tty")  # as docker has it: not what the process has, but what this request says
    end = call.hijack(content_type(call.version, has_terminal=raw))
    chosen = list(instance["streams"])
    with hijacked.as_own_streams(end, chosen, raw=raw):
        attachment = Attachment(**dict.fromkeys(chosen, True), keys=detach_keys.parse(instance["keys"]),
                                proxy=False, lifeline=end.fileno())  # fmt: skip
        try:
            exec_client.execute(call.paths, record.id, options, attachment.keys, attachment, call.name)
        except (Left, Detached):
            return
        except MinidockError as error:
            text = f"{message_of(error)}\r\n".encode()
            with suppress(OSError):
                end.sendall(text if raw else multiplexed.framed(multiplexed.STDOUT, text))


def resize(call: Call) -> None:
    """POST /exec/ID/resize."""
    rows, columns = size_of(call)
    instance = exec_instances.find(call.name)
    if not exec_instances.is_running(call.name, instance):
        raise NotFoundError(f"No such exec instance: {call.name}: it does not run")
    exec_process.set_terminal_size(instance["pid"], rows, columns)
    record = records.find(call.root, instance["container"])
    event_log.emit_container(call.root, "resize", record.data, height=rows, width=columns)
    call.empty(200)


def inspect(call: Call) -> None:
    """GET /exec/ID/json."""
    instance = exec_instances.find(call.name)
    if not records.is_there(call.root, instance["container"]):
        raise NotFoundError(f"No such exec instance: {call.name}")
    call.json(_described(call.name, instance))


def _described(exec_id: str, instance: Instance) -> dict[str, object]:
    options, streams = instance["options"], instance["streams"]
    running = exec_instances.is_running(exec_id, instance)
    command = options["command"]
    return {
        "ID": exec_id,
        "Running": running,
        "ExitCode": None if running else exec_instances.exit_code(exec_id, instance),
        "ProcessConfig": {"tty": options["tty"], "entrypoint": command[0], "arguments": command[1:],
                          "privileged": options["privileged"], "user": options["user"] or ""},
        "OpenStdin": "stdin" in streams,
        "OpenStdout": "stdout" in streams,
        "OpenStderr": "stderr" in streams,
        "CanRemove": False,
        "ContainerID": instance["container"],
        "DetachKeys": instance["keys"],
        "Pid": instance["pid"],
    }  # fmt: skip
