"""What a container's first process does between its first instruction and `execve`.

It was cloned by the process that creates the container, into new namespaces. At first it still sees the host's files,
has all of root's privileges, and is a copy of minidock. Step by step it builds the file system that the program is to
see, makes that its root, drops its privileges, and executes the program. The order is the lesson: every step needs what
earlier ones have set up, and what later ones take away.

Sources: the manual pages named at each call's wrapper (minidock/linux), and the OCI runtime specification.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
from typing import Any, NoReturn

import prctl

from minidock import observe
from minidock.linux import capabilities, loopback, mounts, namespaces, syscalls, terminal
from minidock.observe import observed, step
from minidock.runtime import attributes, gate, hooks, pid_namespace, program, rootfs, seccomp_listener
from minidock.runtime.channel import Channel, report_failure, wait_for_message
from minidock.runtime.oci_spec import Spec
from minidock.runtime.runtime_options import Held, Options
from minidock.runtime.seccomp_listener import Listener

_set_no_new_privs = observed("prctl", prctl.set_no_new_privs, "PR_SET_NO_NEW_PRIVS")
set_dumpable = observed("prctl", prctl.set_dumpable, "PR_SET_DUMPABLE")
_set_keepcaps = observed("prctl", prctl.set_keepcaps, "PR_SET_KEEPCAPS")

Stdio = tuple[int, int, int] | None
Filter = tuple[bytes, int] | None


def run(spec: Spec, channel: Channel, stdio: Stdio, seccomp: Filter, options: Options, held: Held) -> NoReturn:
    """Execute the container's program, or report which step failed and why. Never returns.

    `stdio` are the descriptors that become 0, 1 and 2 (None: a pseudo-terminal is created inside); `seccomp` is the
    compiled filter with its flags; `held` is what the creator has opened for it.
    """
    observe.who = "container"
    report_failure(channel, lambda: _become(spec, channel, stdio, seccomp, options, held))


def _become(spec: Spec, channel: Channel, stdio: Stdio, seccomp: Filter, options: Options, held: Held) -> None:
    joined = held.joined
    with step("Set PR_SET_PDEATHSIG: die with the parent", book="3.4"):
        pid_namespace.set_pdeathsig(signal.SIGKILL)
        syscalls.setsid()
        syscalls.umask(0o022)  # not the caller's: all users of the container need what is created below
        if options.places:
            wait_for_message(channel, "placed")
    if joined:
        with step("Close all other files, blank the arguments", book="chapter 7, 2.1"):
            needed = {channel.end.fileno(), *(stdio or ()), *joined.descriptors, *held.trees.values(), *options.kept}
            pid_namespace.close_all_but(needed)
    if spec.process.get("oomScoreAdj") is not None:
        with step("Set the out-of-memory score", book="3.2"):
            attributes.set_oom_score(spec.process["oomScoreAdj"])
    with step("Create or join the other namespaces", book="3.1"):
        spec = enter_namespaces(spec, channel)
        if joined:
            os.close(joined.namespace)
    listener = seccomp_listener.take(channel, spec)

    # Until pivot_root below, the host's whole tree is visible; mounts are made in this namespace's copy of it.
    with step("Open the mounts shared with the host", book="3.5.1"):
        trees = rootfs.clone_shared_mounts(spec) | held.trees | (joined.procs if joined else {})
    with step("Make all mounts slaves of the host's", book="3.5.1"):
        # Slaves and not private: what the host unmounts in the meantime is unmounted in this copy too. A private copy
        # would keep it busy.
        mounts.set_propagation("/", syscalls.MS_REC | syscalls.MS_SLAVE)
    with step("Mount the layers with overlayfs", book="3.5.5"):
        rootfs.mount_root(spec, trees.get(0) if rootfs.has_layers(spec) else None)
    with rootfs.opened(spec) as root:
        with step("Mount proc, sys, dev and the volumes", book="3.5.1"):
            rootfs.mount_all(spec, root, trees)
        with step("Create the device nodes", book="chapter 7, 2.1"):
            rootfs.make_devices(spec, root)
        with step("Create the working directory", book="3.5.1"):
            rootfs.make_working_directory(spec, root)
    attributes.set_all(spec.process, spec.linux)
    known = run_hooks(spec, channel)
    with step("Create a null device for masks", book="chapter 7, 2.1"):
        mask = rootfs.make_mask(spec)
    with step("Change the root with pivot_root", book="3.5.1"):
        mounts.pivot_root(spec.rootfs) if options.pivot else mounts.move_root(spec.rootfs)
        rootfs.set_propagation(spec)

    # From here on every path is the container's. An import would run files of the image in this process.
    disable_imports()
    if spec.terminal:
        with step("Open a pseudo-terminal", book="4.4"):
            stdio = open_console(spec, channel, controlling=joined is None)
    if spec.is_new("network"):
        with step("Bring the loopback interface up", book="4.1.1"):
            loopback.up()
    set_names(spec)
    with step("Set kernel parameters", book="3.1"):
        namespaces.set_sysctls(spec.linux.get("sysctl") or {})
    with step("Mask parts of proc and sys", book="chapter 7, 2.1"):
        rootfs.mask_paths(spec, mask)
    with step("Set the resource limits (ulimit)", book="3.2"):
        attributes.set_limits(spec.process)
    if options.keyring:
        with step("Join a new session keyring", book="chapter 7, 2.1"):
            attributes.join_keyring()

    with step("Look up the program in the container's PATH", book="3.4"):
        program.enter_working_directory(spec.process["cwd"])
        file = program.find(spec.process)
    # `start` comes later and must know the pid. A process that joins another container's process namespace gets its pid
    # last.
    waits_inside = joined is not None and options.gate is not None
    if not waits_inside:
        wait_for_start(channel, options)

    assert stdio is not None
    with step("Limit the capability bounding set", book="chapter 7, 2.1"):
        limit_bounding_set(spec.process)
    drop_privileges(spec, stdio, seccomp, options, listener)
    if joined:
        with step("Clone into the process namespace", book="3.1"):
            pid_namespace.clone_inside(channel, has_terminal=spec.terminal, tied=options.tied)
    if waits_inside:
        wait_for_start(channel, options)
    if hooks.has(spec, "startContainer"):
        with step("Run the hooks of the bundle", book="3.4"):
            hooks.run(spec, "startContainer", {**known, "status": "created"})
    exec_program(spec, file)


def run_hooks(spec: Spec, channel: Channel) -> hooks.State:
    """Have the creator run its hooks, then run those of this process; returns the state that hooks get."""
    if not hooks.has(spec):
        return {}
    channel.send("mounted")
    known: hooks.State = wait_for_message(channel, "hooked")["state"]
    with step("Run the hooks of the bundle", book="3.4"):
        hooks.run(spec, "createContainer", known)
    return known


def wait_for_start(channel: Channel, options: Options) -> None:
    """Wait for the creator's message, or, if the creator does not stay, at the gate (`gate.py`)."""
    with step("Wait for the start", book="3.4"):
        channel.send("ready")
        if options.gate is None:
            wait_for_message(channel, "start")
            return
        wait_for_message(channel, "released")
        if not options.tied:
            pid_namespace.set_pdeathsig(0)
        gate.wait(channel, options.gate)


