"""The service's listening sockets: a Unix socket of its own, or those that systemd has made (sd_listen_fds(3))."""

from __future__ import annotations

import fcntl
import grp
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from minidock.errors import ConflictError, HostError, UsageError

_BACKLOG = 512
_FIRST_OF_SYSTEMD = 3
_GROUP = "docker"


def plain(end: socket.socket) -> socket.socket:
    """The connection, as one that blocks and that no program inherits."""
    end.setblocking(True)
    return end


def from_systemd() -> list[socket.socket]:
    """The sockets that systemd has opened for this process; none if it was not started so."""
    count = int(os.environ.get("LISTEN_FDS") or 0) if os.environ.get("LISTEN_PID") == str(os.getpid()) else 0
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    found = [socket.socket(fileno=fd) for fd in range(_FIRST_OF_SYSTEMD, _FIRST_OF_SYSTEMD + count)]
    for listener in found:
        listener.set_inheritable(False)
        listener.setblocking(False)
    return found


@contextmanager
def tcp(address: str) -> Iterator[socket.socket]:
    """A listening socket at HOST:PORT. Raises `UsageError`, or `HostError` if it cannot be had."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        raise UsageError(f"invalid address {address}: it is HOST:PORT")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host.strip("[]"), int(port)), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise HostError(f"cannot listen at {address}: {error}") from error
    with listener:
        listener.setblocking(False)
        yield listener


@contextmanager
def at(path: str) -> Iterator[socket.socket]:
    """A listening socket under the name `path`, for root and the group `docker`, where there is one.

    A socket that no process listens on is replaced. Raises `ConflictError` if a process listens, or if the file is no
    socket.
    """
    os.makedirs(os.path.dirname(path) or ".", mode=0o711, exist_ok=True)
    lock = _locked(f"{path}.lock", path)
    try:
        _take_over(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            _bind(listener, path)
            own = os.stat(path)
            try:
                yield listener
            finally:
                with suppress(FileNotFoundError):
                    if os.path.samestat(own, os.stat(path)):
                        os.unlink(path)
        finally:
            listener.close()
    finally:
        with suppress(FileNotFoundError):
            os.unlink(f"{path}.lock")
        os.close(lock)


def _locked(path: str, name: str) -> int:
    """The descriptor of a lock file: of two services that start at once, one gets the name."""
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ConflictError(f"a service listens at {name} already") from None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), os.stat(path)):
                return lock
        os.close(lock)


def _take_over(path: str) -> None:
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise ConflictError(f"{path} is there and is no socket: choose another --socket, or move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            with suppress(FileNotFoundError):
                os.unlink(path)
            return
        except OSError as error:
            raise HostError(f"cannot look who listens at {path}: {error.strerror}") from error
    raise ConflictError(f"somebody else listens at {path} already: choose another --socket")


def _bind(listener: socket.socket, path: str) -> None:
    """The name appears when all is ready, with its final owner and mode."""
    making = f"{path}.new"
    with suppress(FileNotFoundError):
        os.unlink(making)
    before = os.umask(0o177)
    try:
        listener.bind(making)
        with suppress(KeyError):
            os.chown(making, 0, grp.getgrnam(_GROUP).gr_gid)
        os.chmod(making, 0o660)
        listener.listen(_BACKLOG)
        os.rename(making, path)
    except OSError as error:
        raise HostError(f"cannot listen at {path}: {error.strerror or error}") from error
    finally:
        os.umask(before)
