"""Start processes in a running container: those of `exec`, and those that check its health.

Its specification follows from the container's bundle and the container's present state: its users, its namespaces.
`runtime/exec.py` starts it.
"""

from __future__ import annotations

import os
import select
import signal
import stat
import time
from contextlib import suppress

from minidock.engine.container import container_options, init_process, records
from minidock.engine.container.records import Record
from minidock.engine.exec.exec_options import ExecOptions
from minidock.engine.monitor.streams import poll
from minidock.engine.spec import users
from minidock.engine.spec.environment import environment
from minidock.errors import (
    EXIT_CANNOT_EXECUTE,
    EXIT_ENGINE,
    ConflictError,
    HostError,
    MinidockError,
    SetupError,
    UsageError,
)
from minidock.linux import capabilities, cgroups, mount_trees, systemd, terminal
from minidock.named_tuple import NamedTuple
from minidock.observe import step
from minidock.runtime import lifecycle, oci_spec
from minidock.runtime.exec import Target, create_exec_process
from minidock.runtime.lifecycle import CreatedProcess

_A_MOMENT = 0.2  # seconds
_PTS_MAJORS = range(136, 144)  # pseudo-terminals: Documentation/admin-guide/devices.txt
_PATIENCE = 60.0  # seconds for the last steps, as others inside can hold a process there


class Outcome(NamedTuple):
    """How a process ended: its exit code, None if it ran out of time, and the beginning of what it wrote."""

    exit_code: int | None
    output: bytes


def open_target(record: Record, name: str) -> Target:
    """The running container of `record`, held by its PID 1's pidfd, which the caller closes.

    `name` is what the user called it. Raises `ConflictError` in docker's words if nobody can go into it now.
    """
    if record.status == records.RESTARTING:
        raise ConflictError(f"Container {record.id} is restarting, wait until the container is running")
    refusal = ConflictError(f"Container {record.id} is not running")
    pidfd = init_process.open_process(record)
    if pidfd is None:
        raise refusal
    try:
        cgroup = _cgroup(record)
        if cgroup and cgroup.read("cgroup.freeze") == "1":
            raise ConflictError(f"Container {name} is paused, unpause the container before exec")
    except FileNotFoundError:  # it ends at this moment
        os.close(pidfd)
        raise refusal from None
    except BaseException:
        os.close(pidfd)
        raise
    return Target(record.data["state"]["pid"], pidfd, cgroup)


def _cgroup(record: Record) -> cgroups.Cgroup | None:
    """The container's cgroup; None of one that was started where the hierarchy was not mounted.

    Raises `HostError` if its cgroup is not visible here: the process would be without its limits and its device filter.
    """
    top, path = cgroups.hierarchy(), record.data.get("cgroup") or ""
    cgroup = cgroups.Cgroup(os.path.join(top or "/", path.lstrip("/")))
    if top and cgroup.exists():
        return cgroup
    if record.id not in cgroups.path_of(record.data["state"]["pid"]):
        return None
    if not top:
        why = "no cgroup v2 hierarchy is mounted here"
        raise HostError(f"the cgroup of container {record.id} cannot be entered: {why}", exit_code=EXIT_ENGINE)
    return cgroup


def join_container_scope(record: Record) -> None:
    """Where systemd manages cgroups, move this exec monitor into the container's scope.

    At a log-out, systemd may kill all that the session holds (KillUserProcesses of logind.conf(5)).
    """
    top, scope = cgroups.hierarchy(), systemd.scope_of(record.data.get("cgroup") or "")
    if top and scope:
        with step("Join the container's scope", book="3.2"), suppress(FileNotFoundError):  # it ends at this moment
            systemd.join_scope(scope, top)


def begin(
    record: Record, name: str, asked: ExecOptions, stdio: tuple[int, int, int] | None, cache: str
) -> CreatedProcess:
    """Clone a process into the container, where it waits for `runtime.start`: a `CreatedProcess`.

    `stdio`: descriptors for its 0, 1 and 2, or None for a terminal of its own.
    """
    target = open_target(record, name)
    try:
        return _enter(record, target, asked, stdio, cache)
    except (ProcessLookupError, FileNotFoundError):
        raise ConflictError(f"Container {record.id} is not running") from None
    except SetupError as error:
        raise _explained(error, record, target.pidfd) from None
    finally:
        os.close(target.pidfd)


def _explained(error: SetupError, record: Record, pidfd: int | None) -> MinidockError:
    """The error for a process that could not be started; `pidfd` is that of the container's PID 1."""
    # What is inside is killed when PID 1 ends, a moment before that can be seen to have ended.
    if pidfd is None or poll({pidfd: select.POLLIN}, _A_MOMENT if error.exit_code == EXIT_ENGINE else 0):
        return ConflictError(f"Container {record.id} is not running")
    error.exit_code = EXIT_CANNOT_EXECUTE  # docker's code for whatever cannot be begun inside, also where `run` has 127
    return error


