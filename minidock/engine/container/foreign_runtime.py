"""A container of another OCI runtime (`--runtime PATH`), which is called as docker calls runc.

    create   before it is connected to its networks: makes all but the program, and writes the pid of its first process
    start    lets the program run
    delete   when it has ended, or when its monitor was killed (`cleanup.py`)

That process becomes our child when `create` has ended (PR_SET_CHILD_SUBREAPER of prctl(2)). The cgroup and its limits
are ours, and `create` runs in it, so whatever the runtime does, all that it starts is found and killed. The layers are
mounted for it in a mount namespace of its own: nothing of them is left on the host, whoever is killed.

Source: https://github.com/opencontainers/runtime-spec/blob/main/runtime.md
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress

import prctl

from minidock import state
from minidock.engine import state_paths
from minidock.engine.container.records import Record
from minidock.errors import EXIT_ENGINE, EXIT_NOT_FOUND, SetupError
from minidock.linux import overlay, programs, syscalls
from minidock.linux.cgroups import Cgroup
from minidock.observe import step
from minidock.runtime import lifecycle
from minidock.runtime.attributes import reset_signals
from minidock.runtime.channel import channel_pair
from minidock.runtime.init import Stdio
from minidock.runtime.lifecycle import CreatedProcess
from minidock.runtime.oci_spec import Spec

_TIMEOUT = 30.0  # seconds for one call of the runtime
_STATE = "runtime-state"  # in the container's directory: what the runtime keeps (its --root)
_BUNDLE = "runtime-bundle"
_NOTHING = (subprocess.DEVNULL,) * 3


def path_of(record: Record) -> str:
    """The program that --runtime names; "" for minidock itself."""
    return str(record.data["options"]["isolation"].get("runtime") or "")


def create(record: Record, spec: Spec, stdio: Stdio, errors: int | None) -> tuple[CreatedProcess, Cgroup | None]:
    """As `lifecycle.create`. Raises `SetupError` with what the runtime has said, which is read from `errors`, the other
    end of the container's standard error, if it has no terminal."""
    with step("Create the control group, with its limits", book="3.2"):
        cgroup = lifecycle.make_cgroup(spec)
    try:
        _write_bundle(record, spec)
        with step("Have the other runtime create the container", book="3.4"):
            return _create(record, spec, stdio, errors, cgroup), cgroup
    except BaseException:
        if cgroup:
            cgroup.kill()
            cgroup.delete()
        raise


def start(record: Record) -> None:
    """Let the program run. Raises `SetupError`."""
    with step("Have the other runtime start the program", book="3.4"), tempfile.TemporaryFile() as said:
        code = _call(record, "start", record.id, stdio=(subprocess.DEVNULL, said.fileno(), said.fileno()))
        if code:
            said.seek(0)
            raise _failure(record, "start", code, said.read())


def delete(record: Record) -> None:
    """Have the runtime forget a container whose processes have ended. It may fail: what it kept goes with the
    container's directory."""
    if os.path.isdir(record.path(_STATE)):
        with suppress(SetupError):
            _call(record, "delete", "--force", record.id)
        shutil.rmtree(record.path(_STATE), ignore_errors=True)


def _write_bundle(record: Record, spec: Spec) -> None:
    """The bundle, but for the layers, which are mounted on its root already."""
    place = record.path(_BUNDLE)
    shutil.rmtree(record.path(_STATE), ignore_errors=True)  # of a run whose monitor was killed
    os.makedirs(place, mode=0o711, exist_ok=True)
    mounts = [mount for mount in spec.config.get("mounts", []) if mount["destination"] != "/"]
    root = {**spec.config["root"], "path": spec.rootfs}
    config = {**spec.config, "root": root, "mounts": mounts}
    state.write_text(f"{place}/config.json", json.dumps(config), durable=False, mode=0o600)


