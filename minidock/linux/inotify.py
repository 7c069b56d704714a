"""Wait for changes of files, without polling (inotify(7))."""

from __future__ import annotations

import os
import select
from types import TracebackType

from minidock.linux import syscalls

IN_MODIFY = 0x00000002
IN_MOVED_TO = 0x00000080
IN_CREATE = 0x00000100
IN_DELETE_SELF = 0x00000400
IN_MOVE_SELF = 0x00000800


class Watch:
    """It wakes when something in a directory is written, created or renamed, or when the directory is removed."""

    def __init__(self, directory: str) -> None:
        self._fd = syscalls.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        mask = IN_MODIFY | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF
        try:
            syscalls.inotify_add_watch(self._fd, directory, mask)
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        os.close(self._fd)

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds; returns whether something has changed since the last call.

        It does not say what: the caller checks everything again, so that a lost event does no harm.
        """
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        if not poll.poll(timeout * 1000):
            return False
        os.read(self._fd, 1 << 16)
        return True
