"""Who holds the namespaces of a user without root's rights: a process that sleeps.

<run directory>/holder.json says which it is: its pid, and the numbers of the namespaces. If it was killed, any other
process that is in all of these, such as a container's monitor, will do as well.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import NoReturn

from minidock import state
from minidock.engine.rootless import host_needs, slirp
from minidock.errors import HostError, message_of
from minidock.linux import cgroups, loopback, mounts, namespaces, syscalls

_FILE = "holder.json"
_KINDS = ("user", "mount", "network")
_SHAPE = {"pid": int, "namespaces": {kind: int for kind in _KINDS}, "boot": str}
_SLEEP = ["sleep", "infinity"]


def find(directory: str) -> int | None:
    """The pid of a process in the namespaces; None if there are none."""
    try:
        kept = state.read_json(os.path.join(directory, _FILE), _SHAPE, "remove it")
    except FileNotFoundError:
        return None
    if kept["boot"] != state.boot_id():
        return None
    others = (int(name) for name in os.listdir("/proc") if name.isdigit())
    for pid in (kept["pid"], *others):
        with suppress(OSError):
            if _namespaces_of(pid) == kept["namespaces"]:
                return int(pid)
    return None


def _namespaces_of(pid: int) -> dict[str, int]:
    """Raises `OSError` for a process that is none any more, or another user's."""
    return {kind: namespaces.identity(pid, kind) for kind in _KINDS}


def start(directory: str) -> int:
    """Make the namespaces: the pid of the process that holds them. Raises `HostError` with all that the host lacks."""
    user_rows, group_rows = host_needs.id_rows()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        _hold(theirs, directory)
    theirs.close()
    try:
        _expect(ours, b"unshared")
        _map("newuidmap", pid, user_rows)
        _map("newgidmap", pid, group_rows)
        ours.send(b"mapped")
        _expect(ours, b"ready")
        if not slirp.is_installed():
            sys.stderr.write(slirp.LACKING)
        slirp.start(directory, pid)
        content = {"pid": pid, "namespaces": _namespaces_of(pid), "boot": state.boot_id()}
        state.write_json(os.path.join(directory, _FILE), content)
    except BaseException:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        ours.close()
    return pid


def _expect(end: socket.socket, word: bytes) -> None:
    said = end.recv(4096)
    if said != word:
        lacks = host_needs.reasons()
        raise HostError("; ".join([said.decode() or "the process that holds the namespaces has died", *lacks]))


def _map(program: str, pid: int, rows: list[tuple[int, int, int]]) -> None:
    words = [str(number) for row in rows for number in row]
    done = subprocess.run([program, str(pid), *words], capture_output=True, check=False)
    if done.returncode:
        raise HostError(f"{program}: {done.stderr.decode(errors='replace').strip()}")


def _hold(end: socket.socket, directory: str) -> NoReturn:
    """In the child: make the namespaces, furnish them, sleep."""
    try:
        os.setsid()
        delegated = _delegated()
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET)
        end.send(b"unshared")
        if end.recv(16) != b"mapped":
            os._exit(1)
        syscalls.setgroups([])
        syscalls.setresgid(0, 0, 0)
        syscalls.setresuid(0, 0, 0)
        mounts.set_propagation("/", syscalls.MS_REC | syscalls.MS_SLAVE)
        loopback.up()
        _mount_sys(delegated)
        _replace_resolv_conf(directory)
        with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as file:
            file.write("1")
        end.send(b"ready")
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        syscalls.close_range(3, flags=syscalls.CLOSE_RANGE_CLOEXEC)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)  # it is in nobody's way, and others need it
        os.chdir("/")
        os.execvp(_SLEEP[0], ["minidock-holder", *_SLEEP[1:]])
    except BaseException as error:
        with suppress(OSError):
            end.send(message_of(error).encode())
    finally:
        os._exit(1)


def _mount_sys(delegated: str | None) -> None:
    """A sysfs of the new network namespace, and the part of the cgroup tree that the user may write to, if any."""
    tree = mounts.clone_tree(delegated, ["bind"]) if delegated else None
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("sysfs", "/sys", "sysfs", flags)
    if tree is not None:
        place = os.open("/sys/fs/cgroup", syscalls.O_PATH | os.O_CLOEXEC)
        syscalls.move_mount(tree, place)


def _delegated() -> str | None:
    """The uppermost cgroup around this process that its user may change; systemd gives him that (Delegate=)."""
    top = cgroups.hierarchy()
    if top is None:
        return None
    found, path = None, os.path.join(top, cgroups.own_path().lstrip("/")).rstrip("/")
    while path.startswith(top) and os.access(os.path.join(path, "cgroup.procs"), os.W_OK) and os.access(path, os.W_OK):
        found, path = path, os.path.dirname(path)
    return found


def _replace_resolv_conf(directory: str) -> None:
    """Names are asked of slirp4netns, which asks the host's resolver, wherever that listens."""
    if not slirp.is_installed():
        return
    own = os.path.join(directory, "resolv.conf")
    with open(own, "w", encoding="ascii") as file:
        file.write(f"nameserver {slirp.NAME_SERVER}\n")
    syscalls.mount(own, os.path.realpath("/etc/resolv.conf"), None, syscalls.MS_BIND)