def set_names(spec: Spec) -> None:
    """Set the names of the UTS namespace, also of one that is joined."""
    if spec.config.get("hostname") and "uts" in spec.namespaces:
        with step("Set the host name", book="3.1"):
            syscalls.sethostname(spec.config["hostname"])
    if spec.config.get("domainname"):
        with step("Set the domain name", book="3.1"):
            syscalls.setdomainname(spec.config["domainname"])


def drop_privileges(
    spec: Spec, stdio: tuple[int, int, int], seccomp: Filter, options: Options, listener: Listener | None
) -> None:
    """Give up privileges one after the other: each step still needs what the next one takes away."""
    with step("Set standard input, output and error", book="3.4"):
        set_stdio(stdio, spec, options.preserved)
    with step("Reset the signals", book="3.4"):
        attributes.reset_signals()
    no_new_privs = bool(spec.process.get("noNewPrivileges"))
    # A process may set a filter only with CAP_SYS_ADMIN or with no_new_privs (seccomp(2)). With no_new_privs the
    # filter comes last, as it may forbid any call; without, it comes while CAP_SYS_ADMIN is still there.
    if seccomp and not no_new_privs:
        with step("Install the seccomp filter", book="chapter 7, 2.1"):
            seccomp_listener.install(*seccomp, listener)
    with step("Set the user and the capabilities", book="chapter 7, 2.1"):
        set_credentials(spec.process, tied=options.tied)
    if seccomp and no_new_privs:
        with step("Install the seccomp filter", book="chapter 7, 2.1"):
            seccomp_listener.install(*seccomp, listener)


def exec_program(spec: Spec, file: str) -> None:
    """execve(2): from here on this process is the container's program."""
    environment = dict(entry.split("=", 1) for entry in spec.process.get("env") or [])
    with step("Execute the program", book="3.4"):
        program.execute(file, spec.process["args"], environment)