def start(record: Record, created: CreatedProcess, seconds: float = _PATIENCE) -> None:
    """Let a process that `begin` has brought in be its program, which may take `seconds`."""
    try:
        lifecycle.start(created, seconds)
    except SetupError as error:
        pidfd = init_process.open_process(record)
        try:
            raise _explained(error, record, pidfd) from None
        finally:
            if pidfd is not None:
                os.close(pidfd)


def _enter(
    record: Record, target: Target, asked: ExecOptions, stdio: tuple[int, int, int] | None, cache: str
) -> CreatedProcess:
    created = create_exec_process(_spec(record, target, asked), target, stdio, cache)
    try:
        lifecycle.wait_ready(created)
    except BaseException:
        end(created)
        raise
    return created


def set_terminal_size(pid: int, rows: int, columns: int) -> None:
    """Make the terminal of the process `pid` that `exec` has brought in `rows` by `columns`; without one, do nothing.

    What is inside may have put anything in the place of its input: it is looked at before it is opened (O_PATH), and
    what was looked at is what is opened (proc_pid_fd(5)).
    """
    try:
        place = os.open(f"/proc/{pid}/fd/0", os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        status = os.fstat(place)
        if not stat.S_ISCHR(status.st_mode) or os.major(status.st_rdev) not in _PTS_MAJORS:
            return
        console = os.open(f"/proc/self/fd/{place}", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            with step("Pass on the window size", book="4.4"):
                terminal.set_window_size(console, rows, columns)
        finally:
            os.close(console)
    except OSError:  # it was hung up just now
        return
    finally:
        os.close(place)


def end(created: CreatedProcess) -> None:
    """Kill a process and wait for its end."""
    with suppress(ProcessLookupError):
        created.signal(signal.SIGKILL)
    lifecycle.reap(created)
    os.close(created.pidfd)


def _spec(record: Record, target: Target, asked: ExecOptions) -> oci_spec.Spec:
    """The container's own specification, with what is to be run in the place of what it runs."""
    spec = oci_spec.load(record.path("bundle"))
    chosen = container_options.from_json(record.data["options"])
    image_config = record.data["imageConfig"]
    if asked.workdir and not asked.workdir.startswith("/"):
        raise UsageError("Cwd must be an absolute path", exit_code=EXIT_CANNOT_EXECUTE)
    wanted = asked.user or chosen.user or image_config.get("User") or ""
    with step("Look up the user in the container's files", book="3.5.1"):
        root = mount_trees.of_process(target.pid, target.pidfd)
        try:
            user = users.look_up_inside(root, wanted, chosen.isolation.groups)
        except UsageError as error:
            raise UsageError(str(error), exit_code=EXIT_CANNOT_EXECUTE) from None
        finally:
            os.close(root)
    sets = spec.process["capabilities"]
    caps = capabilities.bounding() if asked.privileged else sets["bounding"]
    held = caps if user.uid == 0 else []
    more = chosen._replace(tty=asked.tty, env=[*chosen.env, *asked.env])
    process = {
        **spec.process,
        "terminal": asked.tty,
        "args": asked.command,
        "cwd": asked.workdir or spec.process["cwd"],
        "env": environment(more, image_config, user, record.data["hostname"], record.data["links"]),
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": user.groups},
        "capabilities": {**sets, "bounding": caps, "effective": held, "permitted": held},
    }
    return oci_spec.check(spec.bundle, {**spec.config, "process": process})


def run_in(record: Record, command: list[str], *, timeout: float, most: int = 4096, cache: str = "") -> Outcome:
    """Run `command` as the container's own user, wait for its end, and return how it ended.

    Of its output and errors together, the first `most` bytes are kept. After `timeout` seconds it is killed. Raises
    `MinidockError` if it cannot be run at all. A health check is such a process (`--health-cmd`).
    """
    null, (reader, writer) = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), os.pipe()
    deadline = time.monotonic() + timeout
    asked = ExecOptions(command, [], None, None, privileged=False, interactive=False, tty=False, detach=False)
    try:
        try:
            created = begin(record, record.name, asked, (null, writer, writer), cache)
        finally:
            os.close(null)
            os.close(writer)
        try:
            start(record, created, max(0.0, deadline - time.monotonic()))
            output, ended = _collect(reader, created.pidfd, deadline, most)
        except lifecycle.StartTimeoutError:
            output, ended = b"", False
        except BaseException:
            end(created)
            raise
        if not ended:
            end(created)
            return Outcome(None, output)
        code = lifecycle.reap(created)
        os.close(created.pidfd)
        return Outcome(code if code >= 0 else 128 - code, output)
    finally:
        os.close(reader)


def _collect(reader: int, pidfd: int, deadline: float, most: int) -> tuple[bytes, bool]:
    """Read until the process has ended, or time is up: (the first `most` bytes, whether it has ended)."""
    output, is_open = b"", True
    while True:
        left = deadline - time.monotonic()
        ready = poll({pidfd: select.POLLIN} | ({reader: select.POLLIN} if is_open else {}), max(left, 0))
        if reader in ready:
            data = os.read(reader, 1 << 16)
            output, is_open = (output + data)[:most], bool(data)
        elif pidfd in ready:
            return output, True  # with nothing left to read: what its own children hold open, nobody waits for
        elif left <= 0:
            return output, False
