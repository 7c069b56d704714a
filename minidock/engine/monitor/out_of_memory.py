"""Count the processes that the kernel has killed for want of memory, at once (cgroup-v2.rst, memory.events).

The file counts them, those of cgroups below included. poll(2) says POLLPRI once it has changed since it was last read
(Documentation/filesystems/sysfs.rst has that of all such files); reclaim changes it too, so the count is what matters.

Little is imported: an idle monitor (`idle.py`) uses this.
"""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False  # as in `typing`, without loading that
if TYPE_CHECKING:
    from minidock.engine.monitor.streams import Events

CHANGED = select.POLLPRI
_SIZE = 4096  # bytes: six short lines


def kills(fd: int) -> int:
    """How many have been killed so far; poll(2) reports changes since this read. 0 once the cgroup is gone."""
    try:
        words = os.pread(fd, _SIZE, 0).split()
    except OSError:  # ENODEV
        return 0
    return int(words[words.index(b"oom_kill") + 1]) if b"oom_kill" in words else 0


class Watch:
    """Watches the memory.events of one cgroup. `seen`: the kills that have been told of."""

    def __init__(self, fd: int, seen: int = 0) -> None:
        self.fd = fd
        self.seen = seen

    def wants(self) -> Events:
        """What to wait for."""
        return {self.fd: CHANGED}

    def has_news(self) -> bool:
        """Whether a process was killed since the last call."""
        before, self.seen = self.seen, max(self.seen, kills(self.fd))
        return self.seen > before

    def close(self) -> None:
        """Watch no more."""
        os.close(self.fd)


def watch(directory: str) -> Watch | None:
    """Watch the cgroup at `directory`; None where it has no memory controller."""
    try:
        return Watch(os.open(os.path.join(directory, "memory.events"), os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return None
