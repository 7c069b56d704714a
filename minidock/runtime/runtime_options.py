"""What the creator of a container's process decides, and no bundle says."""

from __future__ import annotations

from minidock.named_tuple import NamedTuple


class Options(NamedTuple):
    """The defaults are those of an engine whose monitor stays beside the process."""

    id: str = ""  # the container's, for hooks
    gate: int | None = None  # the directory to wait in for the start (`gate.py`), instead of for our own message
    lock: int = -1  # the gate's, which is held until the program runs
    tied: bool = True  # it ends when its creator does
    preserved: int = 0  # how many descriptors after 0, 1 and 2 the program is given too
    pivot: bool = True  # pivot_root(2), which a root on a ramdisk does not allow
    keyring: bool = True  # a session keyring of its own
    places: tuple[str, ...] | None = None  # cgroups of version 1 to be in as well (`linux/cgroups_v1.py`); None: never

    @property
    def kept(self) -> list[int]:
        """The descriptors among these."""
        return [*range(3, 3 + self.preserved), *([] if self.gate is None else [self.gate, self.lock])]


ENGINE = Options()
