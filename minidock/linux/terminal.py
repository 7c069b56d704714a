"""Pseudo-terminals (pty(7)).

The program inside gets the slave end, with line editing, job control and signals from Ctrl-C; the holder of the master
end writes what is typed and reads the output. Between the caller's real terminal and the master, bytes are only copied:
the real one is put into raw mode, where Ctrl-C is a byte like any other.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios
import tty
from collections.abc import Callable
from typing import Any

from minidock.errors import HostError
from minidock.linux import syscalls
from minidock.observe import observed

_ioctl: Callable[..., Any] = observed("ioctl", fcntl.ioctl)

TIOCSPTLCK = 0x40045431
TIOCGPTPEER = 0x5441
_PTMX = os.makedev(5, 2)


def open_peer(ptmx: str) -> tuple[int, int]:
    """A new (master, slave) of the devpts that `ptmx` is in, where paths are not trusted.

    The slave is opened through the master (TIOCGPTPEER of ioctl_tty(2)), without a path. Raises `OSError` (ENXIO) if
    `ptmx` is no multiplexor of pseudo-terminals.
    """
    master = syscalls.open(ptmx, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if os.fstat(master).st_rdev != _PTMX:
            raise OSError(errno.ENXIO, f"{ptmx} is not the multiplexor of pseudo-terminals")
        _ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
        return master, open_peer_of(master)
    except BaseException:
        os.close(master)
        raise


def open_peer_of(master: int) -> int:
    """A descriptor of the slave that belongs to `master`.

    As long as it is open, reading from the master does not fail (EIO) when all others have closed theirs.
    """
    peer: int = _ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    return peer


def set_controlling(fd: int) -> None:
    """Make the terminal `fd` the controlling terminal of this session leader (TIOCSCTTY of ioctl_tty(2))."""
    _ioctl(fd, termios.TIOCSCTTY, 0)


def window_size(fd: int) -> tuple[int, int]:
    """(rows, columns) of a terminal."""
    rows, columns, _, _ = struct.unpack("HHHH", _ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8))
    return rows, columns


def set_window_size(fd: int, rows: int, columns: int) -> None:
    """Set a terminal's size. The kernel sends SIGWINCH to its foreground processes if that is a change."""
    _ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def mode(fd: int) -> list[Any] | None:
    """The settings of a terminal (termios(3)), for `restore`; None if `fd` is no terminal."""
    try:
        return termios.tcgetattr(fd)
    except termios.error:
        return None


def make_raw(fd: int) -> list[Any]:
    """Put a terminal into raw mode (termios(3), cfmakeraw); returns what `restore` needs.

    In the background, this stops the process until it is in the foreground (SIGTTOU), like any change of a terminal.
    Raises `HostError` if it can never be.
    """
    before = termios.tcgetattr(fd)
    while True:
        try:
            tty.setraw(fd, termios.TCSANOW)
            return before
        except termios.error as error:
            if error.args[0] != errno.EINTR:  # in the foreground again, and told so by SIGCONT
                raise HostError(f"the terminal cannot be put into raw mode ({error.args[1]})", exit_code=125) from error


def restore(fd: int, before: list[Any]) -> None:
    """Restore a terminal's settings. A terminal that is gone needs none."""
    try:
        termios.tcsetattr(fd, termios.TCSANOW, before)
    except (OSError, termios.error):
        return