def _create(record: Record, spec: Spec, stdio: Stdio, errors: int | None, cgroup: Cgroup | None) -> CreatedProcess:
    pid_file = record.path(_BUNDLE, "pid")
    with suppress(FileNotFoundError):
        os.unlink(pid_file)
    words = ["create", "--bundle", record.path(_BUNDLE), "--pid-file", pid_file]
    with (
        tempfile.TemporaryDirectory(dir=state_paths.run_directory(), prefix="tty-") as place,
        tempfile.TemporaryFile() as said,
    ):
        listener = None
        if stdio is None:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(f"{place}/s")
            listener.listen(1)
            words += ["--console-socket", f"{place}/s"]
        streams = stdio or (subprocess.DEVNULL, said.fileno(), said.fileno())
        prctl.set_child_subreaper(1)
        try:
            code = _call(record, *words, record.id, stdio=streams, inside=lambda: _prepare(spec, cgroup))
        finally:
            prctl.set_child_subreaper(0)
        if code:
            said.seek(0)
            raise _failure(record, "create", code, said.read() if errors is None else _waiting(errors))
        created = _adopt(record, pid_file)
        if listener:
            created.console = _receive_console(record, listener)
    return created


def _prepare(spec: Spec, cgroup: Cgroup | None) -> None:
    """What `create` finds: the cgroup, signals as at first, and the layers mounted where only it and its children see
    them."""
    reset_signals()  # the monitor's own settings, which execve would keep
    if cgroup:
        cgroup.add(os.getpid())
    root = next((mount for mount in spec.config.get("mounts", []) if mount["destination"] == "/"), None)
    if root is None:
        return
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount(None, "/", None, syscalls.MS_PRIVATE | syscalls.MS_REC)
    options = dict(word.partition("=")[::2] for word in root["options"])
    lower = overlay.split_paths(options["lowerdir"])
    overlay.mount(lower, options["upperdir"], options["workdir"], spec.rootfs)


def _adopt(record: Record, pid_file: str) -> CreatedProcess:
    """The first process, which is our child now that its creator has ended."""
    try:
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read())
        pidfd = os.pidfd_open(pid)
    except (OSError, ValueError):
        raise SetupError(
            f"the runtime {path_of(record)} has not written the pid of a process to its --pid-file",
            exit_code=EXIT_ENGINE,
        ) from None
    ours, theirs = channel_pair()  # there is nothing to say over it
    for end in (ours, theirs):
        end.close()
    created = CreatedProcess(pid, pidfd, ours)
    created.is_ready = True
    return created


def _receive_console(record: Record, listener: socket.socket) -> int:
    """The master end of the terminal that the runtime has made."""
    listener.settimeout(_TIMEOUT)
    try:
        with listener, listener.accept()[0] as sender:
            descriptors = socket.recv_fds(sender, 4096, 1)[1]
    except TimeoutError:
        descriptors = []
    if not descriptors:
        raise SetupError(
            f"the runtime {path_of(record)} has sent no terminal to its --console-socket", exit_code=EXIT_ENGINE
        )
    os.set_inheritable(descriptors[0], False)
    return descriptors[0]


def _call(
    record: Record, *words: str, stdio: tuple[int, int, int] = _NOTHING, inside: Callable[[], None] | None = None
) -> int:
    """Run the runtime to its end; returns its exit code. Raises `SetupError` if it cannot run, or does not end."""
    command = [path_of(record), "--root", record.path(_STATE), *words]
    try:
        with programs.start(command, stdio=stdio, inside=inside) as process:
            try:
                return int(process.wait(_TIMEOUT))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
    except OSError as error:
        raise SetupError(f"the runtime {command[0]}: {os.strerror(error.errno or 0)}", exit_code=EXIT_ENGINE) from error
    raise SetupError(
        f"the runtime {command[0]}: `{words[0]}` did not end in {_TIMEOUT:.0f} seconds", exit_code=EXIT_ENGINE
    )


def _waiting(pipe: int) -> bytes:
    """What can be read from a pipe now."""
    try:
        return os.read(pipe, 65536)
    except BlockingIOError:
        return b""


def _failure(record: Record, word: str, code: int, said: bytes) -> SetupError:
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    why = lines[-1] if lines else "it has not said why"
    not_found = "executable file not found" in why  # runc's words, which docker looks for too
    exit_code = EXIT_NOT_FOUND if not_found else EXIT_ENGINE
    return SetupError(f"the runtime {path_of(record)}: `{word}` ended with {code}: {why}", exit_code=exit_code)