def enter_namespaces(spec: Spec, channel: Channel) -> Spec:
    """Wait for the user namespace's id maps, join shared namespaces, and create those that clone3 cannot create
    rightly. Returns the bundle as it can be reached from inside.
    """
    if spec.is_new("user"):
        wait_for_message(channel, "mapped")  # until then every id is 65534 (the user nobody)
        # The id that will be root inside may have no right to search the directories that lead to the bundle.
        bundle = os.open(spec.bundle, syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        spec = spec._replace(bundle=f"/proc/self/fd/{bundle}")
        syscalls.setresgid(0, 0, 0)
        syscalls.setresuid(0, 0, 0)
        pid_namespace.set_pdeathsig(signal.SIGKILL)  # a change of the user clears it (prctl(2))
    for kind, path in spec.namespaces.items():
        if path:  # for pid this counts for children only: `pid_namespace.py`
            namespaces.enter(path, kind)
    if spec.is_new("cgroup"):
        # The root of a cgroup namespace is the cgroup of the process that creates it: in clone3 the parent's, here the
        # container's.
        syscalls.unshare(syscalls.CLONE_NEWCGROUP)
    if spec.is_new("time"):
        syscalls.unshare(syscalls.CLONE_NEWTIME)  # its clocks can be set until a process enters it
        if offsets := spec.linux.get("timeOffsets"):
            namespaces.set_time_offsets(offsets)
        namespaces.enter("/proc/self/ns/time_for_children", "time")
    return spec


def disable_imports() -> None:
    """Prevent imports from here on: Python would find files of the container where it looks for modules."""
    sys.path.clear()
    sys.meta_path.clear()
    sys.path_hooks.clear()


def open_console(spec: Spec, channel: Channel, *, controlling: bool) -> tuple[int, int, int]:
    """Create a pseudo-terminal in the container's devpts, send its master outside, and return the slave three times.

    `controlling`: it becomes this process's controlling terminal, and not that of a child which is cloned later.
    """
    master, slave = terminal.open_peer("/dev/pts/ptmx")
    if size := spec.process.get("consoleSize"):
        terminal.set_window_size(slave, size["height"], size["width"])
    mounts.bind_file(slave, "/dev/console")
    if controlling:
        terminal.set_controlling(slave)
    for number in range(3):  # at once: the process with the master end may wait until the slave end is open
        syscalls.dup2(slave, number)
    channel.send("console", fd=master)
    os.close(master)
    return slave, slave, slave


def set_stdio(stdio: tuple[int, int, int], spec: Spec, preserved: int = 0) -> None:
    """Set descriptors 0, 1, 2, and keep as many more as are `preserved`. execve closes all others, whoever opened them
    (CVE-2024-21626 was a leaked one)."""
    for number, fd in enumerate(stdio):
        syscalls.dup2(fd, number)
        chown_stdio(number, spec)
    syscalls.close_range(3 + preserved, flags=syscalls.CLOSE_RANGE_CLOEXEC)


def chown_stdio(number: int, spec: Spec) -> None:
    """Give the program's user the pipes or the terminal, so that it can open /dev/stdout again."""
    status, uid = os.fstat(number), spec.process["user"]["uid"]
    if status.st_uid != uid and (spec.terminal or stat.S_ISFIFO(status.st_mode)):
        try:
            os.fchown(number, uid, -1)
        except PermissionError:
            if not spec.is_new("user"):  # in a user namespace, a pipe of the host's root cannot be chowned
                raise


def give_stdio(stdio: Stdio, spec: Spec) -> None:
    """Chown pipes to the program's user, in the creator: inside a user namespace, their owner has no id."""
    if stdio is None or not spec.is_new("user"):
        return
    from minidock.linux import id_maps

    owner = id_maps.from_oci(spec.linux).outside(spec.process["user"]["uid"], 0)[0]
    for fd in stdio:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.fchown(fd, owner, -1)


def limit_bounding_set(process: dict[str, Any]) -> None:
    """Limit the capabilities that execve can give, also by a set-uid program. This process keeps its own for now."""
    sets = process.get("capabilities")
    if sets is not None:
        capabilities.limit_bounding(sets.get("bounding") or [])


def set_credentials(process: dict[str, Any], *, tied: bool = True) -> None:
    """Set user and groups, then the capability sets, the ambient set last. `tied`: as in `Options`."""
    user, sets = process["user"], process.get("capabilities")
    if sets is not None:
        _set_keepcaps(1)  # without it, another user than 0 would lose all capabilities before the sets below are set
    syscalls.umask(user.get("umask", 0o022))
    try:
        syscalls.setgroups(user.get("additionalGids") or [])
    except PermissionError:
        if not namespaces.setgroups_denied():
            raise
    syscalls.setresgid(user["gid"], user["gid"], user["gid"])
    syscalls.setresuid(user["uid"], user["uid"], user["uid"])
    if sets is not None:
        _set_keepcaps(0)
        inheritable = sets.get("inheritable") or []
        # The kernel refuses ambient capabilities that are not inheritable (capabilities(7)). `runc spec` writes such
        # ones, and runc leaves them out.
        ambient = [name for name in sets.get("ambient") or [] if name in inheritable]
        effective = (sets.get("effective") or []) if user["uid"] == 0 else ambient
        permitted = (sets.get("permitted") or []) if user["uid"] == 0 else ambient
        capabilities.set_sets(effective, permitted, inheritable)
        capabilities.set_ambient(ambient)
    if process.get("noNewPrivileges"):
        _set_no_new_privs(1)
    # Changing the user has cleared this (prctl(2)). It ends the container if its monitor is killed.
    pid_namespace.set_pdeathsig(signal.SIGKILL if tied else 0)
    # And has set this to fs.suid_dumpable, with which processes of the same user could read this one's memory.
    set_dumpable(0)
