"""Options of the process that creates a container: what is not in the bundle, and what it has opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minidock.named_tuple import NamedTuple

if TYPE_CHECKING:
    from minidock.runtime.pid_namespace import JoinedPids


class Options(NamedTuple):
    """The defaults are those of an engine whose monitor stays beside the process."""

    id: str = ""  # the container's, for hooks
    gate: int | None = None  # the gate's directory (`gate.py`); None: the process waits for a message to start
    lock: int = -1  # the gate's, which is held until the program runs
    tied: bool = True  # it ends when its creator does
    preserved: int = 0  # how many descriptors after 0, 1 and 2 the program inherits
    pivot: bool = True  # pivot_root(2), which a root on a ramdisk does not allow
    keyring: bool = True  # a session keyring of its own
    places: tuple[str, ...] | None = None  # cgroups of version 1 to be in as well (`linux/cgroups_v1.py`); None: never

    @property
    def kept(self) -> list[int]:
        """The descriptors among these."""
        return [*range(3, 3 + self.preserved), *([] if self.gate is None else [self.gate, self.lock])]


ENGINE = Options()


class Held(NamedTuple):
    """What the creator has opened for the first process: mounts by their place in the bundle
    (`rootfs.clone_binds`), and another container's process namespace, which is joined last.
    """

    trees: dict[int, int]
    joined: JoinedPids | None = None
