"""`minidock` of an ordinary user: go on as root of a user namespace of his, where all else is as for root.

There is no daemon and nothing is set-uid but newuidmap(1). The first command makes three namespaces (user, mount,
network), and leaves a sleeping process that keeps them (`holder.py`); each later command joins them and then does what
it would do for root. Containers, and the monitors that look after them, are in there too: they live on without the
command, and keep the namespaces even if the sleeping process is killed.

    $XDG_DATA_HOME/minidock       images, layers, containers, volumes        [~/.local/share/minidock]
    $XDG_RUNTIME_DIR/minidock     sockets, who holds the namespaces, the network's socket
    $XDG_CONFIG_HOME/minidock/config.toml                                    [~/.config, then /etc/minidock]

Commands that speak with a registry stay in the host's network, where a registry may be on the loopback. Sources:
user_namespaces(7), setns(2), the XDG Base Directory Specification; podman's pause process, RootlessKit.
"""

from __future__ import annotations

import fcntl
import os
import stat

from minidock.engine.rootless import holder, host_needs
from minidock.errors import HostError
from minidock.linux import rootless, syscalls

# What needs no namespaces: to read about a command, or to keep a password.
_OUTSIDE = {"help", "version", "login", "logout", "search", "--version", "-v", "--help", "-h"}
_IN_THE_HOSTS_NETWORK = {"pull", "push"}


def enter(words: list[str]) -> None:
    """Join the user's namespaces, which are made if they are not there. `words`: the command line.

    Raises `HostError` with all that the host lacks, and how to change it.
    """
    command = words[1:] if words[:1] in (["image"], ["container"]) else words
    if not words or words[0] in _OUTSIDE or "--help" in words or "_MINIDOCK_COMPLETE" in os.environ:
        return
    user = os.getuid(), os.getgid()
    directory = _set_places(user[0])
    lock = os.open(os.path.join(directory, "rootless.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pid = holder.find(directory) or holder.start(directory)
        pidfd = os.pidfd_open(pid)
    finally:
        os.close(lock)
    kinds = syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS
    if not set(command[:1]) & _IN_THE_HOSTS_NETWORK:
        kinds |= syscalls.CLONE_NEWNET
    here = os.getcwd()
    try:
        syscalls.setns(pidfd, kinds)
    except OSError as error:
        raise HostError(f"the namespaces of process {pid} cannot be joined: {os.strerror(error.errno or 0)}") from error
    finally:
        os.close(pidfd)
    syscalls.setgroups([])
    syscalls.setresgid(0, 0, 0)
    syscalls.setresuid(0, 0, 0)
    os.chdir(here)  # the mount namespace's root is the working directory after setns(2)
    os.environ[rootless.VARIABLE] = f"{user[0]}:{user[1]}"


def _set_places(uid: int) -> str:
    """Name the places in the environment, for all processes to come; returns the run directory, made."""
    home = os.environ.get("HOME") or os.path.expanduser("~")
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    run = os.path.join(os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/minidock-{uid}", "minidock")
    os.environ.setdefault("MINIDOCK_ROOT", os.path.join(data, "minidock"))
    os.environ.setdefault("MINIDOCK_RUN", run)
    own = os.path.join(config, "minidock", "config.toml")
    if os.path.exists(own):
        os.environ.setdefault("MINIDOCK_CONFIG", own)
    directory = os.path.abspath(os.environ["MINIDOCK_RUN"])
    if not os.path.isdir(directory):
        host_needs.id_rows()  # a host that lacks something is told of before anything is made
    for place in (os.path.dirname(directory), directory):
        if not os.path.isdir(place):
            os.makedirs(place, 0o700)
        # In /tmp another user could have made it, and could exchange what is in it.
        status = os.lstat(place)
        if status.st_uid != uid or not stat.S_ISDIR(status.st_mode):
            raise HostError(f"{place} belongs to somebody else: set XDG_RUNTIME_DIR to a directory of your own")
    return directory
