"""The heart of the house: what a container's first process does between its first instruction and `execve`.

It was cloned from the process that creates the container and stands already in new namespaces. It still sees the
host's files, is still all-powerful root, and still is a copy of minidock. Step by step it builds the file system that
the program shall see, makes it its root, gives up power, and becomes the program. The order is the lesson: every step
needs what the ones before it made and still has what the ones after it take away.

Sources: the manual pages named at each call's wrapper (minidock/linux), and the OCI runtime specification.
"""

from __future__ import annotations

import os
import resource
import signal
import stat
from typing import Any, NoReturn

import prctl

from minidock.errors import EXIT_CANNOT_EXECUTE, EXIT_ENGINE, EXIT_NOT_FOUND, HostError, MinidockError, SetupError
from minidock.linux import capabilities, loopback, mounts, namespaces, overlay, syscalls, terminal
from minidock.observe import failed_step, observed, step
from minidock.runtime import channel as channels
from minidock.runtime.channel import Channel
from minidock.runtime.spec import Spec

_set_pdeathsig = observed("prctl(PR_SET_PDEATHSIG)", prctl.set_pdeathsig)
_set_no_new_privs = observed("prctl(PR_SET_NO_NEW_PRIVS)", prctl.set_no_new_privs)
_set_keepcaps = observed("prctl(PR_SET_KEEPCAPS)", prctl.set_keepcaps)
_setrlimit = observed("setrlimit", resource.setrlimit)

# The nodes that every container has (config-linux.md, "Default Devices"), with their numbers (null(4), random(4)).
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
                "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}  # fmt: skip


def run(spec: Spec, channel: Channel, stdio: tuple[int, int, int] | None, seccomp: tuple[bytes, int] | None) -> NoReturn:
    """Become the container's program, or report which step failed and why. Never returns.

    `stdio` are the descriptors that become 0, 1 and 2 (None: a pseudo-terminal is made inside); `seccomp` is the
    compiled filter with its flags.
    """
    try:
        channels.in_child(channel)
        _become(spec, channel, stdio, seccomp)
    except BaseException as error:
        channel.send("error", **_report(error))
    os._exit(EXIT_ENGINE)


def _become(spec: Spec, channel: Channel, stdio: tuple[int, int, int] | None, seccomp: tuple[bytes, int] | None) -> None:
    with step("tied to its creator: dies when that dies", book="3.4"):
        _set_pdeathsig(signal.SIGKILL)
        syscalls.setsid()
    with step("namespaces made from inside or joined", book="3.1"):
        enter_namespaces(spec, channel)

    # Until pivot_root below, the host's whole tree is in sight; what is mounted now is mounted in our copy of it.
    with step("mounts of its own: what happens here stays here", book="3.5.1"):
        mounts.set_propagation("/", syscalls.MS_REC | propagation(spec))
    with step("the image's layers with a writable one on top", book="3.5.5"):
        mount_rootfs(spec)
    with step("proc, sys, dev and the caller's directories", book="3.5.1"):
        mount_all(spec)
    with step("devices: a handful of harmless ones", book="9"):
        make_devices(spec)
    with step("working directory", book="3.5.1"):
        make_working_directory(spec)
    with step("the new root: the host's files are gone from sight", book="3.5.1"):
        mounts.pivot_root(spec.rootfs)

    # From here on every path means the container's own.
    if spec.terminal:
        with step("a terminal of its own", book="4.4"):
            stdio = open_console(spec, channel)
    if spec.is_new("network"):
        with step("loopback up", book="4.1.1"):
            loopback.up()
    if spec.is_new("uts") and spec.config.get("hostname"):
        with step("a host name of its own", book="3.1"):
            syscalls.sethostname(spec.config["hostname"])
    with step("kernel parameters", book="3.1"):
        set_sysctls(spec.linux.get("sysctl") or {})
    with step("parts of proc and sys masked or read-only", book="9"):
        protect_paths(spec)
    with step("limits of the process itself", book="3.2"):
        set_limits(spec.process)
    with step("keys left outside", book="9"):
        join_keyring(spec.bundle)

    with step("the program is looked up, in the container's own PATH", book="3.4"):
        syscalls.chdir(spec.process["cwd"])
        program = find_program(spec.process)
    with step("everything is ready: wait for the start", book="3.4"):
        channel.send("ready")
        expect(channel, "start")

    # Power goes last, piece by piece: each step still needs what the next one takes away.
    assert stdio is not None
    with step("standard input, output and error; nothing else stays open", book="3.4"):
        set_stdio(stdio, spec)
    reset_signals()
    environment = dict(entry.split("=", 1) for entry in spec.process.get("env") or [])
    promised = bool(spec.process.get("noNewPrivileges"))
    # Only root's CAP_SYS_ADMIN or the promise never to gain privileges lets a process set a filter (seccomp(2)). With
    # the promise the filter comes last, as it may forbid any call; without, while there is still power to set it.
    if seccomp and not promised:
        with step("system calls filtered", book="9"):
            syscalls.seccomp_set_filter(*seccomp)
    with step("root's power cut down, another user if asked for", book="9"):
        set_identity(spec.process)
    if seccomp and promised:
        with step("system calls filtered", book="9"):
            syscalls.seccomp_set_filter(*seccomp)
    with step("the program takes over", book="3.4"):
        execute(program, spec.process["args"], environment)


def enter_namespaces(spec: Spec, channel: Channel) -> None:
    """Wait for the user namespace's id maps, join what is to be shared, make those that clone3 cannot make right."""
    if spec.is_new("user"):
        expect(channel, "mapped")  # until then every id is 65534, and root is nobody
        syscalls.setresgid(0, 0, 0)
        syscalls.setresuid(0, 0, 0)
    for kind, path in spec.namespaces.items():
        if path and kind != "pid":  # pid is joined by the creator: it counts for children only
            namespaces.enter(path, kind)
    if spec.is_new("cgroup"):
        # Its root is the cgroup that its maker is in. clone3 would take the parent's; here it is the container's.
        syscalls.unshare(syscalls.CLONE_NEWCGROUP)
    if spec.is_new("time"):
        syscalls.unshare(syscalls.CLONE_NEWTIME)  # execve moves us in
        if spec.linux.get("timeOffsets"):
            namespaces.set_time_offsets(spec.linux["timeOffsets"])


def propagation(spec: Spec) -> int:
    """How mounts here and on the host see each other. Slave until pivot_root, so that host unmounts still arrive."""
    wanted = spec.linux.get("rootfsPropagation") or "private"
    return mounts.PROPAGATION_OPTIONS[wanted] & ~syscalls.MS_REC


def mount_rootfs(spec: Spec) -> None:
    """Mount what the bundle says is "/" (an overlay of layers), or take the root directory as it is.

    pivot_root needs a mount point, so a plain directory is bound over itself.
    """
    first = spec.mounts[0] if spec.mounts else {}
    if first.get("destination") == "/" and first.get("type") == "overlay":
        options = dict(option.partition("=")[::2] for option in first["options"])
        lower = overlay.split_paths(options.pop("lowerdir"))
        upper, work = options.pop("upperdir"), options.pop("workdir")
        extra = ",".join(f"{key}={value}" if value else key for key, value in options.items())
        overlay.mount(lower, upper, work, spec.rootfs, extra=extra)
    else:
        syscalls.mount(spec.rootfs, spec.rootfs, None, syscalls.MS_BIND | syscalls.MS_REC)


def mount_all(spec: Spec) -> None:
    """The bundle's mounts, in its order: a later one may lie inside an earlier one."""
    root = os.open(spec.rootfs, syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for mount in spec.mounts:
            if mount["destination"] == "/":
                continue
            kind, source = mount.get("type") or "bind", mount.get("source") or "none"
            if kind == "cgroup":
                kind = "cgroup2"
            mounts.mount_in(root, mount["destination"], source, kind, mount.get("options") or [])
    finally:
        os.close(root)


def make_devices(spec: Spec) -> None:
    """Fill the new /dev: nodes by mknod, or by binding the host's where a user namespace forbids mknod."""
    dev = os.path.join(spec.rootfs, "dev")
    if not os.path.ismount(dev):
        return  # the bundle brings a /dev of its own, as it is
    before = syscalls.umask(0)
    for name, numbers in DEVICES.items():
        _make_device(spec, os.path.join(dev, name), stat.S_IFCHR | 0o666, numbers, (0, 0))
    for device in spec.linux.get("devices") or []:
        kind = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}[device["type"]]
        path = os.path.join(spec.rootfs, device["path"].lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        owner = (device.get("uid", 0), device.get("gid", 0))
        _make_device(spec, path, kind | device.get("fileMode", 0o666), (device["major"], device["minor"]), owner)
    for name, target in DEVICE_LINKS.items():
        syscalls.symlink(target, os.path.join(dev, name))
    syscalls.umask(before)


def _make_device(spec: Spec, path: str, mode: int, numbers: tuple[int, int], owner: tuple[int, int]) -> None:
    if spec.is_new("user"):
        syscalls.mknod(path, stat.S_IFREG | 0o666)
        syscalls.mount(path.removeprefix(spec.rootfs), path, None, syscalls.MS_BIND)
        return
    syscalls.mknod(path, mode, os.makedev(*numbers))
    if owner != (0, 0):
        syscalls.chown(path, *owner)


def make_working_directory(spec: Spec) -> None:
    """Make a working directory that the image lacks, as docker does, before the root may become read-only."""
    root = os.open(spec.rootfs, syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(mounts.make_in(root, spec.process["cwd"], directory=True))
    finally:
        os.close(root)


def open_console(spec: Spec, channel: Channel) -> tuple[int, int, int]:
    """Make a pseudo-terminal in the container's own devpts, send its master outside, return the slave three times."""
    master, number = terminal.open_pair("/dev/pts/ptmx")
    slave = syscalls.open(f"/dev/pts/{number}", os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
    if size := spec.process.get("consoleSize"):
        terminal.set_window_size(slave, size["height"], size["width"])
    syscalls.mknod("/dev/console", stat.S_IFREG | 0o600)
    syscalls.mount(f"/dev/pts/{number}", "/dev/console", None, syscalls.MS_BIND)
    terminal.set_controlling(slave)
    channel.send("console", fd=master)
    os.close(master)
    return slave, slave, slave


def set_sysctls(values: dict[str, str]) -> None:
    """Write kernel parameters; the engine lets only those through that belong to a namespace (sysctl(8))."""
    for name, value in values.items():
        path = f"/proc/sys/{name.replace('.', '/')}"
        try:
            fd = syscalls.open(path, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise HostError(f"this kernel has no parameter {name}") from None
        try:
            syscalls.write(fd, value.encode())
        finally:
            os.close(fd)


def protect_paths(spec: Spec) -> None:
    """Hide what tells too much of the host, and make read-only what would change it for everybody."""
    for path in spec.linux.get("readonlyPaths") or []:
        mounts.make_read_only(path)
    for path in spec.linux.get("maskedPaths") or []:
        mounts.mask(path)
    if spec.config["root"].get("readonly"):
        # By binding: the file system itself is the overlay, writable, and only this mount of it is not.
        mounts.remount_bind("/", syscalls.MS_RDONLY)


def set_limits(process: dict[str, Any]) -> None:
    """Resource limits (getrlimit(2)) and the inclination of the out-of-memory killer (proc(5), oom_score_adj)."""
    for limit in process.get("rlimits") or []:
        number = getattr(resource, limit["type"])
        wanted = [-1 if value >= 1 << 63 else value for value in (limit["soft"], limit["hard"])]
        try:
            _setrlimit(number, (wanted[0], wanted[1]))
        except ValueError as error:
            has = resource.getrlimit(number)[1]
            raise HostError(
                f"ulimit {limit['type'].removeprefix('RLIMIT_').lower()}: cannot be raised to {limit['hard']}, "
                f"this host allows {has} at most (no CAP_SYS_RESOURCE)"
            ) from error
    adjustment = process.get("oomScoreAdj")
    if adjustment is not None:
        fd = syscalls.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        try:
            syscalls.write(fd, str(adjustment).encode())
        finally:
            os.close(fd)


def join_keyring(name: str) -> None:
    """A new session keyring. Kernels without keys (ENOSYS) have none to leak, and users may be out of quota."""
    try:
        syscalls.join_session_keyring(os.path.basename(name))
    except OSError:
        return


def set_stdio(stdio: tuple[int, int, int], spec: Spec) -> None:
    """Descriptors 0, 1, 2; all others are closed by execve, whoever opened them (CVE-2024-21626 was a leaked one)."""
    for number, fd in enumerate(stdio):
        syscalls.dup2(fd, number)
        status = os.fstat(number)
        # A program that is not root must be able to open /dev/stdout again: it goes by the file's owner.
        if status.st_uid != spec.process["user"]["uid"] and (spec.terminal or stat.S_ISFIFO(status.st_mode)):
            os.fchown(number, spec.process["user"]["uid"], -1)
    syscalls.close_range(3, flags=syscalls.CLOSE_RANGE_CLOEXEC)


def set_identity(process: dict[str, Any]) -> None:
    """Bounding set first (it needs CAP_SETPCAP), then the user, then the sets of the new user, ambient last."""
    user, sets = process["user"], process.get("capabilities")
    if sets is not None:
        capabilities.limit_bounding(sets.get("bounding") or [])
        _set_keepcaps(1)  # or a user other than 0 would lose all before the sets below could be chosen
    syscalls.umask(user.get("umask", 0o022))
    if os.path.exists("/proc/self/setgroups") and _setgroups_allowed():
        syscalls.setgroups(user.get("additionalGids") or [])
    syscalls.setresgid(user["gid"], user["gid"], user["gid"])
    syscalls.setresuid(user["uid"], user["uid"], user["uid"])
    if sets is not None:
        _set_keepcaps(0)
        effective = (sets.get("effective") or []) if user["uid"] == 0 else (sets.get("ambient") or [])
        permitted = (sets.get("permitted") or []) if user["uid"] == 0 else (sets.get("ambient") or [])
        capabilities.set_sets(effective, permitted, sets.get("inheritable") or [])
        capabilities.set_ambient(sets.get("ambient") or [])
    if process.get("noNewPrivileges"):
        _set_no_new_privs(1)
    # Changing the user cleared this (prctl(2)): without it, the container would outlive a killed monitor.
    _set_pdeathsig(signal.SIGKILL)


def _setgroups_allowed() -> bool:
    with open("/proc/self/setgroups", encoding="ascii") as file:
        return file.read().strip() == "allow"


def reset_signals() -> None:
    """Every signal unblocked and at its default: Python ignores SIGPIPE, and execve would pass that on (signal(7))."""
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP) and signal.getsignal(number) is not signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def find_program(process: dict[str, Any]) -> str:
    """The file that `args[0]` means: itself if it has a slash, otherwise the first in the container's PATH."""
    name = process["args"][0]
    if "/" in name:
        candidates = [name]
    else:
        path = next((e[5:] for e in process.get("env") or [] if e.startswith("PATH=")), "")
        candidates = [os.path.join(directory or ".", name) for directory in path.split(":")] if name else []
    unusable = None
    for candidate in candidates:
        if os.path.isdir(candidate):
            unusable = unusable or (candidate, "is a directory" if "/" in name else "permission denied")
        elif os.path.exists(candidate):
            if os.stat(candidate).st_mode & 0o111:
                return _not_ourselves(candidate)
            unusable = unusable or (candidate, "permission denied")
    if unusable:
        raise SetupError(f'exec: "{name}": {unusable[1]}', exit_code=EXIT_CANNOT_EXECUTE)
    why = "no such file or directory" if "/" in name else "executable file not found in $PATH"
    raise SetupError(f'exec: "{name}": {why}', exit_code=EXIT_NOT_FOUND)


def _not_ourselves(program: str) -> str:
    """Refuse /proc/self/exe: it means the host's own interpreter, which the image could then change (CVE-2019-5736)."""
    if os.path.samefile(program, "/proc/self/exe"):
        raise SetupError(f'exec: "{program}": is the runtime itself', exit_code=EXIT_CANNOT_EXECUTE)
    return program


def execute(program: str, arguments: list[str], environment: dict[str, str]) -> None:
    """execve(2). A file that is there but cannot be run is 126, an interpreter ("#!") that is not there 127."""
    try:
        syscalls.execve(program, arguments, environment)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        why = os.strerror(error.errno or 0).lower()
        raise SetupError(
            f'exec: "{arguments[0]}": {why}', exit_code=EXIT_NOT_FOUND if missing else EXIT_CANNOT_EXECUTE
        ) from error


def expect(channel: Channel, kind: str) -> None:
    """Wait for one message of the creator. If it is gone instead, there is nobody to report to."""
    message, _ = channel.receive()
    if message is None or message["type"] != kind:
        os._exit(EXIT_ENGINE)


def _report(error: BaseException) -> dict[str, Any]:
    """What the parent is told: the innermost step, the words, the exit code that fits."""
    if isinstance(error, MinidockError):
        exit_code = error.exit_code if isinstance(error, SetupError) else EXIT_ENGINE
        return {"step": failed_step(error), "message": str(error), "exit_code": exit_code, "plain": True}
    message = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
    return {"step": failed_step(error), "message": message, "exit_code": EXIT_ENGINE, "plain": False}
